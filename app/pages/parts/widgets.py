"""Pieces that several pages draw. They read from core and act on a click; they compute nothing."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from app.auth.identity import has_right, require_right
from app.background import BackgroundTask, ProjectServer
from app.words import progress_line
from core.errors import RondoError
from core.evaluation.metrics import Metrics
from core.evaluation.reporting import FEWEST, TOO_FEW, figures, too_few
from core.reports.card_text import escaped

RUNS_ALREADY = "Nothing was begun: somebody else began the same just now. Wait for its end, or stop it."


def page_header(title: str, state: str = "", *, measured: str = "") -> None:
    """The line above a page: its title, what state its subject is in, and where its figures are explained.

    title, state: Markdown, so what is not ours in them is escaped. measured: a heading of docs/measurement.md.
    """
    with st.container(key="page-header", horizontal=True, vertical_alignment="center"):
        st.title(title, width="content", anchor=False)
        if state:
            st.caption(state, width="content")
        if measured:
            st.space("stretch")
            measured_link(measured, "How this is measured")


def measured_link(part: str, label: str = "") -> None:
    """The mark below a figure, small and the same everywhere, that leads to its paragraph of docs/measurement.md.

    part: the paragraph's heading, by which the mark is called where no label is named.
    """
    st.page_link(
        "pages/measurement.py",
        label=label or part,
        icon=":material/help:",
        query_params={"part": part},
        width="content",
        help="How this is measured",
    )


@st.fragment(run_every=2)
def activity(server: ProjectServer) -> None:
    """What goes on in the background, with rate, time to go and a button to stop it; nothing where nothing does."""
    for verb, one in list(server.activities.items()):
        left, right = st.columns([5, 1], vertical_alignment="center")
        line = progress_line(one.what, one.done, one.total, one.seconds)
        left.progress(one.share, text=escaped(line))
        if has_right("manage") and right.button("Stop", key=f"stop-{verb}"):
            server.cancel(verb, user=require_right("manage"))
    if server.error_message:
        st.warning(escaped(server.error_message), icon=":material/error:")


@st.fragment(run_every=1)
def until_ended(server: ProjectServer, verb: str) -> None:
    """Draws the page again once this verb does not run any more."""
    if verb not in server.activities:
        st.rerun()


def begin(server: ProjectServer, verb: str, **options: Any) -> None:
    """On a click of a manager: runs the verb in the background, for `outcome_of`. The line at the top of the page shows
    its progress, and stops it."""
    task = None
    try:
        task = server.start(verb, user=require_right("manage"), **options)
        if task is None:
            own = st.session_state.get(f"{verb}-task")
            if own is not None and own is server.latest.get(verb):
                return  # Streamlit at times hands one click over twice, where a fragment was due meanwhile
            st.session_state[f"{verb}-trouble"] = RUNS_ALREADY
    except RondoError as error:
        st.session_state[f"{verb}-trouble"] = str(error)
    st.session_state[f"{verb}-task"] = task


def outcome_of(server: ProjectServer, verb: str) -> Any:
    """What came of the last run that this visit began, None before it has succeeded; draws the page again then. Says
    what it was refused with, in place of the line at the top of every page."""
    return _result_of(server, verb, st.session_state.get(f"{verb}-task"))


def latest_of(server: ProjectServer, verb: str) -> Any:
    """The same of the last run that anybody began on a page: it is there for whoever comes back."""
    return _result_of(server, verb, server.latest.get(verb))


def _result_of(server: ProjectServer, verb: str, task: BackgroundTask | None) -> Any:
    if error_message := st.session_state.pop(f"{verb}-trouble", None):
        st.error(escaped(error_message))
    if task and task.erasures < server.erasures:
        return None
    if task and verb in server.activities:
        until_ended(server, verb)
        return None
    if task and task.error:
        st.error(escaped(task.error))
        if server.error_message == task.error:
            server.error_message = None
    return task.result if task else None


@st.fragment
def draw_when_opened(title: str, key: str, draw: Callable[[], None]) -> None:
    """An expander whose content is made once somebody opens it, without the rest of the page."""
    box = st.expander(title, key=key, on_change="rerun")
    if box.open:
        with box:
            draw()


def score_metrics(metrics: Metrics) -> None:
    """Accuracy and, where there is one, macro F1 with their intervals, on audit and gold, or what is missing."""
    scores = [(stratum, score) for stratum in ("gold", "audit") if (score := metrics.on(stratum))]
    if not scores:
        st.info("Nothing can be said about accuracy yet: no audit or gold record has a label and a model to judge.")
        return
    for stratum, score in scores:
        if score.n < FEWEST:
            st.text(f"How good it is: {too_few(score.n, stratum)}.")
            continue
        measured = {name: one for name, one in figures(score).items() if name != "micro F1"}
        for column, (name, estimate) in zip(st.columns(2), measured.items(), strict=False):
            column.metric(
                f"{name[0].upper()}{name[1:]} on {score.n:,} {stratum} records",
                f"{estimate.value:.1%}" if estimate else TOO_FEW,
                f"95 %: {estimate.low:.1%} to {estimate.high:.1%}" if estimate else None,
                delta_color="off",
                delta_arrow="off",
            )
