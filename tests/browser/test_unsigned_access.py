"""Who gets in where nobody signs in: the link that `rondo up` prints, pages of other ports, odd requests."""

import http.cookiejar
import http.server
import os
import random
import re
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import QUIET, Machines
from tests.browser.real import ROOT, Card, Server
from tests.command_line import figures, rondo
from tests.waiting import LATEST_SECONDS

pytestmark = pytest.mark.browser
LINK = re.compile(rb"Rondo is at (\S+token=\S+)")
LINES = """<script>
  globalThis.opened = new Promise((tell) => {
    const line = new WebSocket("ws://127.0.0.1:PORT/_stcore/stream", "streamlit");
    line.onopen = () => tell("open");
    line.onerror = () => tell("refused");
  });
  globalThis.posted = fetch("http://127.0.0.1:PORT/api/label/token", {
    method: "POST", credentials: "include", body: '{"annotator": "ana"}',
  }).then((answer) => answer.text(), () => "refused");
  globalThis.read = fetch("http://127.0.0.1:PORT/_stcore/health", {credentials: "include"})
    .then((answer) => answer.text(), () => "refused");
</script>"""


class LinkServer(Server):
    """As `rondo up` is without options."""

    options = ()

    @property
    def link(self) -> str:
        """As it was printed last."""
        return str(LINK.findall((self.folder / "server.log").read_bytes())[-1], "ascii")


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LinkServer]:
    texts = [f"Message {number}." for number in range(300)]
    server = LinkServer(tmp_path_factory.mktemp("linked") / "project", "praise,question", texts, QUIET)
    yield server
    server.kill()


@pytest.fixture
def elsewhere(linked: LinkServer) -> Iterator[str]:
    """A page on another port of the same host, which opens a line to the app and sends to it."""
    page = LINES.replace("PORT", str(linked.port)).encode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_address[1]}/"
        listening.shutdown()


def test_the_link_is_asked_for_once_and_leads_straight_to_the_card(linked: LinkServer, machines: Machines) -> None:
    page = machines().new_page()
    page.goto(f"http://127.0.0.1:{linked.port}/label?annotator=ana")
    expect(page.get_by_label("Token")).to_be_visible()
    page.get_by_label("Token").fill("not-this-one")
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_role("alert")).to_contain_text("not the token")
    page.goto(f"{linked.link}&annotator=ana")
    card = Card(page)
    expect(card.record).not_to_have_attribute("data-record-id", "")
    assert page.url == f"http://127.0.0.1:{linked.port}/label?annotator=ana"
    cookies = [one for one in page.context.cookies() if one["name"].endswith("_link")]
    assert [(one["httpOnly"], one["sameSite"]) for one in cookies] == [(True, "Lax")]
    supplied = card.label("1212")
    card.wait_saved()
    assert linked.answers("ana") == supplied
    page.goto(f"http://127.0.0.1:{linked.port}/overview?x=1")
    expect(page.get_by_role("heading", name="Overview", exact=True)).to_be_visible()
    expect(page.get_by_text("Page not found")).to_have_count(0)


def test_the_token_can_be_copied_and_a_restart_keeps_who_is_known(linked: LinkServer, machines: Machines) -> None:
    page = machines().new_page()
    page.goto(f"http://127.0.0.1:{linked.port}/label?annotator=ben")
    page.get_by_label("Token").fill(linked.link.rpartition("=")[2])
    page.get_by_role("button", name="Open").click()
    card = Card(page)
    expect(card.record).not_to_have_attribute("data-record-id", "")
    before = linked.link
    linked.kill()
    linked.start()
    assert linked.link != before, "each start prints a token of its own"
    page.reload()
    expect(card.record).not_to_have_attribute("data-record-id", "")


@pytest.mark.parametrize("known", [False, True])
def test_a_page_of_another_port_opens_no_line_and_learns_nothing(
    linked: LinkServer, elsewhere: str, machines: Machines, known: bool
) -> None:
    context = machines()
    if known:
        page = context.new_page()
        page.goto(f"{linked.link}&annotator=ana")
        expect(Card(page).record).not_to_have_attribute("data-record-id", "")
    page = context.new_page()
    page.goto(elsewhere)
    assert page.evaluate("Promise.all([opened, posted, read])") == ["refused"] * 3


def test_without_the_token_only_what_has_a_guard_of_its_own_answers(linked: LinkServer) -> None:
    base = f"http://127.0.0.1:{linked.port}"
    assert urllib.request.urlopen(f"{base}/api/health", timeout=LATEST_SECONDS).read() == b'{"ok":true}'
    assert figures(linked.folder)["records"], "the command line goes on"
    for path in ("/", "/label", "/records", "/media/x", "/_stcore/host-config", "/api/label/events"):
        with pytest.raises(urllib.error.HTTPError, match=r"401|405"):
            urllib.request.urlopen(base + path, timeout=LATEST_SECONDS)


def test_a_short_token_for_programs_is_refused_before_an_address_is_printed(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    rondo("init", folder, "--labels", "a,b")
    command = [sys.executable, "-m", "app", "-p", str(folder), "up", "--port", "0"]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "RONDO_API_TOKEN": "short"}, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "RONDO_API_TOKEN" in done.stderr
    assert done.stderr.count("\n") == 1


PATHS = [
    *(
        "/",
        "/label",
        "/x/../label",
        "//",
        "//evil.example",
        "/%00",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/\xff",
        "/a" * 4000,
        "*",
    ),
    *(
        "/sign-in?next=//x&next=/y",
        "/sign-in?token=%ff",
        "/?token=%00",
        "/label?annotator=%ed%a0%80",
        "http://x/label",
        "x",
    ),
    *(
        "/api/label/events",
        "/api/label/token",
        "/api/adjudicate",
        "/api/jobs",
        "/api/jobs/%2e%2e",
        "/api/models/x/activate",
    ),
    *("/api/verbs/next", "/api/health", "/api/webhooks/argilla", "/api/nothing", "/_stcore/stream", "/_stcore/health"),
    *(
        "/_stcore/upload_file/a/b",
        "/media/../x",
        "/media/x",
        "/component/a/b",
        "/_stcore/bidi-components/a/b",
        "/auth/login",
    ),
]
METHODS = ["GET", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "get", "BREW"]
UPGRADE = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version"
HEADERS = [
    *(
        "Origin: null",
        "Origin: x",
        "Origin: http://[::1",
        "Origin: http://127.0.0.1:99999",
        "Origin: \xff",
        "Host: [::1",
    ),
    *(
        "Cookie: =",
        "Cookie: \xff=\xfe; a",
        "Cookie: rondo_x=a.b.c",
        "Accept: text/html",
        "Accept: \xff",
        "Range: bytes=9-1",
    ),
    *(
        "X-Rondo-Token: .",
        "X-Rondo-Token: e30=.e30=",
        "X-Rondo-Tab: " + "t" * 500,
        "X-Rondo-Key: \xfc",
        "Authorization: Bearer \xff",
    ),
    *("Content-Type: multipart/form-data", "Content-Length: 3", "Content-Length: -1", "Transfer-Encoding: chunked"),
    *("Sec-Fetch-Site: same-origin", "Referer: x", "Referer: http://[", "If-None-Match: \xff", "Expect: 100-continue"),
    *(
        "webhook-id: \xff",
        "webhook-timestamp: NaN",
        "Accept-Encoding: gzip;q=x",
        "X-Forwarded-For: \xff,,",
        "Sec-WebSocket-Key: x",
    ),
    f"{UPGRADE}: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==",
    f"{UPGRADE}: 1\r\nSec-WebSocket-Protocol: ,,\xff",
]
BODIES = [
    *("", "{}", "[]", "null", "{" * 5000, '{"a": "\\ud800"}', "\xff\xfe", "name=%ff&code=%00&token=%"),
    *("\x81\x00\x88\x02\x03\xe8", "5\r\nab"),
]


def answer_to(port: int, request: bytes) -> bytes:
    """The first line that comes back; empty where the line is cut, or where the server waits for more."""
    with socket.create_connection(("127.0.0.1", port), timeout=1) as line:
        try:
            line.sendall(request)
            return line.recv(4096).split(b"\r\n")[0]
        except (ConnectionError, TimeoutError):
            return b""


@pytest.mark.parametrize("known", [False, True])
def test_odd_requests_and_handshakes_break_nothing_and_leave_no_traceback(linked: LinkServer, known: bool) -> None:
    dice, cookie, log = random.Random(7), "", linked.folder / "server.log"
    size = log.stat().st_size
    if known:
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar := http.cookiejar.CookieJar()))
        opener.open(
            urllib.request.Request(linked.link, headers={"Accept": "text/html"}), timeout=LATEST_SECONDS
        ).close()
        cookie = "Cookie: " + "; ".join(f"{one.name}={one.value}" for one in jar)
        assert "_link=" in cookie
    seen: Counter[int] = Counter()
    for number in range(250):
        headers = [f"Host: 127.0.0.1:{linked.port}", *dice.sample(HEADERS, dice.randrange(4))]
        head = [f"{dice.choice(METHODS)} {PATHS[number % len(PATHS)]} HTTP/1.1", *headers, *([cookie] if known else [])]
        body = dice.choice(BODIES)
        length = [f"Content-Length: {len(body)}"] if body and dice.random() < 0.8 else []
        request = "\r\n".join([*head, *length]) + "\r\n\r\n" + body
        status = answer_to(linked.port, request.encode("latin-1"))
        code = int(status.split()[1]) if status else 0
        assert code < 500, (request[:300], status)
        seen[code] += 1
    assert seen[200]
    assert len(seen) > 5, "many kinds of answers"
    assert urllib.request.urlopen(f"http://127.0.0.1:{linked.port}/api/health", timeout=LATEST_SECONDS).status == 200
    written = log.read_text(encoding="utf-8", errors="replace")[size:]
    assert "Traceback" not in written, written[-3000:]
