"""A file that is predicted by many jobs at once is the file that one job writes, whatever happens meanwhile."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars
import pytest

from core.errors import BadInput, Cancelled, Refused, RondoError
from core.jobs.bundle import Runner
from core.models.encoders.encoder import EMBEDDED
from core.project import Project, open_project
from core.registry.predict import predict
from core.registry.predict_elsewhere import predict_elsewhere, predict_elsewhere_estimate
from core.rounds.run_round import apply_finished_rounds
from core.training.following import job_cancel
from core.training.watching import jobs
from core.upkeep import take_up
from gpu_jobs.runners.local import InProcessRunner, LocalRunner
from gpu_jobs.runners.ray.ray_runner import RayRunner
from tests.command_line import rondo
from tests.conftest import quiet, sentences
from tests.model_world import head, put_to_use
from tests.ray_cluster import RayCluster
from tests.tiny_models import make_encoder
from tests.waiting import wait_for

ROWS, EACH = 1_000, 256
COLUMNS: Any = {"text": ["body"], "id": "nr", "keep": ["topic", "size"], "label": "topic", "split": "new"}
WORDS = ("--text", "body", "--id", "nr", "--keep", "topic", "--keep", "size", "--label", "topic", "--split", "new")


@pytest.fixture(scope="module")
def world(encoded: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a project that has a model in use, a file, and what one job here writes of it."""
    folder = tmp_path_factory.mktemp("world")
    shutil.copytree(encoded, folder / "p")
    project = opened(folder / "p", InProcessRunner())
    put_to_use(project, EMBEDDED, head(384))
    rows: list[dict[str, object]] = [
        {"nr": f"x{n}", "body": text, "topic": topic, "size": n / 4, "split": "old" if n % 9 == 0 else "new"}
        for n, (text, topic) in enumerate(sentences(ROWS))
    ]
    rows[5]["body"], rows[400]["body"] = "", "🙂 שלום, rain"
    polars.DataFrame(rows).write_ndjson(folder / "new.jsonl")
    predict(project, quiet, file=str(folder / "new.jsonl"), out=str(folder / "expected.jsonl"), **COLUMNS)
    project.close()
    return folder


@pytest.fixture
def folder(world: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(world, tmp_path / "world"))


def opened(folder: Path, runner: Runner) -> Project:
    """runner: that of every name."""
    return open_project(folder, InProcessRunner(), dict.fromkeys(("local", "modal", "ray"), lambda _: runner))


def request(folder: Path, ending: str = "jsonl") -> dict[str, Any]:
    return {"file": str(folder / "new.jsonl"), "out": str(folder / f"out.{ending}"), "job_records": EACH, **COLUMNS}


def states(project: Project) -> list[str]:
    return [state for (state,) in project.store.query("select state from jobs where parent is not null order by id")]


def assert_same(folder: Path) -> None:
    assert (folder / "out.jsonl").read_bytes() == (folder / "expected.jsonl").read_bytes()


def test_a_killed_owner_leaves_jobs_that_the_next_one_takes_up(folder: Path) -> None:
    on = ("--on", "local", "--workers", "2", "--job-records", str(EACH))
    words = ["predict", "champion", str(folder / "new.jsonl"), "--out", str(folder / "out.jsonl"), *WORDS, *on]
    owner = subprocess.Popen(
        [sys.executable, "-m", "app", "--project", str(folder / "p"), *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    pieces = "p/jobs/*-predict_pieces-*/out/piece-*"
    wait_for(lambda: list(folder.glob(pieces)))
    owner.kill()
    owner.wait()
    there = len(list(folder.glob(pieces)))
    project = opened(folder / "p", LocalRunner(1))
    take_up(project)
    apply_finished_rounds(project, quiet)  # what is left of rounds is put in order, and no part of this
    result = predict_elsewhere(project, quiet, **request(folder))
    assert result.resumed == min(there * EACH, result.rows)
    assert result.scored
    assert_same(folder)
    assert len(states(project)) == 4, "no job was begun anew"
    [entry] = jobs(project, quiet).jobs
    assert (entry.trainer, entry.state, entry.runner) == ("predicting", "succeeded", "local")
    assert not list(folder.glob("p/jobs/*/out/*")), "texts and answers went with the jobs"
    project.close()
    shown = rondo("--project", folder / "p", *words[:5], *WORDS, "--on", "local", "--job-records", "1000")
    assert f"{result.rows} rows" in shown
    assert_same(folder)


def test_pieces_wait_for_the_last_step_which_failed(folder: Path) -> None:
    project = opened(folder / "p", InProcessRunner())
    (folder / ".out.jsonl.parts").write_text("in the way", encoding="utf-8")
    with pytest.raises((RondoError, OSError)):
        predict_elsewhere(project, quiet, workers=2, **request(folder))
    project.close()
    (folder / ".out.jsonl.parts").unlink()
    project = opened(folder / "p", InProcessRunner())
    take_up(project)
    result = predict_elsewhere(project, quiet, workers=2, **request(folder))
    assert result.resumed == result.rows
    assert len(states(project)) == 4, "nothing is predicted, and paid, twice"
    assert_same(folder)
    assert not list(folder.glob("p/jobs/*/out/*"))
    project.close()


def test_the_same_twice_at_once_is_refused_and_an_estimate_leaves_nothing(folder: Path) -> None:
    project = opened(folder / "p", LocalRunner(1))
    predict_elsewhere_estimate(project, quiet, workers=2, **request(folder))
    assert not project.store.one("select count(*) from jobs where kind = 'predict_pieces'")
    refused: list[str] = []

    def second(what: str, done: int, total: int) -> None:
        if not refused and what.startswith("Predicting"):
            with pytest.raises(Refused, match="is under way already") as error:
                predict_elsewhere(project, quiet, **request(folder))
            refused.append(str(error.value))

    predict_elsewhere(project, second, workers=2, **request(folder))
    assert refused
    assert_same(folder)
    project.close()


def test_cancelling_it_stops_every_job_and_keeps_what_was_finished(folder: Path) -> None:
    project = opened(folder / "p", LocalRunner(1))

    def cancel(what: str, done: int, total: int) -> None:
        if list(folder.glob("p/jobs/*-predict_pieces-*/out/piece-*")):
            for entry in jobs(project, quiet).jobs:
                if entry.state == "running":
                    job_cancel(project, quiet, job=entry.id)

    cancelled = until_cancelled(lambda: predict_elsewhere(project, cancel, workers=1, **request(folder)))
    assert "what was finished is kept" in cancelled
    assert not (folder / "out.jsonl").exists()
    assert set(states(project)) <= {"succeeded", "cancelled"}
    assert predict_elsewhere(project, quiet, workers=1, **request(folder)).resumed >= EACH
    assert_same(folder)
    project.close()


def until_cancelled(act: Callable[[], object]) -> str:
    with pytest.raises(Cancelled) as error:
        act()
    return str(error.value)


def test_a_killed_node_of_a_cluster_costs_no_more_than_its_jobs(folder: Path, ray_cluster: RayCluster) -> None:
    project = opened(folder / "p", RayRunner(ray_cluster.address, str(ray_cluster.folder)))
    pulled: list[int] = []

    def pull_the_plug(what: str, done: int, total: int) -> None:
        if done and not pulled and "2 jobs" in what:
            pulled.append(done)
            ray_cluster.kill_worker()

    predict_elsewhere(project, pull_the_plug, on="ray", workers=2, **request(folder))
    ray_cluster.add_worker()
    assert pulled
    assert_same(folder)
    project.close()


def test_a_model_that_was_trained_here_travels_with_the_texts(encoded: Path, folder: Path) -> None:
    project = opened(Path(shutil.copytree(encoded, folder / "q")), InProcessRunner())
    put_to_use(project, make_encoder(folder / "tiny"))
    predict(project, quiet, file=str(folder / "new.jsonl"), out=str(folder / "expected.jsonl"), **COLUMNS)
    predict_elsewhere(project, quiet, on="ray", **request(folder))
    assert_same(folder)
    [(sent,)] = project.store.query("select string_agg(params::varchar) from jobs where parent is not null")
    assert str(folder) not in sent, "no path of this machine"
    project.close()


def test_the_price_comes_before_the_first_job_on_rented_machines(folder: Path, modal_plane: Any) -> None:
    from tests.test_modal import quick

    project = opened(folder / "p", quick())
    estimate = predict_elsewhere_estimate(project, quiet, on="modal", workers=2, **request(folder))
    assert (estimate.records, estimate.jobs) == (888, 4)
    assert estimate.dollars is not None
    with pytest.raises(Refused, match="Say --yes"):
        predict_elsewhere(project, quiet, on="modal", workers=2, **request(folder))
    assert states(project) == []
    predict_elsewhere(project, quiet, on="modal", workers=2, yes=True, **request(folder))
    assert_same(folder)
    project.close()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"on": "moon"}, "no runner 'moon'"),
        ({"on": "ray", "gpu": "L4"}, "Leave out --gpu"),
        ({"workers": 5_000}, "--workers is 5,000"),
        ({"text": ["nothing"]}, "nothing"),
        ({"out": "/nowhere/out.csv"}, "cannot be written"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_before_any_job(
    folder: Path, options: dict[str, Any], sentence: str
) -> None:
    project = opened(folder / "p", InProcessRunner())
    with pytest.raises(BadInput, match=sentence):
        predict_elsewhere(project, quiet, **{**request(folder), **options})
    assert states(project) == []
    project.close()
