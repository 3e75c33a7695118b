"""Which hosted model decides on pairs for programs, which did before, and where undoing leads. Reads and adds rows."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from core.evaluation.gate_verdict import GateVerdict, read_verdict
from core.ids import ModelId
from core.models.hosted_models import hostings
from core.project import Project
from core.store.database import note
from core.typed_json import to_json

LOGGED = {"promoted": "promote", "retrained": "promote", "deactivated": "deactivate", "rolled back": "rollback"}


@dataclass(frozen=True)
class DeciderChange:
    """A decision on which hosted model decides. model: None: none, the champion does. how: a key of LOGGED. reason: a
    person's. evidence: the gate's verdict."""

    since: datetime
    model: ModelId | None
    user: str
    how: str
    reason: str | None = None
    evidence: GateVerdict | None = None


@dataclass(frozen=True)
class Undoing:
    """Where undoing the last decision leads: to a hosted model, or to the champion, which is None."""

    to: ModelId | None


def decider_history(project: Project) -> list[DeciderChange]:
    """Newest first."""
    rows = project.store.query(
        "select since, model, user, how, reason, evidence::varchar from deciders order by since desc, rowid desc"
    )
    return [
        DeciderChange(since, model, user, how, reason, read_verdict(evidence) if evidence else None)
        for since, model, user, how, reason, evidence in rows
    ]


def decide_by(project: Project, change: DeciderChange) -> None:
    """From now on this hosted model decides, or none. The log and the history say so."""
    with project.store.transaction() as cursor:
        before = cursor.execute("select model from deciders order by since desc, rowid desc limit 1").fetchone()
        written = None if change.evidence is None else json.dumps(to_json(change.evidence))
        cursor.execute(
            "insert into deciders values (?, ?, ?, ?, ?, ?)",
            [change.since, change.model, change.user, change.how, change.reason, written],
        )
        detail = {"model": change.model, "before": before[0] if before else None, "reason": change.reason}
        note(cursor, change.user, LOGGED[change.how], detail)


def undoing(project: Project) -> Undoing | None:
    """None where the last decision was about the champion, or nothing is left to undo.

    A decision is undone once; hosted models that are gone are passed over.
    """
    past: list[tuple[datetime | None, ModelId | None]] = [(None, None)]
    for change in reversed(decider_history(project)):
        indices = [index for index, (_, model) in enumerate(past) if model == change.model]
        if change.how == "rolled back" and indices:
            past = past[: indices[-1] + 1]
        else:
            past.append((change.since, change.model))
    since, _ = past[-1]
    champion: datetime | None = project.store.one("select max(since) from champions where how <> 'round'")
    if since is None or (champion is not None and champion > since):
        return None
    known, today = hostings(project), datetime.now(UTC).date()
    usable = [model for _, model in past[:-1] if model is None or not known[model].ended(today)]
    return Undoing(usable[-1])
