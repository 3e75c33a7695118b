"""A queue of which only the first records are in memory hands out and counts what one does that has read them all."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from core.labelling.leases import Holder
from core.labelling.queue import LabelQueue, QueueRequest
from core.labelling.responses import Event
from core.labelling.waiting import CALIBRATION, REQUESTED
from core.store.database import Store
from tests.queue_world import ANN, ANN_2, BOB, SETTINGS, World

PEOPLE = (ANN, BOB, ANN_2, Holder("cat", "1"))
RECORDS, QUEUED = 30, 24


class Windowed(World):
    """With so many open records in memory at first."""

    def __init__(self, store: Store, window: int) -> None:
        self.window = window
        super().__init__(store)

    def restart(self) -> None:
        self.label_queue = LabelQueue(self.store, lambda: self.settings, lambda: self.now, self.window)


def make_world(folder: Path, window: int, overlap: int) -> Windowed:
    """24 of 30 records queued, some to be done first, some to calibrate by; the rest can be drawn."""
    folder.mkdir()
    world = Windowed(Store(folder), window)
    world.settings = replace(SETTINGS, overlap=overlap)
    world.fill(RECORDS, queued=range(QUEUED), audit=[1, 2, 9])
    with world.label_queue.changing() as cursor:
        cursor.execute("update queue set purpose = ? where n in (11, 20)", [REQUESTED])
        cursor.execute("update queue set purpose = ? where n in (5, 21)", [CALIBRATION])
        cursor.execute("update queue set spare = true where n in (6, 7, 18)")
        cursor.execute("update queue set batch = 2 where n > 12")
    return world


def act(world: Windowed, rng: np.random.Generator, hands: dict[Holder, list[str]], past: list[Event]) -> Any:
    """One request of somebody, and what came of it; the same of each world, where they are the same."""
    person = PEOPLE[rng.integers(len(PEOPLE))]
    world.later(float(rng.choice([0.5, 0.5, 0.5, 40.0])))
    if rng.random() < 0.1:
        world.restart()
    events = []
    for _ in range(rng.integers(3)):
        known = hands[person] if hands[person] and rng.random() < 0.8 else [f"r{rng.integers(QUEUED)}"]
        action = str(rng.choice(["submit", "submit", "submit", "skip", "flag"]))
        events.append(Event(str(UUID(bytes=rng.bytes(16))), known[0], action, ("spam",) if action == "submit" else ()))
        hands[person] = [record for record in hands[person] if record != known[0]]
    if past and rng.random() < 0.3:
        taken_back = past[rng.integers(len(past))]
        events.append(Event(str(UUID(bytes=rng.bytes(16))), taken_back.record, "undo", undoes=taken_back.eid))
    past += [event for event in events if event.action != "undo"]
    if rng.random() < 0.1:
        return world.label_queue.receive([(person.annotator, event) for event in events])
    back = tuple(hands[person][:1]) if rng.random() < 0.2 else ()
    hands[person] = [record for record in hands[person] if record not in back]
    request = QueueRequest(tuple(events), tuple(hands[person]), back, want=int(rng.integers(5)))
    reply = world.label_queue.exchange(person, request)
    hands[person] = [record for record in hands[person] if record not in reply.taken]
    hands[person] += [card.id for card in reply.cards]
    return asdict(replace(reply, version=0))


@pytest.mark.parametrize("seed", range(6))
def test_the_first_records_are_enough(tmp_path: Path, seed: int) -> None:
    worlds = [make_world(tmp_path / name, window, 1 + seed % 2) for name, window in (("all", 1_000), ("few", 1))]
    played = []
    for world in worlds:
        rng, past, replies = np.random.default_rng(seed), list[Event](), list[object]()
        hands: dict[Holder, list[str]] = {person: [] for person in PEOPLE}
        for _ in range(40):
            reply = act(world, rng, hands, past)
            queue = world.label_queue
            replies.append((reply, queue.waiting(), queue.round_due(), queue.progress(), dict(hands)))
        replies.append(world.store.query("select * exclude (made_at) from responses order by stamp"))
        replies.append(world.store.query("select n, annotator, tab from leases order by all"))
        replies.append(world.store.query("select n, labels, how, stratum from settled order by n"))
        played.append(replies)
        world.store.close()
    for number, (one, other) in enumerate(zip(*played, strict=True)):
        assert one == other, number
