"""A real Chromium and one server per kind of project for the whole run."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.real import FLAGS, Server, find_chromium

QUIET = {"automatic = true": "automatic = false"}
ARABIC = "مرحبا بالعالم 👩‍👩‍👧‍👦 هذا نص عربي 🎉"
HOSTILE = "<img src=x onerror='window.broken=1'><script>window.broken=1</script> **bold** $x$ :red[hi]"
LONG = "A sentence that goes on and on. " * 2000
TWELVE = "card arrival,card stolen,cash,change pin,exchange,fees,refund,top up,transfer,verify,lost phone,éclair"


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """Debian's Chromium instead of a download. Without one the tests skip, on CI they fail."""
    path = find_chromium()
    if path is None:
        say = "The browser tests need Chromium: `apt install chromium` (Debian) or `snap install chromium` (Ubuntu)."
        pytest.fail(say) if os.environ.get("CI") == "true" else pytest.skip(say)
    return {"executable_path": path, "args": FLAGS}


@pytest.fixture(scope="session")
def base_url() -> None:
    """Each server has its own address; the plugin's fixture of this name is written for an older pytest."""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """600 short records, four labels, each record for one person."""
    texts = [f"Message {number}: the parcel came on day {number % 7}." for number in range(600)]
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
