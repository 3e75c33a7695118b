"""The pictures of annotating as a team: people who do not always agree, an Argilla of their own, the way in."""

import json
import random
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Browser

from app.cli.demo import docstrings

RONDO = (sys.executable, "-m", "app")
TEAM_PORT = 8598
PEOPLE = {"ana": 0.95, "ben": 0.85, "cleo": 0.8, "dan": 0.25}
"""how often each is right"""
RECORDS = 150


def prepare(folder: Path) -> str:
    """Answers of four people, their quality, and an Argilla that holds the queue. Returns ana's password there."""
    rng, rows = random.Random(7), []
    taken = [entry for entry in docstrings() if entry["split"] != "test"][: RECORDS * 4 : 4]
    chapters = sorted({entry["truth"] for entry in taken})
    for entry in taken:
        for name, right in rng.sample(sorted(PEOPLE.items()), 3):
            predicted = entry["truth"] if rng.random() < right else rng.choice(chapters)
            rows.append({"id": entry["id"], "text": entry["text"], "chapter": predicted, "who": name})
    file = folder.parent / "answers.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    _run(folder, "import", str(file), "--text", "text", "--id", "id", "--label", "chapter", "--annotator", "who")
    _run(folder, "quality")
    _run(folder, "team", "start", "--port", str(TEAM_PORT))
    stored = json.loads(_run(folder, "team", "users", "add", "ana", "--json"))
    _run(folder, "team", "push")
    return str(stored["password"])


def end(folder: Path) -> None:
    """Stops what `prepare` started."""
    _run(folder, "team", "stop")


def take_argilla(browser: Browser, password: str, path: Path) -> None:
    """Argilla's own interface, as ana sees it."""
    page = browser.new_page(viewport={"width": 1280, "height": 860})
    page.goto(f"http://127.0.0.1:{TEAM_PORT}/sign-in")
    page.locator("input[name=Username]").fill("ana", timeout=60_000)
    page.locator("input[name=Password]").fill(password)
    page.keyboard.press("Enter")
    page.get_by_text("docstrings", exact=True).first.click(timeout=60_000)
    page.get_by_role("button", name="Submit").wait_for(timeout=60_000)
    page.wait_for_timeout(2000)
    page.screenshot(path=path)
    page.close()


def ask_for_codes(folder: Path) -> None:
    """From here on the app asks everybody to sign in."""
    _run(folder, "people", "add", "me")


def _run(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        [*RONDO, "--project", str(folder), *arguments], check=True, stdout=subprocess.PIPE, text=True
    ).stdout
