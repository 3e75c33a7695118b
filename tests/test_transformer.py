"""Fine-tuning a tiny classifier: it learns, it can be killed, it refuses what cannot work, and is an encoder after."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import BadInput, Damaged, Refused
from core.models.encoders.encoder import EMBEDDED
from core.models.encoders.loading import load_encoder
from core.models.heads.head import LabelledVectors
from gpu_jobs.trainers.calibrated_fit import fit_on_split
from gpu_jobs.trainers.classifier import figures
from gpu_jobs.trainers.pretrained import find_model, last_layer, load_classifier
from gpu_jobs.trainers.trainer_types import Progress, TrainingRun
from gpu_jobs.trainers.transformer import choose_base, choose_rows, train
from tests.tiny_models import Heard, lessons, make_bert, make_classifier, make_run, score, unheard

LEARN, UNSEEN = lessons(90), lessons(150, seed=1)
MORE = lessons(240)
LONG = ("epochs=8", "learning_rate=0.005", "batch_size=16", "patience=0")
SHORT = ("epochs=2", "learning_rate=0.002", "batch_size=16")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bert(tmp_path_factory.mktemp("base") / "tiny")


def order(base: Path, folder: Path, *supplied: str, report: Progress = unheard) -> TrainingRun:
    return make_run("transformer", base, folder, f"base={base}", *supplied, report=report)


class Killed(Exception):
    """The attempt ends here."""


def weights_of(run: TrainingRun) -> str:
    return hashlib.sha256((run.work / "encoder" / "model.safetensors").read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def recording(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Heard:
    result: list[tuple[int, int, dict[str, float]]] = []
    run = order(
        base,
        tmp_path_factory.mktemp("heard"),
        *LONG,
        report=lambda done, total, **more: result.append((done, total, more)),
    )
    return Heard(run, train(MORE, run), result)


def test_it_tells_labels_apart_that_it_has_trained_on(recording: Heard) -> None:
    assert score(recording.trained, UNSEEN) > 0.8
    assert recording.trained.info["features"]["macro_f1"] > 0.8
    assert recording.trained.info["head"] in ("logistic", "own layer")


def test_without_a_network_the_usual_base_is_the_embedded_one_and_the_model_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    base, folder, note = choose_base(make_run("transformer", tmp_path, tmp_path))
    assert (base, (folder / "config.json").is_file()) == (EMBEDDED, True)
    assert "answerdotai/ModernBERT-base could not be fetched" in note
    with pytest.raises(BadInput, match="There is no model 'some/other'"):  # a person named it
        choose_base(make_run("transformer", tmp_path, tmp_path, "base=some/other"))


def test_progress_rises_to_its_end_and_brings_every_figure(recording: Heard) -> None:
    done = [step for step, _, _ in recording.details]
    assert done == sorted(done)
    assert done[-1] == recording.details[-1][1] == recording.trained.info["steps"]
    known = set().union(*(figures for _, _, figures in recording.details))
    assert {"loss", "learning_rate", "epoch", "eval_loss", "eval_macro_f1", "eval_top_2"} <= known


def test_the_best_checkpoint_is_the_one_that_is_kept(recording: Heard) -> None:
    info = recording.trained.info
    best = max(info["evaluations"], key=lambda matches: matches["macro_f1"])
    assert info["best_step"] == best["step"]
    assert info["classifier"]["macro_f1"] == best["macro_f1"]


def test_the_folder_serves_as_an_encoder_of_unit_vectors(recording: Heard) -> None:
    assert recording.trained.encoder
    assert recording.trained.head
    encoder = load_encoder(str(recording.trained.encoder), recording.run.cache, 1)
    texts = ["", "rain " * 500, "\ud800", *UNSEEN.texts[:20]]
    vectors = encoder.encode(texts)
    assert vectors.shape == (23, encoder.dims)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
    alone = np.concatenate([encoder.encode([text]) for text in texts])
    assert np.abs(alone - vectors).max() < 0.03  # bfloat16 where the processor has it
    assert np.allclose(recording.trained.head.predict(vectors), recording.trained.predict(texts), atol=1e-5)
    assert encoder.encode([]).shape == (0, encoder.dims)


def test_the_folder_stays_a_classifier_for_transformers(recording: Heard) -> None:
    from transformers import AutoModelForSequenceClassification

    assert recording.trained.encoder
    model = AutoModelForSequenceClassification.from_pretrained(recording.trained.encoder)
    assert model.config.id2label == {0: "weather", 1: "food", 2: "music"}


def test_the_folder_holds_safetensors_and_json_and_no_path_of_this_machine(recording: Heard, base: Path) -> None:
    assert recording.trained.encoder
    files = [path for path in recording.trained.encoder.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {".safetensors", ".json", ".txt"}
    for file in files:
        if file.suffix == ".json":
            assert str(base.parent) not in file.read_text(encoding="utf-8")
    assert str(base.parent) not in json.dumps(recording.trained.info)


def test_a_changed_marker_is_damage_not_a_crash(recording: Heard, tmp_path: Path) -> None:
    assert recording.trained.encoder
    folder = shutil.copytree(recording.trained.encoder, tmp_path / "copy")
    marker = folder / "feature_encoder.json"
    marker.write_text(marker.read_text(encoding="utf-8").replace("classifier", "nowhere"), encoding="utf-8")
    with pytest.raises(Damaged, match="Train it again"):
        load_encoder(str(folder), tmp_path, 1)


def test_the_same_seed_gives_the_same_weights(base: Path, tmp_path: Path) -> None:
    first, second = order(base, tmp_path / "a", *SHORT), order(base, tmp_path / "b", *SHORT)
    train(LEARN, first)
    train(LEARN, second)
    assert weights_of(first) == weights_of(second)


def test_a_killed_training_goes_on_and_ends_where_an_unbroken_one_does(base: Path, tmp_path: Path) -> None:
    whole = order(base, tmp_path / "whole", *SHORT, "epochs=4")
    train(LEARN, whole)

    def kill(done: int, total: int, **figures: float) -> None:
        if done >= total - 3:
            raise Killed

    broken = order(base, tmp_path / "broken", *SHORT, "epochs=4", report=kill)
    with pytest.raises(Killed):
        train(LEARN, broken)
    seen: list[int] = []
    train(LEARN, replace(broken, report=lambda done, total, **figures: seen.append(done)))
    assert seen[0] > 5
    assert weights_of(whole) == weights_of(broken)


def test_training_stops_when_nothing_gets_better(base: Path, tmp_path: Path) -> None:
    run = order(base, tmp_path, "epochs=30", "learning_rate=1e-8", "batch_size=32", "patience=2")
    info = train(LEARN, run).info
    assert len(info["evaluations"]) == 3


def test_it_is_evaluated_every_n_steps_if_asked(base: Path, tmp_path: Path) -> None:
    run = order(base, tmp_path, *SHORT, "max_steps=6", "eval_steps=2")
    assert [matches["step"] for matches in train(LEARN, run).info["evaluations"]] == [2, 4, 6]


def test_several_labels_may_hold(base: Path, tmp_path: Path) -> None:
    trained = train(lessons(240, multi=True), order(base, tmp_path, *LONG, "epochs=12"))
    assert score(trained, lessons(100, seed=1, multi=True)) > 0.7
    sums = trained.predict(UNSEEN.texts).sum(axis=1)
    assert sums.max() - sums.min() > 0.05


def test_nothing_is_held_out_of_a_handful(base: Path, tmp_path: Path) -> None:
    trained = train(lessons(12), order(base, tmp_path, *SHORT))
    assert len(trained.held_out) == 0
    assert trained.held_out_probs.shape == (0, 3)
    assert trained.head
    assert trained.head.temperature == 1.0


def test_a_trial_uses_a_part_of_the_records(base: Path, tmp_path: Path) -> None:
    run = order(base, tmp_path, "downsample=40")
    train_rows, held_out = choose_rows(LEARN, run.values, 3)
    assert 36 <= len(train_rows) + len(held_out) <= 44
    assert not set(train_rows) & set(held_out)
    assert LEARN.targets[train_rows].sum(axis=0).min() >= 8


def test_the_embedded_model_is_a_base_that_needs_no_network(tmp_path: Path) -> None:
    loaded = load_classifier(find_model(EMBEDDED, tmp_path), 512, ("a", "b"))
    assert last_layer(loaded) == ("classifier", 384)
    assert loaded.longest == 512


def test_a_model_without_one_vector_per_text_is_refused(tmp_path: Path) -> None:
    from transformers import AutoTokenizer, GPT2Config, GPT2ForSequenceClassification

    folder = make_bert(tmp_path / "words")
    shape = GPT2Config(vocab_size=80, n_positions=64, n_embd=16, n_layer=1, n_head=2, pad_token_id=0)
    GPT2ForSequenceClassification(shape).save_pretrained(tmp_path / "gpt")
    AutoTokenizer.from_pretrained(folder).save_pretrained(tmp_path / "gpt")
    with pytest.raises(BadInput, match="one vector per text"):
        last_layer(load_classifier(tmp_path / "gpt", 64, ("a", "b")))


@pytest.mark.parametrize("kind", ["Roberta", "DistilBert", "ModernBert", "DebertaV2", "Electra"])
def test_the_last_layer_of_many_kinds_is_found(tmp_path: Path, kind: str) -> None:
    import transformers

    folder = make_bert(tmp_path / "words")
    small = {"vocab_size": 80, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "pad_token_id": 0}
    if kind == "DistilBert":
        small = {"vocab_size": 80, "dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 32, "pad_token_id": 0}
    shape = getattr(transformers, f"{kind}Config")(**small, max_position_embeddings=66, num_labels=5)
    getattr(transformers, f"{kind}ForSequenceClassification")(shape).save_pretrained(tmp_path / kind)
    transformers.AutoTokenizer.from_pretrained(folder).save_pretrained(tmp_path / kind)
    loaded = load_classifier(tmp_path / kind, 4_096, ("a", "b", "c"))
    assert last_layer(loaded)[1] == 16
    assert loaded.longest <= 64


def test_another_classifier_can_be_the_base(tmp_path: Path) -> None:
    base = make_classifier(tmp_path / "old", ("no", "yes"))
    assert score(train(MORE, order(base, tmp_path / "run", *LONG)), UNSEEN) > 0.6


def test_what_cannot_be_a_base_is_reported_in_a_sentence(tmp_path: Path, base: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match=r"config\.json"):
        train(LEARN, order(tmp_path / "empty", tmp_path))
    (tmp_path / "empty" / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(BadInput, match=r"cannot|no model"):
        train(LEARN, order(tmp_path / "empty", tmp_path))


def test_one_label_cannot_be_distinguished(base: Path, tmp_path: Path) -> None:
    only = np.flatnonzero(LEARN.targets[:, 0])
    part = replace(LEARN, texts=[LEARN.texts[row] for row in only.tolist()], targets=LEARN.targets[only])
    with pytest.raises(Refused, match="needs 2 labels"):
        train(part, order(base, tmp_path))


@given(st.integers(1, 40), st.integers(2, 6), st.booleans(), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_top_k_rises_with_k_and_all_figures_are_shares(n: int, labels: int, multi: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.random((n, labels)) < 0.4 if multi else np.eye(labels, dtype=bool)[rng.integers(labels, size=n)]
    matches = figures(truth, rng.random((n, labels), np.float32), multi)
    assert matches["top_1"] <= matches["top_2"] <= matches["top_3"]
    assert all(0 <= share <= 1 for share in matches.values())
    assert multi or matches["top_1"] == matches["accuracy"]


@given(st.integers(0, 99))
@settings(max_examples=10, deadline=None)
def test_the_head_of_all_does_not_score_those_held_out(seed: int) -> None:
    rng = np.random.default_rng(seed)
    targets = np.eye(3, dtype=np.float32)[np.arange(60) % 3]
    vectors = (targets + rng.normal(0, 1.0, (60, 3))).astype(np.float32)
    held_out = np.arange(60) % 5 == 0
    head, probs = fit_on_split(LabelledVectors(vectors, targets, ("a", "b", "c")), held_out)
    swapped = targets.copy()
    swapped[held_out] = np.roll(swapped[held_out], 1, axis=1)
    _, others = fit_on_split(LabelledVectors(vectors, swapped, ("a", "b", "c")), held_out)
    assert (probs.argmax(axis=1) == others.argmax(axis=1)).all()  # it did not learn from their labels
    assert head.temperature > 0
