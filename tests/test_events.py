"""What holds for events: they count in the order in which they arrive, and what was acknowledged is never lost."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config.settings import Settings, check
from core.config.taxonomy import change_label, make_taxonomy, retire_label
from core.errors import BadInput
from core.ids import RecordNo
from core.labelling.responses import Arrival, Event, first_stamp, last_stamp, made_at, store_events
from core.labelling.settling import RULES, AnswerInForce, read_answers, read_facts, read_few_answers, settle, settle_few
from core.store.answers import APP, BULK, CORRECTION
from core.store.database import Store

NOW = datetime(2026, 5, 4, 12, 0, 0)
SETTINGS = Settings(name="test", taxonomy=make_taxonomy(["spam", "ham", "eggs"]))
MULTI = replace(SETTINGS, multi=True)
RECORDS = {f"r{n}": RecordNo(n) for n in range(4)}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = make_store(tmp_path)
    yield store
    store.close()


@pytest.fixture(scope="module")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = make_store(tmp_path_factory.mktemp("events"))
    yield store
    store.close()


def make_store(folder: Path) -> Store:
    store = Store(folder)
    with store.transaction() as cursor:
        cursor.executemany(
            "insert into records values (?, ?, 'text', null, null, 'h', null, ?, 'file.csv', now())",
            [[n, id, "test" if n == 3 else None] for id, n in RECORDS.items()],
        )
    return store


def send(
    store: Store, annotator: str, *events: Event, chosen: Settings = SETTINGS, at: datetime = NOW
) -> dict[str, str]:
    with store.transaction() as cursor:
        statuses = store_events(cursor, events, RECORDS, Arrival(annotator, at, 1), chosen)
        ns = sorted({RECORDS[event.record] for event in events if event.record in RECORDS})
        settle_few(cursor, read_facts(cursor, ns), chosen)
    return statuses


def from_file(store: Store, source: str, record: str, label: str) -> None:
    """As an import writes it; a repeated one takes no stamp, else later answers would be after the review's `since`."""
    id = f"file:{source}:{record}:{label}"
    with store.transaction() as cursor:
        if cursor.execute("select 1 from responses where event_id = ?", [id]).fetchall():
            return
        cursor.execute(
            """insert into responses values ($id, $n, $source, 'submit', [$label], null, null, $now, 0, $now, 0, 1,
               null, null, $stamp, 'file', true, to_json([$label]), null)""",
            {"id": id, "n": RECORDS[record], "source": source, "label": label}
            | {"now": NOW, "stamp": first_stamp(cursor, 1)},
        )
        settle_few(cursor, read_facts(cursor, [RECORDS[record]]), SETTINGS)


def settled(store: Store) -> dict[int, tuple[list[str], str, str]]:
    rows = store.query("select n, labels, how, stratum from settled order by n")
    return {n: (labels, how, stratum) for n, labels, how, stratum in rows}


def test_the_newest_current_answer_of_a_person_counts(store: Store) -> None:
    send(store, "ann", Event("1", "r0", "submit", ("spam",), seq=1), Event("2", "r0", "submit", ("ham",), seq=2))
    assert settled(store) == {0: (["ham"], "single", "chosen")}
    send(store, "ann", Event("3", "r0", "undo", undoes="2", seq=3))
    assert settled(store) == {0: (["spam"], "single", "chosen")}
    send(store, "ann", Event("4", "r0", "undo", undoes="1", seq=4))
    assert settled(store) == {}


def test_nobody_can_take_back_what_another_person_answered(store: Store) -> None:
    send(store, "ann", Event("1", "r0", "submit", ("spam",)))
    send(store, "bob", Event("2", "r0", "undo", undoes="1"))
    assert settled(store) == {0: (["spam"], "single", "chosen")}


def test_an_undo_may_arrive_before_the_event_that_it_names(store: Store) -> None:
    assert send(store, "ann", Event("2", "r0", "undo", undoes="1")) == {"2": "stored"}
    assert send(store, "ann", Event("1", "r0", "submit", ("spam",))) == {"1": "stored"}
    assert settled(store) == {}


def test_an_undo_takes_back_only_what_was_answered_to_its_own_record(store: Store) -> None:
    send(store, "ann", Event("1", "r0", "submit", ("spam",)))
    send(store, "ann", Event("2", "r1", "undo", undoes="1"))
    assert settled(store) == {0: (["spam"], "single", "chosen")}


def test_the_majority_settles_and_a_tie_does_not(store: Store) -> None:
    send(store, "ann", Event("1", "r0", "submit", ("spam",)))
    send(store, "bob", Event("2", "r0", "submit", ("ham",)))
    assert settled(store) == {}
    send(store, "cat", Event("3", "r0", "submit", ("ham",)))
    assert settled(store) == {0: (["ham"], "majority", "chosen")}


def test_a_correction_settles_whatever_others_answered_and_keeps_an_audit_label_in_the_audit(store: Store) -> None:
    with store.transaction() as cursor:
        cursor.execute("insert into queue values (0, 1, 1.0, true, false, null, null, null, null, null)")
    for user in ("ann", "bob"):
        send(store, user, Event(user, "r0", "submit", ("spam",)))
    send(store, "cat", Event("3", "r0", "submit", ("ham",), model="m1", source=CORRECTION))
    assert settled(store) == {0: (["ham"], "adjudicated", "audit")}
    send(
        store,
        "ann",
        Event("4", "r0", "submit", ("spam",), model="m1", source=CORRECTION, seq=4),
        at=NOW + timedelta(seconds=1),
    )
    assert settled(store) == {0: (["spam"], "adjudicated", "audit")}


def test_a_person_beats_the_label_that_came_with_the_file(store: Store) -> None:
    from_file(store, "file.csv", "r0", "spam")
    assert settled(store) == {0: (["spam"], "single", "file")}
    send(store, "ann", Event("2", "r0", "submit", ("ham",)))
    assert settled(store) == {0: (["ham"], "single", "chosen")}
    with store.transaction() as cursor:
        settle(cursor, "select n from records", SETTINGS)
    assert settled(store) == {0: (["ham"], "single", "chosen")}


def test_files_are_one_source_of_which_the_last_holds_until_a_person_answers(store: Store) -> None:
    from_file(store, "file.csv", "r0", "spam")
    from_file(store, "second.csv", "r0", "ham")
    assert settled(store) == {0: (["ham"], "single", "file")}
    with store.transaction() as cursor:
        settle(cursor, "select n from records", SETTINGS)
    assert settled(store) == {0: (["ham"], "single", "file")}
    send(store, "ann", Event("2", "r0", "submit", ("spam",)))
    assert settled(store) == {0: (["spam"], "single", "chosen")}


def test_a_person_may_be_called_like_a_file_but_an_event_may_not(store: Store) -> None:
    send(store, "file.csv", Event("1", "r0", "submit", ("spam",)))
    assert settled(store) == {0: (["spam"], "single", "chosen")}
    result = send(store, "ann", *(Event(eid, "r1", "submit", ("spam",)) for eid in ("file:f:r1", "bulk:7:1")))
    assert all("may not begin with" in reason for reason in result.values())
    assert set(settled(store)) == {0}


def test_an_answer_given_to_many_at_once_says_so_and_is_no_audit(store: Store) -> None:
    with store.transaction() as cursor:
        cursor.execute("insert into queue values (0, 1, 1.0, true, false, null, null, null, null, null)")
    send(store, "ann", Event("1", "r0", "submit", ("spam",), model="m1", source=BULK, origin="7"))
    assert settled(store) == {0: (["spam"], "bulk", "chosen")}


def test_an_answer_to_a_check_of_machine_labels_is_a_stratum_of_its_own(store: Store) -> None:
    with store.transaction() as cursor:
        cursor.execute("insert into queue values (0, 1, 1.0, false, true, null, null, null, 'check', null)")
    send(store, "ann", Event("1", "r0", "submit", ("spam",)))
    assert settled(store) == {0: (["spam"], "single", "check")}


def test_skips_and_flags_settle_nothing(store: Store) -> None:
    send(store, "ann", Event("1", "r0", "skip"), Event("2", "r1", "flag", note="torn page"))
    assert settled(store) == {}
    assert store.query("select action, note from responses order by event_id") == [
        ("skip", None),
        ("flag", "torn page"),
    ]


def test_the_stratum_says_where_a_label_comes_from(store: Store) -> None:
    with store.transaction() as cursor:
        cursor.execute("insert into queue values (1, 1, 1.0, true, false, null, null, null, null, null)")
    for n in range(4):
        if n == 2:
            from_file(store, "file.csv", "r2", "spam")
        else:
            send(store, "ann", Event(str(n), f"r{n}", "submit", ("spam",)))
    assert [stratum for _, _, stratum in settled(store).values()] == ["chosen", "audit", "file", "gold"]


def test_an_answer_with_a_retired_label_settles_nothing_but_stays_stored(store: Store) -> None:
    send(store, "ann", Event("1", "r0", "submit", ("spam",)))
    retired = replace(SETTINGS, taxonomy=retire_label(SETTINGS.taxonomy, "spam"))
    with store.transaction() as cursor:
        settle(cursor, "select n from records", retired)
        assert [answer.counts for answer in read_answers(cursor, "select 0", retired)] == [False]
    assert settled(store) == {}
    assert store.one("select count(*) from responses") == 1


@pytest.mark.parametrize("chosen", [SETTINGS, MULTI], ids=["one", "several"])
def test_an_answer_with_a_merged_label_counts_as_the_other_one_in_sql_and_in_python(
    store: Store, chosen: Settings
) -> None:
    send(store, "ann", Event("1", "r0", "submit", ("spam",)), Event("2", "r1", "submit", ("ham",)))
    if chosen.multi:
        both = (Event("3", "r2", "submit", ("spam", "ham")), Event("4", "r3", "submit", ("eggs", "spam")))
        send(store, "ann", *both, chosen=chosen)
    merged = change_label(chosen.taxonomy, "spam", retired=True, counts_as=("ham",))
    changed = replace(chosen, taxonomy=merged)
    with store.transaction() as cursor:
        settle(cursor, "select n from records", changed)
        by_sql = {row.record_no: row for row in read_answers(cursor, "select n from records", changed)}
        plainly = {row.record_no: row for row in read_few_answers(cursor, list(by_sql), changed)}
    assert by_sql == plainly
    assert {n: labels for n, (labels, *_) in settled(store).items()} == {
        0: ["ham"],
        1: ["ham"],
        **({2: ["ham"], 3: ["eggs", "ham"]} if chosen.multi else {}),
    }


def test_an_answer_given_before_its_label_went_is_stored_when_it_arrives_later(store: Store) -> None:
    retired = replace(SETTINGS, taxonomy=retire_label(SETTINGS.taxonomy, "spam"))
    assert send(store, "ann", Event("1", "r0", "submit", ("spam",)), chosen=retired) == {"1": "stored"}
    assert settled(store) == {}
    with store.transaction() as cursor:
        cursor.execute("insert into taxonomies values (1, now()::timestamp, ?)", ['[["old", "Old", "", false]]'])
    result = send(store, "ann", Event("2", "r1", "submit", ("old",)), Event("3", "r1", "submit", ("never",)))
    assert result == {"2": "stored", "3": "There is no label 'never'."}
    with store.transaction() as cursor:
        settle(cursor, "select n from records", SETTINGS)  # the label is back
    assert settled(store) == {0: (["spam"], "single", "chosen")}


def test_an_answer_given_with_a_suggestion_in_view_is_no_audit(store: Store) -> None:
    with store.transaction() as cursor:
        cursor.execute("insert into queue select n, 1, n, true, false, null, null, null, null, null from range(2) t(n)")
    send(store, "ann", Event("1", "r0", "submit", ("spam",), model="m1"), Event("2", "r1", "submit", ("spam",)))
    assert settled(store) == {0: (["spam"], "single", "chosen"), 1: (["spam"], "single", "audit")}
    send(store, "bob", Event("3", "r1", "submit", ("spam",), model="m1"))
    assert settled(store)[1] == (["spam"], "majority", "chosen")


def test_none_of_them_is_an_answer_where_several_labels_may_hold(store: Store) -> None:
    send(store, "ann", Event("1", "r0", "submit"), Event("2", "r1", "submit", ("ham", "spam", "ham")), chosen=MULTI)
    assert settled(store) == {0: ([], "single", "chosen"), 1: (["ham", "spam"], "single", "chosen")}


def test_a_bad_event_is_refused_with_a_reason_and_blocks_no_other(store: Store) -> None:
    statuses = send(
        store,
        "ann",
        Event("1", "r9", "submit", ("spam",)),
        Event("2", "r0", "submit", ("toast",)),
        Event("3", "r0", "submit"),
        Event("4", "r0", "delete"),
        Event("5", "r0", "undo"),
        Event("6", "r0", "skip", ts=float("nan")),
        Event("8", "r0", "submit", ("ham",), model="m" * 201),
        Event("9", "r0", "undo", undoes="e" * 1001),
        Event("10", "r0", "flag", note="n" * 2001),
        Event("7", "r1", "submit", ("ham",)),
        Event("7", "r1", "submit", ("ham",)),
    )
    assert statuses.pop("7") == "stored"
    assert len(statuses) == 9
    assert all(reason.endswith((".", "needed, and this answer has 0.")) for reason in statuses.values())
    assert settled(store) == {1: (["ham"], "single", "chosen")}


def test_what_arrives_last_holds_whatever_the_clocks_say(store: Store) -> None:
    """A clock ten days ahead for a minute, the browser's and the server's, then a device that is two hours slow."""
    now, days = (NOW - datetime(1970, 1, 1)).total_seconds(), timedelta(days=10)
    ahead = Event("1", "r0", "submit", ("spam",), ts=now + days.total_seconds(), seq=9)
    send(store, "ann", ahead, at=NOW + days)
    send(store, "ann", Event("2", "r0", "submit", ("ham",), ts=now - 7200, seq=1))
    assert settled(store) == {0: (["ham"], "single", "chosen")}
    send(store, "ann", replace(ahead, eid="3", source=CORRECTION), at=NOW + days)
    send(store, "bob", Event("4", "r0", "submit", ("eggs",), ts=now - 7200, source=CORRECTION), at=NOW)
    assert settled(store) == {0: (["eggs"], "adjudicated", "chosen")}
    assert send(store, "ann", ahead) == {"1": "known"}
    assert settled(store) == {0: (["eggs"], "adjudicated", "chosen")}, "what is sent again is not newer"
    made, received = store.query("select made_at, received_at from responses where event_id = '2'")[0]
    assert (made, received) == (NOW - timedelta(hours=2), NOW), "the browser's time is kept"


def test_stamps_go_on_after_a_restart_and_where_the_newest_answer_was_deleted(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    send(store, "ann", Event("1", "r0", "skip"), Event("2", "r0", "submit", ("ham",)))
    store.query("delete from responses where event_id = '2'")
    store.close()
    store = Store(tmp_path)
    send(store, "ann", Event("3", "r0", "skip"))
    assert store.query("select event_id, stamp from responses order by stamp") == [("1", 1), ("3", 3)]
    store.close()


def test_an_id_that_another_event_has_is_refused_and_what_is_sent_again_is_known(store: Store) -> None:
    event = Event("1", "r0", "submit", ("spam",))
    assert send(store, "ann", event) == {"1": "stored"}
    assert send(store, "ann", replace(event, ts=5.0)) == {"1": "known"}
    assert "belongs to another" in send(store, "bob", event)["1"]
    for other in (replace(event, record="r1"), replace(event, answer=("ham",)), replace(event, action="skip")):
        assert "belongs to another" in send(store, "ann", other)["1"]
    assert store.query("select annotator, labels from responses") == [("ann", ["spam"])]


def test_a_clock_that_runs_ahead_is_held_back() -> None:
    tomorrow = (NOW + timedelta(days=1) - datetime(1970, 1, 1)).total_seconds()
    assert made_at(tomorrow, NOW) == NOW
    assert made_at(tomorrow - 172_800, NOW) == NOW - timedelta(days=1)
    assert made_at(-1e300, NOW) == datetime(1970, 1, 1)


FILES = ["file.csv", "second.csv"]
ANNOTATORS = ["ann", "bob", "cat", "dan", *FILES]
EVENTS = st.lists(
    st.builds(
        lambda number, user, record, action, label, undoes, ts, model, source: (
            user,
            Event(
                f"e{number}",
                record,
                action,
                (label,) if action == "submit" else (),
                undoes=f"e{undoes}" if action == "undo" else None,
                seq=number,
                ts=float(ts),
                model=model,
                source=source,
            ),
        ),
        st.integers(0, 11),
        st.sampled_from(ANNOTATORS),
        st.sampled_from(list(RECORDS)),
        st.sampled_from(["submit", "submit", "skip", "flag", "undo"]),
        st.sampled_from(["spam", "ham"]),
        st.integers(0, 11),
        st.integers(0, 3),
        st.sampled_from([None, "m1"]),
        st.sampled_from([APP, APP, CORRECTION, BULK]),
    ),
    min_size=2,
    max_size=9,
    unique_by=lambda pair: pair[1].eid,
)


WEIGHTS = {"ann": 0.4, "bob": 1.5, "cat": 0.7, "dan": 1.1}


def state_after(store: Store, order: list[tuple[str, Event]], chosen: Settings) -> object:
    with store.transaction() as cursor:
        cursor.execute("delete from responses")
        cursor.execute("delete from settled")
        cursor.execute("delete from queue")
        cursor.execute(
            """insert into queue select n, 1, n, n < 2, false, null, null, null, if(n = 2, 'check', null), null
               from range(3) t(n)"""
        )
        cursor.execute(
            "insert into queue values (3, 1, 3, false, true, null, null, null, 'review', ?)",
            [last_stamp(cursor) + 2],
        )
        cursor.execute("delete from annotators")
        cursor.executemany("insert into annotators values (?, ?, '{}', now())", list(WEIGHTS.items()))
    clocks = Random(len(order))
    for user, event in order:
        if user in FILES:
            from_file(store, user, event.record, "spam" if event.seq % 2 else "ham")
        else:
            send(store, user, event, chosen=chosen, at=NOW + timedelta(seconds=clocks.uniform(-1e7, 1e7)))
    with store.transaction() as cursor:
        facts = read_facts(cursor, list(RECORDS.values()))
        few = settle_few(cursor, facts, chosen)
        assert {(a.record_no, a.annotator): a for a in few} == {
            (a.record_no, a.annotator): a for a in read_answers(cursor, "select n from records", chosen)
        }
        plainly = cursor.execute("select * from settled order by n").fetchall()
        settle(cursor, "select n from records", chosen)
        assert plainly == cursor.execute("select * from settled order by n").fetchall()
    check_rule(few, settled(store), chosen.settle)
    return sorted((a.record_no, a.annotator, a.action, str(a.answer)) for a in few), settled(store)


def check_rule(answers: list[AnswerInForce], labels: dict[int, tuple[list[str], str, str]], rule: str) -> None:
    """What each rule guarantees, said in other words than where it is kept."""
    supplied = [answer for answer in answers if answer.action == "submit"]
    assert all(labels[answer.record_no][1] == "adjudicated" for answer in supplied if answer.corrects)
    people = {answer.record_no for answer in supplied if not answer.from_file}
    files = {answer.record_no for answer in supplied if answer.from_file}
    for n, (_, how, _) in labels.items():
        alone = sum(answer.record_no == n for answer in supplied) == 1
        assert how in {"single", "bulk", "adjudicated"} or not alone
        assert how != "weighted" or rule == "weighted"
        if n in people and n not in files | {3} and rule == "adjudicated":
            assert how == "adjudicated"
    if rule == "single":
        assert people | files == set(labels), "nothing is tied"
    for n in people - files:
        named = {answer.answer for answer in supplied if answer.record_no == n}
        assert len(named) > 1 or rule == "adjudicated" or labels[n][0] == json.loads(str(named.pop())), (
            "all say the same"
        )


@settings(max_examples=15, deadline=None)
@given(EVENTS, st.randoms(use_true_random=False))
def test_repetition_and_the_clocks_of_browsers_and_server_change_nothing_by_any_rule(
    shared_store: Store, events: list[tuple[str, Event]], random: Random
) -> None:
    again: list[tuple[str, Event]] = []
    for user, event in events:
        again.append((user, replace(event, ts=random.uniform(-1e9, 1e10))))
        again += random.choices(again, k=random.randrange(3))
    for rule in RULES:
        chosen = replace(SETTINGS, settle=rule)
        assert state_after(shared_store, again, chosen) == state_after(shared_store, events, chosen)


def test_the_settings_name_every_rule_and_no_other() -> None:
    assert {rule for rule in RULES if check(replace(SETTINGS, settle=rule))} == set(RULES)
    with pytest.raises(BadInput, match="settle is 'mean', but it must be one of majority, single"):
        check(replace(SETTINGS, settle="mean"))


def test_one_persons_answer_settles_by_the_rule_single_and_nothing_is_tied(store: Store) -> None:
    single = replace(SETTINGS, settle="single")
    send(store, "bob", Event("1", "r0", "submit", ("spam",)), chosen=single)
    send(store, "ann", Event("2", "r0", "submit", ("ham",)), chosen=single, at=NOW + timedelta(seconds=1))
    assert settled(store) == {0: (["ham"], "single", "chosen")}
    send(store, "ann", Event("3", "r0", "undo", undoes="2"), chosen=single, at=NOW + timedelta(seconds=2))
    assert settled(store) == {0: (["spam"], "single", "chosen")}


def test_votes_are_weighed_and_who_was_never_measured_weighs_one(store: Store) -> None:
    weighted = replace(SETTINGS, settle="weighted")
    with store.transaction() as cursor:
        cursor.execute("insert into annotators values ('ann', 2.5, '{}', now()), ('bob', 0.3, '{}', now())")
    send(store, "ann", Event("1", "r0", "submit", ("spam",)), chosen=weighted)
    assert settled(store) == {0: (["spam"], "single", "chosen")}
    for user in ("bob", "cat"):
        send(store, user, Event(user, "r0", "submit", ("ham",)), chosen=weighted)
    assert settled(store) == {0: (["spam"], "weighted", "chosen")}
    send(store, "dan", Event("4", "r0", "submit", ("ham",)), chosen=weighted)
    assert settled(store) == {0: (["spam"], "weighted", "chosen")}
    send(store, "eve", Event("5", "r0", "submit", ("ham",)), chosen=weighted)
    assert settled(store) == {0: (["ham"], "weighted", "chosen")}


def test_weights_that_are_equal_but_for_rounding_are_a_tie(store: Store) -> None:
    weighted = replace(SETTINGS, settle="weighted")
    with store.transaction() as cursor:
        cursor.executemany("insert into annotators values (?, ?, '{}', now())", [["ann", 0.3], ["bob", 0.1 + 0.2]])
    for user, label in (("ann", "spam"), ("bob", "ham")):
        send(store, user, Event(user, "r0", "submit", (label,)), chosen=weighted)
    assert settled(store) == {}


def test_only_a_correction_settles_where_somebody_shall_decide(store: Store) -> None:
    decided = replace(SETTINGS, settle="adjudicated")
    from_file(store, "file.csv", "r1", "spam")
    for user in ("ann", "bob"):
        send(store, user, Event(user, "r0", "submit", ("spam",)), chosen=decided)
    assert settled(store) == {1: (["spam"], "single", "file")}
    send(store, "cat", Event("3", "r0", "submit", ("spam",), source=CORRECTION), chosen=decided)
    assert settled(store)[0] == (["spam"], "adjudicated", "chosen")


def test_a_known_answer_stands_whatever_people_answer_until_it_is_corrected(store: Store) -> None:
    from_file(store, "file.csv", "r3", "spam")
    for user in ("ann", "bob"):
        send(store, user, Event(user, "r3", "submit", ("ham",)))
    assert settled(store) == {3: (["spam"], "single", "gold")}
    send(store, "cat", Event("3", "r3", "submit", ("ham",), source=CORRECTION))
    assert settled(store) == {3: (["ham"], "adjudicated", "gold")}


def test_a_review_of_a_known_answer_counts_and_earlier_answers_do_not(store: Store) -> None:
    from_file(store, "file.csv", "r3", "spam")
    for user in ("ann", "bob"):
        send(store, user, Event(user, "r3", "submit", ("spam",)))
    with store.transaction() as cursor:
        query = [last_stamp(cursor)]
        cursor.execute("insert into queue values (3, 1, 1.0, false, true, null, null, null, 'review', ?)", query)
    send(store, "cat", Event("3", "r3", "submit", ("ham",)), at=NOW + timedelta(seconds=1))
    assert settled(store) == {3: (["ham"], "single", "gold")}


WRITER = """
import sys, time
from pathlib import Path
from core.labelling.responses import Arrival, Event, store_events
from core.config.settings import Settings
from core.labelling.settling import read_facts, settle_few
from core.store.database import Store, utc_now
from core.config.taxonomy import make_taxonomy
store = Store(Path(sys.argv[1]))
settings = Settings(name="test", taxonomy=make_taxonomy(["spam"]))
for number in range(store.one("select count(*) from responses"), 100_000):
    with store.transaction() as cursor:
        event = Event(f"e{number}", f"r{number % 4}", "submit", ("spam",), seq=number)
        assert store_events(cursor, [event], {event.record: number % 4}, Arrival("ann", utc_now(), 1), settings)
        settle_few(cursor, read_facts(cursor, [number % 4]), settings)
    print(event.eid, flush=True)
"""


def test_a_writer_killed_twenty_times_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    make_store(tmp_path).close()
    acknowledged: list[str] = []
    for number in range(20):
        command = [sys.executable, "-c", WRITER, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]) as writer:
            assert writer.stdout is not None
            acknowledged.append(writer.stdout.readline().strip())
            time.sleep(0.013 * (number % 5))
            writer.kill()
            acknowledged += [line.strip() for line in writer.stdout if line.endswith("\n")]
    store = Store(tmp_path)
    stored = [eid for (eid,) in store.query("select event_id from responses")]
    assert set(acknowledged) <= set(stored)
    assert len(stored) == len(set(stored)) <= len(acknowledged) + 20
    store.close()
