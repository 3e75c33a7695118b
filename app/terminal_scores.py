"""Figures in words: a score never without its interval, a duration in the unit that reads best. Knows no verb."""

from collections.abc import Mapping
from typing import Any


def score_lines(metrics: Mapping[str, Any]) -> list[str]:
    """Accuracy and macro F1 with their intervals, from audit and gold, or why there are none."""
    lines = []
    for stratum in ("audit", "gold"):
        if found := metrics.get(stratum):
            accuracy, f1 = found["accuracy"], found["macro_f1"]
            lines.append(
                f"  {stratum} ({found['n']:,} records): accuracy {interval(accuracy)}, macro F1 {interval(f1)}"
            )
    return lines or ["  No audit or gold labels yet, so nothing can be said about accuracy."]


def interval(estimate: Mapping[str, float]) -> str:
    if estimate["high"] - estimate["low"] >= 1:
        return "cannot be told yet"
    return f"{estimate['value']:.1%} (95 %: {estimate['low']:.1%} to {estimate['high']:.1%})"


def duration(seconds: float) -> str:
    """'45 s', '12 min', '3.5 h'."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
