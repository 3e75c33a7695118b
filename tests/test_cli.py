"""The commands, as a person types them; with and without a server that holds the project."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from app.cli.models.evaluation import evaluation_lines
from app.cli.models.models import promotion_lines
from app.cli.models.training import jobs_lines, shown_lines, train_lines
from app.cli.terminal import Ticker, present, say_json
from app.client import answers, call
from core.errors import BadInput
from core.evaluation.gate_verdict import GateVerdict
from core.evaluation.metrics import Estimate, LabelScore
from core.ids import JobId, ModelId
from core.project import Project
from core.registry.activation import Activated
from core.registry.champions import RollbackOffer
from core.registry.evaluation_jobs import EvaluateResult
from core.reports.overview import show_status
from core.training.entries import TrainingJobs
from tests.command_line import figures, jobs_here, rondo
from tests.conftest import quiet, write_csv
from tests.ports import free_port
from tests.test_jobs_pages import JOB as LISTED
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("jobs_here")


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with 30 imported records; tests work on copies of it."""
    home = tmp_path_factory.mktemp("imported")
    made = home / "project"
    rondo("init", made, "--labels", "weather,food,music")
    file = write_csv(home / "topics.csv", 30, labelled=False)
    columns = ("--text", "text", "--id", "id", "--label", "topic", "--split", "split")
    with jobs_here():
        rondo("--project", made, "import", file, *columns)
    return made


@pytest.fixture
def folder(imported: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(imported, tmp_path / "project"))


@pytest.fixture(scope="module")
def served(imported: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """Another copy, held by a running server; the first test changes its queue."""
    folder = Path(shutil.copytree(imported, tmp_path_factory.mktemp("served") / "project"))
    port = free_port()
    child = subprocess.Popen(
        [sys.executable, "-m", "app", "up", "--project", str(folder), "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: httpx.get(f"http://127.0.0.1:{port}/api/health", trust_env=False).is_success)
    yield folder, port
    child.send_signal(signal.SIGINT)
    child.wait()


def test_a_project_goes_from_a_file_to_a_queue_and_out_again(folder: Path, tmp_path: Path) -> None:
    before = figures(folder)
    assert (before["records"], before["labelled"], before["queued"], before["round"]) == (30, 0, 0, 0)
    stored = json.loads(rondo("next", "--project", folder, "--size", 5, "--strategy", "random", "--seed", 1, "--json"))
    assert stored["queued"] == figures(folder)["queued"] == 5
    rondo("export", "--project", folder, "--format", "csv", "--out", tmp_path / "out.csv", "--what", "all")
    rows = list(csv.DictReader((tmp_path / "out.csv").open(encoding="utf-8")))
    assert len(rows) == 30
    assert sum(row["label"] != "" for row in rows) == figures(folder)["gold"] == 6


@pytest.mark.parametrize("what", ["labels", "suggestions", "responses", "all"])
@pytest.mark.parametrize("file_format", ["csv", "jsonl", "parquet"])
def test_every_export_can_be_written(encoded: Path, tmp_path: Path, what: str, file_format: str) -> None:
    out = tmp_path / f"out.{file_format}"
    stored = json.loads(
        rondo("export", "--project", encoded, "--format", file_format, "--out", out, "--what", what, "--json")
    )
    assert out.stat().st_size > 0 or stored["rows"] == 0


def test_commands_work_the_same_while_the_server_holds_the_project(served: tuple[Path, int], tmp_path: Path) -> None:
    folder, _ = served
    wait_for(lambda: figures(folder)["round"])  # the server queues a first batch by itself
    assert figures(folder)["queued"] == 20
    stored = json.loads(rondo("next", "--project", folder, "--size", 3, "--json"))
    assert stored["queued"] == 3
    rondo("export", "--project", folder, "--format", "jsonl", "--out", tmp_path / "out.jsonl", "--what", "responses")
    events = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert {"event_id", "record_id", "annotator", "action", "label", "made_at", "round"} <= set(events[0])
    assert rondo("fit", "--project", folder, code=4).startswith("There is no label to learn from yet")
    rondo("backup", "--project", folder, "--out", tmp_path / "backup")
    assert (tmp_path / "backup" / "rondo.duckdb").exists()


def test_a_killed_server_leaves_a_project_that_commands_open_again(folder: Path) -> None:
    child = subprocess.Popen([sys.executable, "-m", "app", "up", "--project", str(folder), "--port", "0"])
    wait_for((folder / ".rondo" / "server.json").exists)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert figures(folder)["records"] == 30


def test_the_servers_address_and_secret_are_for_the_owner_only(served: tuple[Path, int]) -> None:
    folder, port = served
    for name in ("server.json", "secret"):
        assert (folder / ".rondo" / name).stat().st_mode & 0o077 == 0
    url = f"http://127.0.0.1:{port}/api/verbs/status"
    assert httpx.post(url, json={}, trust_env=False).status_code == 401
    assert httpx.post(url, json={}, headers={"host": "evil.example"}, trust_env=False).status_code == 400


def test_a_command_may_send_much_to_a_running_app_and_too_much_is_reported(served: tuple[Path, int]) -> None:
    folder, _ = served
    with pytest.raises(BadInput, match="status has no option `x`"):
        call(folder, show_status, quiet, x="a" * 3_000_000)  # type: ignore[call-arg]
    with pytest.raises(BadInput, match="too much at once: an app that runs takes 32,000,000"):
        call(folder, show_status, quiet, x="a" * 33_000_000)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["status", "--project", "nowhere"], 3, "There is no project"),
        (["next", "--size", "0"], 4, "at least 1"),
        (["next", "--strategy", "magic"], 2, "no strategy 'magic'"),
        (["import", "missing.csv", "--text", "text"], 2, "missing.csv"),
        (["export", "--format", "xml", "--out", "x.xml"], 2, "xml"),
        (["export", "--format", "csv", "--what", "dreams", "--out", "x.csv"], 2, "dreams"),
        (["fit"], 4, "no label to learn from"),
        (["init", "."], 2, "already a project"),
        (["init", "other", "--task", "poems"], 2, "task is 'poems', but it must be one of labels"),
    ],
)
def test_what_cannot_be_done_is_reported_in_one_line(
    project: Project, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int, message: str
) -> None:
    project.close()
    monkeypatch.chdir(project.folder)
    lines = rondo(*words, code=code).strip().splitlines()
    [complaint] = [line for line in lines if not line.endswith("…")]  # what goes on is told where it takes long
    assert message in complaint


def test_a_server_of_another_project_at_the_old_address_is_not_taken_for_ours(
    served: tuple[Path, int], tmp_path: Path
) -> None:
    ours, _ = served
    address = json.loads((ours / ".rondo" / "server.json").read_text(encoding="utf-8"))
    assert answers(address["url"], address["key"])
    assert not answers(address["url"], "that of a project that was served here before")
    assert answers(address["url"])


def test_audit_records_alone_can_be_queued_and_a_round_chosen_again(folder: Path) -> None:
    result = rondo("next", "--project", folder, "--size", 5, "--audit-share", 1)
    assert "Queued 5 records as batch 1, 5 of them audit." in result
    assert "the same 5 records" in rondo("rechoose", 1, "--project", folder)
    assert "There is no round 7" in rondo("rechoose", 7, "--project", folder, code=4)


def test_machine_labels_are_refused_before_there_is_a_model(folder: Path) -> None:
    assert "model" in rondo("auto", "--project", folder, code=4)
    assert "No guarantee is in force" in rondo("withdraw", "--project", folder, code=4)


def test_a_sentence_before_the_work_is_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    ticker = Ticker()
    for _ in range(2):
        ticker("About 0.89 USD an hour on L4 (an estimate from list prices).", 0, 0)
    ticker("Training setfit", 3, 9)
    assert capsys.readouterr().err == "About 0.89 USD an hour on L4 (an estimate from list prices).\n"


def test_jobs_and_models_are_listed_by_name_too(folder: Path) -> None:
    for group in ("jobs", "models"):
        assert rondo(group, "list", "--project", folder) == rondo(group, "--project", folder)


def test_what_is_no_number_is_null_for_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    say_json({"loss": float("nan"), "at": [1.5]})
    assert json.loads(capsys.readouterr().out) == {"loss": None, "at": [1.5]}


JOB = replace(
    LISTED,
    id=JobId("j1"),
    runner="modal",
    state="succeeded",
    started_at="2026-11-21T10:11:12Z",
    ended_at="2026-11-21T10:12:12Z",
    dollars=0.25,
    note="again",
    events=(),
)


def test_a_listed_job_says_when_it_ended_how_long_it_took_and_what_it_cost() -> None:
    [line] = jobs_lines(TrainingJobs((JOB,)))
    assert line == "j1  setfit on modal: succeeded, 21 Nov 10:12 UTC, 60 s, about 0.25 USD, again"


def test_a_job_is_shown_with_what_it_was_started_with_and_its_newest_figures() -> None:
    events = ({"done": 3, "total": 9, "at": 0.0, "loss": 0.51234},)
    assert shown_lines(replace(JOB, values={"epochs": 3}, events=events))[1:] == [
        "  with epochs=3",
        "  at 3 of 9: loss 0.5123",
    ]


def test_a_search_names_its_winner_in_what_comes_next() -> None:
    result = replace(JOB, kind="grid", runs=(JOB,), sentence="The best is j1.", model=ModelId("j1"))
    assert "rondo models promote j1" in train_lines(result)[-1]
    assert train_lines(replace(result, model=None))[-1] == result.sentence


def test_the_way_back_is_named_only_where_there_is_one() -> None:
    gate = GateVerdict(ModelId("m2"), passes=True, sentence="Better.")
    result = Activated(ModelId("m2"), ModelId("m1"), "encoder", 0, None, "Done.", gate=gate)
    assert promotion_lines(result) == ["Done.", "Better."]
    assert "rollback" in promotion_lines(replace(result, rollback=RollbackOffer(ModelId("m1"), "")))[-1]


def test_every_figure_per_label_is_shown_with_its_interval(capsys: pytest.CaptureFixture[str]) -> None:
    estimate = Estimate(0.914, 0.853, 0.947)
    result = EvaluateResult(
        model="m1",
        on="gold",
        trainer="head",
        multi=False,
        records=90,
        labelled=90,
        unknown={},
        labels={"a": "spam"},
        notes=(),
        seconds=1.0,
        n=90,
        accuracy=estimate,
        macro_f1=estimate,
        micro_f1=estimate,
        per_label={"a": LabelScore(estimate, None, estimate, estimate, records=40, predicted=40)},
    )
    present(result, evaluation_lines, as_json=False)
    [line] = [line for line in capsys.readouterr().out.splitlines() if "spam" in line]
    assert " ".join(line.split()) == "spam 40 91 % (85 to 95) too few to say 91 % (85 to 95)"
