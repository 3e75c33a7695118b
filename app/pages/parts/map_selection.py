"""What a person does with records picked on the map: read, queue, label at once, take back. Knows no chart."""

from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote

import streamlit as st

from app.auth.identity import is_signed_in, require_right
from app.background import ProjectServer, opened
from app.pages.parts.answer_input import answer_input
from core.arrays import Ints
from core.config.settings import Settings
from core.config.taxonomy import SEPARATOR
from core.errors import RondoError
from core.explore.map_points import MapPoints, SelectedRecord, summarise_selection
from core.labelling.bulk import answer_sentence, bulks, label_many, preview, undo_bulk
from core.labelling.reviews import send_to_queue
from core.people.names import check_name
from core.reports.card_text import escaped
from core.tasks.task import Answer
from core.tasks.tasks import task_of

_COLUMNS = {
    "open": st.column_config.LinkColumn("page", display_text="open", width="small"),
    "text": st.column_config.TextColumn(width="large"),
    "probability": st.column_config.NumberColumn(format="percent"),
}


def draw_news() -> None:
    """What the last action came to."""
    if error_message := st.session_state.pop("map-trouble", None):
        st.error(escaped(error_message))
    if message := st.session_state.pop("map-message", None):
        st.success(escaped(message))


def draw_selection(server: ProjectServer, shown: MapPoints, record_nos: Ints) -> None:
    """What was picked, and what can be done with it."""
    project = server.project
    result = summarise_selection(project, shown, record_nos)
    st.header(f"{result.count:,} records selected")
    left, right = st.columns(2)
    task = task_of(server.settings())
    left.dataframe(_counted(result.labels, task.noun), key="picked-labels", hide_index=True, height=178)
    right.dataframe(_counted(result.suggestions, "suggestion"), key="picked-suggestions", hide_index=True, height=178)
    queue, label, confirm = st.columns([1, 2, 1], vertical_alignment="bottom")
    queue.button(
        "Send to the queue",
        key="send",
        icon=":material/low_priority:",
        width="stretch",
        on_click=_act,
        args=(
            lambda user: send_to_queue(project, record_nos.tolist(), user),
            "{queued:,} records stand at the front of the queue.",
        ),
    )
    with label:
        chosen = answer_input(server.settings(), f"{task.noun.capitalize()} for all of them", "bulk-label")
    with confirm.popover("Label them", icon=":material/done_all:", disabled=not chosen, width="stretch"):
        if chosen:
            _confirm_bulk(server, record_nos, chosen)
    st.caption("Read: those nearest the middle come first.")
    st.dataframe(_opened_by(result.nearest), key="picked", hide_index=True, column_config=_COLUMNS)


def _in_words(settings: Settings, answer: Answer) -> str:
    """Several labels with a plus between them."""
    task = task_of(settings)
    words = task.describe(settings)(answer)
    return words.replace(SEPARATOR, " + ") if task.taxonomy else words


def _confirm_bulk(server: ProjectServer, record_nos: Ints, chosen: Answer) -> None:
    """Names the answer and the number of records before anything is done."""
    project = server.project
    choice = preview(project, record_nos.tolist())
    st.text(f"Give “{_in_words(server.settings(), chosen)}” to {choice.count:,} records?")
    if choice.left_out:
        st.text(f"Left out: {answer_sentence(choice)}.")
    st.button(
        f"Yes, label {choice.count:,} records",
        key="bulk-yes",
        type="primary",
        disabled=not choice.count,
        on_click=_act,
        args=(
            lambda user: label_many(project, record_nos.tolist(), chosen, user),
            "{count:,} records answered. It can be taken back below the map.",
        ),
    )


def draw_bulks(server: ProjectServer) -> None:
    """The newest bulk answers, each with its undo."""
    project, settings = server.project, server.settings()
    given_at_once = bulks(project, 5)
    if given_at_once:
        st.header("Labelled at once")
    for one in given_at_once:
        text, undo = st.columns([4, 1], vertical_alignment="center")
        supplied = _in_words(settings, one.answer)
        text.text(f"{one.made_at:%Y-%m-%d %H:%M} UTC, {one.user}: “{supplied}” to {one.count:,} records")
        undo.button(
            "Taken back" if one.taken_back else "Take back",
            key=f"undo-{one.id}",
            disabled=one.taken_back,
            on_click=_act,
            args=(lambda user, bulk=one.id: undo_bulk(project, bulk, user), "Taken back from {count:,} records."),
        )


def _act(do: Callable[[str], Mapping[str, object]], words: str) -> None:
    """Does what was on the page, under the name in the field; what there is to say waits for the next run."""
    try:
        st.session_state["map-message"] = words.format(**do(_user()))
        opened().after_events()
    except RondoError as error:
        st.session_state["map-trouble"] = str(error)


def _user() -> str:
    """Raises BadInput where nobody has written a name, Refused where somebody may not."""
    return require_right("manage") if is_signed_in() else check_name(st.session_state["annotator"])


def _counted(rows: Sequence[tuple[str, int]], name: str) -> list[dict[str, object]]:
    """Names with their counts as rows of a table."""
    return [{name: value, "records": count} for value, count in rows]


def _opened_by(records: Sequence[SelectedRecord]) -> list[dict[str, object]]:
    """Rows with a link to each record's own page."""
    return [{"open": f"records?record={quote(one.record, safe='')}", **vars(one)} for one in records]
