"""A model that a provider tunes on a step's answers: what it is sent, and that it is asked under its own name then."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import Refused
from core.extract.hosted_steps import step_hosted_estimate, step_hosted_tune
from core.extract.import_annotations import import_annotations
from core.extract.prepare import find_step
from core.extract.step_files import load_steps
from core.extract.suggest import model_for
from core.loop import create_project
from core.project import Project, open_project
from core.registry.activation import promote
from gpu_jobs.runners.hosted import HostedRunner
from gpu_jobs.runners.local import LocalRunner
from tests.conftest import quiet
from tests.hosted_api import TOKEN, HostedApi
from tests.hosted_api import hosted_api as hosted_api  # a fixture

pytestmark = pytest.mark.long
TALES = Path(__file__).parent.parent / "core" / "extract" / "examples"


@pytest.fixture
def tales(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.setenv("RONDO_HOSTED_TOKEN", TOKEN)
    create_project(tmp_path / "p", [], task="extract", steps=load_steps("folktales"))
    project = open_project(tmp_path / "p", LocalRunner(1), {"hosted": lambda _: HostedRunner(1)})
    import_annotations(project, quiet, file=str(TALES / "tales.jsonl"), map=str(TALES / "tales.toml"))
    yield project
    project.close()


def test_a_provider_is_sent_the_prompts_of_a_step_and_its_model_is_asked_by_its_id(
    tales: Project, hosted_api: HostedApi
) -> None:
    hosted_api.steps = ("succeeded",)
    estimate = step_hosted_estimate(tales, quiet, step="character", provider=hosted_api.url, base="tiny")
    assert estimate.warnings[0] == "24 examples are few: 50 are recommended."
    with pytest.raises(Refused, match="Say --yes"):
        step_hosted_tune(tales, quiet, step="character", provider=hosted_api.url, base="tiny")
    job = step_hosted_tune(tales, quiet, step="character", provider=hosted_api.url, base="tiny", yes=True)
    assert (job.state, job.note) == ("succeeded", "step character")
    [content] = hosted_api.uploads
    turns = [json.loads(line)["messages"] for line in content.splitlines()]
    assert [[turn["role"] for turn in one] for one in turns] == [["system", "user", "assistant"]] * 24
    assert json.loads(turns[0][2]["content"])["doers"] == ["Mara the weaver"]
    choice, name = model_for(tales, find_step(tales.settings().steps, "character"), job.id, "", "local")
    assert (choice.model, choice.url, name) == ("ft:tiny:rondo::ftjob-1", hosted_api.url, job.id)
    assert not (tales.folder / "jobs" / job.id / "in" / "train.jsonl").exists()
    with pytest.raises(Refused, match="rondo extract promote"):
        promote(tales, quiet, model=job.id)


def test_texts_go_to_no_provider_unless_the_project_says_so(tales: Project) -> None:
    for tune in (step_hosted_estimate, step_hosted_tune):
        with pytest.raises(Refused, match="allow_remote = true"):
            tune(tales, quiet, step="character", provider="openai", base="tiny")


def test_a_step_with_too_few_answers_is_not_tuned(tales: Project, hosted_api: HostedApi, tmp_path: Path) -> None:
    create_project(tmp_path / "empty", [], task="extract", steps=load_steps("folktales"))
    empty = open_project(tmp_path / "empty", LocalRunner(1))
    try:
        with pytest.raises(Refused, match="has 0 answers to learn from, and at least 10"):
            step_hosted_estimate(empty, quiet, step="stac", provider=hosted_api.url, base="tiny")
    finally:
        empty.close()
