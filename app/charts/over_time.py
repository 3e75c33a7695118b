"""The picture of champions over time. Takes plain rows."""

from collections.abc import Sequence
from dataclasses import asdict

import altair as alt

from app.charts.axes import percent, zoomed_to
from core.evaluation.reporting import shown
from core.registry.predictions import AccuracyPoint

BLUE = "#2f6fed"


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
        y=alt.Y("low:Q", title=title, scale=zoomed_to(drawn), axis=percent()), y2="high:Q"
    )
    line = base.mark_line(color=BLUE, point={"filled": True, "color": BLUE, "size": 60}).encode(y="value:Q")
    return (spans + line).properties(height=240)
