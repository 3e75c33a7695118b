"""The tables of a project's database: reading every row, and checking the constraints between them. Changes nothing."""

import duckdb


def tables(connection: duckdb.DuckDBPyConnection, catalog: str | None = None) -> list[str]:
    """Names of the stored tables, in the order in which they were made."""
    rows = connection.execute(
        """select table_name from duckdb_tables() where not temporary and not internal
           and database_name = coalesce(?, current_database()) order by table_oid""",
        [catalog],
    ).fetchall()
    return [name for (name,) in rows]


def scan(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Reads every column of every row; a sentence for each table that cannot be read."""
    broken = []
    for table in tables(connection):
        try:
            connection.execute(f"select count(*), bit_xor(hash({table})) from {table}").fetchall()
        except duckdb.Error as error:
            broken.append(f"the table {table} cannot be read ({str(error).splitlines()[0].rstrip('.')})")
    return broken


_RULES = {
    "records share a number": "select count(*) - count(distinct n) from records",
    "records' numbers are passed over": """
        select count(*) from (select unnest(range(coalesce(max(n) + 1, 0))) as n from records)
        where n not in (select n from records) and n not in ({erased})""",
    "record ids stand twice": "select count(*) - count(distinct id) from records",
    "responses belong to no record": "select count(*) from responses where n not in (select n from records)",
    "settled labels belong to no record": "select count(*) from settled where n not in (select n from records)",
    "records are settled twice": "select count(*) - count(distinct n) from settled",
    "queued records do not exist": "select count(*) from queue where n not in (select n from records)",
    "suggestions belong to no record": "select count(*) from suggestions where n not in (select n from records)",
    "machine labels belong to no record": "select count(*) from machine_labels where n not in (select n from records)",
    "duplicates point at no record": """
        select count(*) from records where duplicate_of is not null and duplicate_of not in (select n from records)""",
    "responses name labels that no version of the taxonomy has": """
        select count(*) from responses where not list_has_all(
            (select coalesce(list(id), []) from (select distinct unnest(labels->>'$[*][0]') as id from taxonomies)),
            labels)""",
    "champions are no models of this project": """
        select count(*) from champions where model not in (select id from models)""",
}


def broken_rules(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """A sentence with a count for each constraint between tables that is violated."""
    erased = "select n from erased" if "erased" in tables(connection) else "select -1"
    counts = {
        rule: connection.execute(sql.replace("{erased}", erased)).fetchall()[0][0] for rule, sql in _RULES.items()
    }
    return [f"{rule}: {count:,}" for rule, count in counts.items() if count]
