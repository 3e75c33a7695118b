"""What a round's job measures: thinning keeps what it judged, earlier models are not asked of what they learnt from."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from core.evaluation.audit import PoolHistory, weigh
from core.evaluation.held_out import HeldOutPredictions
from core.ids import ModelId
from core.models.artifacts import save_head
from core.models.heads.head import Head
from core.models.out_of_fold import VERDICTS
from core.rounds.round_job import PastModel
from core.tasks.labels import labels_space
from gpu_jobs.work.held_out import MOST_HELD_OUT, save_out_of_fold, subsample
from gpu_jobs.work.measure import rescore_past_models

SPACE = labels_space(("no", "yes"), several=False)
OTHERS = labels_space(("no", "maybe"), several=False)


def history(asked: int, audits: int, records: int = 20_000) -> PoolHistory:
    """One draw of `audits` records, the rest chosen after it."""
    audited = np.arange(asked) < audits
    return PoolHistory(
        np.array([records]), np.array([0]), np.zeros(asked, np.int64), np.zeros(asked, np.int64), audited
    )


def test_thinning_keeps_every_drawn_record_and_the_sum_of_the_weights() -> None:
    weights = weigh(history(9000, 900))
    rows, thinned = subsample(np.arange(9000), weights)
    assert len(rows) == MOST_HELD_OUT
    assert thinned.drawn.sum() == 900
    assert thinned.weight.sum() == pytest.approx(weights.weight.sum())


def test_what_a_later_round_scores_was_scored_before_too() -> None:
    """Else an earlier model, which learnt from it, would be asked of it directly."""
    early = subsample(np.arange(7000), weigh(history(7000, 700)))[0]
    late = subsample(np.arange(9000), weigh(history(9000, 900)))[0]
    older = late[late < 7000]
    assert set(older[older >= 900].tolist()) <= set(early.tolist())


def test_few_records_are_all_kept() -> None:
    weights = weigh(history(300, 30))
    rows, thinned = subsample(np.arange(300), weights)
    assert len(rows) == 300
    assert thinned is weights


def test_an_earlier_model_is_scored_by_its_out_of_fold_predictions_of_what_it_trained_on(tmp_path: Path) -> None:
    """The head would get every record right; the verdicts that it left say otherwise of the two that it had learnt."""
    vectors = np.eye(4, dtype=np.float32)
    truth = np.eye(2, dtype=bool)[[0, 1, 0, 1]]
    weights = np.array([[1, 0, 1, 0], [0, 1, 0, 1]], np.float32)
    head = Head(weights, np.zeros(2, np.float32), 1.0, ("no", "yes"), False)
    save_head(tmp_path / "m1", head, {})
    query = HeldOutPredictions(SPACE, np.arange(4), truth, truth, weigh(history(4, 4)))
    learnt = HeldOutPredictions(
        space=SPACE,
        rows=query.rows[:2],
        truth=truth[:2],
        predicted=~truth[:2],
        weights=weigh(history(2, 2)),
        certainty=np.ones(2),
        likeliest=np.array([1, 0]),
        learnt=np.array([1, 0]),
    )
    save_out_of_fold(tmp_path / "m1", learnt)
    models = [PastModel(ModelId("m1"), str(tmp_path / "m1"), 2, 1)]
    judged = rescore_past_models(models, query, vectors)
    assert (judged.predicted[0] == truth).all(axis=1).tolist() == [False, False, True, True]
    assert judged.learnt[0].tolist() == [1, 0, 2, 2]
    assert len(rescore_past_models(models, replace(query, space=OTHERS), vectors).models) == 0


def test_verdicts_from_before_the_folds_grew_were_by_heads_from_a_fifth_less(tmp_path: Path) -> None:
    truth = np.eye(2, dtype=bool)[[0, 1]]
    save_head(
        tmp_path / "m1", Head(np.eye(2, dtype=np.float32), np.zeros(2, np.float32), 1.0, ("no", "yes"), False), {}
    )
    save_file({"rows": np.arange(2), "said": np.packbits(truth, axis=1)}, tmp_path / "m1" / VERDICTS)
    query = HeldOutPredictions(SPACE, np.arange(2), truth, truth, weigh(history(2, 2)))
    models = [PastModel(ModelId("m1"), str(tmp_path / "m1"), 10, 1)]
    rescored = rescore_past_models(models, query, np.eye(2, dtype=np.float32))
    assert rescored.learnt[0].tolist() == [9.6, 9.6]
