"""Export: labels with their provenance as a file, and the card that says how far to trust them."""

import streamlit as st

from app.background import opened
from app.pages.parts.data.export_view import draw_card, draw_preview, draw_written, write_file
from app.pages.parts.data.hub_view import draw_data_push
from app.pages.parts.data.paper_view import draw_paper
from app.pages.parts.data.sheet_view import draw_sample
from app.pages.parts.widgets import activity, page_header
from core.reports.export import captions
from core.reports.format_export import WITH_SPLITS, forms_of
from core.reports.overview import status

server = opened()
page_header("Export")
activity(server)
if not status(server.project).records:
    st.info("There is nothing to export yet. Import records and label some.")
    st.page_link("pages/import.py", label="Import", icon=":material/upload:")
    st.stop()

choices = captions(server.settings())
left, middle, right = st.columns([4, 4, 2], vertical_alignment="bottom")
what = left.selectbox("What", list(choices), key="what")
forms = forms_of(server.project, what)
file_format = middle.selectbox("Format", list(forms), key=f"format-{len(forms)}")
caption = forms[file_format].caption
st.caption(f"{choices[what][:1].upper()}{choices[what][1:]}. {caption[:1].upper()}{caption[1:]}.")
with st.container(horizontal=True):
    excel = file_format == "csv" and st.toggle(
        "For Excel",
        key="excel",
        help="With a byte-order mark, and an apostrophe before cells that would be formulas. Off: an import of it "
        "gives back the same texts",
    )
    by_split = (
        what in WITH_SPLITS
        and not excel
        and st.toggle("A file for each split", key="by-split", help="By the column of splits: train, validation, test")
    )
    card = what != "dedupe" and st.toggle("Write the data card beside it", value=True, key="card")
with st.spinner("Reading the first rows"):
    rows = draw_preview(server.project, what)
icon = ":material/download:"
if right.button("Write the file", key="write", type="primary", icon=icon, disabled=not rows, width="stretch"):
    with st.spinner(f"Writing {rows:,} rows"):
        write_file(server, what, file_format, card=card, excel=excel, by_split=by_split)
draw_written()

draw_data_push(server)

draw_sample(server)

draw_paper(server)

st.header("Data card")
draw_card(server.project)
