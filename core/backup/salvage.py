"""Reading the readable rows of a damaged database, and inserting them into an undamaged one. Knows tables and keys."""

from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from core.backup.stored_tables import tables
from core.jobs.bundle import Report
from core.store.damage import wal_of
from core.store.database import CONFIG
from core.store.tables import quoted

PIECE = 2_048
"""rows that are read together where a table cannot be read whole: what one value in DuckDB's vectors has for company"""

KEYS = {
    "records": "n",
    "responses": "event_id",
    "settled": "n",
    "queue": "n",
    "suggestions": "n",
    "batches": "batch",
    "models": "id",
    "jobs": "id",
    "taxonomies": "version",
    "taxonomy_documents": "version",
    "guarantees": "id",
    "machine_labels": "n",
    "people": "name",
    "own_keys": "annotator",
    "team_datasets": "id",
    "cluster_members": "side",
    "cluster_log": "number",
    "hosted_models": "model",
}
"""by what a row of a backup and one of the damaged database are the same row; of other tables, by all of it"""


@dataclass
class SalvagedTable:
    """What could be read of a table: Parquet files, rows in them, rows that there were (None: unknown)."""

    files: list[Path] = field(default_factory=list)
    rows: int = 0
    total: int | None = None

    @property
    def whole(self) -> bool:
        """Nothing is missing."""
        return self.rows == self.total


def read_tables(database: Path, out: Path, report: Report) -> dict[str, SalvagedTable]:
    """Every table, whole where that can be done, else in pieces; one that cannot be read at all has no files."""
    out.mkdir(exist_ok=True)
    try:
        with duckdb.connect(str(database), read_only=True, config=CONFIG) as connection:
            names = tables(connection)
    except duckdb.Error:
        if not wal_of(database).exists():
            return {}
        wal_of(database).unlink()
        return read_tables(database, out, report)
    parts = {}
    with closing(_Reader(database)) as reader:
        for done, table in enumerate(names):
            report("Reading what can be read", done, len(names))
            parts[table] = _read_table(reader, table, out)
    return parts


def _read_table(reader: "_Reader", table: str, out: Path) -> SalvagedTable:
    part = SalvagedTable()
    if (rows := reader.ask(f"select count(*) from {table}")) is None:
        return part
    part.total = rows
    whole = out / f"{table}.parquet"
    if reader.ask(_copy(table, "true", whole)) == rows:
        return SalvagedTable([whole], rows, rows)
    for number, start in enumerate(range(0, rows, PIECE)):
        file = out / f"{table}-{number}.parquet"
        read = reader.ask(_copy(table, f"rowid >= {start} and rowid < {start + PIECE}", file))
        if read:
            part.files.append(file)
            part.rows += read
    return part


def _copy(table: str, where: str, file: Path) -> str:
    target = quoted(file)
    return f"copy (from {table} where {where} order by rowid) to '{target}' (format parquet)"


class _Reader:
    """Asks a damaged database. It is opened anew after an error, which may end a whole connection."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._connection: duckdb.DuckDBPyConnection | None = None

    def ask(self, sql: str) -> int | None:
        """The one figure of a query, None where it fails."""
        try:
            if self._connection is None:
                self._connection = duckdb.connect(str(self._database), read_only=True, config=CONFIG)
            row = self._connection.execute(sql).fetchone()
            return int(row[0]) if row else 0
        except duckdb.Error:
            self.close()
            return None

    def close(self) -> None:
        """What was read stays."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def merge_tables(made: duckdb.DuckDBPyConnection, parts: dict[str, SalvagedTable]) -> dict[str, int]:
    """A table that was read completely replaces the backup's; one that was not adds the backup's other rows.

    Returns how many rows of each table are in neither; none is counted for a table of unknown size.
    """
    lost = {}
    for table in tables(made):
        part = parts.get(table, SalvagedTable())
        if table == "schema_version":  # what was migrated here is newer
            continue
        if part.files:
            _insert(made, table, part)
        rows = made.execute(f"select count(*) from {table}").fetchall()[0][0]
        if part.total and rows < part.total:
            lost[table] = part.total - rows
    return lost


def _insert(made: duckdb.DuckDBPyConnection, table: str, part: SalvagedTable) -> None:
    """Each statement is a transaction: a primary key is free again only when its deletion is committed."""
    files = ", ".join("'" + quoted(file) + "'" for file in part.files)
    made.execute(f"create or replace temp view salvaged as from read_parquet([{files}])")
    key = KEYS.get(table)
    columns = ", ".join(f'"{name}"' for name, *_ in made.execute("describe salvaged").fetchall())
    if part.whole:
        made.execute(f"delete from {table}")
    elif key:
        made.execute(f"delete from {table} where {key} in (select {key} from salvaged)")
    else:
        made.execute(f"delete from {table} where ({columns}) in (select ({columns}) from salvaged)")
    made.execute(f"insert into {table} ({columns}) select {columns} from salvaged")
