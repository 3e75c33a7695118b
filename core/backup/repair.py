"""Recovering a project whose database is damaged, from readable rows, the write-ahead file and the newest backup.

Works on copies in a folder of its own; only a database that opens, and whose every row can be read, is put in place.
The damaged files are kept in `damaged/`.
"""

import secrets
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from core.backup.backups import newest_backup
from core.backup.salvage import SalvagedTable, merge_tables, read_tables
from core.backup.stored_tables import scan
from core.config.settings import FILE as SETTINGS
from core.config.settings import LAST_GOOD, Settings, read_settings, way_back
from core.errors import BadInput, Damaged, Refused
from core.jobs.bundle import Report
from core.labelling.resettling import settle_all
from core.labelling.taxonomy_versions import adopt_taxonomy
from core.store.damage import wal_of
from core.store.database import CONFIG, Store, count, migrate, note, refuse_held, unsound_wal, utc_now
from core.store.database import FILE as DATABASE
from core.store.migrations import MIGRATIONS
from core.store.tables import quoted
from core.store.wal import committed_inserts, damaged_pages, flush_entry, read_wal, wal_header
from core.store.whole_files import disk_errors, sync_folder, sync_tree, write_whole

DAMAGED = "damaged"


@dataclass
class Repair:
    """The result. lost: tables with how many rows could not be recovered. with_write_ahead: whether the rows of the
    write-ahead file are counted there. damaged_files: where the damaged files are now.
    """

    damage: list[str] = field(default_factory=list)
    backup: str | None = None
    saved_answers: int = 0
    from_write_ahead: int = 0
    lost: dict[str, int] = field(default_factory=dict)
    with_write_ahead: bool = False
    damaged_files: str | None = None


def repair(folder: Path, report: Report) -> Repair:
    """Makes the project open again, with every answer that can be read. Changes nothing where nothing is damaged."""
    database = folder / DATABASE
    if not database.exists():
        raise Refused(f"There is no {DATABASE} in {folder}, so there is nothing to repair.")
    refuse_held(database)
    done = Repair()
    work = folder / f".repair-{secrets.token_hex(4)}.partial"  # whoever opens the project deletes it after a kill
    try:
        with disk_errors(f"The repaired database in {folder}"):
            work.mkdir()
            report("Reading the settings", 0, 1)
            settings = _settings(folder, done)
            made = _sound_copy(folder, work, done, report)
            if made and not done.damage:
                return done
            if made is None or not _finished(made, wal_of(database), settings, done):
                made = _rebuilt(folder, work, done, report)
                _finish(made, wal_of(database), settings, done)
            sync_tree(made.parent)
            report("Putting it in place", 0, 1)
            refuse_held(database)  # whoever opened it meanwhile stores answers there
            _replace_project(made, folder, done)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return done


def _settings(folder: Path, done: Repair) -> Settings:
    """Where the file cannot be read, the last good one replaces it."""
    try:
        return read_settings(folder)
    except (BadInput, Damaged) as error:
        if not (folder / LAST_GOOD).exists():
            raise
        done.damage.append(str(error).removesuffix(way_back(folder)))
        if (folder / SETTINGS).exists():
            shutil.copy2(folder / SETTINGS, _damaged_folder(folder, done) / SETTINGS)
        write_whole(folder / SETTINGS, (folder / LAST_GOOD).read_bytes())
        return read_settings(folder)


def _sound_copy(folder: Path, work: Path, done: Repair, report: Report) -> Path | None:
    """The database with the undamaged part of its write-ahead file, where that opens and can be read completely."""
    report("Reading the database", 0, 1)
    made = _copy(folder, work)
    if wal := unsound_wal(folder / DATABASE):
        done.damage.append(f"{wal_of(folder / DATABASE).name}: {wal.damage}")
    pages = len(list(damaged_pages(folder / DATABASE)))
    if pages:
        done.damage.append(f"{DATABASE}: {pages} pages are not what was written")
    if not _opens(made, done) and not _opens_without_wal(made):
        return None
    return _rewritten(made, work / "rewritten") if pages else made


def _rewritten(made: Path, folder: Path) -> Path | None:
    """All rows in a new file with new indexes: the damaged pages may be those of an index, which no scan reads."""
    folder.mkdir()
    target = quoted(folder / DATABASE)
    try:
        with duckdb.connect(str(made), config=CONFIG) as copy:
            copy.execute(f"attach '{target}' as rewritten")
            copy.execute(f"copy from database {made.stem} to rewritten")
            copy.execute("detach rewritten")
    except duckdb.Error:
        return None
    return folder / DATABASE


def _copy(folder: Path, work: Path) -> Path:
    """Of the database and the undamaged part of its write-ahead file."""
    database, made = folder / DATABASE, work / DATABASE
    shutil.copyfile(database, made)
    header = wal_header(database)
    if header and wal_of(database).exists():
        wal = read_wal(wal_of(database), header)
        if wal.sound or not wal.damage:
            wal_of(made).write_bytes(wal_of(database).read_bytes()[: wal.sound or wal.size])
    return made


def _opens(made: Path, done: Repair) -> bool:
    """Opened by another file's name, so a copy; what is replayed here is written into it."""
    try:
        with duckdb.connect(str(made), config=CONFIG) as copy:
            broken = scan(copy)
            if not broken:
                copy.execute("checkpoint")
    except duckdb.Error as error:
        broken = [str(error).splitlines()[0]]
    done.damage += [each.replace(str(made), DATABASE) for each in broken]
    return not broken


def _opens_without_wal(made: Path) -> bool:
    """The answers in the write-ahead file are read by themselves later."""
    if not wal_of(made).exists():
        return False
    wal_of(made).unlink()
    return _opens(made, Repair())


def _rebuilt(folder: Path, work: Path, done: Repair, report: Report) -> Path:
    """The newest backup, or an empty database, with every row that can be read in the damaged one."""
    backup = newest_backup(folder)
    base = work / "rebuilt"
    base.mkdir()
    if backup:
        done.backup = str(backup)
        shutil.copyfile(backup / DATABASE, base / DATABASE)
    (work / "old").mkdir()
    parts = read_tables(_copy(folder, work / "old"), work / "parts", report)
    done.with_write_ahead = wal_of(work / "old" / DATABASE).exists()
    with duckdb.connect(str(base / DATABASE), config=CONFIG) as made:
        with duckdb.connect() as reader:
            files = parts.get("schema_version", SalvagedTable()).files
            versions = [count(reader, f"select max(version) from read_parquet('{quoted(file)}')") for file in files]
        # rows go into tables of the schema that they are of, this one's where that cannot be read
        migrate(made, max(versions, default=len(MIGRATIONS)))
        done.lost = merge_tables(made, parts)
    if not backup and not any(part.rows for part in parts.values()):
        raise Damaged(
            f"Nothing of {folder / DATABASE} can be read, and there is no backup in {folder / 'backups'}. Nothing was "
            "changed. `rondo restore` makes a project of an archive; exports hold labels."
        )
    return base / DATABASE


def _finished(made: Path, wal: Path, settings: Settings, done: Repair) -> bool:
    """Whether a database that can be read can be written too."""
    try:
        _finish(made, wal, settings, done)
    except (Damaged, duckdb.Error):
        return False
    return True


def _finish(made: Path, wal: Path, settings: Settings, done: Repair) -> None:
    """Adds answers that are only in the write-ahead file; then settles labels again from all answers."""
    answers = _answers_in(wal, made.parent / "answers") if wal.exists() else None
    store = Store(made.parent)
    try:
        with store.transaction() as cursor:
            _fill_gaps(cursor, answers)
            if answers:
                before = count(cursor, "select count(*) from responses")
                cursor.execute(
                    f"""insert into responses by name select * from read_parquet('{quoted(answers)}')
                        where event_id not in (select event_id from responses) and n in (select n from records)"""
                )
                done.from_write_ahead = count(cursor, "select count(*) from responses") - before
            settle_all(cursor, adopt_taxonomy(cursor, settings))
            done.saved_answers = count(cursor, "select count(*) from responses")
            if "responses" in done.lost and done.with_write_ahead:  # they were counted with those
                done.lost["responses"] = max(0, done.lost["responses"] - done.from_write_ahead)
            done.lost = {table: rows for table, rows in done.lost.items() if rows and table not in _DERIVED}
            note(cursor, "local", "repair", {"damage": done.damage, "lost": done.lost, "backup": done.backup})
        with store.reading() as cursor:
            if broken := scan(cursor):
                raise Damaged(f"The repaired database cannot be read: {broken[0]}. Nothing was changed.")
    except BadInput as error:  # of settings that have lost labels
        raise BadInput(f"{error}{way_back(wal.parent)}") from None
    finally:
        store.close()


_DERIVED = ("settled", "leases")
"""tables that follow from others, or that nobody misses"""


def _answers_in(wal: Path, folder: Path) -> Path | None:
    """Every committed row of `responses` in a write-ahead file, however damaged, as Parquet; None where none is.

    The entries are given to a new and empty database as its own: DuckDB alone knows how to read them.
    """
    entries = b"".join(committed_inserts(wal.read_bytes(), "responses"))
    if not entries:
        return None
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    Store(folder).close()
    reader = folder / DATABASE
    header = wal_header(reader)
    if header is None:
        return None
    wal_of(reader).write_bytes(header + entries + flush_entry())
    try:
        with duckdb.connect(str(reader), config=CONFIG) as connection:
            target = quoted(folder / "responses.parquet")
            connection.execute(f"copy responses to '{target}' (format parquet)")
    except duckdb.Error:  # entries of another schema: what the database itself holds is all there is
        return None
    return folder / "responses.parquet"


def _fill_gaps(cursor: duckdb.DuckDBPyConnection, answers: Path | None) -> None:
    """Vectors and answers refer to record numbers, so a lost record keeps its row: without a text, never asked.

    An erased one has no row any more, and gets none again.
    """
    also = f"union all select n from read_parquet('{quoted(answers)}')" if answers else ""
    cursor.execute(
        f"""insert into records (n, id, text, hash, duplicate_of, source, imported_at)
            select n, 'lost-' || n, '(lost)', 'lost-' || n, n, 'repair', ? from (
                select unnest(range(coalesce(max(n) + 1, 0))) as n
                from (select n from records union all select n from responses
                      union all select n from outside_pool {also}))
            where n not in (select n from records) and n not in (select n from erased)""",
        [utc_now()],
    )


def _damaged_folder(folder: Path, done: Repair) -> Path:
    aside = (
        Path(done.damaged_files)
        if done.damaged_files
        else folder / DAMAGED / f"{utc_now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    )
    aside.mkdir(parents=True, exist_ok=True)
    done.damaged_files = str(aside)
    return aside


def _replace_project(made: Path, folder: Path, done: Repair) -> None:
    """The damaged files are copied first: a kill in the middle leaves either them or the repaired one whole."""
    aside, database = _damaged_folder(folder, done), folder / DATABASE
    shutil.copyfile(database, aside / DATABASE)
    if wal_of(database).exists():
        shutil.copyfile(wal_of(database), wal_of(aside / DATABASE))
    sync_tree(aside)
    made.replace(database)
    wal_of(database).unlink(missing_ok=True)  # until then it is of another state, and refused
    sync_folder(folder)
