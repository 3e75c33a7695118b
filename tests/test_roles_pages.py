"""Pages and roles: what each role sees and opens, that actions ask again, and under whose name they are kept."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest

from app import background
from app.auth.authenticator import Binding
from app.navigation import ENTRIES, Entry, home
from core.data.formats.formats import FORMATS
from core.people.people import remove_person, set_role
from core.people.roles import ROLES
from core.project import Project
from tests.conftest import copy_of, quiet
from tests.people_world import NAMES, Visit
from tests.running import running
from tests.waiting import LATEST_SECONDS

MAIN = Path(__file__).parent.parent / "app" / "main.py"


@pytest.fixture(autouse=True)
def frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the server has it; AppTest would take a page of the folder `pages` for a script without a frame."""
    begin = PagesManager.__init__

    def made(manager: PagesManager, *rest: Any, **more: Any) -> None:
        PagesManager.uses_pages_directory = False
        begin(manager, *rest, **more)

    monkeypatch.setattr(PagesManager, "__init__", made)


@pytest.fixture
def project(peopled: Path, tmp_path: Path) -> Iterator[Project]:
    with copy_of(peopled, tmp_path / "project") as opened:
        yield opened


@pytest.fixture
def server(project: Project) -> Iterator[background.ProjectServer]:
    yield background.open_server(lambda: project)
    background._OPEN.clear()


@pytest.fixture
def accounts(project: Project) -> Iterator[background.ProjectServer]:
    """The same, where an organisation's accounts let people in."""
    yield background.open_server(lambda: project, Binding(loopback=False, accounts=True))
    background._OPEN.clear()


def opened(page: str | None, user: dict[str, object]) -> AppTest:
    """The page as somebody with this st.user has it after one run."""
    test = AppTest.from_file(str(MAIN), default_timeout=LATEST_SECONDS)
    test.user = dict(user)
    if page:
        test.switch_page(f"pages/{page}.py")
    test.run()
    assert not test.exception
    return test


def as_(server: background.ProjectServer, role: str, page: str | None = None) -> AppTest:
    return opened(page, dict(Visit(server.authenticator, NAMES[role]).user))


def refused(page: AppTest) -> bool:
    return any("may do this" in error.value for error in page.error)


def drawn(page: AppTest) -> bool:
    """Whether there is anything besides the frame."""
    return bool(page.main.children) and not (refused(page) and len(page.main.children) == 1)


def test_every_page_has_an_entry_with_a_right() -> None:
    files = {path.stem for path in (MAIN.parent / "pages").glob("[a-z]*.py")}
    assert [entry.file for entry in ENTRIES] == list(dict.fromkeys(entry.file for entry in ENTRIES))
    assert {entry.file for entry in ENTRIES} == files
    assert {entry.right for entry in ENTRIES} <= ROLES["manager"]
    assert [home(ROLES[role]) for role in ("annotator", "adjudicator", "manager")] == ["mine", "mine", "overview"]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.file)
@pytest.mark.parametrize("role", ROLES)
def test_a_page_opens_for_who_may_see_it_and_refuses_all_others(
    server: background.ProjectServer, role: str, entry: Entry
) -> None:
    page = as_(server, role, entry.file)
    allowed = entry.right in ROLES[role]
    assert refused(page) != allowed
    assert drawn(page) == allowed
    assert any(NAMES[role] in text.value for text in page.sidebar.text)


@pytest.mark.parametrize(
    "user", [{}, {"rondo_session": "forged"}, {"rondo_session": None}, {"email": "Max@example.org"}]
)
def test_somebody_not_signed_in_sees_nothing_of_the_project(
    server: background.ProjectServer, user: dict[str, object]
) -> None:
    page = opened(None, user)
    assert not (page.title)
    assert not (page.text)
    assert not (page.button)
    assert not (page.metric)
    assert not (page.dataframe)


def test_a_page_shows_nothing_more_once_its_person_is_removed(server: background.ProjectServer) -> None:
    page = as_(server, "annotator", "label")
    assert page.main.get("bidi_component")
    remove_person(server.project, quiet, name="Ann")
    page.run()
    assert not page.main.get("bidi_component")


ACTIONS = {
    "settings": lambda page: page.text_input(key="new-label").input("traffic") and page.button(key="add-label").click(),
    "map": lambda page: page.button(key="make").click(),
    "export": lambda page: page.selectbox(key="what").select("all") and page.button(key="write").click(),
    "prepare": lambda page: page.button(key="clean-preview").click(),
}


@pytest.mark.parametrize("name", ACTIONS)
def test_a_click_on_a_page_that_is_older_than_the_role_changes_nothing(
    server: background.ProjectServer, name: str
) -> None:
    page = as_(server, "manager", name)
    set_role(server.project, quiet, name="Joy", role="manager")
    set_role(server.project, quiet, name="Max", role="annotator")
    before = server.project.store.one("select count(*) from audit_log")
    if name == "export":
        page.selectbox(key="what").select("all").run()
        assert refused(page)
    else:
        ACTIONS[name](page)
        page.run()
    assert server.project.store.one("select count(*) from audit_log") == before
    assert not server.activities
    assert refused(page)
    assert len(server.settings().taxonomy.labels) == 3


def test_people_are_added_and_changed_by_a_manager_who_is_shown_their_code_once(
    server: background.ProjectServer,
) -> None:
    assert not [one for one in as_(server, "adjudicator", "team").button if one.key == "person-add"]
    page = as_(server, "manager", "team")
    page.text_input(key="person-name").input("Bea")
    page.button(key="person-add").click().run()
    assert not page.exception
    assert server.authenticator.try_code("Bea", page.code[0].value)
    page.selectbox(key="person").select("Bea").run()
    assert not page.code
    page.selectbox(key="role-of-Bea").select("adjudicator").run()
    page.button(key="person-set-role").click().run()
    assert "Bea has the role adjudicator now" in page.success[0].value
    page.selectbox(key="person").select("Max").run()
    page.button(key="person-code").click().run()
    [words] = [text.value for text in page.text]
    assert server.authenticator.try_code("Max", words.rpartition(" ")[2]), "the old one's visit ends with it"
    page = as_(server, "manager", "team")
    page.selectbox(key="person").select("Max").run()
    page.button(key="person-remove").click().run()
    assert "only manager" in page.error[0].value
    page.selectbox(key="person").select("Bea").run()
    page.button(key="person-remove").click().run()
    assert "Bea is out" in page.success[0].value
    assert server.authenticator.person("Bea") is None
    assert server.project.store.one("select user from audit_log where what = 'person removed'") == "Max"


def test_settings_are_changed_under_the_name_of_who_is_signed_in(server: background.ProjectServer) -> None:
    page = as_(server, "manager", "settings")
    page.text_input(key="new-label").input("traffic")
    page.button(key="add-label").click().run()
    assert not page.error
    assert server.project.store.one("select user from audit_log where what = 'settings'") == "Max"


def test_a_correction_is_kept_under_the_name_of_who_is_signed_in(server: background.ProjectServer) -> None:
    page = as_(server, "adjudicator")
    page.query_params["record"] = "r4"  # gold: it has a label
    page.switch_page("pages/records.py").run()
    assert not page.get("records-who"), "nobody is asked for a name"
    page.selectbox(key="right").select("food")
    page.button(key="correct").click().run()
    assert not page.exception
    result = server.project.store.query("select annotator, source from responses where source = 'correction'")
    assert result == [("Joy", "correction")]
    assert server.project.store.query("select user from audit_log where what = 'correct'") == [("Joy",)]


def test_nobody_labels_under_the_name_of_another(server: background.ProjectServer) -> None:
    page = as_(server, "annotator")
    page.query_params["annotator"] = "Max"
    page.switch_page("pages/label.py").run()
    assert "not taken" in page.error[0].value
    assert not page.main.get("bidi_component")


def test_an_annotator_sees_own_figures_and_no_others(server: background.ProjectServer) -> None:
    with server.project.store.transaction() as cursor:
        cursor.execute(
            """insert into responses select who || n, n, who, 'submit', ['food'], null, null, now()::timestamp, n,
               now()::timestamp, 0, 1, null, null, 0, 'app', true, to_json(['food']), null
               from range(10) as t(n), (values ('Ann'), ('Max')) as p(who) where who = 'Max' or n < 3"""
        )
    page = as_(server, "annotator", "mine")
    assert [metric.value for metric in page.metric] == ["3", "0", "0"]
    assert page.dataframe[0].value["labels"].tolist() == [3]


def test_only_a_manager_stops_what_goes_on(server: background.ProjectServer) -> None:
    with running(server, "round") as background_task:
        assert "stop-round" in {button.key for button in as_(server, "manager", "rounds").button}
        assert "stop-round" not in {button.key for button in as_(server, "adjudicator", "rounds").button}
        assert not background_task.stop.is_set()
        page = as_(server, "manager", "rounds")
        page.button(key="stop-round").click().run()
        assert background_task.stop.is_set()
        assert server.project.store.query("select user from audit_log where what = 'stop'") == [("Max",)]


HOSTILE = "<b>![x](http://x/y)</b>"


def test_a_name_that_is_markup_is_shown_and_not_followed(server: background.ProjectServer) -> None:
    with server.project.store.transaction() as cursor:
        cursor.execute("update people set name = ? where name = 'Ann'", [HOSTILE])
    page = opened("settings", dict(Visit(server.authenticator, HOSTILE).user))
    assert any(HOSTILE in text.value for text in page.sidebar.text)
    assert "](" not in re.sub(r"\\.", "", page.error[0].value)


def account(name: str, **claims: object) -> dict[str, object]:
    return {"is_logged_in": True, "email": f"{name}@example.org", **claims}


def test_an_account_of_the_table_opens_what_its_role_may(accounts: background.ProjectServer) -> None:
    assert not refused(opened("label", account("ann")))
    assert refused(opened("settings", account("ann")))
    assert not refused(opened("settings", account("MAX")))


@pytest.mark.parametrize("user", [account("stranger"), account("ann", email_verified=False)])
def test_an_account_that_is_nobodys_gets_one_sentence(
    accounts: background.ProjectServer, user: dict[str, object]
) -> None:
    page = opened(None, user)
    assert len(page.text) == 1
    assert "not let in" in page.text[0].value
    assert [button.key for button in page.button] == ["sign-out"]
    assert not (page.title)
    assert not (page.metric)
    assert not (page.dataframe)


def test_the_session_of_an_access_code_is_worth_nothing_where_accounts_are_asked_for(
    accounts: background.ProjectServer,
) -> None:
    user = dict(Visit(accounts.authenticator, "Max").user)
    page = AppTest.from_file(str(MAIN), default_timeout=LATEST_SECONDS)
    page.user = user
    page.secrets = {"auth": {"client_id": "x", "client_secret": "x", "server_metadata_url": "x"}}
    page.run()
    assert [button.key for button in page.button] == ["sign-in-default"]
    assert not (page.text)
    assert not (page.metric)
    assert not (page.dataframe)


def test_the_export_page_offers_every_format_and_says_what_one_cannot_hold(server: background.ProjectServer) -> None:
    page = as_(server, "manager", "export")
    forms = [name for name, one in FORMATS.items() if one.write]
    box = page.selectbox(key=f"format-{len(forms)}")
    assert box.options == forms
    box.select("fasttext").run()
    page.button(key="write").click().run()
    assert not page.exception
    assert any(text.value.startswith("Left out, for the format has no room for it: id (12)") for text in page.text)
    [file] = (server.project.folder / "exports").glob("*.fasttext")
    assert file.read_text(encoding="utf-8").startswith("__label__")


def test_a_manager_who_signs_in_uploads_and_names_no_file_of_the_machine(server: background.ProjectServer) -> None:
    page = as_(server, "manager", "import")
    assert not page.segmented_control
    assert not [one for one in page.text_input if str(one.key).startswith("import-")]
