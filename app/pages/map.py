"""Map: records in the plane; a shape drawn on it picks some to read, to queue, or to label at once."""

import streamlit as st

from app.auth.identity import is_signed_in, require_right
from app.background import opened
from app.charts.plane import drawn_shapes, map_chart
from app.pages.parts.records.map_selection import draw_bulks, draw_keys, draw_news, draw_selection
from app.pages.parts.widgets import activity, page_header, until_ended
from core.config.colours import names_to_colours
from core.errors import RondoError
from core.explore.browse import choices
from core.explore.map_points import colourings, point_captions, points, points_inside
from core.explore.maps import FEWEST, map_notice, open_map

server = opened()
project = server.project


def make_map(*, again: bool = False) -> None:
    """In the background."""
    try:
        server.start("map", user=require_right("manage"), again=again)
    except RondoError as error:
        st.session_state["map-trouble"] = str(error)


page_header("Map")
with st.container(key="map-activity"):  # over the map, which does not move for it
    activity(server)
draw_news()
making = "map" in server.activities
if making:
    until_ended(server, "map")
layout = open_map(project)
if layout is None:
    st.text(
        "The map puts records that mean similar things side by side: whole groups can be read and answered at once."
    )
    if making:
        st.text("It is being made. It comes by itself.")
    elif server.served and choices(project).records >= FEWEST and "map-made" not in st.session_state:
        st.session_state["map-made"] = True  # once a visit: what fails is not begun over and over
        make_map()
        st.rerun()
    st.button("Make the map", key="make", type="primary", disabled=making, on_click=make_map)
    st.stop()
if notice := map_notice(project, layout):
    text, button = st.columns([4, 1], vertical_alignment="center")
    text.warning(notice, icon=":material/update:")
    button.button("Bring up to date", key="update", disabled=making, on_click=make_map)

offered = colourings(server.settings())
with st.container(key="map-tools", horizontal=True, vertical_alignment="center"):
    chosen = st.segmented_control(
        "Colour",
        offered,
        default=offered[0],
        required=True,
        key="colour",
        bind="query-params",
        label_visibility="collapsed",
    )
    st.space("stretch")
    if not is_signed_in():
        st.text_input(
            "Your name",
            key="annotator",
            bind="query-params",
            max_chars=80,
            width=220,
            placeholder="Your name, to label",
            label_visibility="collapsed",
        )
colour = chosen or offered[0]  # a link may leave it empty
shown = points(project, layout, colour)
settings = server.settings()
event = st.echarts_chart(
    map_chart(shown, st.context.theme.type, names_to_colours(settings.taxonomy), point_captions(shown, settings)),
    height=660,  # for the first moment: the style of the page makes it as high as the window
    key="map",
    on_select="rerun",
    alt=f"Map of {len(shown.record_nos):,} records, coloured by {colour}",
)
record_nos = points_inside(shown, drawn_shapes(event))
draw_keys(server, shown, record_nos)
if len(record_nos):
    draw_selection(server, shown, record_nos)
else:
    st.caption("Take the lasso or the box above the map and draw around records. A double click clears it.")
draw_bulks(server)
st.button("Lay the map out anew", key="again", disabled=making, on_click=make_map, kwargs={"again": True})
