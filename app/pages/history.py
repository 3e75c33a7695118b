"""History: who did what, and when; the newest first, filtered, page by page, and all of it as a file."""

from datetime import datetime, time

import streamlit as st

from app.background import opened
from app.pages.parts.people.history_view import draw_export, draw_lines, draw_paging, trail
from app.pages.parts.widgets import page_header
from core.people.audit_log import HistoryFilter, kinds, read_history

server = opened()
page_header("History")
people, whats = kinds(server.project)
with st.container(horizontal=True):
    user = st.selectbox("Who", people, None, key="who", placeholder="Everybody", width=220)
    what = st.selectbox("What", whats, None, key="what", placeholder="Everything", width=220)
    day = st.date_input("Since", None, key="since", width=220)
since = datetime.combine(day, time()) if day else None
positions = trail((user, what, since))
shown = read_history(server.project, HistoryFilter(user, what, since, positions[-1]))
draw_lines(shown.lines)
draw_paging(shown, positions)
draw_export(server, user, what, since)
