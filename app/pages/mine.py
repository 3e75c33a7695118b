"""Your labels: what whoever is signed in has answered, and the way on. Nothing of anybody else."""

import streamlit as st

from app.auth.identity import require_right
from app.background import opened
from app.pages.parts.widgets import page_header
from core.reports.own_figures import own_figures
from core.tasks.tasks import unready

server = opened()
page_header("Your labels")
figures = own_figures(server.project, require_right("label"))
waiting = "There are no labels yet." if unready(server.settings()) else "Records wait for you on the Label page."
left, right = st.columns([3, 1], vertical_alignment="center")
left.text(waiting)
if right.button("Label now", key="label-now", type="primary", icon=":material/label:"):
    st.switch_page("pages/label.py")
for column, word in zip(st.columns(3), ("labelled", "skipped", "flagged"), strict=True):
    column.metric(word.capitalize(), f"{figures[word]:,}")
st.header("Day by day")
if figures["days"]:
    st.dataframe(figures["days"], key="days", hide_index=True, alt="Your answers of each day")
else:
    st.text("Nothing in the last two weeks.")
