"""Records in a list: the table, its pages, and what is done with those that are picked. Finds nothing itself."""

from collections.abc import Mapping, Sequence
from typing import Literal

import streamlit as st

from app.auth.identity import has_right, is_signed_in, require_right
from app.background import ProjectServer, opened
from app.pages.parts.widgets import activity, measured_link
from core.errors import RondoError
from core.explore.browse import PAGE, Line, RecordPage
from core.explore.filters import RecordSearch
from core.explore.label_errors import flagged
from core.labelling.reviews import queue_for_review, send_to_queue
from core.labelling.unsure import review
from core.people.names import check_name
from core.reports.card_text import escaped
from core.tasks.tasks import task_of

COLUMNS = {
    "label": st.column_config.TextColumn("Label", width=130),
    "text": st.column_config.TextColumn("Text", width=400),
    "suggestion": st.column_config.TextColumn("Suggestion", width=150),
    "probability": st.column_config.NumberColumn("Sure", format="%.0f %%", width=70, help="Of the suggestion"),
    "unseen head says": st.column_config.TextColumn(
        "Unseen head says",
        width=150,
        help="Prediction of a head fitted without this label; the suggestion's model may know it",
    ),
    "machine": st.column_config.TextColumn("Machine label", width=130),
    "flags": st.column_config.TextColumn("Look again", width=130),
    "how": st.column_config.TextColumn("How", width=130, help="How the label was settled, and what it is good for"),
    "id": st.column_config.TextColumn("Id", width=130),
    "cosine": st.column_config.NumberColumn("Cosine", format="%.2f"),
}


NARROW = ("label", "text", "probability")
"""columns beside a record that is open"""


def rows_of(lines: Sequence[Line]) -> list[dict[str, object]]:
    """As a table shows them."""
    return [
        {
            "label": line.label,
            "text": line.text,
            "suggestion": "hidden until answered" if line.hidden else line.suggestion,
            "probability": None if line.probability is None else 100 * line.probability,
            "unseen head says": line.unseen,
            "machine": line.machine,
            "flags": ", ".join(line.flags).replace("_", " ") or None,
            "how": " · ".join(word for word in (line.how, line.stratum) if word) or None,
            "id": line.id,
        }
        for line in lines
    ]


def draw_lines(lines: Sequence[Line], *, narrow: bool = False) -> list[Line]:
    """The table; a click on a cell, or an arrow key, opens its record. Returns the ticked records. narrow: beside a
    record that is open, with what tells records apart alone."""
    if not lines:
        st.info("No record is like this. Use fewer words, or clear the filters.")
        return []
    ids = tuple(line.id for line in lines)
    st.session_state["records-shown"] = ids
    rows = [{name: row[name] for name in NARROW} for row in rows_of(lines)] if narrow else rows_of(lines)
    key = f"records-{'beside-' if narrow else ''}{hash(ids)}"
    ticked = draw_openable(rows, ids, key, ("multi-row", "single-cell"))
    return [lines[row] for row in ticked if row < len(lines)]


def offer_inspection(server: ProjectServer) -> None:
    """Where nobody has looked for suspicious labels yet."""
    st.info("Nobody has looked for suspicious labels yet.")
    activity(server)
    if "inspect" in server.activities:
        _wait_for_inspection(server)
    elif st.button("Inspect the labels", key="inspect", icon=":material/troubleshoot:"):
        server.start("inspect", user=require_right("adjudicate"))
        st.rerun()


@st.fragment(run_every=1)
def _wait_for_inspection(server: ProjectServer) -> None:
    if "inspect" not in server.activities:
        st.rerun()


def draw_openable(
    rows: list[dict[str, object]], ids: Sequence[str], key: str, modes: Sequence[Literal["multi-row", "single-cell"]]
) -> list[int]:
    """A table of records, without columns that hold nothing; a click on a cell opens it. Returns the ticked rows."""
    settings = opened().settings()
    noun, steps = task_of(settings).noun.capitalize(), settings.steps
    empty = {name for name in COLUMNS if not any(row.get(name) is not None for row in rows)}
    shown = st.dataframe(
        [{name: value for name, value in row.items() if name not in empty} for row in rows],
        key=key,
        hide_index=True,
        column_config={**COLUMNS, "label": st.column_config.TextColumn(noun, width=300 if steps else 130)},
        height=min(len(rows), 14) * 35 + 38,
        placeholder="",
        selection_mode=modes,
        on_select=lambda: _open(ids, key),
    )
    return list(shown["selection"]["rows"])


def _open(ids: Sequence[str], key: str) -> None:
    for row, _ in st.session_state[key]["selection"]["cells"]:
        st.query_params["record"] = ids[row]


def trail(search: RecordSearch) -> list[int]:
    """Where the pages so far began, the one on the screen last; a new search begins anew."""
    if st.session_state.get("records-search") != search:
        st.session_state["records-search"] = search
        st.session_state["records-trail"] = [0]
    starts: list[int] = st.session_state["records-trail"]
    return starts


def draw_paging(listed: RecordPage, starts: list[int]) -> None:
    """How far this is, back and on."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Back",
            key="back",
            icon=":material/chevron_left:",
            disabled=len(starts) < 2,
            on_click=starts.__delitem__,
            args=(-1,),
        )
        st.button(
            "Go on searching" if listed.searched else "Next",
            key="next",
            icon=":material/chevron_right:",
            disabled=listed.next is None,
            on_click=starts.append,
            args=(listed.next,),
        )
        st.text(_position(listed, len(starts)))
    if listed.among:
        st.caption(
            f"Looked among {listed.among:,} of all records, taken at equal distances: nearer ones may be missing. "
            "Once a round has made its lists of like records, all that are near are looked at."
        )


def _position(listed: RecordPage, page: int) -> str:
    shown = "1 record" if len(listed.lines) == 1 else f"{len(listed.lines)} records"
    if listed.searched:
        return f"{shown} on page {page}; {listed.searched:,} texts searched so far"
    return shown if listed.next is None and page == 1 else f"Page {page}, {PAGE} records on each"


def draw_selected(server: ProjectServer, selected: Sequence[Line]) -> None:
    """What can be done with the ticked records."""
    if not selected:
        st.caption("Click a record, or go to it by arrow keys, to open it; tick some to queue them.")
        return
    record_nos = [line.record_no for line in selected]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        user = name_box("selected-who")
        if st.button(f"Send {len(record_nos)} to the queue", key="send", disabled=not user, icon=":material/queue:"):
            tell(send_to_queue(server.project, record_nos, user))
        if st.button(
            f"{len(record_nos)} for a second look", key="review", disabled=not user, icon=":material/visibility:"
        ):
            tell(queue_for_review(server.project, record_nos, user))


def draw_kind(server: ProjectServer, kind: str) -> None:
    """A review batch of what looks most suspicious of a kind."""
    record_nos = flagged(server.project, kind)
    if not record_nos:
        return
    measured_link("Suspicious labels")
    with st.popover(f"Ask for a second look at the first {len(record_nos)}", icon=":material/visibility:"):
        st.text("They go to the front of the queue, without their label or a suggestion, to somebody else if there is.")
        user = name_box("kind-who")
        if st.button(f"Queue {len(record_nos)}", key="review-all", disabled=not user, type="primary"):
            tell(queue_for_review(server.project, record_nos, user))


def draw_unsure(server: ProjectServer, below: float) -> None:
    """Queues the suggestions of which the model is least sure, as `rondo review` does."""
    with st.popover(f"Queue the least sure below {below:.0%}", icon=":material/queue:"):
        st.text("Records without an answer, before the batch, with their suggestion; the least sure come first.")
        size = st.number_input("Records at most", 1, 10_000, 50, key="unsure-size")
        user = name_box("unsure-who")
        if st.button("Queue them", key="unsure", disabled=not user, type="primary"):
            try:
                result = review(server.project, lambda *_: None, below=below, size=int(size), user=user)
            except RondoError as error:
                st.error(escaped(str(error)))
            else:
                st.toast(f"{result.queued:,} of {result.unsure:,} queued")


def name_box(key: str = "records-who") -> str:
    """Who acts: whoever is signed in, or else who is named here or in the URL, kept for this visit."""
    if is_signed_in():
        return require_right("adjudicate") if has_right("adjudicate") else ""
    known = st.session_state.get("records-name") or st.query_params.get("annotator", "")
    typed = st.text_input("Your name", known, key=key, max_chars=80, width=220)
    try:
        name = check_name(typed) if typed else ""
    except RondoError as error:
        st.error(escaped(str(error)))
        return ""
    st.session_state["records-name"] = name
    return name


def tell(counts: Mapping[str, int]) -> None:
    """What was queued, and what was left out and why."""
    left = ", ".join(f"{count:,} {why}" for why, count in counts.items() if count and why != "queued")
    st.toast(f"{counts['queued']:,} queued" + (f"; left out: {left}" if left else ""))
