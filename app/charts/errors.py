"""Pictures of where a model errs: confused labels, calibration, prevalence. Takes plain rows, knows no project."""

from collections.abc import Sequence
from dataclasses import asdict

import altair as alt

from app.charts.axes import percent, word_at, zoomed
from core.evaluation.metrics import Bin
from core.reports.error_analysis import HeatCell, NamedScore

BLUE = "#2f6fed"
GREY = "#8a94a3"
CELL, HEAD = 30, 150
"""pixels of a cell, and of the names above the cells"""


def confusion_chart(cells: Sequence[HeatCell], order: Sequence[str], measure: str) -> alt.LayerChart:
    """A cell per pair of true and predicted label, darker the larger its share of the true label. A click selects one.

    measure: `records` or `share`, what stands in the cells. The selection's name is `cell`.
    """
    rows = [
        {
            **asdict(cell.pair),
            "truth_id": cell.pair.truth_id or "",
            "predicted_id": cell.pair.predicted_id or "",
            "of_truth": cell.of_truth,
        }
        for cell in cells
    ]
    plain = {"labelLimit": 100, "labelOverlap": False, "labelFlush": False, "tickBand": "extent", "domain": False}
    names, sides = alt.Axis(orient="top", labelAngle=-90, **plain), alt.Axis(**plain)
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X(
            "predicted:N", sort=list(order), scale=alt.Scale(domain=list(order)), title="the model says", axis=names
        ),
        y=alt.Y("truth:N", sort=list(order), scale=alt.Scale(domain=list(order)), title="true label", axis=sides),
        tooltip=[
            alt.Tooltip("truth:N", title="true label"),
            alt.Tooltip("predicted:N", title="the model says"),
            alt.Tooltip("records:Q", format=","),
            alt.Tooltip("share:Q", format=".2%", title="share of all records"),
            alt.Tooltip("of_truth:Q", format=".1%", title="share of the true label"),
        ],
    )
    selected = alt.selection_point(name="cell", fields=["truth_id", "predicted_id"], empty=False)
    boxes = base.mark_rect(cursor="pointer", cornerRadius=2).encode(
        color=alt.Color("of_truth:Q", scale=alt.Scale(domain=[0, 1], range=["#dbe7fb", "#1d4fb8"]), legend=None)
    )
    figure = alt.Text("share:Q", format=".1%") if measure == "share" else alt.Text("records:Q", format=",")
    ink = alt.when(alt.datum.of_truth > 0.5).then(alt.value("white")).otherwise(alt.value("#14233c"))
    size = alt.expr(f"min(11, {0.42 if measure == 'share' else 0.6} * bandwidth('x'))")  # of a narrow screen's cells
    figures = base.mark_text(fontSize=size, cursor="pointer").encode(text=figure, color=ink)
    return (boxes.add_params(selected) + figures).properties(height=CELL * len(order) + HEAD)


def calibration_chart(bins: Sequence[Bin]) -> alt.LayerChart:
    """Predicted confidence against accuracy: on the dashed line the model is calibrated."""
    unit = zoomed([min(one.stated, one.low) for one in bins])
    least = float(unit.domain[0])
    x = "how sure the model says it is"
    base = alt.Chart(alt.Data(values=[asdict(one) for one in bins])).encode(
        x=alt.X("stated:Q", scale=unit, title=x, axis=percent()),
        tooltip=[
            alt.Tooltip("stated:Q", format=".1%"),
            alt.Tooltip("right:Q", format=".1%"),
            alt.Tooltip("low:Q", format=".1%"),
            alt.Tooltip("high:Q", format=".1%"),
            alt.Tooltip("records:Q", format=","),
        ],
    )
    title = "how often it is right, 95 %"
    right = alt.Y("right:Q", scale=unit, title=title, axis=alt.Axis(format="%"))
    spans = base.mark_rule(color=BLUE, strokeWidth=1.5).encode(y=alt.Y("low:Q", title=title, scale=unit), y2="high:Q")
    points = base.mark_point(color=BLUE, filled=True, opacity=1).encode(
        y=right, size=alt.Size("records:Q", scale=alt.Scale(domainMin=0, range=[30, 160]), legend=None)
    )
    ends = alt.Chart(alt.Data(values=[{"at": least}, {"at": 1}]))
    ideal = ends.mark_line(color=GREY, strokeDash=[4, 4]).encode(x="at:Q", y=alt.Y("at:Q", title=title, scale=unit))
    at = least + 0.75 * (1 - least)
    words = word_at(at, at, "stated = right", dy=10).encode(
        y=alt.Y("y:Q", title=title, scale=unit), x=alt.X("x:Q", title=x)
    )
    return (ideal + words + spans + points).properties(height=300)


def prevalence_chart(labels: Sequence[NamedScore]) -> alt.LayerChart | None:
    """The estimated share of each label among all records, with its 95 % interval; None where no row has one."""
    rows = [{"label": row.label, **asdict(row.score.prevalence)} for row in labels if row.score.prevalence]
    if not rows:
        return None
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y("label:N", sort=None, title=None, axis=alt.Axis(labelLimit=180)),
        tooltip=[
            "label:N",
            alt.Tooltip("value:Q", format=".2%", title="share"),
            alt.Tooltip("low:Q", format=".2%"),
            alt.Tooltip("high:Q", format=".2%"),
        ],
    )
    title = "share of all records, 95 %"
    spans = base.mark_rule(color=BLUE).encode(x=alt.X("low:Q", title=title, axis=alt.Axis(format="%")), x2="high:Q")
    points = base.mark_point(color=BLUE, filled=True, size=60, opacity=1).encode(x="value:Q")
    return (spans + points).properties(height=alt.Step(22))
