"""Damage of database and write-ahead file, at many places: one sentence, and no answer is lost that can be read."""

import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.root import app
from core.backup.backups import back_up
from core.backup.repair import repair
from core.backup.stored_tables import broken_rules, tables
from core.errors import Damaged, RondoError
from core.project import open_project
from core.store.damage import wal_of
from core.store.database import FILE, Store
from core.store.wal import damaged_pages, flush_entry
from gpu_jobs.runners.local import InProcessRunner
from tests.conftest import quiet

ANSWERS = 40
WRITER = """
import os, sys
from pathlib import Path
from core import loop
from core.labelling.leases import Holder
from core.labelling.queue import QueueRequest
from core.labelling.responses import Event
from core.project import open_project
from gpu_jobs.runners.local import InProcessRunner
project = open_project(Path(sys.argv[1]), InProcessRunner())
for number in range(int(sys.argv[2]), int(sys.argv[3])):
    event = Event(f"answer-{number:03d}", f"r{number}", "submit", ("food",), ts=2e9 + number)
    project.label_queue.exchange(Holder("ann", "tab"), QueueRequest(events=(event,)))
    if sys.argv[4] == "checkpoint" and number == int(sys.argv[3]) - 1:
        project.store._checkpoint_now()
os._exit(0)  # as a kill leaves it: with a write-ahead file
"""


def write_answers(folder: Path, first: int, end: int, how: str = "plain") -> None:
    """Each is stored when this returns; the process ends without closing the database."""
    subprocess.run([sys.executable, "-c", WRITER, str(folder), str(first), str(end), how], check=True)


@pytest.fixture(scope="module")
def killed(encoded: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a backup of 10 answers, 10 more in the database file, and 20 in the write-ahead file alone."""
    folder = tmp_path_factory.mktemp("killed") / "project"
    shutil.copytree(encoded, folder)
    write_answers(folder, 0, 10)
    project = open_project(folder, InProcessRunner())
    back_up(project, quiet)
    project.close()
    write_answers(folder, 10, 20, "checkpoint")
    write_answers(folder, 20, ANSWERS)
    return folder


def answers(folder: Path) -> set[str]:
    """Ids of the answers in a project that opens, every row of which can be read and fits the others."""
    project = open_project(folder, InProcessRunner())
    try:
        with project.store.reading() as cursor:
            names = tables(cursor)
        for table in names:
            project.store.query(f"select bit_xor(hash({table})) from {table}")
        with project.store.reading() as cursor:
            assert broken_rules(cursor) == []
        rows = project.store.query("select event_id from responses where starts_with(event_id, 'answer-')")
        assert project.store.one("select count(*) from responses where n not in (select n from settled)") == 0
    finally:
        project.close()
    return {eid for (eid,) in rows}


def attempt(folder: Path) -> tuple[set[str], str | None]:
    """The answers of a project, or the one sentence on why it cannot be used."""
    try:
        return answers(folder), None
    except Damaged as error:
        return set(), str(error)


def mended(folder: Path) -> tuple[set[str], str | None]:
    """The answers of a project, repaired where it needed that, and what was said of the damage."""
    saved, sentence = attempt(folder)
    if sentence is None:
        return saved, None
    assert "rondo repair" in sentence
    assert "elete" not in sentence
    assert "\n" not in sentence
    result = repair(folder, quiet)
    if result.damage:  # a page that nothing uses any more is mended by DuckDB when it closes the file
        assert Path(str(result.damaged_files), FILE).exists()
    return answers(folder), sentence


def flipped(file: Path, offset: int) -> None:
    content = bytearray(file.read_bytes())
    content[offset] ^= 1 << (offset % 8)
    file.write_bytes(content)


def cut(file: Path, offset: int) -> None:
    with file.open("r+b") as opened:
        opened.truncate(offset)


def zeroed(file: Path, offset: int) -> None:
    """A sector that was never written, as a power cut leaves it."""
    content = bytearray(file.read_bytes())
    content[offset : offset + 512] = bytes(len(content[offset : offset + 512]))
    file.write_bytes(content)


EVERY = {f"answer-{number:03d}" for number in range(ANSWERS)}


def stored_before(wal: bytes, offset: int) -> set[str]:
    """Answers whose transaction ends before that byte."""
    ends = {eid: wal.index(flush_entry(), wal.rindex(eid.encode())) + len(flush_entry()) for eid in _in_wal(wal)}
    return EVERY - {eid for eid, end in ends.items() if end > offset}


def _in_wal(wal: bytes) -> set[str]:
    return {eid.decode() for eid in re.findall(rb"answer-\d{3}", wal)}


@pytest.mark.parametrize("damage", [flipped, cut, zeroed])
def test_damage_of_the_write_ahead_file_costs_no_answer_before_it_and_is_one_sentence(
    killed: Path, tmp_path: Path, damage: Callable[[Path, int], None]
) -> None:
    wal = wal_of(killed / FILE).read_bytes()
    assert len(_in_wal(wal)) == 20
    lot = random.Random(7)
    for number, offset in enumerate([3, 20, 41, len(wal) - 4, *lot.sample(range(len(wal)), 6)]):
        folder = tmp_path / str(number)
        shutil.copytree(killed, folder)
        damage(wal_of(folder / FILE), offset)
        saved, _ = mended(folder)
        assert stored_before(wal, offset) <= saved, offset
        if damage is flipped:
            assert len(EVERY - saved) <= 1, offset
        shutil.rmtree(folder)


@pytest.mark.parametrize("damage", [flipped, cut, zeroed])
def test_damage_of_the_database_costs_no_answer_that_is_in_a_backup_or_can_be_read(
    killed: Path, tmp_path: Path, damage: Callable[[Path, int], None]
) -> None:
    size, lot = (killed / FILE).stat().st_size, random.Random(11)
    refused = 0
    for number, offset in enumerate([12, 4100, 8200, *lot.sample(range(12288, size), 7)]):
        folder = tmp_path / str(number)
        shutil.copytree(killed, folder)
        damage(folder / FILE, offset)
        saved, sentence = mended(folder)
        refused += sentence is not None
        assert EVERY - saved <= {f"answer-{missed:03d}" for missed in range(10, 20)}, offset
        if damage is not cut and not list(damaged_pages(folder / FILE)):
            assert {f"answer-{number:03d}" for number in range(20, ANSWERS)} <= saved
        shutil.rmtree(folder)
    assert refused >= 3


def rondo(*words: object) -> tuple[int, str]:
    """Exit code, and all that was printed."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception  # a person would see a traceback
    return done.exit_code, done.stdout + done.stderr


@pytest.mark.usefixtures("jobs_here")
def test_check_names_each_damaged_part_and_repair_mends_the_database(killed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    shutil.copytree(killed, folder)
    code, text = rondo("check", "--project", folder)
    assert code == 0, text
    assert "Sound: settings, rondo.duckdb, write-ahead file, vectors/all-MiniLM-L6-v2" in text
    size = wal_of(killed / FILE).stat().st_size  # checking has opened it: what stood there is in the database now
    shutil.copyfile(killed / FILE, folder / FILE)
    shutil.copyfile(wal_of(killed / FILE), wal_of(folder / FILE))
    flipped(wal_of(folder / FILE), size // 2)
    flipped(next((folder / "vectors").glob("*/vectors.npy")), 4000)
    code, text = rondo("check", "--project", folder)
    assert code == 5
    assert "transactions before it can be saved" in text
    assert "vectors.npy are not what was written" in text
    code, text = rondo("status", "--project", folder)
    assert code == 5
    assert "rondo repair" in text
    assert len(text.splitlines()) == 1
    code, text = rondo("repair", "--project", folder)
    assert code == 0, text
    assert re.search(r"\b(39|40|51|52) answers are saved", text), text
    assert rondo("status", "--project", folder)[0] == 0
    assert rondo("repair", "--project", folder) == (0, "The database is sound: nothing was changed.\n")


def pages(file: Path) -> range:
    """An offset near the beginning of each page."""
    return range(12288 + 600, file.stat().st_size, 262_144)


def test_repair_without_a_backup_saves_what_can_be_read_and_the_newest_answers(killed: Path, tmp_path: Path) -> None:
    seen = []
    for offset in pages(killed / FILE):
        folder = tmp_path / str(offset)
        shutil.copytree(killed, folder, ignore=shutil.ignore_patterns("backups"))
        zeroed(folder / FILE, offset)
        if not list(damaged_pages(folder / FILE)):
            continue
        try:
            result = repair(folder, quiet)
        except Damaged:  # the page that says where everything is
            assert (folder / FILE).exists()
            continue
        seen.append(result.lost)
        saved = answers(folder)
        assert {f"answer-{number:03d}" for number in range(20, ANSWERS)} <= saved
        assert len(EVERY - saved) <= result.lost.get("responses", 0)
        assert not list(folder.glob("*.partial"))
    assert seen
    with pytest.raises(RondoError, match=r"no rondo\.duckdb"):
        repair(tmp_path, quiet)


def test_a_checkpoint_comes_by_itself_while_people_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.store.database.CHECKPOINT_SECONDS", 0.05)
    store = Store(tmp_path)
    with store.transaction() as cursor:
        cursor.execute("insert into audit_log values (now(), 'me', 'before', null)")
    timer = store._checkpoint
    assert timer is not None
    timer.join()
    assert not wal_of(tmp_path / FILE).exists() or wal_of(tmp_path / FILE).stat().st_size == 0
    copy = tmp_path / "copy"
    copy.mkdir()
    store.backup(copy)
    store.close()
    assert Store(copy).query("select what from audit_log") == [("before",)]
