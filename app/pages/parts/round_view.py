"""Sections of the Rounds page: where the newest model errs, and what one batch was chosen for. Computes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import NoReturn

import streamlit as st

from app.auth.identity import has_right, require_right
from app.background import ProjectServer
from app.charts.errors import calibration_chart, confusion_chart, prevalence_chart
from app.charts.headline import label_intervals
from app.charts.quality import balance_chart, learning_chart
from app.pages.parts.chart_view import draw_chart
from app.pages.parts.widgets import measured_link
from core.config.colours import label_colours
from core.errors import RondoError
from core.evaluation.metrics import Confusion, Metrics
from core.evaluation.reporting import FEWEST, STRATA, TOO_FEW, too_few
from core.models.feature_check import feature_sentence
from core.models.feature_plans import last_check
from core.project import Project
from core.registry.tuning import tuning_table, tunings
from core.reports import error_analysis, model_quality, overview
from core.reports.batches import BatchSummary, self_test_sentence
from core.reports.card_text import escaped
from core.rounds.rechoosing import rechoose

MOST_PAIRS = 8
MEASURES = {"records": "records", "share": "share of all records"}
RECORDS = "pages/records.py"
TABLE = ":material/table_rows:"


def draw_curve(project: Project) -> None:
    """Every model so far on the audit and gold records there are now."""
    curve = model_quality.learning_curve(project)
    names = {name: f"{name[0].upper()}{name[1:]}" for name in model_quality.curve_measures(curve)}
    measure = st.segmented_control(
        "Measure", list(names), default="accuracy", required=True, format_func=names.__getitem__, key="curve-measure"
    )
    if chart := learning_chart(curve, measure or "accuracy"):
        draw_chart(chart, key="curve", alt=f"{names[measure or 'accuracy']} over labels")
        with st.expander("The numbers"):
            st.dataframe(model_quality.curve_table(curve), key="curve-table", hide_index=True)
        measured_link("The learning curve")
    else:
        newest = curve[-1].metrics if curve else Metrics()
        parts = [too_few(score.n, stratum) for stratum in STRATA if (score := newest.on(stratum))]
        st.info(f"{TOO_FEW.capitalize()}: {', '.join(parts) or 'no audit or gold record has a label yet'}.")


def draw_tunings(project: Project) -> None:
    """What came of tuning the encoder; nothing where it was never tried."""
    attempts = tunings(project)
    if not attempts:
        return
    st.header("Encoder")
    st.text(attempts[0].sentence)
    with st.expander("The numbers"):
        st.dataframe(tuning_table(attempts), key="tunings", hide_index=True)
    measured_link("A tuned encoder")


def draw_features(project: Project) -> None:
    """Which vectors the rounds learn on, and the figures that say so; nothing before encoders were compared."""
    if check := last_check(project):
        st.text(feature_sentence(check))
        measured_link("Which vectors")


def draw_labels(server: ProjectServer, metrics: Metrics, stratum: str | None) -> None:
    """Scores per label with intervals, labels given against suggested, and how frequent each label is."""
    rows = error_analysis.label_scores(metrics, stratum, server.settings().taxonomy) if stratum else []
    if rows:
        st.caption(f"Judged on {stratum} records; 95 % intervals. `records` counts those that have the label.")
        if chart := label_intervals(rows, label_colours(server.settings().taxonomy)):
            draw_chart(chart, key="label-intervals", alt="F1 of each label with its interval, the weakest first")
        table = error_analysis.label_table(rows)
        st.dataframe(table, key="per-label", hide_index=True, column_config={"f1": "F1"}, alt="Scores per label")
        measured_link("The population")
    if levels := error_analysis.level_table(metrics, stratum) if stratum else []:
        st.caption("By level: each label is taken for the one above it there; a higher one stands for itself.")
        st.dataframe(levels, key="per-level", hide_index=True, alt="Scores at each level of the labels")
    counts = overview.label_counts(server.project)
    if not counts:
        st.page_link("pages/settings.py", label="Add labels", icon=":material/settings:")
        return
    supplied, estimated = st.columns(2)
    supplied.text("Labels given and suggested")
    with supplied:
        draw_chart(balance_chart(counts), key="balance", alt="Records per label: labelled, gold and suggested")
    if chart := prevalence_chart(rows):
        estimated.text(f"Estimated share of each label, from {stratum} records")
        with estimated:
            draw_chart(chart, key="prevalence", alt="Estimated share of each label with its interval")
            measured_link("Prevalence")
    with st.expander("The numbers"):
        st.dataframe([asdict(row) for row in counts], key="balance-table", hide_index=True)


def draw_confusion(server: ProjectServer, stratum: str) -> None:
    """Which labels are taken for which; a click on a cell or a link opens its records."""
    cells = error_analysis.confusion(server.project, stratum)
    wrong = error_analysis.most_confused(cells)
    st.text(f"Most often confused, on {stratum} records:" if wrong else f"No {stratum} record got a wrong label.")
    for cell in wrong[:MOST_PAIRS]:
        words = f"{cell.records:,}: {escaped(cell.truth)} taken for {escaped(cell.predicted)}"
        st.page_link(
            RECORDS,
            label=words,
            query_params=_query(cell.truth_id, cell.predicted_id, stratum),
            icon=":material/arrow_forward:",
        )
    measure = st.segmented_control(
        "In the cells",
        list(MEASURES),
        default="records",
        required=True,
        format_func=MEASURES.__getitem__,
        key="measure",
    )
    shown = error_analysis.heat_cells(cells, measure or "records")
    order = error_analysis.label_order(server.settings().taxonomy, shown)
    chart = confusion_chart(shown, order, measure or "records")
    selected = draw_chart(chart, key="confusion", on_select="rerun", alt="True labels against the model's")
    for cell in selected.selection.get("cell", ()):
        open_cell(cell, stratum)
    there = {label for cell in cells if cell.records for label in (cell.truth_id, cell.predicted_id)}
    some = f" Of {len(there)} labels the {len(order)} that are confused most." if len(there) > len(order) else ""
    st.caption(f"Darker is a larger part of the true label. A click opens the records of a cell.{some}")
    measured_link("Two kinds of labels")
    with st.expander("The numbers"):
        st.dataframe(confusion_rows(cells), key="confusion-table", hide_index=True)


def confusion_rows(cells: Sequence[Confusion]) -> list[dict[str, str | float]]:
    """As a table shows them."""
    return [
        {"truth": cell.truth, "predicted": cell.predicted, "records": cell.records, "share": cell.share}
        for cell in cells
    ]


def open_cell(cell: Mapping[str, str], stratum: str) -> NoReturn:
    """Opens the records with this true and predicted label. cell: as the chart gives it."""
    st.switch_page(RECORDS, query_params=_query(cell["truth_id"], cell["predicted_id"], stratum))


def _query(truth: str | None, predicted: str | None, stratum: str) -> dict[str, str]:
    """Search parameters; for a cell without a true or predicted label, the other one alone."""
    sides = {"truth": truth, "predicted": predicted}
    return {"stratum": stratum, **{side: label for side, label in sides.items() if label}}


def draw_calibration(server: ProjectServer, stratum: str) -> None:
    """The calibration chart."""
    report = error_analysis.calibration(server.project, stratum)
    if report is None:
        st.info(f"{TOO_FEW.capitalize()}: fewer than {FEWEST} {stratum} records have a verdict with a probability.")
        return
    st.text(error_analysis.calibration_sentence(report, stratum))
    draw_chart(calibration_chart(report.bins), key="calibration", alt="Stated against actual certainty")
    measured_link("Calibration")
    with st.expander("The numbers"):
        st.dataframe([asdict(one) for one in report.bins], key="calibration-table", hide_index=True)


def draw_round(server: ProjectServer, batch: BatchSummary, *, opened: bool) -> None:
    """What a batch was chosen for, its self-test, and the proof that it can be chosen again."""
    warnings = batch.self_test.warnings
    title = f"Round {batch.round}: {batch.strategy}, {batch.size} records, {batch.answered} answered"
    with st.expander(title, expanded=opened, icon=":material/warning:" if warnings else None):
        st.text(overview.strategies().get(batch.strategy, batch.strategy))
        st.text(self_test_sentence(batch))
        for warning in warnings:
            st.warning(escaped(warning), icon=":material/warning:")
        link, again = st.columns(2)
        link.page_link(RECORDS, label="Its records", query_params={"batch": str(batch.round)}, icon=TABLE)
        pressed = has_right("manage") and again.button(
            "Choose again", key=f"again-{batch.round}", icon=":material/replay:", help="Changes nothing"
        )
        if pressed:
            _choose_again(server, batch.round)
        measured_link("Choosing again")
        st.caption(
            f"Seed {batch.seed}, model {escaped(batch.model or 'none yet')}, pool of {batch.pool:,} records, "
            f"{batch.made_at}; MD5 of the chosen rows {batch.rows_md5}. "
            f"In a terminal: `rondo rechoose {batch.round}`"
        )


def _choose_again(server: ProjectServer, number: int) -> None:
    try:
        with st.spinner("Choosing again from the stored seed"):
            result = server.do(require_right("manage"), rechoose, batch=number)
    except RondoError as error:
        st.error(escaped(error))
        return
    if result.same:
        st.success(f"The same {result.records:,} records in the same order.", icon=":material/check:")
    else:
        st.error(f"{result.other_records:,} of {result.records:,} records are others now.", icon=":material/error:")
