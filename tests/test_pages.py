"""Every page opens: empty, with records, with a model, and says what to do next."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import background
from app.navigation import ENTRIES
from core import loop, simulate
from core.auto_label.guarantee_sentences import what_broke
from core.auto_label.guarantees import LabelCheck
from core.config.new_project import templates_in
from core.evaluation.guarantee import GuaranteeTerms
from core.evaluation.metrics import Metrics, Mix
from core.project import Project, open_project
from core.typed_json import to_json
from gpu_jobs.runners.local import InProcessRunner
from tests.conftest import copy_of, quiet
from tests.waiting import LATEST_SECONDS, wait_for

MAIN = Path(__file__).parent.parent / "app" / "main.py"
TITLES = {f"{entry.file}.py": entry.title for entry in ENTRIES}
PAGES = sorted(path.name for path in (MAIN.parent / "pages").glob("[a-z]*.py"))


@pytest.fixture
def server(project: Project) -> Iterator[background.ProjectServer]:
    """The project, open in this process as the server would have it."""
    opened = background.open_server(lambda: project)
    yield opened
    background._OPEN.clear()


@pytest.fixture
def played_server(played: Path, tmp_path: Path) -> Iterator[background.ProjectServer]:
    """The same after two rounds."""
    with copy_of(played, tmp_path / "played") as project:
        yield background.open_server(lambda: project)
        background._OPEN.clear()


def shown(name: str, **query: str) -> AppTest:
    """The page after one run, opened by its address, which spares a run of the overview; an exception fails it."""
    test = AppTest.from_file(str(MAIN), default_timeout=LATEST_SECONDS)
    test.query_params.update(query)
    test.switch_page(f"pages/{name}").run()
    assert not test.exception
    return test


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_on_a_new_project(tmp_path: Path, name: str) -> None:
    loop.create_project(tmp_path / "new", [])
    background.open_server(lambda: open_project(tmp_path / "new", InProcessRunner()))
    assert shown(name).title[0].value == TITLES[name]
    background.close_server()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_on_a_project_with_a_model(played_server: background.ProjectServer, name: str) -> None:
    assert shown(name).title[0].value == TITLES[name]


def test_the_rounds_page_tells_what_each_self_test_found(played_server: background.ProjectServer) -> None:
    page = shown("rounds.py", round="1")
    assert page.dataframe[-1].value["redundancy_by_chance"].between(0, 1).any()
    assert any("in random batches it is" in text.value for text in page.text)


def unfolded_overview() -> AppTest:
    """With all that is drawn once somebody opens it."""
    page = AppTest.from_file(str(MAIN), default_timeout=LATEST_SECONDS)
    for key in ("scores", "counts", "costs"):
        page.session_state[key] = True
    page.switch_page("pages/overview.py").run()
    assert not page.exception
    return page


def test_what_is_folded_or_behind_a_tab_is_drawn_once_it_is_opened(played_server: background.ProjectServer) -> None:
    closed = {name: len(shown(name).dataframe) for name in ("overview.py", "rounds.py")}
    opened = unfolded_overview()
    assert len(opened.dataframe) >= closed["overview.py"] + 2
    opened.session_state["tabs"] = "Labels"
    opened.switch_page("pages/rounds.py").run()
    assert not opened.exception
    assert len(opened.dataframe) > closed["rounds.py"]


def test_the_overview_says_the_one_next_thing(server: background.ProjectServer) -> None:
    assert any("Choose the first batch" in text.value for text in shown("overview.py").text)


def test_a_label_can_be_added_renamed_and_retired_on_the_settings_page(server: background.ProjectServer) -> None:
    page = shown("settings.py")
    page.text_input(key="new-label").input("traffic")
    page.button(key="add-label").click().run()
    assert "traffic" in server.settings().taxonomy.ids
    page.text_input(key="name-food").input("meals")
    page.button(key="rename-food").click().run()
    assert server.settings().taxonomy.names["food"] == "meals"
    page.button(key="retire-music").click().run()
    assert "music" not in {label.id for label in server.settings().taxonomy.active}


def test_labels_are_merged_and_the_merge_taken_back_on_the_settings_page_which_says_before_what_it_touches(
    server: background.ProjectServer,
) -> None:
    page = shown("settings.py")
    page.selectbox(key="taxonomy-step").select("merge").run()
    page.selectbox(key="merge-into").select("food").run()
    page.multiselect(key="merge-labels").select("music").run()
    touched = "Touched: 4 answers to 4 records, 0 suggestions, 0 machine labels, 0 models. No answer is rewritten."
    assert any(touched in text.value for text in page.text)
    assert len(server.settings().taxonomy.active) == 3
    page.button(key="do-step").click().run()
    assert not page.exception
    assert server.settings().taxonomy.meanings["music"] == "food"
    page.selectbox(key="taxonomy-step").select("undo").run()
    page.button(key="do-step").click().run()
    assert len(server.settings().taxonomy.active) == 3


def test_a_taxonomy_is_added_mapped_and_migrated_to_on_the_settings_page(server: background.ProjectServer) -> None:
    page = shown("settings.py")
    page.selectbox(key="taxonomy-step").select("load").run()
    page.selectbox(key="load-taxonomy").select("folders").run()
    page.button(key="do-step").click().run()
    assert {"main", "legacy"} <= set(server.settings().taxonomy.taxonomies)
    page.selectbox(key="taxonomy-step").select("map").run()
    page.selectbox(key="map-label").select("food").run()
    page.multiselect(key="map-to").select("primary_author").run()
    page.button(key="do-step").click().run()
    assert server.settings().taxonomy.by_id["food"].maps_to == ("primary_author",)
    page.selectbox(key="taxonomy-step").select("migrate").run()
    page.selectbox(key="migrate-from").select("main").run()
    page.selectbox(key="migrate-to").select("legacy").run()
    page.button(key="do-step").click().run()
    assert not page.exception
    assert server.settings().taxonomy.by_id["food"].counts_as == ("primary_author",)


def test_the_settings_page_says_what_another_rule_changes_before_it_is_chosen(
    server: background.ProjectServer, truth: dict[str, tuple[str, ...]]
) -> None:
    loop.next_batch(server.project, quiet, size=6)
    simulate.answer_queued(server.project, truth, 6)
    page = shown("settings.py")
    assert not [button for button in page.button if button.key == "settle-anew"]
    page.selectbox(key="settle").select("adjudicated").run()
    assert any("6 have none any more" in text.value for text in page.text)
    assert server.settings().settle == "majority"
    page.button(key="settle-anew").click().run()
    assert not page.exception
    assert server.settings().settle == "adjudicated"
    assert server.project.store.one("select count(*) from settled where stratum <> 'gold'") == 0


def test_a_wrong_name_is_reported_on_the_page_and_changes_nothing(server: background.ProjectServer) -> None:
    page = shown("settings.py")
    page.text_input(key="new-label").input("a|b")
    page.button(key="add-label").click().run()
    assert any("separates labels" in error.value for error in page.error)
    assert len(server.settings().taxonomy.labels) == 3


def test_settings_are_saved_as_a_template_which_replaces_another_only_on_purpose(
    server: background.ProjectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RONDO_HOME", str(tmp_path / "home"))
    page = shown("settings.py")
    assert any(f"New project of the home {tmp_path / 'home'}" in text.value for text in page.text)
    for caption in ("first", "second"):
        page.text_input(key="template-name").input("ours").run()
        page.text_input(key="template-caption").input(caption).run()
        if caption == "second":
            assert page.button(key="template-save").disabled
            page.toggle(key="template-replace-ours").set_value(True).run()
        page.button(key="template-save").click().run()
        assert not page.exception
        saved = templates_in(tmp_path / "home" / "templates")["ours"]
        assert (saved.caption, saved.labels) == (caption, ["weather", "food", "music"])
    page.text_input(key="template-name").input("../x").run()
    page.button(key="template-save").click().run()
    assert any("is no name of a template" in error.value for error in page.error)
    noted = server.project.store.query("select detail->>'replaced' from audit_log where what = 'template_save'")
    assert noted == [("false",), ("true",)]


HOSTILE = ("![x](http://x/y)", "[a](b)")
SAID = ("warning", "error", "info", "success", "caption", "markdown", "title", "header")


def text_of(page: AppTest) -> str:
    """All that this page draws as Markdown, without what is escaped in it."""
    return re.sub(r"\\.", "", "\n".join(one.value for kind in SAID for one in getattr(page, kind)))


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[background.ProjectServer]:
    """A project in a folder, with labels and with trouble that a browser would follow."""
    loop.create_project(tmp_path / HOSTILE[1], list(HOSTILE))
    server = background.open_server(lambda: open_project(tmp_path / HOSTILE[1], InProcessRunner()))
    server.error_message = f"Reading {HOSTILE[0]} failed."
    settings = server.settings()
    broke = [LabelCheck(label.id, 9, 4, 1, 4) for label in settings.taxonomy.active]
    why = what_broke(GuaranteeTerms(), [*broke, LabelCheck("rest", 9, 9, 0, 0)], broke, settings.taxonomy.names)
    mix = Mix(HOSTILE[0], 9, (1.0,), 0.5, f"More of {HOSTILE[0]} than of {HOSTILE[1]}.")
    with server.project.store.transaction() as cursor:
        cursor.execute(
            """insert into guarantees values ('p1', timestamp '2026-01-01', 'ann', 'm1', ?, 1, 0.9, null, 0.9, '{}',
               '{}', 9, 9, 'broken', now()::timestamp, ?)""",
            [settings.encoder, why],
        )
        cursor.execute(
            "insert into models values ('m1', now()::timestamp, 1, ?, 1, 9, 1, ?, 1.0, null, null, null, null, null)",
            [settings.encoder, json.dumps(to_json(Metrics(mixes=(mix,))))],
        )
    yield server
    background.close_server()


@pytest.mark.parametrize("name", ["overview.py", "auto_label.py"])
def test_a_name_that_is_markup_is_shown_and_not_followed(hostile: background.ProjectServer, name: str) -> None:
    page = shown(name)
    assert sum("http://x/y" in one.value for kind in SAID for one in getattr(page, kind)) >= 2
    assert "](" not in text_of(page)


def test_an_error_that_names_markup_is_shown_and_not_followed(hostile: background.ProjectServer) -> None:
    page = shown("settings.py")
    page.text_input(key="new-label").input(f"{HOSTILE[0]}|b")
    page.button(key="add-label").click().run()
    assert "http://x/y" in page.error[0].value
    assert "](" not in text_of(page)


def test_a_project_that_cannot_be_read_says_so_and_follows_nothing(hostile: background.ProjectServer) -> None:
    with (hostile.project.folder / "rondo.toml").open("a") as file:
        file.write(f"\n['{HOSTILE[0]}']\n")
    page = AppTest.from_file(str(MAIN), default_timeout=LATEST_SECONDS).run()
    assert "http://x/y" in page.error[0].value
    assert "](" not in text_of(page)


def test_the_records_page_queues_what_the_model_is_least_sure_of(
    server: background.ProjectServer, truth: dict[str, tuple[str, ...]]
) -> None:
    simulate.simulate_rounds(server.project, truth, simulate.Budget(1, 10, "default"), quiet)
    page = shown("records.py")
    assert not [button for button in page.button if button.key == "unsure"]
    page.slider(key="sure").set_value((0, 99)).run()
    page.number_input(key="unsure-size").set_value(3).run()
    page.text_input(key="unsure-who").input("max").run()
    page.button(key="unsure").click().run()
    assert not page.exception
    assert server.project.store.one("select count(*) from queue where purpose = 'wanted'") == 3


def test_whoever_runs_the_app_imports_a_folder_of_this_machine_on_the_page(
    server: background.ProjectServer, tmp_path: Path
) -> None:
    before = server.project.store.one("select count(*) from records")
    texts = tmp_path / "mails"
    texts.mkdir()
    for name in ("one", "two"):
        (texts / f"{name}.txt").write_text(f"A mail about {name} thing that nobody has sent yet.", encoding="utf-8")
    page = shown("import.py")
    page.segmented_control(key="import-from").set_value("Path or address").run()
    page.text_input(key="import-path").input(str(tmp_path / "none.csv"))
    page.button(key="import-path-go").click().run()
    assert "There is no file or folder" in page.error[0].value
    page.text_input(key="import-path").input(str(texts))
    page.button(key="import-path-go").click().run()
    wait_for(lambda: any(one.key == "import" for one in page.run().button))
    page.button(key="import").click().run()
    wait_for(lambda: page.run().success)
    assert "2 new records" in page.success[0].value
    assert server.project.store.one("select count(*) from records") == before + 2


def test_a_click_that_comes_twice_begins_a_verb_once_and_loses_no_result(server: background.ProjectServer) -> None:
    def twice() -> None:
        import streamlit as st

        from app.background import opened
        from app.pages.parts.widgets import begin, outcome_of

        server = opened()
        if "begun" not in st.session_state:
            begin(server, "check_project")
            begin(server, "check_project")
            st.session_state["begun"] = True
        st.text(str(outcome_of(server, "check_project") is not None))

    page = AppTest.from_function(twice, default_timeout=LATEST_SECONDS).run()
    wait_for(lambda: not server.activities)
    page.run()
    assert not page.exception
    assert not page.error
    assert page.text[-1].value == "True"


def test_rows_of_a_query_are_looked_at_and_imported_on_the_page(
    server: background.ProjectServer, tmp_path: Path
) -> None:
    before = server.project.store.one("select count(*) from records")
    (tmp_path / "mails.csv").write_text(
        "body,lang\nEine Nachricht von niemandem,de\nOne of nobody,en\n", encoding="utf-8"
    )
    page = shown("import.py")
    page.segmented_control(key="import-from").set_value("A query").run()
    page.text_input(key="import-query-place").input(str(tmp_path))
    page.text_area(key="import-query").input("select body from 'mails.csv' where nothing = 1")
    page.button(key="import-query-go").click().run()
    wait_for(lambda: page.run().error)
    assert "The query failed" in page.error[0].value
    page.text_area(key="import-query").input("select body as text from 'mails.csv' where lang = 'de'")
    page.button(key="import-query-go").click().run()
    wait_for(lambda: any(one.key == "import" for one in page.run().button))
    assert page.dataframe[0].value["text"].tolist() == ["Eine Nachricht von niemandem"]
    page.button(key="import").click().run()
    wait_for(lambda: page.run().success)
    assert "1 rows read, 1 new records" in page.success[0].value
    assert server.project.store.one("select count(*) from records") == before + 1
