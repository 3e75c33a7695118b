"""Labels that look wrong: planted errors, contradictions and odd ones out are found, shown and sent to be checked."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from app.background import _OPEN, open_server
from core import loop
from core.data.file_import import import_file
from core.errors import BadInput, Refused
from core.explore import label_errors as error_search
from core.explore.browse import find
from core.explore.filters import RecordSearch
from core.explore.label_errors import KINDS, inspect, inspected_at, pair, word_diff
from core.ids import RecordNo
from core.labelling.leases import Holder
from core.labelling.queue import QueueRequest
from core.labelling.responses import Event
from core.labelling.reviews import queue_for_review
from core.models.heads.neighbour_graph import neighbour_graph
from core.project import Project, open_project
from gpu_jobs.runners.local import InProcessRunner
from gpu_jobs.work.inspect import (
    Labelled,
    contradictions,
    hard_records,
    label_errors,
    neighbours,
    out_of_sample,
    outliers,
)
from tests.conftest import COLUMNS, quiet, sentences
from tests.waiting import LATEST_SECONDS

ANN, BOB = Holder("ann", "tab"), Holder("bob", "tab")
WRONG = ("r6", "r20", "r33")


def answer(project: Project, holder: Holder, record: str, label: str) -> None:
    event = Event(f"{holder.annotator}-{record}-{label}", record, "submit", (label,), ts=4e9)
    assert set(project.label_queue.exchange(holder, QueueRequest(events=(event,))).statuses.values()) == {"stored"}


@pytest.fixture
def flawed(project: Project) -> Project:
    """45 labelled records, three of them wrong."""
    others = {"weather": "food", "food": "music", "music": "weather"}
    for number, (_, topic) in enumerate(sentences(56)):
        record = f"r{number}"
        if number % 5 != 4:
            answer(project, ANN, record, others[topic] if record in WRONG else topic)
    return project


def proposed(project: Project) -> dict[str, str]:
    """Record -> the label that it should have, of the likely errors."""
    rows = project.store.query("select id, label from flags join records using (n) where kind = 'label_error'")
    return {record: label for record, label in rows}


def flagged(project: Project, kind: str) -> list[str]:
    return [line.id for line in find(project, RecordSearch(kind=kind)).lines]


def test_planted_errors_are_found_with_the_label_that_they_should_have(flawed: Project) -> None:
    assert inspected_at(flawed) is None
    result = inspect(flawed, quiet)
    matches, truth = proposed(flawed), {f"r{number}": topic for number, (_, topic) in enumerate(sentences(60))}
    assert len(matches) <= 6
    assert {record: matches[record] for record in WRONG} == {record: truth[record] for record in WRONG}
    assert set(flagged(flawed, "label_error")) == set(matches)
    counts = dict(flawed.store.query("select kind, count(*) from flags group by kind"))
    assert {kind: counts.get(kind, 0) for kind in KINDS} == {kind: getattr(result, kind) for kind in KINDS}
    assert result.labelled == result.inspected == 57
    assert inspected_at(flawed) is not None


def test_a_new_inspection_replaces_the_flags(flawed: Project) -> None:
    inspect(flawed, quiet)
    answer(flawed, BOB, "r6", "weather")
    inspect(flawed, quiet)
    assert flagged(flawed, "ambiguous")[0] == "r6", "two people, two labels"
    assert flawed.store.one("select score from flags where kind = 'ambiguous' and n = 6") == 1.0


def test_flagged_records_can_be_sent_for_review(flawed: Project) -> None:
    inspect(flawed, quiet)
    lines = find(flawed, RecordSearch(kind="label_error")).lines
    assert queue_for_review(flawed, [line.record_no for line in lines], "ann")["queued"] == len(lines)
    assert [card.id for card in flawed.label_queue.exchange(BOB, QueueRequest(want=1)).cards] == [lines[0].id]


def test_the_records_page_offers_an_inspection_where_there_was_none(flawed: Project) -> None:
    open_server(lambda: flawed)
    page = AppTest.from_file(str(Path(__file__).parent.parent / "app" / "main.py"), default_timeout=LATEST_SECONDS)
    page.switch_page("pages/records.py").run()
    page.selectbox(key="flag").select("outlier").run()
    assert "Nobody has looked for suspicious labels yet" in page.info[0].value
    inspect(flawed, quiet)
    page.run()
    assert not page.exception
    assert not any("Nobody has looked" in one.value for one in page.info)
    _OPEN.clear()


def test_a_whole_kind_can_be_sent_for_review_once_and_its_lines_say_why(flawed: Project) -> None:
    inspect(flawed, quiet)
    lines = {line.id: line for line in find(flawed, RecordSearch(kind="label_error")).lines}
    assert [lines[record].unseen for record in WRONG] == ["weather", "music", "weather"]
    assert all(lines[record].unseen != lines[record].label for record in WRONG)
    ns = error_search.flagged(flawed, "label_error")
    assert len(ns) == len(lines)
    assert queue_for_review(flawed, ns, "ann")["queued"] == len(ns)
    assert error_search.flagged(flawed, "label_error") == []


def test_two_records_stand_side_by_side_with_their_differences(flawed: Project) -> None:
    left, right = pair(flawed, RecordNo(0), RecordNo(3))
    assert (left.id, right.id, left.labels) == ("r0", "r3", ("weather",))
    assert "".join(part.text for part in left.segments) == sentences(1)[0][0]
    assert [part.text.strip() for part in left.segments if not part.same] == ["rain", "0."]
    assert [part.text.strip() for part in right.segments if not part.same] == ["wind", "3."]
    with pytest.raises(BadInput, match="no record number 99"):
        pair(flawed, RecordNo(0), RecordNo(99))


@given(st.lists(st.sampled_from(["a", "b ", " c", "\n", "d  e"])), st.lists(st.sampled_from(["a ", "b ", "c\t", "f"])))
def test_a_difference_loses_no_character_and_marks_the_same_words_on_both_sides(a: list[str], b: list[str]) -> None:
    left, right = word_diff("".join(a), "".join(b))
    assert ("".join(part.text for part in left), "".join(part.text for part in right)) == ("".join(a), "".join(b))
    same = [[word for part in side if part.same for word in part.text.split()] for side in (left, right)]
    assert same[0] == same[1]


def test_too_few_labels_are_refused_in_a_sentence(project: Project, tmp_path: Path) -> None:
    with project.store.transaction() as cursor:
        cursor.execute("delete from settled where n > 20")
    with pytest.raises(Refused, match="4 records are labelled; to judge labels, a model needs at least 10"):
        inspect(project, quiet)
    loop.create_project(tmp_path / "one", ["only"])
    opened = open_project(tmp_path / "one", InProcessRunner())
    with pytest.raises(Refused, match="two labels"):
        inspect(opened, quiet)
    opened.close()


def test_one_label_for_all_is_refused(project: Project) -> None:
    with project.store.transaction() as cursor:
        cursor.execute("update settled set labels = ['food']")
    with pytest.raises(Refused, match="All 12 labelled records have the same label"):
        inspect(project, quiet)
    assert project.store.one("select count(*) from jobs where kind = 'inspect'") == 0


def test_where_several_labels_may_hold_a_missing_one_is_found(tmp_path: Path) -> None:
    loop.create_project(tmp_path / "multi", ["weather", "food", "music"], multi=True)
    opened = open_project(tmp_path / "multi", InProcessRunner())
    lines = [f'r{n},"{text}",{"" if n == 21 else topic}' for n, (text, topic) in enumerate(sentences(60))]
    (tmp_path / "multi.csv").write_text("\n".join(["id,text,topic", *lines]))
    import_file(opened, quiet, file=str(tmp_path / "multi.csv"), **{**COLUMNS, "split": None})
    with opened.store.transaction() as cursor:
        cursor.execute("insert into settled values (21, [], 'single', 'chosen', 0, now(), null)")
    inspect(opened, quiet)
    assert proposed(opened)["r21"] == "weather"
    opened.close()


def clouds(each: int, seed: int = 0) -> Labelled:
    """Three clouds of unit vectors, a label each."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(3), each)
    points = np.eye(3, 16)[truth] + rng.normal(scale=0.15, size=(len(truth), 16))
    points = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    return Labelled(np.arange(len(truth)) * 10, points, np.eye(3, dtype=np.bool_)[truth], multi=False)


def test_flags_name_records_and_not_rows_of_the_training_set() -> None:
    labelled = clouds(40)
    labelled.targets[[3, 50]] = labelled.targets[[50, 3]]
    probs = out_of_sample(labelled, neighbours(labelled.points), np.random.default_rng(0))
    assert {30, 500} <= set(label_errors(labelled, probs).record_nos.tolist())
    hard = hard_records(labelled, probs, np.array([70]), np.array([0.5]))
    assert dict(zip(hard.record_nos.tolist(), hard.score.tolist(), strict=True))[70] >= 0.5


def test_the_same_text_with_two_labels_is_a_contradiction_named_once() -> None:
    labelled = clouds(40)
    labelled.points[[5, 6]] = labelled.points[[100, 101]]
    matches = contradictions(labelled, neighbours(labelled.points))
    pairs = set(
        zip(
            matches.record_nos.tolist(),
            (matches.other if matches.other is not None else matches.record_nos).tolist(),
            strict=True,
        )
    )
    assert {(50, 1000), (60, 1010)} <= pairs
    assert np.allclose(matches.score[:2], 1)


def test_what_is_far_from_everything_is_an_outlier() -> None:
    points = clouds(100).points
    points[17] = np.eye(16, dtype=np.float32)[15]
    graph = neighbour_graph(points, np.arange(300), np.random.default_rng(0))
    assert outliers(graph).record_nos[0] == 17
    assert len(outliers(graph).record_nos) <= 3
