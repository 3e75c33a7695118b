"""What every runner must do, and that a result is taken in once."""

import json
import os
import shutil
import threading
import time
from importlib import import_module
from pathlib import Path
from typing import get_type_hints

import psutil
import pytest

from core.data.encode_job import ENCODE, EncodeParams
from core.data.ingest_job import INGEST, IngestParams, Layout
from core.errors import BadInput, Cancelled
from core.ids import ModelId, RecordNo
from core.jobs.bundle import Bundle, Handle, JobBroke, Jobs, Resources, Runner, read_handle
from core.jobs.kinds import JobKind
from core.jobs.many_jobs import POOL_WORK
from core.registry.models import ModelNote
from core.store.database import Store
from core.training.following import GRID
from core.typed_json import from_json, to_json
from gpu_jobs.run import KINDS
from gpu_jobs.runners.local import InProcessRunner, LocalRunner
from tests.conftest import plain_kind, quiet, write_csv

RUNNERS: dict[str, type[Runner]] = {"local": LocalRunner, "in process": InProcessRunner}


def jobs(tmp_path: Path, runner: Runner) -> Jobs:
    """On a store of their own."""
    return Jobs(Store(tmp_path), runner, tmp_path / "jobs")


def ingest_params(tmp_path: Path, column: str = "text") -> IngestParams:
    """A job that is done in a moment."""
    return IngestParams(str(write_csv(tmp_path / "t.csv", 10)), Layout((column,)))


def test_both_sides_of_a_job_use_the_same_types() -> None:
    """What the owner writes is what the work reads, and the other way round; all of it frozen."""
    root = Path(__file__).parents[1]
    declared = [path for path in sorted((root / "core").rglob("*.py")) if "= JobKind(" in path.read_text("utf-8")]
    modules = [import_module(".".join(path.relative_to(root).with_suffix("").parts)) for path in declared]
    kinds = {kind.name: kind for module in modules for kind in vars(module).values() if isinstance(kind, JobKind)}
    assert kinds.keys() == KINDS.keys() | {GRID, *POOL_WORK}, "rows without work of their own: others do it"
    for name, entry in KINDS.items():
        hints = get_type_hints(entry.work)
        assert (hints["params"], hints["return"]) == (kinds[name].params, kinds[name].result), name
    for kind in kinds.values():
        assert all(one.__dataclass_params__.frozen for one in (kind.params, kind.result)), kind.name


def test_ids_are_plain_values_in_json_and_of_their_type_when_they_are_read() -> None:
    note = ModelNote(ModelId("20261130-055000-round-a1b2c3"), "For the summer.")
    assert to_json(note) == {"model": "20261130-055000-round-a1b2c3", "notes": "For the summer."}
    assert from_json(ModelNote, to_json(note), "The note") == note
    assert from_json(tuple[RecordNo, ...], [3, 1], "The records") == (3, 1)
    with pytest.raises(BadInput, match=r"^The note: `model`: "):
        from_json(ModelNote, {"model": 7, "notes": ""}, "The note")


@pytest.mark.parametrize("runner", RUNNERS.values(), ids=RUNNERS.keys())
def test_a_job_ends_with_a_result_that_is_taken_in_once(tmp_path: Path, runner: type[Runner]) -> None:
    work = jobs(tmp_path, runner())
    bundle = work.prepare(INGEST, ingest_params(tmp_path))
    assert work.run(bundle, INGEST, quiet, "Reading").rows == 10
    with work.store.transaction() as cursor:
        assert work.claim_result(bundle, cursor)
    with work.store.transaction() as cursor:
        assert not work.claim_result(bundle, cursor)
    work.store.close()


@pytest.mark.parametrize("runner", RUNNERS.values(), ids=RUNNERS.keys())
def test_what_a_job_refuses_is_raised_where_it_was_asked_for(tmp_path: Path, runner: type[Runner]) -> None:
    work = jobs(tmp_path, runner())
    bundle = work.prepare(INGEST, ingest_params(tmp_path, "words"))
    with pytest.raises(BadInput, match="words"):
        work.run(bundle, INGEST, quiet, "Reading")
    assert work.store.query("select state from jobs") == [("failed",)]
    work.store.close()


def test_a_bug_in_a_job_is_not_mistaken_for_bad_input(tmp_path: Path) -> None:
    work = jobs(tmp_path, LocalRunner())
    bundle = work.prepare(plain_kind("round"), {})
    with pytest.raises(JobBroke, match=r"log\.txt"):
        work.run(bundle, plain_kind(bundle.kind), quiet, "Learning")
    assert "Traceback" in (bundle.path / "log.txt").read_text()
    work.store.close()


def long_job(work: Jobs, encoded: Path) -> Bundle:
    """An encoding job that takes many seconds."""
    name = "all-MiniLM-L6-v2"
    params = EncodeParams(name, name, 1, str(encoded / "vectors" / "cache"), 0, 20_000)
    bundle = work.prepare(ENCODE, params)
    with work.store.reading() as cursor:
        text = "'a record that says ' || range || repeat(' and more words', 60)"
        target = bundle.path / "in" / "texts.parquet"
        cursor.execute(f"copy (select range as n, {text} as text from range(20000)) to '{target}'")
    return bundle


def test_cancel_ends_the_process(tmp_path: Path, encoded: Path) -> None:
    work = jobs(tmp_path, LocalRunner(1))
    bundle = long_job(work, encoded)
    until = time.monotonic() + 1.5

    def impatient(what: str, done: int, total: int) -> None:
        if time.monotonic() > until:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        work.run(bundle, plain_kind(bundle.kind), impatient, "Encoding")
    handle = read_handle(work.store.one("select handle from jobs"))
    assert not psutil.pid_exists(handle.pid) or work.runner.poll(bundle.path, handle).state == "cancelled"
    assert work.store.query("select state from jobs") == [("cancelled",)]
    work.store.close()


def test_a_bundle_that_is_started_twice_is_worked_on_once(tmp_path: Path, encoded: Path) -> None:
    work = jobs(tmp_path, LocalRunner(1))
    bundle = long_job(work, encoded)
    first = work.runner.start(bundle.path, Resources())
    again = LocalRunner(1).start(bundle.path, Resources())
    assert again.pid == first.pid
    assert work.runner.poll(bundle.path, again).state == "running"
    work.runner.cancel(bundle.path, first)
    assert work.runner.poll(bundle.path, first).state == "cancelled"
    work.store.close()


def test_a_job_is_known_by_its_bundle_whoever_has_its_pid_and_however_its_folder_is_named(
    tmp_path: Path, encoded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = jobs(tmp_path, LocalRunner(1))
    bundle = long_job(work, encoded)
    handle = work.runner.start(bundle.path, Resources())
    assert work.runner.poll(bundle.path, Handle(pid=os.getpid())).state == "lost"
    monkeypatch.chdir(bundle.path.parent)
    assert work.runner.poll(Path(bundle.path.name), handle).state == "running"
    work.runner.cancel(bundle.path, handle)
    assert work.runner.poll(bundle.path, handle).state == "cancelled"
    work.store.close()


def test_a_killed_process_is_lost_and_not_failed(tmp_path: Path, encoded: Path) -> None:
    work = jobs(tmp_path, LocalRunner(1))
    bundle = long_job(work, encoded)

    def kill() -> None:
        while not (handle := work.store.one("select handle from jobs where state = 'running'")):
            time.sleep(0.05)
        psutil.Process(read_handle(handle).pid).kill()

    threading.Thread(target=kill).start()
    with pytest.raises(JobBroke, match="ended without a result"):
        work.run(bundle, plain_kind(bundle.kind), quiet, "Encoding")
    assert work.store.query("select state from jobs") == [("lost",)]
    work.store.close()


def test_a_new_owner_takes_up_a_job_that_outlived_the_old_one(tmp_path: Path) -> None:
    first = jobs(tmp_path, LocalRunner())
    bundle = first.prepare(INGEST, ingest_params(tmp_path))
    handle = first.runner.start(bundle.path, Resources())
    with first.store.transaction() as cursor:
        cursor.execute("update jobs set state = 'running', handle = ?", [json.dumps(to_json(handle))])
    first.store.close()
    second = jobs(tmp_path, LocalRunner())
    assert second.survived(bundle)
    assert second.run(bundle, INGEST, quiet, "Reading").rows == 10
    assert second.store.one("select count(*) from jobs") == 1
    second.store.close()
    shutil.rmtree(tmp_path / "jobs")
