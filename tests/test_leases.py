"""What holds for leases and the queue: nobody gets another's record, and a restart forgets nothing."""

import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from core.config.taxonomy import retire_label
from core.labelling.cards import Card
from core.labelling.leases import Holder
from core.labelling.queue import MOST_HELD
from core.labelling.responses import Event
from core.store.database import Store
from tests.queue_world import ANN, ANN_2, BOB, SETTINGS, World, ids, submit, undo

CARD = Path(__file__).parents[1] / "app/card"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store(tmp_path_factory.mktemp("leases"))
    yield store
    store.close()


@pytest.fixture
def world(store: Store) -> World:
    world = World(store)
    world.fill(10, queued=[3, 1, 2])
    return world


def test_records_come_in_order_and_never_to_two_holders(world: World) -> None:
    assert ids(world.ask(ANN, want=2)) == ["r3", "r1"]
    assert ids(world.ask(ANN_2, want=1, tabs=("1",))) == ["r2"], "her first tab is open still"
    assert not {"r1", "r2", "r3"} & set(ids(world.ask(BOB, want=3)))


def test_what_nobody_queued_is_drawn_when_the_queue_is_empty(world: World) -> None:
    assert len(ids(world.ask(ANN, want=50))) == 10
    assert world.store.query("select audit, spare, count(*) from queue group by all order by all") == [
        (False, False, 3),
        (False, True, 7),
    ]


def test_test_records_duplicates_and_answered_records_are_never_drawn(world: World) -> None:
    with world.label_queue.changing() as cursor:
        cursor.execute("update records set split = 'test' where n = 4")
        cursor.execute("update records set duplicate_of = 0 where n = 5")
        cursor.execute("insert into settled values (6, ['spam'], 'single', 'file', 0, now(), null)")
    world.ask(ANN, submit("r7"))
    assert {"r4", "r5", "r6", "r7"}.isdisjoint(ids(world.ask(BOB, want=50)))


def test_an_answered_record_is_not_offered_again_and_its_lease_ends(world: World) -> None:
    world.ask(ANN, want=1)
    reply = world.ask(ANN, submit("r3"), want=1)
    assert ids(reply) == ["r1"]
    assert reply.progress == {"batch": 1, "size": 3, "answered": 1, "waiting": 2, "records": 10}
    assert "r3" not in ids(world.ask(BOB, want=50))


def test_a_skipped_record_goes_to_others_last_and_a_flagged_one_to_nobody(world: World) -> None:
    world.fill(3, queued=[0, 1, 2])
    world.ask(ANN, Event("s", "r0", "skip"), Event("f", "r1", "flag"))
    assert ids(world.ask(BOB, want=50)) == ["r2", "r0"]
    assert ids(world.ask(ANN, want=50)) == []


def test_an_answer_to_a_former_batch_that_is_taken_back_opens_its_record_after_a_restart(world: World) -> None:
    answer = submit("r3")
    world.ask(ANN, answer, submit("r1"), submit("r2"))
    with world.label_queue.changing() as cursor:
        cursor.execute("insert into queue values (5, 2, 9, false, false, 0.5, null, 'm1', null, null)")
        row = "2, ?, 1, 'default', 1, 0, 10, 0, 'm1', '{}', [], null"
        cursor.execute(f"insert into batches values ({row})", [world.now])
    world.restart()
    assert world.label_queue.waiting() == 1
    world.ask(ANN, undo("r3", answer.eid))
    assert world.label_queue.waiting() == 2
    assert world.live() == {"r3": 1}, "it goes back to who took it back"


def test_undo_opens_the_record_again_and_leases_it_to_the_same_holder(world: World) -> None:
    world.ask(ANN, want=1)
    world.ask(ANN, submit("r3", eid="1"))
    assert world.ask(ANN, undo("r3", "1"), have=["r3"]).taken == []
    assert world.live()["r3"] == 1
    assert "r3" not in ids(world.ask(BOB, want=50))
    assert world.store.one("select count(*) from settled") == 0


def test_overlap_lets_that_many_people_answer(world: World) -> None:
    world.settings = replace(SETTINGS, overlap=2)
    world.label_queue.reload()
    assert ids(world.ask(ANN, want=1)) == ids(world.ask(BOB, want=1)) == ["r3"]
    assert ids(world.ask(Holder("cat", "1"), want=1)) == ["r1"]
    world.ask(ANN, submit("r3"))
    world.ask(BOB, submit("r3", "ham"))
    assert "r3" not in ids(world.ask(Holder("dan", "1"), want=50))


def test_a_lease_that_ran_out_may_be_taken_and_a_late_answer_is_still_stored(world: World) -> None:
    assert ids(world.ask(ANN, want=1)) == ["r3"]
    world.later(61)
    assert ids(world.ask(BOB, want=1)) == ["r3"]
    reply = world.ask(ANN, submit("r3", eid="late"), have=["r3"])
    assert reply.statuses == {"late": "stored"}


def test_a_holder_learns_which_records_were_taken_and_keeps_the_others(world: World) -> None:
    world.ask(ANN, want=2)
    world.later(61)
    world.ask(BOB, want=1)
    assert world.ask(ANN, have=["r3", "r1"]).taken == ["r3"]
    assert world.live() == {"r3": 1, "r1": 1}


def test_renewing_keeps_a_lease_and_seldom_writes(world: World) -> None:
    world.ask(ANN, want=1)
    before = world.store.query("select until from leases")
    world.later(10)
    world.ask(ANN, have=["r3"])
    assert world.store.query("select until from leases") == before
    for _ in range(5):
        world.later(40)
        world.ask(ANN, have=["r3"])
    assert "r3" not in ids(world.ask(BOB, want=50))


def test_who_comes_back_after_the_browser_was_killed_gets_the_same_records_at_once(world: World) -> None:
    first = world.ask(ANN, submit("r0"), want=3)
    world.ask(ANN, submit("r3"), have=["r1", "r2"])
    back = world.ask(ANN_2, want=2)
    assert back.cards == first.cards[1:]
    assert all(card.suggestion for card in back.cards)
    assert (back.progress["size"], back.progress["answered"]) == (3, 1)
    world.restart()
    assert ids(world.ask(Holder("ann", "3"), want=2)) == ["r1", "r2"], "the server may have been killed too"
    assert world.ask(ANN_2, have=["r1", "r2"]).taken == ["r1", "r2"], "it was alive, and learns of it"


def test_a_lease_dated_by_a_clock_that_ran_ahead_has_ended(world: World) -> None:
    world.later(864_000)
    world.ask(ANN, want=1)
    world.later(-864_000)
    assert ids(world.ask(BOB, want=1)) == ["r3"]
    world.later(864_000)
    world.ask(ANN, want=2)
    world.later(-864_000)
    with world.label_queue.changing() as cursor:
        assert not cursor.execute("select annotator from leases").fetchall()


def test_one_tab_holds_twice_what_a_card_prefetches_whoever_asks_by_hand(world: World) -> None:
    ahead = re.search(r"ahead: (\d+),", (CARD / "labelling.js").read_text(encoding="utf-8"))
    assert ahead is not None
    assert 2 * int(ahead[1]) == MOST_HELD
    world.fill(200, queued=range(200))
    world.ask(ANN, want=50, have=[f"r{n}" for n in range(200)])
    assert len(world.live()) == MOST_HELD
    for _ in range(5):
        world.ask(ANN, want=50, have=list(world.live()))
    assert len(world.live()) == MOST_HELD
    for person in (BOB, Holder("cat", "1"), Holder("dan", "1")):
        held = ids(world.ask(person, want=50))
        assert held, f"{person} gets nothing"
        for _ in range(30):
            held += ids(world.ask(person, want=50, have=held))
        assert len(held) <= MOST_HELD


def test_leases_survive_a_restart_and_a_reload(world: World) -> None:
    world.ask(ANN, want=2)
    world.restart()
    assert ids(world.ask(BOB, want=1)) == ["r2"]
    world.label_queue.reload()
    assert ids(world.ask(ANN, want=2)) == ["r3", "r1"], "its own records again: the page was reloaded"


def test_what_is_given_back_goes_to_the_next_and_a_new_order_shows_in_the_version(world: World) -> None:
    first = world.ask(ANN, want=3)
    with world.label_queue.changing() as cursor:
        cursor.execute("update queue set position = -1 where n = 2")
    assert world.label_queue.version > first.version
    reply = world.ask(ANN, have=["r3"], give_back=("r1", "r2"), want=1)
    assert (ids(reply), reply.version) == (["r2"], world.label_queue.version)


def test_a_request_that_was_overtaken_stores_its_events_but_moves_no_lease(world: World) -> None:
    world.ask(ANN, want=2, turn=1)
    world.ask(ANN, have=["r3", "r1"], turn=3)
    reply = world.ask(ANN, submit("r2", eid="1"), give_back=("r1",), want=5, turn=2)
    assert (reply.statuses, reply.cards) == ({"1": "stored"}, [])
    assert world.live()["r1"] == 1


def test_a_reply_stays_small_but_never_empty(world: World) -> None:
    world.fill(5, queued=[0, 1, 2], text="x" * 300_000)
    assert len(ids(world.ask(ANN, want=3))) == 1
    assert len(ids(world.ask(ANN, want=3, have=["r0"]))) == 1


def test_suggestions_stay_away_from_audit_records_and_from_people_who_hide_them(world: World) -> None:
    world.fill(4, queued=[0, 1], audit=[1])
    audit_free, audit = world.ask(ANN, want=2).cards
    assert audit_free.suggestion == {
        "labels": [{"id": "spam", "probability": 0.7}, {"id": "ham", "probability": 0.3}],
        "model": "m1",
    }
    assert audit == Card("r1", "text1", [], [{"name": "source", "value": "mail"}], None)
    world.settings = replace(SETTINGS, show_suggestions=False)
    assert [card.suggestion for card in world.ask(ANN, want=2).cards] == [None, None]


def test_retiring_a_label_opens_its_records_again_even_for_who_gave_it(world: World) -> None:
    world.ask(ANN, submit("r3"))
    world.settings = replace(SETTINGS, taxonomy=retire_label(SETTINGS.taxonomy, "spam"))
    world.label_queue.reload()
    card = world.ask(ANN, want=1).cards[0]
    assert card.id == "r3"
    assert card.suggestion == {"labels": [{"id": "ham", "probability": 0.3}], "model": "m1"}


def test_a_round_is_due_when_the_batch_is_answered_or_as_many_answers_came(world: World) -> None:
    assert not world.label_queue.round_due()
    world.ask(ANN, submit("r3"), Event("s", "r1", "skip"))
    assert not world.label_queue.round_due()
    world.ask(ANN, Event("f", "r2", "flag"))
    assert world.label_queue.round_due()
    world.fill(10, queued=[3, 1, 2])
    with world.label_queue.changing() as cursor:
        cursor.execute("update queue set spare = true where n <> 3")
        cursor.execute(
            "insert into queue select n, 1, n, false, false, 0, null, null, null, null from range(4, 6) as t(n)"
        )
    world.ask(ANN, submit("r1"), submit("r2"))
    assert not world.label_queue.round_due()
    world.ask(ANN, submit("r3"))
    assert world.label_queue.round_due()


def test_a_failure_in_the_middle_leaves_neither_rows_nor_memory_behind(world: World) -> None:
    world.label_queue.waiting()
    world.store.query("alter table settled rename to elsewhere")
    with pytest.raises(duckdb.CatalogException):
        world.ask(ANN, submit("r3", eid="1"), want=1)
    world.store.query("alter table elsewhere rename to settled")
    assert world.store.one("select count(*) from responses") == 0
    assert ids(world.ask(BOB, want=1)) == ["r3"]


def test_threads_get_different_records_and_each_answer_is_stored_once(world: World) -> None:
    world.fill(60, queued=range(20))
    supplied: list[str] = []

    def work(name: str) -> None:
        cards = world.ask(Holder(name, "t"), want=2).cards
        while cards:
            supplied.extend(card.id for card in cards)
            cards = world.ask(Holder(name, "t"), *(submit(card.id) for card in cards), want=2).cards

    threads = [threading.Thread(target=work, args=(f"p{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(supplied) == len(set(supplied)) == 60
    assert world.store.one("select count(*) from responses") == 60
