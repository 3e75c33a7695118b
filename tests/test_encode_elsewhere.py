"""A pool that is encoded by many jobs at once has the same vectors as one that is encoded here, whatever happens."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app import background
from core import loop
from core.data.encode_elsewhere import (
    encode_elsewhere,
    encode_elsewhere_estimate,
    encode_if_needed,
    resume_encoding,
)
from core.data.encoding import encode
from core.data.file_import import import_file
from core.errors import BadInput, Cancelled, Refused
from core.jobs.bundle import Runner
from core.models.vectors import Halves, check_vectors, encoded_rows, open_vectors
from core.project import Project, open_project
from core.training.following import job_cancel
from core.training.watching import jobs
from core.upkeep import take_up
from gpu_jobs.runners.local import InProcessRunner, LocalRunner
from gpu_jobs.runners.ray.ray_runner import RayRunner
from tests.command_line import rondo
from tests.conftest import COLUMNS, TOPICS, quiet, write_csv
from tests.ray_cluster import RayCluster
from tests.test_pages import shown
from tests.waiting import wait_for

EACH, JOBS = 256, 4
RECORDS = JOBS * EACH
ON = ("--on", "local", "--workers", "2", "--job-records", str(EACH))


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose records have no vectors; tests work on copies of it."""
    folder = tmp_path_factory.mktemp("imported")
    loop.create_project(folder / "p", list(TOPICS))
    project = open_project(folder / "p", InProcessRunner())
    import_file(project, quiet, file=str(write_csv(folder / "t.csv", RECORDS, labelled=False)), **COLUMNS)
    project.close()
    return folder / "p"


@pytest.fixture(scope="module")
def expected(imported: Path) -> Halves:
    """What this machine makes of them, one piece after the other."""
    shutil.copytree(imported, imported.parent / "here")
    project = opened(imported.parent / "here", InProcessRunner())
    encode(project, quiet)
    vectors = np.array(open_vectors(project.vectors, project.settings().encoder))
    project.close()
    return vectors


@pytest.fixture
def folder(imported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(imported, tmp_path / "p"))


def opened(folder: Path, runner: Runner) -> Project:
    """runner: that of every name."""
    return open_project(folder, InProcessRunner(), dict.fromkeys(("local", "modal", "ray"), lambda _: runner))


def same(project: Project, expected: Halves) -> bool:
    """But for rounding: a text's batch is another one."""
    encoder = project.settings().encoder
    assert check_vectors(project.vectors, encoder) == RECORDS
    return np.allclose(open_vectors(project.vectors, encoder), expected, atol=2e-3)


def states(project: Project, kind: str = "encode") -> list[str]:
    return [state for (state,) in project.store.query("select state from jobs where kind = ? order by id", [kind])]


def begin_and_be_killed(folder: Path) -> None:
    """`rondo encode` by many jobs, which ends while they go on."""
    words = [sys.executable, "-m", "app", "encode", "--project", str(folder), *ON]
    owner = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: len(list(folder.glob("jobs/*-encode-*/events.jsonl"))) >= 2)
    owner.kill()
    owner.wait()


def test_a_killed_owner_leaves_jobs_that_the_next_one_takes_up(folder: Path, expected: Halves) -> None:
    begin_and_be_killed(folder)
    project = opened(folder, LocalRunner(1))
    take_up(project)
    assert states(project, "encode_pool") == ["running"]
    stored = check_vectors(project.vectors, project.settings().encoder)
    assert resume_encoding(project, quiet).encoded == RECORDS - stored
    assert same(project, expected)
    assert states(project) == ["succeeded"] * JOBS, "no job was begun anew"
    [entry] = jobs(project, quiet).jobs
    assert (entry.trainer, entry.state, entry.runner) == ("encoding", "succeeded", "local")
    project.close()
    assert "Encoded 0 records" in rondo("--project", folder, "encode", *ON)


def test_a_round_after_a_killed_owner_goes_on_with_what_it_began(folder: Path) -> None:
    begin_and_be_killed(folder)
    project = opened(folder, LocalRunner(1))
    loop.next_batch(project, quiet, size=6)
    assert encoded_rows(project.vectors, project.settings().encoder) == RECORDS, "not from what happened to be there"
    assert project.store.one("select records from batches") == RECORDS
    assert states(project) == ["succeeded"] * JOBS, "no job was begun anew"
    project.close()


def test_records_that_came_since_are_encoded_here_and_what_runs_elsewhere_is_stopped(
    folder: Path, tmp_path: Path
) -> None:
    begin_and_be_killed(folder)
    project = opened(folder, LocalRunner(1))
    file = tmp_path / "more.csv"
    file.write_text("id,text\nlate,a record that came since\n", encoding="utf-8")
    import_file(project, quiet, file=str(file), text=["text"], id="id")
    encode_if_needed(project, quiet)
    assert encoded_rows(project.vectors, project.settings().encoder) == RECORDS + 1
    assert states(project, "encode_pool") == ["succeeded"]
    assert not {"running", "submitting"} & {*states(project)}, "nothing goes on that nobody waits for"
    project.close()


def test_cancelling_it_stops_every_job_and_keeps_what_was_finished(folder: Path, expected: Halves) -> None:
    project = opened(folder, LocalRunner(1))
    encoder = project.settings().encoder
    cancelled: list[str] = []

    def cancel(what: str, done: int, total: int) -> None:
        if not cancelled and encoded_rows(project.vectors, encoder):
            encode_if_needed(project, quiet)  # a round goes on with what is there
            [entry] = jobs(project, quiet).jobs
            cancelled.append(job_cancel(project, quiet, job=entry.id).state)

    with pytest.raises(Cancelled):
        encode_elsewhere(project, cancel, workers=1, job_records=EACH)
    assert cancelled == ["cancelled"]
    assert set(states(project)) <= {"succeeded", "cancelled"}  # the second may not have begun
    have = encoded_rows(project.vectors, encoder)
    assert have in range(EACH, RECORDS, EACH)
    assert encode_elsewhere(project, quiet, workers=1, job_records=EACH).encoded == RECORDS - have
    assert same(project, expected)
    project.close()


def test_a_killed_node_of_a_cluster_costs_no_more_than_its_jobs(
    folder: Path, expected: Halves, ray_cluster: RayCluster
) -> None:
    project = opened(folder, RayRunner(ray_cluster.address, str(ray_cluster.folder)))
    pulled: list[int] = []

    def pull_the_plug(what: str, done: int, total: int) -> None:
        if done and not pulled and total == RECORDS and "2 jobs" in what:
            pulled.append(done)
            ray_cluster.kill_worker()

    assert encode_elsewhere(project, pull_the_plug, on="ray", workers=2, job_records=EACH).encoded == RECORDS
    ray_cluster.add_worker()
    assert pulled
    assert same(project, expected)
    assert states(project) == ["succeeded"] * JOBS
    project.close()


def test_the_price_comes_before_the_first_job_on_rented_machines(
    folder: Path, expected: Halves, modal_plane: Any
) -> None:
    from tests.test_modal import quick

    project = opened(folder, quick())
    estimate = encode_elsewhere_estimate(project, quiet, on="modal", workers=2, job_records=EACH)
    assert (estimate.records, estimate.jobs) == (RECORDS, JOBS)
    assert estimate.dollars is not None
    with pytest.raises(Refused, match="Say --yes"):
        encode_elsewhere(project, quiet, on="modal", workers=2, job_records=EACH)
    assert states(project) == []
    encode_elsewhere(project, quiet, on="modal", workers=2, job_records=EACH, yes=True)
    assert same(project, expected)
    [entry] = jobs(project, quiet).jobs
    assert entry.dollars is not None
    project.close()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"on": "moon"}, "no runner 'moon'"),
        ({"on": "modal", "gpu": "L4"}, "Leave out --gpu"),
        ({"gpu": "L4"}, "--gpu asks for a GPU elsewhere"),
        ({"workers": 5_000}, "--workers is 5,000"),
        ({"job_records": 1}, "--job-records is 1"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_at_once(project: Project, options: dict[str, Any], sentence: str) -> None:
    runner = lambda _: InProcessRunner()  # noqa: E731
    with pytest.raises(BadInput, match=sentence):
        encode_elsewhere(replace(project, runners={"local": runner, "modal": runner}), quiet, **options)


def test_the_jobs_page_says_what_it_takes_and_then_does_it(folder: Path, expected: Halves) -> None:
    server = background.open_server(lambda: opened(folder, InProcessRunner()))
    try:
        page = shown("jobs.py")
        assert f"{RECORDS:,} records have no vector yet" in page.expander[0].label
        page.button("encode-estimate").click().run()
        assert any(f"{RECORDS:,} records in 1 job," in one.value for one in page.text)
        page.button("encode-start").click().run()
        wait_for(lambda: encoded_rows(server.project.vectors, server.settings().encoder) == RECORDS)
        wait_for(lambda: "encode_elsewhere" not in server.activities)
        page.run()
        assert not [box for box in page.expander if "no vector" in box.label]
        assert same(server.project, expected)
    finally:
        background.close_server()
