"""Export: labels with their provenance as a file, and the card that says how far to trust them."""

import streamlit as st

from app.background import opened
from app.pages.parts.export_view import draw_card, draw_preview, draw_written, write_file
from app.pages.parts.widgets import activity
from core.reports.export import captions
from core.reports.format_export import forms_of
from core.reports.overview import status

server = opened()
st.title("Export")
activity(server)
if not status(server.project).records:
    st.info("There is nothing to export yet. Import records with `rondo import FILE --text COLUMN` and label some.")
    st.stop()

choices = captions(server.settings())
what = st.selectbox("What", list(choices), key="what")
st.caption(choices[what])
forms = forms_of(server.project, what)
file_format = st.selectbox("Format", list(forms), key=f"format-{len(forms)}")
st.caption(forms[file_format].caption[:1].upper() + forms[file_format].caption[1:])
excel = file_format == "csv" and st.toggle(
    "For Excel",
    key="excel",
    help="With a byte-order mark, and an apostrophe before cells that would be formulas. Off: an import of the file "
    "gives back the same texts",
)
card = what != "dedupe" and st.toggle("Write the data card beside it", value=True, key="card")
with st.spinner("Reading the first rows"):
    rows = draw_preview(server.project, what)
if st.button("Write the file", key="write", type="primary", icon=":material/download:", disabled=not rows):
    with st.spinner(f"Writing {rows:,} rows"):
        write_file(server, what, file_format, card=card, excel=excel)
draw_written()

st.header("Data card")
draw_card(server.project)
