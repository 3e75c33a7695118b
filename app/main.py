"""The app's frame: who is here, which pages they get, and what is said when the project cannot be read."""

from pathlib import Path

import streamlit as st

from app.auth.identity import current_person, forbidden, is_signed_in
from app.background import opened
from app.pages.parts.frame import (
    NAVIGATION_WIDTH,
    draw_counts,
    draw_sign_in,
    draw_style,
    draw_visitor,
    figures_now,
    load_ahead,
    pages_for,
    sections,
)
from app.pages.parts.switcher import draw_project, draw_switcher
from app.palette import draw_palette
from core.errors import RondoError
from core.reports.card_text import escaped

st.set_page_config(
    page_title="Rondo",
    page_icon=str(Path(__file__).parent / "icon.png"),
    layout="wide",
    initial_sidebar_state=NAVIGATION_WIDTH,
)
draw_style()
person = current_person()
if person is None:
    draw_sign_in()
    st.stop()
pages = pages_for(person, signed_in=is_signed_in())
page = st.navigation(sections(pages), expanded=True)
right = next(one.right for one in pages if one.page == page)
try:
    server = opened()
    server.project.settings()
    now = figures_now(server)
    draw_project(now, quality="look" in person.rights)
    draw_switcher(server)
    if is_signed_in():
        draw_visitor(person)
    draw_counts(now, page.title)
    reachable = {one.file: (one.title, one.group) for one in pages if one.group}
    draw_palette(server, person, reachable, next(one.file for one in pages if one.page == page))
    if server.project.settings.error_message:
        st.error(escaped(f"{server.project.settings.error_message} Until then the settings before hold."))
    if right in person.rights:
        page.run()
    else:
        st.error(escaped(forbidden(person, right)), icon=":material/lock:")
    load_ahead()
except RondoError as error:
    st.error(escaped(error))
