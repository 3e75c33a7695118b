"""A project in one file that can be read without DuckDB: a zip of Parquet tables, settings and models; and restoring
it.
"""

import errno
import hashlib
import json
import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import duckdb

from core.backup.backups import ROUNDS, build_aside, check_copy, snapshot
from core.backup.stored_tables import tables
from core.config.settings import SETTINGS_FILES, read_settings
from core.errors import BadInput, Damaged, Refused
from core.jobs.bundle import Report
from core.jobs.code_version import code_version
from core.project import Project
from core.store.database import CONFIG, Store, migrate, utc_now
from core.store.database import FILE as DATABASE
from core.store.migrations import MIGRATIONS
from core.store.tables import quoted
from core.store.whole_files import disk_errors, sha256_of, whole_file
from core.trees.snapshots import SNAPSHOTS
from core.typed_json import from_json, to_json

MANIFEST = "archive.json"
FORMAT = 1
_PIECE = 1 << 20
_README = """A Rondo project. `rondo restore FILE --project FOLDER` makes a project of it again.
tables/*.parquet   every table of the database, for any reader of Parquet
rondo.toml         settings and labels
steps.toml         of structured answers
models/            safetensors and JSON
rounds/            what each round chose from
archive.json       columns and row counts of the tables, SHA-256 of every file here
Vectors are not in it: `rondo encode` makes them again.
"""


@dataclass(frozen=True)
class StoredTable:
    """columns: name -> type."""

    rows: int
    columns: dict[str, str]


@dataclass(frozen=True)
class ArchiveManifest:
    """Contents of an archive. schema: how many migrations its tables have; files: path -> SHA-256."""

    format: int
    schema: int
    tables: dict[str, StoredTable]
    files: dict[str, str]
    made_at: str = ""
    code: str = ""


@dataclass(frozen=True)
class Archived:
    """An archive that was written."""

    file: str
    bytes: int
    rows: int
    tables: int


@dataclass(frozen=True)
class Restored:
    """A project made from an archive. tables: name -> rows."""

    folder: str
    rows: int
    records: int
    tables: dict[str, int]


def write_archive(project: Project, report: Report, *, archive: str) -> Archived:
    """A snapshot of everything but vectors, job files and secrets, in one file that is whole or absent."""
    target = Path(archive)
    if target.exists():
        raise BadInput(f"{target} is there already; a backup never overwrites. Name another file.")
    if not target.parent.is_dir():
        raise BadInput(f"There is no folder {target.parent}. Make it, or name another place.")
    with (
        disk_errors(f"The archive {target}"),
        tempfile.TemporaryDirectory(prefix="archive-", suffix=".partial", dir=target.parent) as name,
    ):
        folder = Path(name)
        snapshot(project, folder, report)
        check_copy(folder / DATABASE)
        contents = _export_tables(folder, report)
        with whole_file(target) as partial:
            _zip(folder, partial, contents)
            read_manifest(partial)
    rows = sum(table.rows for table in contents.values())
    return Archived(str(target), target.stat().st_size, rows, len(contents))


def _export_tables(folder: Path, report: Report) -> dict[str, StoredTable]:
    """Each table as Parquet in `tables/`; the copied database is deleted."""
    (folder / "tables").mkdir()
    contents = {}
    with duckdb.connect(str(folder / DATABASE), read_only=True, config=CONFIG) as copy:
        names = tables(copy)
        for done, table in enumerate(names):
            report("Writing tables", done, len(names))
            columns = {column: kind for column, kind, *_ in copy.execute(f"describe {table}").fetchall()}
            target = quoted(folder / "tables" / f"{table}.parquet")
            try:
                copy.execute(f"copy (from {table} order by rowid) to '{target}' (format parquet, compression zstd)")
            except duckdb.IOException as error:  # DuckDB gives no number: what was read was sound
                raise OSError(errno.ENOSPC, str(error).splitlines()[0]) from None
            rows = copy.execute(f"select count(*) from {table}").fetchall()[0][0]
            contents[table] = StoredTable(rows, columns)
    (folder / DATABASE).unlink()
    return contents


def _zip(folder: Path, target: Path, contents: dict[str, StoredTable]) -> None:
    """The manifest last. Uncompressed: Parquet is compressed, and weights do not compress."""
    (folder / "README.txt").write_text(_README, encoding="utf-8")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    manifest = ArchiveManifest(
        format=FORMAT,
        schema=len(MIGRATIONS),
        tables=contents,
        files={path.relative_to(folder).as_posix(): sha256_of(path) for path in files},
        made_at=f"{utc_now():%Y-%m-%dT%H:%M:%SZ}",
        code=code_version(),
    )
    with target.open("xb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for path in files:
            archive.write(path, path.relative_to(folder).as_posix())
        archive.writestr(MANIFEST, json.dumps(to_json(manifest), indent=1))


def read_manifest(archive: Path) -> ArchiveManifest:
    """Raises BadInput for a file that is no archive, Damaged for one that is truncated."""
    try:
        with zipfile.ZipFile(archive) as opened:
            manifest = from_json(ArchiveManifest, json.loads(opened.read(MANIFEST)), MANIFEST)
            names = set(opened.namelist()) - {MANIFEST}
    except FileNotFoundError:
        raise BadInput(f"There is no file {archive}.") from None
    except IsADirectoryError:
        raise BadInput(f"{archive} is a folder; name an archive that `rondo backup --archive` has written.") from None
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError):
        raise Damaged(f"{archive} is no archive of Rondo's, or it is damaged. Nothing was restored.") from None
    except (KeyError, BadInput):
        raise BadInput(f"{archive} is a zip file, but no archive of Rondo's (no {MANIFEST}).") from None
    if manifest.format > FORMAT or manifest.schema > len(MIGRATIONS):
        raise Refused(f"{archive} was written by a newer Rondo. Upgrade Rondo; nothing was restored.")
    if names != set(manifest.files):
        raise Damaged(f"{archive} does not hold the files that it names. Nothing was restored.")
    return manifest


def restore(archive: Path, folder: Path, report: Report) -> Restored:
    """Makes a project from an archive in a new folder; whole or not at all."""
    manifest = read_manifest(archive)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"{folder} is not empty. Restore into a folder that is empty or not there; nothing was changed.")

    def fill(partial: Path) -> None:
        _unpack(archive, manifest, partial, report)
        _import_tables(partial, manifest, report)
        shutil.rmtree(partial / "tables")
        (partial / "README.txt").unlink(missing_ok=True)
        read_settings(partial)
        Store(partial).close()  # brings an older schema up to date
        check_copy(partial / DATABASE)

    build_aside(folder, fill, f"The project in {folder}")
    rows = {name: table.rows for name, table in manifest.tables.items()}
    return Restored(str(folder), sum(rows.values()), rows.get("records", 0), rows)


def _unpack(archive: Path, manifest: ArchiveManifest, folder: Path, report: Report) -> None:
    """Every file, compared with its hash. Raises Damaged, also for a name that leads out of the folder."""
    with zipfile.ZipFile(archive) as opened:
        for done, (name, expected) in enumerate(sorted(manifest.files.items())):
            report("Unpacking", done, len(manifest.files))
            parts = PurePosixPath(name).parts
            allowed = name in (*SETTINGS_FILES, "README.txt") or parts[0] in ("tables", "models", ROUNDS, SNAPSHOTS)
            if not allowed or ".." in parts or "\\" in name or ":" in name or PurePosixPath(name).is_absolute():
                raise Damaged(f"{archive} holds {name[:80]!r}, which is no part of a project. Nothing was restored.")
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if _extract(opened, name, target) != expected:
                raise Damaged(f"{archive} is damaged: {name} is not what was written. Nothing was restored.")


def _extract(archive: zipfile.ZipFile, name: str, target: Path) -> str:
    digest = hashlib.sha256()
    try:
        with archive.open(name) as source, target.open("xb") as file:
            for piece in iter(lambda: source.read(_PIECE), b""):
                digest.update(piece)
                file.write(piece)
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError):
        return ""
    return digest.hexdigest()


def _import_tables(folder: Path, manifest: ArchiveManifest, report: Report) -> None:
    """A database of the archive's schema with its rows. Raises Damaged where they are not those that it names."""
    with duckdb.connect(str(folder / DATABASE), config=CONFIG) as made:
        migrate(made, manifest.schema)
        names = list(manifest.tables)
        if unknown := manifest.tables.keys() - tables(made):
            raise Damaged(f"The archive holds a table {min(unknown)[:80]!r}, which no Rondo has. Nothing was restored.")
        for done, table in enumerate(names):
            report("Restoring tables", done, len(names))
            columns = _columns(made, table, manifest.tables[table])
            source = quoted(folder / "tables" / f"{table}.parquet")
            try:
                made.execute(f"delete from {table}")  # a migration may have written its first row
                made.execute(f"insert into {table} ({columns}) select {columns} from read_parquet('{source}')")
                rows = made.execute(f"select count(*) from {table}").fetchall()[0][0]
            except (duckdb.BinderException, duckdb.ConversionException, duckdb.InvalidInputException) as error:
                reason = str(error).splitlines()[0]
                raise Damaged(f"The table {table} of the archive cannot be restored: {reason}") from None
            if rows != manifest.tables[table].rows:
                raise Damaged(f"The table {table} of the archive has {rows:,} rows, not as many as it says.")
        made.execute("checkpoint")


def _columns(made: duckdb.DuckDBPyConnection, table: str, stored: StoredTable) -> str:
    """As SQL lists them. Raises Damaged for one that the table has not: an archive may come from anybody."""
    known = {name for name, *_ in made.execute(f"describe {table}").fetchall()}
    if unknown := stored.columns.keys() - known:
        raise Damaged(f"The archive's table {table} has a column {min(unknown)[:80]!r}, which no Rondo has.")
    if not stored.columns:
        raise Damaged(f"The archive's table {table} has no columns. Nothing was restored.")
    return ", ".join('"' + name.replace('"', '""') + '"' for name in stored.columns)
