"""Deleting records, or a person's answers, from the tables of the database. Knows no file."""

import json
from collections.abc import Sequence

import duckdb

from core.config.settings import Settings
from core.erasure.selection import ErasureSelection
from core.labelling.settling import settle
from core.store.database import count
from core.store.record_numbers import IDLE_CHECKS

ERASED = "erased"
"""stands where a name stood"""
FEW = 1_000
"""records whose ids are looked for in every message one by one; of more, whole messages go"""


def delete_records(cursor: duckdb.DuckDBPyConnection, selection: ErasureSelection) -> None:
    """Deletes every row that refers to them; their numbers are kept, so that no other record gets them."""
    cursor.execute("create or replace temp table gone as select unnest(?::bigint[]) as n", [list(selection.record_nos)])
    tables = cursor.execute(
        """select table_name from duckdb_columns() join duckdb_tables() using (database_name, schema_name, table_name)
           where database_name = current_database() and column_name = 'n' and table_name not in ('erased', 'gone')"""
    ).fetchall()
    cursor.execute(_SIDES_OF_GONE)
    for (table,) in tables:
        cursor.execute(f'delete from "{table}" where n in (select n from gone)')
    _delete_sides(cursor, selection.sides)
    cursor.execute("delete from flags where other in (select n from gone)")
    cursor.execute("update left_out set other = null where other in (select n from gone)")
    cursor.execute("insert into erased select n from gone")
    cursor.execute("drop table gone")
    cursor.execute(IDLE_CHECKS)
    if len(selection.ids) > FEW:
        cursor.execute("update jobs set error = ? where error is not null", [ERASED])
        cursor.execute("""update audit_log set detail = json_merge_patch(detail, '{"bad": null}')
                          where detail->'bad' is not null""")
        return
    for word in {*selection.ids, *selection.texts}:
        _forget(cursor, word)


_SIDES_OF_GONE = """
    create or replace temp table gone_sides as
    select left_side as side from pairs where n in (select n from gone)
    union select right_side from pairs where n in (select n from gone)
"""


def _delete_sides(cursor: duckdb.DuckDBPyConnection, sides: Sequence[int]) -> None:
    """These, and of records that were two sides those that no other record has."""
    cursor.execute(
        """delete from gone_sides where side in (select left_side from pairs union all select right_side from pairs)"""
    )
    cursor.execute("insert into gone_sides select unnest(?::bigint[])", [list(sides)])
    for table in ("sides", "cluster_members", "survivors"):
        cursor.execute(f"delete from {table} where side in (select side from gone_sides)")
    cursor.execute("drop table gone_sides")


def delete_answers(cursor: duckdb.DuckDBPyConnection, name: str, settings: Settings) -> dict[str, int]:
    """A person's answers and name. Returns how many answers were deleted, and how many labels were lost or changed."""
    before = "create or replace temp table before as select s.n, s.labels from settled s"
    cursor.execute(f"{before} where n in (select n from responses where annotator = ?)", [name])
    cursor.execute(
        "create or replace temp table touched as select distinct n from responses where annotator = ?", [name]
    )
    answers = count(cursor, "select count(*) from responses where annotator = ?", [name])
    for table in ("responses", "leases", "annotators", "own_keys"):
        cursor.execute(f"delete from {table} where annotator = ?", [name])
    cursor.execute("delete from people where name = ?", [name])
    settle(cursor, "select touched.n from touched", settings)
    for table in ("audit_log", "guarantees", "champions", "deciders", "step_models"):
        cursor.execute(f"update {table} set user = ? where user = ?", [ERASED, name])
    _forget(cursor, name)
    lost = count(cursor, "select count(*) from before where not is_labelled(n)")
    changed = count(cursor, "select count(*) from before b join settled s using (n) where b.labels <> s.labels")
    for table in ("before", "touched"):
        cursor.execute(f"drop table {table}")
    return {"answers": answers, "labels_lost": lost, "labels_changed": changed}


def _forget(cursor: duckdb.DuckDBPyConnection, word: str) -> None:
    """In the stored job messages and the history, where a name stands in quotes or within a sentence."""
    quoted = json.dumps(word, ensure_ascii=False)
    bare = f'"{ERASED}"'
    cursor.execute(
        "update audit_log set detail = replace(detail::varchar, ?, ?)::json where contains(detail::varchar, ?)",
        [quoted, bare, quoted],
    )
    for spelling in (repr(word), *([word] if len(word) > 20 else [])):
        cursor.execute(
            "update jobs set error = replace(error, ?, ?) where contains(error, ?)", [spelling, ERASED, spelling]
        )
        cursor.execute(
            "update models set notes = replace(notes, ?, ?) where contains(notes, ?)", [spelling, ERASED, spelling]
        )


def names(cursor: duckdb.DuckDBPyConnection) -> Sequence[str]:
    """Who may still come in."""
    return [name for (name,) in cursor.execute("select name from people where removed_at is null").fetchall()]
