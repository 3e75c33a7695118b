"""What holds where many people want few records: none is shared, nobody starves while some are left."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.labelling.leases import Holder
from core.labelling.responses import Event
from core.store.database import Store
from tests.queue_world import ANN, BOB, SETTINGS, World, ids, submit, undo


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    store = Store(tmp_path)
    yield World(store)
    store.close()


def test_where_records_run_short_everybody_gets_a_share(world: World) -> None:
    world.fill(40)
    shares = [len(ids(world.ask(Holder(f"p{number}", "t"), want=30))) for number in range(5)]
    assert shares[0] == 30
    assert min(shares) >= 1


def test_who_has_nothing_gets_what_others_only_keep_in_reserve(world: World) -> None:
    world.fill(6)
    hand = ids(world.ask(ANN, want=50))
    assert len(hand) == 6
    assert world.ask(BOB, want=5).cards == []
    reply = world.ask(ANN, have=hand, want=3)
    assert (reply.return_request, reply.cards) == (3, [])
    reply = world.ask(ANN, have=hand[:3], give_back=tuple(hand[3:]), want=3)
    assert reply.cards == [], "what is given back is not for who gave it"
    assert set(ids(world.ask(BOB, want=5))) < set(hand[3:])
    assert world.ask(ANN, have=hand[:3]).return_request == 0


def test_nobody_is_asked_for_records_that_the_idle_annotator_has_skipped(world: World) -> None:
    world.fill(1)
    world.ask(BOB, Event("s", "r0", "skip"))
    hand = ids(world.ask(ANN, want=5))
    world.ask(BOB, want=5)
    assert world.ask(ANN, have=hand).return_request == 0


class Tab:
    """A person's tab in the property test: what it holds, what it answered."""

    def __init__(self, holder: Holder) -> None:
        self.holder = holder
        self.hand: list[str] = []
        self.past: list[tuple[str, str]] = []
        self.outbox: list[Event] = []

    def do(self, action: str) -> None:
        if action == "undo" and self.past:
            record, eid = self.past.pop()
            self.outbox.append(undo(record, eid))
            self.hand.insert(0, record)
        elif action in ("submit", "skip", "flag") and self.hand:
            labels = ("spam",) if action == "submit" else ()
            event = Event(str(uuid4()), self.hand.pop(0), action, labels)
            self.past.append((event.record, event.eid))
            self.outbox.append(event)


TABS = [Holder("ann", "1"), Holder("ann", "2"), Holder("bob", "1"), Holder("cat", "1"), Holder("dan", "1")]
MOVES = st.lists(
    st.tuples(
        st.integers(0, len(TABS) - 1),
        st.lists(st.sampled_from(["submit"] * 6 + ["skip", "undo", "flag"]), max_size=4),
        st.integers(0, 5),
        st.sampled_from(["send"] * 8 + ["reload page", "restart", "rank", "wait"]),
    ),
    min_size=5,
    max_size=16,
)


@settings(max_examples=20, deadline=None)
@given(MOVES, st.integers(1, 3))
def test_many_people_never_share_a_record_and_never_starve(
    tmp_path_factory: pytest.TempPathFactory, moves: list[tuple[int, list[str], int, str]], overlap: int
) -> None:
    world = World(Store(tmp_path_factory.mktemp("property")))
    world.settings = replace(SETTINGS, overlap=overlap)
    world.fill(24, queued=range(8))
    tabs = [Tab(holder) for holder in TABS]
    for person, actions, want, then in moves:
        tab = tabs[person]
        for action in actions:
            tab.do(action)
        shake(world, tab, then)
        exchange(world, tab, want, overlap)
    world.store.close()


def shake(world: World, tab: Tab, what: str) -> None:
    """Something that may happen to a tab or to the server."""
    if what == "reload page":
        tab.hand = []
    elif what == "restart":
        world.restart()
    elif what == "wait":
        world.later(25)
    elif what == "rank":
        with world.label_queue.changing() as cursor:
            cursor.execute("update queue set position = hash(n, position) % 100")


def exchange(world: World, tab: Tab, want: int, overlap: int) -> None:
    """One request, sent twice as an impatient browser does, and what must hold after it."""
    for _ in range(1 + want % 2):
        reply = world.ask(tab.holder, *tab.outbox, have=tab.hand, want=want)
        assert not world.answered(tab.holder.annotator) & set(ids(reply)), "offered to a person who has answered it"
        tab.hand = [record for record in tab.hand if record not in reply.taken] + ids(reply)
        assert len(tab.hand) == len(set(tab.hand))
    tab.outbox = []
    assert max(world.live().values(), default=0) <= overlap
    if (
        want and not reply.cards and not (tab.hand and reply.return_request)
    ):  # who has plenty waits while another has none
        free = len(free_records(world, tab, overlap))
        share = max(1, (free + len(tab.hand)) // holders(world, tab))
        assert not free or len(tab.hand) >= share, "starved though records are left"


def holders(world: World, tab: Tab) -> int:
    """Tabs that hold records, this one among them: each may have an equal share."""
    live = "select distinct annotator, tab from leases where until > ?"
    return len({*world.store.query(live, [world.now]), (tab.holder.annotator, tab.holder.tab)})


def free_records(world: World, tab: Tab, overlap: int) -> set[str]:
    """What this person could have been given: not flagged, not its own in any tab, wanted by fewer than `overlap`."""
    people = {holder.annotator for holder in TABS}
    busy = Counter(record for person in people for record in world.answered(person, "submit"))
    busy += world.live()
    me = tab.holder.annotator
    mine = world.store.query(
        "select r.id from leases join records r using (n) where annotator = ? and until > ?", [me, world.now]
    )
    free = {f"r{n}" for n in range(24) if busy[f"r{n}"] < overlap}
    return free - world.answered(me) - world.answered("%", "flag") - {id for (id,) in mine}


def test_what_may_not_be_asked_any_more_is_not_drawn_by_a_queue_that_looked_ahead(world: World) -> None:
    world.fill(400)
    first = ids(world.ask(ANN, want=30))
    left = [id for (id,) in world.store.query("select id from records where n not in (select n from queue) order by n")]
    gold, still = left[::2], set(left[1::2])
    with world.store.transaction() as cursor:  # nobody has told the queue yet
        cursor.execute("update records set split = 'test' where id in (select unnest(?))", [gold])
    asked: set[str] = set()
    while cards := ids(world.ask(ANN, *[submit(id) for id in first], want=30)):
        asked |= set(cards)
        first = cards
    assert asked & set(gold) == set()
    assert asked >= still
