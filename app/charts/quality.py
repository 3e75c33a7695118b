"""Pictures of what core reports: each takes plain rows and returns an Altair chart. Knows no project."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import fmean

import altair as alt

from app.charts.axes import Rows, line_names, percent, word_at, zoomed
from core.data.balance import LabelBalance
from core.evaluation.metrics import Forecast, Savings
from core.evaluation.reporting import figures
from core.evaluation.stopping import Offer
from core.reports.model_quality import MeasuredModel
from core.reports.overview import LabelCount, Status

AUDIT, GAIN, RANDOM, GREY = "#2f6fed", "#3aa76d", "#d9822b", "#8a94a3"
_ESTIMATE = {"value": "score", "low": "at least", "high": "at most"}
STRATA = {"audit": AUDIT, "gold": RANDOM}


def learning_chart(curve: Sequence[MeasuredModel], measure: str) -> alt.LayerChart | None:
    """A score over labels with its 95 % band, one line per stratum; None without figures.

    measure: one of `curve_measures`. With too few records there is no point.
    """
    rows = []
    for model in curve:
        for stratum in STRATA:
            if (score := model.metrics.on(stratum)) and (figure := figures(score).get(measure)):
                rows.append({"labels": model.labels, "stratum": stratum, **asdict(figure), "records": score.n})
    if not rows:
        return None
    colour = alt.Color(
        "stratum:N",
        scale=alt.Scale(domain=list(STRATA), range=list(STRATA.values())),
        legend=None,
    )
    base = alt.Chart(alt.Data(values=rows)).encode(x=_labels_axis(), color=colour)
    axis = alt.Axis(format="%")
    band = base.mark_area(opacity=0.18).encode(
        y=alt.Y("low:Q", title=f"{measure} with 95 % interval", scale=alt.Scale(zero=False), axis=axis),
        y2="high:Q",
    )
    shares = [alt.Tooltip(f"{key}:Q", title=title, format=".1%") for key, title in _ESTIMATE.items()]
    line = base.mark_line(point=True).encode(y="value:Q", tooltip=["stratum:N", "labels:Q", *shares, "records:Q"])
    names = line_names(rows, "labels", "value", "stratum", colour)
    return (band + line + names).properties(height=280)


def forecast_chart(forecast: Forecast) -> alt.LayerChart:
    """Accuracy of each model so far, and the fitted curve with its 95 % band; beyond the dashed rule it is a
    forecast."""
    line = [dict(zip(("labels", "accuracy", "low", "high"), step, strict=True)) for step in forecast.line]
    points = [{"labels": labels, "accuracy": accuracy} for labels, accuracy in forecast.points]
    scale = zoomed([*(row["low"] for row in line), *(accuracy for _, accuracy in forecast.points)])
    base = alt.Chart(alt.Data(values=line)).encode(x=_labels_axis())
    band = base.mark_area(opacity=0.18, color=AUDIT).encode(
        y=alt.Y("low:Q", title="accuracy, 95 %", scale=scale, axis=percent()), y2="high:Q"
    )
    curve = base.mark_line(color=AUDIT).encode(
        y="accuracy:Q",
        tooltip=[
            alt.Tooltip("labels:Q", format=",.0f"),
            *(alt.Tooltip(f"{name}:Q", format=".1%") for name in ("accuracy", "low", "high")),
        ],
    )
    dots = alt.Chart(alt.Data(values=points)).mark_point(filled=True, color=AUDIT, size=50, opacity=1)
    dots = dots.encode(
        x="labels:Q", y="accuracy:Q", tooltip=[alt.Tooltip("labels:Q"), alt.Tooltip("accuracy:Q", format=".1%")]
    )
    now = alt.Chart(alt.Data(values=[{"labels": forecast.labels}])).mark_rule(strokeDash=[4, 4], color=GREY)
    words = word_at(forecast.labels, float(scale.domain[1]), "now; forecast from here", dy=10)
    return (band + curve + now.encode(x="labels:Q") + dots + words).properties(height=280)


def gain_chart(offers: Sequence[Offer], unit: str) -> alt.LayerChart:
    """Expected net gain of so many further labels with its 95 % band; below the rule going on costs more than it gains.

    unit: what the price was given in.
    """
    base = alt.Chart(alt.Data(values=[asdict(offer) for offer in offers])).encode(
        x=alt.X("more:Q", title="further labels")
    )
    band = base.mark_area(opacity=0.18, color=GAIN).encode(
        y=alt.Y("net_low:Q", title=f"net gain in {unit}, 95 %", axis=alt.Axis(format=",.0f")), y2="net_high:Q"
    )
    line = base.mark_line(color=GAIN, point={"filled": True, "color": GAIN}).encode(
        y="net:Q",
        tooltip=[
            alt.Tooltip("more:Q", title="further labels", format=","),
            *(alt.Tooltip(f"{name}:Q", format=",.0f") for name in ("cost", "errors", "net", "net_low", "net_high")),
            alt.Tooltip("chance:Q", title="chance that it pays", format=".0%"),
        ],
    )
    zero = alt.Chart(alt.Data(values=[{"zero": 0}])).mark_rule(strokeDash=[4, 4], color=GREY).encode(y="zero:Q")
    words = word_at(min(offer.more for offer in offers), 0, "below: costs more than it gains", dy=12)
    return (band + zero + line + words).properties(height=240)


def savings_chart(forecast: Forecast, savings: Savings) -> alt.LayerChart:
    """The curve up to now, and across from its end how many random labels the same accuracy would have taken, 95 %.

    Without an upper limit the bar ends at the edge of the picture, in an arrow.
    """
    now, level = forecast.labels, forecast.level.value
    line = [{"labels": step[0], "accuracy": step[1]} for step in forecast.line if step[0] <= now]
    line = [*line, {"labels": now, "accuracy": level}]
    low, high, needed = savings.needed_low, savings.needed_high, savings.needed
    edge = max(high or 3 * max(low, needed or 0, now), 1.1 * now)
    scale = zoomed([row["accuracy"] for row in line], [level + 0.05])
    gap = [{"accuracy": level, "now": now, "low": low, "high": high or edge, "needed": needed or edge}]
    curve = alt.Chart(alt.Data(values=line)).mark_line(color=AUDIT)
    curve = curve.encode(
        x=_labels_axis(edge, "labels"),
        y=alt.Y("accuracy:Q", scale=scale, axis=percent(), title="accuracy"),
    )
    base = alt.Chart(alt.Data(values=gap)).encode(y="accuracy:Q")
    tooltip = [
        alt.Tooltip("now:Q", title="labels so far", format=",.0f"),
        alt.Tooltip("low:Q", title="random, at least", format=",.0f"),
    ]
    if high is not None:
        tooltip.append(alt.Tooltip("high:Q", title="random, at most", format=",.0f"))
    bar = base.mark_rule(color=RANDOM, strokeWidth=9, opacity=0.35).encode(x="low:Q", x2="high:Q", tooltip=tooltip)
    across = base.mark_rule(color=GREY, strokeDash=[4, 4]).encode(x="now:Q", x2="needed:Q")
    here = base.mark_point(color=AUDIT, filled=True, size=90, opacity=1).encode(x="now:Q", tooltip=tooltip)
    ends = [{"labels": at, "accuracy": level, "open": open_} for at, open_ in ((needed, False), (edge, True)) if at]
    ends = [one for one in ends if not one["open"] or high is None]
    shape = alt.when(alt.datum.open).then(alt.value("triangle-right")).otherwise(alt.value("circle"))
    marks = alt.Chart(alt.Data(values=ends)).mark_point(color=RANDOM, filled=True, size=90, opacity=1)
    there = marks.encode(x="labels:Q", y="accuracy:Q", shape=shape)
    names = (
        word_at(now, level, "labels given", align="right", dy=16),
        word_at(edge, level, "at random, for as good a model", align="right", dy=-12),
    )
    return alt.layer(curve, bar, across, here, there, *names).properties(height=220)


def _labels_axis(most: float | None = None, title: str = "labels learnt from") -> alt.X:
    axis = alt.Axis(format=",d", tickMinStep=1)
    scale = alt.Scale(domain=[0, most], nice=False) if most else alt.Scale()
    return alt.X("labels:Q", title=title, axis=axis, scale=scale)


def balance_chart(counts: Sequence[LabelCount]) -> alt.Chart:
    """Labels given by people, gold that came with a file (if any did), and labels suggested, one bar for each label."""
    colours = {"labelled": AUDIT, "gold": RANDOM, "suggested": "#a9c1f5"}
    kinds = [kind for kind in colours if kind != "gold" or any(row.gold for row in counts)]
    table = [asdict(row) for row in counts]
    rows = [{"label": row["label"], "kind": kind, "records": row[kind]} for row in table for kind in kinds]
    return _label_bars(rows, {kind: colours[kind] for kind in kinds})


def training_chart(labels: Sequence[LabelBalance]) -> alt.Chart:
    """Records of each label that train and that balancing leaves out, one bar for each label."""
    rows = [
        {"label": one.name, "kind": kind, "records": records}
        for one in labels
        for kind, records in (("trains", one.after), ("left out", one.training - one.after))
    ]
    return _label_bars(rows, {"trains": AUDIT, "left out": GREY})


def _label_bars(rows: Rows, colours: Mapping[str, str]) -> alt.Chart:
    """rows: label, kind, records. colours: of the kinds, in the order in which they stand in a bar."""
    return (
        alt.Chart(alt.Data(values=list(rows)))
        .mark_bar()
        .encode(
            y=alt.Y("label:N", sort=None, title=None, axis=alt.Axis(labelLimit=180)),
            x=alt.X("records:Q", stack=True, axis=alt.Axis(format=",d", tickMinStep=1)),
            color=alt.Color(
                "kind:N",
                scale=alt.Scale(domain=list(colours), range=list(colours.values())),
                legend=alt.Legend(orient="top", title=None),
            ),
            tooltip=["label:N", "kind:N", "records:Q"],
        )
        .properties(height=alt.Step(22))
    )


def queue_chart(now: Status) -> alt.Chart:
    """Where every record is: labelled, gold, in the queue, labelled by machine (if any is), in the pool."""
    rest = max(now.records - now.labelled - now.gold - now.queued, 0)
    machine = min(now.machine, rest)  # those that wait to be checked are in the queue
    parts = [
        ("labelled", now.labelled, "#2f6fed"),
        ("gold", now.gold, "#d9822b"),
        ("in the queue", now.queued, "#3aa76d"),
        *([("labelled by machine", machine, "#8a63c9")] if machine else []),
        ("not asked", rest - machine, "#9aa5b1"),
    ]
    rows = [
        {"where": where, "records": records, "order": order, "row": ""}
        for order, (where, records, _) in enumerate(parts)
    ]
    return (
        alt.Chart(alt.Data(values=rows))
        .mark_bar(size=26)
        .encode(
            y=alt.Y("row:N", title=None, axis=None),
            x=alt.X("records:Q", stack="normalize", title=None, axis=alt.Axis(format="%", grid=False)),
            color=alt.Color(
                "where:N",
                scale=alt.Scale(domain=[part[0] for part in parts], range=[part[2] for part in parts]),
                legend=alt.Legend(orient="top", title=None),
            ),
            order=alt.Order("order:Q"),
            tooltip=["where:N", "records:Q"],
        )
        .properties(height=64)
    )


def replay_chart(rows: Rows, full: float, measure: str = "macro F1", unit: str = "labels") -> alt.LayerChart:
    """The measure over labels per strategy, mean and spread over seeds, with 95 % of the full score as a rule.

    rows: strategy, labels, and the measure by its name. unit: what the labels are called.
    """
    colour = alt.Color("strategy:N", legend=None)
    base = alt.Chart(alt.Data(values=list(rows))).encode(x=alt.X("labels:Q", title=unit), color=colour)
    band = base.mark_errorband(extent="stdev", opacity=0.2).encode(
        y=alt.Y(f"{measure}:Q", title=measure, scale=alt.Scale(zero=False))
    )
    line = base.mark_line().encode(y=f"mean({measure}):Q")
    target = alt.Chart(alt.Data(values=[{"target": 0.95 * full}]))
    rule = target.mark_rule(strokeDash=[4, 4]).encode(y="target:Q")
    last = max(row["labels"] for row in rows)
    ends = [
        {"strategy": name, "labels": last, "mean": fmean(values)}
        for name in dict.fromkeys(row["strategy"] for row in rows)
        if (values := [row[measure] for row in rows if row["strategy"] == name and row["labels"] == last])
    ]
    names = line_names(ends, "labels", "mean", "strategy", colour)
    return (band + line + rule + names).properties(width=520, height=300)
