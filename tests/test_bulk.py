"""One answer to many records: marked as such, only where nobody is asked, and taken back whole."""

import json
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import loop
from core.errors import BadInput, Refused
from core.ids import RecordNo
from core.labelling.bulk import bulks, label_many, preview, undo_bulk
from core.labelling.changes import change_settings
from core.labelling.leases import Holder
from core.labelling.queue import QueueRequest
from core.labelling.responses import Event
from core.labelling.settling import read_few_answers
from core.project import Project
from core.store.database import utc_now
from tests.conftest import quiet

EVERYBODY = [RecordNo(n) for n in range(60)]
ME = Holder("ada", "tab")


def settled(project: Project) -> dict[int, tuple[str, str, str]]:
    rows = project.store.query("select n, labels[1], how, stratum from settled where stratum <> 'gold'")
    return {n: rest for n, *rest in rows}  # type: ignore[misc]


def test_a_bulk_answer_settles_what_is_unlabelled_and_is_marked(project: Project) -> None:
    done = label_many(project, EVERYBODY, ["food"], "ada")
    assert (done["count"], done["left_out"]) == (48, {"gold": 12})
    assert set(map(tuple, settled(project).values())) == {("food", "bulk", "chosen")}
    assert project.store.one("select count(*) from responses where origin = ?", [done["bulk"]]) == 48
    assert not project.store.one("select count(*) from responses where source = 'bulk' and (model is null or blind)")


def test_a_bulk_answer_to_no_record_is_refused_in_words(project: Project) -> None:
    with pytest.raises(Refused, match=r"No record was chosen\. Nothing was changed\."):
        label_many(project, [], ["food"], "ada")


def test_the_twin_of_a_gold_record_is_never_labelled_in_bulk(project: Project) -> None:
    with project.store.transaction() as cursor:
        cursor.execute("update records set duplicate_of = 0 where n = 4")  # gold
    assert preview(project, [RecordNo(0), RecordNo(4), RecordNo(1)]).left_out == {"gold": 2}


def test_an_audit_record_is_never_labelled_in_bulk(project: Project) -> None:
    loop.next_batch(project, quiet, size=20)
    audit = {n for (n,) in project.store.query("select n from queue where audit")}
    done = label_many(project, EVERYBODY, ["food"], "ada")
    assert done["left_out"]["audit"] == len(audit) > 0
    assert not audit & settled(project).keys()


def test_what_somebody_holds_or_has_answered_or_checks_is_left_out(project: Project) -> None:
    change_settings(project, audit_share=0.0)
    loop.next_batch(project, quiet, size=20)
    cards = project.label_queue.exchange(ME, QueueRequest(want=3)).cards
    project.label_queue.exchange(ME, QueueRequest(events=(Event("e", cards[0].id, "skip"),), have=(cards[1].id,)))
    with project.store.transaction() as cursor:
        cursor.execute("update queue set purpose = 'check' where n = (select max(n) from queue)")
    project.label_queue.reload()
    before = preview(project, [*EVERYBODY, RecordNo(999)])
    assert before.left_out == {"missing": 1, "gold": 12, "check": 1, "answered": 1, "lent": 2}
    done = label_many(project, [*EVERYBODY, RecordNo(999)], ["food"], "bo")
    assert (done["count"], done["left_out"]) == (before.count, before.left_out)
    assert before.count == 48 - 4


def test_taking_a_bulk_answer_back_leaves_everything_as_it_was(project: Project) -> None:
    loop.next_batch(project, quiet, size=10)
    card = project.label_queue.exchange(ME, QueueRequest(want=1)).cards[0]
    project.label_queue.exchange(ME, QueueRequest(events=(Event("e", card.id, "submit", ("music",)),)))
    before, waiting = settled(project), project.label_queue.waiting()
    first = label_many(project, map(RecordNo, range(30)), ["food"], "ada")
    second = label_many(project, map(RecordNo, range(30, 60)), ["music"], "bo")
    assert undo_bulk(project, first["bulk"], "bo")["count"] == first["count"]
    undo_bulk(project, second["bulk"], "bo")
    assert (settled(project), project.label_queue.waiting()) == (before, waiting)
    assert [(one.id, one.user, one.taken_back) for one in bulks(project)] == [
        (second["bulk"], "bo", True),
        (first["bulk"], "ada", True),
    ]
    assert label_many(project, map(RecordNo, range(30)), ["food"], "ada")["count"] == first["count"], "again"


def test_undoing_leaves_what_a_person_answered_since(project: Project) -> None:
    done = label_many(project, [RecordNo(0), RecordNo(1)], ["food"], "ada")
    project.label_queue.exchange(
        ME, QueueRequest(events=(Event("late", "r0", "submit", ("music",), ts=utc_now().timestamp() + 9e4),))
    )
    undo_bulk(project, done["bulk"], "ada")
    assert {n: labels for n, (labels, *_) in settled(project).items()} == {0: "music"}


def test_a_bulk_answer_that_cannot_be_given_changes_nothing(project: Project) -> None:
    change_settings(project, retire_label="music")
    for labels, user in ((["music"], "ada"), ([], "ada"), (["food", "weather"], "ada"), (["food"], " ")):
        with pytest.raises(BadInput):
            label_many(project, EVERYBODY, labels, user)
    with pytest.raises(Refused, match="12 have a known answer"):
        label_many(project, map(RecordNo, range(4, 60, 5)), ["food"], "ada")
    with pytest.raises(BadInput, match="no bulk answer"):
        undo_bulk(project, "x' or 1=1", "ada")
    assert not settled(project)
    assert not bulks(project)


def test_a_bulk_answer_is_taken_back_once(project: Project) -> None:
    done = label_many(project, [RecordNo(0)], ["food"], "ada")
    undo_bulk(project, done["bulk"], "ada")
    with pytest.raises(Refused, match="already"):
        undo_bulk(project, done["bulk"], "ada")


def test_a_lease_that_has_run_out_stops_nobody(project: Project) -> None:
    loop.next_batch(project, quiet, size=5)
    project.label_queue.exchange(ME, QueueRequest(want=5))
    with project.store.transaction() as cursor:
        cursor.execute("update leases set until = ?", [utc_now() - timedelta(seconds=1)])
    assert "lent" not in preview(project, EVERYBODY).left_out


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sets(st.integers(0, 59)), st.sampled_from(["food", "music"])), max_size=4), st.data())
def test_the_two_ways_of_settling_agree_on_bulk_answers(
    project: Project, given_bulks: list[tuple[set[int], str]], data: st.DataObject
) -> None:
    made = []
    for ns, label in given_bulks:
        if preview(project, map(RecordNo, ns)).count:
            made.append(label_many(project, map(RecordNo, ns), [label], "ada")["bulk"])
    for bulk in made:
        if data.draw(st.booleans()):
            undo_bulk(project, bulk, "ada")
    with project.store.reading() as cursor:
        in_force = read_few_answers(cursor, [RecordNo(n) for n in EVERYBODY], project.settings())
    message = {answer.record_no: json.loads(str(answer.answer))[0] for answer in in_force if answer.annotator == "ada"}
    assert {n: label for n, (label, *_) in settled(project).items()} == message
    for one in bulks(project):
        if not one.taken_back:
            undo_bulk(project, one.id, "ada")
    assert not settled(project)
