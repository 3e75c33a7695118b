"""What holds for gold records slipped in to measure people: everybody gets each once, and nothing else changes."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import loop, simulate
from core.errors import Refused
from core.explore.record_detail import record_detail
from core.ids import RecordNo
from core.labelling.calibrating import Calibration, calibrate, share_of
from core.labelling.changes import change_settings
from core.labelling.corrections import correct
from core.labelling.leases import Holder
from core.labelling.queue import QueueRequest
from core.labelling.responses import Event
from core.labelling.reviews import queue_for_review
from core.project import Project
from core.reports.model_quality import caveats
from core.reports.overview import status
from core.rounds.draws import read_history
from core.rounds.rechoosing import rechoose
from core.store.database import Store
from tests.conftest import quiet
from tests.queue_world import ANN, ANN_2, BOB, SETTINGS, World, ids, submit
from tests.test_reviews import check_sql, project_of

_CALIBRATING = "select id from queue join records using (n) where purpose = 'calibration'"
PEOPLE = [ANN, BOB, Holder("cat", "1")]


def make_world(folder: Path, queued: int = 6) -> World:
    """Ten records, the first ones queued, and five gold ones (r10 to r14) that wait among them, out of eight."""
    world = World(Store(folder))
    world.fill(18, queued=range(queued))
    with world.label_queue.changing() as cursor:
        cursor.execute("update records set split = 'test' where n >= 10")
        cursor.execute(
            """insert into responses select 'file:f.csv:r' || n, n, 'f.csv', 'submit', ['spam'], null, null, $now, 0,
               $now, 0, 1, null, null, 0, 'file', true, to_json(['spam']), null from range(10, 18) t(n)""",
            {"now": world.now},
        )
        cursor.execute(
            "insert into settled select n, ['spam'], 'single', 'gold', 0, $now, null from range(10, 18) t(n)",
            {"now": world.now},
        )
    calibrate(project_of(world), quiet, size=5)
    return world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = make_world(tmp_path)
    yield world
    world.store.close()


def calibrating(world: World) -> set[str]:
    return {id for (id,) in world.store.query(_CALIBRATING)}


def test_they_stand_among_the_others_blind_and_look_like_them(world: World) -> None:
    cards = world.ask(ANN, want=11).cards
    known = [index for index, card in enumerate(cards) if card.id in calibrating(world)]
    assert len(known) == 5
    assert known != sorted(range(5)), "not all in front"
    assert known != list(range(6, 11)), "not all behind"
    assert [card.suggestion for card in cards if card.id in calibrating(world)] == [None] * 5
    assert {tuple(vars(card)) for card in cards} == {("id", "text", "fields", "meta", "suggestion", "context")}


def test_everybody_gets_each_of_them_once_though_others_have_it(world: World) -> None:
    first = calibrating(world)
    assert first <= set(ids(world.ask(ANN, want=50)))
    assert not first & set(ids(world.ask(ANN_2, want=50, tabs=("1",)))), "one person's two tabs never share one"
    world.later(10)  # the second tab is not hungry any more
    assert first <= handed(world, BOB)
    world.ask(ANN, *(submit(record) for record in first))
    world.ask(BOB, Event("s", min(first), "skip"), Event("f", max(first), "flag"))
    world.restart()
    assert not first & handed(world, ANN)
    assert first - {min(first), max(first)} == first & handed(world, BOB)
    assert first <= handed(world, PEOPLE[2])


def handed(world: World, person: Holder) -> set[str]:
    """Everything that this person gets one after the other, in several requests: who shares a queue gets its share."""
    hand: list[str] = []
    while got := ids(world.ask(person, have=hand, want=50)):
        hand += got
    return set(hand)


def test_they_count_for_no_batch_and_no_round(world: World) -> None:
    before = world.ask(ANN).progress
    assert (before["size"], before["answered"], before["waiting"]) == (6, 0, 6)
    for person in PEOPLE:
        world.ask(person, *(submit(record, "ham") for record in calibrating(world)))
    assert world.ask(ANN).progress == before
    assert (world.label_queue.round_due(), world.label_queue.waiting()) == (False, 6)
    world.ask(ANN, *(submit(f"r{n}") for n in range(6)))
    assert (world.label_queue.round_due(), world.label_queue.waiting()) == (True, 0)


@pytest.mark.parametrize("rule", ["majority", "single", "weighted", "adjudicated"])
def test_the_known_answer_stays_whatever_people_answer_until_somebody_corrects_it(world: World, rule: str) -> None:
    world.settings = replace(SETTINGS, settle=rule)
    gold = "select id, labels, stratum from settled join records using (n) where split = 'test' order by n"
    before = world.store.query(gold)
    for person in PEOPLE:
        world.ask(person, *(submit(record, "ham") for record in calibrating(world)))
    assert world.store.query(gold) == before
    record = min(calibrating(world))
    correct(project_of(world), record, ["ham"], "mia")
    assert dict((id, labels) for id, labels, _ in world.store.query(gold))[record] == ["ham"]


def test_one_that_is_doubted_measures_nobody_any_more(world: World) -> None:
    record = min(calibrating(world))
    world.ask(ANN, submit(record, "ham"), submit("r0"))
    world.later(1)
    queue_for_review(project_of(world), [RecordNo(int(record[1:]))], "mia")
    world.later(1)
    assert record not in calibrating(world)
    assert ids(world.ask(BOB, want=1)) == [record]
    world.ask(BOB, submit(record, "ham"))
    label = "select labels, how from settled where n = ?"
    assert world.store.query(label, [int(record[1:])]) == [(["ham"], "single")]
    world.later(1)
    queue_for_review(project_of(world), [RecordNo(int(record[1:]))], "mia")
    assert world.store.query(label, [int(record[1:])]) == [(["spam"], "single")], "doubted anew: what is known holds"


def test_more_than_there_are_is_refused_and_the_log_says_how_many_were_queued(world: World) -> None:
    with pytest.raises(Refused, match="Asked for 4 calibration records, but only 3 records"):
        calibrate(project_of(world), quiet, size=4)
    with pytest.raises(Refused, match="at least 1"):
        calibrate(project_of(world), quiet, size=0)
    assert calibrate(project_of(world), quiet, size=3) == Calibration(3, 0)
    rows = world.store.query("select detail->>'queued' from audit_log where what = 'calibrate' order by logged_at")
    assert rows == [("5",), ("3",)]


def test_what_people_themselves_made_gold_measures_nobody(tmp_path: Path) -> None:
    world = World(Store(tmp_path))
    world.fill(3)
    with world.label_queue.changing() as cursor:
        cursor.execute("update records set split = 'test' where n = 1")
    world.ask(ANN, submit("r1"))
    assert world.store.query("select stratum from settled") == [("gold",)]
    with pytest.raises(Refused, match="only 0 records"):
        calibrate(project_of(world), quiet, size=1)
    world.store.close()


def test_the_same_seed_inserts_the_same_records_at_the_same_positions(tmp_path: Path) -> None:
    matches = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        world = make_world(tmp_path / name)
        matches.append(world.store.query("select n, position from queue where purpose = 'calibration' order by n"))
        world.store.close()
    assert matches[0] == matches[1]


@given(st.integers(0, 5_000), st.floats(0, 0.5), st.integers(0, 2**63 - 1))
def test_the_share_of_a_batch_is_kept_to_one_record(batch: int, share: float, seed: int) -> None:
    assert abs(share_of(batch, share, seed) - batch * share) <= 1


def test_a_share_below_one_record_is_kept_over_many_batches() -> None:
    assert 60 < sum(share_of(5, 0.05, seed) for seed in range(400)) < 140


MOVES = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["submit", "skip", "flag"]), st.integers(1, 4), st.booleans()),
    max_size=14,
)


@settings(max_examples=8, deadline=None)
@given(MOVES)
def test_nobody_gets_a_calibration_record_twice_and_everybody_gets_all(
    tmp_path_factory: pytest.TempPathFactory, moves: list[tuple[int, str, int, bool]]
) -> None:
    world = make_world(tmp_path_factory.mktemp("calibrating"), queued=3)
    seen: dict[Holder, list[str]] = {person: [] for person in PEOPLE}
    for index, action, want, restart in [*moves, *((index, "submit", 50, False) for index in range(3))]:
        person = PEOPLE[index]
        if restart:
            world.restart()
        got = ids(world.ask(person, want=want))
        seen[person] += got
        labels = ("ham",) if action == "submit" else ()
        world.ask(person, *(Event(f"{person.annotator}{record}", record, action, labels) for record in got))
        check_sql(world)
    for person in PEOPLE:
        mine = [record for record in seen[person] if record in calibrating(world)]
        assert sorted(mine) == sorted(calibrating(world))
    assert world.store.one("select count(*) from settled where stratum = 'gold' and labels = ['spam']") == 8
    world.store.close()


def test_a_round_slips_its_share_in_and_is_the_same_round_otherwise(
    project: Project, truth: dict[str, tuple[str, ...]]
) -> None:
    change_settings(project, calibration_share=0.5)
    result = loop.next_batch(project, quiet, size=8)
    assert (result.queued, result.calibration) == (8, 4)
    assert status(project).queued == 8
    assert rechoose(project, quiet, batch=1).same
    gold = project.store.query("select n, labels from settled where stratum = 'gold' order by n")
    known = {id for (id,) in project.store.query(_CALIBRATING)}
    for person in ("ann", "bob"):
        holder = Holder(person, "1")
        cards = project.label_queue.exchange(holder, QueueRequest(want=50)).cards
        events = [Event(f"{person}{card.id}", card.id, "submit", ("food",)) for card in cards if card.id in known]
        project.label_queue.exchange(
            holder, QueueRequest(events=tuple(events), give_back=tuple(card.id for card in cards))
        )
        assert len(events) == 4
    simulate.answer_queued(project, truth, 12)
    loop.play_round(project, quiet, size=6)
    figures = status(project)
    assert (figures.tied, figures.flagged, figures.gold) == (0, 0, 12)
    assert project.store.query("select n, labels from settled where stratum = 'gold' order by n") == gold
    assert not [line for line in caveats(project) if "not in the figures" in line]
    with project.store.reading() as cursor:
        rows, _ = read_history(cursor, [n for (n,) in project.store.query("select n from settled")])
        assert not set(rows.tolist()) & {n for n, _ in gold}
    record = min(known)
    assert record_detail(project, record).line.hidden, "nobody reads in the list what a model says of it"
    assert "to calibrate annotators" in str(record_detail(project, record).queued)
