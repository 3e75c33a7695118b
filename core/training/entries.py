"""What is known of training jobs: rows and files, as they were last seen. Asks no runner."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from core.errors import BadInput
from core.evaluation.metrics import Metrics
from core.evaluation.reporting import judged_on
from core.ids import JobId
from core.jobs.bundle import Bundle, Handle, Resources
from core.jobs.states import ENDED, OPEN, UNDER_WAY, change_state
from core.project import Project
from core.store.database import utc_now
from core.training.trainers import in_todays_names
from core.typed_json import from_json, to_json

SHOWN = 100
"""jobs in a list, newest first"""

_COLUMNS = """id, kind, state, runner, parent, error, params, resources, result, handle,
    strftime(made_at, '%Y-%m-%dT%H:%M:%SZ'), strftime(started_at, '%Y-%m-%dT%H:%M:%SZ'),
    strftime(ended_at, '%Y-%m-%dT%H:%M:%SZ')"""


@dataclass(frozen=True)
class JobRow:
    """A job as the store has it. error: what its runner or this machine said of it. Times: ISO 8601, UTC."""

    id: JobId
    kind: str
    state: str
    runner: str
    parent: JobId | None
    error: str | None
    params: dict[str, Any]
    resources: Resources
    result: dict[str, Any]
    handle: Handle | None
    made_at: str
    started_at: str | None
    ended_at: str | None


def listing(project: Project) -> dict[str, Any]:
    """The training jobs as they were last seen, newest first: reads rows, of files only how far those under way are.

    `events` is empty: `entry` has those of one job.
    """
    rows = project.store.query(
        f"select {_COLUMNS} from jobs where runner is not null order by made_at desc, id limit ?", [SHOWN]
    )
    matches = []
    for row in map(_read_row, rows):
        bundle = Bundle(project.folder / "jobs" / row.id)
        done, total = bundle.progress if row.state in UNDER_WAY else (0, 0)
        matches.append(_told(project, row) | {"done": done, "total": total, "events": []})
    return {"jobs": matches}


def entry(project: Project, job: str) -> dict[str, Any]:
    """What is known of a job without asking its runner."""
    row = read_row(project, job)
    events = Bundle(project.folder / "jobs" / job).events
    newest = events[-1] if events else {"done": 0, "total": 0}
    far = {"done": newest["done"], "total": newest["total"], "events": thinned(events)}
    return _told(project, row) | far


def _told(project: Project, row: JobRow) -> dict[str, Any]:
    params, result = row.params, row.result
    known = ("id", "kind", "state", "runner", "parent", "resources", "made_at", "started_at", "ended_at")
    return {
        **{name: to_json(getattr(row, name)) for name in known},
        "trainer": params.get("trainer", ""),
        "values": in_todays_names(params.get("values", {})),
        "note": params.get("note", ""),
        "message": row.error or "",
        "model": row.id if row.state == "succeeded" and row.kind == "train" else None,
        "metrics": summed_up(result.get("metrics", {})),
        "seconds": result.get("seconds"),
        "memory_mb": result.get("memory_mb"),
        "remark": result.get("remark", ""),
        "dollars": _spent(project, row),
    }


def summed_up(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The same with macro_f1 and accuracy at the top, as shares, of the records that are told of it first."""
    best = judged_on(from_json(Metrics, metrics, "The metrics of a job"))
    if best is None:
        return dict(metrics)
    stratum, score = best
    figures = {"macro_f1": score.macro_f1.value, "accuracy": score.accuracy.value}
    return {**figures, "judged_on": stratum, **metrics}


def _spent(project: Project, row: JobRow) -> float | None:
    """What it has cost so far, in US dollars, waiting for a machine counted; None where nobody is paid or nothing ran.

    Never more than the time that it was allowed: a job that is lost from sight costs no longer than that.
    """
    if not row.started_at or row.runner not in project.runners:
        return None
    ended = datetime.fromisoformat(row.ended_at) if row.ended_at else datetime.now(UTC)
    seconds = max((ended - datetime.fromisoformat(row.started_at)).total_seconds(), 0.0)
    allowed = row.resources.seconds or seconds
    return project.runners[row.runner](project.settings()).price(row.resources, min(seconds, allowed))


def thinned(events: list[dict[str, Any]], most: int = 500) -> list[dict[str, Any]]:
    """Those with figures, evenly spread where there are many; the last one always."""
    result = [event for event in events if len(event) > 3]
    step = max(1, len(result) // most)
    return result[::-1][::step][::-1]


def read_row(project: Project, job: str) -> JobRow:
    """Raises BadInput where there is no such job."""
    rows = project.store.query(f"select {_COLUMNS} from jobs where id = ? and runner is not null", [job])
    if not rows:
        raise BadInput(f"There is no training job {job[:80]!r}. `rondo jobs` lists them.")
    return _read_row(rows[0])


def _read_row(columns: tuple[Any, ...]) -> JobRow:
    values = dict(zip([field.name for field in fields(JobRow)], columns, strict=True))
    for name in ("params", "resources", "result"):
        values[name] = json.loads(values[name] or "{}")
    values["handle"] = json.loads(values["handle"]) if values["handle"] else None
    return from_json(JobRow, values, f"The job {values['id']}")


def set_state(project: Project, job: str, state: str, message: str, before: str | None = None) -> bool:
    """False where the job has ended already, or is no longer in the state `before`: then nothing is written."""
    ended = utc_now() if state in ENDED else None
    with project.store.transaction() as cursor:
        return change_state(cursor, job, state, [before] if before else OPEN, error=message or None, ended_at=ended)
