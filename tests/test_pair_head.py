"""Heads of pairs: trees as arrays say what scikit-learn's say, few and many decisions, and what is stored."""

from pathlib import Path

import numpy as np
import pytest

from core.arrays import Bools, Floats
from core.errors import Damaged
from core.models.artifacts import load_fitted, save_head
from core.models.heads.kind import TrainingRecords
from core.models.heads.pair_head import FEW, PairHead, cross_fit, fit_pair_head, pair_heads, restore
from core.models.heads.pair_prior import PairPrior
from core.models.heads.trees import TREES, fit_boosted, fit_forest, read_trees

FIELDS = ("name", "price")


def decided(count: int, seed: int = 0) -> tuple[Floats, Bools]:
    """(features, same): a third is the same, and one feature tells most of it."""
    rng = np.random.default_rng(seed)
    same = np.arange(count) % 3 == 0
    values = rng.normal(0, 1, (count, 6))
    values[:, 2] += 2 * same
    return (values / 10).astype(np.float32), same


def records(count: int) -> TrainingRecords:
    values, same = decided(count)
    return TrainingRecords(values, np.column_stack([~same, same]))


def test_trees_say_what_scikit_learn_says_of_new_pairs_too() -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

    values, same = decided(400)
    new, _ = decided(300, seed=1)
    forest = RandomForestClassifier(TREES, class_weight="balanced", random_state=7).fit(values, same)
    assert np.allclose(fit_forest(values, same, 7).predict(new), forest.predict_proba(new)[:, 1], atol=1e-6)
    boosted = HistGradientBoostingClassifier(class_weight="balanced", early_stopping=False, random_state=7)
    boosted.fit(values, same)
    assert np.allclose(fit_boosted(values, same, 7).predict(new), boosted.predict_proba(new)[:, 1], atol=1e-6)


@pytest.mark.parametrize("count", [4, FEW - 1, 200])
def test_a_stored_head_predicts_the_same_as_the_one_that_was_fitted(count: int, tmp_path: Path) -> None:
    values, same = decided(count)
    head = fit_pair_head(values, same, 0, FIELDS)
    save_head(tmp_path / "model", head, {})
    loaded = load_fitted(tmp_path / "model", restore)
    assert (loaded.predict(values) == head.predict(values)).all()
    assert loaded.fields == FIELDS
    assert bool(head.trees) == (count >= FEW)


def test_a_head_whose_trees_were_tampered_with_is_refused() -> None:
    values, same = decided(200)
    arrays = fit_pair_head(values, same, 0).trees[0].arrays("t")
    for name, cells in (("left", -1), ("feature", 99), ("roots", 10**6)):
        bad = {key: array.copy() for key, array in arrays.items()}
        bad[f"t.{name}"][0] = cells
        with pytest.raises(ValueError, match="its trees"):
            read_trees(bad, "t", 6)
    upwards = {key: array.copy() for key, array in arrays.items()}
    last = int(np.flatnonzero(upwards["t.left"] != np.arange(len(upwards["t.left"])))[-1])
    upwards["t.left"][last] = 0
    with pytest.raises(ValueError, match="circle"):
        read_trees(upwards, "t", 6)


def test_probabilities_of_decisions_that_a_head_did_not_see_are_calibrated() -> None:
    fitted = cross_fit(FIELDS, records(300), None, np.ones(300, np.bool_), np.random.default_rng(0))
    assert fitted.outputs is not None
    assert fitted.outputs.shape == (300, 2)
    assert np.allclose(fitted.outputs.sum(axis=1), 1, atol=1e-6)
    same = decided(300)[1]
    assert abs(float(fitted.outputs[:, 1].mean()) - same.mean()) < 0.08
    assert (fitted.records < 300).all()
    assert fitted.head.calibration_error is not None
    again = cross_fit(FIELDS, records(300), None, np.ones(300, np.bool_), np.random.default_rng(0))
    assert again.outputs is not None
    assert np.array_equal(again.outputs, fitted.outputs)


@pytest.mark.parametrize("count", [1, 2, 9])
def test_a_handful_of_decisions_gives_a_head_without_held_out_figures(count: int) -> None:
    fitted = cross_fit((), records(count), None, np.ones(count, np.bool_), np.random.default_rng(0))
    assert fitted.outputs is None
    assert np.isfinite(fitted.head.predict(decided(5)[0])).all()


def test_decisions_of_one_kind_leave_room_for_doubt() -> None:
    values, _ = decided(20)
    head = fit_pair_head(values, np.ones(20, np.bool_), 0)
    assert head.predict(values)[0].tolist() == pytest.approx([1 / 22, 21 / 22], abs=1e-4)


def test_a_model_of_other_fields_or_of_another_task_does_not_fit() -> None:
    kind = pair_heads(FIELDS)
    assert kind.unfit({"task": "pairs", "fields": list(FIELDS)}) is None
    assert kind.unfit({"labels": ["a"]}) == "knows no pairs"
    assert "name, city" in str(kind.unfit({"task": "pairs", "fields": ["name", "city"]}))


def test_a_manifest_that_does_not_fit_its_arrays_is_damaged(tmp_path: Path) -> None:
    values, same = decided(20)
    head = fit_pair_head(values, same, 0)
    save_head(tmp_path / "model", PairHead(3, (), 0.5, linear=head.linear), {})
    with pytest.raises(Damaged, match="not of 3 features"):
        load_fitted(tmp_path / "model", restore)


def test_before_any_decision_the_best_partners_are_likelier_and_the_more_alike_the_more() -> None:
    scale = 1 / np.sqrt(4)
    rows = np.array([[0.9, 0.1, 0.0, 0], [0.2, 0.1, 0.1, 0], [0.9, -0.1, 0.2, 0], [0.2, 0.1, -0.2, 0]]) * scale
    same = PairPrior().predict(rows.astype(np.float32))[:, 1]
    assert same.tolist() == pytest.approx([0.9, 0.2, 0.3, 0.2 / 3])
