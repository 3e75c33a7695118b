"""Label: one record after the other, by keyboard. Asks for a name first; `/label?annotator=NAME` opens on the card."""

import streamlit as st

from app.auth.identity import is_signed_in, require_right
from app.background import opened
from app.card import draw_card
from app.pages.parts.widgets import page_header
from core.errors import BadInput
from core.people.names import check_name
from core.reports.card_text import escaped

server = opened()
st.html(
    '<style>[data-testid="stMainBlockContainer"] { max-width: none; padding: 0 0 0 1.6rem; }'
    '@media (max-width: 48rem) { [data-testid="stMainBlockContainer"] { padding: 0 1rem; } }</style>'
)
annotator = st.query_params.get("annotator", "")
try:
    annotator = check_name(annotator) if annotator else ""
    if is_signed_in():
        me = require_right("label")
        if annotator and annotator != me:
            raise BadInput(f"{me} is signed in here: answers under the name {annotator} are not taken.")
        annotator = me
except BadInput as error:
    st.error(escaped(str(error)))
    if is_signed_in():
        st.stop()
    annotator = ""

if annotator:
    draw_card(server, annotator)
else:
    page_header("Label")
    with st.form("who", width=420):
        name = st.text_input("Your name", key="name", max_chars=80, help="Your answers are kept under this name.")
        if st.form_submit_button("Start labelling", key="start", type="primary") and name.strip():
            st.query_params["annotator"] = name.strip()
            st.rerun()
