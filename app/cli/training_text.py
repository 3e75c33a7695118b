"""What the terminal says of training jobs. Knows their entries, not where they ran."""

from collections.abc import Mapping
from typing import Any

from app.rendering.job_rows import ended_in, metrics_of
from app.rendering.score_text import score_lines


def _job_line(job: Mapping[str, Any]) -> str:
    """One job in one line: id, trainer, where, state, how far or when it ended, cost, note, why it stands so."""
    line = f"{job['id']}  {job['trainer']} on {job['runner']}: {job['state'].replace('_', ' ')}"
    if job["ended_at"]:
        line += f", {ended_in(job)}"
    elif job["total"] and job["state"] == "running":
        line += f", {job['done']:,} of {job['total']:,}"
    if job["dollars"]:
        line += f", about {job['dollars']:.2f} USD"
    if job["note"]:
        line += f", {job['note']}"
    return f"{line}. {job['message']}" if job["message"] else line


def _train_lines(result: Mapping[str, Any]) -> list[str]:
    if "runs" in result:
        return _grid_lines(result)
    if result["state"] != "succeeded":
        return [
            _job_line(result),
            f"Next: rondo jobs, rondo jobs logs {result['id']}, rondo jobs cancel {result['id']}.",
        ]
    lines = [f"Trained {result['model']} in {result['seconds']:,.0f} s, {result['memory_mb']:,} MB at most."]
    lines += score_lines(metrics_of(result))
    lines += [result["remark"]] if result["remark"] else []
    return [*lines, _next(result["model"])]


def _grid_lines(result: Mapping[str, Any]) -> list[str]:
    lines = [_job_line(run) for run in result["runs"]]
    return [*lines, result["sentence"], *([_next(result["model"])] if result["model"] else [])]


def _next(model: str) -> str:
    return f"Next: rondo evaluate {model}, rondo models promote {model} (the gate compares it with the champion)."


def _shown_lines(result: Mapping[str, Any]) -> list[str]:
    """A job in full: how it stands, what it was started with, its newest figures and how good what came out is."""
    lines = [_job_line(result)]
    values = ", ".join(f"{name}={value}" for name, value in result["values"].items())
    lines += [f"  with {values}"] if values else []
    newest = result["events"][-1] if result["events"] else {}
    figures = ", ".join(f"{name} {value:.4g}" for name, value in newest.items() if name not in ("done", "total", "at"))
    lines += [f"  at {newest['done']:,} of {newest['total']:,}: {figures}"] if figures else []
    if "runs" in result:
        return [*lines, *(f"  {_job_line(run)}" for run in result["runs"]), result["sentence"]]
    lines += [result["remark"]] if result["remark"] else []
    return lines + (score_lines(metrics_of(result)) if result["model"] else [])


def _jobs_lines(result: Mapping[str, Any]) -> list[str]:
    return [_job_line(job) for job in result["jobs"]] or [
        "No training job yet. Start one: rondo train --trainer setfit."
    ]


def _trainers_lines(result: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    for name, trainer in result.items():
        lines += [f"{name}: {trainer['caption']}"]
        for row in trainer["parameters"]:
            span = f" ({row['range']})" if row["range"] else ""
            lines.append(f"    {row['name']}={row['default']}  {row['help']}{span}")
    return lines


LINES = {
    "train": _train_lines,
    "job": _shown_lines,
    "jobs": _jobs_lines,
    "job_log": lambda summary: summary["lines"] or ["Nothing was printed yet."],
    "job_cancel": lambda summary: [_job_line(summary)],
    "job_forget": lambda summary: [f"What job {summary['id']} was given and has left is deleted."],
    "job_retry": lambda summary: [_job_line(summary)],
    "follow": lambda summary: [f"{summary['under_way']} jobs are under way."],
    "trainers": _trainers_lines,
}
