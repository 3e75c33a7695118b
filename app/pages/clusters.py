"""Clusters: which records belong together, the doubtful ones first. `/clusters?cluster=SOURCE:ID` opens one."""

import streamlit as st

from app.background import opened
from app.pages.parts.records.cluster_view import draw_cluster, draw_figures, draw_list, draw_outcome, draw_recall
from app.pages.parts.widgets import activity, page_header
from core.merges.merges import MergeList, merges
from core.tasks.tasks import task_of

MOST = 200

server = opened()
page_header("Clusters", measured="Merges with a guarantee")
activity(server)
if not task_of(server.settings()).two_sides:
    st.info("Records of this project are not pairs, so there are no clusters.")
    st.stop()
st.subheader("Which belong together?", anchor=False)
result: MergeList = merges(server.project, lambda *_: None, most=MOST)
if not result.matching:
    st.info("Nothing is joined yet. Decide on pairs on the Label page; records that are the same become clusters here.")
    draw_recall(server)
    st.stop()
draw_outcome(server)
left, right = st.columns([2, 5], gap="medium")
with left:
    chosen = draw_list(result)
with right:
    draw_cluster(server, chosen)
draw_figures(result)
draw_recall(server)
