"""Figures that are kept up to date record by record are those of a full count, whatever is done in between."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import loop
from core.data.file_import import import_file
from core.erasure.erase import erase
from core.errors import RondoError
from core.ids import RecordNo
from core.labelling.bulk import bulks, label_many, undo_bulk
from core.labelling.changes import change_settings
from core.labelling.corrections import correct, decide
from core.labelling.gold import UNASKED_TEST
from core.labelling.leases import Holder
from core.labelling.queue import QueueRequest
from core.labelling.record_states import count_of
from core.labelling.responses import Event
from core.labelling.reviews import queue_for_review
from core.labelling.taxonomy_changes import taxonomy_retire, taxonomy_undo
from core.labelling.waiting import asked_parameters
from core.project import Project
from core.reports.record_counts import RecordSet, record_counts, suggested_counts
from core.store.database import utc_now
from tests.conftest import copy_of, quiet
from tests.waiting import wait_for

STATES = ("labelled", "gold", "queued", "flagged", "skipped", "tied", "left_out")
LABELS = ("food", "traffic", "sport")
PEOPLE = (Holder("ann", "1"), Holder("bob", "1"), Holder("bob", "2"))
SUGGESTED = "insert into suggestions select n, {}, 0.9, 0.1, [], 'm', null from records where split <> 'test'"
MACHINE = """insert into machine_labels select n, ['food'], 0.9, 0.9, 'g', 'm', null from records
             where n % 7 = 3 and split <> 'test'"""


def fresh(project: Project) -> tuple[dict[str, int], dict[str, int]]:
    """The same figures by other queries, of all records."""
    bound = asked_parameters(project.settings())

    def one(query: str) -> int:
        with project.store.reading() as cursor:
            row = cursor.execute(
                query, {name: value for name, value in bound.items() if f"${name}" in query}
            ).fetchone()
        assert row
        return int(row[0])

    counts = {name: one(count_of(name)) for name in STATES}
    counts |= {
        "audit": one("select count(*) from settled where stratum = 'audit'"),
        "machine": one("select count(*) from machine_labels where not is_labelled(n)"),
        "unasked_test": one(f"select count(*) from ({UNASKED_TEST})"),
        "records": one("select count(*) from records"),
        "pool": one("select count(*) from pool"),
    }
    by_label = """select label, count(*) from suggestions where label is not null
                  and n not in (select n from outside_pool) group by 1"""
    return counts, dict(project.store.query(by_label))


def check(project: Project, what: str) -> None:
    counts, by_label = fresh(project)
    assert record_counts(project) == counts, what
    assert {label: size for label, size in suggested_counts(project).items() if size} == by_label, what


@dataclass
class Play:
    """A project, and what each of PEOPLE holds and has done."""

    project: Project
    folder: Path
    hands: dict[Holder, list[str]] = field(default_factory=lambda: {person: [] for person in PEOPLE})
    past: dict[Holder, list[Event]] = field(default_factory=lambda: {person: [] for person in PEOPLE})

    def exchange(self, person: Holder, *events: Event, want: int = 0) -> None:
        request = QueueRequest(events, tuple(self.hands[person]), want=want)
        reply = self.project.label_queue.exchange(person, request)
        kept = [record for record in self.hands[person] if record not in reply.taken]
        self.hands[person] = kept + [card.id for card in reply.cards]

    def answer(self, action: str, lot: int) -> None:
        """Of a record at hand, of one that was answered before, or of any."""
        person, hand = PEOPLE[lot % len(PEOPLE)], self.hands[PEOPLE[lot % len(PEOPLE)]]
        old = [event.record for event in self.past[person]]
        record = (hand or old or [self.name(lot)])[0]
        if lot % 4 == 0:
            record = old[lot % len(old)] if old and lot % 8 == 0 else self.name(lot)
        hand[:] = [one for one in hand if one != record]
        labels = (LABELS[lot % 2],) if action == "submit" else ()
        event = Event(str(uuid4()), record, action, labels)
        self.past[person].append(event)
        self.exchange(person, event, want=1)

    def undo(self, lot: int) -> None:
        person = PEOPLE[lot % len(PEOPLE)]
        if self.past[person]:
            event = self.past[person].pop(lot % len(self.past[person]))
            self.exchange(person, Event(str(uuid4()), event.record, "undo", undoes=event.eid))

    def import_more(self, lot: int) -> None:
        """A text again that is there, one that is new, and a record to be gold by people's answers."""
        file = self.folder / f"{uuid4()}.csv"
        text = self.project.store.query("select text from records order by n limit 1 offset ?", [lot % 60])[0][0]
        rows = (f'a{lot},"{text}",train', f"b{lot},New number {lot},train", f"c{lot},Test number {lot},test")
        file.write_text("\n".join(("id,text,split", *rows)))
        import_file(self.project, quiet, file=str(file), text=["text"], id="id", split="split")

    def records(self, lot: int, size: int) -> list[RecordNo]:
        query = "select n from records order by hash(n, ?::bigint) limit ?"
        return [n for (n,) in self.project.store.query(query, [lot, size])]

    def name(self, lot: int) -> str:
        return str(self.project.store.one("select id from records order by hash(n, ?::bigint) limit 1", [lot]))

    def take_back_bulk(self, lot: int) -> None:
        if known := bulks(self.project):
            undo_bulk(self.project, known[lot % len(known)].id, "ann")

    def withdraw(self, lot: int) -> None:
        if events := self.past[PEOPLE[0]]:
            event = events[lot % len(events)]
            decide(self.project, Event(str(uuid4()), event.record, "undo", undoes=event.eid), PEOPLE[0].annotator)


Act = Callable[[Play, int], object]
QUICK: dict[str, Act] = {
    "an answer": lambda play, lot: play.answer("submit", lot),
    "a skip": lambda play, lot: play.answer("skip", lot),
    "a flag": lambda play, lot: play.answer("flag", lot),
    "an undo": lambda play, lot: play.undo(lot),
    "more records": lambda play, lot: play.exchange(PEOPLE[lot % 3], want=12),
    "records given back": lambda play, lot: play.project.label_queue.exchange(
        PEOPLE[lot % 3], QueueRequest(give_back=tuple(play.hands[PEOPLE[lot % 3]]))
    ),
}
SLOW: dict[str, Act] = {
    "a correction": lambda play, lot: correct(play.project, play.name(lot), (LABELS[lot % 3],), "cat"),
    "a withdrawal": lambda play, lot: play.withdraw(lot),
    "a bulk answer": lambda play, lot: label_many(play.project, play.records(lot, 3), ("food",), "ann"),
    "a bulk answer taken back": lambda play, lot: play.take_back_bulk(lot),
    "a review": lambda play, lot: queue_for_review(play.project, play.records(lot, 20), "ann"),
    "an import": lambda play, lot: play.import_more(lot),
    "an erasure": lambda play, lot: erase(play.project, quiet, record=[play.name(lot)], sure=True),
    "another overlap": lambda play, lot: change_settings(play.project, overlap=1 + lot % 2),
    "another rule": lambda play, lot: change_settings(play.project, settle=("majority", "single")[lot % 2]),
    "a retired label": lambda play, lot: taxonomy_retire(play.project, quiet, label=LABELS[lot % 2]),
    "a label back": lambda play, lot: taxonomy_undo(play.project, quiet),
    "a batch": lambda play, lot: loop.next_batch(play.project, quiet, size=6, spare=4),
}
ACTS = QUICK | SLOW


@pytest.fixture(scope="session")
def suggesting(encoded: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with suggestions, machine labels, and a first batch."""
    folder = tmp_path_factory.mktemp("suggesting") / "project"
    with copy_of(encoded, folder) as project:
        with project.store.transaction() as cursor:
            cursor.execute(SUGGESTED.format(f"{list(LABELS)}[1 + n % 3]"))
            cursor.execute(MACHINE)
        loop.next_batch(project, quiet, size=8, spare=4)
    return folder


MOVES = st.lists(
    st.tuples(st.sampled_from([*QUICK] * 5 + [*SLOW]), st.integers(0, 10_000)),
    min_size=10,
    max_size=14,
)


@settings(max_examples=4, deadline=None)
@given(MOVES)
def test_kept_figures_are_those_of_a_full_count(
    suggesting: Path, tmp_path_factory: pytest.TempPathFactory, moves: list[tuple[str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("kept")
    with copy_of(suggesting, folder / "project") as project:
        play = Play(project, folder)
        check(project, "at first")
        for number, (what, lot) in enumerate(moves):
            with suppress(RondoError):
                ACTS[what](play, lot)
            if number % 2:  # after several in a row, too
                check(project, what)
        check(project, "at last")


def test_gold_by_an_answer_leaves_the_record_with_its_text_unasked(suggesting: Path, tmp_path: Path) -> None:
    with copy_of(suggesting, tmp_path / "project") as project:
        first = project.store.one("select text from records where n in (select n from pool) limit 1")
        file = tmp_path / "twin.csv"
        file.write_text(f'id,text,split\ntwin,"{first}",test\n')
        import_file(project, quiet, file=str(file), text=["text"], id="id", split="split")
        before = record_counts(project), suggested_counts(project)
        answer = Event("e1", "twin", "submit", ("food",))
        assert project.label_queue.exchange(PEOPLE[0], QueueRequest((answer,))).statuses == {"e1": "stored"}
        check(project, "a gold twin")
        after = record_counts(project), suggested_counts(project)
        assert (after[0]["gold"], after[0]["pool"]) == (before[0]["gold"] + 1, before[0]["pool"] - 1)
        assert sum(after[1].values()) == sum(before[1].values()) - 1


def test_a_lease_that_is_given_back_or_ends_by_itself_is_seen(suggesting: Path, tmp_path: Path) -> None:
    with copy_of(suggesting, tmp_path / "project") as project:
        free = record_counts(project)["pool"]
        cards = project.label_queue.exchange(PEOPLE[0], QueueRequest(want=12)).cards  # the batch, and spare records
        check(project, "leased")
        assert record_counts(project)["pool"] < free
        project.label_queue.exchange(PEOPLE[0], QueueRequest(give_back=tuple(card.id for card in cards)))
        check(project, "given back")
        assert record_counts(project)["pool"] == free
        project.label_queue.exchange(PEOPLE[1], QueueRequest(want=12))
        for seconds in (2, 10, 60):  # longer where the machine is too slow to see them held
            until = utc_now() + timedelta(seconds=seconds)
            with project.store.transaction() as cursor:
                cursor.execute("update leases set until = ?", [until])
            held = record_counts(project)["pool"]
            if utc_now() < until:
                break
        assert held < free
        wait_for(lambda: utc_now() > until)
        check(project, "ended")
        assert record_counts(project)["pool"] == free


@given(st.sets(st.integers(0, 99)), st.sets(st.integers(0, 99)), st.sets(st.integers(0, 99)))
def test_a_set_of_records_renewed_is_the_set_without_those_and_with_its_members(
    numbers: set[int], again: set[int], members: set[int]
) -> None:
    looked_at = np.array(sorted(again), np.int64)
    result = RecordSet.of(np.array(sorted(numbers), np.int64), 100).renewed(
        looked_at, np.isin(looked_at, sorted(members))
    )
    expected = (numbers - again) | (members & again)
    assert set(np.flatnonzero(result.has(np.arange(100))).tolist()) == expected
    assert result.size == len(expected)
