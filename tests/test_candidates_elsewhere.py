"""Candidates that many jobs at once search are those that one job finds, whatever happens meanwhile."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadInput, Cancelled, Refused
from core.jobs.bundle import Runner
from core.pairs.blocking.candidates_elsewhere import candidates_elsewhere, candidates_elsewhere_estimate
from core.pairs.blocking.find_candidates import candidates
from core.project import Project, open_project
from core.training.following import job_cancel
from core.training.launch import job_retry
from core.training.watching import jobs
from core.upkeep import take_up
from gpu_jobs.runners.local import InProcessRunner, LocalRunner
from gpu_jobs.runners.ray.ray_runner import RayRunner
from tests.command_line import rondo_json
from tests.conftest import quiet
from tests.model_world import put_to_use
from tests.pair_world import products
from tests.ray_cluster import RayCluster
from tests.test_pair_project import bring, bring_shops, new_project, write_source
from tests.tiny_models import make_encoder
from tests.waiting import wait_for

COUNT, EACH, PARTS = 300, 256, 4
"""records of each of two shops; texts of a job; of each shop two"""
Found = list[tuple[Any, ...]]


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two sources that are not paired yet."""
    folder = tmp_path_factory.mktemp("shops")
    project = new_project(folder / "p")
    bring_shops(project, folder, COUNT)
    project.close()
    return folder / "p"


@pytest.fixture(scope="module")
def expected(shops: Path) -> Found:
    """What one job here finds."""
    return searched_here(Path(shutil.copytree(shops, shops.parent / "here")))


@pytest.fixture
def folder(shops: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(shops, tmp_path / "p"))


def searched_here(folder: Path, **options: Any) -> Found:
    project = opened(folder, InProcessRunner())
    candidates(project, quiet, **options)
    pairs = found(project)
    project.close()
    return pairs


def opened(folder: Path, runner: Runner) -> Project:
    """runner: that of every name."""
    return open_project(folder, InProcessRunner(), dict.fromkeys(("local", "modal", "ray"), lambda _: runner))


def found(project: Project) -> Found:
    """Every pair with all that is known of it, and the strata that were drawn of all others."""
    pairs = project.store.query("select left_side, right_side, similarity, searches, beyond from pairs order by all")
    return [*pairs, *project.store.query("select near, far from candidate_searches")]


def states(project: Project, kind: str = "search_part") -> list[str]:
    return [state for (state,) in project.store.query("select state from jobs where kind = ? order by id", [kind])]


def test_a_killed_owner_leaves_jobs_that_the_next_one_takes_up(folder: Path, expected: Found) -> None:
    words = ["candidates", "--on", "local", "--workers", "1", "--job-records", str(EACH)]
    owner = subprocess.Popen(
        [sys.executable, "-m", "app", "--project", str(folder), *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    pieces = "jobs/*-search_pieces-*/out/piece-*"
    wait_for(lambda: list(folder.glob(pieces)))
    owner.kill()
    owner.wait()
    project = opened(folder, LocalRunner(1))
    take_up(project)
    candidates_elsewhere(project, quiet, workers=1, job_records=EACH)
    assert found(project) == expected
    assert states(project) == ["succeeded"] * PARTS, "no part was begun anew"
    assert states(project, "encode_piece") == ["succeeded"] * PARTS, "no text was encoded again"
    entries = jobs(project, quiet).jobs
    assert {(one.trainer, one.state, one.runner) for one in entries} == {
        ("encoding", "succeeded", "local"),
        ("searching", "succeeded", "local"),
    }
    with pytest.raises(Refused, match="rondo candidates --on local"):
        job_retry(project, quiet, job=entries[0].id)
    assert not list(folder.glob("jobs/*/out/*")), "texts and pairs went with the jobs"
    project.close()
    assert rondo_json(folder, *words)["added"] == 0


def test_cancelling_it_stops_every_job_and_keeps_what_was_finished(folder: Path, expected: Found) -> None:
    project = opened(folder, LocalRunner(1))

    def cancel(what: str, done: int, total: int) -> None:
        if list(folder.glob("jobs/*-search_pieces-*/out/piece-*")):
            for entry in jobs(project, quiet).jobs:
                if entry.state == "running":
                    job_cancel(project, quiet, job=entry.id)

    with pytest.raises(Cancelled, match="what was finished is kept"):
        candidates_elsewhere(project, cancel, workers=1, job_records=EACH)
    assert project.store.one("select count(*) from pairs") == 0
    assert set(states(project)) <= {"succeeded", "cancelled"}
    kept = states(project).count("succeeded")
    assert 0 < kept < PARTS
    assert candidates_elsewhere_estimate(project, quiet, workers=1, job_records=EACH).jobs == PARTS - kept
    candidates_elsewhere(project, quiet, workers=1, job_records=EACH)
    assert found(project) == expected
    project.close()


def test_a_killed_node_of_a_cluster_costs_no_more_than_its_jobs(
    folder: Path, expected: Found, ray_cluster: RayCluster
) -> None:
    project = opened(folder, RayRunner(ray_cluster.address, str(ray_cluster.folder)))
    pulled: list[int] = []

    def pull_the_plug(what: str, done: int, total: int) -> None:
        if done and not pulled and what.startswith("Searching (2 jobs"):
            pulled.append(done)
            ray_cluster.kill_worker()

    candidates_elsewhere(project, pull_the_plug, on="ray", workers=2, job_records=EACH)
    ray_cluster.add_worker()
    assert pulled
    assert found(project) == expected
    [(sent,)] = project.store.query("select string_agg(params::varchar) from jobs where parent is not null")
    assert str(folder) not in sent, "no path of this machine"
    project.close()


def test_the_price_comes_before_the_first_job_on_rented_machines(
    folder: Path, expected: Found, modal_plane: Any
) -> None:
    from tests.test_modal import quick

    project = opened(folder, quick())
    estimate = candidates_elsewhere_estimate(project, quiet, on="modal", workers=2, job_records=EACH)
    assert (estimate.records, estimate.jobs) == (2 * COUNT, 2 * PARTS)
    assert estimate.dollars is not None
    with pytest.raises(Refused, match="Say --yes"):
        candidates_elsewhere(project, quiet, on="modal", workers=2, job_records=EACH)
    assert states(project) == states(project, "encode_piece") == []
    candidates_elsewhere(project, quiet, on="modal", workers=2, job_records=EACH, yes=True)
    assert found(project) == expected
    assert all(entry.dollars is not None for entry in jobs(project, quiet).jobs)
    project.close()


@pytest.mark.parametrize("within", [True, False])
@pytest.mark.parametrize("texts", [100_000, 200], ids=["each against all others", "by words"])
def test_every_way_to_search_finds_the_same_in_parts(
    shops: Path, tmp_path: Path, texts: int, within: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three sources, with equal and blank texts. texts: of a side, beyond which they are searched by words."""
    monkeypatch.setattr("gpu_jobs.work.pairs.paired_sides.MOST_TEXTS", texts)
    project = opened(Path(shutil.copytree(shops, tmp_path / "p")), InProcessRunner())
    left, right = products(EACH + 20, seed=1)
    bring(project, write_source(tmp_path / "C.csv", [*left[:10], *right, *right[:5]], "c"), source="C")
    with project.store.transaction() as cursor:
        cursor.execute("update sides set text = '' where side % 97 = 0")
    project.close()
    options: Any = {"within": within, "per_record": 2, "most": 1_500}
    expected = searched_here(Path(shutil.copytree(tmp_path / "p", tmp_path / "here")), **options)
    project = opened(tmp_path / "p", InProcessRunner())
    result = candidates_elsewhere(project, quiet, job_records=EACH, **options)
    assert result.large == (texts < COUNT)
    assert found(project) == expected
    project.close()


def test_an_encoder_that_was_trained_here_travels_with_the_texts(folder: Path, tmp_path: Path) -> None:
    project = opened(folder, InProcessRunner())
    put_to_use(project, make_encoder(tmp_path / "tiny"))
    project.close()
    expected = searched_here(Path(shutil.copytree(folder, tmp_path / "here")))
    project = opened(folder, InProcessRunner())
    candidates_elsewhere(project, quiet, on="ray", job_records=EACH)
    assert found(project) == expected
    project.close()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"on": "moon"}, "no runner 'moon'"),
        ({"on": "ray", "gpu": "L4"}, "Leave out --gpu"),
        ({"workers": 5_000}, "--workers is 5,000"),
        ({"job_records": 1}, "--job-records is 1"),
        ({"per_record": 0}, "0 per record is too few"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_before_any_job(
    folder: Path, options: dict[str, Any], sentence: str
) -> None:
    project = opened(folder, InProcessRunner())
    with pytest.raises(BadInput, match=sentence):
        candidates_elsewhere(project, quiet, **options)
    assert project.store.one("select count(*) from jobs where kind <> 'ingest'") == 0
    project.close()
