"""The page Models with hosted models: tuned after the price was agreed to, put to use, taken out, rescued before they
end."""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import background
from app.pages.parts.models.paid_work import OTHER
from core.extract.import_annotations import import_annotations
from core.extract.step_files import load_steps
from core.jobs.bundle import Runner
from core.loop import create_project
from core.models.hosted_models import hosted_in_use
from core.training.hosted import list_hosted_jobs
from tests.conftest import quiet
from tests.hosted_api import TOKEN, HostedApi
from tests.hosted_api import hosted_api as hosted_api  # a fixture
from tests.hosted_registry import decided_folder as decided_folder  # a fixture
from tests.hosted_registry import reopen, teach, tune
from tests.test_hosted_rescue import undecided
from tests.test_hosted_steps import TALES
from tests.test_jobs_pages import Endless, finish
from tests.test_pages import shown

pytestmark = pytest.mark.long


@pytest.fixture
def server(decided_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[background.ProjectServer]:
    monkeypatch.setenv("RONDO_HOSTED_TOKEN", TOKEN)
    folder = Path(shutil.copytree(decided_folder, tmp_path / "pairs"))
    yield background.open_server(lambda: reopen(folder))
    background.close_server()


def choose(page: AppTest, api: HostedApi, key: str = "tune", base: str = "tiny") -> None:
    """A provider of the tests and a base."""
    page.selectbox(key=f"{key}-provider").select(OTHER).run()
    page.text_input(key=f"{key}-address").input(api.url)
    page.text_input(key=f"{key}-base").input(base).run()


def press(server: background.ProjectServer, page: AppTest, key: str) -> None:
    """Until what it began has ended and is drawn."""
    page.button(key=key).click().run()
    finish(server)
    page.run()
    assert not page.exception


def buttons(page: AppTest) -> set[str | None]:
    return {one.key for one in page.button}


def texts(page: AppTest) -> str:
    return "\n".join(one.value for one in page.text)


def test_a_hosted_model_is_put_to_use_and_taken_out_on_the_page(
    server: background.ProjectServer, hosted_api: HostedApi
) -> None:
    hosted_api.shutdown = str(datetime.now(UTC).date() + timedelta(days=20))
    tuned = tune(server.project, hosted_api)
    teach(server.project, hosted_api, tuned)
    page = shown("models.py")
    assert any("in 20 days: rondo models rescue" in warning.value for warning in page.warning)
    assert any("40 more gold and audit pairs" in note.value for note in page.info)
    page.text_input(key="promote-reason").set_value("for this test")
    page.button(key="promote").click().run()
    finish(server)
    assert hosted_in_use(server.project) == tuned
    page.run()
    assert not page.exception
    assert any(head.value.startswith("Answers programs: hosted") for head in page.header)
    assert not any("40 more gold" in note.value for note in page.info)
    page.button(key="deactivate").click().run()
    finish(server)
    assert hosted_in_use(server.project) is None
    assert not page.run().exception


def test_a_model_is_tuned_only_once_its_price_was_shown_for_exactly_these_choices(
    server: background.ProjectServer, hosted_api: HostedApi
) -> None:
    hosted_api.steps = ("succeeded",)
    page = shown("models.py")
    choose(page, hosted_api)
    page.text_input(key="tune-note").input("first try").run()
    press(server, page, "tune-estimate")
    assert "tiny at 127.0.0.1" in texts(page)
    assert "Their texts are sent there." in texts(page)
    assert "the price of tiny is unknown here" in texts(page)
    assert any("are recommended" in warning.value for warning in page.warning)
    assert "tune-start" in buttons(page)
    page.number_input(key="tune-epochs").set_value(2).run()
    assert "tune-start" not in buttons(page), "other choices have another price"
    assert hosted_api.received == []
    press(server, page, "tune-estimate")
    press(server, page, "tune-start")
    assert "tune-start" not in buttons(page), "each start has an estimate of its own"
    [job] = list_hosted_jobs(server.project)
    assert (job.base, job.note) == ("tiny", "first try")
    press(server, page, "tuning-refresh")
    [table] = [one.value for one in page.dataframe if "at the provider" in one.value.columns]
    assert table["state"].tolist() == ["Succeeded"]
    assert table["model"].tolist() == ["ft:tiny:rondo::ftjob-1"]
    assert any(job.id in one.value["id"].tolist() for one in page.dataframe if "encoder" in one.value.columns)
    [noted] = server.project.store.query("select detail from audit_log where what = 'hosted_tune'")
    assert json.loads(noted[0]) | {"id": "", "job": ""} == {
        **{"provider": hosted_api.url, "base": "tiny", "epochs": 2, "note": "first try"},
        **{"id": "", "job": ""},
    }
    press(server, page, "tuning-ask")
    assert "no end announced" in texts(page)


def test_nothing_is_begun_that_takes_something_else_than_what_was_agreed_to(
    server: background.ProjectServer, hosted_api: HostedApi
) -> None:
    page = shown("models.py")
    choose(page, hosted_api)
    press(server, page, "tune-estimate")
    assert "160 examples" in texts(page)
    undecided(server.project, 20)
    press(server, page, "tune-start")
    assert any("has changed since it was agreed to. Now: 140 examples" in one.value for one in page.error)
    assert list_hosted_jobs(server.project) == []
    press(server, page, "tune-estimate")
    press(server, page, "tune-start")
    assert len(list_hosted_jobs(server.project)) == 1


def test_a_job_under_way_is_cancelled_after_a_word_on_what_was_spent(
    server: background.ProjectServer, hosted_api: HostedApi
) -> None:
    machine: Runner = Endless()
    server.project.runners = {"hosted": lambda _: machine}
    page = shown("models.py")
    choose(page, hosted_api)
    press(server, page, "tune-estimate")
    press(server, page, "tune-start")
    [job] = list_hosted_jobs(server.project)
    assert "What it has cost so far is spent." in texts(page)
    press(server, page, f"tuning-cancel-{job.id}")
    assert [one.state for one in list_hosted_jobs(server.project)] == ["cancelled"]


def test_a_missing_key_is_named_and_never_asked_for(
    server: background.ProjectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    page = shown("models.py")
    page.text_input(key="tune-base").input("gpt-4o-mini-2024-07-18").run()
    assert any("OPENAI_API_KEY is not set" in note.value.replace("\\", "") for note in page.info)
    assert not any("key" in one.label.lower() for one in page.text_input)
    assert page.button(key="tune-estimate").disabled


@pytest.mark.parametrize(("form", "ending"), [("openai_jsonl", "jsonl"), ("json", "json"), ("csv", "csv")])
def test_the_training_data_are_written_in_each_form(server: background.ProjectServer, form: str, ending: str) -> None:
    page = shown("models.py")
    page.segmented_control(key="training-form").set_value(form).run()
    press(server, page, "training-write")
    assert "160 examples: 40 approved, 120 rejected" in texts(page)
    [file] = (server.project.folder / "exports").glob(f"training-*.{ending}")
    assert [button.proto.label for button in page.get("download_button")] == [file.name]
    assert ("statistics" in file.read_text(encoding="utf-8")) == (form == "json")


def test_a_model_that_ends_is_rescued_once_its_price_was_agreed_to(
    server: background.ProjectServer, hosted_api: HostedApi
) -> None:
    assert "rescue-estimate" not in buttons(shown("models.py"))
    hosted_api.shutdown = str(datetime.now(UTC).date() + timedelta(days=20))
    tuned = tune(server.project, hosted_api)
    teach(server.project, hosted_api, tuned)
    page = shown("models.py")
    press(server, page, "rescue-estimate")
    assert "is asked about 40 pairs." in texts(page)
    page.number_input(key="rescue-budget").set_value(41).run()
    assert "rescue-start" not in buttons(page)
    press(server, page, "rescue-estimate")
    assert hosted_api.count("POST /v1/chat") == 0
    press(server, page, "rescue-start")
    assert "of 40 of 40 gold and audit pairs (40 requests now)" in texts(page)
    assert "rescue-start" not in buttons(page)


def test_a_step_is_tuned_where_the_project_lets_its_texts_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hosted_api: HostedApi
) -> None:
    monkeypatch.setenv("RONDO_HOSTED_TOKEN", TOKEN)
    hosted_api.steps = ("succeeded",)
    create_project(tmp_path / "p", [], task="extract", steps=load_steps("folktales"))
    server = background.open_server(lambda: reopen(tmp_path / "p"))
    try:
        import_annotations(server.project, quiet, file=str(TALES / "tales.jsonl"), map=str(TALES / "tales.toml"))
        monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-tests")
        page = shown("models.py")
        page.text_input(key="tune-base").input("tiny").run()
        press(server, page, "tune-estimate")
        assert any("allow_remote = true" in error.value.replace("\\", "") for error in page.error)
        page.selectbox(key="tune-step").select("character")
        choose(page, hosted_api)
        press(server, page, "tune-estimate")
        assert "on 24 answers. Their texts are sent there." in texts(page)
        press(server, page, "tune-start")
        [job] = list_hosted_jobs(server.project)
        assert job.note == "step character"
        noted = server.project.store.one("select detail->>'step' from audit_log where what = 'step_hosted_tune'")
        assert noted == "character"
        assert server.project.store.one("select count(*) from audit_log where what like '%estimate%'") == 0
        page.multiselect(key="prepare-steps").set_value(["character"]).run()
        press(server, page, "prepare")
        assert "character: 24 examples" in texts(page)
        assert len(page.get("download_button")) == 2
        [chats] = (server.project.folder / "exports").glob("training-*/character_chat.jsonl")
        assert len(chats.read_text(encoding="utf-8").splitlines()) == 24
        assert server.project.store.one("select detail->>'out' from audit_log where what = 'prepare'") == str(
            chats.parent
        )
    finally:
        background.close_server()
