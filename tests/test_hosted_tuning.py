"""A tuning job in processes of its own: it outlives who began it, is never begun twice, and cancelling reaches it."""

import json
import re
from pathlib import Path

import psutil
import pytest

from core.errors import Refused
from core.hosted.fine_tuning import read_state
from core.jobs.bundle import Bundle, Resources
from core.project import Project
from core.training.entries import read_row, read_training_job
from core.training.following import job_cancel, job_forget, refresh_job
from core.training.hosted import (
    hosted_cancel,
    hosted_estimate,
    hosted_job,
    hosted_jobs,
    hosted_models,
    hosted_tune,
    read_hosted_job,
)
from core.training.launch import job_retry, wait
from core.training.watching import follow
from gpu_jobs.runners.hosted import HostedRunner
from tests.command_line import rondo, rondo_json
from tests.conftest import plain_kind, quiet
from tests.hosted_api import TOKEN, Fault, HostedApi
from tests.hosted_api import hosted_api as hosted_api  # a fixture
from tests.hosted_world import begin
from tests.hosted_world import pairs_project as pairs_project  # a fixture
from tests.waiting import wait_for

pytestmark = pytest.mark.long


def folder(project: Project, job: str) -> Path:
    return project.folder / "jobs" / job


def test_a_job_becomes_a_model_that_is_listed_with_its_end(pairs_project: Project, hosted_api: HostedApi) -> None:
    hosted_api.steps, hosted_api.shutdown = ("succeeded",), "2027-01-14"
    job = hosted_tune(pairs_project, quiet, provider=hosted_api.url, base="tiny", yes=True)
    assert job.result is not None
    assert (job.state, job.result.model) == ("succeeded", "ft:tiny:rondo::ftjob-1")
    assert (job.approved, job.rejected, job.result.shutdown, job.result.trained_tokens) == (60, 55, "2027-01-14", 1234)
    [content] = hosted_api.uploads
    assert content.count(b"\n") == 115
    hosted_api.models.clear()
    listed = hosted_models(pairs_project, quiet, provider=hosted_api.url)
    assert [(model.model, model.there) for model in listed.models] == [("ft:tiny:rondo::ftjob-1", False)]
    assert [there.id for there in listed.at_provider] == ["ftjob-1"]
    assert "2027-01-06" in listed.notices[0]


def test_neither_token_nor_texts_stay_behind(pairs_project: Project, hosted_api: HostedApi) -> None:
    hosted_api.steps = ("succeeded",)
    job = hosted_tune(pairs_project, quiet, provider=hosted_api.url, base="tiny", yes=True).id
    files = [path.read_bytes() for path in folder(pairs_project, job).rglob("*") if path.is_file()]
    assert files
    assert not any(TOKEN.encode() in content or b"camera" in content for content in files)
    row = read_row(pairs_project, job)
    assert TOKEN not in json.dumps([row.params, row.result, row.error])
    assert hosted_api.files == {}


def test_a_failed_job_keeps_its_texts_there_until_it_is_forgotten(
    pairs_project: Project, hosted_api: HostedApi
) -> None:
    hosted_api.steps = ("failed",)
    job = begin(pairs_project, hosted_api)
    wait_for(lambda: refresh_job(pairs_project, job).state == "failed")
    assert len(hosted_api.files) == 1
    job_forget(pairs_project, quiet, job=job)
    assert hosted_api.files == {}


def test_the_price_is_agreed_to_before_anything_is_sent(pairs_project: Project, hosted_api: HostedApi) -> None:
    with pytest.raises(Refused, match=r"This costs money at .*: 115 examples of about .* Say --yes"):
        hosted_tune(pairs_project, quiet, provider=hosted_api.url, base="tiny")
    assert hosted_estimate(pairs_project, quiet, provider=hosted_api.url, base="tiny").dollars is None
    assert hosted_api.received == []


def test_what_would_be_refused_is_refused_before_the_price(
    pairs_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(Refused, match="OPENAI_API_KEY is not set"):
        hosted_estimate(pairs_project, quiet, provider="openai", base="gpt-4o-mini")


def test_a_process_that_was_killed_is_begun_again_and_follows_the_same_job(
    pairs_project: Project, hosted_api: HostedApi
) -> None:
    hosted_api.steps = ("running",)
    job = begin(pairs_project, hosted_api)
    wait_for(lambda: hosted_api.count("/jobs/ftjob-1") > 1)
    handle = read_row(pairs_project, job).handle
    assert handle is not None
    psutil.Process(handle.pid).kill()
    wait_for(lambda: refresh_job(pairs_project, job).state == "lost")
    assert f"rondo jobs retry {job}" in read_training_job(pairs_project, job).message
    hosted_api.steps = ("succeeded",)
    job_retry(pairs_project, quiet, job=job)
    assert wait(pairs_project, quiet, job).state == "succeeded"
    assert (len(hosted_api.jobs), len(hosted_api.uploads)) == (1, 1)


@pytest.mark.parametrize("by", ["hosted", "jobs"])
def test_cancelling_cancels_at_the_provider_too(pairs_project: Project, hosted_api: HostedApi, by: str) -> None:
    hosted_api.steps = ("running",)
    job = begin(pairs_project, hosted_api)
    wait_for(lambda: hosted_job(pairs_project, quiet, job=job).word == "running")
    if by == "hosted":
        hosted_cancel(pairs_project, quiet, job="ftjob-1")
    else:
        job_cancel(pairs_project, quiet, job=job)
    assert hosted_api.jobs["ftjob-1"]["cancelled"]
    assert (read_hosted_job(pairs_project, job).state, read_hosted_job(pairs_project, job).status) == (
        *("cancelled", "cancelled"),
    )
    assert follow(pairs_project, quiet).under_way == 0


def test_a_cancel_that_does_not_get_through_is_not_called_cancelled(
    pairs_project: Project, hosted_api: HostedApi
) -> None:
    hosted_api.steps = ("running",)
    job = begin(pairs_project, hosted_api)
    wait_for(lambda: read_state(folder(pairs_project, job)).job)
    hosted_api.faults["cancel"] = [Fault(500)] * 2
    with pytest.raises(Refused, match=r"Cancelling the job at .*: it answered 500"):
        job_cancel(pairs_project, quiet, job=job)
    assert refresh_job(pairs_project, job).state == "cancelling"
    (folder(pairs_project, job) / "cancel.txt").unlink()  # as if a minute had passed
    follow(pairs_project, quiet)
    follow(pairs_project, quiet)
    assert hosted_api.jobs["ftjob-1"]["cancelled"]
    assert read_training_job(pairs_project, job).state == "cancelled"


def test_a_job_that_fails_there_fails_here_with_the_providers_words(
    pairs_project: Project, hosted_api: HostedApi
) -> None:
    hosted_api.steps, hosted_api.error = ("failed",), "Too many examples of one kind."
    job = begin(pairs_project, hosted_api)
    with pytest.raises(Refused, match="failed: Too many examples of one kind"):
        wait(pairs_project, quiet, job)
    assert Bundle(folder(pairs_project, job)).sealed


def test_commands_tune_list_and_write_the_data(pairs_project: Project, hosted_api: HostedApi, tmp_path: Path) -> None:
    hosted_api.steps = ("succeeded",)
    home, where = pairs_project.folder, ("--provider", hosted_api.url, "--base", "tiny")
    pairs_project.close()
    assert "Say --yes to agree" in rondo("-p", home, "train", "-t", "hosted", *where, code=4)
    assert "Model ft:tiny:rondo::ftjob-1" in rondo("-p", home, "train", "-t", "hosted", *where, "--yes")
    [job] = rondo_json(home, "hosted", "jobs")["jobs"]
    assert (job["state"], job["job"]) == ("succeeded", "ftjob-1")
    assert "ft:tiny:rondo::ftjob-1" in rondo("-p", home, "hosted", "models")
    assert "hosted on hosted: succeeded" in rondo("-p", home, "jobs")
    out = tmp_path / "train.jsonl"
    assert "115 examples" in rondo("-p", home, "hosted", "data", "--out", out)
    assert len(out.read_text().splitlines()) == 115
    assert "There is no hosted job 'x'" in rondo("-p", home, "hosted", "status", "x", code=2)
    assert "are for -t hosted" in rondo("-p", home, "train", "-t", "head", *where, code=2)


def test_jobs_are_listed_newest_first_while_one_runs(pairs_project: Project, hosted_api: HostedApi) -> None:
    hosted_api.steps = ("running",)
    first = begin(pairs_project, hosted_api)
    wait_for(lambda: hosted_job(pairs_project, quiet, job=first).job)
    [listed] = hosted_jobs(pairs_project, quiet).jobs
    assert (listed.id, listed.state, listed.result) == (first, "running", None)
    hosted_cancel(pairs_project, quiet, job=first)


def test_the_runner_of_hosted_models_runs_nothing_else(pairs_project: Project) -> None:
    bundle = pairs_project.jobs.prepare(plain_kind("encode"), {})
    bundle.seal()
    with pytest.raises(Refused, match="is for `rondo train --trainer hosted`"):
        HostedRunner(1).start(bundle.path, Resources())


def test_the_commands_of_the_recipe_are_there() -> None:
    text = (Path(__file__).parent.parent / "docs" / "recipes" / "merge_decisions.md").read_text(encoding="utf-8")
    lines = [line.split() for line in re.findall(r"^    rondo (.+)$", text, re.M)]
    assert len(lines) > 8
    for words in lines:
        options = {word for word in words if word.startswith("--")}
        shown = rondo(*(words[:2] if words[0] in ("hosted", "models") else words[:1]), "--help")
        assert not {option for option in options if option not in shown}, words
