"""Prepare: cleaning what models read, evening out how often each label trains, splitting off what judges."""

import streamlit as st

from app.background import opened
from app.pages.parts.data.clean_view import draw_clean
from app.pages.parts.data.split_view import draw_balance, draw_split
from app.pages.parts.widgets import activity, page_header
from core.reports.overview import status
from core.tasks.tasks import task_of

server = opened()
task = task_of(server.settings())
page_header("Prepare", "What should models learn from?")
activity(server)
if task.two_sides:
    st.info(
        "Models read every field of both sides of a pair, and two pairs may share a record: clean and split the file "
        "before it is imported. In a terminal: `rondo clean FILE --text COLUMN --out FILE`."
    )
    st.stop()
if not status(server.project).records:
    st.info("There is nothing to prepare yet. Import records first.")
    st.page_link("pages/import.py", label="Import", icon=":material/upload:")
    st.stop()
drawing = {"Clean": draw_clean, **({"Balance": draw_balance} if task.taxonomy else {}), "Split": draw_split}
for draw, tab in zip(drawing.values(), st.tabs(list(drawing), key="prepare-tab", on_change="rerun"), strict=True):
    if tab.open:  # the others would count all records for nobody
        with tab:
            draw(server)
