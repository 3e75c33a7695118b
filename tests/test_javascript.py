"""The browser's scripts below the browser, by node's own test runner: tests/javascript. Playwright brings a node."""

import subprocess
from pathlib import Path

import pytest
from playwright._impl._driver import compute_driver_executable

from app.card import card_sources

TESTS = sorted((Path(__file__).parent / "javascript").glob("*.test.js"))


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.name.partition(".")[0])
def test_the_scripts_do_what_they_should(file: Path) -> None:
    node, _ = compute_driver_executable()
    done = subprocess.run([node, "--test", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_cards_modules_can_be_joined_into_one(tmp_path: Path) -> None:
    """Each is whole by itself; two that give a name to different things break the page together."""
    (tmp_path / "card.mjs").write_text(card_sources()[2], encoding="utf-8")
    node, _ = compute_driver_executable()
    done = subprocess.run([node, "--check", tmp_path / "card.mjs"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
