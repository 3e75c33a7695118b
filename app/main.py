"""The app's frame: who is here, which pages they get, and what is said when the project cannot be read."""

from pathlib import Path

import streamlit as st

from app.auth.identity import current_person, forbidden, is_signed_in
from app.background import opened
from app.pages.parts.frame import draw_sign_in, draw_style, draw_visitor, pages_for
from core.errors import RondoError
from core.reports.card_text import escaped

st.set_page_config(page_title="Rondo", page_icon=str(Path(__file__).parent / "icon.png"), layout="wide")
draw_style()
person = current_person()
if person is None:
    draw_sign_in()
    st.stop()
pages = pages_for(person, signed_in=is_signed_in())
page = st.navigation([one.page for one in pages])
right = next(one.right for one in pages if one.page == page)
try:
    if is_signed_in():
        draw_visitor(person)
    project = opened().project
    project.settings()
    if project.settings.error_message:
        st.error(escaped(f"{project.settings.error_message} Until then the settings before hold."))
    if right in person.rights:
        page.run()
    else:
        st.error(escaped(forbidden(person, right)), icon=":material/lock:")
except RondoError as error:
    st.error(escaped(error))
