"""Team: who labelled what, how far people agree, how good their answers are, and the conflicts to decide."""

import streamlit as st

from app.background import opened
from app.pages.parts.exchange_view import draw_exchange
from app.pages.parts.team_view import draw_agreement, draw_conflicts, draw_quality, draw_work
from app.pages.parts.widgets import activity

server = opened()
st.title("Team")
activity(server)
draw_exchange(server)
if draw_work(server):
    draw_conflicts(server)
    draw_agreement(server)
    draw_quality(server)
