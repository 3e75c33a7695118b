"""Figures in words: a score never without its interval, a duration in the unit that reads best. Knows no verb."""

from collections.abc import Mapping
from typing import Any

from core.evaluation.reporting import FEWEST, STRATA, TOO_FEW, shown, shown_scores, too_few


def score_lines(metrics: Mapping[str, Any]) -> list[str]:
    """Accuracy and macro F1 with their intervals, from audit and gold, or why there are none."""
    lines = []
    for stratum in STRATA:
        if matches := metrics.get(stratum):
            scores = shown_scores(matches)
            figures = ", ".join(f"{name} {interval(scores[key])}" for key, name in _NAMES.items())
            words = too_few(matches["n"], stratum) if matches["n"] < FEWEST else figures
            lines.append(f"  {stratum} ({matches['n']:,} records): {words}")
    return lines or ["  No audit or gold labels yet, so nothing can be said about accuracy."]


_NAMES = {"accuracy": "accuracy", "macro_f1": "macro F1"}


def interval(estimate: Mapping[str, float] | None, records: int = FEWEST) -> str:
    """records: that it rests on, where that is not known to be enough."""
    if not shown(estimate, records) or estimate is None:
        return TOO_FEW
    return f"{estimate['value']:.1%} (95 %: {estimate['low']:.1%} to {estimate['high']:.1%})"


def duration(seconds: float) -> str:
    """'45 s', '12 min', '3.5 h'."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
