"""SetFit on a tiny encoder: it learns, it can be killed, it refuses what cannot work, and leaves nothing foreign."""

import hashlib
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from core.errors import BadInput, Refused
from core.models.encoders.loading import load_encoder
from core.models.heads.head import LabelledVectors, fit_head
from core.tasks.choice import decide
from gpu_jobs.trainers.bases import open_base
from gpu_jobs.trainers.checkpoints import mark_whole, newest
from gpu_jobs.trainers.memory import memory_limit, peak_memory_mb
from gpu_jobs.trainers.probing import choose_rows, encode
from gpu_jobs.trainers.setfit import MOST_TEXTS, check_pairs, find_anchors, mine, train
from gpu_jobs.trainers.trainer_types import Progress, TrainedModel, TrainingRun, TrainingSet
from tests.tiny_models import Heard, lessons, make_encoder, make_run, score

LEARN, SHORT = lessons(60), ("iterations=1", "epochs=2", "learning_rate=0.002")
LONG = ("iterations=10", "epochs=3", "learning_rate=0.003", "batch_size=16")
UNSEEN = lessons(150, seed=1)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_encoder(tmp_path_factory.mktemp("base") / "tiny")


class Killed(Exception):
    """The attempt ends here."""


def kill_at(step: int) -> Progress:
    def report(done: int, total: int, **figures: float) -> None:
        if done >= step:
            raise Killed

    return report


def weights_of(run: TrainingRun) -> str:
    return hashlib.sha256((run.work / "encoder" / "model.safetensors").read_bytes()).hexdigest()


def frozen(base: Path) -> TrainedModel:
    """The head on the encoder as it is."""
    encoder = load_encoder(str(base), base, 1)
    vectors = encoder.encode(LEARN.texts)
    head = fit_head(
        LabelledVectors(vectors, LEARN.targets.astype(np.float32), LEARN.labels), None, np.random.default_rng(0)
    )
    probs = np.empty((0, 3), np.float32)
    return TrainedModel(lambda texts: head.predict(encoder.encode(texts)), head, None, np.empty(0, np.int64), probs, {})


@pytest.fixture(scope="module")
def recording(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Heard:
    result: list[tuple[int, int, dict[str, float]]] = []
    folder = tmp_path_factory.mktemp("heard")
    run = make_run("setfit", base, folder, *LONG, report=lambda done, total, **more: result.append((done, total, more)))
    return Heard(run, train(LEARN, run), result)


def test_setfit_tells_labels_apart_that_the_frozen_encoder_does_not(base: Path, recording: Heard) -> None:
    assert score(recording.trained, UNSEEN) > score(frozen(base), UNSEEN) + 0.05
    assert recording.trained.info["held_out_macro_f1"]["after"] > recording.trained.info["held_out_macro_f1"]["before"]


def test_progress_rises_to_its_end_and_brings_every_figure(recording: Heard) -> None:
    done, totals, figures = zip(*recording.details, strict=True)
    assert list(done) == sorted(done)
    assert (done[-1], set(totals)) == (recording.trained.info["steps"], {done[-1]})
    assert {name for result in figures for name in result} == {
        *("loss", "eval_loss", "eval_macro_f1", "eval_accuracy", "epoch", "learning_rate")
    }


def test_a_killed_attempt_goes_on_and_ends_where_an_undisturbed_one_does(base: Path, tmp_path: Path) -> None:
    supplied = (*SHORT, "epochs=4")
    whole = make_run("setfit", base, tmp_path / "whole", *supplied)
    undisturbed = train(LEARN, whole)
    steps = undisturbed.info["steps"]
    killed = make_run("setfit", base, tmp_path / "killed", *supplied)
    for step in (steps // 2 + 1, steps):  # in the middle of an epoch, and at the last step
        with pytest.raises(Killed):
            train(LEARN, replace(killed, report=kill_at(step)))
    received: list[int] = []
    trained = train(LEARN, replace(killed, report=lambda done, total, **figures: received.append(done)))
    assert received[0] > steps // 2
    assert weights_of(killed) == weights_of(whole)
    assert np.array_equal(trained.predict(UNSEEN.texts), undisturbed.predict(UNSEEN.texts))
    assert all(trained.info[name] == undisturbed.info[name] for name in ("steps", "best_step", "evaluations"))


def test_a_checkpoint_that_was_cut_off_is_passed_over(tmp_path: Path) -> None:
    for step in (9, 10):
        (tmp_path / f"checkpoint-{step}").mkdir()
        (tmp_path / f"checkpoint-{step}" / "weights").write_text("all of it")
        mark_whole(tmp_path / f"checkpoint-{step}")
    (tmp_path / "checkpoint-11").mkdir()
    (tmp_path / "checkpoint-11" / "weights").write_text("never marked")
    assert newest(tmp_path, "checkpoint") == tmp_path / "checkpoint-10"
    (tmp_path / "checkpoint-10" / "weights").write_text("all")
    assert newest(tmp_path, "checkpoint") == tmp_path / "checkpoint-9"


def test_one_seed_gives_one_model(base: Path, tmp_path: Path) -> None:
    runs = [make_run("setfit", base, tmp_path / name, *SHORT, seed=2**40) for name in ("first", "again")]
    first, again = (train(LEARN, run).predict(UNSEEN.texts) for run in runs)
    assert weights_of(runs[0]) == weights_of(runs[1])
    assert np.array_equal(first, again)


def test_the_encoder_loads_in_sentence_transformers_and_holds_nothing_foreign(base: Path, recording: Heard) -> None:
    from sentence_transformers import SentenceTransformer

    folder = recording.trained.encoder
    assert folder == recording.run.work / "encoder"
    assert {file.suffix for file in recording.run.work.rglob("*") if file.is_file()} == {".safetensors", ".json"}
    for file in folder.rglob("*.json"):
        assert str(base.parent) not in file.read_text(encoding="utf-8")
    loaded = SentenceTransformer(str(folder), local_files_only=True)
    ours = load_encoder(str(folder), base, 1).encode(["the rain", "a cake"])
    assert np.allclose(loaded.encode(["the rain", "a cake"]), ours, atol=0.02)


@pytest.mark.parametrize("supplied", [("loss=triplet", "learning_rate=0.0005"), ("hard_negatives=1",)])
def test_every_way_of_teaching_gives_a_calibrated_head_of_known_quality(
    base: Path, tmp_path: Path, supplied: tuple[str, ...]
) -> None:
    trained = train(LEARN, make_run("setfit", base, tmp_path, *SHORT, *supplied))
    assert trained.head is not None
    assert trained.encoder is not None
    vectors = load_encoder(str(trained.encoder), tmp_path, 1).encode(UNSEEN.texts)
    assert np.allclose(trained.head.predict(vectors), trained.predict(UNSEEN.texts), atol=1e-5)
    assert trained.head.calibration_error is not None
    assert trained.held_out_probs.shape == (len(trained.held_out), 3)
    assert np.allclose(trained.held_out_probs.sum(axis=1), 1, atol=1e-5)
    assert not set(np.array(LEARN.texts)[trained.held_out]) & set(np.delete(LEARN.texts, trained.held_out))


def test_several_labels_may_hold(base: Path, tmp_path: Path) -> None:
    material = lessons(60, multi=True)
    trained = train(material, make_run("setfit", base, tmp_path, *SHORT))
    message = decide(trained.predict(material.texts), True)
    assert (message.sum(axis=1) > 1).any()
    assert (message == material.targets).mean() > 0.6


def test_with_few_labels_nothing_is_held_out_and_that_is_reported(base: Path, tmp_path: Path) -> None:
    trained = train(lessons(12), make_run("setfit", base, tmp_path, *SHORT))
    assert len(trained.held_out) == len(trained.held_out_probs) == 0
    assert "No texts were held out (there would be less than fewest_held_out" in trained.info["note"]
    assert trained.info["steps"] == trained.info["best_step"] > 0


def test_without_a_better_checkpoint_the_encoder_stays(base: Path, tmp_path: Path) -> None:
    run = make_run("setfit", base, tmp_path, *SHORT, "learning_rate=1e-8", "epochs=9", "patience=2")
    trained = train(LEARN, run)
    assert (trained.info["best_step"], trained.info["stopped_early"]) == (0, True)
    assert "the encoder is unchanged" in trained.info["note"]
    before, after = (load_file(one / "model.safetensors") for one in (base, run.work / "encoder"))
    assert before.keys() == after.keys()
    assert all(np.array_equal(weights, after[name]) for name, weights in before.items())


@pytest.mark.parametrize("multi", [False, True])
def test_hard_negatives_are_near_texts_with_no_label_in_common(base: Path, tmp_path: Path, multi: bool) -> None:
    material, rows = lessons(40, multi=multi), np.arange(2, 40)
    run = make_run("setfit", base, tmp_path, "hard_negatives=2", "min_similarity=-1", "oversampling=3")
    model = open_base(base, run)
    pairs = mine(model, material, rows, np.arange(5), run)
    row_of = {text: row for row, text in enumerate(material.texts)}
    vectors = encode(model, material, np.arange(40))
    assert len(pairs) == 3 * 2 * 5
    for anchor in rows[:5]:
        unlike = rows[~(material.targets[rows] & material.targets[anchor]).any(axis=1)]
        nearest = unlike[np.argsort(-vectors[unlike] @ vectors[anchor])[:2]]
        assert {row_of[near] for text, near in pairs if text == material.texts[anchor]} == set(nearest)


def test_hard_negatives_are_mined_for_the_labels_named_alone(base: Path, tmp_path: Path) -> None:
    def anchors(*supplied: str) -> np.ndarray:
        return find_anchors(LEARN, np.arange(2, 30), make_run("setfit", base, tmp_path, *supplied))

    assert len(anchors()) == 0
    assert anchors("hard_negatives=1").tolist() == list(range(28))
    for named in ("music, id-food", "id-music,food"):
        chosen = anchors("hard_negatives=1", f"hard_labels={named}")
        assert (LEARN.targets[2 + chosen].argmax(axis=1) > 0).all()
    with pytest.raises(BadInput, match="hard_labels names 'sports', but the labels are weather, food, music"):
        anchors("hard_negatives=1", "hard_labels=music, sports")


def test_each_label_trains_on_as_many_records_as_asked_for_at_most(base: Path, tmp_path: Path) -> None:
    parts = choose_rows(LEARN, make_run("setfit", base, tmp_path), 7)
    assert LEARN.targets[parts.train_rows].sum(axis=0).tolist() == [7, 7, 7]
    assert len(parts.held_out) == 12


def test_what_the_library_would_list_pair_by_pair_is_capped(base: Path, tmp_path: Path) -> None:
    many = replace(LEARN, texts=[f"{row}" for row in range(9_000)], targets=np.tile(LEARN.targets, (150, 1)))
    run = make_run("setfit", base, tmp_path, *SHORT, "max_steps=1")
    trained = train(many, run)
    assert MOST_TEXTS / 2 < trained.info["taught"] <= MOST_TEXTS


def test_an_explosion_of_pairs_is_refused_with_the_figure_and_the_advice_works(base: Path, tmp_path: Path) -> None:
    targets = np.eye(3, dtype=np.bool_)[np.arange(1_200) % 3]
    supplied = ("max_pairs=20000", "hard_negatives=2")
    with pytest.raises(Refused, match=r"1,200 records make [\d,]{7,} pairs, and max_pairs is 20,000") as result:
        check_pairs(targets, 1_200, make_run("setfit", base, tmp_path, *supplied, "iterations=0"))
    [advised] = re.findall(r"iterations=\d+", str(result.value))
    check_pairs(targets, 1_200, make_run("setfit", base, tmp_path, *supplied, advised))


@pytest.mark.parametrize("targets", [np.eye(4, dtype=np.bool_), np.ones((4, 1), np.bool_)])
def test_records_that_cannot_be_paired_are_refused(base: Path, tmp_path: Path, targets: np.ndarray) -> None:
    with pytest.raises(Refused, match="Label two records each of at least two labels"):
        check_pairs(targets, 0, make_run("setfit", base, tmp_path))


REFUSALS: list[tuple[Any, tuple[str, ...], type[Exception], str]] = [
    (replace(LEARN, targets=np.eye(3, dtype=np.bool_)[[1] * 60]), (), Refused, "needs 2 labels .* there are: food 60"),
    (replace(LEARN, texts=[], targets=np.empty((0, 3), np.bool_)), (), Refused, "there are: no labelled records"),
    (
        LEARN,
        ("iterations=9", "max_pairs=800"),
        Refused,
        "48 records make 864 pairs, and max_pairs is 800. Set iterations=8",
    ),
    (LEARN, ("loss=triplet", "batch_size=5"), BadInput, "loss=triplet needs an even one"),
    (LEARN, ("loss=triplet", "hard_negatives=1"), BadInput, "finds the hard ones in each batch itself"),
    (LEARN, ("hard_labels=sports",), BadInput, "names 'sports'"),
    (LEARN, ("hard_labels=food",), BadInput, "Set hard_negatives=2"),
    (LEARN, ("base=no such/encoder",), BadInput, "There is no model 'no such/encoder'"),
    (LEARN, ("max_memory_mb=50",), Refused, r"The job holds \d+ MB of memory, but max_memory_mb is 50. Lower batch"),
]


@pytest.mark.parametrize(("material", "supplied", "kind", "words"), REFUSALS, ids=[words for *_, words in REFUSALS])
def test_what_cannot_work_is_refused_in_a_sentence(
    base: Path, tmp_path: Path, material: TrainingSet, supplied: tuple[str, ...], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        train(material, make_run("setfit", base, tmp_path, *SHORT, *supplied))


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is no model that sentence-transformers can load"):
        train(LEARN, make_run("setfit", tmp_path, tmp_path, *SHORT))


def test_a_training_that_went_astray_is_refused(base: Path, tmp_path: Path) -> None:
    import torch

    model = open_base(base, make_run("setfit", base, tmp_path))
    with torch.no_grad():
        next(model.parameters()).fill_(float("nan"))
    with pytest.raises(Refused, match="Set learning_rate to a tenth"):
        encode(model, LEARN, np.arange(3))


def test_memory_beyond_the_limit_is_refused_and_the_limit_ends_with_its_block() -> None:
    import torch

    with (
        pytest.raises(Refused, match=r"max_memory_mb=\d+ is not enough. Lower batch_size"),
        memory_limit(peak_memory_mb() + 100),
    ):
        torch.zeros(2**30)
    assert len(np.zeros(2**28, np.uint8)) == 2**28


def test_other_errors_pass_the_limit_as_they_are() -> None:
    with pytest.raises(RuntimeError, match="something else"), memory_limit(0):
        raise RuntimeError("something else")
