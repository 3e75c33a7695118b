"""A file comes in whole or not at all, part by part: nobody waits for it, and a killed process only puts it off."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core import loop
from core.config.settings import FILE
from core.data.file_import import import_file
from core.errors import Cancelled
from core.jobs.bundle import Report
from core.labelling.leases import Holder
from core.labelling.queue import QueueRequest
from core.labelling.responses import Event
from core.project import Project, open_project
from gpu_jobs.runners.local import InProcessRunner, LocalRunner
from tests.conftest import quiet

ROWS = 12_000
COLUMNS: dict[str, Any] = {"text": ["text"], "id": "id", "label": "label"}


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    loop.create_project(tmp_path / "project", ["a", "b"])
    project = open_project(tmp_path / "project", InProcessRunner())
    yield project
    project.close()


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """More than two parts; every text stands in it twice, far from each other; two rows of three have a label."""
    return write(tmp_path / "large.csv", range(ROWS))


def write(file: Path, numbers: range) -> Path:
    lines = (f"r{n},record {n % (ROWS // 2)} says,{('a', 'b', '')[n % 3]}" for n in numbers)
    file.write_text("id,text,label\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return file


def check_whole(project: Project) -> None:
    """Every row is in, once, numbered in the order of the file, with its label and its first twin."""
    assert project.store.query("select count(*), max(n) from records") == [(ROWS, ROWS - 1)]
    assert not project.store.one("select count(*) from records where id <> 'r' || n")
    half = ROWS // 2
    assert not project.store.one(
        f"select count(*) from records where duplicate_of is distinct from if(n < {half}, null, n - {half})"
    )
    assert project.store.one("select count(*) from settled where stratum = 'file'") == ROWS * 2 // 3
    assert not project.store.one("select count(*) from settled where labels[1] <> ['a', 'b'][1 + n % 3]")
    assert not project.store.query("select * from imports")


def in_the_middle(act: Report) -> Report:
    """Calls it once, when some rows are in and others not."""
    done: list[int] = []

    def report(what: str, rows: int, total: int) -> None:
        if what == "Storing" and 0 < rows < total and not done:
            done.append(rows)
            act(what, rows, total)

    return report


def test_a_row_is_answered_while_the_rest_of_its_file_comes_in_and_the_answer_stands(
    project: Project, large: Path
) -> None:
    def answer(_: str, rows: int, total: int) -> None:
        assert project.store.one("select count(*) from records") == rows < total
        holder = Holder("ana", "tab")
        reply = project.label_queue.exchange(holder, QueueRequest(want=1))
        assert reply.progress["records"] == rows
        events = tuple(Event(f"e{id}", id, "submit", ("b",)) for id in (reply.cards[0].id, "r0"))
        assert set(project.label_queue.exchange(holder, QueueRequest(events)).statuses.values()) == {"stored"}

    counts = import_file(project, in_the_middle(answer), file=str(large), **COLUMNS)
    assert (counts.added, counts.duplicates, counts.labelled) == (ROWS, ROWS // 2, ROWS * 2 // 3)
    assert project.store.query("select labels, stratum from settled where n = 0") == [(["b"], "chosen")]
    assert project.store.one("select count(*) from settled where stratum = 'chosen'") == 2
    assert project.store.query(
        "select count(*), count(distinct stamp), max(stamp) <= (select stamp from clock) from responses"
    ) == [(ROWS * 2 // 3 + 2, ROWS * 2 // 3 + 2, True)]


def test_new_and_known_records_of_one_file_are_distinguished(project: Project, tmp_path: Path, large: Path) -> None:
    import_file(project, quiet, file=str(write(tmp_path / "first.csv", range(ROWS // 4))), **COLUMNS)
    counts = import_file(project, quiet, file=str(large), **COLUMNS)
    assert (counts.rows, counts.added, counts.known) == (ROWS, ROWS - ROWS // 4, ROWS // 4)
    check_whole(project)


def test_stopping_before_the_first_row_is_in_leaves_nothing_and_after_that_the_file_is_whole(
    project: Project, large: Path
) -> None:
    def stop(what: str, rows: int, total: int) -> None:
        if what == "Storing":
            raise Cancelled("stopped")

    with pytest.raises(Cancelled, match="Nothing was imported"):
        import_file(project, stop, file=str(large), **COLUMNS)
    assert not any(project.store.one(f"select count(*) from {table}") for table in ("records", "responses", "imports"))
    import_file(project, in_the_middle(stop), file=str(large), **COLUMNS)
    check_whole(project)


KILLED = """
import os, signal, sys
from pathlib import Path
from typing import Any
from core.data.file_import import import_file
from core.project import open_project
from gpu_jobs.runners.local import LocalRunner

def report(what, rows, total):
    if what == "Storing" and 0 < rows < total:
        os.kill(os.getpid(), signal.SIGKILL)

project = open_project(Path(sys.argv[1]), LocalRunner())
import_file(project, report, file=sys.argv[2], text=["text"], id="id", label="label")
"""


@pytest.fixture
def killed(tmp_path: Path, large: Path) -> Path:
    """A project whose process was killed when a part of the file was in."""
    folder = tmp_path / "killed"
    loop.create_project(folder, ["a", "b"])
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder), str(large)], cwd=Path(__file__).parents[1])
    assert done.returncode == -signal.SIGKILL
    return folder


def test_what_a_killed_import_left_over_comes_in_with_whoever_opens_the_project(killed: Path) -> None:
    toml = killed / FILE
    written = toml.read_text(encoding="utf-8")
    assert 'name = "b"' in written
    toml.write_text(written.replace('name = "b"', 'name = "renamed"'), encoding="utf-8")
    project = open_project(killed, LocalRunner())
    check_whole(project)
    assert not list(killed.glob("jobs/*/out"))
    project.close()


def test_an_import_whose_rows_are_gone_is_written_down_as_cut_short(killed: Path) -> None:
    for out in killed.glob("jobs/*/out"):
        shutil.rmtree(out)
    project = open_project(killed, LocalRunner())
    rows = project.store.one("select count(*) from records")
    assert 0 < rows < ROWS
    [(detail,)] = project.store.query("select detail->>'rows' from audit_log where what = 'import cut short'")
    assert int(detail) == rows
    import_file(project, quiet, file=str(killed.parent / "large.csv"), **COLUMNS)
    check_whole(project)
    project.close()
