"""People of known skill who answer the records of a project: what the tests of agreement, quality and conflicts use."""

from collections.abc import Mapping, Sequence
from datetime import UTC

import numpy as np

from core.labelling.responses import Arrival, Event, store_events
from core.labelling.settling import settle
from core.project import Project
from core.store.database import utc_now

SKILLS = {"expert": 0.97, "ann": 0.8, "bob": 0.75, "cat": 0.7, "spammer": 1 / 3, "contrarian": 0.0}
"""chance to name the truth; what is left goes to the other labels alike"""


def answer(
    project: Project,
    supplied: Sequence[tuple[str, str, Sequence[str]]],
    action: str = "submit",
    note: str | None = None,
) -> None:
    """Stores (person, record, labels), each person's one second after the other, and settles them."""
    now = utc_now()
    with project.label_queue.changing() as cursor:
        numbers = dict(cursor.execute("select id, n from records").fetchall())
        settings = project.settings()
        for person in dict.fromkeys(user for user, *_ in supplied):
            own = [(record, labels) for user, record, labels in supplied if user == person]
            began = now.replace(tzinfo=UTC).timestamp() - len(own)
            events = [
                Event(f"{person}-{record}-{action}", record, action, tuple(labels), note, seq=index, ts=began + index)
                for index, (record, labels) in enumerate(own)
            ]
            statuses = store_events(cursor, events, numbers, Arrival(person, now, 1), settings)
            assert set(statuses.values()) == {"stored"}
        settle(cursor, "select distinct n from responses", settings)


def crowd_answers(
    truth: Mapping[str, Sequence[str]], labels: Sequence[str], seed: int = 0
) -> list[tuple[str, str, list[str]]]:
    """Everybody in SKILLS on every record, each as good as they are."""
    rng = np.random.default_rng(seed)
    result = []
    for record, (right, *_) in truth.items():
        wrong = [label for label in labels if label != right]
        for person, skill in SKILLS.items():
            answers = right if rng.random() < skill else str(rng.choice(wrong))
            result.append((person, record, [answers]))
    return result
