"""Figures in words, for terminal and page: a score never without its interval, a duration in the unit that reads best.

Knows no verb.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from core.evaluation.metrics import Estimate, Metrics
from core.evaluation.reporting import FEWEST, STRATA, TOO_FEW, figures, shown, too_few

if TYPE_CHECKING:
    from core.labelling.taxonomy_changes import TaxonomyChange
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


def change_sentences(result: "TaxonomyChange") -> list[str]:
    """What changes in the labels, and what of the answers is touched."""
    if not result.changes:
        return ["Nothing changes."]
    lines = list(result.changes)
    for one in result.touched:
        if one.answers or one.suggestions or one.machine_labels:
            counts = [f"{one.answers:,} answers to {one.records:,} records"]
            counts += [f"{one.suggestions:,} suggestions"] if one.suggestions else []
            counts += [f"{one.machine_labels:,} machine labels"] if one.machine_labels else []
            before, after = (name or "nothing" for name in (one.before, one.after))
            lines.append(f"  {one.taxonomy}:{one.label} counts as {after}, till now as {before}: {', '.join(counts)}")
    lines.append(
        f"Touched: {result.answers:,} answers to {result.records:,} records, {result.suggestions:,} suggestions, "
        f"{result.machine_labels:,} machine labels, {result.models:,} models. No answer is rewritten."
    )
    if result.machine_labels:
        lines.append("Machine labels that name a label which is not offered go; `rondo auto` makes them anew.")
    if result.queued:
        lines.append(f"{result.queued:,} records stand before the batch, to be asked again.")
    if result.applied:
        return [*lines, f"Done. Take it back: rondo taxonomy undo --version {result.version}"]
    return [*lines, "Nothing was changed."]
