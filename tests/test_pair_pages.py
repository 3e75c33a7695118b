"""Every page of a project of pairs opens, and what stands on it is about pairs."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app import background
from core.config.record_fields import FieldRule, RecordField
from core.config.settings import read_settings
from core.errors import BadInput
from core.explore.browse import find
from core.explore.filters import RecordSearch
from core.explore.record_detail import record_detail
from core.labelling.changes import change_settings
from core.project import open_project
from gpu_jobs.runners.local import InProcessRunner
from tests.test_pages import PAGES, shown
from tests.waiting import wait_for


@pytest.fixture
def shops(paired: Path, tmp_path: Path) -> Iterator[background.ProjectServer]:
    """A copy, open in this process as the server would have it."""
    shutil.copytree(paired, tmp_path / "shops")
    runners = {"local": lambda _: InProcessRunner()}
    yield background.open_server(lambda: open_project(tmp_path / "shops", InProcessRunner(), runners))
    background.close_server()


def record_page(record: str) -> AppTest:
    page = shown("records.py")
    page.query_params["record"] = record
    page.run()
    assert not page.exception
    return page


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_on_a_project_of_pairs(shops: background.ProjectServer, name: str) -> None:
    page = shown(name)
    assert not [link for link in page.get("page_link") if link.proto.label == "Add labels"]


def test_the_page_of_jobs_offers_the_trainer_that_reads_both_sides(shops: background.ProjectServer) -> None:
    page = shown("jobs.py")
    assert [one.key for one in page.button if str(one.key).startswith("trainer-")] == ["trainer-cross-encoder"]
    assert {f"set-cross-encoder-{name}" for name in ("epochs", "folds")} <= {one.key for one in page.number_input}


def test_what_fields_hold_and_which_value_is_golden_is_set_on_the_settings_page(
    shops: background.ProjectServer,
) -> None:
    page = shown("settings.py")
    page.toggle(key="one-partner").set_value(True)
    page.button(key="save-fields").click().run()
    assert not page.exception
    assert shops.settings().one_partner
    fields = tuple(RecordField(field.name, "code") for field in shops.settings().fields)
    change_settings(shops.project, "max", fields=fields, golden=(FieldRule("note", "newest"),))
    stored = read_settings(shops.project.folder)
    assert {field.role for field in stored.fields} == {"code"}
    assert stored.golden == (FieldRule("note", "newest"),)
    shown("settings.py")
    with pytest.raises(BadInput, match="must be one of"):
        change_settings(shops.project, "max", golden=(FieldRule("note", "best"),))


def test_a_list_shows_both_sides_of_a_pair_and_what_was_decided(shops: background.ProjectServer) -> None:
    lines = find(shops.project, RecordSearch(state="labelled")).lines
    assert {line.label for line in lines} == {"same", "different"}
    for line in find(shops.project, RecordSearch()).lines:
        left, _, right = line.text.partition(" ↔ ")
        texts = {one["name"]: one["value"] for one in record_detail(shops.project, line.id).fields}
        assert texts["left"].removeprefix("name: ").startswith(left)
        assert texts["right"].removeprefix("name: ").startswith(right)
        assert 0 < len(left) <= 30 >= len(right) > 0


def test_a_decision_is_corrected_on_the_records_page(shops: background.ProjectServer) -> None:
    line = next(one for one in find(shops.project, RecordSearch(state="labelled")).lines if one.label == "different")
    page = record_page(line.id)
    page.text_input(key="records-who").input("max").run()
    page.selectbox(key="right").select("same")
    page.button(key="correct").click().run()
    assert not page.exception
    detail = record_detail(shops.project, line.id)
    assert (detail.answer, detail.line.label, detail.line.how) == ({"same": True}, "same", "adjudicated")
    [own] = [answer for answer in detail.answers if answer.user == "max"]
    assert own.answer == "same"


def test_the_team_page_says_where_people_do_not_agree(shops: background.ProjectServer) -> None:
    page = shown("team.py")
    texts = [text.value for text in page.text]
    assert any(text.startswith("Krippendorff's alpha") for text in texts)
    assert any("wait for a decision" in text for text in texts)


def test_the_page_of_clusters_says_what_share_of_the_matches_is_a_candidate(shops: background.ProjectServer) -> None:
    page = shown("clusters.py")
    assert [text.value for text in page.text if text.value.startswith("Blocking recall")]
    table = next(one.value for one in page.dataframe if "there are" in one.value)
    assert table["pairs"].tolist() == ["candidates", "next in rank, no candidates", "further away"]
    assert table["there are"].sum() == 12 * 12


def named(path: Path) -> AppTest:
    """The Import page once it has looked into this file."""
    page = shown("import.py")
    page.segmented_control(key="import-from").set_value("Path or address").run()
    page.text_input(key="import-path").input(str(path))
    page.button(key="import-path-go").click().run()
    wait_for(lambda: any(one.key == "import" for one in page.run().button))
    assert not page.exception
    return page


def imported(page: AppTest) -> None:
    """Imports what is chosen, and waits until the page says what came of it."""
    page.button(key="import").click().run()
    wait_for(lambda: page.run().success or page.error)
    assert not page.exception


def widget(page: AppTest, kind: str, key: str) -> Any:
    """That of the file at hand, whose number stands behind its key."""
    [one] = [one for one in page.get(kind) if str(one.key).startswith(key)]
    return one


def test_a_file_of_pairs_is_imported_on_the_page(shops: background.ProjectServer, tmp_path: Path) -> None:
    file = tmp_path / "decided.csv"
    rows = ["name_a,name_b,maker,same,split", "lamp,a lamp,x,yes,train", "desk,a chair,y,no,test"]
    file.write_text("\n".join(rows) + "\n", encoding="utf-8")
    before = shops.project.store.one("select count(*) from records")
    page = named(file)
    assert widget(page, "multiselect", "import-left").value == ["name_a"]
    widget(page, "selectbox", "import-label").select("same")
    widget(page, "multiselect", "import-right").set_value(["name_b", "maker"]).run()
    imported(page)
    assert "The left side has 1 columns and the right side 2" in page.error[0].value
    widget(page, "multiselect", "import-right").set_value(["name_b"]).run()
    imported(page)
    assert "2 rows read, 2 new records" in page.success[0].value
    assert shops.project.store.one("select count(*) from records") == before + 2
    assert shops.project.store.one("select count(*) from settled where stratum = 'gold'") == 1


def test_records_of_a_source_are_imported_and_paired_on_the_page(
    shops: background.ProjectServer, tmp_path: Path
) -> None:
    file = tmp_path / "shop C.csv"
    file.write_text("id,product,price\nc0,A desk lamp,9\nc1,A chair of oak,40\n", encoding="utf-8")
    page = named(file)
    widget(page, "multiselect", "source-text").set_value(["product", "price"]).run()
    widget(page, "selectbox", "source-field-product").select("name").run()
    imported(page)
    assert "2 rows of shop C, 2 new records, 0 known already" in page.success[0].value
    assert shops.project.store.one("select fields->>'name' from sides where source = 'shop C' limit 1") == "A desk lamp"
    assert any("shop C 2" in text.value for text in page.text)
    before = shops.project.store.one("select count(*) from pairs")
    page.number_input(key="pair-near").set_value(0)
    page.number_input(key="pair-far").set_value(0).run()
    page.button(key="pair").click().run()
    wait_for(lambda: "candidates" not in shops.activities)
    assert shops.error_message is None
    assert shops.project.store.one("select count(*) from pairs") > before
    page.run().toggle(key="pair-many").set_value(True).run()
    page.button(key="pair-jobs-estimate").click().run()
    assert not page.error, page.error[0].value
    page.button(key="pair-jobs-start").click().run()
    wait_for(lambda: "candidates_elsewhere" not in shops.activities)
    assert any("0 of them new" in one.value for one in page.run().success)


def test_a_file_in_another_encoding_is_read_anew(shops: background.ProjectServer, tmp_path: Path) -> None:
    file = tmp_path / "shop D.csv"
    file.write_bytes("id,name\nd0,Stühle aus Eiche\n".encode("cp1252"))
    page = shown("import.py")
    page.segmented_control(key="import-from").set_value("Path or address").run()
    page.text_input(key="import-path").input(str(file))
    page.button(key="import-path-go").click().run()
    wait_for(lambda: page.run().error)
    widget(page, "selectbox", "import-encoding").select("cp1252").run()
    wait_for(lambda: any(one.key == "import" for one in page.run().button))
    assert page.dataframe[0].value["name"][0] == "Stühle aus Eiche"
    imported(page)
    assert "1 rows of shop D" in page.success[0].value
