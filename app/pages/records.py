"""Records: find them by words, filters or likeness; the list on the left, the record that is open on the right."""

import streamlit as st

from app.background import opened
from app.pages.parts.records.record_list import (
    draw_kind,
    draw_lines,
    draw_paging,
    draw_selected,
    draw_unsure,
    offer_inspection,
    trail,
)
from app.pages.parts.records.record_search import ask_search, draw_views
from app.pages.parts.records.record_view import draw_record
from app.pages.parts.widgets import page_header
from core.explore.browse import choices, find
from core.explore.label_errors import inspected_at

server = opened()
there = choices(server.project)
page_header("Records")
record = st.query_params.get("record")
if not there.records:
    st.info("There are no records yet.")
    st.page_link("pages/import.py", label="Import some", icon=":material/upload:")
    st.stop()
with st.container(key="record-search" if record else "search"):
    search = ask_search(server.settings(), there)
    draw_views(server)
starts = trail(search)
left, right = st.columns([4, 7], gap="medium") if record else (st.container(), st.container())
with left, st.container(key="record-list" if record else "list"):
    with st.spinner("Searching the records"):
        page = find(server.project, search, starts[-1])
    if search.kind and inspected_at(server.project) is None:
        offer_inspection(server)
        st.stop()
    selected = draw_lines(page.lines, narrow=bool(record))
    draw_paging(page, starts)
    if search.kind:
        draw_kind(server, search.kind)
    draw_selected(server, selected)
    if search.sure and not search.sure[0]:
        draw_unsure(server, search.sure[1])
if record:
    with right:
        draw_record(server, record)
