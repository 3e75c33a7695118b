"""Playing the annotator: the loop with known answers, through the verbs people use. Knows no runner, no terminal."""

import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from core import loop
from core.config.settings import copy_settings
from core.data.encoding import encode
from core.errors import Refused
from core.evaluation.metrics import Metrics
from core.jobs.bundle import Report
from core.labelling.leases import Holder
from core.labelling.queue import QueueRequest
from core.labelling.responses import Event
from core.labelling.settling import settle
from core.models.feature_plans import awaited_encoder
from core.project import Project
from core.registry.retraining import Retrained, retrain, tuning_due
from core.tasks.task import Answer

ORACLE = Holder("oracle", "replay")
HANDFUL = 50


@dataclass(frozen=True)
class Point:
    """One fit: labels asked for so far, and the model's scores as `fit` reports them. tuned: what came of tuning the
    encoder right after it, where it was due; the next fit is on its vectors, if they are better."""

    labels: int
    metrics: Metrics
    tuned: Retrained | None = None


@dataclass(frozen=True)
class Budget:
    """How long to play: `rounds` batches of `size` records chosen by `strategy`; the first one drawn at random as an
    audit where `audit_first`. tune: the encoder is tuned where that is due.
    """

    rounds: int
    size: int
    strategy: str
    audit_first: bool = False
    tune: bool = False


Truth = Mapping[str, Answer]
"""record id -> the known answer"""


def answer_queued(project: Project, truth: Truth, count: int) -> int:
    """Takes up to `count` records from the queue, as a browser does, and answers them truly. Returns how many."""
    events: tuple[Event, ...] = ()
    left = count
    while True:
        reply = project.label_queue.exchange(ORACLE, QueueRequest(events=events, want=min(left, HANDFUL)))
        if refused := [reason for reason in reply.statuses.values() if reason not in ("stored", "known")]:
            raise Refused(f"The oracle's answer was refused: {refused[0]}")
        if not reply.cards:
            return count - left
        events = tuple(
            Event(
                str(uuid.uuid4()),
                card.id,
                "submit" if card.id in truth else "skip",
                truth.get(card.id, ()),
                seq=seq,
                ts=time.time(),
            )
            for seq, card in enumerate(reply.cards)
        )
        left -= len(events)


def simulate_rounds(
    project: Project, truth: Truth, budget: Budget, report: Report, summary: Callable[[Point], None] = lambda _: None
) -> list[Point]:
    """Batch after batch until the budget is spent or nothing is left to ask; one point per fit."""
    points: list[Point] = []
    answers = 0
    share = 1.0 if budget.audit_first else None
    first = loop.next_batch(project, report, size=budget.size, strategy=budget.strategy, spare=0, audit_share=share)
    queued = first.queued
    for number in range(budget.rounds):
        answers += answer_queued(project, truth, queued)
        if number + 1 < budget.rounds:
            result = loop.play_round(project, report, size=budget.size, strategy=budget.strategy, spare=0)
        else:
            result = loop.fit(project, report)
        tuned = _tune_if_due(project, report) if budget.tune and result.queued else None
        points.append(Point(answers, result.metrics or Metrics(), tuned))
        if awaited_encoder(project):
            encode(project, report)
        summary(points[-1])
        queued = result.queued
        if not queued:
            break
    return points


def _tune_if_due(project: Project, report: Report) -> Retrained | None:
    """As the app does it behind people's backs, but here the rounds wait."""
    return retrain(project, report, tune=True) if tuning_due(project) else None


def withhold_answers(project: Project) -> dict[str, Answer]:
    """Takes the answers that came with the file out of the project and returns them as the truth; gold stays."""
    rows = project.store.query("select r.id, s.answer from settled s join records r using (n) where s.stratum = 'file'")
    with project.store.transaction() as cursor:
        cursor.execute("delete from responses where n in (select n from settled where stratum = 'file')")
        cursor.execute("delete from settled where stratum = 'file'")
        cursor.execute("delete from models")
    project.label_queue.reload()
    return {record: json.loads(answer) for record, answer in rows}


def hold_out(project: Project, share: float, seed: int) -> None:
    """Declares a random share of the records gold, where the file has no test split of its own."""
    with project.store.transaction() as cursor:
        cursor.execute(
            """update records set split = 'test' where n in (
                   select n from records
                   where duplicate_of is null and n not in (select n from pairs where beyond is not null)
                   order by hash(n + ?)
                   limit (select (count(*) * ?)::bigint from records where duplicate_of is null))""",
            [seed * 1_000_003, share],
        )
        settle(cursor, "select n from records", project.settings())
    project.label_queue.reload()


def copy_project(project: Project, folder: Path) -> None:
    """A copy that shares the vectors: for playing the same records again from the start."""
    project.store.backup(folder)
    copy_settings(project.folder, folder)
    (folder / "vectors").symlink_to(project.vectors.resolve(), target_is_directory=True)
