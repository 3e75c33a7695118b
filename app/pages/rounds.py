"""Rounds: the learning curve, where the model errs, and what each batch was chosen for. `/rounds?round=3` opens one."""

from collections.abc import Callable

import streamlit as st

from app.background import ProjectServer, opened
from app.pages.parts.round_view import (
    draw_calibration,
    draw_confusion,
    draw_curve,
    draw_features,
    draw_labels,
    draw_round,
    draw_tunings,
)
from app.pages.parts.widgets import activity, page_header
from core.evaluation.metrics import Metrics
from core.reports import model_quality
from core.reports.batches import batches, round_table
from core.reports.error_analysis import predicted_strata, scored_strata
from core.tasks.tasks import task_of

MOST = 20

server = opened()
page_header("Rounds", measured="The learning curve")
activity(server)
rounds = batches(server.project)
model = model_quality.newest_model(server.project)
if not rounds and not model:
    st.info("No batch was chosen yet. The Overview page says what to do first.")
    st.page_link("pages/overview.py", label="Overview", icon=":material/home:")
    st.stop()

requested = st.query_params.get("round")
of_labels = task_of(server.settings()).taxonomy
titles = ["Curve", *(["Labels", "Confusion"] if of_labels else []), "Calibration", "Batches"]


def draw_tabs() -> None:
    """Each is drawn from when it is first opened: most visits look at one. No fragment: a click on a cell goes to
    another page, and a page that was left from within a fragment could stay empty."""
    tabs = st.tabs(titles, default="Batches" if requested else "Curve", key="tabs", on_change="rerun")
    drawn: set[str] = st.session_state.setdefault("tabs-drawn", set())
    drawn |= {title for title, tab in zip(titles, tabs, strict=True) if tab.open}
    there = dict(zip(titles, tabs, strict=True))
    with there["Curve"]:
        stratum = draw_quality("Curve" in drawn)
    if "Labels" in drawn & there.keys():
        with there["Labels"]:
            draw_labels(server, model.metrics if model else Metrics(), stratum)
    for title, draw in (("Confusion", draw_confusion), ("Calibration", draw_calibration)):
        if title in drawn & there.keys():
            with there[title]:
                draw_verdicts(draw, stratum)
    if "Batches" in drawn:
        with there["Batches"]:
            draw_batches()


def draw_quality(drawn: bool) -> str | None:
    """The curve, if that is drawn, and always what the other tabs judge on."""
    if not model:
        st.info("There is no model yet. Label the first batch: the model that learns from it is judged here.")
        return None
    if drawn:
        draw_curve(server.project)
        draw_features(server.project)
        draw_tunings(server.project)
    scored = scored_strata(model.metrics)
    if not scored:
        st.info("No audit or gold record has a label yet, so nothing can be said of the model.")
        return None
    if len(scored) == 1:
        return scored[0]
    return st.segmented_control("The other tabs judge on", scored, default=scored[0], required=True, key="stratum")


def draw_verdicts(draw: Callable[[ProjectServer, str], None], stratum: str | None) -> None:
    """What needs a verdict for each record."""
    if stratum and stratum in predicted_strata(server.project):
        draw(server, stratum)
    else:
        st.info("Verdicts per record come with the next round, once audit records judge the model.")
        st.page_link("pages/overview.py", label="Overview: the next round", icon=":material/home:")


def draw_batches() -> None:
    """The newest, and the one that the address names."""
    expanded = requested or (rounds and str(rounds[0].round))
    for index, batch in enumerate(rounds):
        if index < MOST or str(batch.round) == expanded:
            draw_round(server, batch, opened=str(batch.round) == expanded)
    with st.expander("The numbers"):
        st.dataframe(round_table(rounds), key="rounds", hide_index=True)


draw_tabs()
