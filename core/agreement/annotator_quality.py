"""Annotator quality: the verb that measures it, and the stored result. Knows no statistics, no page."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import duckdb
import numpy as np

from core.agreement.quality_job import QUALITY, AnnotatorQuality, QualityParams, VoteArrays
from core.agreement.votes import Crowd, read_crowd, read_known
from core.errors import Refused
from core.jobs.bundle import Bundle, Report
from core.labelling.resettling import change_sentence, settle_all
from core.project import Project
from core.store.database import utc_now
from core.tasks.tasks import task_of
from core.typed_json import from_json, to_json

ENOUGH = 10
"""shared answers below which nobody is said to guess"""
GUESSES = 0.1
"""informed at most so much: hardly better than one's own habits by chance"""
AGAINST = -0.1


@dataclass(frozen=True)
class MeasuredQuality:
    """Everybody's quality just measured, with warnings as sentences. records: those that two people answered or
    more.
    """

    people: tuple[AnnotatorQuality, ...]
    sentences: tuple[str, ...]
    records: int
    seconds: float


def quality(project: Project, report: Report) -> MeasuredQuality:
    """Measures everybody in a job; where votes are weighed, settles all labels anew with the weights.

    Raises Refused where no record has two answers and none
    of the answered ones is known.
    """
    crowd, settings = read_crowd(project), project.settings()
    of_labels = task_of(settings).taxonomy
    with project.store.reading() as cursor:
        known, gold = read_known(cursor, crowd, settings)
    _refuse(crowd, bool((known >= 0).any()))
    bundle = project.jobs.prepare(QUALITY, QualityParams(of_labels and settings.multi))
    labels = sorted({label for category in crowd.categories for label in category}) if of_labels else []
    members = np.array([[label in category for label in labels] for category in crowd.categories], np.bool_)
    votes = crowd.votes
    sizes = np.array([votes.records, votes.people, votes.categories])
    arrays = VoteArrays(votes.record, votes.annotator, votes.answer, known, gold, sizes, members)
    np.savez(bundle.path / "in" / "votes.npz", allow_pickle=False, **vars(arrays))
    result = project.jobs.run(bundle, QUALITY, report, "Measuring annotators")
    people = tuple(replace(one, annotator=name) for name, one in zip(crowd.people, result.people, strict=True))
    sentences = (*warnings(people), *_apply_result(project, bundle, crowd, people))
    bundle.empty()
    return MeasuredQuality(people, sentences, result.records, result.seconds)


def _refuse(crowd: Crowd, known: bool) -> None:
    shared = bool((np.bincount(crowd.votes.record) > 1).any()) if len(crowd.record_nos) else False
    if not (shared or known):
        raise Refused(
            "No record has answers of two people yet, and no answered one has a known label: nobody can be compared. "
            "Let people label the same records (overlap, on the Settings page), or slip known ones in: "
            "`rondo calibrate`."
        )


def _apply_result(project: Project, bundle: Bundle, crowd: Crowd, people: Sequence[AnnotatorQuality]) -> list[str]:
    """Stores the result once, in one transaction with the resettled labels; returns their changes in a sentence."""
    with project.label_queue.changing() as cursor:
        if not project.jobs.claim_result(bundle, cursor):
            return []
        cursor.execute("delete from annotators")
        cursor.execute("delete from crowd_labels")
        now = utc_now()
        rows = [[one.annotator, one.weight, json.dumps(to_json(one)), now] for one in people]
        cursor.executemany("insert into annotators values (?, ?, ?, ?)", rows)
        settings = project.settings()
        _insert_labels(cursor, bundle, crowd, of_labels=task_of(settings).taxonomy)
        return [change_sentence(settle_all(cursor, settings))] if settings.settle == "weighted" else []


def _insert_labels(cursor: duckdb.DuckDBPyConnection, bundle: Bundle, crowd: Crowd, *, of_labels: bool) -> None:
    cursor.execute(
        """insert into crowd_labels
           select $ns[place + 1], if(code < 0 or not $of_labels, null, ($categories::varchar[][])[code + 1]),
                  probability
           from read_parquet($file)""",
        {
            "ns": crowd.record_nos.tolist(),
            "of_labels": of_labels,
            "categories": [list(category) for category in crowd.categories],
            "file": str(bundle.path / "out" / "labels.parquet"),
        },
    )


def measured(project: Project) -> list[AnnotatorQuality]:
    """As measured last, the heaviest vote first; empty before the first time."""
    rows = project.store.query("select quality::varchar from annotators order by weight desc, annotator")
    return [from_json(AnnotatorQuality, json.loads(written), "A measured annotator") for (written,) in rows]


def measured_at(project: Project) -> datetime | None:
    """UTC."""
    value: datetime | None = project.store.one("select max(measured_at) from annotators")
    return value


def warnings(people: Sequence[AnnotatorQuality]) -> list[str]:
    """A sentence for each person whose answers are no better than chance, or contrary to the others'."""
    result = [one for one in people if one.informed is not None and one.shared >= ENOUGH]
    against = [one for one in result if (one.informed or 0.0) < AGAINST]
    guessing = [one for one in result if AGAINST <= (one.informed or 0.0) < GUESSES]
    return [
        *(f"{one.annotator} answers against the others: {one.shared:,} shared records. Ask why." for one in against),
        *(
            f"{one.annotator} agrees with the others hardly more than guessing would: {one.shared:,} shared records. "
            f"Where votes are weighed this one weighs {one.weight:.2f}."
            for one in guessing
        ),
    ]
