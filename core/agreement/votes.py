"""What people answered to the same records, as codes for statistics. Knows no statistics.

Only people's own labels: those of a file are known answers, and a correction is made with the others' answers in view.
"""

from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt

from core.agreement.kappa import Votes
from core.arrays import Ints
from core.config.settings import Settings
from core.labelling.settling import ANSWERS, answer_parameters
from core.project import Project
from core.tasks.tasks import task_of

UNKNOWN = -1


@dataclass(frozen=True)
class Crowd:
    """Votes with the meaning of their codes. record_nos: record numbers; people: names, the busiest first.

    categories: (k,) the labels of each code, in the taxonomy's order; several or none where several may hold. Of a task
    without a taxonomy the one answer, as the store has it.
    """

    votes: Votes
    record_nos: Ints
    people: tuple[str, ...]
    categories: tuple[tuple[str, ...], ...]

    def has(self, label: str) -> npt.NDArray[np.bool_]:
        """(answers,): whether each names this label."""
        with_it = np.array([label in category for category in self.categories], np.bool_)
        return with_it[self.votes.answer] if len(with_it) else np.zeros(0, np.bool_)


_GIVEN = f"""
    select n, annotator, if($of_labels, labels, [answer::varchar]) from ({ANSWERS.format(ns="select n from responses")})
    where action = 'submit' and counts and not from_file and not corrects order by n, annotator
"""


def read_crowd(project: Project) -> Crowd:
    """Every current label of a person."""
    settings = project.settings()
    with project.store.reading() as cursor:
        bound = {**answer_parameters(settings), "of_labels": task_of(settings).taxonomy}
        rows = cursor.execute(_GIVEN, bound).fetchall()
    return crowd_of([(n, annotator, tuple(labels)) for n, annotator, labels in rows], settings)


def crowd_of(rows: list[tuple[int, str, tuple[str, ...]]], settings: Settings) -> Crowd:
    """rows: record number, person, labels."""
    order = {label.id: index for index, label in enumerate(settings.taxonomy.labels)}
    supplied = [tuple(sorted(labels, key=lambda label: order.get(label, -1))) for *_, labels in rows]
    categories = sorted(set(supplied), key=lambda labels: ([order.get(label, -1) for label in labels], labels))
    names, busy = np.unique(np.array([annotator for _, annotator, _ in rows], np.str_), return_counts=True)
    people = [str(names[position]) for position in np.lexsort((names, -busy))]
    person = {name: index for index, name in enumerate(people)}
    code = {labels: index for index, labels in enumerate(categories)}
    record_nos, record = np.unique(np.array([n for n, *_ in rows], np.int64), return_inverse=True)
    votes = Votes(
        record=record.astype(np.int64),
        annotator=np.array([person[annotator] for _, annotator, _ in rows], np.int64),
        answer=np.array([code[labels] for labels in supplied], np.int64),
        records=len(record_nos),
        people=len(people),
        categories=len(categories),
    )
    return Crowd(votes, record_nos, tuple(people), tuple(categories))


# Gold that came with a file, and decisions by somebody who saw the answers. Gold made from people's own answers would
# score them against themselves.
_KNOWN = """
    select n, if($of_labels, labels, [answer::varchar]), stratum = 'gold' as gold from settled
    where how = 'adjudicated' or (stratum = 'gold' and n in (
        select n from responses where source = 'file'))
"""


def read_known(
    cursor: duckdb.DuckDBPyConnection, crowd: Crowd, settings: Settings
) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """(records,) code of the known label or UNKNOWN, and whether it is gold. Decided records are the hard ones: they
    inform the model of annotators, but a share right among them is no accuracy.
    """
    known, gold = np.full(len(crowd.record_nos), UNKNOWN), np.zeros(len(crowd.record_nos), np.bool_)
    code = {frozenset(labels): index for index, labels in enumerate(crowd.categories)}
    row_of = {int(n): row for row, n in enumerate(crowd.record_nos)}
    for n, labels, is_gold in cursor.execute(_KNOWN, {"of_labels": task_of(settings).taxonomy}).fetchall():
        if n in row_of:  # a label that nobody gave has no code: then everybody is wrong
            known[row_of[n]] = code.get(frozenset(labels), len(crowd.categories))
            gold[row_of[n]] = is_gold
    return known, gold
