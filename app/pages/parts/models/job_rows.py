"""A job in words and rows, as the Jobs page shows it. Draws nothing."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from app.words import duration, ended_in
from core.evaluation.metrics import Metrics
from core.evaluation.reporting import TOO_FEW, best_score, figures, shown_score
from core.training.entries import TrainingJob
from core.training.expected import ExpectedRun

STATES = {
    "draft": (":material/hourglass_top:", "Being prepared"),
    "submitting": (":material/hourglass_top:", "Being handed over"),
    "queued": (":material/schedule:", "Waiting for a machine"),
    "running": (":material/play_circle:", "Running"),
    "cancelling": (":material/hourglass_bottom:", "Being cancelled"),
    "succeeded": (":material/check_circle:", "Succeeded"),
    "failed": (":material/error:", "Failed"),
    "cancelled": (":material/cancel:", "Cancelled"),
    "timed_out": (":material/timer_off:", "Timed out"),
    "lost": (":material/help:", "Lost"),
}
"""state of a job to the icon and the words for it"""


def how_far(job: TrainingJob) -> tuple[float, str] | None:
    """(share done, a line with rate and time to go); None where nothing runs or the total is unknown.

    The rate is of this attempt, without the steps before a resumed checkpoint.
    """
    events, done, total = job.events, job.done, job.total
    if job.state not in ("running", "cancelling") or not total:
        return None
    first, last = (events[0], events[-1]) if events else ({"done": 0, "at": 0.0}, {"done": 0, "at": 0.0})
    steps, seconds = last["done"] - first["done"], last["at"] - first["at"]
    line = f"{'Run' if job.runs else 'Step'} {done:,} of {total:,} ({done / total:.0%})"
    if steps > 0 and seconds > 0:
        pace = f"{steps / seconds:,.1f} steps/s" if steps > seconds else f"{seconds / steps:,.1f} s per step"
        line += f", {pace}, {duration((total - done) * seconds / steps)} to go"
    return min(done / total, 1.0), line


def cost_of(job: TrainingJob) -> str:
    """What it cost, or has cost so far, and what it took; '' where nothing is known."""
    so_far = "" if job.ended_at else " so far"
    parts = [f"{job.dollars:.2f} US dollars{so_far}"] if job.dollars is not None else []
    parts += [f"{job.seconds:.0f} s of training"] if job.seconds else []
    parts += [f"{job.memory_mb:,.0f} MB of memory at most"] if job.memory_mb else []
    return ", ".join(parts)


def figures_of(metrics: Metrics) -> list[tuple[str, str, str | None]]:
    """(title, value, interval) of macro F1, if there is one, and accuracy, on audit or gold, whichever is shown."""
    best = best_score(metrics)
    if best is None:
        return []
    stratum, score = best
    measured = figures(score)
    return [
        (
            f"{title} on {score.n:,} {stratum} records",
            f"{estimate.value:.1%}" if estimate else TOO_FEW,
            f"95 %: {estimate.low:.1%} to {estimate.high:.1%}" if estimate else None,
        )
        for title, name in (("Macro F1", "macro F1"), ("Accuracy", "accuracy"))
        if name in measured
        for estimate in [measured[name]]
    ]


def job_rows(jobs: Sequence[TrainingJob]) -> list[dict[str, Any]]:
    """One row per job, in the order given."""
    return [
        {
            "job": job.id,
            "trainer": job.trainer,
            "on": job.runner,
            "state": STATES[job.state][1],
            "ended": ended_in(job),
            "note": job.note,
        }
        for job in jobs
    ]


def run_rows(runs: Sequence[TrainingJob]) -> list[dict[str, Any]]:
    """One row per run of a search, the best on held-out records first: these select the winner, gold and audit only
    evaluate.

    Of the values those that differ between the runs. `macro_f1` is for the picture.
    """
    every = [run.values for run in runs]
    names = dict.fromkeys(name for one in every for name in one)
    differing = [name for name in names if len({str(one.get(name)) for one in every}) > 1]
    rows = [
        {
            "run": str(number),
            **{name: values.get(name) for name in differing},
            "state": STATES[run.state][1],
            "macro F1, held out": score and score.value,
            "took": ended_in(run),
            "id": run.id,
            "macro_f1": score and asdict(score),
        }
        for number, (run, values) in enumerate(zip(runs, every, strict=True), 1)
        for held_out in [run.metrics.on("held_out")]
        for score in [held_out and shown_score(held_out).macro_f1]
    ]
    return sorted(rows, key=lambda row: -(row["macro F1, held out"] or -1.0))


def expectation(run: ExpectedRun, name: str) -> str:
    """'This machine: about 4 min (3 to 6), by 3 runs; free', or what is missing to say so. name: of the runner."""
    price = "free" if run.hour is None else f"{run.hour:.2f} USD an hour"
    if run.seconds is None or run.low is None or run.high is None:
        return (
            f"{name}: time and cost unknown, {run.why}; {price}"
            if run.hour
            else f"{name}: time unknown, {run.why}; free"
        )
    span = f" ({duration(run.low)} to {duration(run.high)})" if run.runs > 1 else ""
    cost = price if run.dollars is None else f"about {run.dollars:.2f} USD"
    return f"{name}: about {duration(run.seconds)}{span}, by {run.runs} run{'s' * (run.runs > 1)} before; {cost}"
