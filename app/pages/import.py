"""Import: more records for this project, from a file, a folder, an address, the Hub or Argilla: all or nothing."""

import streamlit as st

from app.background import opened
from app.pages.parts.data.import_source import draw_source
from app.pages.parts.data.import_view import ask_columns, draw_outcome, draw_rows, take
from app.pages.parts.data.mapped_import import draw_mapped
from app.pages.parts.data.pair_import import ask_source, draw_pairing, holds_pairs
from app.pages.parts.data.sheet_view import draw_sheet
from app.pages.parts.widgets import activity, page_header
from core.tasks.tasks import task_of

server = opened()
task = task_of(server.settings())
two_sides = task.two_sides
page_header("Import", "adds records to this project; what is here stays")
activity(server)
draw_outcome(server)
draw_sheet(server)
if two_sides:
    draw_pairing(server)
draft = draw_source(server, queries=True, unread=task.steps)
if draft is None or (task.steps and draw_mapped(server, draft)) or draft.preview is None:
    st.stop()
draw_rows(draft, draft.preview)
if two_sides and not holds_pairs(draft, draft.preview):
    source = ask_source(server, draft, draft.preview)
    if st.button("Import", key="import", type="primary", icon=":material/upload:", disabled=not source["text"]):
        take(server, draft, "import_source", source)
    st.stop()
meaning = ask_columns(draft, draft.preview, two_sides=two_sides)
ready = bool(meaning["left"] and meaning["right"]) if two_sides else bool(meaning["text"])
if st.button("Import", key="import", type="primary", icon=":material/upload:", disabled=not ready):
    take(server, draft, "import", meaning)
