"""docs/pages.md says of every command where it is done on a page, and names no page that there is not."""

import re
from collections.abc import Iterator
from pathlib import Path

from typer.core import TyperGroup
from typer.main import get_command

from app.cli.root import app
from app.navigation import ENTRIES

DOCUMENT = (Path(__file__).parent.parent / "docs" / "pages.md").read_text(encoding="utf-8")
HOME, NONE = "Home", "-"
REASON = 20
"""characters of a reason, at least"""


def commands(command: object, name: str = "") -> Iterator[str]:
    """The commands that do something: groups are named by theirs."""
    if not isinstance(command, TyperGroup):
        yield name
        return
    for part, below in command.commands.items():
        yield from commands(below, f"{name} {part}".strip())


def rows() -> list[tuple[list[str], str, str]]:
    """(commands, page, what is there or why there is none)."""
    cells = [line.strip("|").split("|") for line in DOCUMENT.splitlines() if line.startswith("| `")]
    return [(re.findall(r"`([^`]+)`", named), page.strip(), words.strip()) for named, page, words in cells]


def test_every_command_is_named_once() -> None:
    named = [command for one, _, _ in rows() for command in one]
    assert sorted(named) == sorted(commands(get_command(app)))


def test_every_page_that_is_named_is_there() -> None:
    assert {page for _, page, _ in rows()} <= {HOME, NONE, *(entry.title for entry in ENTRIES)}


def test_a_command_without_a_page_has_a_reason() -> None:
    assert [named for named, page, words in rows() if page == NONE and len(words) < REASON] == []
