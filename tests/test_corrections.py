"""A person's correction settles its record whatever others said, is only ever added, and can be taken back."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from core import loop
from core.errors import BadInput, Refused
from core.explore.record_detail import record_detail
from core.labelling.changes import change_settings
from core.labelling.corrections import correct, withdraw
from core.labelling.leases import Holder
from core.labelling.queue import QueueRequest
from core.labelling.responses import Event
from core.labelling.settling import settle
from core.project import Project
from tests.conftest import quiet

ANN = Holder("ann", "tab")


def settled(project: Project, record: str) -> tuple[list[str], str, str]:
    """(labels, how, stratum)."""
    rows = project.store.query("select labels, how, stratum from settled join records using (n) where id = ?", [record])
    labels, how, stratum = rows[0]
    return labels, how, stratum


@pytest.fixture
def labelled(project: Project) -> str:
    """A record that ann has labelled on the card."""
    loop.next_batch(project, quiet, size=6, spare=0)
    card = project.label_queue.exchange(ANN, QueueRequest(want=6)).cards[0]
    project.label_queue.exchange(ANN, QueueRequest(events=(Event("e0", card.id, "submit", ("food",)),)))
    return card.id


def test_a_correction_settles_the_record_and_leaves_the_answer_stored(project: Project, labelled: str) -> None:
    correct(project, labelled, ["music"], "bob", "it sings")
    assert settled(project, labelled)[:2] == (["music"], "adjudicated")
    answers = record_detail(project, labelled).answers
    assert [(row.user, row.answer, row.how, row.note) for row in answers] == [
        ("ann", "food", "one by one", None),
        ("bob", "music", "correction", "it sings"),
    ]


def test_a_correction_keeps_a_record_in_the_stratum_that_it_was_drawn_for(project: Project, labelled: str) -> None:
    before = settled(project, labelled)
    correct(project, labelled, ["music"], "bob")
    assert settled(project, labelled)[2] == before[2]


def test_the_newest_correction_wins_and_taking_it_back_brings_the_one_before(project: Project, labelled: str) -> None:
    correct(project, labelled, ["music"], "bob")
    second = correct(project, labelled, ["weather"], "ann")
    assert settled(project, labelled)[0] == ["weather"]
    withdraw(project, labelled, second, "ann")
    assert settled(project, labelled)[0] == ["music"]
    assert [user for _, user in record_detail(project, labelled).corrections] == ["bob"]


def test_a_label_that_is_retired_while_a_correction_waits_is_refused(project: Project, labelled: str) -> None:
    with ThreadPoolExecutor() as pool:
        with project.label_queue.changing():
            summary = pool.submit(correct, project, labelled, ["music"], "bob")
            time.sleep(0.2)  # until it waits
            change_settings(project, retire_label="music")
        with pytest.raises(BadInput, match="no label 'music'"):
            summary.result()
    assert settled(project, labelled)[0] == ["food"]


def test_its_author_confirms_a_correction_and_it_stays_one(project: Project, labelled: str) -> None:
    correct(project, labelled, ["music"], "bob")
    again = Event("again", labelled, "submit", ("music",), ts=4e9)
    project.label_queue.exchange(Holder("bob", "tab"), QueueRequest(events=(again,)))
    assert settled(project, labelled)[:2] == (["music"], "adjudicated")
    with project.store.transaction() as cursor:
        settle(cursor, "select n from records", project.settings())
    assert settled(project, labelled)[:2] == (["music"], "adjudicated")


def test_a_correction_takes_the_record_from_who_holds_it(project: Project) -> None:
    loop.next_batch(project, quiet, size=6, spare=0)
    held = [card.id for card in project.label_queue.exchange(ANN, QueueRequest(want=2)).cards]
    correct(project, held[0], ["music"], "bob")
    reply = project.label_queue.exchange(ANN, QueueRequest(have=tuple(held)))
    assert reply.taken == held[:1]
    assert settled(project, held[0])[0] == ["music"]


def test_only_its_author_takes_a_correction_back_and_only_once(project: Project, labelled: str) -> None:
    event = correct(project, labelled, ["music"], "bob")
    with pytest.raises(Refused, match="Only bob"):
        withdraw(project, labelled, event, "ann")
    with pytest.raises(BadInput, match="has no answer"):
        withdraw(project, labelled, "other", "bob")
    withdraw(project, labelled, event, "bob")
    with pytest.raises(Refused, match="already"):
        withdraw(project, labelled, event, "bob")
    assert settled(project, labelled)[:2] == (["food"], "single")


def test_a_label_given_where_nobody_has_labelled_is_an_ordinary_answer(project: Project) -> None:
    correct(project, "r0", ["music"], "bob")
    assert settled(project, "r0") == (["music"], "single", "chosen")
    assert record_detail(project, "r0").corrections == ()


def test_a_label_given_with_the_suggestion_in_view_is_no_audit(project: Project) -> None:
    loop.next_batch(project, quiet, size=6, spare=0)
    card = project.label_queue.exchange(ANN, QueueRequest(want=6)).cards[0]
    with project.store.transaction() as cursor:
        cursor.execute("update queue set audit = false")
        cursor.execute(
            "insert into models values ('m', now(), 1, ?, 1, 0, 0, '{}', 0, null, null, null, null, null)",
            [project.settings().encoder],
        )
    correct(project, card.id, ["music"], "bob")
    assert project.store.one("select model from responses where annotator = 'bob'") == "m"
    with project.store.transaction() as cursor:
        cursor.execute("update queue set audit = true")
        cursor.execute("delete from settled")
    withheld = project.store.one("select r.id from records r join queue q using (n) where id <> ?", [card.id])
    correct(project, withheld, ["music"], "eve")
    assert project.store.one("select model from responses where annotator = 'eve'") is None


@pytest.mark.parametrize(
    ("record", "labels", "message"),
    [("r0", ["sport"], "no label 'sport'"), ("r0", [], "Exactly one label"), ("r999", ["food"], "no record 'r999'")],
)
def test_a_correction_that_cannot_be_is_refused_and_nothing_is_stored(
    project: Project, record: str, labels: list[str], message: str
) -> None:
    before = project.store.one("select count(*) from responses")
    with pytest.raises(BadInput, match=message):
        correct(project, record, labels, "bob")
    assert project.store.one("select count(*) from responses") == before


def test_a_corrected_record_is_not_handed_out_again(project: Project) -> None:
    loop.next_batch(project, quiet, size=2, spare=0)
    first = project.store.one("select r.id from records r join queue q using (n) order by position limit 1")
    correct(project, first, ["food"], "bob")
    assert first not in [card.id for card in project.label_queue.exchange(ANN, QueueRequest(want=10)).cards]
