"""The Upkeep page's section that erases for good: what would go is shown first, and asked for once more."""

from typing import Any

import streamlit as st

from app.auth.identity import require_right
from app.background import ProjectServer
from app.erasure_words import erasure_lines
from app.pages.parts.widgets import begin, outcome_of
from core.erasure.erase import Erasure, erase
from core.errors import RondoError
from core.reports.card_text import escaped

VERB = "erase"
WORDS, RECORDS, PERSON = "Records with these words", "Records by their ids", "A person's answers and name"
PREVIEW = "erase-preview"
"""of this visit: what was looked at last, what would go of it, and how many erasures there had been"""


def draw_erasure(server: ProjectServer) -> None:
    """Nothing happens before both buttons were pressed."""
    st.header("Erase for good")
    st.caption("From the database, vectors, job inputs and exports. Nothing brings it back; backups are named.")
    done: Erasure | None = outcome_of(server, VERB)
    if done:
        st.success("Erased.")
        st.text("\n".join(erasure_lines(done)))
    with st.form("erase-form", border=False):
        left, right = st.columns([2, 3])
        kind = left.selectbox("What", [WORDS, RECORDS, PERSON], key="erase-kind")
        text = right.text_input("Words, ids with commas between, or a name", key="erase-text").strip()
        pressed = st.form_submit_button("What would go?", key="erase-look")
    if pressed and text:
        _look(server, _request(kind, text))
    if PREVIEW in st.session_state:
        request, preview, erasures = st.session_state[PREVIEW]
        if erasures == server.erasures:  # else its texts may be erased by now
            _draw_preview(server, request, preview)


def _request(kind: str, text: str) -> dict[str, Any]:
    """As `erase` takes it."""
    if kind == RECORDS:
        return {"record": [part.strip() for part in text.split(",") if part.strip()]}
    return {"query" if kind == WORDS else "annotator": text}


def _look(server: ProjectServer, request: dict[str, Any]) -> None:
    st.session_state.pop(PREVIEW, None)
    try:
        preview = server.do(require_right("manage"), erase, **request)
        st.session_state[PREVIEW] = request, preview, server.erasures
    except RondoError as error:
        st.error(escaped(error))


def _draw_preview(server: ProjectServer, request: dict[str, Any], preview: Erasure) -> None:
    st.text("\n".join(erasure_lines(preview)))
    leave = bool(preview.argilla) and st.toggle(
        "Erase here even where Argilla cannot be reached and keeps its copy", key="erase-leave"
    )
    with st.popover("Erase", icon=":material/delete_forever:"):
        st.text("This cannot be taken back.")
        st.button("Erase it for good", key="erase", on_click=_erase, args=(server, {**request, "leave_argilla": leave}))


def _erase(server: ProjectServer, options: dict[str, Any]) -> None:
    st.session_state.pop(PREVIEW, None)
    begin(server, VERB, sure=True, **options)
