"""What becomes of a job whose runner is silent, late or wrong: cancelled stays cancelled, lost is not failed."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core.errors import Cancelled, Refused
from core.ids import JobId
from core.jobs.bundle import Bundle, Handle, Resources, RunStatus
from core.models.out_of_fold import write_held_out
from core.project import Project, open_project
from core.training import following
from core.training.entries import read_training_job, set_state
from core.training.launch import TrainingRequest, job_retry, launch, order_of
from core.training.watching import follow
from core.upkeep import empty_dead
from gpu_jobs.runners.local import InProcessRunner
from tests.conftest import plain_kind, quiet


class FarRunner(InProcessRunner):
    """Does the work when it is first asked how it fares, and cannot always be reached."""

    def __init__(self) -> None:
        self.reachable, self.begun, self.stopped, self.forgotten = True, 0, 0, 0

    def start(self, bundle: Path, resources: Resources) -> Handle:
        self.begun += 1
        return Handle(call=str(self.begun))

    def poll(self, bundle: Path, handle: Handle) -> RunStatus:
        if not self.reachable:
            return RunStatus("lost", "Nobody answers.")
        if self.stopped:
            return RunStatus("failed", "terminated")
        if not (bundle / "result.json").exists():
            super().start(bundle, Resources())
        return super().poll(bundle, handle)

    def cancel(self, bundle: Path, handle: Handle) -> None:
        if not self.reachable:
            raise Refused("Nobody answers, so it may still run.")
        self.stopped += 1

    def forget(self, bundle: Path, handle: Handle) -> None:
        if not self.reachable:
            raise Refused("Its texts may still lie there: nobody answers.")
        self.forgotten += 1


@pytest.fixture
def far() -> FarRunner:
    return FarRunner()


@pytest.fixture
def project(played: Path, tmp_path: Path, far: FarRunner) -> Iterator[Project]:
    shutil.copytree(played, tmp_path / "taught")
    opened = open_project(tmp_path / "taught", InProcessRunner(), {"far": lambda settings: far})
    yield opened
    opened.close()


def begin(project: Project) -> JobId:
    return launch(project, order_of(project, "head", TrainingRequest(on="far")))


def test_a_job_that_is_lost_is_found_again(project: Project, far: FarRunner) -> None:
    job = begin(project)
    far.reachable = False
    follow(project, quiet)
    assert read_training_job(project, job).state == "lost"
    far.reachable = True
    follow(project, quiet)
    assert read_training_job(project, job).state == "succeeded"


def test_a_cancel_that_reached_nobody_is_repeated_until_it_does(project: Project, far: FarRunner) -> None:
    job = begin(project)
    far.reachable = False
    with pytest.raises(Refused, match="may still run"):
        following.job_cancel(project, quiet, job=job)
    for _ in range(3):
        follow(project, quiet)
    assert read_training_job(project, job).state == "cancelling"
    far.reachable = True
    far.stopped = 1
    follow(project, quiet)
    assert read_training_job(project, job).state == "cancelled"


def test_what_comes_back_after_a_cancel_makes_no_model(project: Project, far: FarRunner) -> None:
    job = begin(project)
    set_state(project, job, "cancelling", "")
    follow(project, quiet)
    assert read_training_job(project, job).state == "cancelled"
    assert project.store.one("select count(*) from models where id = ?", [job]) == 0
    assert not (project.models / job).exists()


def test_a_job_that_is_being_handed_over_is_left_alone(project: Project, far: FarRunner) -> None:
    bundle = project.jobs.prepare(plain_kind("train"), {"trainer": "head"})
    with project.store.transaction() as cursor:
        cursor.execute("update jobs set runner = 'far' where id = ?", [bundle.path.name])
    with following.handing_over(bundle.id):
        assert following.refresh_job(project, bundle.id).state == "draft"
    assert following.refresh_job(project, bundle.id).state == "lost"
    assert far.begun == 0
    with pytest.raises(Refused, match="is gone"):
        job_retry(project, quiet, job=bundle.id)


def test_an_owner_that_died_before_it_had_the_handle_starts_the_job_again(project: Project, far: FarRunner) -> None:
    job = begin(project)
    with project.store.transaction() as cursor:
        cursor.execute("update jobs set state = 'submitting', handle = null where id = ?", [job])
    assert following.refresh_job(project, job).state == "queued"
    assert following.refresh_job(project, job).state == "succeeded"


def test_what_came_back_damaged_can_be_tried_again(project: Project, far: FarRunner) -> None:
    job = begin(project)
    bundle = Bundle(project.folder / "jobs" / job)
    InProcessRunner().start(bundle.path, Resources())
    write_held_out(bundle.path / "out" / "model", np.arange(3), np.ones((3, 3)))
    follow(project, quiet)
    assert "lost or changed on the way" in read_training_job(project, job).message
    assert job_retry(project, quiet, job=job).state == "queued"
    follow(project, quiet)
    assert read_training_job(project, job).state == "succeeded"


def test_a_retry_that_cannot_be_started_leaves_the_row_as_it_was(project: Project, far: FarRunner) -> None:
    job = begin(project)
    set_state(project, job, "timed_out", "It took too long.")
    shutil.rmtree(project.folder / "jobs" / job / "in")
    with pytest.raises(Refused, match="is gone"):
        job_retry(project, quiet, job=job)
    assert read_training_job(project, job).state == "timed_out"


def test_forgetting_deletes_the_texts_and_keeps_the_row(project: Project, far: FarRunner) -> None:
    job = begin(project)
    with pytest.raises(Refused, match="Cancel it first"):
        following.job_forget(project, quiet, job=job)
    far.stopped = 1
    follow(project, quiet)
    following.job_forget(project, quiet, job=job)
    assert read_training_job(project, job).state == "failed"
    assert not (project.folder / "jobs" / job / "in").exists()
    assert far.forgotten == 1


def test_texts_that_could_not_be_deleted_elsewhere_are_reported_until_they_are_deleted(
    project: Project, far: FarRunner
) -> None:
    job = begin(project)
    far.stopped = 1
    follow(project, quiet)
    far.reachable = False
    with pytest.raises(Refused, match=rf"here is deleted.*still lie there.*forget {job}"):
        following.job_forget(project, quiet, job=job)
    assert not (project.folder / "jobs" / job / "in").exists()
    far.reachable = True
    following.job_forget(project, quiet, job=job)
    assert far.forgotten == 1


def test_a_job_that_was_cancelled_before_it_began_never_begins(project: Project, far: FarRunner) -> None:
    from core.training.launch import submit

    bundle = project.jobs.prepare(plain_kind("train"), {"trainer": "head"})
    with project.store.transaction() as cursor:
        cursor.execute("update jobs set runner = 'far', state = 'cancelled' where id = ?", [bundle.path.name])
    with pytest.raises(Cancelled, match="before it began"):
        submit(project, bundle, far, Resources(), "draft")
    assert far.begun == 0


def test_what_a_kill_left_behind_goes_when_the_project_is_opened(project: Project, far: FarRunner) -> None:
    job = begin(project)
    follow(project, quiet)
    left = [project.folder / "jobs" / name / "in" for name in (job, "20261121-000000-train-000000")]
    waiting = begin(project)
    for folder in left:
        folder.mkdir(parents=True, exist_ok=True)
    empty_dead(project)
    assert not any(folder.exists() for folder in left)
    assert (project.folder / "jobs" / waiting / "in" / "train.parquet").exists()


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", '{"state": "flying"}', '{"state": "succeeded", "value": 3}'])
def test_a_result_that_says_nothing_fails_its_job_and_no_other(project: Project, far: FarRunner, text: str) -> None:
    broken, healthy = begin(project), begin(project)
    (project.folder / "jobs" / broken / "result.json").write_text(text)
    follow(project, quiet)
    follow(project, quiet)
    assert read_training_job(project, broken).state == "failed"
    assert read_training_job(project, healthy).state == "succeeded"


def test_lines_of_progress_that_were_cut_short_are_passed_over(project: Project, far: FarRunner) -> None:
    bundle = Bundle(project.folder / "jobs" / begin(project))
    lines = [
        b'{"done": 1, "total": 4, "loss": NaN}',
        b'{"done": 2, "tot',
        b"[]",
        b'{"done": 3, "total": 4, "loss": 0.5}',
    ]
    (bundle.path / "events.jsonl").write_bytes(b"\n".join(lines) + b"\n" + b'{"done": 4')
    assert bundle.progress == (3, 4)
    assert bundle.events == [{"done": 1, "total": 4}, {"done": 3, "total": 4, "loss": 0.5}]
