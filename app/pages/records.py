"""Records: find them by words, filters or likeness; open one to see all that is known of it, correct it, queue it."""

import streamlit as st

from app.background import opened
from app.pages.parts.record_list import (
    draw_kind,
    draw_lines,
    draw_paging,
    draw_selected,
    draw_unsure,
    offer_inspection,
    trail,
)
from app.pages.parts.record_search import ask_search
from app.pages.parts.record_view import draw_record
from core.explore.browse import choices, find
from core.explore.label_errors import inspected_at

server = opened()
st.title("Records")
if record := st.query_params.get("record"):
    draw_record(server, record)
    st.stop()
there = choices(server.project)
if not there.records:
    st.info("There are no records yet. Import some: `rondo import FILE --text COLUMN`")
    st.stop()
search = ask_search(server.settings(), there)
starts = trail(search)
with st.spinner("Searching the records"):
    page = find(server.project, search, starts[-1])
if search.kind and inspected_at(server.project) is None:
    offer_inspection(server)
    st.stop()
selected = draw_lines(page.lines)
draw_paging(page, starts)
if search.kind:
    draw_kind(server, search.kind)
draw_selected(server, selected)
if search.sure and not search.sure[0]:
    draw_unsure(server, search.sure[1])
