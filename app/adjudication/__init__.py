"""The adjudication card: conflicts decided by keyboard, in the browser; talks to `app.http.adjudication_routes`."""

from functools import cache
from pathlib import Path

import streamlit as st

from app.background import ProjectServer
from app.card import card_data

_SHARED = ("tab", "outbox", "past", "line", "listening", "label_keys", "elements", "record")
_OWN = ("bench", "view", "adjudication")


def draw_adjudication(office: ProjectServer, who: str) -> None:
    """The card on the most instructive conflict, decided under this person's name."""
    html, css, js = _sources()
    card = st.components.v2.component("rondo_adjudication", html=html, css=css, js=js)
    card(key="adjudication", data=card_data(office, who))


@cache
def _sources() -> tuple[str, str, str]:
    """HTML, CSS and one JavaScript module: what it shares with the labelling card, then its own."""
    own, shared = Path(__file__).parent, Path(__file__).parent.parent / "card"
    css = [shared / "card.css", own / "adjudication.css"]
    js = [*(shared / f"{name}.js" for name in _SHARED), *(own / f"{name}.js" for name in _OWN)]
    texts = ["\n".join(path.read_text(encoding="utf-8") for path in paths) for paths in (css, js)]
    return (own / "adjudication.html").read_text(encoding="utf-8"), texts[0], texts[1]
