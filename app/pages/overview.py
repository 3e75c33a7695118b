"""Overview: what is going on, the one next thing to do, how good the model is, the queue."""

from dataclasses import asdict

import streamlit as st

from app.auth.identity import require_right
from app.background import opened
from app.charts.quality import balance_chart, queue_chart
from app.pages.parts.language_model_view import draw_language_model_worth
from app.pages.parts.models_view import draw_model_quality
from app.pages.parts.quality_view import draw_prospects, draw_scores
from app.pages.parts.widgets import activity
from core.reports import overview
from core.reports.card_text import escaped
from core.tasks.tasks import task_of, unready

server = opened()
now = overview.status(server.project)
st.title(escaped(now.name))
activity(server)

left, right = st.columns([3, 1], vertical_alignment="center")
left.text(now.next)
if now.queued:
    if right.button("Label now", key="label-now", type="primary", icon=":material/label:"):
        st.switch_page("pages/label.py")
elif unready(server.settings()):
    right.page_link("pages/settings.py", label="Add labels", icon=":material/settings:")
elif now.unqueued and right.button("Next round", key="round", type="primary"):
    server.start("round", user=require_right("manage"))
    st.rerun()
if now.tied:
    words = f"{now.tied:,} answered records have no label: settle them"
    st.page_link("pages/records.py", label=words, query_params={"state": "tied"}, icon=":material/balance:")
for warning in now.warnings:
    st.warning(escaped(warning), icon=":material/warning:")

draw_model_quality(server)

shown = {
    "Records": now.records,
    "Labelled": now.labelled,
    **({"Gold": now.gold} if now.gold else {}),
    **({"Machine labels": now.machine} if now.machine else {}),
    "In the queue": now.queued,
    "Round": now.round,
}
for column, (title, count) in zip(st.columns(len(shown)), shown.items(), strict=True):
    column.metric(title, f"{count:,}")
if now.records:
    st.altair_chart(queue_chart(now), key="queue")

draw_scores(server, now)
draw_language_model_worth(server)
draw_prospects(server)

if task_of(server.settings()).taxonomy:
    st.header("Labels")
    if counts := overview.label_counts(server.project):
        st.altair_chart(balance_chart(counts), key="balance")
        with st.expander("The numbers"):
            st.dataframe([asdict(row) for row in counts], key="balance-table", hide_index=True)
    else:
        st.page_link("pages/settings.py", label="Add labels", icon=":material/settings:")

st.page_link("pages/team.py", label="Who answered what, and how far they agree", icon=":material/group:")
