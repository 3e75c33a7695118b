"""The quality job finds out who is good, who guesses and who errs on purpose, and weighs their votes by it."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core.agreement.annotator_quality import MeasuredQuality, measured, quality, warnings
from core.agreement.kappa import Votes
from core.agreement.quality_job import AnnotatorQuality
from core.agreement.votes import read_crowd
from core.errors import Refused
from core.labelling.changes import change_settings
from core.labelling.corrections import correct
from core.project import Project, open_project
from core.typed_json import to_json
from gpu_jobs.runners.local import InProcessRunner
from gpu_jobs.work.annotator_quality import LEAST, Question, dawid_skene, estimate_truth, mace, one_coin, weights
from tests.conftest import TOPICS, quiet
from tests.crowd_world import SKILLS, answer, crowd_answers

Truth = dict[str, tuple[str, ...]]


@pytest.fixture
def crowd(project: Project, truth: Truth) -> Project:
    """Six people of known skill have answered all 60 records, 12 gold ones among them."""
    answer(project, crowd_answers(truth, list(TOPICS)))
    return project


def figures(result: MeasuredQuality, measure: str) -> dict[str, float]:
    """Of everybody, by name."""
    return {one.annotator: float(getattr(one, measure)) for one in result.people}


def test_people_are_ordered_by_their_skill(crowd: Project) -> None:
    result = quality(crowd, quiet)
    right, informed, weight, knows = (figures(result, name) for name in ("right", "informed", "weight", "mace"))
    assert right["expert"] == max(right.values())
    for values in (right, informed, weight):
        assert values["expert"] >= values["ann"] >= values["spammer"]
    assert informed["contrarian"] < 0 < informed["cat"]
    assert weight["contrarian"] == LEAST
    assert knows["expert"] > knows["spammer"]


def test_known_answers_give_a_share_with_an_interval(crowd: Project) -> None:
    result = quality(crowd, quiet)
    gold = {row.annotator: row.gold for row in result.people if row.gold}
    assert set(gold) == set(SKILLS)
    assert all(one.n == 12 for one in gold.values())
    assert gold["contrarian"].value == gold["contrarian"].low == 0
    assert gold["expert"].low < gold["expert"].value <= gold["expert"].high


def test_who_answers_at_random_and_who_errs_on_purpose_is_named_in_a_sentence(crowd: Project) -> None:
    sentences = quality(crowd, quiet).sentences
    assert any(one.startswith("contrarian answers against the others: 60 shared records") for one in sentences)
    assert not any(one.startswith(("expert", "ann", "bob")) for one in sentences)
    guess = AnnotatorQuality("x", 50, 50, None, 0.4, 0.02, 0.1, LEAST)
    assert "hardly more than guessing" in warnings([guess])[0]
    assert warnings([AnnotatorQuality("y", 3, 3, None, 0.4, 0.0, 0.1, LEAST)]) == []


def test_it_is_kept_and_replaced_by_the_next_time(crowd: Project) -> None:
    quality(crowd, quiet)
    first = measured(crowd)
    assert {one.annotator for one in first} == set(SKILLS)
    quality(crowd, quiet)
    assert measured(crowd) == first
    assert crowd.store.one("select count(*) from crowd_labels") == 60


def test_weights_settle_labels_anew_where_votes_are_weighed(crowd: Project, truth: Truth) -> None:
    def right() -> int:
        rows = crowd.store.query("select id, labels from settled join records using (n) where stratum <> 'gold'")
        return sum(tuple(labels) == truth[record] for record, labels in rows)

    before = right()
    change_settings(crowd, settle="weighted")
    result = quality(crowd, quiet)
    assert right() > before
    assert "records get another label" in result.sentences[-1]


def test_how_sure_a_label_is_follows_from_the_answers(crowd: Project, truth: Truth) -> None:
    quality(crowd, quiet)
    rows = crowd.store.query("select id, labels, probability from crowd_labels join records using (n)")
    assert np.mean([tuple(labels) == truth[record] for record, labels, _ in rows]) > 0.9
    assert all(0.3 < probability <= 1 for *_, probability in rows)


def test_a_decision_is_known_but_no_gold_and_no_vote(crowd: Project) -> None:
    before = len(read_crowd(crowd).votes.answer)
    correct(crowd, "r0", ["food"], "judge")
    assert len(read_crowd(crowd).votes.answer) == before
    result = quality(crowd, quiet)
    assert {row.annotator for row in result.people} == set(SKILLS)
    assert all(row.gold and row.gold.n == 12 for row in result.people)


def test_nobody_to_compare_is_refused_with_what_to_do(project: Project) -> None:
    answer(project, [("ann", "r0", ["food"]), ("bob", "r1", ["food"])])
    with pytest.raises(Refused, match="overlap"):
        quality(project, quiet)


@pytest.fixture
def multi(encoded: Path, tmp_path: Path) -> Iterator[Project]:
    """The same records where several labels may hold."""
    folder = tmp_path / "multi"
    shutil.copytree(encoded, folder)
    file = folder / "rondo.toml"
    file.write_text(file.read_text().replace("multi = false", "multi = true"))
    opened = open_project(folder, InProcessRunner())
    yield opened
    opened.close()


def test_several_labels_are_a_question_each(multi: Project) -> None:
    rng = np.random.default_rng(0)
    supplied = []
    for number in range(48):
        truth = [label for label in TOPICS if rng.random() < 0.4]
        for person, skill in {"ann": 0.95, "bob": 0.9, "cat": 0.85, "spammer": 0.5}.items():
            answers = [label for label in TOPICS if (label in truth) == (rng.random() < skill)]
            supplied.append((person, f"r{number}", answers))
    answer(multi, supplied)
    result = quality(multi, quiet)
    informed = figures(result, "informed")
    assert informed["ann"] > informed["cat"] > informed["spammer"]
    assert multi.store.one("select count(*) from crowd_labels where labels is null") == 48


def votes_of(rows: list[tuple[int, int, int]], categories: int) -> Votes:
    record, annotator, answers = np.array(rows).T
    return Votes(record, annotator, answers, int(record.max()) + 1, int(annotator.max()) + 1, categories)


def test_dawid_and_skene_is_the_librarys_and_keeps_every_row_a_distribution() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(3, size=200)
    rows = [(n, w, int(truth[n]) if rng.random() < 0.8 else 2) for n in range(200) for w in range(4)]
    votes = votes_of(rows, 4)  # the last code is one that nobody gave
    probs, errors = dawid_skene(Question(votes, np.full(200, -1)))
    assert np.allclose(probs.sum(axis=1), 1)
    assert (probs.argmax(axis=1) == truth).mean() > 0.9
    assert errors.shape == (4, 4, 4)
    knows, chances = mace(votes)
    assert (chances.argmax(axis=1) == truth).mean() > 0.9
    assert knows.min() > 0.5


def test_what_is_known_is_believed() -> None:
    votes = votes_of([(n, w, 0) for n in range(20) for w in range(2)] + [(n, 2, 1) for n in range(20)], 2)
    unknown = Question(votes, np.full(20, -1))
    known = Question(votes, np.where(np.arange(20) < 15, 1, -1))
    assert one_coin(unknown)[2] < 0.5 < one_coin(known)[2]
    assert estimate_truth(known).probs[:15].tolist() == [[0.0, 1.0]] * 15


def test_names_and_order_change_no_weight() -> None:
    rng = np.random.default_rng(1)
    rows = [(n, w, int(rng.random() < 0.2 * w)) for n in range(50) for w in range(4)]
    matches = one_coin(Question(votes_of(rows, 2), np.full(50, -1)))
    other = one_coin(Question(votes_of([(49 - n, 3 - w, answers) for n, w, answers in rows[::-1]], 2), np.full(50, -1)))
    assert np.allclose(matches, other[::-1])


def test_weights_stay_within_their_limits() -> None:
    matches = weights(np.array([0.0, 0.2, 0.5, 0.9, 1.0]), 2)
    assert matches[[0, 1, 2]].tolist() == [LEAST] * 3
    assert matches[3] == pytest.approx(np.log(9))
    assert matches[4] == 5.0


def test_the_figures_are_json(crowd: Project) -> None:
    json.dumps(to_json(quality(crowd, quiet)), allow_nan=False)
