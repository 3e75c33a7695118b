"""The job that writes a table in a format: its input, its result, and what it does. Knows the formats, no project."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from core.data.formats.file_format import ExportTable, Meaning
from core.data.formats.formats import FORMATS
from core.jobs.kinds import JobKind
from core.store.tables import quoted

TABLE, WHOLE = "table.parquet", "whole"
SPLITS = ("train", "validation", "test")
"""parts of a table that is written by splits; a record without one is in the first"""


@dataclass(frozen=True)
class WriteParams:
    """form: name of a format. by_split: a file for each split that there is. suggestions: the table's labels are what a
    model proposes."""

    form: str
    meaning: Meaning
    by_split: bool = False
    suggestions: bool = False


@dataclass(frozen=True)
class WrittenParts:
    """parts: name of a file in out/ -> its rows. lost: column that the format has no room for -> rows in which it says
    something. changes: sentences on what became of the rest."""

    parts: Mapping[str, int]
    lost: Mapping[str, int] = field(default_factory=dict)
    changes: tuple[str, ...] = ()


WRITE_FORMAT = JobKind("write_format", WriteParams, WrittenParts)


def write_parts(params: WriteParams, table: Path, out: Path) -> WrittenParts:
    """Writes the table, or a file for each split, into the folder `out`. Raises BadInput for what has no form in it."""
    form = FORMATS[params.form]
    if form.write is None:
        raise ValueError(f"{params.form} is not written")
    parts: dict[str, int] = {}
    changes: dict[str, None] = {}
    with duckdb.connect() as connection:
        if params.suggestions and form.holds is not None and "suggestion" in form.holds:
            _name_suggestions(connection, table)
        for name, condition in _parts(connection, table, by_split=params.by_split).items():
            part = table.with_name(f"part-{name}.parquet")
            query = f"select * from '{quoted(table)}' where {condition}"
            row = connection.execute(f"copy ({query}) to '{quoted(part)}' (format parquet)").fetchone()
            parts[name] = int(row[0]) if row else 0
            changes |= dict.fromkeys(form.write(ExportTable(part, params.meaning), out / name))
            part.unlink()
        lost = _lost(connection, table, form.holds) if form.holds is not None else {}
    return WrittenParts(parts, lost, tuple(changes))


def _parts(connection: duckdb.DuckDBPyConnection, table: Path, *, by_split: bool) -> dict[str, str]:
    """Name -> SQL of its rows; of splits only those that there are."""
    if not by_split:
        return {WHOLE: "true"}
    first, *others = SPLITS
    conditions = {first: f"coalesce(split, '') not in ({', '.join(map(repr, others))})"}
    conditions |= {name: f"split = '{name}'" for name in others}
    there = {}
    for name, condition in conditions.items():
        if connection.execute(f"select 1 from '{quoted(table)}' where {condition} limit 1").fetchone():
            there[name] = condition
    return there or {first: "true"}


def _name_suggestions(connection: duckdb.DuckDBPyConnection, table: Path) -> None:
    """The labels of the table are suggestions, of records that have no label."""
    renamed = table.with_name("suggested.parquet")
    query = f"select * exclude (label), null::varchar as label, label as suggestion from '{quoted(table)}'"
    connection.execute(f"copy ({query}) to '{quoted(renamed)}' (format parquet)")
    renamed.replace(table)


def _lost(connection: duckdb.DuckDBPyConnection, table: Path, holds: frozenset[str]) -> dict[str, int]:
    """Columns that are not held, with in how many rows they say something."""
    columns = [name for name, *_ in connection.execute(f"describe select * from '{quoted(table)}'").fetchall()]
    result = {}
    for name in (name for name in columns if name not in holds):
        query = f"""select count(*) from '{quoted(table)}' where "{name}"::varchar not in ('{{}}', 'submit')"""
        [(count,)] = connection.execute(query).fetchall()
        if count:
            result[name] = int(count)
    return result
