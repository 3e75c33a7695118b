"""The command palette: pages, labels, records and verbs by a few letters; and the keys of a page by `?`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import streamlit as st

from app.auth.identity import require_right
from app.background import ProjectServer
from app.card import bundle
from core.config.colours import label_colours
from core.config.settings import Settings
from core.people.people import Person

_FOLDER = Path(__file__).parent
SEARCHES = "adjudicate"
"""the right to look for records, as the Records page needs it"""


@dataclass(frozen=True)
class Verb:
    """Something that a server does in the background, and the right that it needs."""

    title: str
    right: str


VERBS = {
    "round": Verb("Learn from the answers and choose the next batch", "manage"),
    "map": Verb("Bring the map up to date", "manage"),
    "inspect": Verb("Look for suspicious labels", "adjudicate"),
    "check": Verb("Check the guarantee of the machine labels", "manage"),
}
KEYS: Mapping[str, Sequence[tuple[str, str]]] = {
    "records": (("↑ ↓", "the record before, the next"), ("Space", "tick a row"), ("Enter", "open a row")),
    "map": (
        ("Lasso", "draw around records; a double click clears it"),
        ("1 … 9", "label what was picked, as the buttons below the map say"),
        ("Backspace", "take that back"),
    ),
    "team": (("1 … 9", "decide on a conflict, as the card's buttons say"),),
}
"""of pages, beside those that hold everywhere"""


@dataclass(frozen=True)
class Choice:
    """What somebody chose. kind: page, label, record or verb; name: its name or id."""

    kind: str
    name: str


def draw_palette(server: ProjectServer, person: Person, pages: Mapping[str, tuple[str, str]], page: str) -> None:
    """The button below the menu, and what comes of a choice. pages: file to title and group, those that this person
    may open; page: the file of the one that is open."""
    with st.sidebar.container(key="palette"):
        sources = palette_sources()
        component = st.components.v2.component("rondo_palette", html=sources[0], css=sources[1], js=sources[2])
        result = component(
            key="command-palette",
            data=_data(server.settings(), person, pages, page),
            on_choice_change=lambda: None,
        )
    if chosen := result.get("choice"):
        act(server, Choice(str(chosen.get("kind")), str(chosen.get("name"))), pages)


def _data(settings: Settings, person: Person, pages: Mapping[str, tuple[str, str]], page: str) -> dict[str, object]:
    colours, labels = label_colours(settings.taxonomy), settings.taxonomy.active
    return {
        "pages": [{"name": name, "title": title, "group": group} for name, (title, group) in pages.items()],
        "labels": [{"name": one.name, "title": one.name, "colour": colours[one.id]} for one in labels],
        "verbs": [{"name": name, "title": one.title} for name, one in VERBS.items() if one.right in person.rights],
        "keys": [list(row) for row in KEYS.get(page, ())],
        "searches": SEARCHES in person.rights,
    }


def act(server: ProjectServer, choice: Choice, pages: Mapping[str, tuple[str, str]]) -> None:
    """Opens what was chosen, or begins the verb under the name of who is here; what is not offered does nothing."""
    if choice.kind == "verb" and choice.name in VERBS:
        server.start(choice.name, user=require_right(VERBS[choice.name].right))
        st.toast(f"Begun: {VERBS[choice.name].title}")
    elif choice.kind == "page" and choice.name in pages:
        st.switch_page(f"pages/{choice.name}.py")
    elif choice.kind in ("record", "label") and "records" in pages:
        st.switch_page("pages/records.py", query_params={choice.kind: choice.name})


@cache
def palette_sources() -> tuple[str, str, str]:
    """HTML, CSS and one JavaScript module."""
    html, css = ((_FOLDER / f"palette.{ending}").read_text(encoding="utf-8") for ending in ("html", "css"))
    return html, css, bundle(_FOLDER / "palette.js")
