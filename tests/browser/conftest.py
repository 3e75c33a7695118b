"""A real Chromium and one server per kind of project for the whole run."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.browser.real import FLAGS, PATIENCE, Server, find_chromium

Machines = Callable[..., BrowserContext]
QUIET = {"automatic = true": "automatic = false", "lease_seconds = 600": "lease_seconds = 60"}
ARABIC = "مرحبا بالعالم 👩‍👩‍👧‍👦 هذا نص عربي 🎉"
HOSTILE = "<img src=x onerror='window.broken=1'><script>window.broken=1</script> **bold** $x$ :red[hi]"
LONG = "A sentence that goes on and on. " * 2000
TWELVE = "card arrival,card stolen,cash,change pin,exchange,fees,refund,top up,transfer,verify,lost phone,éclair"


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The system's Chromium. Without one the tests skip, on CI they fail."""
    path = find_chromium()
    if path is None:
        say = "The browser tests need Chromium: `apt install chromium` (Debian) or `snap install chromium` (Ubuntu)."
        pytest.fail(say) if os.environ.get("CI") == "true" else pytest.skip(say)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def machines(chromium: Browser) -> Iterator[Machines]:
    """Makes browsers that share nothing with each other, as if on machines of their own; closed after the test."""
    made: list[BrowserContext] = []

    def make(**options: Any) -> BrowserContext:
        made.append(chromium.new_context(**options))
        made[-1].set_default_timeout(PATIENCE)
        return made[-1]

    yield make
    for context in made:
        context.close()


@pytest.fixture
def context(machines: Machines) -> BrowserContext:
    """One person's browser."""
    return machines()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """An empty tab in it."""
    return context.new_page()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """900 short records, four labels, each record for one person."""
    texts = [f"Message {number}: the parcel came on day {number % 7}." for number in range(900)]
    server = Server(tmp_path_factory.mktemp("browser") / "plain", "delivery,praise,question,bug", texts, QUIET)
    yield server
    server.kill()


@pytest.fixture(scope="session")
def odd_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Twelve labels, guidelines, strange records, and everybody gets every record."""
    texts = [HOSTILE, ARABIC, LONG, *(f"Plain message {number}." for number in range(27))]
    settings = {**QUIET, "overlap = 1": "overlap = 50", 'guidelines = ""': 'guidelines = "Label what it is *about*."'}
    server = Server(tmp_path_factory.mktemp("browser") / "odd", TWELVE, texts, settings)
    yield server
    server.kill()


@pytest.fixture(scope="session")
def few_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Six records and two labels."""
    texts = [f"Note {number}." for number in range(6)]
    server = Server(tmp_path_factory.mktemp("browser") / "few", "spam,ham", texts, QUIET)
    yield server
    server.kill()
