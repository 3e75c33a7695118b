"""Models: which is in use, what wants its place and by what right, and the way back. `/models?model=ID` opens one."""

import streamlit as st

from app.background import opened
from app.pages.parts.models.evaluation_view import draw_evaluations
from app.pages.parts.models.hosted_view import draw_decider, draw_questions
from app.pages.parts.models.language_model_view import draw_suggester
from app.pages.parts.models.model_files_view import draw_files
from app.pages.parts.models.models_view import (
    draw_challenge,
    draw_champion,
    draw_encoder_choice,
    draw_lineage,
    draw_note,
    draw_predictions,
    draw_removal,
    draw_versions,
    pick_model,
    watch,
)
from app.pages.parts.models.rescue_view import draw_rescue
from app.pages.parts.models.step_scores import draw_step_models
from app.pages.parts.models.tuning_view import draw_tuning
from app.pages.parts.widgets import activity, page_header
from core.registry.models import model, models
from core.reports.card_text import escaped
from core.tasks.tasks import task_of

server = opened()
page_header("Models", measured="Evaluating a model, comparing two")
activity(server)
watch(server)
if error_message := st.session_state.pop("models-trouble", None):
    st.error(escaped(error_message))
listed = models(server.project, lambda *_: None)
versions = listed.models
draw_step_models(server)
if not versions:
    draw_suggester(server)
    draw_tuning(server)
    st.info("There is no model yet. Label the first batch, or train one.")
    st.page_link("pages/jobs.py", label="Jobs", icon=":material/rocket_launch:")
    st.stop()

champion = next((one for one in versions if one.id == listed.champion), None)
if champion:
    draw_champion(champion, listed.rollback, server)
draw_decider(server, listed)
draw_rescue(server, listed)
draw_versions(versions)

st.divider()
chosen = pick_model(versions)
draw_questions(server, chosen)
if chosen is not champion and chosen.id != listed.decider:
    draw_challenge(server, chosen, champion)
if task_of(server.settings()).taxonomy:
    draw_evaluations(server, chosen.id)
result = model(server.project, lambda *_: None, model=chosen.id)
draw_lineage(result)
draw_note(server, result)
if result.files and not chosen.hosting:
    draw_files(server, chosen)
if result.files and chosen is not champion and chosen.id != listed.decider:
    draw_removal(server, result)

st.divider()
draw_predictions(server)
if task_of(server.settings()).taxonomy:
    draw_encoder_choice(server, versions)

st.divider()
draw_suggester(server)
draw_tuning(server)
