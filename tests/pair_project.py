"""A project of the task pairs: two shops' products, some pairs decided, a model, and a batch that waits."""

import csv
from collections.abc import Sequence
from pathlib import Path

import pytest

from core import loop
from core.config.settings import Settings, write_settings
from core.labelling.cards import Card
from core.labelling.leases import Holder
from core.labelling.queue import QueueRequest
from core.labelling.responses import Event
from core.pairs.blocking.find_candidates import candidates
from core.pairs.sides import import_source
from core.project import Project, open_project
from gpu_jobs.runners.local import InProcessRunner
from tests.argilla_server import quiet
from tests.pair_world import products

SHOPS = ("shop A", "shop B")
HOSTILE = "<img src=x onerror='window.broken=1'> سماعات 🎧"


def write_shops(folder: Path, count: int) -> list[Path]:
    """A file for each shop: id a0 or b0, name, price, note; rows of the same number are the same product."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for shop, texts in zip(SHOPS, products(count), strict=True):
        paths.append(folder / f"{shop}.csv")
        with paths[-1].open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "name", "price", "note"])
            for number, text in enumerate(texts):
                name, price = (line.partition(": ")[2] for line in text.split("\n"))
                writer.writerow([f"{shop[-1].lower()}{number}", name, price, HOSTILE if shop == SHOPS[1] else ""])
    return paths


def make_project(folder: Path, *, count: int = 12, decisions: int = 20) -> None:
    """decisions: by ann, all true, before a round made the batch of 20 that waits, 6 of them for the audit. On the
    first of them bob says the opposite."""
    folder.mkdir(parents=True)
    settings = Settings(name="shops", task="pairs", batch_size=20, audit_share=0.3, automatic=False, lease_seconds=60)
    write_settings(folder, settings)
    project = open_project(folder, InProcessRunner())
    for path in write_shops(folder.parent / "files", count):
        import_source(project, quiet, file=str(path), text=["name", "price", "note"], id="id")
    candidates(project, quiet, near=0, far=0)
    loop.play_round(project, quiet)
    first = decide(project, "ann", decisions)
    contradiction = Event("bob-0", first, "submit", {"same": not is_match(first)})
    project.label_queue.exchange(Holder("bob", "tab"), QueueRequest(events=(contradiction,)))
    loop.play_round(project, quiet)
    project.close()


@pytest.fixture(scope="session", name="paired")
def make_paired(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once; tests work on copies of it."""
    folder = tmp_path_factory.mktemp("paired") / "shops"
    make_project(folder)
    return folder


def decide(project: Project, user: str, count: int) -> str:
    """The next ones as they are; returns the first one's id."""
    holder = Holder(user, "tab")
    cards = project.label_queue.exchange(holder, QueueRequest(want=count)).cards
    assert len(cards) == count
    reply = project.label_queue.exchange(holder, QueueRequest(events=true_answers(cards)))
    assert set(reply.statuses.values()) == {"stored"}
    return cards[0].id


def true_answers(cards: Sequence[Card]) -> tuple[Event, ...]:
    return tuple(Event(f"e-{card.id}", card.id, "submit", {"same": is_match(card.id)}) for card in cards)


def is_match(record: str) -> bool:
    """By the id of a candidate: `shop A:a3|shop B:b3`."""
    left, right = record.split("|")
    return left.rpartition(":")[2][1:] == right.rpartition(":")[2][1:]
