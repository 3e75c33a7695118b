"""Pictures of what `evaluate` and `compare` return: labels, differences, encoders. Knows no project."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import altair as alt

from app.charts.axes import Rows, percent, zoomed_to
from core.evaluation.metrics import Estimate
from core.registry.evaluation_jobs import CompareEncodersResult, CompareResult
from core.reports.error_analysis import NamedScore

BLUE, ORANGE, GREY = "#2f6fed", "#d9822b", "#8a94a3"
MOST_BARS = 30
"""labels in a picture; the table beside it has all of them"""
_ESTIMATE = ("value", "low", "high")


def label_bars(rows: Sequence[NamedScore]) -> alt.LayerChart | None:
    """F1 of each label with its interval, the worst first; None where no label has a figure."""
    result: list[dict[str, Any]] = [
        {"label": row.label, "records": row.score.records, **asdict(row.score.f1)} for row in rows if row.score.f1
    ]
    if not result:
        return None
    result.sort(key=lambda row: row["value"])
    return _bars(result[:MOST_BARS], "F1, 95 %")


def score_bars(rows: Sequence[tuple[str, int, Estimate]], title: str) -> alt.LayerChart:
    """A dot on its interval for each (name, records, score from 0 to 1)."""
    values = [{"label": name, "records": records, **asdict(score)} for name, records, score in rows[:MOST_BARS]]
    return _bars(values, title)


def examples_chart(rows: Sequence[tuple[int, Estimate]]) -> alt.LayerChart | None:
    """F1 with its interval by the examples that each model was tuned on; None of fewer than two numbers of them."""
    if len({examples for examples, _ in rows}) < 2:
        return None
    values = [{"examples": examples, **asdict(score)} for examples, score in rows]
    base = alt.Chart(alt.Data(values=values)).encode(
        x=alt.X("examples:Q", title="examples that it was tuned on", axis=alt.Axis(tickMinStep=1)),
        tooltip=["examples:Q", *_tooltips(".1%")],
    )
    y = alt.Y("value:Q", title="mean F1 of the fields, 95 %", scale=zoomed_to(values), axis=percent())
    spans = base.mark_rule(color=BLUE, strokeWidth=2).encode(y=alt.Y("low:Q"), y2="high:Q")
    line = base.mark_line(color=BLUE, opacity=0.5).encode(y=y)
    return (line + spans + base.mark_point(color=BLUE, filled=True, size=60).encode(y=y)).properties(height=220)


def _bars(rows: Rows, title: str) -> alt.LayerChart:
    base = alt.Chart(alt.Data(values=[dict(row) for row in rows])).encode(
        y=alt.Y("label:N", sort=None, title=None, axis=alt.Axis(labelLimit=180)),
        tooltip=["label:N", *_tooltips(".1%"), alt.Tooltip("records:Q", format=",")],
    )
    spans = base.mark_rule(color=BLUE, strokeWidth=6, opacity=0.4).encode(
        x=alt.X("low:Q", title=title, scale=zoomed_to(rows), axis=percent()), x2="high:Q"
    )
    dots = base.mark_point(color=BLUE, filled=True, size=70, opacity=1).encode(x="value:Q")
    return (spans + dots).properties(height=alt.Step(22))


def difference_chart(result: CompareResult) -> alt.LayerChart:
    """Accuracy and macro F1 of the second minus the first, with intervals; right of the rule the second is better."""
    measures = {"accuracy": result.accuracy, "macro F1": result.macro_f1}
    rows = [{"label": name, **asdict(measure)} for name, measure in measures.items()]
    return differences(rows, f"{result.second} minus {result.first}, 95 %")


def label_differences(result: CompareResult) -> alt.LayerChart | None:
    """F1 of each label, second minus first; those that differ most come first."""
    rows = sorted(result.per_label, key=lambda row: -abs(row.value))[:MOST_BARS]
    shown = [asdict(row) for row in rows if row.high - row.low < 2]
    return differences(shown, "F1 of the second minus the first, 95 %") if shown else None


def gate_chart(difference: Estimate, measure: str) -> alt.LayerChart:
    """The gate's figure of the challenger minus the champion's. measure: in words."""
    title = "challenger minus champion, 95 % (right of 0 it is better)"
    return differences([{"label": measure, **asdict(difference)}], title)


def reach_of(rows: Rows) -> float:
    """How far the picture reaches on both sides of zero: past every interval, and never less than two points."""
    return max(0.02, *(1.1 * abs(float(row[name])) for row in rows for name in _ESTIMATE))


def differences(rows: Rows, title: str) -> alt.LayerChart:
    """Each row's difference with its interval, around a rule at zero. rows: label, value, low, high."""
    reach = reach_of(rows)
    base = alt.Chart(alt.Data(values=[dict(row) for row in rows])).encode(
        y=alt.Y("label:N", sort=None, title=None, axis=alt.Axis(labelLimit=180)),
        tooltip=[
            alt.Tooltip("label:N", title="of"),
            *_tooltips("+.1%"),
            *(alt.Tooltip(f"{side}:Q", format=".1%") for side in ("first", "second") if side in rows[0]),
        ],
    )
    axis = alt.Axis(format="+.1%", tickCount=5)
    spans = base.mark_rule(color=BLUE, strokeWidth=6, opacity=0.4).encode(
        x=alt.X("low:Q", title=title, scale=alt.Scale(domain=[-reach, reach]), axis=axis), x2="high:Q"
    )
    points = base.mark_point(color=BLUE, filled=True, size=90, opacity=1).encode(x="value:Q")
    zero = alt.Chart(alt.Data(values=[{"same": 0}])).mark_rule(color=GREY, strokeDash=[4, 4]).encode(x="same:Q")
    return (zero + spans + points).properties(height=alt.Step(26))


def encoder_bars(result: CompareEncodersResult) -> alt.LayerChart:
    """Two encoders side by side in every measure, with intervals."""
    names = list(dict.fromkeys(row.encoder for row in result.rows))
    rows = encoder_rows(result)
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y("measure:N", sort=None, title=None, axis=alt.Axis(labelLimit=180)),
        yOffset=alt.YOffset("encoder:N", sort=names),
        color=alt.Color(
            "encoder:N",
            scale=alt.Scale(domain=names, range=[BLUE, ORANGE][: len(names)]),
            legend=alt.Legend(orient="top", title=None, labelLimit=300),
        ),
        tooltip=["encoder:N", "measure:N", *_tooltips(".1%")],
    )
    spans = base.mark_rule(strokeWidth=6, opacity=0.4).encode(
        x=alt.X("low:Q", title="95 % intervals", scale=alt.Scale(zero=False), axis=percent()), x2="high:Q"
    )
    dots = base.mark_point(filled=True, size=70, opacity=1).encode(x="value:Q")
    return (spans + dots).properties(height=alt.Step(18, **{"for": "offset"}))


def encoder_rows(result: CompareEncodersResult) -> list[dict[str, Any]]:
    """One row per measure and encoder."""
    rows = []
    for measure in ("nearest neighbours", "cluster purity", "silhouette"):
        for row in result.rows:
            of = {"nearest neighbours": row.knn_accuracy, "cluster purity": row.purity, "silhouette": row.silhouette}
            rows.append({"measure": measure, "encoder": row.encoder, **asdict(of[measure])})
    few = [(row.encoder, one) for row in result.rows for one in row.few_label_accuracy]
    for encoder, one in sorted(few, key=lambda pair: pair[1].per_label):
        estimate = {"value": one.value, "low": one.low, "high": one.high}
        rows.append({"measure": f"head from {one.per_label} of each label", "encoder": encoder, **estimate})
    return rows


def _tooltips(form: str) -> Sequence[alt.Tooltip]:
    titles = {"value": "value", "low": "at least", "high": "at most"}
    return [alt.Tooltip(f"{name}:Q", title=title, format=form) for name, title in titles.items()]
