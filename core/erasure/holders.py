"""Files that hold what is to be erased: job inputs, exports, evaluations, backups, and files outside the project."""

import glob
import json
import re
import shutil
import zipfile
import zlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from core.data.formats.sources import open_source
from core.erasure.selection import ErasureSelection
from core.errors import BadInput
from core.explore.maps import FILE as MAP
from core.explore.maps import Map, read_map, write_map
from core.explore.saved_views import FILE as VIEWS
from core.ids import RecordNo
from core.jobs.bundle import Bundle, write_json
from core.jobs.job_states import UNDER_WAY
from core.language_models.generation import CACHE
from core.project import Project
from core.store.database import FILE as DATABASE
from core.store.private_files import FOLDER, UPLOADS
from core.store.tables import quoted
from core.trees.snapshots import SNAPSHOTS
from core.trees.tree import FOLDERS

_READERS = {
    ".csv": "read_csv($path, all_varchar = true, header = true, null_padding = true)",
    ".jsonl": "read_json($path, format = 'newline_delimited')",
    ".json": "read_json($path)",
    ".parquet": "read_parquet($path)",
}
PACKED = (".xlsx", ".arrow", ".feather", ".spacy")
"""tables whose bytes do not show their texts"""
_IDS = ("id", "record_id", "record")
_ID_LISTS = ("records", "audit_records")  # of the batches in a paper bundle
_PEOPLE = ("annotator", "annotators", "user", "who")  # who: in histories exported before
WRITERS = (
    *("export", "history exported", "evaluate", "paper", "samples", "training_data", "prepare", "dedup_project"),
    *("predict", "predict_elsewhere", "predict_pair_file"),
)
"""what the history calls those who write a file where a person says"""
_READ_BYTES = 64_000_000
"""of a file that is no table; of a longer one only so much is looked through"""


@dataclass(frozen=True)
class Traces:
    """own: paths below the project's folder that go with what is erased. evaluations: files of which some lines go.

    exports: those of `own` that a person had written. backups: folders with the text; elsewhere: files that are not
    ours to delete. busy: jobs under way that hold it.
    """

    own: tuple[str, ...] = ()
    exports: tuple[str, ...] = ()
    evaluations: tuple[str, ...] = ()
    backups: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    busy: tuple[str, ...] = ()


def find_traces(project: Project, selection: ErasureSelection) -> Traces:
    """Reads everything that may hold it: inputs of jobs, exports in the history, backups."""
    bundles, busy = _bundles(project, selection)
    exports, elsewhere = _exports(project, selection)
    evaluations = [path for path in project.models.glob("*/*/*.json") if _says(path, selection)]
    cache = project.folder / FOLDER / CACHE  # of answers by their hash: nobody can tell which are of it
    own = [*bundles, *exports, *((cache,) if selection.record_nos and cache.exists() else ())]
    elsewhere = [*elsewhere, *_snapshots(project, selection)]
    own += [*(path for path in project.folder.glob("jobs/*/log.txt") if _says(path, selection))]
    uploads = [path for name in UPLOADS for path in (project.folder / FOLDER / name).rglob("*") if path.is_file()]
    own += [*(path for path in uploads if holds(path, selection))]
    return Traces(
        own=tuple(_below(project, path) for path in own),
        exports=tuple(_below(project, path) for path in exports),
        evaluations=tuple(_below(project, path) for path in evaluations),
        backups=tuple(str(path) for path in _backups(project, selection)),
        elsewhere=tuple(str(path) for path in elsewhere),
        busy=tuple(busy),
    )


def _below(project: Project, path: Path) -> str:
    return path.relative_to(project.folder).as_posix()


def _bundles(project: Project, selection: ErasureSelection) -> tuple[list[Path], list[str]]:
    """Folders of jobs that have ended, and the ids of those under way."""
    folders: list[Path] = []
    busy: list[str] = []
    rows = {row[0]: row[1:] for row in project.store.query("select id, state, coalesce(runner, parent) from jobs")}
    for folder in (path for path in (project.folder / "jobs").glob("*") if path.is_dir()):
        tables = [path for name in ("in", "out") for path in (folder / name).rglob("*.parquet")]
        tables += [path for path in (folder / "out").rglob("piece-*") if path.is_file()]
        prompts = (folder / "in").glob("*.jsonl")
        drawn = any((folder / "in").glob("*.vl.json"))  # charts with names, and perhaps texts: of use to nobody later
        if not (
            drawn
            or any(holds(path, selection) for path in tables)
            or any(_prompts(path, selection) for path in prompts)
        ):
            continue
        state, runner = rows.get(folder.name, ("", None))
        alive = state in UNDER_WAY and (runner is not None or project.jobs.survived(Bundle(folder)))
        if alive and Bundle(folder).result is None:
            busy.append(folder.name)
        folders += [folder / name for name in ("in", "out", "ckpt", "work") if (folder / name).exists()]
    return folders, busy


def _prompts(path: Path, selection: ErasureSelection) -> bool:
    """Whether a line is of one of the records, or has one of the texts somewhere in it. Names of people are in none."""
    if selection.annotator:
        return False
    with suppress(OSError), path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            row = _read_line(line)
            if row.get("id") in selection.ids or any(text in one for one in _texts_in(row) for text in selection.texts):
                return True
    return False


def _read_line(line: str) -> dict[str, object]:
    """Of JSON lines; empty for one that is cut short."""
    try:
        row = json.loads(line)
    except ValueError:
        return {}
    return row if isinstance(row, dict) else {}


def _texts_in(value: object) -> Iterator[str]:
    """Every text of a value of JSON, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts_in(one)


def _exports(project: Project, selection: ErasureSelection) -> tuple[list[Path], list[Path]]:
    """(in the project and written by it, elsewhere or a person's own)."""
    written = {Path(out) for out in logged(project, WRITERS, "out")}
    written |= (papers := {Path(path) for path in logged(project, ("paper",), "path")})
    inside = {path for path in (project.folder / "exports").rglob("*") if path.is_file()}
    written |= {file for path in written if path.is_dir() for file in path.rglob("*")}
    written |= {part for path in written for part in path.parent.glob(f"{glob.escape(path.stem)}_*{path.suffix}")}
    endings = (*_READERS, *PACKED, ".txt", ".ft", ".fasttext")
    lying = {path for path in project.folder.iterdir() if path.is_file() and path.suffix.lower() in endings}
    lying.discard(project.folder / VIEWS)  # what is said there goes by itself
    home = project.folder.resolve()
    recorded = {path.resolve() for path in written}
    archives = {Path(path).resolve() for path in logged(project, ("archive",), "archive")}  # which are backups
    seen = {path.resolve() for path in written | inside | lying if path.is_file()} - archives
    holding = {path for path in seen if holds(path, selection)}
    ours: list[Path] = []
    others: list[Path] = []
    drawn = _drawn_beside(papers, holding) if selection.annotator else set()
    for path in sorted(holding | drawn):
        mine = path.is_relative_to(home) and (path.is_relative_to(home / "exports") or path in recorded)
        (ours if mine else others).append(project.folder / path.relative_to(home) if mine else path)
    return ours, others


def _drawn_beside(papers: Collection[Path], holding: Collection[Path]) -> set[Path]:
    """Pictures of paper bundles that hold it: names stand in them, where nobody can search for them."""
    folders = [path.resolve() for path in papers if path.is_dir()]
    held = [folder for folder in folders if any(path.is_relative_to(folder) for path in holding)]
    return {path for folder in held for form in ("png", "svg") for path in folder.glob(f"figures/*.{form}")}


def logged(project: Project, what: Sequence[str], key: str) -> list[str]:
    """Paths of the files that the history says were written."""
    rows = project.store.query(
        "select distinct detail->>$2 from audit_log where list_contains($1::varchar[], what)", [list(what), key]
    )
    return [value for (value,) in rows if value]


def _snapshots(project: Project, selection: ErasureSelection) -> list[Path]:
    """Snapshots of folder trees with such a path: they never change, so a person removes one as a whole."""
    query = "select count(*) from read_parquet($path) where list_contains($ids::varchar[], path)"
    with duckdb.connect(config={"threads": 1}) as cursor:
        tables = sorted((project.folder / SNAPSHOTS).glob(f"*/{FOLDERS}"))
        return [
            table.parent
            for table in tables
            if cursor.execute(query, {"path": str(table), "ids": list(selection.ids)}).fetchall() != [(0,)]
        ]


def _backups(project: Project, selection: ErasureSelection) -> Iterator[Path]:
    """Backups that hold it, and files that cannot be read."""
    backups = {
        *(project.folder / "backups").glob("*"),
        *(project.folder / "damaged").glob("*"),  # what a repair has put aside
        *map(Path, logged(project, ("backup",), "out")),
        *map(Path, logged(project, ("archive",), "archive")),
    }
    for backup in sorted(backup for backup in backups if backup.exists()):
        if (backup / DATABASE).exists():
            if _in_database(backup / DATABASE, selection):
                yield backup
        elif backup.is_file() or any(_says(path, selection) for path in backup.rglob("*") if path.is_file()):
            yield backup


def _in_database(path: Path, selection: ErasureSelection) -> bool:
    """True also where the database cannot be read."""
    query = "select 1 from responses where list_contains($words::varchar[], annotator) limit 1"
    if not selection.annotator:
        query = "select 1 from records where text in (select unnest($words::varchar[])) limit 1"
    try:
        with duckdb.connect(str(path), read_only=True, config={"threads": 1}) as connection:
            return bool(connection.execute(query, {"words": list(selection.words)}).fetchall())
    except duckdb.Error:
        return True


def holds(path: Path, selection: ErasureSelection) -> bool:
    """Whether a table has the text in a cell or the record's id in a column of ids; of any other file, whether it
    contains it; of a zip, whether a file in it does.
    """
    reader = _READERS.get(path.suffix.lower() or _kind(path))
    if path.suffix.lower() in PACKED:
        return _in_packed(path, selection)
    if path.suffix.lower() == ".zip":
        return _in_zip(path, selection)
    if reader is None:
        return _says(path, selection)
    try:
        with duckdb.connect(config={"threads": 1}) as connection:
            return _in_table(connection, reader, path, selection)
    except duckdb.Error:
        return _says(path, selection)


def _kind(path: Path) -> str:
    """Of a file without an ending, as pieces are: .parquet if it is such a table."""
    with suppress(OSError), path.open("rb") as file:
        return ".parquet" if file.read(4) == b"PAR1" else ""
    return ""


def _in_zip(path: Path, selection: ErasureSelection) -> bool:
    """True also of one that cannot be read. Each file in it is unpacked by itself, and gone before the next."""
    try:
        with zipfile.ZipFile(path) as archive:
            for number, name in enumerate(archive.namelist()):
                with TemporaryDirectory(prefix="rondo-") as folder:
                    file = Path(folder) / f"{number}{Path(name).suffix}"  # never by the name that the zip gives it
                    with archive.open(name) as member, file.open("wb") as unpacked:
                        shutil.copyfileobj(member, unpacked)
                    if file.suffix.lower() != ".zip" and holds(file, selection):
                        return True
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError):  # broken, or locked
        return True
    return False


def _in_packed(path: Path, selection: ErasureSelection) -> bool:
    """The same of files whose bytes do not show their texts; true also of those that cannot be read."""
    people = set(selection.words) if selection.annotator else set()
    texts, ids = (set(), set()) if people else (set(selection.words), set(selection.ids))
    try:
        source = open_source(path)
        columns = source.columns([])
        for batch in source.batches(columns):
            for name, cells in batch.columns.items():
                traces = texts | ids if name in _IDS else texts
                if any(cell in traces for cell in cells if isinstance(cell, str)):
                    return True
                if name in _PEOPLE and any(people & set(str(cell).split("|")) for cell in cells if people):
                    return True
    except BadInput:
        return True
    return False


def _in_table(connection: duckdb.DuckDBPyConnection, reader: str, path: Path, selection: ErasureSelection) -> bool:
    source = reader.replace("$path", f"'{quoted(path)}'")
    columns = [name for name, *_ in connection.execute(f"describe select * from {source}").fetchall()]
    connection.execute("create temp table words as select unnest(?::varchar[]) as word", [list(selection.words)])
    connection.execute("create temp table ids as select unnest(?::varchar[]) as word", [list(selection.ids)])
    tests = []
    if path.suffix.lower() in (".json", ".jsonl") and _is_nested(connection, source):
        return _says(path, selection) or _in_lists(connection, source, columns)
    for name in columns:
        cell = '"' + name.replace('"', '""') + '"::varchar'
        if selection.annotator:
            if name in _PEOPLE:
                tests.append(f"list_has_any(string_split({cell}, '|'), (select list(word) from words))")
            continue
        tests.append(f"{cell} in (select word from words)")
        if name in _IDS:
            tests.append(f"{cell} in (select word from ids)")
    if not tests:
        return False
    return bool(connection.execute(f"select 1 from {source} where {' or '.join(tests)} limit 1").fetchall())


def _in_lists(connection: duckdb.DuckDBPyConnection, source: str, columns: Collection[str]) -> bool:
    """Is one of the ids in a list of ids?"""
    tests = [f"list_has_any({name}::varchar[], (select list(word) from ids))" for name in _ID_LISTS if name in columns]
    return bool(tests and connection.execute(f"select 1 from {source} where {' or '.join(tests)} limit 1").fetchall())


def _is_nested(connection: duckdb.DuckDBPyConnection, source: str) -> bool:
    """Do texts stand in objects or lists, as other programs write them?"""
    kinds = [kind for _, kind, *_ in connection.execute(f"describe select * from {source}").fetchall()]
    return any(kind.startswith(("STRUCT", "MAP", "JSON")) or kind.endswith("[]") for kind in kinds)


def _says(path: Path, selection: ErasureSelection) -> bool:
    """Searches for the longest part of each text that is written the same way in every file format."""
    needles = {needle for word in selection.words if (needle := _plain(word))}
    with suppress(OSError), path.open("rb") as file:
        content = file.read(_READ_BYTES)
        return any(needle in content for needle in needles)
    return False


def _plain(text: str) -> bytes:
    """Empty where every such part of the text is too common to search for."""
    longest = max(re.findall(r"[A-Za-z0-9 ,.;:!?'()-]+", text), key=len, default="").strip()
    return longest[:50].encode() if len(longest) >= 4 else b""


def thin_evaluations(project: Project, traces: Traces, selection: ErasureSelection) -> None:
    """Removes the records from the lists of errors; the figures are kept."""
    for name in traces.evaluations:
        path = project.folder / name
        write_json(path, _without(json.loads(path.read_text(encoding="utf-8")), selection))


def _without(value: object, selection: ErasureSelection) -> object:
    if isinstance(value, list):
        return [_without(one, selection) for one in value if not _is_of(one, selection)]
    if isinstance(value, dict):
        return {name: _without(one, selection) for name, one in value.items()}
    return value


def _is_of(value: object, selection: ErasureSelection) -> bool:
    if not isinstance(value, dict):
        return False
    text = value.get("text")
    return value.get("id") in selection.ids or (
        isinstance(text, str) and any(whole.startswith(text) for whole in selection.texts if text)
    )


def remove(project: Project, names: Sequence[str]) -> None:
    """Deletes paths below the project's folder, with an export's card; a missing path is no error."""
    home = project.folder.resolve()
    for name in names:
        path = project.folder / name
        if not path.resolve().is_relative_to(home):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
            for ending in (".card.md", ".card.json"):
                path.with_name(path.name + ending).unlink(missing_ok=True)


def thin_maps(project: Project, record_nos: Sequence[RecordNo]) -> None:
    """Removes the records' points from every map."""
    import numpy as np

    for path in project.vectors.glob(f"*/{MAP}"):
        record_map = read_map(path)
        if record_map is not None and np.isin(record_map.record_nos, record_nos).any():
            stays = ~np.isin(record_map.record_nos, record_nos)
            write_map(path, Map(record_map.record_nos[stays], record_map.xy[stays], record_map.facts))
