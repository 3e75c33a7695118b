"""Pictures of a training run: its loss and how it fares on records held out. Takes plain rows, knows no job."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from app.charts.axes import Rows, line_names, zoomed_to

BLUE, ORANGE, GREEN = "#2f6fed", "#d9822b", "#3aa76d"
LOSSES = {"loss": "training", "eval_loss": "held out"}
SCORES = {
    "eval_macro_f1": "macro F1",
    "eval_accuracy": "accuracy",
    "eval_validity": "valid answers",
    "eval_exact": "wholly right answers",
}
"""of a classifier the first two, of a language model the others: the colours repeat"""
_WHOLE, _BROKEN = [1, 0], [6, 3]
_DASHES = {"training": _WHOLE, "held out": _BROKEN} | dict(
    zip(SCORES.values(), (_WHOLE, _BROKEN, _WHOLE, _BROKEN), strict=True)
)


def loss_chart(events: Rows) -> alt.LayerChart | None:
    """Loss over steps, in training and on records held out; None without any. events: a job's, oldest first."""
    return _curve(events, LOSSES, alt.Y("value:Q", title="loss", scale=alt.Scale(zero=False)), (BLUE, ORANGE))


def evaluation_chart(events: Rows) -> alt.LayerChart | None:
    """Scores on the records held out, over steps; None without any."""
    axis, scale = alt.Axis(format="%"), alt.Scale(zero=False, domainMax=1)
    return _curve(
        events,
        SCORES,
        alt.Y("value:Q", title="on records held out", scale=scale, axis=axis),
        (GREEN, BLUE, GREEN, BLUE),
    )


def search_chart(runs: Rows) -> alt.LayerChart | None:
    """Macro F1 of each run of a search with its 95 % interval, best first; None while no run has any."""
    rows = [{"run": run["run"], **run["macro_f1"]} for run in runs if run.get("macro_f1")]
    if not rows:
        return None
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y("run:N", sort=alt.EncodingSortField("value", order="descending"), title=None),
        tooltip=["run:N", *(alt.Tooltip(f"{name}:Q", format=".1%") for name in ("value", "low", "high"))],
    )
    axis, unit = alt.Axis(format="%"), zoomed_to(rows)
    title = "macro F1 on records held out, 95 %"
    spans = base.mark_rule(color=BLUE).encode(x=alt.X("low:Q", title=title, axis=axis, scale=unit), x2="high:Q")
    points = base.mark_point(color=BLUE, filled=True, size=60, opacity=1).encode(x="value:Q")
    return (spans + points).properties(height=alt.Step(24))


def points_of(events: Rows, names: Mapping[str, str]) -> list[dict[str, Any]]:
    """One row per reported figure, (step, figure, value), without NaN and infinity."""
    return [
        {"step": event["done"], "figure": title, "value": value, "epoch": event.get("epoch")}
        for event in events
        for name, title in names.items()
        if isinstance(value := event.get(name), int | float) and abs(value) < float("inf")
    ]


def _curve(events: Rows, names: Mapping[str, str], y: alt.Y, colours: Sequence[str]) -> alt.LayerChart | None:
    """Figures differ by dash as well as by colour."""
    rows = points_of(events, names)
    if not rows:
        return None
    there = [title for title in names.values() if any(row["figure"] == title for row in rows)]
    palette = dict(zip(names.values(), colours, strict=True))
    whole = alt.Scale(domain=[0, max(1, *(event.get("total", 0) for event in events))], nice=False)
    colour = alt.Color("figure:N", scale=alt.Scale(domain=there, range=[palette[one] for one in there]), legend=None)
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("step:Q", title="step", axis=alt.Axis(format=",d", tickMinStep=1), scale=whole),
        y=y,
        color=colour,
        tooltip=["figure:N", alt.Tooltip("step:Q", format=",d"), "epoch:Q", alt.Tooltip("value:Q", format=".4~f")],
    )
    dash = alt.StrokeDash("figure:N", scale=alt.Scale(domain=there, range=[_DASHES[one] for one in there]), legend=None)
    names = line_names(rows, "step", "value", "figure", colour)
    points = base.mark_point(filled=True, opacity=1)
    return (base.mark_line().encode(strokeDash=dash) + points + names).properties(height=260)
