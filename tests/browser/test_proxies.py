"""nginx and Caddy before the app, with TLS, a name of their own and a path, as docs/team.md writes them."""

import datetime
import getpass
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from playwright.sync_api import expect

from core.home.folders import rename
from tests.browser.conftest import Machines
from tests.browser.real import ROOT, Card
from tests.browser.test_home import Home
from tests.browser.test_sign_in import Team
from tests.command_line import rondo_json
from tests.ports import free_port
from tests.waiting import wait_for

pytestmark = pytest.mark.browser
NAME = "label.localhost"
DOCS = (ROOT / "docs" / "team.md").read_text(encoding="utf-8")
Write = Callable[[Path, int, int], list[str]]


def block(language: str) -> str:
    """The configuration as the docs have it."""
    match = re.search(rf"```{language}\n(.*?)```", DOCS, re.DOTALL)
    assert match
    return match[1]


def certificate(folder: Path) -> None:
    """cert.pem and key.pem, signed by nobody else."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(pem)


def nginx(folder: Path, port: int, app: int) -> list[str]:
    text = block("nginx").replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl").replace("label.example.org", NAME)
    text = text.replace("127.0.0.1:8501", f"127.0.0.1:{app}").replace("/etc/ssl/label", str(folder))
    locations = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    head = f"user {getpass.getuser()};\npid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\n"
    head += f"http {{\naccess_log off;\n{locations}"
    (folder / "nginx.conf").write_text(f"{head}{text}\n}}\n")
    command = shutil.which("nginx") or "/usr/sbin/nginx"
    return [command, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-g", "daemon off;"]


def caddy(folder: Path, port: int, app: int) -> list[str]:
    text = block("caddy").replace(
        "label.example.org {", f"https://{NAME}:{port} {{\n tls {folder}/cert.pem {folder}/key.pem"
    )
    (folder / "Caddyfile").write_text(
        "{\nadmin off\nauto_https disable_redirects\n}\n" + text.replace("127.0.0.1:8501", f"127.0.0.1:{app}")
    )
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Team, int]]:
    """A team's project, served for people who open it under another name, and the port of that name."""
    team, port = Team(tmp_path_factory.mktemp("behind") / "project", running=False), free_port()
    team.server.options = ("--public-address", f"https://{NAME}:{port}/rondo")
    team.server.start()
    team.base = f"https://{NAME}:{port}/rondo"
    yield team, port
    team.server.kill()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def running(write: Write, folder: Path, port: int, app: int) -> Iterator[None]:
    """While this proxy listens on `port` before what listens on `app`."""
    if not (shutil.which(write.__name__) or Path(f"/usr/sbin/{write.__name__}").exists()):
        say = f"This test needs {write.__name__}: `apt install {write.__name__}`."
        pytest.fail(say) if os.environ.get("CI") == "true" else pytest.skip(say)
    certificate(folder)
    with (folder / "log").open("wb") as log:
        own = {**os.environ, "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
        process = subprocess.Popen(write(folder, port, app), stdout=log, stderr=log, env=own)
    try:
        wait_for(lambda: process.poll() is not None or listens(port))
        assert process.poll() is None, (folder / "log").read_text()
        yield
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(params=[nginx, caddy])
def proxy(request: pytest.FixtureRequest, behind: tuple[Team, int], tmp_path: Path) -> Iterator[Team]:
    """The same, with this one running before it."""
    team, port = behind
    with running(request.param, tmp_path, port, team.server.port):
        yield team


def test_people_sign_in_label_and_sign_out_under_the_public_address(proxy: Team, machines: Machines) -> None:
    page = machines(ignore_https_errors=True).new_page()
    outside: list[str] = []
    page.on("request", lambda request: outside.append(request.url))
    before = proxy.server.answers("Ann")
    proxy.sign_in(page, "Ann")
    card = Card(page)
    expect(card.record).not_to_have_attribute("data-record-id", "")
    assert page.url == f"{proxy.base}/label"
    supplied = card.label("12")
    card.wait_saved()
    assert proxy.server.answers("Ann")[len(before) :] == supplied
    assert {one["secure"] for one in page.context.cookies()} == {True}
    page.goto(f"{proxy.base}/sign-out")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Access code")).to_be_visible()
    assert page.url.startswith(f"{proxy.base}/sign-in")
    outside = [url for url in outside if url.startswith("http") and not url.startswith(proxy.base)]
    assert outside == [], "nothing is asked for outside of the path"


def test_a_home_stands_under_the_path_with_its_projects(encoded: Path, tmp_path: Path, machines: Machines) -> None:
    codes = {}
    for key, name in (("topics", "Topics"), ("other", "Other")):
        shutil.copytree(encoded, tmp_path / "home" / key)
        rename(tmp_path / "home", key, name)
        codes[key] = rondo_json(tmp_path / "home" / key, "people", "add", "Ann", "--role", "manager")["code"]
    port = free_port()
    base = f"https://{NAME}:{port}/rondo"
    home = Home(tmp_path / "home", options=("--public-address", base))
    page = machines(ignore_https_errors=True).new_page()
    outside: list[str] = []
    page.on("request", lambda request: outside.append(request.url))
    try:
        with running(caddy, tmp_path, port, home.port):
            page.goto(f"{base}/p/topics/")
            for code in codes.values():
                page.get_by_label("Name").fill("Ann")
                page.get_by_label("Access code").fill(code)
                page.get_by_role("button", name="Sign in").click()
                page.wait_for_url(f"{base}/p/topics/**")
                page.goto(f"{base}/sign-in?next=%2Fp%2Ftopics%2F")
            page.goto(f"{base}/p/topics/label")
            card = Card(page)
            expect(card.record).not_to_have_attribute("data-record-id", "")
            supplied = card.label("1")
            card.wait_saved()
            assert home.answers("topics") == supplied
            page.get_by_role("button", name="Switch project").click()
            expect(page.get_by_role("link", name="All projects")).to_have_attribute("href", "/rondo/")
            page.get_by_role("link", name="Other").click()
            page.wait_for_url(f"{base}/p/other/**")
            expect(page.get_by_role("button", name="Switch project")).to_be_visible()
            page.goto(f"{base}/")
            expect(page.get_by_role("listitem")).to_have_count(2)
            page.get_by_role("link", name="New project").first.click()
            expect(page.locator("#limit")).to_contain_text("Up to")
            page.get_by_label("Paste texts").fill("One text\nAnother text")
            page.get_by_role("button", name="Use these").click()
            expect(page.locator("#notes")).to_contain_text("The first record comes at once")
    finally:
        home.kill()
    assert not [url for url in outside if "/label/_stcore" in url], "the page knows where its server is"
    outside = [url for url in outside if url.startswith("http") and not url.startswith(base)]
    assert outside == [], "nothing is asked for outside of the path"
