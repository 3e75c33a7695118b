"""How Argilla's connections to its SQLite file are set. Knows no table."""

import sqlite3

PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=15000")
"""with FULL, what was acknowledged is there after a loss of power too"""


def prepare_connections() -> None:
    """Before the first one is opened."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    event.listen(Engine, "connect", _set)


def _set(connection: sqlite3.Connection, _: object) -> None:
    cursor = connection.cursor()
    for pragma in PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
