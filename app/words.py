"""Figures in words, for terminal and page: a score never without its interval, a duration in the unit that reads best.

Knows no verb.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from core.evaluation.metrics import Estimate, Metrics
from core.evaluation.reporting import FEWEST, STRATA, TOO_FEW, figures, shown, too_few

if TYPE_CHECKING:
    from core.training.entries import TrainingJob


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


def stage_of(what: str) -> str:
    """What a report is about, without what is said of it in brackets: by which the time that it takes is counted."""
    return what.partition(" (")[0]


def progress_line(what: str, done: int, total: int, seconds: float) -> str:
    """'Encoding 1,024 of 5,000 (20 %), 512/s, 8 s to go'."""
    if total <= 3:  # steps, not units
        return f"{what} …"
    line = f"{what} {done:,} of {total:,} ({done / total:.0%})"
    if done and seconds > 0.5:
        rate = done / seconds
        line += f", {rate:,.{0 if rate >= 10 else 1}f}/s, {duration((total - done) / rate)} to go"
    return line


def ended_in(job: "TrainingJob") -> str:
    """When it ended and how long it took, in UTC."""
    end = job.ended_at or job.made_at
    if not end:
        return ""
    result = f"{datetime.fromisoformat(end):%d %b %H:%M} UTC"
    begun = job.started_at or job.made_at
    if not begun or not job.ended_at:
        return result
    seconds = (datetime.fromisoformat(end) - datetime.fromisoformat(begun)).total_seconds()
    return f"{result}, {duration(seconds)}"


def loss_lines(lost: Mapping[str, int], changes: Sequence[str]) -> list[str]:
    """What an export could not hold, by column with the rows that had something there, and what it changed."""
    lines = []
    if lost:
        columns = ", ".join(f"{name} ({rows:,})" for name, rows in lost.items())
        lines.append(f"Left out, for the format has no room for it: {columns} rows.")
    return lines + [f"{change[:1].upper()}{change[1:]}." for change in changes]
