"""The figures of a paper, as Vega-Lite specifications with their data in them: black on white, lines named where they
end. Pages have pictures of their own, which follow the screen's colours. Draws none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import ceil, floor
from typing import Any

from core.evaluation.reporting import STRATA, figures
from core.paper.facts import PaperFacts
from core.reports.error_analysis import heat_cells, label_order

Spec = dict[str, Any]

COLOURS = {"audit": "#0072b2", "gold": "#d55e00"}
"""Okabe & Ito's: apart for all eyes, and in grey"""
CURVE_NOTE = "Audit: on the same records for all models. Gold: as it was when each was made, as many records each."
INK, GREY = "#1a1a1a", "#767676"
WIDTH, HEIGHT = 340, 210
"""points: a column of a paper is some 240 to 350 wide"""
MOST_LABELS, MOST_CONFUSED = 60, 24
"""in a figure of labels, and in a matrix of those that are confused most; the tables have all"""
_CONFIG = {
    "background": "white",
    "padding": 8,
    "font": "Helvetica, Arial, sans-serif",
    "view": {"stroke": None},
    "axis": {"labelFontSize": 10, "titleFontSize": 10, "titleFontWeight": "normal", "gridColor": "#e6e6e6"}
    | {"labelColor": INK, "titleColor": INK, "domainColor": GREY, "tickColor": GREY, "labelLimit": 260},
    "text": {"fontSize": 10},
}


def paper_figures(facts: PaperFacts) -> dict[str, Spec]:
    """Name -> specification; without those of which nothing was measured."""
    every = {
        "learning-curve": _curve(facts, "accuracy"),
        "learning-curve-f1": _curve(facts, "macro F1"),
        "f1-by-label": _f1_by_label(facts),
        "confusion": _confusion(facts),
        "calibration": _calibration(facts),
    }
    return {name: spec for name, spec in every.items() if spec}


def _spec(description: str, layers: Sequence[Spec], **rest: Any) -> Spec:
    schema = "https://vega.github.io/schema/vega-lite/v6.json"
    return {"$schema": schema, "description": description, "config": _CONFIG, "layer": list(layers), **rest}


def _field(name: str, title: str | None = None, **rest: Any) -> Spec:
    return {"field": name, "type": "quantitative", "title": title, **rest}


def _percent(name: str, title: str | None, low: float, high: float = 1.0) -> Spec:
    return _field(name, title, axis={"format": ".0%", "tickCount": 5}, scale={"domain": [low, high], "nice": False})


def _ceiling(highs: Sequence[float]) -> float:
    """Where an axis ends: a tenth above the highest value."""
    return min(1.0, ceil(10 * max(highs)) / 10)


def _floor(lows: Sequence[float]) -> float:
    """Where an axis begins: a tenth below the lowest value, at most .9."""
    return max(0.0, min(floor(10 * min(lows)) / 10, 0.9))


def _curve(facts: PaperFacts, measure: str) -> Spec | None:
    rows: list[Spec] = [
        {"labels": model.labels, "stratum": stratum, "records": score.n, **asdict(figure)}
        for model in facts.curve
        for stratum in STRATA
        if (score := model.metrics.on(stratum)) and (figure := figures(score).get(measure))
    ]
    if not rows:
        return None
    newest = sorted({row["stratum"]: row for row in rows}.values(), key=lambda row: -row["value"])
    x = _field("labels", "labels learnt from", axis={"tickMinStep": 1, "format": ",d", "grid": False})
    x |= {"scale": {"zero": False, "nice": False, "padding": 8}}
    low, high = _floor([row["low"] for row in rows]), _ceiling([row["high"] for row in rows])
    colour: Spec = {"field": "stratum", "type": "nominal", "legend": None}
    colour |= {"scale": {"domain": list(COLOURS), "range": list(COLOURS.values())}}
    title = f"{measure}, 95 % interval"
    y, words = _percent("value", title, low, high), {"field": "stratum", "type": "nominal"}
    layers: list[Spec] = [
        {
            "mark": {"type": "area", "opacity": 0.16},
            "encoding": {"y": _percent("low", title, low, high), "y2": {"field": "high"}},
        },
        {"mark": {"type": "line", "strokeWidth": 1.6, "point": {"size": 28}}, "encoding": {"y": y}},
        *(
            {
                "data": {"values": [row]},
                "mark": {"type": "text", "align": "right", "dy": 12 if below else -9, "fontWeight": "bold"},
                "encoding": {"y": y, "text": words},
            }
            for below, row in enumerate(newest)
        ),
    ]
    whole: Spec = {"encoding": {"x": x, "color": colour}, "data": {"values": rows}}
    return _spec(f"{measure} over labels", layers, width=WIDTH, height=HEIGHT, **whole)


def _f1_by_label(facts: PaperFacts) -> Spec | None:
    rows: list[Spec] = [
        {"label": one.label, "records": one.score.records, **asdict(one.score.f1)}
        for one in facts.labels.get(facts.stratum, ())
        if one.score.f1
    ]
    if not rows:
        return None
    rows = sorted(rows, key=lambda row: row["value"])[:MOST_LABELS]
    low = _floor([row["low"] for row in rows])
    title = f"F1 on {facts.stratum} records, 95 % interval"
    layers: list[Spec] = [
        {
            "mark": {"type": "rule", "strokeWidth": 1.6, "color": GREY},
            "encoding": {"x": _percent("low", title, low), "x2": {"field": "high"}},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 42, "opacity": 1, "color": INK},
            "encoding": {"x": {**_percent("value", title, low)}},
        },
        {
            "mark": {"type": "text", "align": "left", "dx": 6, "color": INK},
            "encoding": {
                "x": _percent("high", title, low),
                "text": {"field": "value", "type": "quantitative", "format": ".0%"},
            },
        },
    ]
    y = {"field": "label", "type": "nominal", "sort": None, "title": None}
    whole: Spec = {"encoding": {"y": y}, "data": {"values": rows}}
    return _spec("F1 of each label", layers, width=WIDTH, height={"step": 17}, **whole)


def _confusion(facts: PaperFacts) -> Spec | None:
    cells = heat_cells(facts.confusion, "records", MOST_CONFUSED)
    if not cells:
        return None
    order = label_order(facts.settings.taxonomy, cells)
    rows = [
        {
            "truth": cell.pair.truth,
            "predicted": cell.pair.predicted,
            "records": cell.pair.records,
            "share": cell.of_truth,
        }
        for cell in cells
    ]
    shade = {"domain": [0, 1], "range": ["#f2f2f2", "#3a3a3a"]}
    ink = {"condition": {"test": "datum.share > 0.5", "value": "white"}, "value": INK}
    layers: list[Spec] = [
        {"mark": "rect", "encoding": {"color": _field("share", legend=None, scale=shade)}},
        {"mark": {"type": "text", "fontSize": 9}, "encoding": {"text": _field("records", format=",d"), "color": ink}},
    ]
    scale = {"domain": order}
    x = {
        "field": "predicted",
        "type": "nominal",
        "title": "predicted label",
        "scale": scale,
        "axis": {"labelAngle": -60, "orient": "top"},
    }
    y = {"field": "truth", "type": "nominal", "title": "true label", "scale": scale}
    whole: Spec = {"encoding": {"x": x, "y": y}, "data": {"values": rows}}
    words = f"True against predicted labels on {facts.stratum} records"
    return _spec(words, layers, width={"step": 26}, height={"step": 26}, **whole)


def _calibration(facts: PaperFacts) -> Spec | None:
    measured = facts.calibration
    if measured is None:
        return None
    rows = [asdict(one) for one in measured.bins]
    low = _floor([min(one.stated, one.low) for one in measured.bins])
    title, ends = "share that is right, 95 % interval", [{"at": low}, {"at": 1.0}]
    layers: list[Spec] = [
        {
            "data": {"values": ends},
            "mark": {"type": "line", "strokeDash": [4, 4], "color": GREY, "strokeWidth": 1},
            "encoding": {"x": _percent("at", "stated probability", low), "y": _percent("at", title, low)},
        },
        {
            "data": {"values": [{"at": low + 0.62 * (1 - low), "words": "stated = right"}]},
            "mark": {"type": "text", "align": "left", "baseline": "top", "dx": 6, "dy": 2, "color": GREY},
            "encoding": {
                "x": _percent("at", "stated probability", low),
                "y": _percent("at", title, low),
                "text": {"field": "words", "type": "nominal"},
            },
        },
        {
            "mark": {"type": "rule", "color": INK},
            "encoding": {
                "x": _percent("stated", "stated probability", low),
                "y": _percent("low", title, low),
                "y2": {"field": "high"},
            },
        },
        {
            "mark": {"type": "point", "filled": True, "size": 42, "opacity": 1, "color": INK},
            "encoding": {"x": _percent("stated", "stated probability", low), "y": _percent("right", title, low)},
        },
    ]
    words = f"Stated probability against accuracy on {facts.stratum} records"
    return _spec(words, layers, width=HEIGHT, height=HEIGHT, data={"values": rows})


def caption_of(name: str, facts: PaperFacts) -> str:
    """What a reader sees, in a sentence."""
    captions: Mapping[str, str] = {
        "learning-curve": f"Accuracy by the number of labels learnt from, with its 95 % interval. {CURVE_NOTE}",
        "learning-curve-f1": f"Macro F1 by the number of labels learnt from, with its 95 % interval. {CURVE_NOTE}",
        "f1-by-label": f"F1 of each label with its 95 % interval, on {facts.stratum} records.",
        "confusion": f"Number of {facts.stratum} records by true and predicted label; darker is a larger part of "
        f"the true label. Of more than {MOST_CONFUSED} labels those that are confused most.",
        "calibration": f"Stated probability against the share that is right, on {facts.stratum} records in bins of "
        "equal size, with 95 % intervals.",
    }
    return captions[name]
