"""Charts name their lines, begin where their data do, and can be saved with their data."""

import csv
import io
from collections.abc import Iterator
from typing import Any

import pytest
import vl_convert

from app.charts.auto_label import coverage_chart
from app.charts.axes import zoomed
from app.charts.counts import count_bars
from app.charts.errors import calibration_chart
from app.charts.evaluation import examples_chart, score_bars
from app.charts.over_time import over_time_chart
from app.charts.quality import forecast_chart, gain_chart, replay_chart, savings_chart
from app.charts.saving import chart_csv, print_spec
from app.charts.training import evaluation_chart, loss_chart, search_chart
from core.auto_label.guarantees import GuaranteeOffer
from core.evaluation.guarantee import Step
from core.evaluation.metrics import Bin, Estimate, Forecast, Savings
from core.evaluation.stopping import Offer
from core.ids import ModelId
from core.registry.predictions import AccuracyPoint

SCORE = Estimate(0.88, 0.83, 0.92)
FORECAST = Forecast(
    100, 40, SCORE, SCORE, (), ((50.0, 0.82), (100.0, 0.88)), ((50.0, 0.82, 0.75, 0.88), (100.0, 0.88, 0.83, 0.92))
)
SAVINGS = Savings(100, 40, 260.0, 140.0, None, 160.0, 40.0, None, 0.98, "saved", "Saved.")
EVENTS = [
    {"done": step, "total": 20, "at": 1.0 * step, "loss": 1 / step, "eval_loss": 1.1 / step, "eval_macro_f1": 0.6}
    for step in (5, 10, 20)
]
POINTS = [AccuracyPoint("2026-11-01", str(number), ModelId("m"), 40, SCORE) for number in (1, 2)]
REPLAY = [
    {"strategy": name, "labels": labels, "macro F1": labels / 200 + seed / 100 + (name == "default") / 10}
    for name in ("default", "random")
    for labels in (20, 40, 80)
    for seed in (0, 1)
]
OFFERS = [Offer(more, more / 2, 3.0, 1.0, 5.0, 10.0 - more / 10, -more / 5, 20.0, 0.7, "") for more in (25, 50, 100)]
STEPS = (Step(20, 0.3, 10, 0, 0.97), Step(40, 0.6, 20, 1, 0.96))
OFFER = GuaranteeOffer(0.95, None, 0.95, "m", 0, 0, 40, 60, STEPS, covered=40, share=0.6, bound=0.96)
CHARTS = {
    "coverage": coverage_chart(OFFER),
    "counts": count_bars({"spam": 30, "ham": 4}, "rows", "label"),
    "forecast": forecast_chart(FORECAST),
    "savings": savings_chart(FORECAST, SAVINGS),
    "gain": gain_chart(OFFERS, "minutes"),
    "replay": replay_chart(REPLAY, 0.9),
    "loss": loss_chart(EVENTS),
    "evaluation": evaluation_chart(EVENTS),
    "search": search_chart([{"run": "1", "macro_f1": vars(SCORE)}]),
    "over time": over_time_chart(POINTS, "round"),
    "scores": score_bars([("model", 40, SCORE)], "F1"),
    "examples": examples_chart([(10, SCORE), (20, SCORE)]),
    "calibration": calibration_chart([Bin(0.7, 0.72, 0.6, 0.8, 20), Bin(0.9, 0.88, 0.8, 0.95, 20)]),
}


def marks(spec: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(kind of mark, encoding) of every layer."""
    if mark := spec.get("mark"):
        yield (mark if isinstance(mark, str) else mark["type"]), spec.get("encoding", {})
    for layer in spec.get("layer", ()):
        yield from marks(layer)


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_can_be_drawn_names_its_lines_and_does_not_begin_at_zero(name: str) -> None:
    spec = CHARTS[name].to_dict()
    svg = vl_convert.vegalite_to_svg(print_spec(spec), allowed_base_urls=[])
    assert 'fill="white"' in svg
    assert "NaN" not in svg
    layers = list(marks(spec))
    for kind, encoding in layers:
        if kind == "line" and "color" in encoding:
            assert encoding["color"]["legend"] is None
            assert "text" in {other for other, _ in layers}
    domains = [
        encoding[axis].get("scale", {}).get("domain")
        for _, encoding in layers
        for axis in ("y", "x")
        if axis in encoding
    ]
    assert [0, 1] not in domains or name == "coverage"  # of the whole pool


def test_an_axis_is_at_least_two_tenths_wide_and_ends_at_one() -> None:
    assert zoomed([0.97], [0.99]).domain == pytest.approx([0.8, 1.0])
    assert zoomed([0.0], [0.04]).domain == pytest.approx([0.0, 0.2])
    assert zoomed([0.31, 0.62]).domain == pytest.approx([0.3, 1.0])


def test_the_data_of_a_chart_are_a_table_with_every_row_of_its_lines() -> None:
    rows = list(csv.DictReader(io.StringIO(chart_csv(CHARTS["replay"].to_dict()))))
    assert [dict(row) for row in rows] == [{key: str(value) for key, value in row.items()} for row in REPLAY]
    assert chart_csv({"mark": "bar"}) == "\n"
