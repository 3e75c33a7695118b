"""Agreement of a project's annotators, by person and label. Knows no statistics: they are in `kappa`."""

from dataclasses import dataclass

import numpy as np

from core.agreement.kappa import Agreement, Kappa, alpha, confusion, count_categories, count_one, kappas, sheet
from core.agreement.votes import read_crowd
from core.project import Project
from core.tasks.tasks import describer, task_of

MOST_PEOPLE = 20
"""people that are compared two by two: the busiest"""
NONE = "none of them"


@dataclass(frozen=True)
class LabelAgreement:
    """How far people agree on one label against the rest."""

    label: str
    agreement: Agreement


@dataclass(frozen=True)
class PairAgreement:
    """How far two people agree."""

    first: str
    second: str
    kappa: Kappa


@dataclass(frozen=True)
class AgreementReport:
    """overall: where several labels may hold, two answers are the same when all labels are. labels: the least agreed
    first, those without a figure last. people: who is compared two by two; left_out: how many are not.
    """

    overall: Agreement
    sentence: str
    labels: list[LabelAgreement]
    people: list[str]
    left_out: int
    pairs: list[PairAgreement]


@dataclass(frozen=True)
class SharedAnswers:
    """So many records to which one person answered `first` and another `second`."""

    first: str
    second: str
    records: int


def stamp(project: Project) -> tuple[object, ...]:
    """A cache key that changes whenever agreement may change."""
    count = project.store.one("select count(*) from responses")
    return str(project.folder), count, project.settings().taxonomy.version


def agreement(project: Project) -> AgreementReport:
    """Alpha over all and per label, kappa of each two of the busiest people."""
    crowd = read_crowd(project)
    rng = np.random.default_rng(project.settings().seed)
    overall = alpha(count_categories(crowd.votes), rng)
    active = project.settings().taxonomy.active
    labels = [
        LabelAgreement(label.name, alpha(count_one(crowd.votes, crowd.has(label.id)), rng))
        for label in active
        if crowd.has(label.id).any()
    ]
    labels.sort(key=lambda one: (one.agreement.value is None, one.agreement.value or 0.0))
    people = list(crowd.people[:MOST_PEOPLE])
    return AgreementReport(
        overall=overall,
        sentence=_sentence(overall),
        labels=labels,
        people=people,
        left_out=max(len(crowd.people) - MOST_PEOPLE, 0),
        pairs=[
            PairAgreement(people[first], people[second], kappa)
            for (first, second), kappa in kappas(crowd.votes, np.arange(len(people))).items()
        ],
    )


def _sentence(agreement: Agreement) -> str:
    """Krippendorff's own bounds: rely on .800, draw tentative conclusions from .667 on."""
    if agreement.value is None:
        return f"Too few to say how far people agree: {agreement.why}."
    words = (
        "enough to rely on"
        if agreement.value >= 0.8
        else "tentative"
        if agreement.value >= 0.667
        else "too little to rely on"
    )
    span = "" if agreement.low is None else f" (95 %: {agreement.low:.2f} to {agreement.high:.2f})"
    return f"Krippendorff's alpha is {agreement.value:.2f}{span} on {agreement.records:,} shared records: {words}."


def confused(project: Project, first: str, second: str) -> list[SharedAnswers]:
    """Confusions of two people, by pairs of answers; empty where they share no record."""
    settings = project.settings()
    crowd, names, describe = read_crowd(project), settings.taxonomy.names, describer(settings)
    if first not in crowd.people or second not in crowd.people:
        return []
    answer = sheet(crowd.votes, np.array([crowd.people.index(first), crowd.people.index(second)]))
    matrix = confusion(answer[:, 0], answer[:, 1], crowd.votes.categories)
    if task_of(settings).taxonomy:
        words = [", ".join(names.get(label, label) for label in labels) or NONE for labels in crowd.categories]
    else:
        words = [describe(answer) or NONE for (answer,) in crowd.categories]
    return [
        SharedAnswers(words[row], words[column], int(matrix[row, column]))
        for row, column in zip(*np.nonzero(matrix), strict=True)
    ]
