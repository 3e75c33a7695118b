"""Predict a file: a model on new texts, or on pairs of them, in the background; then the file, and what is in it."""

import streamlit as st

from app.background import opened
from app.pages.parts.data.import_source import draw_source
from app.pages.parts.models.predict_view import (
    PAGE,
    ask_columns,
    ask_model,
    ask_sides,
    draw_result,
    draw_start,
    running,
)
from app.pages.parts.widgets import activity, page_header
from core.registry.predict import unpredictable
from core.reports.card_text import escaped
from core.tasks.tasks import task_of

server = opened()
settings = server.settings()
two_sides = task_of(settings).two_sides
words = "which pairs of new texts are the same" if two_sides else "new texts, as many as there are"
page_header("Predict a file", words)
activity(server)
if not two_sides and (reason := unpredictable(settings)):
    st.info(escaped(reason))
    st.stop()
if running(server):
    st.info("A file is being predicted. Stopping keeps what is finished: the same file, model and options go on there.")
model = None if two_sides else ask_model(server)
draft = draw_source(server, PAGE)
if draft is not None and draft.preview is not None:
    if two_sides:
        draw_start(server, "predict_pair_file", draft, ask_sides(draft, draft.preview))
    else:
        draw_start(server, "predict", draft, {"model": model, **ask_columns(draft, draft.preview)})
draw_result(server)
