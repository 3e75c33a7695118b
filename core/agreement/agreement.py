"""How far the people of a project agree, in rows for a page. Knows names and labels; statistics are in `measuring`."""

from dataclasses import asdict
from typing import Any

import numpy as np

from core.agreement.kappa import Agreement, alpha, confusion, count_categories, count_one, kappas, sheet
from core.agreement.votes import Crowd, read_crowd
from core.project import Project

MOST_PEOPLE = 20
"""people that are compared two by two: the busiest"""
NONE = "none of them"
Rows = list[dict[str, Any]]


def stamp(project: Project) -> tuple[object, ...]:
    """Changes whenever agreement could be another."""
    count = project.store.one("select count(*) from responses")
    return str(project.folder), count, project.settings().taxonomy.version


def agreement(project: Project) -> dict[str, Any]:
    """Alpha over all and per label, kappa of each two people, and who is compared.

    overall: an `Agreement` as a dict; where several labels may hold, two answers are the same when all labels are.
    labels: the same for each label against the rest, the least agreed first, untold ones last. pairs: first, second,
    value, records, same, why.
    """
    crowd, names = read_crowd(project), project.settings().taxonomy.names
    rng = np.random.default_rng(project.settings().seed)
    overall = alpha(count_categories(crowd.votes), rng)
    active = project.settings().taxonomy.active
    labels = [
        {"label": label.name, **asdict(alpha(count_one(crowd.votes, crowd.has(label.id)), rng))}
        for label in active
        if crowd.has(label.id).any()
    ]
    labels.sort(key=lambda row: (row["value"] is None, row["value"]))
    return {
        "overall": asdict(overall),
        "sentence": _sentence(overall),
        "labels": labels,
        "people": list(crowd.people[:MOST_PEOPLE]),
        "left_out": max(len(crowd.people) - MOST_PEOPLE, 0),
        "pairs": _pairs(crowd),
        "names": {label: names.get(label, label) for label in names},
    }


def _sentence(matches: Agreement) -> str:
    """Krippendorff's own bounds: rely on .800, draw tentative conclusions from .667 on."""
    if matches.value is None:
        return f"Too few to say how far people agree: {matches.why}."
    words = (
        "enough to rely on"
        if matches.value >= 0.8
        else "tentative"
        if matches.value >= 0.667
        else "too little to rely on"
    )
    span = "" if matches.low is None else f" (95 %: {matches.low:.2f} to {matches.high:.2f})"
    return f"Krippendorff's alpha is {matches.value:.2f}{span} on {matches.records:,} shared records: {words}."


def _pairs(crowd: Crowd) -> Rows:
    people = np.arange(min(len(crowd.people), MOST_PEOPLE))
    return [
        {"first": crowd.people[first], "second": crowd.people[second], **asdict(one)}
        for (first, second), one in kappas(crowd.votes, people).items()
    ]


def confused(project: Project, first: str, second: str) -> Rows:
    """What the one said where the other said what: rows first, second, records; empty where they share nothing."""
    crowd, names = read_crowd(project), project.settings().taxonomy.names
    if first not in crowd.people or second not in crowd.people:
        return []
    answer = sheet(crowd.votes, np.array([crowd.people.index(first), crowd.people.index(second)]))
    matrix = confusion(answer[:, 0], answer[:, 1], crowd.votes.categories)
    words = [", ".join(names.get(label, label) for label in labels) or NONE for labels in crowd.categories]
    return [
        {"first": words[row], "second": words[column], "records": int(matrix[row, column])}
        for row, column in zip(*np.nonzero(matrix), strict=True)
    ]
