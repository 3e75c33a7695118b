"""Map: records in the plane; a shape drawn on it picks some to read, to queue, or to label at once."""

import streamlit as st

from app.auth.identity import is_signed_in, require_right
from app.background import opened
from app.charts.plane import drawn_shapes, map_chart
from app.pages.parts.map_selection import draw_bulks, draw_news, draw_selection
from app.pages.parts.widgets import activity
from core.errors import RondoError
from core.explore.map_points import colourings, points, points_inside
from core.explore.maps import map_notice, open_map

server = opened()
project = server.project


def make_map(*, again: bool = False) -> None:
    """In the background."""
    try:
        server.start("map", user=require_right("manage"), again=again)
    except RondoError as error:
        st.session_state["map-trouble"] = str(error)


@st.fragment(run_every=1)
def wait_for_map() -> None:
    """Shows the map once it is made."""
    if "map" not in server.activities:
        st.rerun()


st.title("Map")
activity(server)
draw_news()
making = "map" in server.activities
if making:
    wait_for_map()
layout = open_map(project)
if layout is None:
    st.text(
        "The map puts records that mean similar things side by side: whole groups can be read and answered at once."
    )
    st.button("Make the map", key="make", type="primary", disabled=making, on_click=make_map)
    st.stop()
if notice := map_notice(project, layout):
    text, button = st.columns([4, 1], vertical_alignment="center")
    text.warning(notice, icon=":material/update:")
    button.button("Bring up to date", key="update", disabled=making, on_click=make_map)

offered = colourings(server.settings())
chosen = st.segmented_control("Colour", offered, default=offered[0], required=True, key="colour", bind="query-params")
colour = chosen or offered[0]  # a link may leave it empty
shown = points(project, layout, colour)
event = st.echarts_chart(
    map_chart(shown, st.context.theme.type),
    height=540,
    key="map",
    on_select="rerun",
    alt=f"Map of {len(shown.record_nos):,} records, coloured by {colour}",
)
if not is_signed_in():
    st.text_input("Your name", key="annotator", bind="query-params", max_chars=80, width=320)
record_nos = points_inside(shown, drawn_shapes(event))
if len(record_nos):
    draw_selection(server, shown, record_nos)
else:
    st.caption("Take the lasso or the box above the map and draw around records. A double click clears it.")
draw_bulks(server)
st.button("Lay the map out anew", key="again", disabled=making, on_click=make_map, kwargs={"again": True})
