"""One record: its text, its label, all that people and models said of it, what is like it. Texts are never markup."""

from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.auth.identity import has_right
from app.background import ProjectServer
from app.pages.parts.records.answer_input import answer_input, form_input
from app.pages.parts.records.record_list import draw_openable, name_box, rows_of, tell
from app.pages.parts.records.record_twins import draw_twins
from app.pages.parts.widgets import measured_link
from app.words import PERCENT, whole_percents
from core.errors import RondoError
from core.explore.browse import Line
from core.explore.record_detail import RecordDetail, model_answers, neighbours, record_detail, twins
from core.labelling.corrections import correct, withdraw
from core.labelling.reviews import queue_for_review, send_to_queue
from core.reports.card_text import escaped
from core.tasks.task import Answer
from core.tasks.tasks import task_of, unready

_SHARES = ("probability", "threshold", "guaranteed precision", "confidence")
LONG = 1_500
"""characters from which a text scrolls in a box of its own"""


def draw_record(server: ProjectServer, record: str) -> None:
    """Text, label, and the rest below. Raises BadInput where there is no such record."""
    _draw_ways(record)
    detail = record_detail(server.project, record)
    _draw_text(detail)
    _draw_label(server, detail)
    _draw_facts(detail)
    for sides in twins(server.project, detail.line.record_no):
        st.header("Near-duplicate with another label")
        draw_twins(sides)
    _draw_table("Answers", detail.answers, "answers", "Nobody has answered it yet.")
    with st.spinner("Asking the models, looking for neighbours"):
        _draw_models(server, detail)
        _draw_neighbours(server, record)


def _draw_ways(record: str) -> None:
    """Back to the list, to the records before and after it there, to those like it."""
    shown = list(st.session_state.get("records-shown", ()))
    index = shown.index(record) if record in shown else None
    before = shown[index - 1] if index else None
    after = shown[index + 1] if index is not None and index + 1 < len(shown) else None
    with st.container(horizontal=True):
        st.button("All records", key="all", icon=":material/arrow_back:", on_click=go_to, args=(None,))
        if index is not None:
            st.button("Previous", key="previous", disabled=before is None, on_click=go_to, args=(before,))
            st.button("Next", key="following", disabled=after is None, on_click=go_to, args=(after,))
        st.button("More like this", key="like-this", icon=":material/join_inner:", on_click=_like, args=(record,))


def go_to(record: str | None) -> None:
    """Opens another record, or the list."""
    st.query_params.pop("record", None)
    if record is not None:
        st.query_params["record"] = record


def _like(record: str) -> None:
    go_to(None)
    st.query_params["like"] = record


def _draw_text(detail: RecordDetail) -> None:
    with st.container(border=True, key="record-text", height=420 if len(detail.text) > LONG else "content"):
        st.text(detail.text)


def _draw_facts(detail: RecordDetail) -> None:
    named = [*detail.fields, {"name": "id", "value": detail.line.id}, *detail.facts]
    st.dataframe(named, key="facts", hide_index=True)


def _draw_label(server: ProjectServer, detail: RecordDetail) -> None:
    line = detail.line
    label, machine = st.columns(2)
    _draw_fact(
        label,
        task_of(server.settings()).noun.capitalize(),
        line.label or "none yet",
        " · ".join(word for word in (line.how, line.stratum) if word),
    )
    certain = "" if line.probability is None else f"{line.probability:.0%} probable".replace("%", " %")
    message = "hidden until it is answered" if line.hidden else line.suggestion or "none yet"
    _draw_fact(machine, "Suggestion", message, certain)
    if detail.queued:
        _draw_fact(st.container(), "Queue", detail.queued, "")
    if error_message := st.session_state.pop("record-trouble", None):
        st.error(escaped(error_message))
    user = name_box()
    _draw_correction(server, detail, user)
    _draw_asking(server, detail, user)
    own = [event for event, author in detail.corrections if author == user]
    if own and st.button("Take my correction back", key="withdraw", icon=":material/undo:"):
        withdraw(server.project, line.id, own[-1], user)
        st.rerun()


def _draw_asking(server: ProjectServer, detail: RecordDetail, user: str) -> None:
    """A record without a label can be queued, one with a label can be asked again."""
    why = None if user else "Write your name first."
    if detail.answer is None:
        if st.button("Send to the queue", key="send", disabled=not user, help=why, icon=":material/queue:"):
            tell(send_to_queue(server.project, [detail.line.record_no], user))
    elif st.button("Ask for a second look", key="review", disabled=not user, help=why, icon=":material/visibility:"):
        tell(queue_for_review(server.project, [detail.line.record_no], user))


def _draw_fact(container: DeltaGenerator, title: str, value: str, note: str) -> None:
    """A heading and plain text: names of labels are people's own words."""
    box = container.container(gap=None)
    box.markdown(f"**{title}**")
    box.text(value)
    if note:
        box.text(note)


def _draw_correction(server: ProjectServer, detail: RecordDetail, user: str) -> None:
    settings = server.settings()
    task = task_of(settings)
    if unready(settings):
        st.page_link(
            "pages/settings.py",
            label="See the settings first" if task.steps else f"Add {task.noun}s first",
            icon=":material/settings:",
        )
        return
    with st.form(f"correct-{detail.line.record_no}-{detail.answer}"):
        right = f"Right {task.noun}"
        if settings.steps:
            answer = form_input(settings, "right", detail.answer, detail.text)
        else:
            answer = answer_input(settings, right, "right", detail.answer, plural=f"{right}s")
        note = st.text_input("Why, if it helps others", key="why", max_chars=500)
        words = f"Correct the {task.noun}" if detail.answer is not None else f"Give this {task.noun}"
        if not st.form_submit_button(words, key="correct"):
            return
        if answer is None:
            st.text(f"Nothing was saved: there is no {task.noun} above.")
        else:
            _correct(server, detail.line, answer, user, note)


def _correct(server: ProjectServer, line: Line, answer: Answer, user: str, note: str) -> None:
    try:
        if not user:
            st.session_state["record-trouble"] = "Write your name first: the correction is kept under it."
        else:
            correct(server.project, line.id, answer, user, note)
            server.after_events()
            st.toast("Saved")
    except RondoError as error:
        st.session_state["record-trouble"] = str(error)
    st.rerun()


def _draw_models(server: ProjectServer, detail: RecordDetail) -> None:
    rows = model_answers(server.project, detail.line.id)
    empty = "Hidden until it is answered." if detail.line.hidden else "There is no model yet."
    _draw_table("What each model says", rows, "models", empty)
    if detail.generated:
        _draw_table("What language models say", detail.generated, "generated", "")
    if detail.held_out:
        _draw_table("Out-of-fold prediction", detail.held_out, "held-out", "")
        measured_link("Two kinds of labels")
    if detail.machine_labels:
        _draw_table("Machine label", detail.machine_labels, "machine-labels", "")


def _draw_neighbours(server: ProjectServer, record: str) -> None:
    st.header("Nearest records")
    near = neighbours(server.project, record)
    if not near:
        st.text("It has no vector yet: it gets one with the next round, or now on the Jobs page.")
        if has_right("manage"):
            st.page_link("pages/jobs.py", label="Encode records", icon=":material/rocket_launch:")
        return
    lines = [line for _, line in near]
    rows = [{"cosine": cosine, **row} for (cosine, _), row in zip(near, rows_of(lines), strict=True)]
    draw_openable(rows, [line.id for line in lines], f"near-{record}", ("single-cell",))


def _draw_table(title: str, rows: Sequence[object], key: str, empty: str) -> None:
    """rows: dataclasses; a column for each field."""
    st.header(title)
    if not rows:
        st.text(empty)
        return
    columns = {name: st.column_config.NumberColumn(format=PERCENT) for name in _SHARES}
    named = [
        {{"user": "who"}.get(name, name).replace("_", " "): value for name, value in vars(row).items()} for row in rows
    ]
    shown = [whole_percents(row, _SHARES) for row in named]
    st.dataframe(shown, key=key, hide_index=True, column_config=columns, placeholder="")
