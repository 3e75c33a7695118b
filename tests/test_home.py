"""The home over HTTP: who sees which projects, what is done to one as a whole, and how a file becomes a project."""

import asyncio
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.websockets import WebSocketDisconnect

from app import uploads
from app.home import forward
from app.home.drafts import UNEXPECTED, Drafts
from app.home.engine import Counted, Use
from app.home.engines import Engine
from app.home.home_routes import HomeServer
from app.home.waking import Waking
from app.home_server import make_home, refuse_without_people
from app.server import Listening
from core.errors import Refused
from core.home import folders
from gpu_jobs.runners.local import InProcessRunner
from tests.command_line import figures, rondo_json
from tests.home_world import Page, browser, code_of, names, two_projects
from tests.ports import free_port
from tests.waiting import LATEST_SECONDS, wait_for


@pytest.fixture
def home(encoded: Path, tmp_path: Path) -> HomeServer:
    """Two projects, the second with one person."""
    return two_projects(encoded, tmp_path / "home")


ARGILLA = {"workspace": "team", "dataset": "mails", "api_key": "a-key-of-argilla"}


def test_without_the_link_nothing_is_listed_and_other_sites_are_refused(home: HomeServer) -> None:
    stranger, operator = browser(home), browser(home, operator=True)
    assert names(operator) == ["Mails", "Tickets"]
    page = stranger.get("/", headers={"accept": "text/html"})
    assert (page.status_code, page.headers["location"]) == (303, "./sign-in?next=%2F")
    assert "Token" in stranger.get("/sign-in").text
    for method, path in (
        *(("GET", path) for path in ("/api/home", "/api/home/start", "/api/home/backups/mails-1-2.zip", "/new")),
        *(("POST", f"/api/home/{path}") for path in ("projects/mails/archive", "drafts", "restore", "trash/empty")),
        ("GET", "/p/mails/label"),
    ):
        assert stranger.request(method, path).status_code == 401, path
    assert stranger.get("/?token=wrong", headers={"accept": "text/html"}).status_code == 303
    assert stranger.get("/api/home").status_code == 401
    assert operator.get("/api/home", headers={"host": "evil.example"}).status_code == 400
    evil = {"origin": "http://127.0.0.1:9999"}
    assert operator.post("/api/home/projects/mails/archive", json={}, headers=evil).status_code == 403
    assert names(operator) == ["Mails", "Tickets"]


@pytest.mark.parametrize("key", ["..", "%2e%2e", ".home", "%2e%2e%2fhome%2fmails", "a%2fb", "backups", "link", "none"])
def test_a_name_never_becomes_a_path_outside_of_the_home(home: HomeServer, key: str, tmp_path: Path) -> None:
    (home.folder / "link").symlink_to(home.folder / "mails")
    operator = browser(home, operator=True)
    before = sorted(tmp_path.rglob("rondo.toml"))
    for act in ("rename", "archive", "trash", "backup", "wake"):
        answer = operator.post(f"/api/home/projects/{key}/{act}", json={"name": "x", "typed": "x"})
        assert answer.status_code in (400, 404), answer.text
    assert operator.get(f"/p/{key}/label").status_code in (404, 503)
    for kind in ("archived", "trash", "making"):
        assert operator.post(f"/api/home/put-away/{kind}/{key}/restore", json={}).status_code in (400, 404)
    assert sorted(tmp_path.rglob("rondo.toml")) == before


def test_whoever_signs_in_sees_the_projects_that_know_the_code(home: HomeServer) -> None:
    codes = {
        role: rondo_json(home.folder / "tickets", "people", "add", role, "--role", role)["code"]
        for role in ("manager", "annotator")
    }
    client = browser(home)
    wrong = client.post("/sign-in", data={"name": "annotator", "code": "abcd-abcd-abcd-abcd"})
    assert (wrong.status_code, client.get("/api/home").status_code) == (403, 401)
    assert client.post("/sign-in", data={"name": "annotator", "code": codes["annotator"]}).status_code == 303
    assert names(client) == ["Tickets"]
    assert client.get("/new").status_code == 403
    for act in ("rename", "archive", "trash", "backup"):
        assert client.post(f"/api/home/projects/tickets/{act}", json={}).status_code == 403
    assert client.post("/api/home/projects/mails/wake", json={}).status_code == 403
    manager = browser(home)
    manager.post("/sign-in", data={"name": "manager", "code": codes["manager"]})
    assert manager.get("/new").status_code == 200
    refused = manager.post("/api/home/drafts", json={"path": "/etc/passwd"})
    assert "Only whoever runs this home" in refused.json()["error"]
    refused = manager.post("/api/home/drafts", json={"argilla": ARGILLA | {"url": "http://127.0.0.1:1"}})
    assert "Only whoever runs this home" in refused.json()["error"]
    assert manager.post("/api/home/projects/tickets/rename", json={"name": "Desk"}).status_code == 200
    assert names(manager) == ["Desk"]
    rondo_json(home.folder / "tickets", "people", "remove", "annotator")
    assert client.get("/api/home").status_code == 401


def test_a_code_opens_no_project_whose_people_have_accounts(home: HomeServer) -> None:
    client, code = browser(home), code_of(home, "tickets", "ana", "manager")
    assert client.post("/sign-in", data={"name": "ana", "code": code}).status_code == 303
    assert names(client) == ["Tickets"]
    secrets = home.folder / "tickets" / ".streamlit" / "secrets.toml"
    secrets.parent.mkdir(exist_ok=True)
    secrets.write_text('[auth]\nclient_id = "x"\n', encoding="utf-8")
    assert client.get("/api/home").status_code == 401
    assert browser(home).post("/sign-in", data={"name": "ana", "code": code}).status_code == 403


def test_whoever_puts_their_only_project_away_can_bring_it_back(home: HomeServer) -> None:
    client, sent = browser(home), {"name": "eva", "code": code_of(home, "tickets", "eva", "manager")}
    other = {"name": "ana", "code": code_of(home, "tickets", "ana", "annotator")}
    client.post("/sign-in", data=sent)
    assert client.post("/api/home/projects/tickets/archive", json={}).status_code == 200
    client.cookies.clear()
    assert client.post("/sign-in", data=other).status_code == 403
    assert client.post("/sign-in", data=sent).status_code == 303
    listed = client.get("/api/home").json()
    assert (listed["user"], listed["may_create"], listed["archived"][0]["id"]) == ("eva", False, "tickets")
    refuse_without_people(make_home(home.folder, Listening(host="0.0.0.0", no_token=True)).access)
    assert client.post("/api/home/put-away/archived/tickets/restore", json={}).status_code == 200
    assert client.post("/api/home/projects/tickets/trash", json={"typed": "Tickets"}).status_code == 200
    assert client.post("/api/home/trash/empty", json={"typed": "empty"}).json()["deleted"] == 1


def test_a_slip_in_the_settings_locks_nobody_out(home: HomeServer) -> None:
    client = browser(home)
    client.post("/sign-in", data={"name": "ana", "code": code_of(home, "tickets", "ana", "manager")})
    assert names(client) == ["Tickets"]
    (home.folder / "tickets" / "rondo.toml").write_text("name = [", encoding="utf-8")
    home.entries.forget("tickets")
    assert client.get("/api/home").json()["projects"][0]["note"]
    shutil.move(home.folder / "tickets", home.folder.parent / "away")
    home.entries.forget("tickets")
    shutil.move(home.folder.parent / "away", home.folder / "tickets")
    assert client.get("/api/home").status_code == 401


def test_a_project_that_another_program_has_open_is_not_moved(home: HomeServer) -> None:
    client = browser(home, operator=True)
    opens = (
        "import sys\nfrom pathlib import Path\nfrom core.store.database import Store\n"
        "store = Store(Path(sys.argv[1]))\nprint('open', flush=True)\nsys.stdin.read()"
    )
    command = [sys.executable, "-c", opens, str(home.folder / "mails")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        assert other.stdout.readline() == b"open\n"
        for act in ("archive", "trash"):
            answer = client.post(f"/api/home/projects/mails/{act}", json={"typed": "Mails"})
            assert "another process" in answer.json()["error"]
        other.communicate()
    assert folders.project_keys(home.folder) == ["mails", "tickets"]


class Server(BaseHTTPRequestHandler):
    """Stands in for a project's: answers with the path that it got."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.path.encode())

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def test_a_request_goes_to_the_projects_own_server_whatever_its_address(
    home: HomeServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    client, urls = browser(home, operator=True), []

    async def connect(url: str, **_: object) -> None:
        urls.append(url)
        raise OSError

    monkeypatch.setattr(forward, "connect", connect)
    with HTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        process: Any = SimpleNamespace(poll=lambda: None)
        engine = Engine(process, server.server_port, tmp_path / "log")
        monkeypatch.setattr(home.engines, "awake", lambda key: engine if key == "mails" else None)
        for sent, path in (
            ("mails/a%20b?c=%2F", "/a%20b?c=%2F"),
            ("mails%2F@127.0.0.1:1/", "/%40127.0.0.1%3A1/"),
            ("mails%2Fapi%2F@127.0.0.1:1/x", "/api/%40127.0.0.1%3A1/x"),
            ("m%61ils/@127.0.0.1:1/", "/%40127.0.0.1%3A1/"),
        ):
            assert client.get(f"/p/{sent}").text == path
            with pytest.raises(WebSocketDisconnect), client.websocket_connect(f"ws://127.0.0.1:8501/p/{sent}"):
                pass
            assert urls.pop() == f"ws://127.0.0.1:{server.server_port}{path}"
        server.shutdown()


def test_requests_for_a_sleeping_project_share_one_thread() -> None:
    woken, ready = [], threading.Event()

    def wake(key: str) -> str:
        woken.append(key)
        ready.wait(LATEST_SECONDS)
        return key

    async def ask() -> list[Any]:
        engines: Any = SimpleNamespace(awake=lambda _: None, wake=wake)
        waking = Waking(engines)
        requests = [asyncio.create_task(waking.engine("mails")) for _ in range(50)]
        await asyncio.sleep(0)
        requests[0].cancel()
        threading.Timer(0.1, ready.set).start()
        return await asyncio.gather(*requests[1:])

    with ThreadPoolExecutor(1) as thread:  # a browser of other tests has its loop in this one
        assert thread.submit(asyncio.run, ask()).result() == ["mails"] * 49
    assert woken == ["mails"]


def test_a_home_that_others_reach_needs_people(home: HomeServer) -> None:
    public = make_home(home.folder, Listening(host="0.0.0.0", no_token=True))
    with pytest.raises(Refused, match="people add NAME"):
        refuse_without_people(public.access)
    assert browser(public).get("/api/home").status_code == 401
    rondo_json(home.folder / "mails", "people", "add", "ana")
    refuse_without_people(public.access)


def test_a_project_is_put_away_and_comes_back_as_it_was(home: HomeServer) -> None:
    client = browser(home, operator=True)

    def act(path: str, sent: dict[str, str]) -> dict[str, Any]:
        return dict(client.post(f"/api/home/{path}", json=sent).json())

    assert act("projects/mails/archive", {}) == {"ok": True}
    assert names(client) == ["Tickets"]
    assert [one["name"] for one in client.get("/api/home").json()["archived"]] == ["Mails"]
    assert act("put-away/archived/mails/restore", {}) == {"ok": True}
    assert "Type Mails" in act("projects/mails/trash", {"typed": "mails"})["error"]
    assert act("projects/mails/trash", {"typed": "Mails"}) == {"ok": True}
    [deleted] = client.get("/api/home").json()["trash"]
    assert act(f"put-away/trash/{deleted['id']}/restore", {}) == {"ok": True}
    assert names(client) == ["Mails", "Tickets"]
    file = act("projects/mails/backup", {})["file"]
    archive = client.get(f"/api/home/backups/{file}").content
    assert client.post(f"/api/home/restore?name={file}", content=archive).json() == {"ok": True, "key": "mails-2"}
    assert figures(home.folder / "mails-2")["records"] == figures(home.folder / "mails")["records"] == 60
    broken = client.post("/api/home/restore?name=broken.zip", content=archive[:-200]).json()
    assert "Nothing was restored" in broken["error"]
    act("projects/mails/trash", {"typed": "Mails"})
    assert "Nothing was deleted" in act("trash/empty", {"typed": "yes"})["error"]
    assert act("trash/empty", {"typed": "empty"}) == {"ok": True, "deleted": 1}
    assert not any(folders.private(home.folder, "trash").iterdir())
    assert not any(folders.private(home.folder, "making").iterdir())


@pytest.fixture
def page(home: HomeServer) -> Iterator[Page]:
    with browser(home, operator=True) as client:  # its end drops the drafts
        yield Page(client)


ROWS = ["message,ticket,lang,kind,set", *(f"Text {n},{n},en,{'ab'[n % 2]},train" for n in range(40))]


def test_a_file_with_bad_rows_is_a_project_without_them(home: HomeServer, page: Page) -> None:
    lines = [*ROWS, ",77,en,a,train", "Another text,3,en,b,test", "Last,78,de,,test"]
    state = page.drop("..%2Ffeed%2Fback.csv", "\n".join(lines))
    assert state["title"] == "back.csv"
    roles = {one["name"]: one["role"] for one in state["preview"]["columns"]}
    assert roles == {"message": "text", "ticket": "id", "lang": "context", "kind": "label", "set": "split"}
    preview = page.check(**roles)["preview"]
    assert (preview["read"], preview["unusable"], preview["labels"]) == (43, 2, [["a", 20], ["b", 20]])
    assert [(one["row"], one["reason"]) for one in preview["left_out"]] == [
        (41, "has no text"),
        (42, "repeats the id '3' of row 4 with another text"),
    ]
    assert "name at least two" in page.start(name="Feedback", roles={"message": "text"}, labels=["a"])["error"]
    assert folders.project_keys(home.folder) == ["mails", "tickets"]
    made = page.start(name="Crème & <b>", roles=roles, labels=["c", "a"])
    assert (made["phase"], made["key"]) == ("made", "creme-b")
    status = figures(home.folder / "creme-b")
    assert (status["name"], status["records"], status["labels"]) == ("Crème & <b>", 41, ["c", "a", "b"])
    assert page.client.post(f"/api/home/drafts/{page.id}/enter").json() == {"address": "p/creme-b/label?annotator=me"}
    assert not any(folders.private(home.folder, "drafts").iterdir())


def test_labels_that_differ_by_case_are_one_where_somebody_says_so(home: HomeServer, page: Page) -> None:
    rows = [f"Text {n},{('spam', 'Spam', 'ham')[n % 3]}" for n in range(12)]
    page.drop("a.csv", "\n".join(["text,kind", *rows]))
    preview = page.check(text="text", kind="label")["preview"]
    assert preview["alike"] == [["spam", "Spam"]]
    roles, merged = {"text": "text", "kind": "label"}, {"Spam": "spam", "SPAM": "spam", "ham": "nobody's"}
    made = page.start(name="Merged", roles=roles, labels=["spam"], merged=merged)
    assert (made["error"], made["phase"]) == ("", "made")
    circle = {"name": "Circle", "roles": roles, "labels": ["a", "b"], "merged": {"a": "A", "A": "b"}}
    answer = page.client.post(f"/api/home/drafts/{page.id}/start", json=circle)
    assert answer.json()["error"].startswith("A label that others are merged into")
    status = figures(home.folder / "merged")
    assert (status["labels"], status["records"]) == (["spam", "ham"], 12)


def test_an_argilla_server_that_does_not_answer_is_said_and_the_key_is_nowhere(home: HomeServer, page: Page) -> None:
    no_address = "is no address of an Argilla server"
    for url, words in (
        *((url, no_address) for url in ("ftp://x", "http://[", "http://host:abc")),
        ("http://ana:pw@x", "API key into its own"),
    ):
        answer = page.client.post("/api/home/drafts", json={"argilla": ARGILLA | {"url": url}})
        assert words in answer.json()["error"]
    address = ARGILLA | {"url": f"http://127.0.0.1:{free_port()}"}
    page.id = page.client.post("/api/home/drafts", json={"argilla": address}).json()["id"]
    failed = page.follow("reading")
    assert (failed["phase"], failed["title"]) == ("failed", "mails")
    assert "does not answer" in failed["error"]
    assert ARGILLA["api_key"] not in str(failed)
    assert not any(ARGILLA["api_key"] in path.read_text() for path in home.folder.rglob("*.json") if path.is_file())


def test_what_cannot_be_read_or_made_leaves_nothing(home: HomeServer, page: Page) -> None:
    assert "cannot be imported" in page.drop("x.exe", "text\nhello\n")["error"]
    state = page.drop("labels.csv", "\n".join(["text,kind", *(f"Text {n},label {n}" for n in range(1_200))]))
    failed = page.start(name="Many", roles={"text": "text", "kind": "label"}, labels=[])
    assert (state["phase"], failed["phase"]) == ("ready", "failed")
    assert "1,000" in failed["error"]
    assert folders.project_keys(home.folder) == ["mails", "tickets"]
    assert not any(folders.private(home.folder, "making").iterdir())


def test_rows_that_one_check_leaves_out_are_not_left_out_for_other_columns(home: HomeServer) -> None:
    drafts = Drafts(home.folder, runner=InProcessRunner())
    draft = drafts.paste("a\tb\n" + "".join(f"x{n}\t{'' if n % 2 else n}\n" for n in range(8)))
    try:
        wait_for(lambda: draft.phase == "ready")
        drafts.check(draft, {"a": "none", "b": "text"}, "utf-8", two_sides=False)
        wait_for(lambda: draft.phase == "checked")
        assert draft.left_out
        assert draft.preview
        assert draft.preview.unusable == 4
        drafts.check(draft, {"a": "text", "b": "none"}, "utf-8", two_sides=False)
        assert draft.left_out is None
    finally:
        drafts.close()


def test_two_people_may_make_projects_of_one_name_at_once(home: HomeServer) -> None:
    def first(aside: Path) -> None:
        shutil.copytree(home.folder / "mails", aside)
        second = folders.make_aside(home.folder, "new", lambda own: shutil.copytree(home.folder / "tickets", own))
        assert second.name == "new"

    assert folders.make_aside(home.folder, "new", first).name == "new-2"
    assert [folders.name_of(home.folder / key) for key in ("new", "new-2")] == ["Tickets", "Mails"]


def test_a_file_is_imported_whatever_its_name(home: HomeServer, page: Page) -> None:
    page.drop("request.json", '[{"text": "One"}, {"text": "Two"}]')
    made = page.start(name="Named", roles={"text": "text"}, labels=["a", "b"])
    assert (made["error"], made["phase"]) == ("", "made")
    assert figures(home.folder / "named")["records"] == 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_nobody_expected_ends_the_making(home: HomeServer, page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError("no")

    page.drop("a.csv", "text\nOne\nTwo\n")
    monkeypatch.setattr(folders, "make_aside", broken)
    made = page.start(name="Named", roles={"text": "text"}, labels=["a", "b"])
    assert (made["phase"], made["error"]) == ("failed", UNEXPECTED)


def test_an_upload_leaves_room_on_the_disk(page: Page, monkeypatch: pytest.MonkeyPatch, home: HomeServer) -> None:
    free = iter([3 << 30, uploads.SPARE])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=next(free)))
    refused = page.client.post("/api/home/drafts/file?name=a.csv", content=b"text\nOne\n").json()
    assert "1.0 GB free" in refused["error"]
    assert not any(folders.private(home.folder, "drafts").iterdir())


def test_a_page_that_is_open_keeps_its_project_in_use() -> None:
    use = Use(last=time.monotonic() - 1_000)
    during: list[float] = []

    async def pages(scope: Any, receive: Any, send: Any) -> None:
        during.append(use.idle_seconds())

    def ask(kind: str, path: str) -> None:
        with suppress(StopIteration):  # nothing in it waits, and Playwright's loop may be running in this thread
            Counted(pages, use)({"type": kind, "path": path}, None, None).send(None)  # type: ignore[arg-type]

    ask("http", "/api/health")
    assert use.idle_seconds() == pytest.approx(1_000, abs=100)
    ask("websocket", "/_stcore/stream")
    assert during[1] == 0
    assert use.idle_seconds() < 900
