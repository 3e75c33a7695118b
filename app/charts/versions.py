"""Pictures of models: versions side by side, a champion over time. Takes plain rows."""

from collections.abc import Sequence
from dataclasses import asdict

import altair as alt

from app.charts.quality import Rows
from core.evaluation.reporting import shown
from core.registry.predictions import AccuracyPoint

BLUE, ORANGE = "#2f6fed", "#d9822b"
_UNIT = alt.Scale(domain=[0, 1])


def versions_chart(rows: Rows, measure: str) -> alt.LayerChart | None:
    """What versions are compared by, with its interval, in the order given; the champion is a diamond. None without
    figures.

    measure: in words. rows: model, state, champion (bool), value, low, high, on.
    """
    if not rows:
        return None
    base = alt.Chart(alt.Data(values=list(rows))).encode(
        y=alt.Y("model:N", sort=None, title=None, axis=alt.Axis(labelLimit=230)),
        tooltip=[
            "model:N",
            "state:N",
            alt.Tooltip("on:N", title="judged on"),
            *(alt.Tooltip(f"{name}:Q", format=".1%") for name in ("value", "low", "high")),
        ],
    )
    spans = base.mark_rule(color=BLUE).encode(
        x=alt.X("low:Q", title=f"{measure}, 95 %", scale=_UNIT, axis=_percent()), x2="high:Q"
    )
    shape = alt.when(alt.datum.champion).then(alt.value("diamond")).otherwise(alt.value("circle"))
    colour = alt.when(alt.datum.champion).then(alt.value(ORANGE)).otherwise(alt.value(BLUE))
    points = base.mark_point(filled=True, size=90, opacity=1).encode(x="value:Q", shape=shape, color=colour)
    return (spans + points).properties(height=alt.Step(24))


def over_time_chart(points: Sequence[AccuracyPoint], by: str) -> alt.LayerChart | None:
    """Share of the champions' predictions of audit records that proved right, with 95 % intervals; None without any.
    Points of too few records are left out. by: round or week.
    """
    drawn = [
        {**asdict(accuracy), "when": point.when, "n": point.n, "model": point.model}
        for point in points
        if (accuracy := shown(point.accuracy, point.n))
    ]
    if not drawn:
        return None
    base = alt.Chart(alt.Data(values=drawn)).encode(
        x=alt.X("when:O", title=by, sort=None, axis=alt.Axis(labelAngle=0, labelOverlap=True)),
        tooltip=[
            alt.Tooltip("when:N", title=by),
            "model:N",
            alt.Tooltip("n:Q", title="audit records", format=","),
            *(alt.Tooltip(f"{name}:Q", format=".1%") for name in ("value", "low", "high")),
        ],
    )
    title = "share right, 95 %"
    spans = base.mark_rule(color=BLUE, opacity=0.6).encode(
        y=alt.Y("low:Q", title=title, scale=_UNIT, axis=_percent()), y2="high:Q"
    )
    line = base.mark_line(color=BLUE, point={"filled": True, "color": BLUE, "size": 60}).encode(y="value:Q")
    return (spans + line).properties(height=240)


def _percent() -> alt.Axis:
    return alt.Axis(format="%", tickCount=5)
