"""What a card says would come of a pair: the clusters' own rule, people's decisions only, never those on the pair."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import loop
from core.agreement.conflicts import read_conflicts
from core.data.file_import import import_file
from core.labelling.leases import Holder
from core.labelling.queue import QueueRequest
from core.labelling.responses import Event
from core.pairs.clusters import Decision, make_clusters
from core.project import Project, open_project
from core.tasks.pair_context import DecidedPairs, outcome, pair_context
from gpu_jobs.runners.local import InProcessRunner
from tests.conftest import quiet

SIDES = 8
sides = st.integers(0, SIDES - 1)
decisions = st.lists(st.tuples(sides, sides, st.booleans()), max_size=25, unique_by=lambda one: frozenset(one[:2]))


@given(decisions.map(lambda found: [one for one in found if one[0] != one[1]]), sides, sides)
def test_the_outcome_is_what_the_clusters_would_be(found: list[tuple[int, int, bool]], left: int, right: int) -> None:
    if left == right:
        return
    ours, theirs = (np.array([one[column] for one in found], np.int64) for column in (0, 1))
    known = DecidedPairs(np.arange(len(found)), ours, theirs, np.array([same for *_, same in found], np.bool_))
    result = outcome(99, left, right, known.near(np.array([left, right])).by_side())
    others = [
        Decision(str(one), str(other), same, by_person=True, number=number)
        for number, (one, other, same) in enumerate(found)
        if {one, other} != {left, right}
    ]
    records = [str(side) for side in range(SIDES)]
    before = make_clusters(records, others)
    clusters = {before.of[str(left)], before.of[str(right)]}
    assert result.members == tuple(sorted(int(side) for key in clusters for side in before.members[key]))
    assert result.joined == (len(clusters) == 1)
    held = make_clusters(records, [*others, Decision(str(left), str(right), same=True, by_person=True, number=99)]).held
    assert bool(result.apart) == any(one.decision.number == 99 for one in held)


@pytest.fixture
def pairs(tmp_path: Path) -> Iterator[Project]:
    """Records one, two and four, six, each with each, all of them in the queue."""
    loop.create_project(tmp_path / "project", [], task="pairs")
    project = open_project(tmp_path / "project", InProcessRunner())
    with (tmp_path / "p.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "a", "b"])
        writer.writerows([f"{left}-{right}", left, right] for left in ("one", "two") for right in ("four", "six"))
    import_file(project, quiet, file=str(tmp_path / "p.csv"), left=["a"], right=["b"], id="id")
    with project.store.transaction() as cursor:
        cursor.execute("update sides set id = text")
    loop.next_batch(project, quiet, size=4)
    yield project
    project.close()


def decide(project: Project, user: str, answers: dict[str, bool]) -> None:
    events = tuple(Event(f"{user}-{id}", id, "submit", {"same": same}) for id, same in answers.items())
    reply = project.label_queue.exchange(Holder(user, "tab"), QueueRequest(events=events))
    assert set(reply.statuses.values()) <= {"stored"}


def cards(project: Project, user: str) -> dict[str, Any]:
    reply = project.label_queue.exchange(Holder(user, "tab"), QueueRequest(want=9))
    return {card.id: card.context for card in reply.cards}


def test_a_card_says_which_cluster_would_come_and_who_kept_it_apart(pairs: Project) -> None:
    assert context_of(pairs, ["one-four", "two-six"]) == {}
    decide(pairs, "ann", {"one-four": True, "two-four": True})
    decide(pairs, "ben", {"two-six": False})
    [context] = cards(pairs, "max").values()
    assert context["cluster"] == "p.csv left:one"
    assert [(one["title"], one["here"]) for one in context["members"]] == [
        ("p.csv left:one", True),
        ("p.csv right:four", False),
        ("p.csv right:six", True),
        ("p.csv left:two", False),
    ]
    assert context["apart"] == [{"one": "p.csv left:two", "other": "p.csv right:six", "by": ["ben"]}]
    assert (context["joined"], context["more"]) == (False, 0)
    decide(pairs, "eve", {"two-six": False})
    events = (Event("ben-again", "two-six", "skip"),)
    pairs.label_queue.exchange(Holder("ben", "tab"), QueueRequest(events=events))
    assert context_of(pairs, ["one-six"])["one-six"]["apart"][0]["by"] == ["eve"]


def context_of(project: Project, ids: Sequence[str]) -> dict[str, Any]:
    with project.store.reading() as cursor:
        numbers = dict(cursor.execute("select n, id from records").fetchall())
        found = pair_context(cursor, [n for n, id in numbers.items() if id in ids])
    return {numbers[n]: context for n, context in found.items()}


def test_a_decision_on_the_pair_itself_is_not_given_away(pairs: Project) -> None:
    decide(pairs, "ann", {"one-four": True})
    assert context_of(pairs, ["one-four"]) == {}
    decide(pairs, "ann", {"two-four": True, "two-six": True})
    assert not context_of(pairs, ["one-four"])["one-four"]["joined"]
    assert context_of(pairs, ["one-six"])["one-six"]["joined"]


def test_what_a_model_merged_is_not_in_it(pairs: Project) -> None:
    with pairs.store.transaction() as cursor:
        cursor.execute(
            """insert into machine_labels by name select n, []::varchar[] as labels, 0.99 as probability,
               0.9 as threshold, 'g' as guarantee, 'm' as model, '{"same":true}'::json as answer from records"""
        )
    assert context_of(pairs, ["one-four", "two-six"]) == {}


def test_an_adjudicator_sees_it_too(pairs: Project) -> None:
    decide(pairs, "ann", {"one-four": True, "two-four": True})
    decide(pairs, "ben", {"one-four": False})
    [conflict] = read_conflicts(pairs, 5)[0]
    context: dict[str, Any] = conflict.context or {}
    titles = [one["title"] for one in context["members"]]
    assert (conflict.id, titles) == ("one-four", ["p.csv left:one", "p.csv right:four", "p.csv left:two"])
