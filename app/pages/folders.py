"""Folder trees: a snapshot of a tree of folders, what is in it, what changed since another, records of its folders."""

import streamlit as st

from app.background import opened
from app.pages.parts.data.tree_view import (
    draw_difference,
    draw_gather,
    draw_gathered,
    draw_records,
    draw_snapshot,
    draw_snapshots,
)
from app.pages.parts.widgets import activity, page_header
from core.trees.snapshots import snapshots

server = opened()
page_header("Folder trees", "what is in a tree of folders, and a record for each")
activity(server)
listed = snapshots(server.project, lambda *_: None).snapshots
draw_gather(server, listed[-1] if listed else None)
draw_gathered(server)
if not listed:
    st.info("There is no snapshot yet. Gather a folder: its names are read, never what is in its files.")
    st.stop()
st.header("Snapshots")
chosen = draw_snapshots(listed)
draw_snapshot(server.project, chosen)
draw_records(server, chosen)
if len(listed) > 1:
    draw_difference(server.project, listed)
