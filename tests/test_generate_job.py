"""A project has a language model answer requests in a job: what it may spend, what it may send, and going on."""

from pathlib import Path

import pytest

from core.config.settings import with_changes
from core.errors import BadInput, Cancelled, Refused
from core.language_models.generation import (
    CACHE,
    LOG,
    ModelChoice,
    chosen_model,
    generate,
    planned,
    price_of,
    spent,
)
from core.project import Project
from core.store.private_files import private_folder
from gpu_jobs.runners.local import LocalRunner
from tests.chat_server import ChatServer
from tests.chat_server import chat_server as chat_server  # a fixture
from tests.conftest import quiet
from tests.test_language_models import chat
from tests.test_language_models import tiny as tiny  # a fixture
from tests.waiting import LATEST_SECONDS


def test_a_server_answers_in_a_job_and_what_is_known_is_not_sought_again(
    project: Project, chat_server: ChatServer
) -> None:
    choice = ModelChoice("tiny", chat_server.url)
    requests = [chat(number) for number in range(6)]
    assert planned(project, choice, requests).calls == 6
    first = generate(project, quiet, choice, requests, "trial")
    assert [one.id for one in first.completions] == [f"r{number}" for number in range(6)]
    assert {one.state for one in first.completions} == {"valid"}
    assert first.result is not None
    assert (first.result.calls, first.result.known, first.result.form) == (7, 0, "json_schema")
    again = generate(project, quiet, choice, [*requests, chat(6)], "trial")
    assert again.result is not None
    assert (again.result.known, len(chat_server.questions)) == (6, 7)
    assert spent(project, "trial").calls == first.result.calls + again.result.calls
    private = private_folder(project.folder)
    assert b"fox" not in (private / CACHE).read_bytes() + (private / LOG).read_bytes()
    assert not [path for path in (project.folder / "jobs").rglob("*") if path.is_file() and b"fox" in path.read_bytes()]


def test_a_folder_answers_in_a_job(project: Project, tiny: Path) -> None:
    generation = generate(project, quiet, ModelChoice(str(tiny)), [chat(number) for number in range(3)], "trial")
    assert {one.state for one in generation.completions} == {"valid"}
    assert {one.model for one in generation.completions} == {"tiny"}
    assert generation.result is not None
    assert generation.result.cost == 0.0


def test_a_folder_travels_with_a_job_elsewhere_and_its_calls_come_back(project: Project, tiny: Path) -> None:
    project.runners = {"beside": lambda _: LocalRunner(1)}
    choice = ModelChoice(str(tiny), on="beside")
    generation = generate(project, quiet, choice, [chat(number) for number in range(2)], "trial")
    assert [one.state for one in generation.completions] == ["valid", "valid"]
    assert spent(project, "trial").calls == 2
    assert not (private_folder(project.folder) / CACHE).exists()
    with pytest.raises(BadInput, match="asked from this machine"):
        generate(project, quiet, ModelChoice("m", "http://127.0.0.1:9/v1", on="beside"), [chat(1)], "trial")


def test_texts_leave_the_machine_only_where_the_project_says_so(project: Project) -> None:
    for url in ("openai", "https://models.example.org/v1"):
        with pytest.raises(Refused, match="allow_remote = true"):
            generate(project, quiet, ModelChoice("m", url), [chat(1)], "trial")
    assert not ModelChoice("m", "http://127.0.0.1:11434/v1").remote
    assert not ModelChoice("/models/m").remote
    assert list((project.folder / "jobs").glob("*generate*")) == []


def test_what_the_project_may_spend_is_spent_once(project: Project, chat_server: ChatServer) -> None:
    project.save_settings(with_changes(project.settings(), llm_calls=5))
    choice = ModelChoice("tiny", chat_server.url)
    for _ in range(2):
        answers = generate(project, quiet, choice, [chat(number) for number in range(9)], "trial").completions
        assert [one.state for one in answers].count("valid") == 4
        assert any("budget" in one.message for one in answers)
    assert len(chat_server.bodies) == 5


def test_the_price_is_the_settings_or_nothing_here(project: Project) -> None:
    settings = project.settings()
    assert price_of(settings, ModelChoice("m", "openai")) is None
    local = price_of(settings, ModelChoice("m", "http://localhost:8000/v1"))
    assert local is not None
    assert local.of(10**6, 10**6) == 0.0
    priced = price_of(with_changes(settings, price_in=1.0, price_out=3.0), ModelChoice("m", "openai"))
    assert priced is not None
    assert priced.of(10**6, 10**6) == 4.0


def test_without_a_model_the_error_says_where_to_name_one(project: Project) -> None:
    with pytest.raises(BadInput, match="llm_model"):
        chosen_model(project.settings())
    named = with_changes(project.settings(), llm_model="qwen3", llm_url="http://127.0.0.1:11434/v1")
    assert chosen_model(named) == ModelChoice("qwen3", "http://127.0.0.1:11434/v1")
    assert chosen_model(named, "/models/own") == ModelChoice("/models/own")


def test_a_job_that_is_stopped_goes_on_from_its_answers(project: Project, chat_server: ChatServer) -> None:
    requests = [chat(number) for number in range(40)]
    choice = ModelChoice("tiny", chat_server.url)
    own = project.jobs.__class__(project.store, LocalRunner(1), project.folder / "jobs")
    stopping = Project(**{**vars(project), "jobs": own})

    def stop(what: str, done: int, total: int) -> None:
        if done > 3:
            raise Cancelled("enough")

    def slow(body: object) -> None:
        chat_server.released.wait(0.05 if len(chat_server.questions) < 20 else LATEST_SECONDS)

    chat_server.answer = slow
    with pytest.raises(Cancelled):
        generate(stopping, stop, choice, requests, "trial")
    seen = len(chat_server.questions)
    assert 3 < seen < 40
    chat_server.answer = None
    answers = generate(project, quiet, choice, requests, "trial").completions
    assert {one.state for one in answers} == {"valid"}
    assert len(chat_server.questions) <= 40 + 4  # those under way when it was stopped
