"""What holds for records that a person puts in front of the queue: a second look by somebody else, or a first one."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import loop, simulate
from core.ids import RecordNo
from core.jobs.bundle import Jobs
from core.labelling.leases import Holder
from core.labelling.queue import QueueRequest
from core.labelling.responses import Event
from core.labelling.reviews import queue_for_review, send_to_queue
from core.labelling.waiting import ASKED, asked_parameters, read_open, read_waiting
from core.project import Project, SettingsInForce
from core.store.answers import CORRECTION
from core.store.database import Store
from gpu_jobs.runners.local import InProcessRunner
from tests.conftest import quiet
from tests.queue_world import ANN, BOB, SETTINGS, World, ids, submit, undo

CAT = Holder("cat", "1")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    store = Store(tmp_path)
    world = World(store)
    world.fill(10, queued=[3, 1, 2])
    yield world
    store.close()


def project_of(world: World) -> Project:
    folder = world.store.path.parent
    jobs = Jobs(world.store, InProcessRunner(), folder / "jobs")
    return Project(folder, world.store, world.label_queue, jobs, cast("SettingsInForce", lambda: world.settings))


def review(world: World, *records: str) -> dict[str, int]:
    """A second later, so that every answer so far came before, and those to come come after."""
    world.later(1)
    queued = queue_for_review(project_of(world), [RecordNo(int(record[1:])) for record in records], "ann")
    world.later(1)
    return queued


def again(record: str, label: str = "ham", eid: str | None = None) -> Event:
    """An answer after an earlier one: by the browser's clock, which stands still here, its number says so."""
    return replace(submit(record, label, eid), seq=1)


def settled(world: World) -> dict[str, tuple[str, str, str]]:
    rows = world.store.query("select id, labels, how, stratum from settled join records using (n)")
    return {id: (",".join(labels), how, stratum) for id, labels, how, stratum in rows}


def test_a_review_comes_first_and_blind_and_goes_to_somebody_else(world: World) -> None:
    world.ask(BOB, submit("r1"))
    world.ask(ANN, submit("r3"), submit("r7"))
    assert review(world, "r7", "r3") == {"queued": 2, "unlabelled": 0, "unknown": 0}
    cards = world.ask(BOB, want=2).cards
    assert [(card.id, card.suggestion) for card in cards] == [("r7", None), ("r3", None)]
    world.ask(BOB, give_back=("r7", "r3"))
    assert {"r3", "r7"}.isdisjoint(ids(world.ask(ANN, want=50)))
    assert json.loads(world.store.one("select detail from audit_log where what = 'review'")) == {"records": [7, 3]}


def test_a_person_alone_reviews_and_the_new_answer_counts(world: World) -> None:
    world.ask(ANN, submit("r3"))
    review(world, "r3")
    assert ids(world.ask(ANN, want=1)) == ["r3"]
    world.restart()
    assert ids(world.ask(ANN, want=1)) == ["r3"], "held through a restart, though it has an older answer"
    world.ask(ANN, again("r3"), have=["r3"])
    assert settled(world)["r3"] == ("ham", "single", "chosen")
    assert "r3" not in ids(world.ask(ANN, want=50))


def test_undoing_the_second_answer_brings_the_first_back_and_opens_the_review(world: World) -> None:
    world.ask(ANN, submit("r3"))
    review(world, "r3")
    world.ask(ANN, again("r3", eid="2"))
    world.ask(ANN, undo("r3", "2"))
    assert settled(world)["r3"][0] == "spam"
    assert "r3" in world.live() or "r3" in ids(world.ask(ANN, want=1))


def test_one_answer_closes_a_review_whatever_the_overlap(world: World) -> None:
    world.settings = replace(SETTINGS, overlap=2)
    world.label_queue.reload()
    for person in (ANN, BOB, CAT):
        world.ask(person, submit("r9"))
    world.ask(ANN, submit("r3"))
    world.ask(BOB, submit("r3", "spam"))
    review(world, "r3")
    assert ids(world.ask(ANN, want=1)) != ["r3"]
    assert ids(world.ask(CAT, want=1)) == ["r3"]
    world.ask(CAT, submit("r3", "ham"))
    assert settled(world)["r3"] == ("spam", "majority", "chosen")
    assert "r3" not in ids(world.ask(Holder("dan", "1"), want=50))


def test_two_who_disagree_leave_the_record_tied_until_it_is_corrected(world: World) -> None:
    world.ask(ANN, submit("r3"))
    review(world, "r3")
    world.ask(BOB, submit("r3", "ham"))
    assert "r3" not in settled(world)
    world.ask(ANN, replace(again("r3"), source=CORRECTION))
    assert settled(world)["r3"] == ("ham", "adjudicated", "chosen")


def test_where_everybody_else_passed_it_comes_back_to_who_labelled_it(world: World) -> None:
    world.ask(ANN, submit("r3"))
    world.ask(BOB, submit("r1"))
    review(world, "r3")
    world.ask(BOB, Event("s", "r3", "skip"))
    assert "r3" not in ids(world.ask(BOB, want=50))
    world.ask(BOB, give_back=tuple(f"r{n}" for n in range(10)))
    assert "r3" in ids(world.ask(ANN, want=50))


def test_a_file_and_somebody_long_gone_are_not_waited_for(world: World) -> None:
    world.ask(BOB, submit("r1"))
    world.later(40 * 86_400)
    world.ask(ANN, submit("r3"))
    with world.label_queue.changing() as cursor:
        cursor.execute(
            """insert into responses select 'file:f.csv:r2', 2, 'f.csv', 'submit', ['spam'], null, null, $now, 0, $now,
               0, 1, null, null, 0, 'file', true, to_json(['spam']), null""",
            {"now": world.now},
        )
    review(world, "r3")
    assert ids(world.ask(ANN, want=1)) == ["r3"]


def test_a_review_goes_to_somebody_who_came_after_it_was_asked_for(world: World) -> None:
    world.ask(ANN, submit("r3"))
    review(world, "r3")
    world.ask(BOB, submit("r1"))
    assert "r3" not in ids(world.ask(ANN, want=1))
    assert "r3" in ids(world.ask(BOB, want=1))


def test_a_stale_lease_from_the_first_answer_is_no_claim_on_the_review(world: World) -> None:
    world.ask(BOB, submit("r1"))
    world.ask(ANN, want=1)
    world.ask(ANN, submit("r3"))
    assert world.store.one("select count(*) from leases where n = 3") == 1
    review(world, "r3")
    assert "r3" not in ids(world.ask(ANN, want=50))
    assert "r3" in ids(world.ask(BOB, want=50))


def test_reviews_are_not_part_of_the_batch(world: World) -> None:
    world.ask(ANN, submit("r3"), submit("r1"))
    review(world, "r3")
    assert world.ask(ANN).progress | {"records": 0} == {
        "batch": 1,
        "size": 2,
        "answered": 1,
        "waiting": 2,
        "records": 0,
    }
    world.ask(ANN, again("r3"))
    assert not world.label_queue.round_due()
    world.ask(ANN, submit("r2"))
    assert world.label_queue.round_due()


def test_checks_of_machine_labels_are_not_part_of_the_batch(world: World) -> None:
    with world.label_queue.changing() as cursor:
        cursor.execute(
            "insert into queue select n, 1, n, false, false, null, null, null, 'check', null from range(5, 9) t(n)"
        )
    world.ask(ANN, *(submit(f"r{n}") for n in range(5, 8)))
    assert world.ask(ANN).progress | {"records": 0} == {
        "batch": 1,
        "size": 3,
        "answered": 0,
        "waiting": 4,
        "records": 0,
    }
    assert not world.label_queue.round_due(), "checks teach nothing, so no round is due after them"
    world.ask(ANN, *(submit(f"r{n}") for n in range(1, 4)))
    assert world.label_queue.round_due()


def test_a_reviewed_check_of_machine_labels_stays_a_check(world: World) -> None:
    with world.label_queue.changing() as cursor:
        cursor.execute("update queue set purpose = 'check' where n = 3")
    world.ask(ANN, submit("r3"))
    assert settled(world)["r3"] == ("spam", "single", "check")
    review(world, "r3")
    assert ids(world.ask(ANN, want=1)) == ["r3"]
    world.ask(ANN, again("r3"))
    assert settled(world)["r3"] == ("ham", "single", "check")
    assert review(world, "r3")["queued"] == 1
    assert world.store.one("select count(*) from queue where n = 3") == 2


def test_what_was_sent_comes_before_the_batch_with_its_suggestion(world: World) -> None:
    with world.label_queue.changing() as cursor:
        cursor.execute("insert into suggestions values (5, 'ham', 0.9, 0.2, ['ham'], 'm1', to_json(['ham']))")
    world.ask(ANN, submit("r3"))
    with world.label_queue.changing() as cursor:
        cursor.execute("update records set split = 'test' where n = 6")
        cursor.execute("update records set duplicate_of = 0 where n = 7")
    result = send_to_queue(
        project_of(world),
        [RecordNo(n) for n in (8, 5, 5, 6, 7, 3, 1, 99)],
        "ann",
    )
    assert result == {"queued": 2, "labelled": 1, "gold": 1, "duplicates": 1, "waiting": 1, "unknown": 1}
    cards = world.ask(BOB, want=3).cards
    assert [card.id for card in cards] == ["r8", "r5", "r1"]
    assert cards[1].suggestion == {"labels": [{"id": "ham", "probability": 0.9}], "model": "m1"}


def test_what_was_sent_or_is_under_review_survives_the_next_round(
    project: Project, truth: dict[str, tuple[str, ...]]
) -> None:
    loop.next_batch(project, quiet, size=12)
    simulate.answer_queued(project, truth, 12)
    sent = project.store.one("select max(n) from queue where spare")
    labelled = project.store.one("select min(n) from settled where stratum <> 'gold'")
    assert send_to_queue(project, [sent], "ann")["queued"] == 1
    assert queue_for_review(project, [labelled], "ann")["queued"] == 1
    loop.play_round(project, quiet, size=6)
    first = [card.id for card in project.label_queue.exchange(ANN, QueueRequest(want=2)).cards]
    assert set(first) == {f"r{sent}", f"r{labelled}"}


PEOPLE = [ANN, BOB, CAT]
MOVES = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.lists(st.sampled_from(["submit"] * 5 + ["skip", "flag", "undo"]), max_size=3),
        st.integers(0, 3),
        st.sampled_from(["nothing"] * 3 + ["review", "review", "restart", "wait"]),
    ),
    min_size=6,
    max_size=14,
)


@settings(max_examples=8, deadline=None)
@given(MOVES, st.integers(1, 2), st.integers(0, 2**32))
def test_a_review_is_never_shared_never_repeated_and_never_starves(
    tmp_path_factory: pytest.TempPathFactory,
    moves: list[tuple[int, list[str], int, str]],
    overlap: int,
    seed: int,
) -> None:
    world = World(Store(tmp_path_factory.mktemp("reviews")))
    world.settings = replace(SETTINGS, overlap=overlap)
    world.fill(6, queued=range(4), audit=[1, 2])
    hands: dict[Holder, list[str]] = {person: [] for person in PEOPLE}
    past: dict[Holder, list[Event]] = {person: [] for person in PEOPLE}
    for number, (index, actions, want, then) in enumerate(moves):
        person = PEOPLE[index]
        shake(world, then, seed + number)
        events = [event for action in actions if (event := act(action, hands[person], past[person])) is not None]
        reply = world.ask(person, *events, have=hands[person], want=want)
        world.later(0.5)
        hands[person] = [record for record in hands[person] if record not in reply.taken]
        check_offers(world, person, ids(reply))
        hands[person] += ids(reply)
        check_sql(world)
        if want and not hands[person]:
            assert not free_reviews(world, person, hands[person]), "starved though a review is left"
    world.store.close()


def check_sql(world: World) -> None:
    """What pages ask the store is what the desk does."""
    with world.store.reading() as cursor:
        result = cursor.execute(ASKED.format(ns="select n from queue"), asked_parameters(world.settings)).fetchall()
        waiting = read_waiting(cursor, world.settings)
        windows = [read_open(cursor, world.settings, most) for most in (1, 2, 100)]
    open_rows = list(waiting.open())
    for some in windows:
        first = list(some.open())
        assert first == open_rows[: len(first)], "the first of them, in order"
        assert some.complete == (len(first) == len(open_rows))
        assert first or not open_rows
        assert (some.batch, sorted(some.own), some.since, some.end, some.untouched, len(some)) == (
            *(waiting.batch, sorted(waiting.own), waiting.since, waiting.end, waiting.untouched, len(waiting)),
        )
    assert {n for n, *_, is_open in result if is_open} == {row.record_no for row in open_rows}
    assert {n for n, _, _, blind, *_, is_open in result if blind and is_open} == {
        r.record_no for r in open_rows if r.blind
    }


def act(action: str, hand: list[str], past: list[Event]) -> Event | None:
    """The next event of a person with these records at hand."""
    if action == "undo":
        return undo((taken := past.pop()).record, taken.eid) if past else None
    if not hand:
        return None
    labels = ("spam",) if action == "submit" else ()
    past.append(Event(str(uuid4()), hand.pop(0), action, labels, seq=len(past) + 1))
    return past[-1]


def shake(world: World, what: str, seed: int) -> None:
    if what == "restart":
        world.restart()
    elif what == "wait":
        world.later(61)
    elif what == "review" and (known := sorted(settled(world))):
        review(world, known[seed % len(known)])


def standing(world: World, record: str) -> tuple[dict[str, str], dict[str, str]]:
    """Annotator -> action of the newest answers that stand: all of them, and those since the review began."""
    rows = world.store.query(
        """select annotator, action,
                  stamp > coalesce((select max(since) from queue where queue.n = a.n), 0)
           from responses a join records using (n) where id = ? and action <> 'undo'
             and event_id not in (select undoes from responses where undoes is not null)
           order by stamp""",
        [record],
    )
    return {person: action for person, action, _ in rows}, {person: action for person, action, new in rows if new}


def may_review(world: World, person: Holder, record: str) -> bool:
    """By the rules, written down again: open, not answered since, and nobody better is there."""
    everything, since = standing(world, record)
    if {"submit", "flag"} & set(since.values()) or person.annotator in since:
        return False
    people = {name for (name,) in world.store.query("select distinct annotator from responses")}
    better = {name for name in people if everything.get(name) != "submit" and name not in since}
    return everything.get(person.annotator) != "submit" or not better


def under_review(world: World) -> set[str]:
    rows = world.store.query("select id from queue join records using (n) where purpose = 'review'")
    return {id for (id,) in rows}


def check_offers(world: World, person: Holder, offered: Sequence[str]) -> None:
    for record in under_review(world) & set(offered):
        assert may_review(world, person, record)
        held = world.store.query(
            "select annotator from leases join records using (n) where id = ? and until > ?", [record, world.now]
        )
        since = standing(world, record)[1]
        assert {name for (name,) in held} - set(since) <= {person.annotator}, "two people hold one review"


def free_reviews(world: World, person: Holder, hand: list[str]) -> set[str]:
    held = world.store.query("select id from leases join records using (n) where until > ?", [world.now])
    free = under_review(world) - {id for (id,) in held} - set(hand)
    return {record for record in free if may_review(world, person, record)}
