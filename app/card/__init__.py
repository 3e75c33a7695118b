"""The card: a component that lives in the browser and talks to `app.http`. Knows no records and no task."""

import re
import time
from functools import cache
from pathlib import Path
from typing import Literal

import streamlit as st

from app.auth.identity import is_signed_in
from app.auth.tokens import project_id
from app.background import ProjectServer
from app.http.label_routes import card_setup
from core.labelling.own_keys import own_keys
from core.people.people import MANAGER, Person

_FOLDER = Path(__file__).parent
_IMPORT = re.compile(r'^import (?:[^;]*? from )?"(\.[^"]+)";\n', re.MULTILINE)


def draw_card(server: ProjectServer, annotator: str) -> None:
    """The card on this person's next record. The page runs once; from then on the browser needs no rerun."""
    _draw(server, annotator, "labelling", "card")


def draw_adjudication(server: ProjectServer, user: str) -> None:
    """The card on the most instructive conflict, decided under this person's name."""
    _draw(server, user, "adjudication", "adjudication")


def _draw(server: ProjectServer, annotator: str, source: Literal["labelling", "adjudication"], key: str) -> None:
    """source: where the card gets its records. The token says who answers. keys: that the person has chosen; None where
    names are only typed, and the browser remembers them."""
    person = server.authenticator.person(annotator) or Person(annotator, MANAGER)
    data: dict[str, object] = {
        "source": source,
        "project": project_id(server.secret),
        "annotator": annotator,
        "token": server.authenticator.label_token(person, time.time()),
        "setup": card_setup(server.settings()),
        "keys": own_keys(server.project.store, annotator) if is_signed_in() else None,
    }
    html, css, js = card_sources()
    st.components.v2.component("rondo_card", html=html, css=css, js=js)(key=key, data=data)


@cache
def card_sources() -> tuple[str, str, str]:
    """HTML, CSS and one JavaScript module: the frame and every task."""
    styles = [_FOLDER / "card.css", *sorted((_FOLDER / "tasks").glob("*.css"))]
    css = "\n".join(path.read_text(encoding="utf-8") for path in styles)
    return (_FOLDER / "card.html").read_text(encoding="utf-8"), css, bundle(_FOLDER / "card.js")


def bundle(entry: Path) -> str:
    """One JavaScript module of a file and all that it imports, each after what it needs; Streamlit takes one text."""
    parts: dict[Path, str] = {}

    def add(path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        for name in _IMPORT.findall(text):
            if (needed := (path.parent / name).resolve()) not in parts:
                add(needed)
        parts[path] = re.sub("^export (?!default)", "", _IMPORT.sub("", text), flags=re.MULTILINE)

    add(entry.resolve())
    return "\n".join(parts.values())
