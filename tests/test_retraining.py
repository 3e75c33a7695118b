"""Retraining does nothing without new labels, lets the gate decide, and whatever fails leaves the champion in place."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from core import loop, simulate
from core.errors import BadInput, RondoError
from core.ids import ModelId
from core.labelling.changes import change_settings
from core.models.artifacts import INSIDE, Making, seal_model
from core.models.in_use import active_model
from core.models.out_of_fold import write_held_out
from core.project import Project
from core.registry.activation import promote
from core.registry.models import models
from core.registry.retraining import BY_POLICY, is_due, new_labels, retrain
from core.registry.unseen_predictions import read_truth
from core.store.database import utc_now
from core.tasks.labels import labels_space
from gpu_jobs.runners.local import InProcessRunner
from tests.conftest import quiet
from tests.registry_world import LABELS, answers, bad_head, enter, good_head, played
from tests.tiny_models import make_encoder


@pytest.fixture
def two(encoded: Path, tmp_path: Path) -> Iterator[Project]:
    """Two rounds played, a batch of eight that waits, and jobs that run at once."""
    with played(encoded, tmp_path / "played") as project:
        loop.next_batch(project, quiet, size=8, spare=0)
        project.runners = {"local": lambda _: InProcessRunner()}
        yield project


def test_too_few_new_labels_change_nothing_and_say_so(two: Project) -> None:
    enter(two, bad_head())
    jobs, champion = two.store.one("select count(*) from jobs"), active_model(two)
    result = retrain(two, quiet)
    assert (result.trained, result.promoted, result.new) == (False, False, 0)
    assert result.sentence == "Nothing was done. No label has come since the last training."
    simulate.answer_queued(two, answers(), 3)
    result = retrain(two, quiet, if_new=4)
    assert result.sentence == "Nothing was done. 3 labels have come since the last training; 4 are wanted."
    assert (two.store.one("select count(*) from jobs"), active_model(two)) == (jobs, champion)
    with pytest.raises(BadInput):
        retrain(two, quiet, if_new=-1)


def test_enough_labels_train_a_model_and_the_gate_decides(two: Project) -> None:
    promote(two, quiet, model=enter(two, bad_head()), force=True, reason="so that there is something to beat")
    simulate.answer_queued(two, answers(), 8)
    assert new_labels(two) == 8
    result = retrain(two, quiet, if_new=8, trainer="head")
    assert (result.trained, result.promoted, result.model) == (True, True, active_model(two))
    assert result.gate is not None
    assert result.gate.passes
    assert "is the champion now" in result.sentence
    [(how, user)] = two.store.query("select how, user from champions where model = ?", [result.model])
    assert (how, user) == ("retrained", "rondo")
    assert retrain(two, quiet).sentence.startswith("Nothing was done")


def test_a_model_that_is_no_better_is_kept_but_not_put_to_use(two: Project) -> None:
    simulate.answer_queued(two, answers(), 8)
    champion = active_model(two)
    result = retrain(two, quiet, trainer="head")
    assert (result.trained, result.promoted, active_model(two)) == (True, False, champion)
    assert result.sentence.startswith("The gate keeps the champion.")
    states = {row.id: row.state for row in models(two, quiet).models}
    assert states[result.model or ModelId("")] == "challenger"


def test_a_training_that_fails_leaves_the_champion_and_is_tried_again(two: Project) -> None:
    simulate.answer_queued(two, answers(), 8)
    champion = active_model(two)
    with pytest.raises(RondoError):
        retrain(two, quiet, trainer="setfit", values=["base=no such/encoder"])
    assert active_model(two) == champion
    assert new_labels(two) > 0


def test_what_a_killed_server_left_undecided_is_decided_the_next_time(two: Project) -> None:
    promote(two, quiet, model=enter(two, bad_head()), force=True, reason="so that there is something to beat")
    left = enter(two, good_head(two), note=BY_POLICY)
    change_settings(two, retrain_after=1_000)
    assert is_due(two)
    result = retrain(two, quiet, if_new=1_000)
    assert (result.model, result.trained, result.promoted) == (left, False, True)
    assert not is_due(two)


def test_a_model_that_the_policy_cannot_put_to_use_is_not_tried_twice(two: Project) -> None:
    left = enter(two, good_head(two), note=BY_POLICY)
    (two.models / left / "head.safetensors").write_bytes(b"")
    result = retrain(two, quiet)
    assert (result.model, result.promoted) == (left, False)
    assert "changed after it was saved" in result.sentence or "no whole safetensors" in result.sentence
    assert retrain(two, quiet).sentence.startswith("Nothing was done")


def test_the_server_retrains_after_so_many_labels_or_hours_and_never_unless_asked(two: Project) -> None:
    assert not is_due(two)
    change_settings(two, retrain_after=33)
    assert not is_due(two)
    simulate.answer_queued(two, answers(), 1)
    assert is_due(two)
    enter(two, bad_head(), note=BY_POLICY)  # an attempt counts, whatever became of it
    with two.store.transaction() as cursor:
        cursor.execute("delete from models where trainer is not null")
    assert not is_due(two)
    change_settings(two, retrain_after=0, retrain_hours=2.0)
    simulate.answer_queued(two, answers(), 1)
    assert not is_due(two)
    with two.store.transaction() as cursor:
        cursor.execute("update jobs set made_at = ? where kind = 'train'", [utc_now() - timedelta(hours=3)])
    assert is_due(two)


def test_a_training_that_cannot_even_start_waits_for_as_many_new_labels_again(two: Project) -> None:
    change_settings(two, retrain_after=3)
    simulate.answer_queued(two, answers(), 3)
    assert is_due(two)
    with pytest.raises(RondoError):
        retrain(two, quiet, trainer="nothing of this name")
    assert not is_due(two)
    simulate.answer_queued(two, answers(), 2)
    assert not is_due(two)
    simulate.answer_queued(two, answers(), 1)
    assert is_due(two)


def test_a_model_that_a_person_trained_counts_for_the_policy_too(two: Project) -> None:
    change_settings(two, retrain_after=3)
    simulate.answer_queued(two, answers(), 3)
    enter(two, bad_head())
    assert not is_due(two)
    simulate.answer_queued(two, answers(), 1)
    assert not is_due(two)
    assert new_labels(two) == 1


def test_a_model_that_passes_but_breaks_on_its_way_is_left_to_a_person(two: Project, tmp_path: Path) -> None:
    promote(two, quiet, model=enter(two, bad_head()), force=True, reason="so that there is something to beat")
    champion, left = active_model(two), enter(two, bad_head(32), encoder=make_encoder(tmp_path / "e"), note=BY_POLICY)
    with two.store.reading() as cursor:
        truth = read_truth(cursor, labels_space(LABELS, several=False))
    folder = two.models / left
    write_held_out(folder, truth.rows, truth.answers.astype(np.float32))  # it is never wrong
    (folder / "encoder" / "config.json").write_text("{}")  # but its encoder cannot be loaded
    seal_model(folder, Making("encoder", INSIDE, LABELS, False, {}), bad_head(32))
    change_settings(two, retrain_after=1_000)
    with pytest.raises(RondoError):
        retrain(two, quiet)
    assert (active_model(two), is_due(two)) == (champion, False)
    [gate] = [row.gate for row in models(two, quiet).models if row.id == left]
    assert gate is not None
    assert gate.sentence.startswith("It passed the gate but could not be put to use")


def test_a_training_that_is_under_way_is_not_started_twice(two: Project) -> None:
    change_settings(two, retrain_after=1)
    with two.store.transaction() as cursor:
        cursor.execute(
            "insert into jobs (id, kind, state, made_at, params) values ('x', 'train', 'running', now(), '{}')"
        )
    assert not is_due(two)
    assert "under way" in retrain(two, quiet).sentence
