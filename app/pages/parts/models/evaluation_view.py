"""Pieces of a page: how a model was evaluated, two models compared, two encoders side by side. They compute nothing."""

from dataclasses import asdict
from typing import Any

import streamlit as st

from app.auth.identity import require_right
from app.background import ProjectServer
from app.charts.errors import calibration_chart, confusion_chart
from app.charts.evaluation import (
    difference_chart,
    encoder_bars,
    encoder_rows,
    label_bars,
    label_differences,
)
from app.pages.parts.chart_view import draw_chart
from app.pages.parts.data.import_source import draw_source
from app.pages.parts.round_view import confusion_rows
from app.pages.parts.widgets import measured_link
from core.errors import RondoError
from core.evaluation.reporting import in_words, shown, shown_label
from core.registry.evaluate import evaluate, saved_evaluations
from core.registry.evaluation_jobs import CompareEncodersResult, CompareResult, EvaluateResult
from core.reports import error_analysis
from core.reports.card_text import escaped
from core.reports.error_analysis import NamedScore

GOLD, AUDIT, SPLIT = "gold", "audit", "split"
WHERE = {GOLD: "gold records", AUDIT: "audit records", SPLIT: "records that training held out"}


def draw_evaluations(server: ProjectServer, model: str) -> None:
    """What was kept of this model's evaluations, one of them open, and a button for one more."""
    st.header("Evaluation")
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    on = left.selectbox("Evaluate on", list(WHERE), format_func=WHERE.__getitem__, key="evaluate-on")
    if right.button("Evaluate", key="evaluate", icon=":material/fact_check:", width="stretch"):
        _evaluate(server, model=model, on=on)
    with st.expander("Evaluate on a file of your own"):
        _draw_own_file(server, model)
    entries = {result.on: result for result in saved_evaluations(server.project, model)}
    if not entries:
        st.text("It was not evaluated yet. Press Evaluate.")
        return
    chosen = st.segmented_control(
        "Judged on",
        list(entries),
        default=next(iter(entries)),
        required=True,
        format_func=escaped,
        key="evaluated-on",
    )
    draw_evaluation(server, entries[chosen or next(iter(entries))])


def _draw_own_file(server: ProjectServer, model: str) -> None:
    """Texts with their true labels; the figures are kept with the model."""
    draft = draw_source(server, "evaluate")
    if draft is None or draft.preview is None:
        return
    columns = [one.name for one in draft.preview.columns]
    roles = {one.role: one.name for one in draft.preview.columns}
    boxes, picked = st.columns(3), {}
    for box, (role, title) in zip(boxes, (("text", "Text"), ("label", "True label"), ("id", "Id")), strict=True):
        index = columns.index(roles[role]) if role in roles else None
        key = f"evaluate-{role}-{draft.id}"
        picked[role] = box.selectbox(title, columns, index, key=key, placeholder="none")
    if st.button("Evaluate on it", key="evaluate-file", disabled=not (picked["text"] and picked["label"])):
        columns_of = {"text": [picked["text"]], "label": picked["label"], "id": picked["id"]}
        _evaluate(server, model=model, on=draft.source, **columns_of)


def _evaluate(server: ProjectServer, **options: Any) -> None:
    try:
        with st.spinner("Evaluating"):
            server.do(require_right("manage"), evaluate, **options, save=True)
    except RondoError as error:
        st.error(escaped(error))


def draw_evaluation(server: ProjectServer, result: EvaluateResult) -> None:
    """Figures, labels, confusion, calibration and the worst misses, each with its numbers one click away."""
    st.caption(escaped(f"{result.n:,} records that judge; {result.made_at}. Intervals are 95 %."))
    for note in [*result.notes, *result.unsaid]:
        st.text(note)
    entries = {"Accuracy": result.accuracy, "Macro F1": result.macro_f1, "Micro F1": result.micro_f1}
    entries |= {f"True label among the {top.k} likeliest": top.accuracy for top in result.top}
    for one in result.levels:
        entries |= {
            f"Accuracy at level {one.level}": one.score.accuracy,
            f"Macro F1 at level {one.level}": one.score.macro_f1,
        }
    scores = [{"measure": name, "95 %": in_words(shown(one, result.n))} for name, one in entries.items()]
    st.dataframe(scores, key="evaluated-figures", hide_index=True, alt="Scores with their intervals")
    rows = [
        NamedScore(result.labels.get(label, label), label, shown_label(score, result.n))
        for label, score in result.per_label.items()
    ]
    if chart := label_bars(rows):
        draw_chart(chart, key="evaluated-labels", alt="F1 of each label with its interval, the worst first")
    with st.expander("The numbers per label"):
        table = error_analysis.label_table(rows)
        st.dataframe(table, key="evaluated-labels-table", hide_index=True, column_config={"f1": "F1"})
    _draw_confusion(server, result)
    if result.calibration is not None:
        st.text(error_analysis.calibration_sentence(result.calibration, result.on))
        measured_link("Calibration")
        bins = result.calibration.bins
        draw_chart(calibration_chart(bins), key="evaluated-calibration", alt="Stated against actual certainty")
        with st.expander("The numbers of the calibration"):
            st.dataframe([asdict(one) for one in bins], key="evaluated-calibration-table", hide_index=True)
    if result.worst:
        with st.expander("Surest and wrong"):
            columns = {"probability": st.column_config.NumberColumn(format="percent")}
            order = ("predicted", "truth", "probability", "text", "id")
            st.dataframe(
                [asdict(miss) for miss in result.worst],
                key="evaluated-worst",
                hide_index=True,
                column_config=columns,
                column_order=order,
            )


def _draw_confusion(server: ProjectServer, result: EvaluateResult) -> None:
    cells = error_analysis.heat_cells(result.confusion, "records")
    if not cells:
        return
    order = error_analysis.label_order(server.settings().taxonomy, cells)
    chart = confusion_chart(cells, order, "records")
    draw_chart(chart, key="evaluated-confusion", alt="True labels against the model's")
    with st.expander("The numbers of the matrix"):
        st.dataframe(confusion_rows(result.confusion), key="evaluated-confusion-table", hide_index=True)


def draw_comparison(result: CompareResult) -> None:
    """Two models on the same records: the difference, where it comes from, and records that only one gets right."""
    st.text(result.verdict)
    words = f"{result.n:,} {result.on} records; {result.only_first:,} only {result.first} gets right, "
    st.caption(escaped(f"{words}{result.only_second:,} only {result.second}."))
    for note in [*result.notes, *result.unsaid]:
        st.text(note)
    measured_link("Evaluating a model, comparing two")
    draw_chart(difference_chart(result), key="compared", alt="Second minus first, with intervals")
    if chart := label_differences(result):
        draw_chart(chart, key="compared-labels", alt="Difference of F1 per label, with intervals")
    with st.expander("The numbers of the comparison"):
        st.dataframe([asdict(row) for row in result.per_label], key="compared-table", hide_index=True)
    if result.examples:
        with st.expander("Records that only one of them gets right"):
            st.dataframe([asdict(one) for one in result.examples], key="compared-examples", hide_index=True)


def draw_encoders(result: CompareEncodersResult) -> None:
    """Two encoders on the same labelled records."""
    st.text(f"{result.records:,} records of {result.labels} labels, {result.on}.")
    st.text(result.verdict)
    st.caption(
        f"Purity of {result.clusters:,} clusters; chance alone gives {result.chance.purity:.1%} or a little more."
    )
    for note in result.notes:
        st.text(note)
    draw_chart(encoder_bars(result), key="encoders", alt="Two encoders side by side, with intervals")
    with st.expander("The numbers of the encoders"):
        st.dataframe(encoder_rows(result), key="encoders-table", hide_index=True)
