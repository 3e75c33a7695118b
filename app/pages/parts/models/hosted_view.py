"""Pieces of the Models page about hosted models: which one answers programs, and which of them end soon."""

import streamlit as st

from app.background import ProjectServer
from app.pages.parts.models.model_rows import name_of
from app.pages.parts.models.models_view import set_going
from core.models.hosted_models import Hosting
from core.registry.hosted_promotion import unmeasured
from core.registry.models import ModelEntry, ModelList
from core.reports.card_text import escaped


def draw_decider(server: ProjectServer, listed: ModelList) -> None:
    """The hosted model that answers programs, taking it out of use, and warnings of models that end."""
    for warning in listed.warnings:
        st.warning(escaped(warning), icon=":material/event_busy:")
    decider = next((one for one in listed.models if one.id == listed.decider), None)
    if decider is None:
        return
    st.header(escaped(f"Answers programs: {name_of(decider)}"))
    if decider.hosting:
        st.text(where_it_is(decider.hosting))
    st.caption("Rounds, suggestions and the queue go on with the model in use here.")
    with st.popover("Take it out of use", icon=":material/cloud_off:", key="deactivate-box"):
        st.text("Programs that ask about pairs are answered by the model in use here again.")
        st.button("Take it out now", key="deactivate", on_click=set_going, args=(server, "deactivate"))


def where_it_is(hosting: Hosting) -> str:
    """Its name, its provider, and until when it answers."""
    until = f", answers until {hosting.shutdown}" if hosting.shutdown else ", no end announced"
    return f"{hosting.name} at {hosting.provider}, tuned on {hosting.base}{until}."


def draw_questions(server: ProjectServer, model: ModelEntry) -> None:
    """What putting a hosted model to use asks of its provider first."""
    if model.hosting is None:
        return
    st.text(where_it_is(model.hosting))
    if questions := unmeasured(server.project, model.id):
        st.info(
            f"The gate needs what it says of {questions:,} more gold and audit pairs. Putting it in use asks it about "
            "them first, and the provider bills the requests."
        )
