"""`rondo jobs report`: one page with its pictures, which runs nothing; the same at Weights & Biases if asked."""

from pathlib import Path

import pytest

from app.cli.models.job_report import _send, report_page
from core.evaluation.metrics import Metrics
from core.ids import JobId
from core.jobs.bundle import Resources
from core.training.entries import TrainingJob
from tests.command_line import rondo


@pytest.fixture
def job() -> TrainingJob:
    """As `rondo jobs show --json` has it."""
    events: tuple[dict[str, float], ...] = (
        {"done": 1, "total": 2, "at": 1.0, "loss": 0.5, "epoch": 0.5},
        {"done": 2, "total": 2, "at": 2.0, "loss": 0.25, "epoch": 1, "eval_loss": 0.3, "eval_macro_f1": 0.8125},
    )
    return TrainingJob(
        id=JobId("20261130-101112-train-ab12cd"),
        kind="train",
        state="succeeded",
        runner="local",
        parent=None,
        resources=Resources(),
        made_at="2026-11-30T10:11:12Z",
        started_at=None,
        ended_at=None,
        trainer="encoder",
        values={"epochs": 1, "base": "/home/me/<b>model"},
        note="<script>alert(1)</script>",
        message="",
        model=None,
        metrics=Metrics(),
        seconds=1.0,
        memory_mb=1,
        remark="",
        dollars=None,
        events=events,
    )


def test_the_page_has_parameters_curves_and_evaluations_and_runs_nothing(job: TrainingJob) -> None:
    page = report_page(job)
    assert page.count("<svg") == 2
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<td>epochs<td>1" in page
    assert "<td>base<td>&lt;b&gt;model" in page
    assert "/home/me" not in page
    assert "<tr><td>2<td>1<td>0.25<td>0.3<td>0.8125<td>" in page
    assert "http" not in page.replace("http://www.w3.org", "")  # nothing is fetched


def test_weights_and_biases_gets_the_page_without_a_path_of_this_machine(
    job: TrainingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PROJECT": "rondo", "MODE": "offline", "DIR": str(tmp_path)}.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    page = report_page(job)
    _send(job, page)
    [sent] = tmp_path.rglob("*.html")
    assert sent.read_text(encoding="utf-8") == page
    [log] = tmp_path.rglob("*.wandb")
    assert b"/home/me" not in log.read_bytes()


def test_what_is_missing_is_reported_before_anything_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    report = ("--project", tmp_path, "jobs", "report", "job", "--out")
    assert "name an .html file" in rondo(*report, tmp_path / "page.pdf", code=2)
    assert "needs WANDB_PROJECT" in rondo(*report, tmp_path / "page.html", "--wandb", code=2)
