"""The real command on a real project, and its card in a browser: what the journeys and the benchmark work with."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.command_line import figures, jobs_here, rondo
from tests.ports import free_port

PATIENCE = 240_000.0
"""milliseconds for whatever a page has to do: on a busy machine it may take long"""
expect.set_options(timeout=PATIENCE)
ROOT = Path(__file__).parents[2]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find_chromium() -> str | None:
    """The system's Chromium; Playwright's own is not downloaded."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((matches for name in names if (matches := shutil.which(name))), None)


class Server:
    """`rondo up` on a project of its own; it can be killed and started again on the same port.

    running: begin at once; otherwise the project is only made, and can be changed before `start`.
    """

    options: tuple[str, ...] = ("--no-token",)
    """of `rondo up`, beside the port"""

    def __init__(
        self, folder: Path, labels: str, texts: Iterable[str], settings: Mapping[str, str], *, running: bool = True
    ) -> None:
        self.folder = folder
        self.port = free_port()
        file = folder.parent / f"{folder.name}.jsonl"
        rows = [{"id": f"r{number}", "text": text, "source": "mail"} for number, text in enumerate(texts)]
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        rondo("init", folder, "--labels", labels)
        with jobs_here():
            rondo("--project", folder, "import", file, "--text", "text", "--id", "id", "--meta", "source")
        self.change(settings)
        if running:
            self.start()

    def change(self, replacements: Mapping[str, str]) -> None:
        """What a person does who edits rondo.toml, and then asks for the status: any verb adopts an edit at once."""
        path = self.folder / "rondo.toml"
        text = path.read_text(encoding="utf-8")
        for old, new in replacements.items():
            assert old in text
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")
        figures(self.folder)

    def start(self) -> None:
        command = [sys.executable, "-m", "app", "--project", str(self.folder), "up", "--port", str(self.port)]
        command += self.options
        log = (self.folder / "server.log").open("ab")
        environment = {name: value for name, value in os.environ.items() if name != "RONDO_NO_TOKEN"}
        environment["PYTHONUNBUFFERED"] = "1"
        self.process = subprocess.Popen(
            command, cwd=self.folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        log.close()
        while self.process.poll() is None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/health", timeout=5).close()
                return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.05)
        raise AssertionError((self.folder / "server.log").read_text())

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def url(self, annotator: str) -> str:
        return f"http://127.0.0.1:{self.port}/label?annotator={annotator}"

    def open(self, page: Page, annotator: str) -> "Card":
        page.goto(self.url(annotator))
        card = Card(page)
        expect(card.record).not_to_have_attribute("data-record-id", "")
        return card

    def events(self, *annotators: str) -> list[dict[str, Any]]:
        """What `rondo export` says was stored of these people, in order."""
        out = self.folder / "events.jsonl"
        rondo("--project", self.folder, "export", "--what", "responses", "--format", "jsonl", "--out", out)
        rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
        return [row for row in rows if row["annotator"] in annotators]

    def answers(self, *annotators: str) -> list[tuple[str, str | None]]:
        """(record, label) of what was submitted and not taken back."""
        events = self.events(*annotators)
        undone = {event["undoes"] for event in events}
        in_force = [one for one in events if one["action"] == "submit" and one["event_id"] not in undone]
        return [(event["record_id"], event["label"]) for event in in_force]


class Card:
    """The labelling card on a page, as a person sees and uses it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.record: Locator = page.get_by_test_id("record")
        self.saved: Locator = page.get_by_test_id("saved")
        self.labels = page.locator("[data-label]")

    @property
    def on_screen(self) -> str:
        return self.record.get_attribute("data-record-id") or ""

    def press(self, *keys: str) -> list[str]:
        """Presses each key; returns the record that was on the screen at each press."""
        seen = []
        for key in keys:
            seen.append(self.on_screen)
            self.page.keyboard.press(key)
        return seen

    def label(self, keys: str) -> list[tuple[str, str | None]]:
        """Labels by number keys; returns what must be stored: (record on the screen, name of the label)."""
        names = self.labels.evaluate_all("all => all.map(one => one.dataset.label)")
        return list(zip(self.press(*keys), [names[int(key) - 1] for key in keys], strict=True))

    def wait_saved(self) -> None:
        expect(self.saved).to_have_attribute("data-pending", "0")
        expect(self.saved).to_have_text("saved")
