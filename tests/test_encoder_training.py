"""Teaching a tiny encoder text by text: every loss teaches it, small labels count, and it stops when nothing comes."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.jobs.bundle import LOG, Bundle
from core.models.encoders.loading import load_encoder
from core.models.heads.head import LabelledVectors, fit_head
from core.tasks.choice import decide
from core.training.launch import device_line
from gpu_jobs.trainers.bases import open_base, save_encoder
from gpu_jobs.trainers.device import say_device
from gpu_jobs.trainers.encoder import _arguments, train
from gpu_jobs.trainers.losses import contrast_batch, part_hardest
from tests.tiny_models import lessons, make_encoder, make_run, score

LEARN, UNSEEN = lessons(90), lessons(150, seed=1)
LOSSES = ("softmax", "triplet", "contrastive")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_encoder(tmp_path_factory.mktemp("base") / "tiny")


@pytest.fixture(scope="module")
def untaught(base: Path) -> float:
    """Macro F1 of a head on the encoder as it is."""
    encoder = load_encoder(str(base), base, 1)
    labelled_vectors = LabelledVectors(encoder.encode(LEARN.texts), LEARN.targets.astype(np.float32), LEARN.labels)
    head = fit_head(labelled_vectors, None, np.random.default_rng(0))
    right = decide(head.predict(encoder.encode(UNSEEN.texts)), False) & UNSEEN.targets
    return float(right.any(axis=1).mean())


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_makes_vectors_that_tell_labels_apart(
    base: Path, untaught: float, tmp_path: Path, loss: str
) -> None:
    supplied = (f"loss={loss}", "epochs=20", "batch_size=24", "learning_rate=0.003", "eval_steps=15")
    trained = train(LEARN, make_run("encoder", base, tmp_path, *supplied))
    assert score(trained, UNSEEN) > untaught + 0.1
    assert [result["step"] for result in trained.info["evaluations"]] == [15, 30, 45, 60]
    assert all(0 <= result["accuracy"] <= 1 for result in trained.info["evaluations"])


@pytest.mark.parametrize("loss", LOSSES)
def test_several_labels_may_hold_whatever_the_loss(base: Path, tmp_path: Path, loss: str) -> None:
    material = lessons(60, multi=True)
    trained = train(material, make_run("encoder", base, tmp_path, f"loss={loss}", "max_steps=3", "test_size=0"))
    assert trained.head is not None
    assert trained.head.multi
    assert trained.predict(material.texts).sum(axis=1).max() > 1


def test_small_labels_are_repeated_if_asked_for(base: Path, tmp_path: Path) -> None:
    few = [row for row in range(90) if LEARN.targets[row, 0] or row < 30]
    small = replace(LEARN, texts=[LEARN.texts[row] for row in few], targets=LEARN.targets[few])
    for query, count in (("false", 50), ("true", 90)):
        supplied = ("loss=contrastive", "test_size=0", "max_steps=1", f"oversample={query}")
        assert train(small, make_run("encoder", base, tmp_path / query, *supplied)).info["texts"] == count


def test_without_a_better_checkpoint_training_stops_and_the_encoder_stays(base: Path, tmp_path: Path) -> None:
    supplied = ("patience=2", "epochs=50", "learning_rate=1e-8", "loss=triplet")
    trained = train(LEARN, make_run("encoder", base, tmp_path, *supplied))
    assert trained.info["stopped_early"]
    assert trained.info["best_step"] == 0
    assert len(trained.info["evaluations"]) == 3


def test_max_length_cuts_texts_for_good(base: Path, tmp_path: Path) -> None:
    save_encoder(open_base(base, make_run("encoder", base, tmp_path, "max_length=8")), tmp_path / "short")
    start = "the rain came before the sun"
    first, second = load_encoder(str(tmp_path / "short"), tmp_path, 1).encode([start + " rice", start + " song"])
    assert np.allclose(first, second)


def test_losses_are_least_where_likes_are_one_and_unlikes_apart() -> None:
    import torch

    marks = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    apart = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]])
    mixed = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    for loss in (part_hardest, contrast_batch):
        assert loss(apart, marks) < loss(mixed, marks)
        assert loss(apart[:1], marks[:1]) == 0  # nothing beside it, nothing to learn


def test_weight_decay_warm_up_and_the_batch_of_evaluations_reach_the_library(base: Path, tmp_path: Path) -> None:
    supplied = ("weight_decay=0.3", "warmup_steps=7", "eval_batch_size=5", "batch_size=9")
    arguments = _arguments(90, make_run("encoder", base, tmp_path, *supplied), has_held_out=True)
    assert (arguments.weight_decay, arguments.warmup_steps, arguments.per_device_eval_batch_size) == (0.3, 7, 5)
    plain = _arguments(90, make_run("encoder", base, tmp_path, "batch_size=9"), has_held_out=True)
    assert (plain.weight_decay, plain.warmup_steps, plain.per_device_eval_batch_size) == (0.01, 6, 9)


def test_a_job_says_what_it_runs_on_before_anything_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = Bundle(tmp_path)
    assert device_line(bundle) == ""
    say_device("head", 2)
    assert capsys.readouterr().out == ""  # it has no use for a GPU
    say_device("encoder", 2)
    (tmp_path / LOG).write_text(capsys.readouterr().out + "and more\n")
    assert re.fullmatch(r"Training on (the processor, 2 threads|.+ with \d+ GB).*\.", device_line(bundle))
