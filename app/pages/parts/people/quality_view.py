"""Pieces of the Overview on model quality and whether to keep labelling. They draw what core reports."""

from dataclasses import asdict

import streamlit as st

from app.background import ProjectServer
from app.charts.quality import forecast_chart, gain_chart, savings_chart
from app.pages.parts.chart_view import draw_chart
from app.pages.parts.widgets import measured_link, score_metrics
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
    """The scores on audit and gold, missing figures and drift, with every model so far as a table."""
    metrics = now.model.metrics if now.model else Metrics()
    score_metrics(metrics)
    if metrics.audit:
        st.caption(
            "Audit: about all records that could be asked, those that were chosen for being hard included. It errs on "
            "the low side: the heads that judge learnt from a few labels less than the model in use."
        )
    for sentence in now.caveats:
        st.caption(escaped(sentence))
    if curve := model_quality.curve_table(model_quality.learning_curve(server.project)):
        st.dataframe(curve, key="curve-table", hide_index=True)
    measured_link("Two kinds of labels")


def draw_costs(server: ProjectServer) -> None:
    """The forecast, the labels saved, and cost and benefit of further labels at a person's prices."""
    prospects = model_quality.prospects(server.project)
    forecast, savings = prospects.forecast, prospects.savings
    if prospects.agreement:
        st.metric("Agreement with the model before", f"kappa {prospects.agreement.kappa:.2f}", help=_KAPPA)
    if prospects.unsure is not None:
        st.metric("Pool still unsure", f"{prospects.unsure:.0%}", help="Best label below 80 % sure.")
    if isinstance(forecast, Forecast):
        for gain in forecast.gains:
            if gain.more in SHOWN:
                st.text(gain.sentence)
        draw_chart(forecast_chart(forecast), key="forecast", alt="Accuracy so far, and the forecast")
        st.caption(
            "Points: every model so far on today's audit records. Where a model learnt from them, heads from a few "
            "labels less (a twentieth to a fifth) speak for it: such points stand further left."
        )
        gains = [{**asdict(gain), "sentence": None} for gain in forecast.gains]
        st.dataframe(gains, key="forecast-table", hide_index=True)
    else:
        st.text(forecast.missing if forecast else NOTHING)
    measured_link("What would the next hundred labels bring?")
    st.markdown("**Labels saved**")
    if isinstance(savings, Savings):
        st.text(savings.sentence)
        if isinstance(forecast, Forecast):
            draw_chart(savings_chart(forecast, savings), key="savings", alt="Labels given, and at random")
    else:
        st.text(savings.missing if savings else NOTHING)
    measured_link("Labels saved")
    _draw_worth(server, prospects.worth)


_KAPPA = "Cohen's kappa of this and the last model's labels on the pool: near 1, another round changes little."


def _draw_worth(server: ProjectServer, worth: Worth | None) -> None:
    """Cost and benefit, only once a person has given prices."""
    st.markdown("**Cost and benefit**")
    settings = server.settings()
    with st.form("prices"):
        per_label = st.number_input("Cost of a label", 0.0, 1e9, settings.label_cost, key="label-cost")
        per_error = st.number_input("Cost of a wrong label", 0.0, 1e9, settings.error_cost, key="error-cost")
        what = st.text_input("In", settings.cost_unit, key="cost-unit", max_chars=20)
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
        draw_chart(gain_chart(worth.offers, settings.cost_unit), key="gain", alt="Net gain of further labels")
        st.dataframe([{**asdict(offer), "sentence": None} for offer in worth.offers], key="worth", hide_index=True)
    measured_link("Cost and benefit")
