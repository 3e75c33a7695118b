"""Overview: what is going on, the one next thing to do, how good the model is, the queue."""

import streamlit as st

from app.auth.identity import demand
from app.background import opened
from app.charts.quality import balance_chart, queue_chart
from app.pages.parts.models_view import draw_standing
from app.pages.parts.quality_view import draw_prospects, draw_scores
from app.pages.parts.widgets import activity
from core.reports import overview
from core.reports.card_text import escaped

office = opened()
figures = overview.status(office.project)
st.title(escaped(figures["name"]))
activity(office)

left, right = st.columns([3, 1], vertical_alignment="center")
left.text(figures["next"])
if figures["queued"]:
    if right.button("Label now", key="label-now", type="primary", icon=":material/label:"):
        st.switch_page("pages/label.py")
elif not figures["labels"]:
    right.page_link("pages/settings.py", label="Add labels", icon=":material/settings:")
elif figures["unqueued"] and right.button("Next round", key="round", type="primary"):
    office.start("round", who=demand("manage"))
    st.rerun()
if figures["tied"]:
    words = f"{figures['tied']:,} answered records have no label: settle them"
    st.page_link("pages/records.py", label=words, query_params={"state": "tied"}, icon=":material/balance:")
for warning in figures["warnings"]:
    st.warning(escaped(warning), icon=":material/warning:")

draw_standing(office)

shown = [("Records", "records"), ("Labelled", "labelled"), ("In the queue", "queued"), ("Round", "round")]
shown[2:2] = [(title, key) for title, key in (("Gold", "gold"), ("Machine labels", "machine")) if figures[key]]
for column, (title, key) in zip(st.columns(len(shown)), shown, strict=True):
    column.metric(title, f"{figures[key]:,}")
if figures["records"]:
    st.altair_chart(queue_chart(figures), key="queue")

draw_scores(office, figures)
draw_prospects(office)

st.header("Labels")
counts = overview.label_counts(office.project)
if counts:
    st.altair_chart(balance_chart(counts), key="balance")
    with st.expander("The numbers"):
        st.dataframe(counts, key="balance-table", hide_index=True)
else:
    st.page_link("pages/settings.py", label="Add labels", icon=":material/settings:")

st.page_link("pages/team.py", label="Who labelled what, and how far they agree", icon=":material/group:")
