"""Jobs on Modal, by its real client against a plane on this machine: what each trouble does to a job."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadInput, Refused
from core.jobs.bundle import Bundle, Handle, Resources, RunStatus, read_handle
from core.typed_json import to_json
from gpu_jobs.runners.local import LocalRunner
from gpu_jobs.runners.modal.modal_app import app_name, find_function
from gpu_jobs.runners.modal.modal_errors import in_words
from gpu_jobs.runners.modal.modal_job import CANCELLED, VOLUME, Work
from gpu_jobs.runners.modal.modal_runner import ModalRunner
from tests.test_runners import encoding, ended, reading, until

modal = pytest.importorskip("modal")
ROOT = Path(__file__).parent.parent
LIVE = dict(os.environ) if os.environ.get("MODAL_TOKEN_ID") else None


WHILE = Resources(seconds=600)


def quick() -> ModalRunner:
    """A new owner, who does not wait long."""
    return ModalRunner(patience=5.0)


def running(runner: ModalRunner, bundle: Bundle, resources: Resources = WHILE) -> Handle:
    """The handle of a job whose container is at it."""
    handle = runner.start(bundle.path, resources)
    until(runner, bundle, handle, lambda status: status.state == "running")
    return handle


def done(plane: Any, handle: Handle) -> None:
    """Waits until the call has ended, without looking at the job."""
    while plane.state.calls[handle.call].unfinished:
        time.sleep(0.1)


def test_start_twice_makes_one_call_with_what_was_asked_for(modal_plane: Any, tmp_path: Path) -> None:
    bundle, before = reading(tmp_path), len(modal_plane.state.calls)
    entries = Resources(600, "a100-40gb:2", memory_mb=1024, environment={"HF_TOKEN": "secret"})
    handle = quick().start(bundle.path, entries)
    assert quick().start(bundle.path, entries) == read_handle(json.dumps(to_json(handle)))
    function = modal_plane.definition(handle.call)
    assert (function.resources.gpu_config.gpu_type, function.resources.gpu_config.count) == ("A100", 2)
    assert (function.timeout_secs, function.resources.memory_mb, function.retry_policy.retries) == (660, 1024, 2)
    assert {"HF_TOKEN": "secret"} in [modal_plane.state.secrets[secret] for secret in function.secret_ids]
    assert "secret" not in "".join(file.read_text() for file in bundle.path.rglob("*.json"))
    assert until(quick(), bundle, handle, ended) == RunStatus("succeeded")
    assert quick().start(bundle.path, entries) == handle
    assert len(modal_plane.state.calls) == before + 1


def test_here_and_there_a_job_makes_the_same_files_and_none_stay_there(modal_plane: Any, tmp_path: Path) -> None:
    here, there = reading(tmp_path), reading(tmp_path)
    until(LocalRunner(1), here, LocalRunner(1).start(here.path, Resources()), ended)
    until(quick(), there, quick().start(there.path, Resources()), ended)
    assert here.result is not None
    assert there.result is not None
    assert here.result["manifest"] == there.result["manifest"]
    left = {path.name for path in (modal_plane.folder(VOLUME) / there.path.name).iterdir()}
    assert "result.json" in left
    assert not left & {"in", "out", "ckpt"}


def test_a_call_whose_owner_died_before_writing_it_down_runs_nothing(modal_plane: Any, tmp_path: Path) -> None:
    bundle = reading(tmp_path)
    with in_words():
        orphan = find_function().spawn(bundle.path.name, 1, 600)
    handle = quick().start(bundle.path, WHILE)
    assert handle.call != orphan.object_id
    assert until(quick(), bundle, handle, ended) == RunStatus("succeeded")
    assert orphan.get(timeout=300) == {"ran": False}


def test_a_service_that_falls_silent_loses_a_job_until_it_is_back(modal_plane: Any, tmp_path: Path) -> None:
    bundle, runner = reading(tmp_path), ModalRunner(patience=1.0)
    handle = runner.start(bundle.path, WHILE)
    modal_plane.fall_silent()
    try:
        assert runner.poll(bundle.path, handle).state == "lost"
        with pytest.raises(Refused, match="may still run"):
            runner.cancel(bundle.path, handle)
        with pytest.raises(Refused, match="online"):
            runner.start(reading(tmp_path).path, Resources())
    finally:
        modal_plane.come_back()
    while (status := runner.poll(bundle.path, handle)).state in ("lost", "queued", "running"):
        time.sleep(0.1)
    assert status.state in ("succeeded", "cancelled")


def test_an_outage_loses_a_job_but_fails_none(modal_plane: Any, tmp_path: Path) -> None:
    bundle = reading(tmp_path)
    handle = quick().start(bundle.path, WHILE)
    modal_plane.break_down(True)
    try:
        status = quick().poll(bundle.path, handle)
    finally:
        modal_plane.break_down(False)
    assert status.state == "lost"
    assert until(quick(), bundle, handle, ended) == RunStatus("succeeded")


def test_a_preempted_job_begins_again_by_itself_and_is_then_stopped(
    modal_plane: Any, tmp_path: Path, encoded: Path
) -> None:
    bundle, runner = encoding(tmp_path, encoded), quick()
    handle = running(runner, bundle)
    tasks = len(modal_plane.state.tasks)
    modal_plane.preempt(handle.call)
    until(runner, bundle, handle, lambda _: len(modal_plane.state.tasks) > tasks)
    runner.cancel(bundle.path, handle)
    assert until(runner, bundle, handle, ended) == RunStatus("cancelled", "It was stopped.")
    there = modal_plane.folder(VOLUME) / bundle.path.name
    assert (there / f"{CANCELLED}{handle.call}").exists()
    assert not (there / "result.json").exists()


def test_a_job_works_on_its_machines_disk_and_a_commit_finds_no_file_of_the_volume_open(
    modal_plane: Any, tmp_path: Path, encoded: Path
) -> None:
    bundle, runner = encoding(tmp_path, encoded), quick()
    modal_plane.state.held_open.clear()
    handle = running(runner, bundle)
    there = modal_plane.folder(VOLUME) / bundle.path.name
    until(runner, bundle, handle, lambda _: len([*(there / "out").glob("shard-*.npy")]) > 1)
    assert modal_plane.state.held_open == []
    assert not [*there.rglob("*.partial")]
    runner.cancel(bundle.path, handle)
    assert until(runner, bundle, handle, ended).state == "cancelled"


def test_what_is_whole_goes_to_the_volume_and_what_the_job_deleted_goes_from_it(tmp_path: Path) -> None:
    retained = tmp_path / "volume"
    (retained / "in").mkdir(parents=True)
    (retained / "in" / "texts").write_text("given")
    work = Work(tmp_path / "disk", retained)
    checkpoint = work.here / "ckpt" / "checkpoint-1"
    checkpoint.mkdir(parents=True)
    (checkpoint / "weights").write_text("some")
    (work.here / "result.json.partial").write_text("half")
    work.keep()
    assert (retained / "ckpt" / "checkpoint-1" / "weights").read_text() == "some"
    assert not [*retained.rglob("*.partial")]
    (checkpoint / "weights").write_text("others")
    shutil.copytree(checkpoint, work.here / "ckpt" / "checkpoint-2")
    shutil.rmtree(checkpoint)
    (retained / "call-2").write_text("written by the owner meanwhile")
    work.keep()
    files = {path.relative_to(retained).as_posix() for path in retained.rglob("*") if path.is_file()}
    assert files == {"in/texts", "ckpt/checkpoint-2/weights", "call-2"}


def test_a_command_that_asked_modal_ends_without_a_warning_about_leaks() -> None:
    script = (
        "import duckdb; from gpu_jobs.runners.choice import RUNNERS; duckdb.sql('select 1'); RUNNERS['modal'](None)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert result.stderr == ""


def test_what_breaks_on_modal_fails_with_advice_and_can_be_tried_again(
    modal_plane: Any, tmp_path: Path, encoded: Path
) -> None:
    bundle, runner = encoding(tmp_path, encoded), quick()
    handle = running(runner, bundle)
    modal_plane.kill(handle.call, last=True)
    status = until(runner, bundle, handle, ended)
    assert (status.state, "rondo jobs retry" in status.message) == ("failed", True)
    again = running(runner, bundle)
    assert again != handle
    modal_plane.kill(again.call, "out of memory", last=True)
    assert "--gpu" in until(runner, bundle, again, ended).message
    third = running(runner, bundle)
    modal_plane.run_out_of_time(third.call)
    assert until(runner, bundle, third, ended).state == "timed_out"


def test_a_result_that_modal_no_longer_keeps_is_on_the_volume(modal_plane: Any, tmp_path: Path) -> None:
    bundle = reading(tmp_path)
    handle = quick().start(bundle.path, WHILE)
    done(modal_plane, handle)
    modal_plane.expire(handle.call)
    assert quick().poll(bundle.path, handle) == RunStatus("succeeded")
    assert (bundle.path / "out" / "records.parquet").exists()
    (bundle.path / "result.json").unlink()
    assert quick().start(bundle.path, Resources()) == handle


def test_a_file_that_was_changed_on_the_way_is_not_taken_for_the_jobs(modal_plane: Any, tmp_path: Path) -> None:
    bundle = reading(tmp_path)
    handle = quick().start(bundle.path, WHILE)
    done(modal_plane, handle)
    file = modal_plane.folder(VOLUME) / bundle.path.name / "out" / "records.parquet"
    made = file.read_bytes()
    file.write_bytes(made[:-1] + b"x")
    assert quick().poll(bundle.path, handle).state == "lost"
    assert bundle.result is None
    file.write_bytes(made)
    assert quick().poll(bundle.path, handle) == RunStatus("succeeded")


def test_a_result_that_names_a_file_outside_its_folder_brings_nothing(modal_plane: Any, tmp_path: Path) -> None:
    bundle = reading(tmp_path)
    handle = quick().start(bundle.path, WHILE)
    done(modal_plane, handle)
    file = modal_plane.folder(VOLUME) / bundle.path.name / "result.json"
    file.write_text(json.dumps({"state": "succeeded", "value": {}, "manifest": {"../../job.json": "0"}}))
    assert "no file of its own" in quick().poll(bundle.path, handle).message
    assert bundle.result is None


def test_a_call_that_modal_does_not_know_is_lost(modal_plane: Any, tmp_path: Path) -> None:
    bundle = reading(tmp_path)
    status = quick().poll(bundle.path, Handle(call="fc-never"))
    assert status.state == "lost"
    assert "same workspace" in status.message
    quick().cancel(bundle.path, Handle(call="fc-never"))


def test_a_wrong_token_is_bad_input_at_the_start_and_loses_a_job_later(
    modal_plane: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.modal_plane.server import forget_client

    bundle = reading(tmp_path)
    monkeypatch.setenv("MODAL_TOKEN_SECRET", "as-wrong")
    forget_client()
    with pytest.raises(BadInput, match="modal setup"):
        quick().start(bundle.path, Resources())
    assert "modal setup" in quick().poll(bundle.path, Handle(call="fc-1")).message
    monkeypatch.delenv("MODAL_TOKEN_ID")
    monkeypatch.delenv("MODAL_TOKEN_SECRET")
    forget_client()
    with pytest.raises(BadInput, match="MODAL_TOKEN_ID"):
        quick().start(bundle.path, Resources())
    forget_client()


def test_an_image_that_cannot_be_built_is_refused_and_built_the_next_time(modal_plane: Any, tmp_path: Path) -> None:
    state = modal_plane.state
    retained, images = (
        dict(state.deployed),
        {name: state.names.pop(name) for name in [*state.names] if name[0] == "Image"},
    )
    state.deployed.clear()
    state.images_fail = True
    with pytest.raises(Refused, match="could not build the job's image"):
        quick().start(reading(tmp_path).path, Resources())
    state.images_fail = False
    state.names.update(images)
    with in_words():
        find_function()
    assert app_name() in state.deployed
    state.deployed.update(retained)


def test_the_code_is_carried_with_its_data_and_without_what_is_compiled(modal_plane: Any) -> None:
    with in_words():
        find_function()
    carried = {file.filename for mount in modal_plane.state.mounts.values() for file in mount}
    [home] = [name.removesuffix("gpu_jobs/run.py") for name in carried if name.endswith("/gpu_jobs/run.py")]
    assert f"{home}core/models/encoders/encoder_peaks.npz" in carried
    assert not [name for name in carried if "__pycache__" in name]


@pytest.mark.skipif(LIVE is None, reason="no MODAL_TOKEN_ID: nothing is asked of the real service")
def test_the_real_service_runs_a_small_job(tmp_path: Path) -> None:
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom gpu_jobs.runners.modal.modal_runner import ModalRunner\n"
        "runner, bundle = ModalRunner(patience=60), Path(sys.argv[1])\n"
        "handle = runner.start(bundle, {'seconds': 300})\n"
        "while (status := runner.poll(bundle, handle)).state in ('queued', 'running', 'lost'):\n    time.sleep(2)\n"
        "print(status.state)"
    )
    bundle = encoding(tmp_path, tmp_path, 50)
    result = subprocess.run(
        [sys.executable, "-c", script, str(bundle.path)], capture_output=True, text=True, env=LIVE, cwd=ROOT, check=True
    )
    assert result.stdout.strip() == "succeeded"
