"""What a person does with records picked on the map: read, queue, label at once, take back. Knows no chart."""

from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote

import numpy as np
import streamlit as st

from app.auth.identity import is_signed_in, require_right
from app.background import ProjectServer, opened
from app.pages.parts.records.answer_input import answer_input
from app.words import PERCENT, whole_percents
from core.arrays import Ints
from core.config.settings import Settings
from core.config.taxonomy import SEPARATOR
from core.errors import RondoError
from core.explore.map_points import MapPoints, SelectedRecord, summarise_selection
from core.labelling.bulk import answer_sentence, bulks, label_many, preview, undo_bulk
from core.labelling.reviews import send_to_queue
from core.people.names import check_name
from core.reports.card_text import escaped
from core.tasks.task import Answer, AnswerSpace
from core.tasks.tasks import task_of

MOST_KEYS = 9
_COLUMNS = {
    "open": st.column_config.LinkColumn("page", display_text="open", width="small"),
    "text": st.column_config.TextColumn(width="large"),
    "probability": st.column_config.NumberColumn(format=PERCENT),
}


def draw_news() -> None:
    """What the last action came to."""
    if error_message := st.session_state.pop("map-trouble", None):
        st.error(escaped(error_message))
    if message := st.session_state.pop("map-message", None):
        st.toast(escaped(message), duration="long")


def draw_keys(server: ProjectServer, shown: MapPoints, record_nos: Ints) -> None:
    """Below the map, always in view: a key for each label, which it gives to all that was picked, and the way back.

    Where there are more labels than digits, those that are suggested most often in the selection have one.
    """
    settings = server.settings()
    space = task_of(settings).space(task_of(settings).setup(settings))
    newest = next(iter(bulks(server.project, 1)), None)
    back = newest if newest and newest.id == st.session_state.get("map-bulk") and not newest.taken_back else None
    if not (back or (len(record_nos) and space.categories)):
        return
    with st.container(key="map-keys", horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{len(record_nos):,} picked**" if len(record_nos) else "", width="content")
        for digit, (name, answer) in enumerate(_offered(space, server, shown, record_nos), 1):
            st.button(
                escaped(name),
                key=f"map-key-{digit}",
                shortcut=str(digit),
                on_click=_act,
                args=(
                    lambda user, answer=answer: label_many(server.project, record_nos.tolist(), answer, user),
                    f"{{count:,}} records answered: {_plain(name)}. It can be taken back.",
                ),
            )
        if back:
            st.button(
                "Take back",
                key="map-back",
                icon=":material/undo:",
                shortcut="Backspace",
                on_click=_act,
                args=(lambda user: undo_bulk(server.project, back.id, user), "Taken back from {count:,} records."),
            )


def _offered(space: AnswerSpace, server: ProjectServer, shown: MapPoints, record_nos: Ints) -> list[tuple[str, Answer]]:
    """Name and answer for each key."""
    if not len(record_nos):
        return []
    order = list(range(len(space.categories)))
    if len(order) > MOST_KEYS:
        ranked = [name for name, _ in summarise_selection(server.project, shown, record_nos, 0).suggestions]
        rank = {name: at for at, name in enumerate(ranked)}
        order = sorted(order, key=lambda at: rank.get(space.names[at], len(ranked)))[:MOST_KEYS]
    answers = space.decode(np.eye(len(space.categories), dtype=np.bool_)[order])
    return [(space.names[at], answer) for at, answer in zip(order, answers, strict=True)]


def _plain(name: str) -> str:
    """For a sentence that is filled in later."""
    return name.replace("{", "{{").replace("}", "}}")


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
        done = do(_user())
        st.session_state["map-message"] = words.format(**done)
        st.session_state["map-bulk"] = done.get("bulk")
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
    rows = [whole_percents(vars(one), ("probability",)) for one in records]
    return [
        {"open": f"records?record={quote(one.record, safe='')}", **row} for one, row in zip(records, rows, strict=True)
    ]
