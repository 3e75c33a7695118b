"""A project with audit labels and suggestions made up: what the tests of guarantees about machine labels work with."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core import loop
from core.labelling.leases import Holder
from core.labelling.queue import QueueRequest
from core.labelling.responses import Event
from core.labelling.settling import settle
from core.project import Project, open_project
from gpu_jobs.runners.local import InProcessRunner

ANN = Holder("ann", "1")
GUARANTEE: dict[str, Any] = {"precision": 0.9, "confidence": 0.9}
AUDITS = 120
LATEST = range(700, 710)


def scored(n: int) -> str:
    """What the model says of a record: every third is ham."""
    return "ham" if n % 3 == 0 else "spam"


def fill(project: Project, records: int, labels: str, truth: str) -> None:
    """Records with suggestions, of which the first 120 were asked for the audit and judged. labels, truth: SQL of n.

    One in ten suggestions is unsure.
    """
    settings = project.settings()
    with project.label_queue.changing() as cursor:
        cursor.execute(
            """insert into records select n, 'r' || n, 'text ' || n, null, null, 'h' || n, null, null, 'f.csv',
               timestamp '2026-01-01' from range(?) as t(n)""",
            [records],
        )
        cursor.execute(
            """insert into batches values
               (1, '2026-01-02', 1, 'random', 120, 120, ?, 0, null, '{"warnings": []}', [], ?)""",
            [records, records],
        )
        cursor.execute(
            "insert into models values ('m1', '2026-01-03', 1, ?, ?, 120, 1, '{}', 1.0, null, null, null, null, null)",
            [settings.encoder, settings.taxonomy.version],
        )
        cursor.execute(
            f"""insert into suggestions select n, ({labels})[1], if(n % 10 = 0, 0.55, 0.9 + n % 7 / 100), 0.1, {labels},
                'm1', to_json(list_sort({labels})) from records"""
        )
        cursor.execute(
            """insert into queue select n, 1, n, true, false, null, null, 'm1', null, null from records
               where n < 120"""
        )
        cursor.execute(
            f"""insert into responses select 'a' || n, n, 'ann', 'submit', {truth}, null, null, timestamp '2026-01-02',
                0, timestamp '2026-01-02', 1, 1, null, null, 0, 'app', true, to_json(list_sort({truth})), null
                from queue"""
        )
        settle(cursor, "select n from queue", settings)
        cursor.execute(
            """insert into held_out_predictions
               select n, z.stratum, 0.1, z.labels, s.labels, s.label, s.probability, 'm1', z.answer, s.answer
               from settled z join suggestions s using (n)"""
        )


@contextmanager
def made_up(folder: Path) -> Iterator[Project]:
    """700 records in two labels; the unsure suggestions are spam whatever the model says, all others are right."""
    loop.create_project(folder, ["spam", "ham"])
    project = open_project(folder, InProcessRunner())
    message = "[if(n % 3 = 0, 'ham', 'spam')]"
    fill(project, 700, message, f"if(n % 10 = 0, ['spam'], {message})")
    yield project
    project.close()


def import_latest(project: Project, imported_at: str) -> None:
    """Ten more records that the model is sure of."""
    with project.label_queue.changing() as cursor:
        for n in LATEST:
            cursor.execute(
                "insert into records values (?, ?, 'new', null, null, ?, null, null, 'g.csv', ?::timestamp)",
                [n, f"r{n}", f"h{n}", imported_at],
            )
            cursor.execute(
                "insert into suggestions values (?, 'spam', 0.99, 0.1, ['spam'], 'm1', to_json(['spam']))", [n]
            )


def answer(project: Project, wrong: set[str]) -> int:
    """Answers all that waits as the model would, but wrongly for the labels in `wrong`; none was shown a suggestion."""
    result = 0
    while cards := project.label_queue.exchange(ANN, QueueRequest(want=50)).cards:
        assert all(card.suggestion is None for card in cards if project.store.one(_CHECKS, [card.id]))
        events = []
        for card in cards:
            message = scored(int(card.id[1:]))
            truth = {"spam": "ham", "ham": "spam"}[message] if message in wrong else message
            events.append(Event(f"e{card.id}", card.id, "submit", (truth,)))
        project.label_queue.exchange(ANN, QueueRequest(events=tuple(events)))
        result += len(events)
        if not project.store.one(f"select count(*) from ({OPEN})"):
            break
    return result


_CHECKS = "select count(*) from queue join records using (n) where id = ? and purpose = 'check'"
OPEN = "select n from queue where purpose = 'check' and n not in (select n from settled)"


def count(project: Project, sql: str) -> int:
    return int(project.store.one(f"select count(*) from {sql}"))
