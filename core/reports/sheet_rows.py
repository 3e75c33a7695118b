"""Records as rows of a spreadsheet: an empty cell for the answer, and what helps to give it. Knows no file format."""

from collections.abc import Sequence

import duckdb

ID, LABEL, PATH = "id", "label", "path"
"""columns that a labelled sheet is read by"""
_RESERVED = (ID, LABEL, PATH, "text", "depth")

QUEUE = """
    select n, row_number() over (
        order by coalesce(purpose in ('review', 'wanted'), false) desc, spare, position) as rank
    from (select * from queue qualify row_number() over (
        partition by n order by batch desc, since desc nulls last) = 1) q
    where not (spare and purpose is null) and not exists (
        select 1 from responses_in_force a where a.n = q.n and a.stamp > coalesce(q.since, -1)
            and (a.source <> 'file' or is_labelled(a.n)))
"""
"""records that wait to be answered, in the order in which they are asked"""


def sheet_query(cursor: duckdb.DuckDBPyConnection, chosen: str) -> str:
    """SQL of the rows. chosen: SQL of n and rank, the order of the rows.

    Columns: id, label (empty), the path of a folder, the fields of records that have any, the text of those that have
    none.
    """
    cursor.execute(f"create or replace temp table sheet as {chosen}")
    names = _field_names(cursor)
    plain, folders = cursor.execute(
        """select bool_or(fields is null), bool_or(meta->>'tree' is not null and meta->>'path' is not null)
           from sheet join records using (n)"""
    ).fetchall()[0]
    columns = [f"r.id as {ID}", f"null::varchar as {LABEL}"]
    columns += [f"r.meta->>'path' as {PATH}"] if folders else []
    columns += [f"{_field(name)} as {_quoted(_column(name))}" for name in names]
    columns += ["r.text"] if plain or not names else []
    return f"select {', '.join(columns)} from sheet join records r using (n) order by sheet.rank"


def _field_names(cursor: duckdb.DuckDBPyConnection) -> Sequence[str]:
    """In the order in which they stand in the first record that has them."""
    rows = cursor.execute(
        """select distinct on (keys) keys from (
               select rank, json_keys(fields)::varchar[] as keys from sheet join records using (n)
               where fields is not null)
           order by keys, rank"""
    ).fetchall()
    return list(dict.fromkeys(name for (keys,) in rows for name in keys))


def _column(name: str) -> str:
    return f"field {name}" if name.casefold() in _RESERVED and name != "depth" else name


def _field(name: str) -> str:
    path = '$."' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return "json_extract_string(r.fields, '" + path.replace("'", "''") + "')"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
