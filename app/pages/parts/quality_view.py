"""Pieces of the Overview on model quality and whether to keep labelling. They draw what core reports."""

from dataclasses import asdict

import streamlit as st

from app.background import ProjectServer
from app.charts.quality import forecast_chart, gain_chart, learning_chart, savings_chart
from app.pages.parts.widgets import score_metrics
from core.errors import RondoError
from core.evaluation.metrics import Forecast, Metrics, Savings
from core.evaluation.stopping import Worth
from core.labelling.changes import change_settings
from core.reports import model_quality
from core.reports.card_text import escaped
from core.reports.overview import Status

NOTHING = "Nothing was measured yet: play a round."
SHOWN = (50, 100, 200, 400)
"""further labels that are named on the page"""


def draw_scores(server: ProjectServer, now: Status) -> None:
    """The scores on audit and gold, missing figures, drift, and the learning curve."""
    metrics = now.model.metrics if now.model else Metrics()
    st.header("How good is the model?")
    score_metrics(metrics)
    if metrics.audit:
        st.caption(
            "Audit: about all records that could be asked, those that were chosen for being hard included. It errs on "
            "the low side: the heads that judge learnt from a few labels less than the model in use."
        )
    for sentence in now.caveats:
        st.caption(escaped(sentence))
    curve = model_quality.learning_curve(server.project)
    if chart := learning_chart(curve, model_quality.curve_measures(curve)[-1]):
        st.altair_chart(chart, key="curve")
    with st.expander("The numbers"):
        st.dataframe(model_quality.curve_table(curve), key="curve-table", hide_index=True)


def draw_prospects(server: ProjectServer) -> None:
    """The forecast, the labels saved, and cost and benefit of further labels at a person's prices."""
    prospects = model_quality.prospects(server.project)
    forecast, savings = prospects.forecast, prospects.savings
    st.header("Should I keep labelling?")
    left, right = st.columns(2)
    if prospects.agreement:
        left.metric("Agreement with the model before", f"kappa {prospects.agreement.kappa:.2f}", help=_KAPPA)
    if prospects.unsure is not None:
        right.metric("Pool still unsure", f"{prospects.unsure:.0%}", help="Best label below 80 % sure.")
    if isinstance(forecast, Forecast):
        for gain in forecast.gains:
            if gain.more in SHOWN:
                st.text(gain.sentence)
        st.altair_chart(forecast_chart(forecast), key="forecast")
        st.caption(
            "Points: every model so far on today's audit records. Where a model learnt from them, heads from a few "
            "labels less (a twentieth to a fifth) speak for it: such points stand further left."
        )
        with st.expander("The numbers"):
            st.dataframe(
                [{**asdict(gain), "sentence": None} for gain in forecast.gains], key="forecast-table", hide_index=True
            )
    else:
        st.text(forecast.missing if forecast else NOTHING)
    st.markdown("**Labels saved**")
    if isinstance(savings, Savings):
        st.text(savings.sentence)
        if isinstance(forecast, Forecast):
            with st.expander("As a picture"):
                st.altair_chart(savings_chart(forecast, savings), key="savings")
    else:
        st.text(savings.missing if savings else NOTHING)
    _draw_worth(server, prospects.worth)


_KAPPA = "Cohen's kappa of this and the last model's labels on the pool: near 1, another round changes little."


def _draw_worth(server: ProjectServer, worth: Worth | None) -> None:
    """Cost and benefit, only once a person has given prices."""
    st.markdown("**Cost and benefit**")
    settings = server.settings()
    with st.form("prices"):
        label, error, unit = st.columns(3)
        per_label = label.number_input("Cost of a label", 0.0, 1e9, settings.label_cost, key="label-cost")
        per_error = error.number_input("Cost of a wrong label", 0.0, 1e9, settings.error_cost, key="error-cost")
        what = unit.text_input("In", settings.cost_unit, key="cost-unit", max_chars=20)
        if st.form_submit_button("Calculate", key="calculate"):
            try:
                change_settings(server.project, label_cost=per_label, error_cost=per_error, cost_unit=what)
                st.rerun()
            except RondoError as error_message:
                st.error(escaped(error_message))
    if worth is None:
        st.text("Say what a label and a wrong label cost, and this says what further labels are expected to gain.")
        return
    st.text(worth.sentence)
    if worth.offers:
        st.altair_chart(gain_chart(worth.offers, settings.cost_unit), key="gain")
        with st.expander("The numbers"):
            st.dataframe([{**asdict(offer), "sentence": None} for offer in worth.offers], key="worth", hide_index=True)
