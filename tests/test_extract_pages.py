"""Every page of a project of structured answers opens, and what stands on it is about fields and steps."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import background
from app.pages.parts.data.mapped_import import FILE, MAPPED
from core.explore.record_detail import record_detail
from core.project import open_project
from gpu_jobs.runners.local import InProcessRunner
from tests.test_file_pages import upload
from tests.test_pages import PAGES, shown
from tests.waiting import wait_for


@pytest.fixture
def tales(extracted: Path, tmp_path: Path) -> Iterator[background.ProjectServer]:
    """A copy, open in this process as the server would have it."""
    shutil.copytree(extracted, tmp_path / "tales")
    yield background.open_server(lambda: open_project(tmp_path / "tales", InProcessRunner()))
    background.close_server()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_on_a_project_of_structured_answers(tales: background.ProjectServer, name: str) -> None:
    page = shown(name)
    assert not [link for link in page.get("page_link") if link.proto.label == "Add labels"]


def test_the_settings_page_shows_what_each_step_holds(tales: background.ProjectServer) -> None:
    page = shown("settings.py")
    assert [one.value for one in page.subheader] == ["character", "outcome"]
    fields = page.dataframe[1].value
    assert fields["holds"].tolist()[0] == "one of success, attempt, failure"
    assert "Reads text · optional" in [one.value for one in page.text]


def test_a_folder_is_imported_by_a_mapping_and_in_chunks_on_the_page(
    tales: background.ProjectServer, tmp_path: Path
) -> None:
    mapping = '[map]\ntext = "tale.text"\nid = "id"\n[map.values]\n"outcome.status" = "result"\n'
    folder = tmp_path / "annotated"
    folder.mkdir()
    for number, status in enumerate(["success", "flying"]):
        document = {"id": f"x{number}", "tale": {"text": f"A tale of {number} sentences. " * 9}, "result": status}
        (folder / f"{number}.json").write_text(json.dumps(document), encoding="utf-8")
    page = shown("import.py")
    page.segmented_control(key="import-from").set_value("Path or address").run()
    page.text_input(key="import-path").input(str(folder))
    page.button(key="import-path-go").click().run()
    wait_for(lambda: any(one.label == "How it is read" for one in page.run().segmented_control))
    page.segmented_control[1].set_value(MAPPED).run()
    page.selectbox(key="import-mapping").select(FILE).run()
    assert page.button(key="import-mapped").disabled
    upload(page, "import-map", "own.toml", mapping)
    page.run()
    page.number_input(key="import-chunk").set_value(120).run()
    page.button(key="import-mapped").click().run()
    wait_for(lambda: page.run().success)
    [words] = [one.value for one in page.success]
    assert "annotated: 2 documents, 4 new records; answers: character 0, outcome 0." in words
    assert "its answer is of the whole text" in words
    assert "outcome.status is wrong: 'flying'" in words


def test_a_model_is_tuned_for_a_step_on_the_jobs_page(tales: background.ProjectServer) -> None:
    page = shown("jobs.py")
    assert page.selectbox(key="step").options == ["character", "outcome"]
    page.selectbox(key="step").select("outcome")
    page.button(key="start").click().run()
    assert "The step 'outcome' has 0 answers to learn from" in page.error[0].value
    assert [one.value for one in page.header] == ["All jobs", "Train a model"]


def test_a_record_shows_the_answers_of_language_models_to_each_step(tales: background.ProjectServer) -> None:
    lines = record_detail(tales.project, "r0").generated
    assert [(line.step, line.model, line.state) for line in lines] == [
        ("character", "m1", "valid"),
        ("outcome", "m1", "valid"),
    ]
    assert lines[0].answer == "doers: Mara the weaver · Pim; receivers: Pim"
    assert record_detail(tales.project, "r1").generated == []


def test_an_answer_is_typed_field_by_field_on_the_records_page(tales: background.ProjectServer) -> None:
    page = shown("records.py")
    page.query_params["record"] = "r0"
    page.run()
    page.text_input(key="records-who").input("max").run()
    page.text_area(key="right-character.doers").input("Old Ink\nthe moon")
    page.text_input(key="right-outcome.year").input("2500")
    page.selectbox(key="right-outcome.status").select("failure")
    page.button(key="correct").click().run()
    assert "2500 is greater than the maximum of 2100" in page.error[0].value
    page.text_input(key="right-outcome.year").input("1847")
    page.button(key="correct").click().run()
    assert not page.exception
    [own] = record_detail(tales.project, "r0").answers
    assert own.answer == "doers: Old Ink · the moon; status: failure; year: 1847"
    stored = json.loads(tales.project.store.one("select answer::varchar from responses where annotator = 'max'"))
    assert stored["spans"] == {"character.doers": {"Old Ink": [[70, 77]]}}
