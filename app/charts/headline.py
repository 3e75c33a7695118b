"""The pictures of the Overview: the curve with what is expected, labels with their intervals. Knows no project."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import altair as alt

from app.charts.axes import INK, zoomed_to
from core.evaluation.metrics import Forecast
from core.reports.error_analysis import NamedScore
from core.reports.quality_news import CurvePoint

GREY = "#9aa0a8"
LINE = "#3b66dd"
"""on both schemes' backgrounds"""


def quality_curve(curve: Sequence[CurvePoint], forecast: Forecast | None, *, ahead: int) -> alt.LayerChart:
    """Accuracy by answers with its band, named where it stands now; dashed, what so many further ones would bring."""
    points = [asdict(point) for point in curve]
    last = curve[-1]
    base = alt.Chart(alt.Data(values=points)).encode(
        x=alt.X("answers:Q", title="labels", axis=alt.Axis(format=",d", tickMinStep=1, grid=False), scale=_wide())
    )
    shares = alt.Axis(format=".0%", tickCount=4, domain=False, ticks=False)
    scale = alt.Scale(zero=False, nice=True)
    band = base.mark_area(opacity=0.15, color=LINE).encode(
        y=alt.Y("low:Q", title=None, axis=shares, scale=scale), y2="high:Q"
    )
    tooltip = [alt.Tooltip("answers:Q", title="labels", format=","), *_shares("value", "low", "high")]
    line = base.mark_line(color=LINE, strokeWidth=2.5).encode(y=alt.Y("value:Q", scale=scale), tooltip=tooltip)
    dots = base.mark_point(color=LINE, filled=True, size=45, opacity=1).encode(y="value:Q", tooltip=tooltip)
    now = alt.Chart(alt.Data(values=[{**points[-1], "words": f"now {last.value:.0%}".replace("%", " %")}]))
    words = now.mark_text(align="right", dx=-6, dy=20, color=INK, fontSize=12).encode(
        x="answers:Q", y="value:Q", text="words:N"
    )
    layers = [band, line, dots, words, *_expected(forecast, last, ahead)]
    return alt.layer(*layers).properties(height=190, background="transparent")


def _wide() -> alt.Scale:
    return alt.Scale(nice=False, zero=False, padding=12)


def _shares(*names: str) -> list[alt.Tooltip]:
    return [alt.Tooltip(f"{name}:Q", format=".1%") for name in names]


def _expected(forecast: Forecast | None, last: CurvePoint, ahead: int) -> list[alt.Chart]:
    """From the last point on, moved to it: the fitted curve may lie a little beside it."""
    if forecast is None:
        return []
    steps = [step for step in forecast.line if last.answers <= step[0] <= last.answers + ahead]
    if len(steps) < 2:
        return []
    offset = last.value - steps[0][1]
    rows = [
        {"answers": labels, "value": value + offset, "low": low + offset, "high": high + offset}
        for labels, value, low, high in steps
    ]
    base = alt.Chart(alt.Data(values=rows)).encode(x="answers:Q")
    band = base.mark_area(opacity=0.1, color=LINE).encode(y="low:Q", y2="high:Q")
    line = base.mark_line(color=LINE, strokeWidth=2, strokeDash=[4, 4]).encode(y="value:Q")
    end = alt.Chart(alt.Data(values=[{**rows[-1], "words": "expected"}]))
    words = end.mark_text(align="right", dy=-16, color=INK, fontSize=12).encode(
        x="answers:Q", y="high:Q", text="words:N"
    )
    return [band, line, words]


def label_intervals(
    rows: Sequence[NamedScore], colours: Mapping[str, str], most: int | None = None
) -> alt.LayerChart | None:
    """F1 of each label as a dot in its colour on its 95 % interval, the weakest first; None where none has a figure."""
    shown = [
        {"label": row.label, "colour": colours.get(row.id, GREY), "records": row.score.records, **asdict(row.score.f1)}
        for row in rows
        if row.score.f1
    ]
    if not shown:
        return None
    shown.sort(key=lambda row: float(str(row["value"])))
    base = alt.Chart(alt.Data(values=shown[:most])).encode(
        y=alt.Y("label:N", sort=None, title=None, axis=alt.Axis(labelLimit=190, domain=False, ticks=False)),
        tooltip=["label:N", *_shares("value", "low", "high"), alt.Tooltip("records:Q", format=",")],
    )
    scale = zoomed_to(shown[:most])
    axis = alt.Axis(format=".0%", tickCount=5, domain=False, ticks=False, orient="top")
    spans = base.mark_bar(color=GREY, opacity=0.45, size=6, cornerRadius=3).encode(
        x=alt.X("low:Q", title="F1 with its 95 % interval", scale=scale, axis=axis), x2="high:Q"
    )
    dots = base.mark_point(filled=True, size=90, opacity=1).encode(
        x="value:Q", color=alt.Color("colour:N", scale=None, legend=None)
    )
    figures = base.mark_text(align="left", dx=9, color=INK).encode(x="high:Q", text=alt.Text("value:Q", format=".0%"))
    return (spans + dots + figures).properties(height=alt.Step(26), background="transparent")
