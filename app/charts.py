"""Pictures of what core reports: each takes plain rows and returns an Altair chart. Knows no project."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

Rows = Sequence[Mapping[str, Any]]
STRATA = {"audit": "#2f6fed", "gold": "#d9822b"}


def learning_chart(curve: Rows) -> alt.LayerChart | None:
    """Macro F1 over labels with its 95 % band, one line per stratum; None while nothing was measured."""
    rows = [
        {
            "labels": point["labels"],
            "stratum": stratum,
            "macro F1": point[stratum]["macro_f1"]["value"],
            "low": point[stratum]["macro_f1"]["low"],
            "high": point[stratum]["macro_f1"]["high"],
            "records": point[stratum]["n"],
            "accuracy": point[stratum]["accuracy"]["value"],
        }
        for point in curve
        for stratum in STRATA
        if stratum in point
    ]
    if not rows:
        return None
    colour = alt.Color(
        "stratum:N",
        scale=alt.Scale(domain=list(STRATA), range=list(STRATA.values())),
        legend=alt.Legend(orient="top", title=None, symbolOpacity=1),
    )
    axis = alt.Axis(format=",d", tickMinStep=1)
    learnt = alt.X("labels:Q", title="labels learnt from", axis=axis)
    base = alt.Chart(alt.Data(values=rows)).encode(x=learnt, color=colour)
    band = base.mark_area(opacity=0.18).encode(
        y=alt.Y(
            "low:Q", title="macro F1 with 95 % interval", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%")
        ),
        y2="high:Q",
    )
    line = base.mark_line(point=True).encode(
        y="macro F1:Q",
        tooltip=[
            "stratum:N",
            "labels:Q",
            alt.Tooltip("macro F1:Q", format=".1%"),
            alt.Tooltip("accuracy:Q", format=".1%"),
            "records:Q",
        ],
    )
    return (band + line).properties(height=280)


def balance_chart(counts: Rows) -> alt.Chart:
    """Labels given and labels suggested, side by side for each label."""
    rows = [
        {"label": row["label"], "kind": kind, "records": row[kind]}
        for row in counts
        for kind in ("labelled", "suggested")
    ]
    return (
        alt.Chart(alt.Data(values=rows))
        .mark_bar()
        .encode(
            y=alt.Y("label:N", sort=None, title=None, axis=alt.Axis(labelLimit=180)),
            x=alt.X("records:Q", stack=True),
            color=alt.Color(
                "kind:N",
                scale=alt.Scale(domain=["labelled", "suggested"], range=["#2f6fed", "#a9c1f5"]),
                legend=alt.Legend(orient="top", title=None),
            ),
            tooltip=["label:N", "kind:N", "records:Q"],
        )
        .properties(height=alt.Step(22))
    )


def queue_chart(figures: Mapping[str, Any]) -> alt.Chart:
    """Where every record is: labelled, gold, in the queue, in the pool."""
    rest = figures["records"] - figures["labelled"] - figures["gold"] - figures["queued"]
    rows = [
        {"where": "labelled", "records": figures["labelled"], "order": 0, "row": ""},
        {"where": "gold", "records": figures["gold"], "order": 1, "row": ""},
        {"where": "in the queue", "records": figures["queued"], "order": 2, "row": ""},
        {"where": "not asked", "records": max(rest, 0), "order": 3, "row": ""},
    ]
    return (
        alt.Chart(alt.Data(values=rows))
        .mark_bar(size=26)
        .encode(
            y=alt.Y("row:N", title=None, axis=None),
            x=alt.X("records:Q", stack="normalize", title=None, axis=alt.Axis(format="%", grid=False)),
            color=alt.Color(
                "where:N",
                scale=alt.Scale(
                    domain=[row["where"] for row in rows], range=["#2f6fed", "#d9822b", "#3aa76d", "#9aa5b1"]
                ),
                legend=alt.Legend(orient="top", title=None),
            ),
            order=alt.Order("order:Q"),
            tooltip=["where:N", "records:Q"],
        )
        .properties(height=64)
    )


def replay_chart(told: Mapping[str, Any]) -> alt.LayerChart:
    """Macro F1 over labels per strategy, mean and spread over seeds, with 95 % of all labels' score as a rule."""
    rows = [
        {"strategy": name, "labels": labels, "macro F1": value}
        for name, one in told["strategies"].items()
        for curve in one["macro_f1"]
        for labels, value in zip(one["labels"], curve, strict=False)
    ]
    base = alt.Chart(alt.Data(values=rows)).encode(x="labels:Q", color="strategy:N")
    band = base.mark_errorband(extent="stdev", opacity=0.2).encode(y=alt.Y("macro F1:Q", scale=alt.Scale(zero=False)))
    line = base.mark_line().encode(y="mean(macro F1):Q")
    target = alt.Chart(alt.Data(values=[{"target": 0.95 * told["full"]["macro_f1"]}]))
    rule = target.mark_rule(strokeDash=[4, 4]).encode(y="target:Q")
    return (band + line + rule).properties(width=520, height=300)
