"""Pieces of the pages about a language model that suggests labels: its worth, having it asked. They compute nothing."""

from dataclasses import asdict

import streamlit as st

from app.auth.identity import require_right
from app.background import ProjectServer
from app.pages.parts.widgets import measured_link
from core.errors import RondoError
from core.reports.card_text import escaped
from core.suggestions.suggest import LIMIT, require_asking
from core.suggestions.worth import language_model_worth
from core.tasks.tasks import task_of


def draw_language_model_worth(server: ProjectServer) -> None:
    """For the Overview: nothing before a language model has answered."""
    worth = language_model_worth(server.project)
    if worth is None:
        return
    st.header("What are the language model's suggestions worth?")
    for sentence in worth.sentences:
        st.text(sentence)
    measured_link("Suggestions of a language model")
    if worth.parts:
        with st.expander("The numbers"):
            rows = [
                {
                    "label": part.name,
                    "audit records": part.records,
                    **(asdict(part.precision) if part.precision else {}),
                }
                for part in worth.parts
            ]
            st.dataframe(rows, key="language-model-parts", hide_index=True)


def draw_suggester(server: ProjectServer) -> None:
    """For the Models page: which language model suggests, and a button that has it asked."""
    if task_of(server.settings()).language is None:
        return
    st.header("Suggestions by a language model")
    try:
        choice = require_asking(server.project)
    except RondoError as error:
        st.text(str(error))
        return
    st.text(f"{choice.name} at {choice.url}" if choice.url else f"{choice.name}, on this machine")
    left, right = st.columns([1, 2], vertical_alignment="bottom")
    limit = left.number_input("Records", 1, 100_000, LIMIT, key="suggest-limit")
    if right.button("Ask it", key="suggest", icon=":material/chat:", disabled="suggest" in server.activities):
        server.start("suggest", user=require_right("manage"), limit=int(limit))
        st.rerun()
    if worth := language_model_worth(server.project):
        spent = worth.spent
        price = f", {spent.unpriced:,} of them at an unknown price" if spent.unpriced else ""
        st.caption(f"{spent.calls:,} calls so far{price}; {escaped(f'{spent.dollars:,.4f}')} USD.")
