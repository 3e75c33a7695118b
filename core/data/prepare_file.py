"""Cleaning, balancing and splitting a plain file, as a project's records are, into a new one. Knows no project.

A file is read as an import reads it; what becomes of its rows is decided by the jobs and the SQL that decide in a
project. All its columns are carried over, and the file itself stays as it is.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar, Unpack

import duckdb

from core.config.settings import Settings
from core.data.balance import OVERSAMPLED, Balance, LabelBalance, check_majority, stage
from core.data.clean import Cleaning, CleanOptions, read_clean_options, reports
from core.data.clean_job import CLEAN
from core.data.formats.file_format import NONE, ExportTable, FileFormat, Meaning
from core.data.formats.formats import FORMATS
from core.data.formats.sources import ending_of
from core.data.ingest import open_layout
from core.data.ingest_job import INGEST, IngestParams, Layout
from core.data.records import RECORDS
from core.data.split import Split, label_splits, path_of, read_shares
from core.data.split_job import SPLIT, SPLIT_NAMES, SplitParams
from core.errors import BadInput
from core.jobs.bundle import Jobs, Report
from core.jobs.kinds import JobKind
from core.store.database import count
from core.store.tables import quoted
from core.store.whole_files import disk_errors, whole_file
from core.tasks.tasks import about_plain_columns

Params = TypeVar("Params")
Result = TypeVar("Result")
WITH_JSON = ("jsonl", "json")
"""formats in which a column that nobody reads keeps its numbers and lists"""
_SETTINGS = Settings(name="file")


@dataclass(frozen=True)
class PlainFile:
    """text: its columns, none where the format names them; label: that of the labels, `several` of which may stand in a
    cell. out: what is to be written, None for a preview. Parts of a split go to NAME_train and so on."""

    file: str
    text: tuple[str, ...] = ()
    label: str | None = None
    several: bool = False
    encoding: str = "utf-8"
    out: str | None = None


@dataclass(frozen=True)
class PreparedFile:
    """files: path -> rows. changes: sentences on what the format cannot hold."""

    files: Mapping[str, int] = field(default_factory=dict)
    changes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Rows:
    """The table `rows` of a connection (n, position, text, fields, meta, hash, label, labels); the file's columns."""

    jobs: Jobs
    report: Report
    plain: PlainFile
    connection: duckdb.DuckDBPyConnection
    columns: tuple[str, ...]
    text: tuple[str, ...]
    label: str | None

    def run(self, kind: JobKind[Params, Result], params: Params, query: str, table: str) -> tuple[Result, Path]:
        """The job on what the query gives, and the folder of what it wrote."""
        bundle = self.jobs.prepare(kind, params)
        self.connection.execute(f"copy ({query}) to '{quoted(bundle.path / 'in' / table)}' (format parquet)")
        return self.jobs.run(bundle, kind, self.report, kind.name.capitalize()), bundle.path / "out"


def clean_file(
    jobs: Jobs, report: Report, plain: PlainFile, **options: Unpack[CleanOptions]
) -> tuple[Cleaning, PreparedFile]:
    """As `core.data.clean.clean` does. Where there are several text columns the cleaned text is a further one."""
    params = read_clean_options(options)
    with _read(jobs, report, plain) as rows:
        query = """select n, 'row ' || (position + 1) as id, text, false as protected, label is not null as labelled
                   from rows order by n"""
        result, out = rows.run(CLEAN, params, query, "texts.parquet")
        for name in ("cleaned", "left_out", "examples"):
            rows.connection.execute(f"create view staged_{name} as from read_parquet('{quoted(out / name)}.parquet')")
        left_out = count(rows.connection, "select count(*) from staged_left_out")
        examples = rows.connection.execute("select kind, name, id, before, after, other_id from staged_examples")
        cleaning = Cleaning(result.records, result.changed, left_out, result.protected, plain.out is not None)
        cleaning = replace(cleaning, languages=result.languages, **reports(params, result, examples.fetchall()))
        cleaned = """select rows.* replace (coalesce(c.text, rows.text) as text) from rows left join staged_cleaned c
                     using (n) where n not in (select n from staged_left_out) order by n"""
        return cleaning, _write(rows, {"": cleaned})


def balance_file(  # noqa: PLR0913 - an option is an argument
    jobs: Jobs,
    report: Report,
    plain: PlainFile,
    *,
    labels_to_filter: Sequence[str] | None = None,
    reduce_majority_to: int | None = None,
    oversample: bool | None = None,
    seed: int | None = None,
) -> tuple[Balance, PreparedFile]:
    """As `core.data.balance.balance` does; with `oversample` rows of rare labels are repeated. Rows without a label
    stay."""
    check_majority(reduce_majority_to)
    if plain.several and oversample:
        raise BadInput("Rows with several labels are not repeated: each would bring its other labels along.")
    with _read(jobs, report, plain) as rows:
        known = [name for (name,) in rows.connection.execute(_NAMES).fetchall()]
        if not known:
            raise BadInput(f"{Path(plain.file).name} has no label to balance. Name the column of labels: --label.")
        filtered = _named(labels_to_filter or (), known)
        chosen = _SETTINGS.seed if seed is None else seed
        stage(rows.connection, filtered, reduce_majority_to, chosen, "select n, labels from rows where len(labels) > 0")
        sizes = rows.connection.execute(_SIZES).fetchall()
        [(training, left_out)] = rows.connection.execute(_LEFT).fetchall()
        labels = tuple(LabelBalance(name, could, does, gold=0, audit=0) for name, could, does in sizes)
        query = "select * from rows where n not in (select n from staged_balance where reason <> '') order by n"
        if oversample:
            query = f"select * exclude (repeat) from ({OVERSAMPLED.format(query=query, order='n')}) order by repeat, n"
        balance = Balance(plain.out is not None, training, left_out, bool(oversample), labels)
        return balance, _write(rows, {"": query})


_NAMES = "select distinct unnest(labels) as label from rows order by 1"
_SIZES = """
    select label, count(*), count(*) filter (reason = '')
    from (select unnest(labels) as label, reason from staged_balance) group by 1 order by 2 desc, 1
"""
_LEFT = "select count(*), count(*) filter (reason <> '') from staged_balance"


def split_file(  # noqa: PLR0913 - an option is an argument
    jobs: Jobs,
    report: Report,
    plain: PlainFile,
    *,
    train: float | None = None,
    val: float | None = None,
    test: float | None = None,
    by: str | None = None,
    seed: int | None = None,
) -> tuple[Split, PreparedFile]:
    """As `core.data.split.split` does, of all rows: those without a label are divided by chance."""
    shares = read_shares(train, val, test)
    seed = _SETTINGS.seed if seed is None else seed
    if not 0 <= seed < 2**63:
        raise BadInput(f"The seed is {seed}; it must be 0 or more.")
    with _read(jobs, report, plain) as rows:
        if by is not None and by not in rows.columns:
            raise BadInput(f"{Path(plain.file).name} has no column {by!r}; there are {', '.join(rows.columns)}.")
        unit = "hash::varchar"
        if by is not None:
            path = quoted(path_of(by))
            alone = len(rows.text) == 1 and by == rows.text[0]
            own = "text" if alone else "label" if by == rows.label else ""
            value = own or f"coalesce(json_value(meta, '{path}'), json_value(fields, '{path}'))"
            unit = f"coalesce('by ' || nullif({value}::varchar, ''), {unit})"
        query = f"select n, {unit} as unit, coalesce(labels, []) as categories from rows order by n"
        result, out = rows.run(SPLIT, SplitParams(shares, seed), query, "records.parquet")
        rows.connection.execute(f"create view splits as from read_parquet('{quoted(out / 'splits.parquet')}')")
        parts = {
            f"_{name}": f"select rows.* from rows join splits using (n) where split = '{name}' order by n"
            for name, size in zip(SPLIT_NAMES, result.sizes, strict=True)
            if size
        }
        split = Split(
            applied=plain.out is not None,
            seed=seed,
            records=result.records,
            groups=result.units if by else 0,
            **dict(zip(SPLIT_NAMES, result.sizes, strict=True)),
            gold=0,
            audit=0,
            left_out=0,
            chosen=0,
            uneven=result.uneven,
            labels=label_splits(result, {}),
        )
        return split, _write(rows, parts)


@contextmanager
def _read(jobs: Jobs, report: Report, plain: PlainFile) -> Iterator[_Rows]:
    """Raises BadInput, with nothing written."""
    _check_out(plain)
    about = about_plain_columns(several=plain.several)
    layout = Layout(text=plain.text, label=plain.label, encoding=plain.encoding, about=about, many_labels=True)
    source, layout = open_layout(IngestParams(plain.file, layout))
    if layout.annotator:
        raise BadInput(
            f"A row of {source.path.name} is a person's answer, of which a record may have several. Import it into a "
            "project, which settles them, and prepare that."
        )
    columns = tuple(dict.fromkeys(source.columns([])))
    spelt = {name.casefold(): name for name in columns}
    if alike := [name for name in columns if spelt[name.casefold()] != name]:
        raise BadInput(
            f"{source.path.name} has the columns {alike[0]!r} and {spelt[alike[0].casefold()]!r}, which differ only in "
            "case; rename one."
        )
    taken = {*layout.text, layout.label}
    layout = replace(layout, id=None, split=None, meta=tuple(name for name in columns if name not in taken))
    bundle = jobs.prepare(INGEST, IngestParams(plain.file, layout))
    jobs.run(bundle, INGEST, report, f"Reading {source.path.name}")
    labels = "case when label is null then null when label = '' then [] else string_split(label, '|') end"
    labels = labels if plain.several else "if(label is null, null, [label])"
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute(f"set temp_directory = '{quoted(bundle.path / 'spilled')}'")
        connection.execute(
            f"""create view rows as select position::bigint as n, position, text, fields::json as fields,
                meta::json as meta, hash, label, {labels} as labels
                from read_parquet('{quoted(bundle.path / "out" / RECORDS)}')"""
        )
        yield _Rows(jobs, report, plain, connection, columns, layout.text, layout.label)


def _check_out(plain: PlainFile) -> None:
    """Before anything is read."""
    if plain.out is None:
        return
    out = Path(plain.out)
    _format_of(out)
    if out.resolve() == Path(plain.file).resolve():
        raise BadInput(f"--out is {out.name}, the file itself, which stays as it is. Name another.")
    if not out.parent.is_dir():
        raise BadInput(f"There is no folder {out.parent}; make it first or choose another.")


def _format_of(out: Path) -> tuple[str, FileFormat, Callable[[ExportTable, Path], tuple[str, ...]]]:
    writable = {
        one.ending: (name, one, one.write)
        for name, one in reversed(FORMATS.items())  # the plain one of several with an ending
        if one.write and one.ending and not one.folder
    }
    if chosen := writable.get(ending_of(out)):
        return chosen
    raise BadInput(f"{out.name} has no ending that says its format; there are {', '.join(writable)}.")


def _named(words: Sequence[str], known: Sequence[str]) -> list[str]:
    """Joined by commas or not."""
    named = [part.strip() for word in words for part in ([word] if word in known else word.split(","))]
    if unknown := [name for name in named if name and name not in known]:
        shown = ", ".join(known[:20]) + (", …" if len(known) > 20 else "")
        raise BadInput(f"There is no label {unknown[0]!r} in the file; there are {shown}.")
    return [name for name in named if name]


def _write(rows: _Rows, parts: Mapping[str, str]) -> PreparedFile:
    """parts: what is put before the ending -> SQL of its rows, with the columns of `rows`. All of them or none."""
    if rows.plain.out is None:
        return PreparedFile()
    out = Path(rows.plain.out)
    name, form, write = _format_of(out)
    names = tuple(name for (name,) in rows.connection.execute(_NAMES).fetchall())
    meaning = Meaning(labels=names, several=rows.plain.several, title=Path(rows.plain.file).stem)
    stem, changes, written = out.name.removesuffix(form.ending), dict[str, None](), dict[str, int]()
    select = ", ".join(_own(rows, name) if form.holds is None else _standard(rows))
    with tempfile.TemporaryDirectory(prefix="rondo-file-") as work:
        for part, query in parts.items():
            rows.report("Writing", len(written), len(parts))
            target = out.with_name(f"{stem}{part}{form.ending}")
            table = Path(work) / "table.parquet"
            copy = f"copy (select {select} from ({query})) to '{quoted(table)}' (format parquet)"
            copied = rows.connection.execute(copy).fetchone()
            changes |= dict.fromkeys(write(ExportTable(table, meaning), Path(work) / target.name))
            written[str(target)] = int(copied[0]) if copied else 0
        for path in map(Path, written):
            with disk_errors(f"The file {path}"), whole_file(path.resolve()) as partial:
                shutil.copyfile(Path(work) / path.name, partial)
    return PreparedFile(written, tuple(changes))


def _own(rows: _Rows, form: str) -> list[str]:
    """The file's own columns, in their order; where several make up the text also that, as it is now."""
    read = "->" if form in WITH_JSON else "->>"
    columns = {name: f"meta{read}'{quoted(path_of(name))}'" for name in rows.columns}
    columns |= {name: f"fields->>'{quoted(path_of(name))}'" for name in rows.text}
    if len(rows.text) == 1:
        columns[rows.text[0]] = "text"
    else:
        present = {name.casefold() for name in rows.columns}
        columns[next(name for name in ("text", "cleaned_text", "cleaned text") if name not in present)] = "text"
    if rows.label:
        columns[rows.label] = f"if(label = '', '{NONE}', label)" if rows.plain.several else "label"
    return [f"{value} as {_identifier(name)}" for name, value in columns.items()]


def _standard(rows: _Rows) -> list[str]:
    """The columns that formats of other programs know."""
    id_ = f"meta->>'{quoted(path_of('id'))}'" if "id" in rows.columns else "null"
    return [
        f"coalesce({id_}, 'row ' || (position + 1)) as id",
        "text",
        f"if(label = '', '{NONE}', label) as label",
        "null::varchar as split",
        f"'{quoted(Path(rows.plain.file).name)}' as source",
        "meta::varchar as meta",
    ]


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
