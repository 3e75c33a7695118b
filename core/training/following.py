"""Jobs that run somewhere: how each stands, its log, stopping it, and taking its result in. Starts nothing."""

import json
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from core import errors
from core.errors import BadInput, Cancelled, Refused, RondoError
from core.jobs import ENDED, UNDER_WAY, Bundle, JobBroke, Report, Runner
from core.project import Project
from core.store import utc_now
from core.training.outcomes import take_in

SHOWN = 100
"""jobs in a list, newest first"""

PATIENCE_DAYS = 14
"""for which a job that is lost from sight is looked for"""

_COLUMNS = """id, kind, state, runner, parent, error, params, resources, result, handle,
    strftime(made_at, '%Y-%m-%dT%H:%M:%SZ'), strftime(started_at, '%Y-%m-%dT%H:%M:%SZ'),
    strftime(ended_at, '%Y-%m-%dT%H:%M:%SZ')"""
_NAMES = (
    *("id", "kind", "state", "runner", "parent", "error", "params", "resources", "result", "handle"),
    *("made_at", "started_at", "ended_at"),
)
_looking = threading.Lock()
"""one look at a time: two that bring the same files back would tread on each other"""


def listing(project: Project) -> dict[str, Any]:
    """The training jobs as they were last seen, newest first: reads rows, of files only how far those under way are.

    `events` is empty: `entry` has those of one job.
    """
    rows = project.store.query(
        f"select {_COLUMNS} from jobs where runner is not null order by made_at desc, id limit ?", [SHOWN]
    )
    found = []
    for row in map(_read_row, rows):
        bundle = Bundle(project.folder / "jobs" / row["id"])
        done, total = bundle.progress if row["state"] in UNDER_WAY else (0, 0)
        found.append(_told(project, row) | {"done": done, "total": total, "events": []})
    return {"jobs": found}


def followed(project: Project) -> list[str]:
    """Ids of the jobs that may still change by themselves, oldest first."""
    rows = project.store.query(
        """select id from jobs where runner is not null
             and (list_contains(?, state) or (state = 'lost' and runner <> 'local' and made_at > ?))
           order by made_at""",
        [[*UNDER_WAY], utc_now() - timedelta(days=PATIENCE_DAYS)],
    )
    return [job for (job,) in rows]


def look(project: Project, job: str) -> dict[str, Any]:
    """The job's entry after asking its runner, its result taken in if it is there. Jobs under way elsewhere first."""
    with _looking:
        row = _row(project, job)
        bundle = Bundle(project.folder / "jobs" / job)
        if row["state"] in ENDED or row["kind"] != "train":
            return entry(project, job)
        runner = project.runners[row["runner"]](project.settings())
        if row["handle"] is None:
            _submit_again(project, bundle, runner, row)
            return entry(project, job)
        _see(project, bundle, runner, row)
    return entry(project, job)


def _see(project: Project, bundle: Bundle, runner: Runner, row: Mapping[str, Any]) -> None:
    """Asks the runner and writes down what is new. A cancel that did not get through is asked for again."""
    sight, job = runner.look(bundle.path, row["handle"]), row["id"]
    if sight.state == "succeeded":
        take_in(project, bundle)
    elif row["state"] != "cancelling":
        if (sight.state, sight.message) != (row["state"], row["error"] or ""):
            set_state(project, job, sight.state, sight.message)
    elif sight.state in UNDER_WAY:
        runner.cancel(bundle.path, row["handle"])
    else:
        set_state(project, job, "cancelled" if _stopped(row, sight.state) else sight.state, sight.message)


def _stopped(row: Mapping[str, Any], state: str) -> bool:
    """Cancel was asked for: however it ended, it was not by itself."""
    return row["state"] == "cancelling" and state in ("failed", "lost", "cancelled")


def _submit_again(project: Project, bundle: Bundle, runner: Runner, row: Mapping[str, Any]) -> None:
    """Its owner died between writing the row and keeping the handle: a runner starts a bundle only once."""
    if row["state"] != "submitting" or not (bundle.path / "job.json").exists():
        set_state(project, row["id"], "lost", "The app ended before it was handed over. Start it again.")
        return
    handle = runner.start(bundle.path, row["resources"])
    with project.store.transaction() as cursor:
        cursor.execute(
            "update jobs set state = 'queued', handle = ?, started_at = ? where id = ?",
            [json.dumps(handle), utc_now(), row["id"]],
        )


def entry(project: Project, job: str) -> dict[str, Any]:
    """What is known of a job without asking its runner."""
    row = _row(project, job)
    events = Bundle(project.folder / "jobs" / job).events
    newest = events[-1] if events else {"done": 0, "total": 0}
    far = {"done": newest["done"], "total": newest["total"], "events": thinned(events)}
    return _told(project, row) | far


def _told(project: Project, row: Mapping[str, Any]) -> dict[str, Any]:
    params, result = row["params"], row["result"]
    known = ("id", "kind", "state", "runner", "parent", "resources", "made_at", "started_at", "ended_at")
    return {
        **{key: row[key] for key in known},
        "trainer": params.get("trainer", ""),
        "values": params.get("values", {}),
        "note": params.get("note", ""),
        "message": row["error"] or "",
        "model": row["id"] if row["state"] == "succeeded" and row["kind"] == "train" else None,
        "metrics": summed_up(result.get("metrics", {})),
        "seconds": result.get("seconds"),
        "memory_mb": result.get("memory_mb"),
        "dollars": _spent(project, row),
    }


def summed_up(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The same with macro_f1 and accuracy at the top, as shares, of whichever of audit and gold has more records."""
    strata = [name for name in ("audit", "gold") if name in metrics]
    if not strata:
        return dict(metrics)
    best = max(strata, key=lambda name: metrics[name]["n"])
    figures = {name: metrics[best][name]["value"] for name in ("macro_f1", "accuracy")}
    return {**figures, "judged_on": best, **metrics}


def _spent(project: Project, row: Mapping[str, Any]) -> float | None:
    """What it has cost so far, in US dollars; None where nobody is paid or nothing ran yet."""
    if not row["started_at"] or row["runner"] not in project.runners:
        return None
    ended = datetime.fromisoformat(row["ended_at"]) if row["ended_at"] else datetime.now(UTC)
    seconds = (ended - datetime.fromisoformat(row["started_at"])).total_seconds()
    return project.runners[row["runner"]](project.settings()).price(row["resources"], seconds)


def thinned(events: list[dict[str, Any]], most: int = 500) -> list[dict[str, Any]]:
    """Those with figures, evenly spread where there are many; the last one always."""
    told = [event for event in events if len(event) > 3]
    step = max(1, len(told) // most)
    return told[::-1][::step][::-1]


def job_log(project: Project, report: Report, *, job: str, lines: int = 200) -> dict[str, Any]:
    """The last lines of what the job printed."""
    look(project, job)
    return {"id": job, "lines": Bundle(project.folder / "jobs" / job).log(lines)}


def job_cancel(project: Project, report: Report, *, job: str) -> dict[str, Any]:
    """Cancel means cancelled: the row says so at once, whatever the runner answers later."""
    row = _row(project, job)
    if row["state"] in ENDED:
        raise Refused(f"Job {job} is {row['state']} already.")
    set_state(project, job, "cancelling", "")
    if row["kind"] == "train" and row["handle"] is not None:
        runner = project.runners[row["runner"]](project.settings())
        runner.cancel(Bundle(project.folder / "jobs" / job).path, row["handle"])
        return look(project, job)
    set_state(project, job, "cancelled", "")
    for (run,) in project.store.query(
        "select id from jobs where parent = ? and list_contains(?, state)", [job, [*UNDER_WAY, "lost"]]
    ):
        job_cancel(project, report, job=run)
    return entry(project, job)


def raise_end(seen: Mapping[str, Any]) -> dict[str, Any]:
    """The entry of a job that succeeded; for any other the error that says so."""
    job, state, message = seen["id"], seen["state"], seen["message"]
    if state == "succeeded":
        return dict(seen)
    if state == "cancelled":
        raise Cancelled(f"Job {job} was cancelled. `rondo jobs retry {job}` goes on from its newest checkpoint.")
    if state == "timed_out":
        raise Refused(f"{message} `rondo jobs retry {job}` goes on from its newest checkpoint.")
    if state == "lost":
        raise JobBroke(f"Job {job} was lost: {message} `rondo jobs retry {job}` goes on from its newest checkpoint.")
    raise _error_of(seen)


def _error_of(seen: Mapping[str, Any]) -> RondoError:
    kind, _, text = str(seen["message"]).partition(": ")
    found = getattr(errors, kind, None)
    if isinstance(found, type) and issubclass(found, RondoError):
        return found(text)
    return JobBroke(f"Job {seen['id']} failed: {seen['message']} See `rondo jobs logs {seen['id']}`.")


def _row(project: Project, job: str) -> dict[str, Any]:
    rows = project.store.query(f"select {_COLUMNS} from jobs where id = ? and runner is not null", [job])
    if not rows:
        raise BadInput(f"There is no training job {job[:80]!r}. `rondo jobs` lists them.")
    return _read_row(rows[0])


def _read_row(found: tuple[Any, ...]) -> dict[str, Any]:
    row = dict(zip(_NAMES, found, strict=True))
    for key in ("params", "resources", "result"):
        row[key] = json.loads(row[key]) if row[key] else {}
    row["handle"] = json.loads(row["handle"]) if row["handle"] else None
    return row


def set_state(project: Project, job: str, state: str, message: str) -> None:
    ended = utc_now() if state in ENDED else None
    with project.store.transaction() as cursor:
        cursor.execute(
            "update jobs set state = ?, error = ?, ended_at = ? where id = ? and state <> 'succeeded'",
            [state, message or None, ended, job],
        )
