"""Pieces of the Models page: the model in use, its challengers, and how both perform. They compute nothing."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import Any
from urllib.parse import quote

import streamlit as st

from app.auth.identity import require_right
from app.background import ProjectServer
from app.charts.evaluation import gate_chart
from app.charts.over_time import over_time_chart
from app.pages.parts.chart_view import draw_chart
from app.pages.parts.models.evaluation_view import draw_comparison, draw_encoders
from app.pages.parts.models.model_rows import (
    BAR,
    bar_title,
    flat_rows,
    interval_rows,
    measure_of,
    name_of,
    option_of,
    over_time_rows,
    version_rows,
    what_promoting_does,
)
from app.pages.parts.widgets import measured_link, score_metrics
from core.errors import RondoError
from core.evaluation.gate_verdict import TRIAL
from core.registry.champions import RollbackOffer
from core.registry.evaluate import compare, compare_encoders
from core.registry.gate import gate
from core.registry.models import ModelDetail, ModelEntry, model_note
from core.registry.predictions import joined, predictions
from core.registry.removal import model_remove
from core.reports.card_text import escaped

CHANGING = ("promote", "rollback", "deactivate")
"""verbs that change which model is in use; they may take as long as encoding all records does; one at a time"""
_SHARE = st.column_config.NumberColumn(format="percent")
BAR_HELP = (
    "The dot is the figure, the bar its 95 % interval; the model in use is a diamond. Hollow and grey: judged on other "
    "records than the model in use (see judged on), so the two bars do not compare; below, a comparison does."
)
_MISSES = {
    "open": st.column_config.LinkColumn("page", display_text="open", width="small"),
    "text": st.column_config.TextColumn(width="medium"),
    "probability": _SHARE,
}


def set_going(server: ProjectServer, verb: str, **options: Any) -> None:
    """In the background, under the name of who is here; the page is drawn again when it is done."""
    if busy(server):
        st.session_state["models-trouble"] = "Another model is being put in use just now. Try again after it."
        return
    try:
        server.start(verb, user=require_right("manage"), **options)
        st.session_state["models-busy"] = True
    except RondoError as error:
        st.session_state["models-trouble"] = str(error)


def watch(server: ProjectServer) -> None:
    """Draws the page again once the change that was asked for is there. A run of the page that comes first needs no
    other: one more would drop the click that it was run for."""
    if _done(server):
        del st.session_state["models-busy"]
    _watch(server)


@st.fragment(run_every=1)
def _watch(server: ProjectServer) -> None:
    if _done(server):
        st.rerun()


def _done(server: ProjectServer) -> bool:
    return "models-busy" in st.session_state and not busy(server)


def busy(server: ProjectServer) -> bool:
    """Whether the model in use is being changed now, here or by a command."""
    return any(verb in server.activities for verb in CHANGING)


def draw_champion(champion: ModelEntry, offer: RollbackOffer | None, server: ProjectServer) -> None:
    """The model in use with its figures, and the way back to the one before."""
    st.header(escaped(f"In use: {name_of(champion)}"))
    score_metrics(champion.metrics)
    if offer is None:
        return
    with st.popover("Roll back", icon=":material/undo:", key="rollback-box"):
        st.text(offer.sentence)
        st.button("Roll back now", key="rollback", on_click=set_going, args=(server, "rollback"))


def draw_versions(models: Sequence[ModelEntry]) -> None:
    """Every version with its figures, newest first, its interval drawn in its row; a row opens its version."""
    st.header("Versions")
    rows, measure = version_rows(models), measure_of(models)
    drawn = interval_rows(rows, measure)
    columns: dict[str, Any] = dict.fromkeys((measure, "from", "to"), _SHARE)
    columns[BAR] = st.column_config.ImageColumn(bar_title(rows, measure), width=130, help=BAR_HELP)
    st.dataframe(
        drawn,
        key="versions-table",
        hide_index=True,
        column_config=columns,
        column_order=["version", BAR, measure, "state", *(name for name in rows[0] if name not in _FIRST | {measure})],
        on_select=partial(_open_row, [str(row["id"]) for row in rows]),
        selection_mode="single-row",
        alt="Versions of the model, each with its figure and the 95 % interval as a bar",
    )
    st.caption("A click on a row's box opens that version below: where it comes from, and against the one in use.")
    measured_link("Evaluating a model, comparing two")


_FIRST = {"version", "state"}


def _open_row(ids: Sequence[str]) -> None:
    selected = st.session_state["versions-table"].selection.rows
    if selected:
        st.session_state["model"] = ids[selected[0]]
        _name_it()


def pick_model(models: Sequence[ModelEntry]) -> ModelEntry:
    """The one that is looked at: the address names it, else the newest that wants the champion's place."""
    known = {model.id: model for model in models}
    if st.session_state.get("model") not in known:
        first = next((model.id for model in models if model.state == "challenger"), models[0].id)
        query = st.query_params.get("model")
        st.session_state["model"] = query if query in known else first
    words = {model: option_of(entry) for model, entry in known.items()}
    chosen = st.selectbox("Look at", list(known), format_func=words.__getitem__, key="model", on_change=_name_it)
    return known[chosen]


def _name_it() -> None:
    """In the address, so that a reload opens the same one."""
    st.query_params["model"] = st.session_state["model"]


def draw_challenge(server: ProjectServer, model: ModelEntry, champion: ModelEntry | None) -> None:
    """The gate's verdict on this model against the champion, and putting it in use."""
    st.header("Against the champion")
    try:
        verdict = gate(server.project, model=model.id)
    except RondoError as error:
        st.info(escaped(error))
        return
    icon = ":material/check_circle:" if verdict.passes else ":material/block:"
    (st.success if verdict.passes else st.info)(escaped(verdict.sentence), icon=icon)
    if verdict.difference:
        measure = verdict.measure_name
        words = f"{measure[0].upper()}{measure[1:]} of the challenger minus that of the champion, with its interval"
        draw_chart(gate_chart(verdict.difference, measure), key="difference", alt=words)
    st.caption(escaped(verdict.rule))
    measured_link("A tuned encoder" if verdict.stratum == TRIAL else "Evaluating a model, comparing two")
    with st.container(horizontal=True):
        _draw_promotion(server, model, champion, passes=verdict.passes)
        in_full = champion and st.button("Compare in full", key="compare", icon=":material/compare_arrows:")
    if in_full and champion:
        with _shown_error("Comparing"):
            user, on = require_right("manage"), verdict.common_stratum
            compared = server.do(user, compare, first=champion.id, second=model.id, on=on)
            st.session_state["models-compared"] = compared
    result = st.session_state.get("models-compared")
    if result and result.second == model.id:
        draw_comparison(result)


def _draw_promotion(server: ProjectServer, model: ModelEntry, champion: ModelEntry | None, *, passes: bool) -> None:
    title = "Promote" if passes else "Promote all the same"
    with (
        st.popover(title, type="primary" if passes else "secondary", key="promote-box"),
        st.form("promotion", border=False),
    ):
        st.text(what_promoting_does(model, champion))
        reason = None
        if not passes:
            reason = st.text_input("Why, in spite of the gate?", key="promote-reason", max_chars=500)
        submitted = st.form_submit_button("Put it in use", key="promote", type="primary")
        if submitted and not (passes or reason):
            st.warning("Say why: the reason is kept with the model.")
        elif submitted:
            set_going(server, "promote", model=model.id, reason=reason, force=not passes)
            st.rerun()


@contextmanager
def _shown_error(what: str) -> Iterator[None]:
    """Runs a job and waits; an error is shown on the page."""
    try:
        with st.spinner(what):
            yield
    except RondoError as error:
        st.error(escaped(error))


def draw_lineage(model: ModelDetail) -> None:
    """Its lineage, its training data, and when it was in use."""
    with st.expander("Where it comes from", icon=":material/account_tree:"):
        st.dataframe(flat_rows(model.lineage), key="lineage", hide_index=True, alt="Lineage of this model")
        if model.damaged:
            st.error(escaped(model.damaged), icon=":material/broken_image:")
        if model.history:
            st.text("When it came into use")
            rows = [
                {"since": change.since, "how": change.how, "user": change.user, "reason": change.reason}
                for change in model.history
            ]
            st.dataframe(rows, key="history", hide_index=True)
        st.text("How it was trained")
        st.dataframe(flat_rows(model.training_info), key="training-info", hide_index=True)
        if model.job:
            query = {"job": model.job}
            st.page_link("pages/jobs.py", label="Its job", query_params=query, icon=":material/rocket_launch:")


def draw_note(server: ProjectServer, model: ModelDetail) -> None:
    """What a person wants to remember of this model."""
    with st.form(f"note-{model.id}", border=False):
        text = st.text_area("Note", model.notes or "", key=f"note-of-{model.id}", max_chars=2_000, height=80)
        if st.form_submit_button("Keep the note", key=f"keep-{model.id}") and set_note(server, model.id, text):
            st.toast("Kept")


def set_note(server: ProjectServer, model: str, text: str) -> bool:
    """True when it was stored; else the page shows the error."""
    try:
        server.do(require_right("manage"), model_note, model=model, text=text)
    except RondoError as error:
        st.error(escaped(error))
        return False
    return True


def draw_removal(server: ProjectServer, model: ModelDetail) -> None:
    """Deleting the files of a model that is not in use."""
    with st.popover("Remove", icon=":material/delete:", key="remove-box"):
        st.text("Its files are deleted for good. Its line, its note and where it came from stay.")
        if st.button("Remove its files", key="remove"):
            try:
                server.do(require_right("manage"), model_remove, models=[model.id])
            except RondoError as error:
                st.error(escaped(error))
                return
            st.rerun()


def draw_predictions(server: ProjectServer) -> None:
    """Did what the champions predicted of records prove right when people answered?"""
    st.header("What it said, and what proved true")
    by = st.segmented_control("By", ["round", "week"], default="round", required=True, key="predictions-by") or "round"
    result = predictions(server.project, lambda *_: None, by=by)
    st.text(result.sentence)
    if chart := over_time_chart(joined(result.over_time), by):
        draw_chart(chart, key="over-time", alt="Share right over time, with intervals")
        with st.expander("The numbers"):
            st.dataframe(over_time_rows(result), key="over-time-table", hide_index=True)
    if result.worst:
        st.text("Surest and wrong")
        first = ("open", "predicted", "truth", "probability", "text")  # on a narrow screen the others are out of sight
        order = [*first, "id", "stratum", "model", "predicted_at"]
        links = [f"records?record={quote(miss.id, safe='')}" for miss in result.worst]
        rows = [{"open": link, **asdict(miss)} for link, miss in zip(links, result.worst, strict=True)]
        st.dataframe(
            rows, key="misses", hide_index=True, column_config=_MISSES, column_order=order, alt="The worst misses"
        )


def draw_encoder_choice(server: ProjectServer, models: Sequence[ModelEntry]) -> None:
    """Two encoders on the same labelled records: does one put records of one label nearer to each other?"""
    names = list(dict.fromkeys([server.settings().encoder, *(one.encoder for one in models if one.encoder)]))
    if len(names) < 2:
        return
    st.header("Encoders")
    left, right, go = st.columns([2, 2, 1], vertical_alignment="bottom")
    first = left.selectbox("Encoder", names, 0, key="encoder-first")
    second = right.selectbox("against", names, 1, key="encoder-second")
    if go.button("Compare", key="compare-encoders", width="stretch"):
        with _shown_error("Comparing"):
            compared = server.do(require_right("manage"), compare_encoders, names=[first, second])
            st.session_state["models-encoders"] = compared
    if result := st.session_state.get("models-encoders"):
        draw_encoders(result)
