"""A queue over a real store, with a clock that stands still unless moved: what the tests of leases work with."""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import uuid4

from core.config.settings import Settings
from core.config.taxonomy import make_taxonomy
from core.labelling.leases import Holder
from core.labelling.queue import LabelQueue, QueueReply, QueueRequest
from core.labelling.responses import Event
from core.store.database import Store

SETTINGS = Settings(name="test", taxonomy=make_taxonomy(["spam", "ham"]), lease_seconds=60)
SUGGESTION = json.dumps([["spam", 0.7], ["ham", 0.3]])
ANN, BOB, ANN_2 = Holder("ann", "1"), Holder("bob", "1"), Holder("ann", "2")


class World:
    """A store, a clock that stands still unless moved, settings that can be changed, and a queue over them."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.now = datetime(2026, 5, 4, 12, 0, 0)
        self.settings = SETTINGS
        self.restart()

    def restart(self) -> None:
        self.label_queue = LabelQueue(self.store, lambda: self.settings, lambda: self.now)

    def fill(self, records: int, queued: Sequence[int] = (), audit: Sequence[int] = (), text: str = "text") -> None:
        with self.label_queue.changing() as cursor:
            for table in ("records", "responses", "settled", "queue", "leases", "batches", "models"):
                cursor.execute(f"delete from {table}")
            cursor.execute(
                """insert into records select n, 'r' || n, $text || n, null, '{"source": "mail"}', 'h' || n, null, null,
                   'f.csv', $now from range($records) as t(n)""",
                {"text": text, "now": self.now, "records": records},
            )
            cursor.executemany(
                "insert into queue values (?, 1, ?, ?, false, 0.5, ?, 'm1', null, null)",
                [[n, float(index), n in audit, SUGGESTION] for index, n in enumerate(queued)]
                or [[-1, 0, False, SUGGESTION]],
            )
            cursor.execute("delete from queue where n < 0")

    def ask(
        self, holder: Holder, *events: Event, want: int = 0, have: Sequence[str] = (), **more: object
    ) -> QueueReply:
        return self.label_queue.exchange(holder, QueueRequest(events, tuple(have), want=want, **more))  # type: ignore[arg-type]

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def live(self) -> Counter[str]:
        """How many people hold each record that they have not answered."""
        leases = self.store.query(
            "select r.id, annotator from leases l join records r using (n) where until > ?", [self.now]
        )
        return Counter(id for id, user in leases if id not in self.answered(user))

    def answered(self, annotator: str, action: str = "%") -> set[str]:
        rows = self.store.query(
            """select distinct r.id from responses a join records r using (n)
               where annotator like ? and action like ? and action <> 'undo'
                 and event_id not in (select undoes from responses where undoes is not null)""",
            [annotator, action],
        )
        return {id for (id,) in rows}


def ids(reply: QueueReply) -> list[str]:
    return [card.id for card in reply.cards]


def submit(record: str, label: str = "spam", eid: str | None = None) -> Event:
    return Event(eid or str(uuid4()), record, "submit", (label,))


def undo(record: str, eid: str) -> Event:
    return Event(str(uuid4()), record, "undo", undoes=eid)
