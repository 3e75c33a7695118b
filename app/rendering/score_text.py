"""Figures in words: a score never without its interval, a duration in the unit that reads best. Knows no verb."""

from core.evaluation.metrics import Estimate, Metrics
from core.evaluation.reporting import FEWEST, STRATA, TOO_FEW, figures, shown, too_few


def score_lines(metrics: Metrics) -> list[str]:
    """Accuracy and, where there is one, macro F1 with their intervals, from audit and gold, or why there are none."""
    lines = []
    for stratum in STRATA:
        if score := metrics.on(stratum):
            words = ", ".join(f"{name} {interval(one)}" for name, one in figures(score).items() if name != "micro F1")
            lines.append(
                f"  {stratum} ({score.n:,} records): {too_few(score.n, stratum) if score.n < FEWEST else words}"
            )
    return lines or ["  No audit or gold labels yet, so nothing can be said about accuracy."]


def interval(estimate: Estimate | None, records: int = FEWEST) -> str:
    """records: how many it is from; too few give a sentence instead."""
    estimate = shown(estimate, records)
    if estimate is None:
        return TOO_FEW
    return f"{estimate.value:.1%} (95 %: {estimate.low:.1%} to {estimate.high:.1%})"


def duration(seconds: float) -> str:
    """'45 s', '12 min', '3.5 h'."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
