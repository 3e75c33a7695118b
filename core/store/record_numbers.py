"""Records by number and by id, and withdrawal of checks. The pool is defined in `core.store.views`."""

import duckdb

from core.errors import BadInput
from core.ids import RecordNo

NUMBERS = "(select count(*) from records) + (select count(*) from erased)"
"""how many numbers records have or had; every n is smaller"""


def number_of(cursor: duckdb.DuckDBPyConnection, record: str) -> RecordNo:
    """n of a record id. Raises BadInput where there is none."""
    row = cursor.execute("select n from records where id = ?", [record]).fetchone()
    if row is None:
        raise BadInput(f"There is no record {record[:80]!r} in this project.")
    return RecordNo(row[0])


# A person with the record on the screen may still answer it: then it is a label like any other.
IDLE_CHECKS = """
    delete from queue where purpose = 'check' and n not in (select n from machine_labels)
        and n not in (select n from leased) and n not in (select n from responses)
"""
