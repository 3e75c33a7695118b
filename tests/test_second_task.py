"""A task that the app does not have is asked, stored, settled, corrected and chosen by what core/tasks says of it."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.http.label_routes import card_setup, read_events
from core.agreement.agreement import agreement, confused
from core.agreement.annotator_quality import quality
from core.agreement.conflicts import read_conflicts
from core.config.settings import Settings, read_settings, write_settings
from core.data.encoding import encode
from core.data.file_import import import_file
from core.errors import BadInput
from core.ids import RecordNo
from core.labelling.bulk import label_many, undo_bulk
from core.labelling.corrections import correct, withdraw
from core.labelling.leases import Holder
from core.labelling.queue import QueueRequest
from core.labelling.responses import Event
from core.labelling.settling import read_answers, settle
from core.project import Project, open_project
from core.sampling.batch import compose
from core.sampling.pool import Pool
from core.sampling.selftest import run_self_test
from core.sampling.strategies import STRATEGIES
from core.tasks.task import Predictions
from core.tasks.tasks import TASKS, task_of
from gpu_jobs.runners.local import InProcessRunner
from tests.conftest import quiet
from tests.number_task import NUMBER, SPACE

ANN, BOB = Holder("ann", "a"), Holder("bob", "b")


@pytest.fixture
def numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """Twenty records of a project that asks for numbers, none answered."""
    monkeypatch.setitem(TASKS, "number", NUMBER)
    folder = tmp_path / "numbers"
    folder.mkdir()
    write_settings(folder, Settings(name="numbers", task="number", overlap=2))
    (tmp_path / "baskets.csv").write_text("id,text\n" + "".join(f"{n},A basket of {n} apples\n" for n in range(20)))
    project = open_project(folder, InProcessRunner())
    import_file(project, quiet, file=str(tmp_path / "baskets.csv"), text=["text"], id="id")
    encode(project, quiet)
    yield project
    project.close()


def answer(project: Project, holder: Holder, record: str, number: float, eid: str) -> str:
    event = {"eid": eid, "record": record, "action": "submit", "seq": 1, "ts": time.time(), "number": number}
    [read], broken = read_events([event], task_of(project.settings()))
    assert not broken
    return project.label_queue.exchange(holder, QueueRequest(events=(read,))).statuses[eid]


def settled(project: Project, record: str) -> object:
    rows = project.store.query("select answer, labels from settled join records using (n) where id = ?", [record])
    assert all(labels == [] for _, labels in rows)
    return json.loads(rows[0][0]) if rows else None


def test_the_card_gets_the_task_and_what_it_must_know(numbers: Project) -> None:
    setup = card_setup(numbers.settings())
    assert (setup["task"], setup["most"]) == ("number", 50)
    assert not {"labels", "multi"} & setup.keys()


def test_two_people_who_agree_settle_a_record_and_others_tie_it(numbers: Project) -> None:
    assert answer(numbers, ANN, "0", 3, "a0") == answer(numbers, BOB, "0", 3.0, "b0") == "stored"
    assert answer(numbers, ANN, "1", 3, "a1") == answer(numbers, BOB, "1", 4, "b1") == "stored"
    assert (settled(numbers, "0"), settled(numbers, "1")) == ({"number": 3.0}, None)
    assert answer(numbers, BOB, "0", 3, "b0") == "known"
    assert "another one" in answer(numbers, BOB, "0", 5, "b0")


def test_an_answer_that_cannot_be_is_refused_in_the_words_of_the_task(numbers: Project) -> None:
    assert answer(numbers, ANN, "0", 51, "a0") == "A number from 0 to 50 is needed."
    _, broken = read_events([{"eid": "x", "record": "0", "action": "submit", "seq": 1, "ts": 0.0}], NUMBER)
    assert broken == {"x": "The event has not the right shape."}


def test_an_undo_a_correction_and_a_bulk_answer_work_as_for_any_task(numbers: Project) -> None:
    answer(numbers, ANN, "0", 3, "a0")
    numbers.label_queue.exchange(ANN, QueueRequest(events=(Event("u0", "0", "undo", undoes="a0"),)))
    assert settled(numbers, "0") is None
    answer(numbers, ANN, "1", 3, "a1")
    correction = correct(numbers, "1", {"number": 7}, "max")
    assert settled(numbers, "1") == {"number": 7.0}
    withdraw(numbers, "1", correction, "max")
    assert settled(numbers, "1") == {"number": 3.0}
    with pytest.raises(BadInput, match="from 0 to 50"):
        correct(numbers, "1", {"number": 99}, "max")
    done = label_many(numbers, map(RecordNo, range(5, 9)), {"number": 1}, "max")
    assert settled(numbers, "6") == {"number": 1.0}
    undo_bulk(numbers, done["bulk"], "max")
    assert settled(numbers, "6") is None


def test_many_records_settle_as_few_do(numbers: Project) -> None:
    for record, (one, other) in enumerate([(3, 3), (3, 4), (0, 0), (50, 49)]):
        answer(numbers, ANN, str(record), one, f"a{record}")
        answer(numbers, BOB, str(record), other, f"b{record}")
    few = numbers.store.query("select n, answer, how from settled order by n")
    with numbers.store.transaction() as cursor:
        settle(cursor, "select n from records", numbers.settings())
        assert {
            one.answer for one in read_answers(cursor, "select n from records where n = 1", numbers.settings())
        } == {
            '{"number":3.0}',
            '{"number":4.0}',
        }
    assert numbers.store.query("select n, answer, how from settled order by n") == few


def test_strategies_follow_the_doubt_that_the_task_declares() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(40, 4)).astype(np.float32)
    spread = np.linspace(0.1, 9, 40)
    pool = Pool(vectors, np.arange(40), np.arange(0), Predictions(SPACE, np.column_stack([np.full(40, 10.0), spread])))
    for name in ("default", "badge", "margin_kmeans", "central", "random"):
        batch = compose(pool, 8, STRATEGIES[name], 0.25, np.random.default_rng(1))
        assert len(set(batch.rows.tolist())) == 8
        tested = run_self_test(pool, batch, np.random.default_rng(1))
        assert tested.pool_mix is None, "a number is no choice among categories"
    assert batch.scores.tolist() == pytest.approx(spread[batch.rows].tolist(), rel=1e-6)
    with pytest.raises(BadInput, match="there are spread"):
        STRATEGIES["entropy"](pool, 3, rng)


def test_a_task_that_is_not_there_is_named(tmp_path: Path) -> None:
    write_settings(tmp_path, Settings(name="x", task="poems"))
    with pytest.raises(BadInput, match=r"task is 'poems', but it must be one of labels"):
        task_of(read_settings(tmp_path))


def test_a_conflict_says_what_each_of_two_people_answered(numbers: Project) -> None:
    answer(numbers, ANN, "0", 3, "a0")
    answer(numbers, BOB, "0", 4, "b0")
    answer(numbers, ANN, "1", 5, "a1")
    answer(numbers, BOB, "1", 5.0, "b1")
    [conflict], total = read_conflicts(numbers, 5)
    assert (conflict.id, conflict.why, conflict.answer, total) == ("0", "tie", None, 1)
    assert [(one.user, one.answer) for one in conflict.answers] == [("ann", {"number": 3.0}), ("bob", {"number": 4.0})]


def test_the_fields_of_an_answer_are_read_as_this_answer(numbers: Project) -> None:
    for name, one in (("number", {"number": 3.0}), ("labels", ["food", "music"])):
        task = TASKS[name]
        assert task.canonical(task.read(task.fields(one))) == task.canonical(one)


def test_agreement_and_quality_are_about_whole_answers(numbers: Project) -> None:
    for n in range(12):
        answer(numbers, ANN, str(n), n % 4, f"a{n}")
        answer(numbers, BOB, str(n), n % 4 if n else 9, f"b{n}")
    report = agreement(numbers)
    assert report.labels == []
    assert report.overall.records == 12
    assert 0.5 < (report.overall.value or 0) < 1
    two = {(one.first, one.second): one.records for one in confused(numbers, "ann", "bob")}
    assert two == {("0", "0"): 2, ("0", "9"): 1, ("1", "1"): 3, ("2", "2"): 3, ("3", "3"): 3}
    correct(numbers, "0", {"number": 0}, "max")
    measured = quality(numbers, quiet)
    assert {one.annotator for one in measured.people} == {"ann", "bob"}
    assert numbers.store.query("select distinct labels from crowd_labels") == [(None,)]
