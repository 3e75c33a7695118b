"""The labelling card: a component that lives in the browser and talks to `app.http.label_routes`. Knows no records."""

import time
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from app.auth.tokens import project_id
from app.background import ProjectServer
from app.http.label_routes import card_setup
from core.people.people import MANAGER, Person

_PARTS = (
    "tab",
    "outbox",
    "past",
    "visit",
    "line",
    "listening",
    "label_keys",
    "keys",
    "elements",
    "record",
    "view",
    "paint",
    "card",
)


def draw_card(office: ProjectServer, annotator: str) -> None:
    """The card on this person's next record. The page runs once; from then on the browser needs no rerun."""
    html, css, js = _sources()
    card = st.components.v2.component("rondo_card", html=html, css=css, js=js)
    card(key="card", data=card_data(office, annotator))


def card_data(office: ProjectServer, annotator: str) -> dict[str, Any]:
    """What a card in the browser begins with; the token says who answers."""
    person = office.entrance.person(annotator) or Person(annotator, MANAGER)
    return {
        "project": project_id(office.secret),
        "annotator": annotator,
        "token": office.entrance.label_token(person, time.time()),
        "setup": card_setup(office.settings()),
    }


@cache
def _sources() -> tuple[str, str, str]:
    """HTML, CSS and one JavaScript module: the parts in the order in which they need each other."""
    folder = Path(__file__).parent
    read = {name: (folder / name).read_text(encoding="utf-8") for name in ("card.html", "card.css")}
    js = "\n".join((folder / f"{part}.js").read_text(encoding="utf-8") for part in _PARTS)
    return read["card.html"], read["card.css"], js
