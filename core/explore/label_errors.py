"""Suspected label errors: the verb that finds them, and queries for pages. Knows no model, no page."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

import numpy as np
import numpy.typing as npt

from core.arrays import label_matrix
from core.config.settings import Settings
from core.data.encode_elsewhere import encode_if_needed
from core.errors import BadInput, Refused
from core.explore.explore_jobs import INSPECT, InspectArrays, Inspection, InspectParams
from core.ids import RecordNo
from core.jobs.bundle import Report
from core.labelling.settling import ANSWERS, answer_parameters
from core.models.heads.head import FEWEST
from core.models.vectors import encoded_rows
from core.project import Project
from core.tasks.tasks import require_labels

KINDS = {
    "label_error": "likely label errors: a model that did not see the label would give another",
    "ambiguous": "hard records: people disagree, or the model is torn between two labels",
    "near_duplicate": "near-duplicates with different labels",
    "outlier": "outliers: unlike all other records",
}
"""kind -> what it holds"""

FLAGGED = "select unnest([n, other]) as n from flags where kind = $kind"
"""the records of a kind, both ends of a near-duplicate, perhaps with nulls; binds $kind"""

REVIEWED = 200
"""records of a kind that one review batch takes, at most"""


@dataclass(frozen=True)
class Segment:
    """Part of a text that also occurs in the other text, or does not."""

    text: str
    same: bool


@dataclass(frozen=True)
class Side:
    """One of two records that are compared; the segments in order are its text."""

    record_no: RecordNo
    id: str
    labels: tuple[str, ...]
    segments: tuple[Segment, ...]


def inspect(project: Project, report: Report) -> Inspection:
    """Inspects all labels in a job and replaces the previous flags. Raises Refused where there are too few labels to
    learn from.
    """
    settings = project.settings()
    require_labels(settings, "Looking for wrong labels")
    encode_if_needed(project, report)
    arrays = _arrays(project, settings)
    _refuse(settings, arrays.targets)
    params = InspectParams(
        encoder=settings.encoder,
        vectors=str(project.vectors),
        threads=settings.threads,
        labels=tuple(label.id for label in settings.taxonomy.active),
        multi=settings.multi,
        seed=settings.seed,
    )
    bundle = project.jobs.prepare(INSPECT, params)
    np.savez(bundle.path / "in" / "rows.npz", allow_pickle=False, **vars(arrays))
    result = project.jobs.run(bundle, INSPECT, report, "Inspecting labels")
    with project.store.transaction() as cursor:
        if project.jobs.claim_result(bundle, cursor):
            cursor.execute("delete from flags")
            cursor.execute(
                "insert into flags select n, kind, score, other, label, null from read_parquet(?)",
                [str(bundle.path / "out" / "flags.parquet")],
            )
    bundle.empty()
    return result


def _arrays(project: Project, settings: Settings) -> InspectArrays:
    labels = [label.id for label in settings.taxonomy.active]
    stop = encoded_rows(project.vectors, settings.encoder)
    with project.store.reading() as cursor:
        rows = cursor.execute("select n, labels from settled where n < ? order by n", [stop]).fetchall()
        disputes = cursor.execute(_DISPUTES, answer_parameters(settings)).fetchall()
    return InspectArrays(
        rows=np.asarray([n for n, _ in rows], np.int64),
        targets=label_matrix([answer for _, answer in rows], labels),
        disputed=np.asarray([n for n, _ in disputes], np.int64),
        disputes=np.asarray([score for _, score in disputes], np.float64),
    )


# 1 - (votes of the first - votes of the second) / all, so 1.0 is a tie. What somebody has corrected is no dispute, nor
# is what is known: people are measured by it.
_TWICE = "select n from responses where action = 'submit' group by n having count(distinct annotator) > 1"
_DISPUTES = f"""
    with votes as (
        select n, labels, count(*) as given from ({ANSWERS.format(ns=_TWICE)})
        where action = 'submit' and counts group by n, labels
    ), counted as (select n, list(given order by given desc) as given from votes group by n having count(*) > 1)
    select n, 1 - (given[1] - given[2]) / list_sum(given) from counted
    where n not in (select n from settled where how = 'adjudicated' or stratum = 'gold') order by n
"""


def _refuse(settings: Settings, targets: npt.NDArray[np.bool_]) -> None:
    if len(settings.taxonomy.active) < 2:
        raise Refused("Looking for wrong labels needs two labels to choose from. Add one on the Settings page.")
    if len(targets) < FEWEST:
        raise Refused(
            f"{len(targets)} records are labelled; to judge labels, a model needs at least {FEWEST}. "
            "Label some more first: `rondo up`."
        )
    if not settings.multi and targets.any(axis=0).sum() < 2:
        raise Refused(
            f"All {len(targets)} labelled records have the same label, so none of them looks wrong beside the others. "
            "Label records of another kind first."
        )


def inspected_at(project: Project) -> datetime | None:
    """When the newest inspection began (UTC), None before the first."""
    value: datetime | None = project.store.one(
        "select max(made_at) from jobs where kind = 'inspect' and state = 'succeeded'"
    )
    return value


def pair(project: Project, record_no: RecordNo, other: int) -> tuple[Side, Side]:
    """Two records side by side, word by word. Raises BadInput for one that does not exist."""
    names = project.settings().taxonomy.names
    rows = {
        row[0]: row
        for row in project.store.query(
            """select n, id, text, coalesce(labels, []) from records left join settled using (n)
               where n in (?, ?)""",
            [record_no, other],
        )
    }
    if missing := [number for number in (record_no, other) if number not in rows]:
        raise BadInput(f"There is no record number {missing[0]}. Inspect the labels again.")
    segments = word_diff(rows[record_no][2], rows[other][2])
    sides = zip((rows[record_no], rows[other]), segments, strict=True)
    left, right = (
        Side(number, id, tuple(names.get(label, label) for label in labels), parts)
        for (number, id, _, labels), parts in sides
    )
    return left, right


def word_diff(left: str, right: str) -> tuple[tuple[Segment, ...], tuple[Segment, ...]]:
    """The segments of both texts, alternately the same and different; joined they are the texts as they were.

    Words are compared with the space behind them left aside. Ratcliff & Obershelp 1988, as difflib has it.
    """
    words = [re.findall(r"\s*\S+\s*", text) or ([text] if text else []) for text in (left, right)]
    bare = [[word.strip() for word in side] for side in words]
    matches = difflib.SequenceMatcher(None, bare[0], bare[1], autojunk=True).get_matching_blocks()
    same = [{start + step for start, step in _steps((block[side], block.size) for block in matches)} for side in (0, 1)]
    return _segments(words[0], same[0]), _segments(words[1], same[1])


def _steps(blocks: Iterable[tuple[int, int]]) -> Iterable[tuple[int, int]]:
    return ((start, step) for start, size in blocks for step in range(size))


def _segments(words: list[str], same: set[int]) -> tuple[Segment, ...]:
    runs = groupby(enumerate(words), key=lambda numbered: numbered[0] in same)
    return tuple(Segment("".join(word for _, word in run), alike) for alike, run in runs)


def flagged(project: Project, kind: str) -> list[RecordNo]:
    """Labelled records with a flag of this kind that are not queued for review yet, the most suspicious first, REVIEWED
    at most.
    """
    rows = project.store.query(
        """select n from (select unnest([n, other]) as n, score from flags where kind = ?)
           where is_labelled(n) and n not in (select n from queue where purpose = 'review')
           group by n order by max(score) desc, n limit ?""",
        [kind, REVIEWED],
    )
    return [n for (n,) in rows]
