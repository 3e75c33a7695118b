"""A file with a row for every answer: people's, by name, which vote like any other, and known ones."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import loop, simulate
from core.data.file_import import ImportSummary, import_file
from core.errors import BadInput
from core.explore.label_errors import flagged, inspect
from core.explore.record_detail import record_detail
from core.ids import RecordNo
from core.labelling.changes import change_settings
from core.labelling.queue import QueueRequest
from core.labelling.responses import Event
from core.labelling.reviews import queue_for_review
from core.project import Project, open_project
from core.reports.datacard import data_card
from core.reports.overview import status
from gpu_jobs.runners.local import InProcessRunner
from tests.conftest import quiet, sentences
from tests.queue_world import ANN, BOB

CROWD: dict[str, Any] = {"text": ["text"], "id": "id", "label": "label", "annotator": "who", "add_labels": True}
ROWS = [
    ("1", "rain again", "weather", "ann"),
    ("2", "fresh bread", "weather", "ann"),
    ("1", "rain again", "weather", "bob"),
    ("2", "fresh bread", "food", "bob"),
    ("1", "rain again", "food", "cat"),
    ("3", "a loud drum", "", ""),
]
Row = tuple[str, ...]


def write(path: Path, rows: Sequence[Row], *more: str) -> Path:
    """A file with these rows; more: names of further columns."""
    names = ["id", "text", "label", "who", *more]
    path.write_text("".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows))
    return path


@pytest.fixture
def empty(tmp_path: Path) -> Any:
    loop.create_project(tmp_path / "crowd", ["weather", "food", "music"])
    opened = open_project(tmp_path / "crowd", InProcessRunner())
    yield opened
    opened.close()


def bring(project: Project, folder: Path, rows: Sequence[Row], *more: str, **options: Any) -> ImportSummary:
    return import_file(project, quiet, file=str(write(folder / "crowd.jsonl", rows, *more)), **CROWD | options)


def settled(project: Project) -> dict[str, tuple[str, str, str]]:
    rows = project.store.query("select id, labels[1], how, stratum from settled join records using (n)")
    return {id: (label, how, stratum) for id, label, how, stratum in rows}


def test_answers_in_a_file_are_peoples_and_settle_by_the_rule(empty: Project, tmp_path: Path) -> None:
    result = bring(empty, tmp_path, ROWS)
    assert (result.rows, result.added, result.labelled, result.answers, result.annotators) == (
        3,
        3,
        0,
        5,
        3,
    )
    assert settled(empty) == {"1": ("weather", "majority", "chosen")}
    people = data_card(empty, names=True)["people"]["answers"]
    assert {one["annotator"]: one["labels"] for one in people} == {"ann": 2, "bob": 2, "cat": 1}
    assert data_card(empty)["agreement"] == {"records": 2, "pairs": 4, "share": 0.25}
    assert (status(empty).labelled, status(empty).tied) == (1, 1)
    change_settings(empty, settle="adjudicated")
    assert settled(empty) == {}


def test_the_same_file_again_changes_nothing(empty: Project, tmp_path: Path) -> None:
    bring(empty, tmp_path, ROWS)
    before = empty.store.query("select * from responses order by event_id")
    result = bring(empty, tmp_path, ROWS[::-1])
    assert (result.added, result.answers) == (0, 5)
    assert empty.store.query("select * from responses order by event_id") == before


def test_who_says_otherwise_in_a_later_file_has_changed_mind(empty: Project, tmp_path: Path) -> None:
    bring(empty, tmp_path, ROWS)
    bring(empty, tmp_path, [("2", "fresh bread", "food", "ann")])
    assert settled(empty)["2"] == ("food", "majority", "chosen")


def test_a_record_that_people_answered_in_a_file_is_not_chosen_again(empty: Project, tmp_path: Path) -> None:
    bring(empty, tmp_path, ROWS)
    assert empty.store.query("select id from records where n in (from pool)") == [("3",)]


def test_known_answers_make_gold_that_no_vote_changes(empty: Project, tmp_path: Path) -> None:
    rows = [(*row, {"1": "food", "2": "food", "3": ""}[row[0]]) for row in ROWS]
    result = bring(empty, tmp_path, rows, "known", gold="known")
    assert (result.made_gold, result.not_gold, result.labelled) == (2, 0, 2)
    assert settled(empty) == {"1": ("food", "single", "gold"), "2": ("food", "single", "gold")}
    answers = empty.store.query("select distinct annotator, source, origin from responses order by 1")
    assert answers == [
        ("ann", "crowd", "crowd.jsonl"),
        ("bob", "crowd", "crowd.jsonl"),
        ("cat", "crowd", "crowd.jsonl"),
        ("crowd.jsonl", "file", None),
    ]
    assert empty.store.query("select id from records where n in (from pool)") == [("3",)]
    assert "with a file, by name" in {answer.how for answer in record_detail(empty, "1").answers}


def test_known_answers_that_come_later_make_gold_unless_a_model_may_have_trained_on_the_record(
    empty: Project, tmp_path: Path
) -> None:
    bring(empty, tmp_path, ROWS)
    rows = [(*row, "food") for row in ROWS]
    assert bring(empty, tmp_path, rows[:1], "known", gold="known").made_gold == 1
    with empty.store.transaction() as cursor:
        cursor.execute(
            "insert into jobs (id, kind, state, made_at, params) values ('j', 'round', 'running', '2100-01-01', '{}')"
        )
        cursor.execute("insert into queue values (2, 1, 0, false, false, null, null, null, null, null)")
    result = bring(empty, tmp_path, rows, "known", gold="known")
    assert (result.made_gold, result.not_gold) == (1, 2)
    assert settled(empty)["3"] == ("food", "single", "file")


def test_nobody_is_waited_for_who_only_stands_in_a_file(empty: Project, tmp_path: Path) -> None:
    bring(empty, tmp_path, ROWS)
    empty.label_queue.exchange(ANN, QueueRequest(events=(Event("1", "3", "submit", ("music",), ts=1.0),)))
    queue_for_review(empty, [RecordNo(2)], "ann")
    assert [card.id for card in empty.label_queue.exchange(ANN, QueueRequest(want=1)).cards] == ["3"]


def test_an_answer_from_a_file_is_no_audit(project: Project, tmp_path: Path) -> None:
    loop.next_batch(project, quiet, size=4, audit_share=1.0)
    record, text = project.store.query("select id, text from queue join records using (n) where audit limit 1")[0]
    bring(project, tmp_path, [(record, text, "food", "ann")])
    assert settled(project)[record] == ("food", "single", "chosen")


# rows, parameters, what the one sentence must say
REFUSED: dict[str, tuple[Sequence[Row], dict[str, Any], str]] = {
    "no label column": (ROWS, {"label": None}, "every row is one answer: say which column holds the labels"),
    "no id column": (ROWS, {"id": None}, "which one says what record a row is about"),
    "gold alone": (ROWS, {"annotator": None, "gold": "who"}, "A column of known answers goes with one of annotators"),
    "no name": ([("1", "x", "food", " ")], {}, "row 1 (line 1), column 'who' is empty where there is a label"),
    "long name": ([("1", "x", "food", "a" * 81)], {}, "column 'who' holds a name that cannot be kept"),
    "two minds": (
        [("1", "x", "food", "ann"), ("1", "x", "music", " ann ")],
        {},
        "row 2 (line 2), column 'label' gives the record '1' the label 'music', but 'food' in row 1 (line 1), both by",
    ),
    "two texts": ([("1", "x", "food", "ann"), ("1", "y", "food", "bob")], {}, "repeats the id '1' of row 1 (line 1)"),
    "no such column": (ROWS, {"annotator": "whom"}, "has no column 'whom'"),
}


@pytest.mark.parametrize(("rows", "options", "answer"), REFUSED.values(), ids=REFUSED)
def test_what_is_wrong_is_named_and_nothing_is_imported(
    empty: Project, tmp_path: Path, rows: Sequence[Row], options: dict[str, Any], answer: str
) -> None:
    with pytest.raises(BadInput) as caught:
        bring(empty, tmp_path, rows, **options)
    assert answer in str(caught.value)
    assert empty.store.one("select count(*) from records") == 0


def test_two_known_answers_of_one_record_are_named_by_their_rows(empty: Project, tmp_path: Path) -> None:
    rows = [("1", "x", "food", "ann", "food"), ("1", "x", "food", "bob", "music")]
    with pytest.raises(BadInput, match=r"row 2 .*, column 'known' .*'food' in row 1.*both by the known answers"):
        bring(empty, tmp_path, rows, "known", gold="known")


def test_names_may_be_anything_and_are_one_person_however_they_are_spaced(empty: Project, tmp_path: Path) -> None:
    odd = ["Ana  María", " Ana María", "🦊 fox", "'; drop table records; --", "<b>x</b>", "crowd.jsonl", "file:x", "標"]
    bring(empty, tmp_path, [("1", "x", "food", name) for name in odd])
    rows = {name for (name,) in empty.store.query("select annotator from responses")}
    assert rows == {"Ana María", *odd[2:]}
    assert settled(empty) == {"1": ("food", "majority", "chosen")}


def test_several_labels_of_one_answer_are_one_answer_in_any_order(tmp_path: Path) -> None:
    loop.create_project(tmp_path / "multi", ["rain", "cheese"], multi=True)
    opened = open_project(tmp_path / "multi", InProcessRunner())
    rows = [("1", "x", "rain|cheese", "ann"), ("1", "x", "cheese|rain", "ann"), ("1", "x", "cheese|rain", "bob")]
    result = bring(opened, tmp_path, rows)
    assert (result.answers, result.report.repeated_answers) == (2, 1)
    assert opened.store.query("select labels, how from settled") == [(["cheese", "rain"], "majority")]
    opened.close()


ANSWERS = st.dictionaries(
    st.tuples(st.sampled_from(["a", "a:b", "b"]), st.sampled_from(["x", "b:x", "y", "z"])),
    st.sampled_from(["food", "music"]),
    min_size=1,
)


@settings(max_examples=12, deadline=None)
@given(ANSWERS, st.randoms(use_true_random=False))
def test_a_file_gives_the_answers_that_stand_in_it_whatever_the_order_of_its_rows(
    tmp_path_factory: pytest.TempPathFactory, answers: dict[tuple[str, str], str], random: Any
) -> None:
    folder = tmp_path_factory.mktemp("crowds")
    loop.create_project(folder / "crowd", ["food", "music"])
    opened = open_project(folder / "crowd", InProcessRunner())
    rows: list[Row] = [(record, f"text {record}", label, user) for (record, user), label in answers.items()]
    for _ in range(2):
        random.shuffle(rows)
        bring(opened, folder, [*rows, *rows[:1]])
    stored = opened.store.query("select id, annotator, labels[1] from responses join records using (n)")
    assert sorted(stored) == sorted((record, user, label) for (record, user), label in answers.items())
    for record in {record for record, _ in answers}:
        supplied = [label for (other, _), label in answers.items() if other == record]
        winner = max(set(supplied), key=supplied.count)
        tied = supplied.count(winner) * 2 == len(supplied)
        assert (record in settled(opened)) is not tied
    opened.close()


@pytest.fixture
def crowded(tmp_path: Path) -> Any:
    """Sixty records, each answered by three people in a file; the votes of two are wrong together about two records."""
    loop.create_project(tmp_path / "crowd", ["weather", "food", "music"])
    opened = open_project(tmp_path / "crowd", InProcessRunner())
    other = {"weather": "food", "food": "music", "music": "weather"}
    rows: list[Row] = []
    for n, (text, topic) in enumerate(sentences(60)):
        for user in ("ann", "bob", "cat"):
            wrong = (n in (7, 21) and user != "cat") or (n == 30 and user == "ann") or (n == 31 and user == "bob")
            rows.append((f"r{n}", text, other[topic] if wrong else topic, user))
    bring(opened, tmp_path, rows)
    yield opened
    opened.close()


def test_suspected_errors_among_a_crowds_labels_are_reviewed_by_somebody_else_and_the_answer_is_an_event(
    crowded: Project,
) -> None:
    result = inspect(crowded, quiet)
    assert result.labelled == 60
    suspected = flagged(crowded, "label_error")
    assert {7, 21} <= set(suspected)
    assert {30, 31} <= {n for (n,) in crowded.store.query("select n from flags where kind = 'ambiguous'")}
    queue_for_review(crowded, [RecordNo(7)], "mia")
    truth = {n: topic for n, (_, topic) in enumerate(sentences(60))}
    dan = simulate.ORACLE
    crowded.label_queue.exchange(dan, QueueRequest(events=(Event("first", "r1", "submit", (truth[1],), ts=2e9),)))
    assert crowded.label_queue.exchange(BOB, QueueRequest(want=5)).cards == [], "whose answer in the file is doubted"
    [card] = crowded.label_queue.exchange(dan, QueueRequest(want=1)).cards
    assert (card.id, card.suggestion) == ("r7", None)
    crowded.label_queue.exchange(dan, QueueRequest(events=(Event("look", "r7", "submit", (truth[7],), ts=2e9),)))
    assert crowded.store.one("select source = 'app' from responses where event_id = 'look'")
    assert "r7" not in settled(crowded), "two against two"
    change_settings(crowded, settle="single")
    assert settled(crowded)["r7"] == (truth[7], "single", "chosen")
