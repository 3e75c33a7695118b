"""Map: records in the plane; a shape drawn on it picks some to read, to queue, or to label at once."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from app.charts_map import counted, drawn_shapes, map_chart, opened_by
from app.label_api import check_name
from app.state import opened
from app.widgets import activity
from core.bulk import bulks, label_many, preview, said, undo_bulk
from core.errors import RondoError
from core.maps import Ints, map_notice, open_map
from core.points import COLOURINGS, Points, inside, points, summary
from core.reviews import send_to_queue

office = opened()
project, settings = office.project, office.settings()
names = settings.taxonomy.names


def act(do: Callable[[str], dict[str, Any]], words: str) -> None:
    """Does what was on the page, under the name in the field; what there is to say waits for the next run."""
    try:
        st.session_state["map-said"] = words.format(**do(check_name(st.session_state["annotator"])))
    except RondoError as error:
        st.session_state["map-trouble"] = str(error)


@st.fragment(run_every=1)
def wait_for_map() -> None:
    """Shows the map once it is made."""
    if "map" not in office.activities:
        st.rerun()


def draw_selection(shown: Points, ns: Ints) -> None:
    """What was picked, and what can be done with it."""
    told = summary(project, shown, ns)
    st.subheader(f"{told.count:,} records selected")
    left, right = st.columns(2)
    left.dataframe(counted(told.labels, "label"), key="picked-labels", hide_index=True, height=178)
    right.dataframe(counted(told.suggestions, "suggestion"), key="picked-suggestions", hide_index=True, height=178)
    queue, label, confirm = st.columns([1, 2, 1], vertical_alignment="bottom")
    to_queue = lambda who: send_to_queue(project, ns.tolist(), who)  # noqa: E731 - as it was on the page
    queue.button(
        "Send to the queue",
        key="send",
        icon=":material/low_priority:",
        width="stretch",
        on_click=act,
        args=(to_queue, "{queued:,} records stand at the front of the queue."),
    )
    with label:
        chosen = pick_labels()
    with confirm.popover("Label them", icon=":material/done_all:", disabled=not chosen, width="stretch"):
        confirm_bulk(ns, chosen)
    st.caption("Read: those nearest the middle come first.")
    st.dataframe(opened_by(told.nearest), key="picked", hide_index=True, column_config=COLUMNS)


def pick_labels() -> list[str]:
    """The ids of the labels to give: one, or several where the project allows it."""
    offered, words = [one.id for one in settings.taxonomy.active], "Label for all of them"
    if settings.multi:
        return st.multiselect(words, offered, format_func=lambda label_id: names[label_id], key="bulk-labels")
    one = st.selectbox(words, offered, None, format_func=lambda label_id: names[label_id], key="bulk-label")
    return [one] if one else []


def confirm_bulk(ns: Ints, chosen: list[str]) -> None:
    """Names the label and the number of records before anything is done."""
    choice = preview(project, ns.tolist())
    st.text(f"Give “{' + '.join(names[label] for label in chosen)}” to {choice.count:,} records?")
    if choice.left_out:
        st.text(f"Left out: {said(choice)}.")
    st.button(
        f"Yes, label {choice.count:,} records",
        key="bulk-yes",
        type="primary",
        disabled=not choice.count,
        on_click=act,
        args=(lambda who: label_many(project, ns.tolist(), chosen, who), "{count:,} records labelled."),
    )


def draw_bulks() -> None:
    """The newest bulk answers, each with its undo."""
    for one in bulks(project, 5):
        text, undo = st.columns([4, 1], vertical_alignment="center")
        given = " + ".join(names.get(label, label) for label in one.labels)
        text.text(f"{one.made_at:%Y-%m-%d %H:%M} UTC, {one.who}: “{given}” to {one.count:,} records")
        undo.button(
            "Taken back" if one.taken_back else "Take back",
            key=f"undo-{one.id}",
            disabled=one.taken_back,
            on_click=act,
            args=(lambda who, bulk=one.id: undo_bulk(project, bulk, who), "Taken back from {count:,} records."),
        )


COLUMNS = {
    "open": st.column_config.LinkColumn("", display_text="open", width="small"),
    "text": st.column_config.TextColumn(width="large"),
    "probability": st.column_config.NumberColumn(format="percent"),
}

st.title("Map")
activity(office)
if trouble := st.session_state.pop("map-trouble", None):
    st.error(trouble.replace("$", r"\$").replace("[", r"\["))
if words := st.session_state.pop("map-said", None):
    st.success(words)
if "map" in office.activities:
    wait_for_map()
found = open_map(project)
if found is None:
    st.text(
        "The map puts records that mean similar things side by side: whole groups can be read and labelled at once."
    )
    st.button("Make the map", key="make", type="primary", on_click=office.start, args=("map",))
    st.stop()
if notice := map_notice(project, found):
    text, button = st.columns([4, 1], vertical_alignment="center")
    text.warning(notice, icon=":material/update:")
    button.button("Bring up to date", key="update", on_click=office.start, args=("map",))

colour = st.segmented_control(
    "Colour", list(COLOURINGS), default="label", required=True, key="colour", bind="query-params"
)
shown = points(project, found, colour)
event = st.echarts_chart(
    map_chart(shown, st.context.theme.type),
    height=540,
    key="map",
    on_select="rerun",
    alt=f"Map of {len(shown.n):,} records, coloured by {colour}",
)
st.text_input("Your name", key="annotator", bind="query-params", max_chars=80, width=320)
ns = inside(shown, drawn_shapes(event))
if len(ns):
    draw_selection(shown, ns)
else:
    st.caption("Take the lasso or the box above the map and draw around records. A double click clears it.")
if bulks(project, 1):
    st.subheader("Labelled at once")
    draw_bulks()
st.button("Lay the map out anew", key="again", on_click=office.start, args=("map",), kwargs={"again": True})
