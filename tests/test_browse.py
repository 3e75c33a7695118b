"""Finding records: every filter keeps what it should, pages join without a gap, likeness is exact."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from core import loop, simulate
from core.errors import BadInput
from core.explore.browse import PAGE, Pace, choices, find
from core.explore.filters import RecordSearch, describe
from core.explore.map_points import points
from core.explore.maps import Map, MapFacts
from core.explore.nearest import nearest
from core.explore.record_detail import model_answers, neighbours, record_detail, twins
from core.ids import RecordNo
from core.labelling.corrections import correct
from core.labelling.leases import Holder
from core.labelling.queue import QueueRequest
from core.labelling.record_states import STATES, count_of
from core.labelling.responses import Event
from core.labelling.reviews import queue_for_review, send_to_queue
from core.labelling.waiting import asked_parameters
from core.models.vectors import open_vectors
from core.project import Project, open_project
from core.reports.overview import status
from core.store.database import count
from gpu_jobs.runners.local import InProcessRunner
from tests.conftest import quiet, sentences

TEXTS = {f"r{number}": text for number, (text, _) in enumerate(sentences(60))}
SLOW = Pace(stretch=7, seconds=60)


def ids(project: Project, search: RecordSearch) -> list[str]:
    """All that is found, page after page."""
    result, start, pages = list[str](), 0, 0
    while pages < 100:
        page = find(project, search, start, SLOW)
        result += [line.id for line in page.lines]
        if page.next is None:
            return result
        start, pages = page.next, pages + 1
    raise AssertionError("The pages never end.")


@pytest.fixture(scope="module")
def template(encoded: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two rounds of ten, all answered by the oracle, and a third batch of five that waits."""
    folder = tmp_path_factory.mktemp("played") / "project"
    shutil.copytree(encoded, folder)
    project = open_project(folder, InProcessRunner())
    known = {f"r{number}": (topic,) for number, (_, topic) in enumerate(sentences(60))}
    simulate.simulate_rounds(project, known, simulate.Budget(2, 10, "default"), quiet)
    loop.next_batch(project, quiet, size=5, spare=0)
    project.close()
    return folder


@pytest.fixture
def played(template: Path, tmp_path: Path) -> Iterator[Project]:
    """A copy of it."""
    shutil.copytree(template, tmp_path / "played")
    opened = open_project(tmp_path / "played", InProcessRunner())
    yield opened
    opened.close()


@settings(max_examples=30, deadline=None)
@given(
    vectors=arrays.arrays(np.float16, (40, 8), elements=st.floats(-1, 1, width=16)),
    row=st.integers(0, 39),
    k=st.integers(1, 60),
)
def test_the_nearest_rows_are_those_that_a_full_sort_finds(vectors: np.ndarray, row: int, k: int) -> None:
    requested = vectors.astype(np.float64) @ vectors[row].astype(np.float64)
    rows, cosines = nearest(vectors, row, k)
    assert row not in rows
    assert len(rows) == min(k, 39)
    assert np.allclose(cosines, requested[rows], atol=1e-3)
    assert np.allclose(np.sort(requested[rows])[::-1], np.sort(np.delete(requested, row))[::-1][:k], atol=1e-3)


def test_pages_hold_every_record_once_in_order_of_import(project: Project) -> None:
    assert ids(project, RecordSearch()) == list(TEXTS)
    assert len(find(project, RecordSearch()).lines) == PAGE


def test_a_search_finds_every_record_that_holds_all_words_in_any_case(project: Project) -> None:
    for words in ("RAIN storm", "the", "witness 7", "violin.", "c(", "zebra"):
        requested = [
            id for id, text in TEXTS.items() if all(word in text.casefold() for word in words.casefold().split())
        ]
        assert ids(project, RecordSearch(words=words)) == requested


def test_a_search_that_runs_out_of_time_says_how_far_it_came_and_goes_on_there(project: Project) -> None:
    hurried = Pace(stretch=20, seconds=0.0)
    first = find(project, RecordSearch(words="zebra"), 0, hurried)
    assert (first.lines, first.next, first.searched) == ((), 20, 20)
    assert find(project, RecordSearch(words="zebra"), 40, hurried).next is None


def test_a_records_id_finds_it(project: Project) -> None:
    assert find(project, RecordSearch(words="r17")).lines[0].id == "r17"


def test_too_many_words_are_refused(project: Project) -> None:
    with pytest.raises(BadInput, match="at most 20"):
        find(project, RecordSearch(words=" ".join(map(str, range(21)))))


def test_a_label_filter_and_a_suggestion_filter_keep_what_they_name(
    played: Project, truth: dict[str, tuple[str, ...]]
) -> None:
    assert len(find(played, RecordSearch(label="food")).lines) > 4
    for line in find(played, RecordSearch(label="food")).lines:
        assert line.label == "food" == truth[line.id][0]
    sure = find(played, RecordSearch(suggestion="music", sure=(0.4, 1.0))).lines
    assert sure
    assert all(line.suggestion == "music" and (line.probability or 0) >= 0.4 for line in sure)


def test_the_states_share_the_records_out(played: Project) -> None:
    assert set(ids(played, RecordSearch(state="labelled"))) | set(ids(played, RecordSearch(state="gold"))) == {
        id for (id,) in played.store.query("select id from records where n in (select n from settled)")
    }
    assert len(ids(played, RecordSearch(state="queued"))) == 5
    assert set(ids(played, RecordSearch(state="queued"))) <= set(ids(played, RecordSearch(state="unlabelled")))
    everything = [name for name in STATES if name != "queued"]
    assert sorted(id for name in everything for id in ids(played, RecordSearch(state=name))) == sorted(TEXTS)
    with pytest.raises(BadInput, match="no state"):
        find(played, RecordSearch(state="lost"))
    bound = asked_parameters(played.settings())
    with played.store.reading() as cursor:
        counts = {
            name: count(cursor, query, {key: value for key, value in bound.items() if f"${key}" in query})
            for name, query in ((name, count_of(name)) for name in STATES)
        }
    assert counts == {name: len(ids(played, RecordSearch(state=name))) for name in STATES}
    waiting = ids(played, RecordSearch(state="queued"))
    assert ids(played, RecordSearch(state="queued", words="a")) == [id for id in waiting if "a" in TEXTS[id]]


def test_skipped_flagged_and_tied_records_are_found(project: Project) -> None:
    path = project.folder / "rondo.toml"
    path.write_text(path.read_text().replace("overlap = 1", "overlap = 2"))
    loop.next_batch(project, quiet, size=10, spare=0)
    tied, skipped, flagged, *_ = [
        card.id for card in project.label_queue.exchange(Holder("ann", "a"), QueueRequest(want=10)).cards
    ]
    for user, label in (("ann", "weather"), ("bob", "food")):
        events = [Event(f"{user}0", tied, "submit", (label,)), Event(f"{user}1", skipped, "skip")]
        project.label_queue.exchange(
            Holder(user, user), QueueRequest(events=(*events, Event(f"{user}2", flagged, "flag", note="odd")))
        )
    assert ids(project, RecordSearch(state="tied")) == [tied]
    assert ids(project, RecordSearch(state="skipped")) == [skipped]
    assert ids(project, RecordSearch(state="flagged")) == [flagged]
    project.label_queue.exchange(
        Holder("bob", "bob"), QueueRequest(events=(Event("back", skipped, "undo", undoes="bob1"),))
    )
    assert set(ids(project, RecordSearch(annotator="bob"))) == {tied, flagged}


def test_the_round_is_the_one_in_which_a_record_was_asked(played: Project) -> None:
    entries = {batch: set(ids(played, RecordSearch(batch=batch))) for batch in choices(played).batches}
    assert [len(entries[batch]) for batch in (3, 2, 1)] == [5, 10, 10]
    assert not entries[1] & entries[2]


def test_a_cell_of_the_confusion_matrix_leads_to_its_records(played: Project) -> None:
    with played.store.transaction() as cursor:
        cursor.execute("delete from held_out_predictions")
        cursor.execute(
            "insert into held_out_predictions values (4, 'gold', 0, ['food'], ['music'], 'music', .9, 'm', null, null)"
        )
        cursor.execute(
            "insert into held_out_predictions values (9, 'gold', 0, ['food'], ['food'], 'food', .9, 'm', null, null)"
        )
    assert ids(played, RecordSearch(truth="food", predicted="music")) == ["r4"]
    assert ids(played, RecordSearch(truth="food")) == ["r4", "r9"]


def test_flagged_pairs_stand_together_the_most_suspicious_first(project: Project) -> None:
    with project.store.transaction() as cursor:
        cursor.execute(
            """insert into flags values (30, 'near_duplicate', .9, 2, null, null),
               (5, 'near_duplicate', .95, 40, null, null)"""
        )
    assert ids(project, RecordSearch(kind="near_duplicate")) == ["r5", "r40", "r2", "r30"]
    assert ids(project, RecordSearch(kind="near_duplicate", words="witness 30")) == ["r30"]
    ((left, right),) = twins(project, RecordNo(2))
    assert (left.id, right.id) == ("r2", "r30")
    assert "".join(part.text for part in left.segments) == TEXTS["r2"]


def test_more_like_this_is_in_order_of_the_cosine(project: Project) -> None:
    vectors = open_vectors(project.vectors, project.settings().encoder)
    indices = np.argsort(-(vectors.astype(np.float32) @ vectors[3].astype(np.float32)))
    assert ids(project, RecordSearch(like="r3"))[:5] == [f"r{n}" for n in indices if n != 3][:5]
    assert [line.id for _, line in neighbours(project, "r3")][:5] == ids(project, RecordSearch(like="r3"))[:5]
    assert set(ids(project, RecordSearch(like="r3", words="storm"))) == set(
        ids(project, RecordSearch(words="storm"))
    ) - {"r3"}


def test_a_list_from_the_map_keeps_its_order(project: Project) -> None:
    assert ids(project, RecordSearch(rows=(7, 3, 7, 999))) == ["r7", "r3"]


def test_what_a_model_says_of_a_record_that_waits_for_a_blind_answer_is_hidden(played: Project) -> None:
    assert not any(line.hidden for line in find(played, RecordSearch(state="labelled")).lines)
    (n,) = played.store.query("select n from queue where batch = 3 limit 1")[0]
    with played.store.transaction() as cursor:
        cursor.execute("update queue set audit = n = ? where batch = 3", [n])
    line = find(played, RecordSearch(rows=(n,))).lines[0]
    assert (line.hidden, line.suggestion, line.probability) == (True, None, None)
    assert model_answers(played, line.id) == []
    assert line.id not in ids(played, RecordSearch(sure=(0.0, 1.0)))


def hidden_everywhere(project: Project, n: int) -> bool:
    """Whether no page tells what a model says of the record; all of them must agree."""
    line = find(project, RecordSearch(rows=(n,))).lines[0]
    record_map = Map(np.array([n]), np.zeros((1, 2), np.float32), MapFacts("", 60, 1, ""))
    result = [
        line.suggestion is not None,
        bool(model_answers(project, line.id)),
        bool(record_detail(project, line.id).held_out),
        line.id in ids(project, RecordSearch(predicted="food")),
        line.id in ids(project, RecordSearch(sure=(0.0, 1.0))),
        points(project, record_map, "suggestion").records[0].suggestion is not None,
    ]
    assert result == [not line.hidden] * 6
    return line.hidden


def known_to_models(project: Project, n: int) -> None:
    with project.store.transaction() as cursor:
        cursor.execute("delete from suggestions where n = ?", [n])
        cursor.execute("delete from held_out_predictions where n = ?", [n])
        cursor.execute("insert into suggestions values (?, 'food', 0.9, 0.2, ['food'], 'm1', null)", [n])
        cursor.execute(
            "insert into held_out_predictions values (?, 'chosen', 0, ['food'], ['food'], 'food', .9, 'm', null, null)",
            [n],
        )


def test_an_audit_record_that_two_shall_answer_stays_blind_after_the_first(played: Project) -> None:
    path = played.folder / "rondo.toml"
    path.write_text(path.read_text().replace("overlap = 1", "overlap = 2"))
    n, record = played.store.query("select n, id from queue join records using (n) where batch = 3 limit 1")[0]
    with played.label_queue.changing() as cursor:
        cursor.execute("update queue set audit = n = ? where batch = 3", [n])
    known_to_models(played, n)
    for user in ("ann", "bob"):
        assert hidden_everywhere(played, n)
        played.label_queue.exchange(
            Holder(user, user), QueueRequest(events=(Event(user, record, "submit", ("food",)),))
        )
    assert not hidden_everywhere(played, n)


def test_what_a_model_says_is_hidden_while_a_record_is_under_review(played: Project) -> None:
    n, record = played.store.query("select n, id from settled join records using (n) where stratum = 'chosen'")[0]
    known_to_models(played, n)
    assert not hidden_everywhere(played, n)
    assert queue_for_review(played, [n], "ann")["queued"] == 1
    assert hidden_everywhere(played, n)
    played.label_queue.exchange(Holder("ann", "a"), QueueRequest(events=(Event("again", record, "submit", ("food",)),)))
    assert not hidden_everywhere(played, n)


def test_a_status_counts_what_the_filters_find(played: Project) -> None:
    waiting = ids(played, RecordSearch(state="queued"))
    (sent,) = played.store.query("select n from records where n not in (select n from queue) and split = 'train'")[0]
    (known,) = played.store.query("select n from settled where stratum = 'chosen'")[0]
    send_to_queue(played, [sent], "ann")
    queue_for_review(played, [known], "ann")
    assert set(ids(played, RecordSearch(state="queued"))) == {*waiting, f"r{sent}", f"r{known}"}
    events = [
        Event("1", waiting[0], "flag", note="torn"),
        Event("2", waiting[1], "skip"),
        Event("3", f"r{known}", "submit", ("weather",)),
        Event("4", waiting[2], "submit", ("food",)),
    ]
    played.label_queue.exchange(Holder("ann", "a"), QueueRequest(events=tuple(events)))
    figures = status(played)
    for state in ("labelled", "gold", "queued", "flagged", "skipped", "tied"):
        assert getattr(figures, state) == len(ids(played, RecordSearch(state=state))), state
    assert (figures.queued, figures.flagged, figures.skipped) == (3, 1, 1)


def test_a_detail_shows_which_models_trained_on_the_record(played: Project) -> None:
    (record,) = played.store.query(
        "select r.id from records r join settled s using (n) where s.round = 1 and stratum = 'chosen' limit 1"
    )[0]
    (waiting,) = played.store.query("select r.id from records r join queue q using (n) where batch = 2 limit 1")[0]
    assert [row.learnt_from_it for row in model_answers(played, record)] == [True, True]
    assert [row.learnt_from_it for row in model_answers(played, waiting)][-1] is False
    detail = record_detail(played, record)
    assert detail.text == TEXTS[record]
    assert [row.user for row in detail.answers] == ["oracle"]
    assert detail.answer is not None
    with pytest.raises(BadInput, match="no record"):
        record_detail(played, "r60")


def test_the_filters_are_described_in_words() -> None:
    search = RecordSearch(label="food", sure=(0.2, 0.5), machine=True)
    assert describe(search, {"food": "Food"}) == "label: Food · probability: 20% to 50% · machine label: yes"
    assert describe(replace(search, label=None, sure=None, machine=False), {}) == ""


def test_a_corrected_record_is_found_under_its_new_label(played: Project) -> None:
    line = find(played, RecordSearch(label="food", state="labelled")).lines[0]
    correct(played, line.id, ["music"], "ann")
    assert line.id in ids(played, RecordSearch(label="music"))
    assert line.id not in ids(played, RecordSearch(label="food"))
