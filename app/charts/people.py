"""Pictures of a team: pace over time, agreement with intervals, two people against each other. Knows no project."""

from math import floor

import altair as alt

from app.charts.quality import GREY
from core.agreement.agreement import LabelAgreement, PairAgreement, SharedAnswers
from core.agreement.pace import AnswersAt

BLUE = "#2f6fed"
CELL, HEAD = 30, 110
"""pixels of a cell, and of the names above the cells"""


def pace_chart(rows: list[AnswersAt]) -> alt.Chart:
    """Answers over time, stacked by person."""
    return (
        alt.Chart(alt.Data(values=[vars(row) for row in rows]))
        .mark_bar()
        .encode(
            x=alt.X("at:T", title=None),
            y=alt.Y("answers:Q", title="answers", axis=alt.Axis(format=",d", tickMinStep=1)),
            color=alt.Color("annotator:N", legend=alt.Legend(orient="top", title=None, labelLimit=140)),
            tooltip=["annotator:N", alt.Tooltip("at:T", format="%Y-%m-%d %H:%M"), alt.Tooltip("answers:Q", format=",")],
        )
        .properties(height=220)
    )


def alpha_chart(labels: list[LabelAgreement]) -> alt.LayerChart | None:
    """Alpha of each label with its interval, the least agreed first; the rule is where it can be relied on.

    None where no label has an alpha.
    """
    rows = [{"label": one.label, **vars(one.agreement)} for one in labels if one.agreement.value is not None]
    if not rows:
        return None
    least = min(row["value"] if row["low"] is None else row["low"] for row in rows)
    lowest = min(0.7, floor(10 * least) / 10)  # the rule stays in sight
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y("label:N", sort=None, title=None, axis=alt.Axis(labelLimit=180)),
        tooltip=[
            "label:N",
            alt.Tooltip("value:Q", title="alpha", format=".2f"),
            alt.Tooltip("low:Q", title="at least", format=".2f"),
            alt.Tooltip("high:Q", title="at most", format=".2f"),
            alt.Tooltip("records:Q", title="shared records", format=","),
        ],
    )
    scale = alt.Scale(domain=[lowest, 1])
    spans = base.mark_rule(color=BLUE, strokeWidth=6, opacity=0.4).encode(
        x=alt.X("low:Q", title="Krippendorff's alpha, 95 %", scale=scale, axis=alt.Axis(tickCount=5)), x2="high:Q"
    )
    points = base.mark_point(color=BLUE, filled=True, size=90, opacity=1).encode(x=alt.X("value:Q", scale=scale))
    enough = alt.Chart(alt.Data(values=[{"enough": 0.8}])).mark_rule(color=GREY, strokeDash=[4, 4])
    return (enough.encode(x=alt.X("enough:Q", scale=scale)) + spans + points).properties(height=alt.Step(26))


def kappa_chart(pairs: list[PairAgreement], people: list[str]) -> alt.LayerChart:
    """A cell per two people, darker the more they agree; without a figure where kappa is undefined."""
    cells = [
        {"first": first, "second": second, **vars(pair.kappa)}
        for pair in pairs
        if pair.kappa.value is not None
        for first, second in ((pair.first, pair.second), (pair.second, pair.first))
    ]
    return _cells(
        cells,
        people,
        people,
        alt.Tooltip("value:Q", title="kappa", format=".2f"),
        alt.Tooltip("records:Q", title="shared records", format=","),
        alt.Tooltip("same:Q", title="same answer", format=".0%"),
    )


def two_people_chart(rows: list[SharedAnswers], first: str, second: str) -> alt.LayerChart:
    """What one person answered (down) where the other answered what (across)."""
    most = max((row.records for row in rows), default=1)
    cells = [{**vars(row), "value": row.records / most} for row in rows]
    order = sorted({side for row in rows for side in (row.first, row.second)})
    return _cells(
        cells,
        order,
        order,
        alt.Tooltip("first:N", title=first),
        alt.Tooltip("second:N", title=second),
        alt.Tooltip("records:Q", format=","),
        figure="records",
    )


def _cells(
    cells: list[dict[str, object]], down: list[str], across: list[str], *tooltip: alt.Tooltip, figure: str = "value"
) -> alt.LayerChart:
    """value: 0..1 for the shade."""
    plain = {"labelLimit": 100, "labelOverlap": False, "domain": False}
    sides = alt.Axis(**plain)
    names = alt.Axis(orient="top", labelAngle=-90, **plain)
    base = alt.Chart(alt.Data(values=cells)).encode(
        x=alt.X("second:N", sort=across, scale=alt.Scale(domain=across), title=None, axis=names),
        y=alt.Y("first:N", sort=down, scale=alt.Scale(domain=down), title=None, axis=sides),
        tooltip=[alt.Tooltip("first:N"), alt.Tooltip("second:N"), *tooltip] if figure == "value" else list(tooltip),
    )
    shade = alt.Scale(domain=[0, 1], range=["#dbe7fb", "#1d4fb8"], clamp=True)
    boxes = base.mark_rect(cornerRadius=2).encode(color=alt.Color("value:Q", scale=shade, legend=None))
    ink = alt.when(alt.datum.value > 0.5).then(alt.value("white")).otherwise(alt.value("#14233c"))
    form = ".2f" if figure == "value" else ",d"
    text = base.mark_text(fontSize=alt.expr("min(11, 0.4 * bandwidth('x'))")).encode(
        text=alt.Text(f"{figure}:Q", format=form), color=ink
    )
    return (boxes + text).properties(height=CELL * len(down) + HEAD)
