"""One contract for all that carry jobs: what is true of one runner is true of every one."""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest

from core.data.encode_job import ENCODE, EncodeParams
from core.data.ingest_job import INGEST, IngestParams, Layout
from core.jobs.bundle import Bundle, Handle, Resources, Runner, RunStatus, manifest, read_handle, write_json
from core.jobs.kinds import JobKind, Params, Result
from core.models.encoders.encoder import EMBEDDED
from core.models.out_of_fold import read_held_out
from core.pairs.blocking.candidates_elsewhere import candidates_elsewhere
from core.pairs.blocking.find_candidates import candidates
from core.project import open_project
from core.training.train import train
from core.typed_json import to_json
from gpu_jobs.runners.local import InProcessRunner, LocalRunner
from gpu_jobs.runners.modal.modal_job import VOLUME
from gpu_jobs.runners.ray.ray_runner import RayRunner
from tests.conftest import quiet, write_csv
from tests.test_pair_project import bring_shops, new_project

UNDER_WAY = ("queued", "running")


@dataclass(frozen=True)
class Carrier:
    """A runner and what may befall it. runner: a new one, as a restarted owner has it. kill: the attempt's machine.

    folder: where the job's files lie. loses: a killed attempt is lost, and not begun again by itself.
    """

    runner: Callable[[], Runner]
    kill: Callable[[Bundle, Handle], None]
    folder: Callable[[Bundle], Path]
    loses: bool


def _local(request: pytest.FixtureRequest) -> Carrier:
    return Carrier(
        runner=lambda: LocalRunner(1),
        kill=lambda bundle, handle: psutil.Process(handle.pid).kill(),
        folder=lambda bundle: bundle.path,
        loses=True,
    )


def _modal(request: pytest.FixtureRequest) -> Carrier:
    plane = request.getfixturevalue("modal_plane")
    from gpu_jobs.runners.modal.modal_runner import ModalRunner

    return Carrier(
        runner=lambda: ModalRunner(patience=5.0),
        kill=lambda bundle, handle: plane.kill(handle.call),
        folder=lambda bundle: plane.folder(VOLUME) / bundle.path.name,
        loses=False,
    )


def _ray(request: pytest.FixtureRequest) -> Carrier:
    cluster = request.getfixturevalue("ray_cluster")
    return Carrier(
        runner=lambda: RayRunner(cluster.address, str(cluster.folder)),
        kill=_kill_process,
        folder=lambda bundle: cluster.folder / "jobs" / bundle.path.name,
        loses=True,
    )


def _kill_process(bundle: Bundle, handle: Handle) -> None:
    """Wherever it runs on this machine, which is all of the cluster."""
    for process in psutil.process_iter(["cmdline"]):
        if {"gpu_jobs.run", handle.work} <= set(process.info["cmdline"] or ()):
            process.kill()


CARRIERS: dict[str, Callable[[pytest.FixtureRequest], Carrier]] = {"local": _local, "modal": _modal, "ray": _ray}
"""one line for each runner; a function that asks for the fixtures it needs"""


@pytest.fixture(params=CARRIERS)
def carrier(request: pytest.FixtureRequest) -> Carrier:
    return CARRIERS[request.param](request)


def make_bundle(folder: Path, kind: JobKind[Params, Result], params: Params) -> Bundle:
    """Ready to be started. Its name is new: a service remembers the old ones."""
    bundle = Bundle(folder / f"{kind.name}-{time.time_ns():x}")
    (bundle.path / "in").mkdir(parents=True)
    job = {"schema": 1, "id": bundle.path.name, "kind": kind.name, "params": to_json(params)}
    write_json(bundle.path / "job.json", job)
    bundle.seal()
    return bundle


def reading(folder: Path, column: str = "text") -> Bundle:
    """A job that is done in a moment; it refuses a column that is not there."""
    file = write_csv(folder / "t.csv", 10)
    return make_bundle(folder, INGEST, IngestParams(str(file), Layout((column,))))


def encoding(folder: Path, encoded: Path, count: int = 20_000) -> Bundle:
    """A job of minutes that keeps what it has done."""
    import polars

    cache = str(encoded / "vectors" / "cache")
    bundle = make_bundle(folder, ENCODE, EncodeParams(EMBEDDED, EMBEDDED, 1, cache, 0, count, shard_rows=50))
    texts = [f"a record that says {number}" + " and more words" * 8 for number in range(count)]
    table = polars.DataFrame({"n": range(count), "text": texts}, schema={"n": polars.Int64, "text": polars.String})
    table.write_parquet(bundle.path / "in" / "texts.parquet")
    bundle.seal()
    return bundle


def until(runner: Runner, bundle: Bundle, handle: Handle, enough: Callable[[RunStatus], bool]) -> RunStatus:
    """What is seen as soon as there is enough of it."""
    while not enough(status := runner.poll(bundle.path, handle)):
        assert status.state in UNDER_WAY, (status, bundle.log())
        time.sleep(0.1)
    return status


def ended(status: RunStatus) -> bool:
    return status.state not in UNDER_WAY


def test_a_job_brings_its_files_and_its_result_last(carrier: Carrier, tmp_path: Path) -> None:
    runner, bundle = carrier.runner(), reading(tmp_path)
    handle = read_handle(json.dumps(to_json(runner.start(bundle.path, Resources(seconds=600)))))

    def whole(status: RunStatus) -> bool:
        result = bundle.result
        assert result is None or result["manifest"] == manifest(bundle.path / "out")
        return ended(status)

    assert until(runner, bundle, handle, whole) == RunStatus("succeeded")
    assert bundle.result is not None
    assert "records.parquet" in bundle.result["manifest"]
    assert bundle.events[-1]["done"] == bundle.events[-1]["total"] > 0


def test_what_a_job_refuses_comes_back_as_its_sentence(carrier: Carrier, tmp_path: Path) -> None:
    runner, bundle = carrier.runner(), reading(tmp_path, "words")
    status = until(runner, bundle, runner.start(bundle.path, Resources(seconds=600)), ended)
    assert status.state == "failed"
    assert "words" in status.message
    assert bundle.result is not None
    assert bundle.result["kind"] == "BadInput"


def test_a_bug_is_failed_with_its_traceback_in_the_log(carrier: Carrier, tmp_path: Path) -> None:
    runner, bundle = carrier.runner(), make_bundle(tmp_path, JobKind("encode", dict, dict), {})
    assert until(runner, bundle, runner.start(bundle.path, Resources(seconds=600)), ended).state == "failed"
    assert "Traceback" in "\n".join(bundle.log())


def test_a_killed_attempt_goes_on_where_it_stood_until_a_new_owner_stops_it(
    carrier: Carrier, tmp_path: Path, encoded: Path
) -> None:
    runner, bundle = carrier.runner(), encoding(tmp_path, encoded)
    handle = runner.start(bundle.path, Resources(seconds=600))
    assert until(runner, bundle, handle, lambda _: bundle.progress[0] >= 100).state == "running"
    first = carrier.folder(bundle) / "out" / "shard-00000.npy"
    most, written = max(event["done"] for event in bundle.events), first.stat().st_mtime_ns
    carrier.kill(bundle, handle)
    if carrier.loses:
        assert until(runner, bundle, handle, ended).state == "lost"
        handle = runner.start(bundle.path, Resources(seconds=600))
    later = carrier.runner()
    until(later, bundle, handle, lambda _: bundle.progress[0] > most)  # a new attempt may begin its events anew
    assert first.stat().st_mtime_ns == written
    later.cancel(bundle.path, handle)
    assert until(later, bundle, handle, ended).state == "cancelled"
    assert (bundle.result or {"state": "cancelled"})["state"] == "cancelled"


def test_what_an_ended_job_was_given_can_be_deleted_where_it_ran(carrier: Carrier, tmp_path: Path) -> None:
    runner, bundle = carrier.runner(), reading(tmp_path, "words")
    handle = runner.start(bundle.path, Resources(seconds=600))
    assert until(runner, bundle, handle, ended).state == "failed"
    bundle.empty()
    for _ in range(2):
        carrier.runner().forget(bundle.path, handle)
        left = {path.name for path in carrier.folder(bundle).iterdir()}
        assert "job.json" in left
        assert not left & {"in", "out", "ckpt"}


def test_a_job_that_takes_too_long_has_timed_out(carrier: Carrier, tmp_path: Path, encoded: Path) -> None:
    runner, bundle = carrier.runner(), encoding(tmp_path, encoded)
    handle = runner.start(bundle.path, Resources(seconds=1))
    status = until(runner, bundle, handle, ended)
    assert status.state == "timed_out"
    assert "job_seconds" in status.message


@pytest.mark.parametrize("name", ["modal", "ray"])
def test_the_same_job_makes_the_same_model_here_and_there(
    name: str, played: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    carried = CARRIERS[name](request).runner()
    shutil.copytree(played, tmp_path / "taught")
    runners = {"local": lambda settings: LocalRunner(1), name: lambda settings: carried}
    train_rows = open_project(tmp_path / "taught", InProcessRunner(), runners)
    here, there = (train(train_rows, quiet, trainer="head", on=on) for on in ("local", name))
    assert here.metrics == there.metrics
    judged = [read_held_out(train_rows.models / str(result.model), 3) for result in (here, there)]
    assert judged[0] is not None
    assert judged[1] is not None
    assert judged[0].rows.tolist() == judged[1].rows.tolist()
    np.testing.assert_allclose(judged[0].probs, judged[1].probs, atol=1e-3)  # another number of threads rounds so
    assert train_rows.store.query("select runner, state from jobs where kind = 'train' order by made_at") == [
        ("local", "succeeded"),
        (name, "succeeded"),
    ]
    train_rows.close()


def test_candidates_are_found_wherever_the_job_runs(carrier: Carrier, tmp_path: Path) -> None:
    pairs = []
    for name in ("here", "there"):
        project = new_project(tmp_path / name)
        project.runners = {"there": lambda _: carrier.runner()}
        bring_shops(project, tmp_path, 12)
        result = (
            candidates(project, quiet) if name == "here" else candidates_elsewhere(project, quiet, on="there", yes=True)
        )
        assert result.added > 12
        pairs.append(project.store.query("select left_side, right_side, similarity, beyond from pairs order by all"))
        project.close()
    assert pairs[0] == pairs[1]
