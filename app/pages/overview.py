"""Overview: how good the model is in one sentence and one curve, the one next step, and what is unfinished."""

from functools import partial

import streamlit as st

from app.background import opened
from app.pages.parts.models.language_model_view import draw_language_model_worth
from app.pages.parts.overview_view import (
    draw_challenger,
    draw_counts,
    draw_curve,
    draw_headline,
    draw_step,
    draw_unfinished,
    draw_weakest,
)
from app.pages.parts.people.quality_view import draw_costs, draw_scores
from app.pages.parts.widgets import activity, draw_when_opened, page_header
from core.registry.tuning import tuning_sentence
from core.reports import overview
from core.reports.card_text import escaped
from core.reports.quality_news import quality_news

server = opened()
now = overview.status(server.project)
news = quality_news(server.project)
page_header("Overview", f"{now.records:,} records · round {now.round}", measured="The learning curve")
activity(server)
for warning in now.warnings:
    st.warning(escaped(warning), icon=":material/warning:")

left, right = st.columns([6, 5], gap="large")
with left:
    draw_headline(server, now, news)
    draw_step(server, now)
with right:
    draw_curve(server, now, news)
if sentence := tuning_sentence(server.project):
    st.page_link("pages/rounds.py", label=escaped(sentence), icon=":material/tune:")

left, right = st.columns([7, 4], gap="large")
with left:
    draw_weakest(server, now)
with right:
    draw_unfinished(server, now)
    draw_challenger(server)
    draw_when_opened("Scores, and what they rest on", "scores", partial(draw_scores, server, now))
    draw_when_opened("Where the records are", "counts", partial(draw_counts, server, now))
    draw_when_opened("Costs", "costs", partial(draw_costs, server))
draw_language_model_worth(server)
