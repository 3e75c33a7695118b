"""The store keeps what it has acknowledged, and says clearly when a file is not what it should be."""

import hashlib
import os
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from core.errors import Damaged, Refused
from core.store.database import FILE, Store, StoreHeld
from core.store.migrations import MIGRATIONS
from core.store.views import VIEWS

WRITER = """
import sys
from datetime import datetime
from pathlib import Path
import core.store.database
from core.store.database import Store, utc_now
core.store.database.CHECKPOINT_SECONDS = 0.01  # so that some are killed in a checkpoint
store = Store(Path(sys.argv[1]))
number = int(sys.argv[2])
while True:
    with store.transaction() as cursor:
        cursor.execute("insert into audit_log values (?, 'writer', ?, null)", [utc_now(), str(number)])
        cursor.execute("insert into audit_log values (?, 'twin', ?, null)", [utc_now(), str(number)])
    print(number, flush=True)
    number += 1
"""


def test_nothing_acknowledged_is_lost_and_nothing_is_half_done_when_the_writer_is_killed(tmp_path: Path) -> None:
    acknowledged = 0
    for attempt in range(3):
        child = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(attempt * 1_000_000)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(20 + attempt)]
        os.kill(child.pid, signal.SIGKILL)
        lines += child.stdout.readlines()
        child.wait()
        acknowledged += len([line for line in lines if line.endswith("\n")])
    store = Store(tmp_path)
    written = {row[0] for row in store.query("select what from audit_log where user = 'writer'")}
    twins = {row[0] for row in store.query("select what from audit_log where user = 'twin'")}
    store.close()
    assert len(written) >= acknowledged >= 60
    assert written == twins


def test_a_failed_transaction_leaves_nothing_behind(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def half() -> None:
        with store.transaction() as cursor:
            cursor.execute("insert into taxonomies values (1, now(), '[]')")
            cursor.execute("insert into taxonomies values ('no number', now(), '[]')")

    with pytest.raises(duckdb.ConversionException):
        half()
    assert store.one("select count(*) from taxonomies") == 0
    store.close()


def test_a_second_process_gets_an_error_that_the_file_is_held(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), "0"], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    child.stdout.readline()
    with pytest.raises(StoreHeld):
        Store(tmp_path)
    child.kill()
    child.communicate()


def test_a_damaged_file_is_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"this is no database" * 500)
    with pytest.raises(Damaged, match="`rondo repair` saves"):
        Store(tmp_path)
    assert (tmp_path / FILE).read_bytes() == b"this is no database" * 500


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.transaction() as cursor:
        cursor.execute("insert into schema_version values (999)")
    store.close()
    with pytest.raises(Refused, match="newer"):
        Store(tmp_path)


def test_a_backup_made_while_people_write_opens_by_itself(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.transaction() as cursor:
        cursor.execute("insert into audit_log values (now(), 'me', 'before', null)")
    store.backup(tmp_path / "copy")
    with store.transaction() as cursor:
        cursor.execute("insert into audit_log values (now(), 'me', 'after', null)")
    copy = Store(tmp_path / "copy")
    assert copy.query("select what from audit_log") == [("before",)]
    copy.close()
    store.close()


def test_a_project_of_the_first_version_is_brought_up_to_date_with_its_answers(tmp_path: Path) -> None:
    old = duckdb.connect(str(tmp_path / "rondo.duckdb"))
    old.execute("create table schema_version (version integer not null)")
    old.execute(MIGRATIONS[0])
    old.execute("insert into schema_version values (1)")
    old.execute(
        """insert into responses values
           ('e1', 0, 'ann', 'submit', ['spam'], null, null, $now + interval 1 hour, 1, $now, 1, 1, null),
           ('e2', 0, 'bob', 'submit', ['ham'], null, null, $now, 1, $now + interval 2 hour, 1, 1, null),
           ('e3', 0, 'ann', 'submit', ['ham'], null, null, $now, 2, $now + interval 1 hour, 1, 1, null)""",
        {"now": datetime(2026, 1, 1)},
    )
    old.execute("insert into queue values (0, 1, 1.0, true, false, null, null, null)")
    old.close()
    store = Store(tmp_path)
    stamps = store.query("select event_id, source, blind, answer, stamp from responses order by stamp")
    assert stamps == [
        ("e3", "app", True, '["ham"]', 1),
        ("e1", "app", True, '["spam"]', 2),
        ("e2", "app", True, '["ham"]', 3),
    ], "in the order that held so far"
    assert store.one("select stamp from clock") == 3
    assert store.query("select n, purpose, since from queue") == [(0, None, None)]
    assert store.query("select count(*) from machine_labels") == [(0,)]
    store.close()


def test_a_database_that_was_rewritten_is_still_locked_and_holds_what_it_held_without_deleted_bytes(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path)
    with store.transaction() as cursor:
        cursor.execute("insert into audit_log select now(), 'ana', 'w' || range, '{}' from range(3000)")
        cursor.execute("insert into audit_log values (now(), 'Zyxwvut', 'x', '{}')")
    with store.transaction() as cursor:
        cursor.execute("delete from audit_log where user = 'Zyxwvut'")
    store.rewrite()
    code = f"from pathlib import Path; from core.store.database import Store; Store(Path({str(tmp_path)!r}))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "StoreHeld" in other.stderr
    assert store.one("select count(*) from audit_log") == 3000
    with store.transaction() as cursor:
        cursor.execute("insert into audit_log values (now(), 'bo', 'after', '{}')")
    store.close()
    assert b"Zyxwvut" not in (tmp_path / "rondo.duckdb").read_bytes()
    again = Store(tmp_path)
    assert again.query("select what from audit_log order by rowid desc limit 2") == [("after",), ("w2999",)]
    again.close()


def test_what_is_kept_is_read_once_until_something_is_stored(tmp_path: Path) -> None:
    store, reads = Store(tmp_path), list[int]()

    def lines(cursor: duckdb.DuckDBPyConnection) -> int:
        [(number,)] = cursor.execute("select count(*) from audit_log").fetchall()
        reads.append(number)
        return int(number)

    def lines_before_a_commit(cursor: duckdb.DuckDBPyConnection) -> int:
        number = lines(cursor)
        write(store, "meanwhile")
        return number

    assert [store.cached("lines", lines) for _ in range(3)] == [0, 0, 0]
    assert reads == [0]
    write(store, "a line")
    assert store.cached("lines", lines) == 1
    assert store.cached("other", lines_before_a_commit) == 1, "as it was when the reading began"
    assert store.cached("other", lines) == 2, "what was stored meanwhile is read"
    with pytest.raises(ZeroDivisionError), store.transaction():
        raise ZeroDivisionError
    assert store.cached("lines", lines) == 2
    store.close()


def test_what_is_kept_is_brought_up_to_date_by_the_records_that_were_touched(tmp_path: Path) -> None:
    store = Store(tmp_path)
    reads: list[tuple[str | None, list[int]]] = []

    def read(cursor: duckdb.DuckDBPyConnection, before: str | None, touched: list[int]) -> str:
        reads.append((before, touched))
        if set(touched) == {3}:
            touch(4)  # while it is read
        return f"v{len(reads)}"

    def touch(*records: int) -> None:
        with store.transaction(set(records)):
            pass

    def renewed(inputs: str = "settings") -> tuple[str | None, set[int]]:
        store.derived("figure", inputs, read)
        before, touched = reads[-1]
        return before, set(touched)

    assert renewed() == (None, set())
    assert renewed() == ("v1", set())
    touch(1, 2)
    touch(2)
    assert renewed() == ("v2", {1, 2})
    touch(3)
    assert renewed() == ("v3", {3})
    assert renewed() == ("v4", {4}), "what was stored meanwhile is looked at"
    with pytest.raises(ZeroDivisionError), store.transaction({5}):
        raise ZeroDivisionError
    assert renewed() == ("v5", {5}), "what was not stored may be looked at"
    assert renewed("others") == (None, set())
    write(store, "this may have changed anything")
    assert renewed("others") == (None, set())
    with store.appending():
        pass
    assert renewed("others") == (None, set())
    store.close()


def write(store: Store, what: str) -> None:
    with store.transaction() as cursor:
        cursor.execute("insert into audit_log values (?, 'ann', ?, null)", [datetime(2026, 1, 1), what])


VIEWS_AS_OF = (26, "4b6697f2a3ce48fa")


def test_whoever_changes_a_view_adds_a_step() -> None:
    """Views are made when a migration is taken: one that changed without a step would stay as it was."""
    views = hashlib.sha256("\n".join(VIEWS).encode()).hexdigest()[:16]
    assert (len(MIGRATIONS), views) == VIEWS_AS_OF, "add an empty step to MIGRATIONS, and write both figures here"
