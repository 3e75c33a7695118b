"""Judging without a label: by cosine to what labels are called, and by entailment. Encoders and models are tiny."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.arrays import Floats
from core.errors import BadInput
from core.evaluation.scores import macro_f1
from core.models.encoders.encoder import EMBEDDED
from core.models.encoders.loading import load_encoder
from core.tasks.choice import decide
from gpu_jobs.trainers.entailment import load_reader
from gpu_jobs.trainers.trainer_types import TrainingRun, TrainingSet
from gpu_jobs.trainers.zeroshot import aim, train
from tests.conftest import TOPICS, sentences
from tests.tiny_models import make_classifier, make_run, unheard

NLI = ("entailment", "neutral", "contradiction")


def material(count: int, *, multi: bool = False, descriptions: tuple[str, ...] = ("", "", "")) -> TrainingSet:
    """Sentences of the three topics. count: 0 for what nobody has labelled."""
    names, rows = tuple(TOPICS), sentences(count)
    targets = np.array([[topic == name for name in names] for _, topic in rows], np.bool_).reshape(count, 3)
    return TrainingSet([text for text, _ in rows], targets, names, names, descriptions, multi)


def order(folder: Path, *supplied: str, base: str = EMBEDDED) -> TrainingRun:
    return replace(make_run("zeroshot", folder, folder, *supplied, report=unheard), base=base)


@pytest.fixture(scope="module")
def nli(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_classifier(tmp_path_factory.mktemp("nli") / "tiny", NLI)


def test_names_alone_tell_topics_apart(tmp_path: Path) -> None:
    trained = train(material(0), order(tmp_path))
    test = material(60)
    assert macro_f1(test.targets, decide(trained.predict(test.texts), several=False)) > 0.9
    assert trained.encoder is None
    assert len(trained.held_out) == 0


def test_several_names_may_hold(tmp_path: Path) -> None:
    trained = train(material(0, multi=True), order(tmp_path))
    test = material(60, multi=True)
    assert macro_f1(test.targets, decide(trained.predict(test.texts), several=True)) > 0.7


def test_the_head_says_what_the_model_says_so_it_can_be_promoted(tmp_path: Path) -> None:
    trained, test = train(material(0), order(tmp_path)), material(9)
    assert trained.head
    encoder = load_encoder(EMBEDDED, tmp_path, 1)
    assert np.allclose(trained.head.predict(encoder.encode(test.texts)), trained.predict(test.texts), atol=1e-4)


def test_labelled_texts_set_the_temperature_and_all_of_them_are_held_out(tmp_path: Path) -> None:
    bare, warm = train(material(0), order(tmp_path)), train(material(30), order(tmp_path))
    assert bare.head
    assert warm.head
    assert (bare.head.weights == warm.head.weights).all()
    assert warm.head.temperature != 1.0
    assert warm.head.calibration_error is not None
    assert warm.held_out.tolist() == list(range(30))
    assert warm.held_out_probs.shape == (30, 3)


def test_a_description_helps_a_name_that_says_nothing(tmp_path: Path) -> None:
    test = material(60)
    mute = replace(material(0), names=("a", "b", "c"))
    result = replace(mute, descriptions=("rain, storm and other weather", "bread and other food", "drums and music"))
    scores = [
        macro_f1(test.targets, decide(train(supplied, order(tmp_path)).predict(test.texts), several=False))
        for supplied in (mute, result)
    ]
    assert scores[1] > scores[0] + 0.2


@pytest.mark.parametrize("by", ["cosine", "nli"])
def test_a_template_without_a_slot_for_the_name_is_refused(tmp_path: Path, by: str) -> None:
    with pytest.raises(BadInput, match=r"has no \{\}"):
        train(material(0), order(tmp_path, f"by={by}", "template=This is about it."))


def test_braces_of_a_label_are_text(tmp_path: Path) -> None:
    odd = replace(material(0), names=("{0}", "{name}", "a {} b"))
    assert train(odd, order(tmp_path)).predict(["rain"]).shape == (1, 3)


@pytest.mark.parametrize("multi", [False, True])
def test_an_nli_model_classifies_but_is_no_head(tmp_path: Path, nli: Path, *, multi: bool) -> None:
    trained = train(material(12, multi=multi), order(tmp_path, "by=nli", f"base={nli}"))
    assert trained.head is None
    assert trained.encoder is None
    assert trained.held_out_probs.shape == (12, 3)
    sums = trained.predict(["rain", "bread and soup", ""]).sum(axis=1)
    assert np.allclose(sums, 1, atol=1e-5) != multi
    assert trained.predict([]).shape == (0, 3)
    assert str(nli) not in str(trained.info)


def test_entailment_is_scored_as_the_model_itself_scores_it(nli: Path) -> None:
    import torch

    reader = load_reader(str(nli), nli, 1)
    texts, sentence = ["the rain came", "bread", "one two three before the storm"], "this text is about rain"
    matches = reader.probabilities(texts, [sentence], against=False)
    for text, logit in zip(texts, matches[:, 0], strict=True):
        supplied = reader.loaded.tokenizer(text, sentence, return_tensors="pt")
        with torch.inference_mode():
            assert abs(float(reader.loaded.model(**supplied).logits[0, 0]) - logit) < 0.02


def test_the_best_of_a_labels_sentences_counts(tmp_path: Path, nli: Path) -> None:
    texts = ["rain", "the cake", "a song"]
    plain, result = (
        train(material(0, multi=True, descriptions=supplied), order(tmp_path, "by=nli", f"base={nli}")).predict(texts)
        for supplied in (("", "", ""), ("rain and storm", "", "the piano"))
    )
    assert (result >= plain - 1e-3).all()
    assert np.allclose(result[:, 1], plain[:, 1], atol=1e-3)


@pytest.mark.parametrize(
    "labels", [("entailment", "not_entailment"), ("ENTAILMENT", "contradiction"), ("no", "Entailed")]
)
def test_the_label_of_entailment_is_found(tmp_path: Path, labels: tuple[str, ...]) -> None:
    reader = load_reader(str(make_classifier(tmp_path / "model", labels)), tmp_path, 1)
    assert labels[reader.yes].lower().startswith("entail")
    assert reader.no == (1 - reader.yes,)


def test_a_model_without_entailment_is_refused_by_name(tmp_path: Path) -> None:
    base = make_classifier(tmp_path / "stars", ("one star", "two stars"))
    with pytest.raises(BadInput, match="no label of entailment; its labels are one star, two stars"):
        train(material(0), order(tmp_path, "by=nli", f"base={base}"))


@pytest.mark.parametrize("by", ["cosine", "nli"])
def test_a_model_that_cannot_be_had_is_reported_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(BadInput, match="There is no model"):
        train(material(0), order(tmp_path, f"by={by}", "base=nobody/has-this"))


vectors = st.integers(2, 6).flatmap(
    lambda labels: st.integers(0, 2**32 - 1).map(
        lambda seed: np.random.default_rng(seed).normal(size=(labels, 1, 8)).astype(np.float32)
    )
)


@given(vectors)
@settings(max_examples=50, deadline=None)
def test_a_labels_own_text_is_predicted_as_that_label(drawn: Floats) -> None:
    rows = drawn / np.linalg.norm(drawn, axis=2, keepdims=True)
    names = tuple(f"l{index}" for index in range(len(rows)))
    single = aim(list(rows), replace(material(0), labels=names))
    several = aim(list(rows), replace(material(0, multi=True), labels=names))
    assert (single.predict(rows[:, 0]).argmax(axis=1) == np.arange(len(rows))).all()
    assert (np.diag(several.predict(rows[:, 0])) >= 0.5).all()
