"""Zero-shot classification by label names, without labelled texts: by cosine or by entailment. Knows no bundle."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from core.arrays import Floats, unit_rows
from core.config.taxonomy import spoken
from core.errors import BadInput
from core.models.encoders.loading import load_encoder
from core.models.heads.head import FEWEST, Head, LabelledVectors
from core.models.heads.logistic import sigmoid, softmax
from gpu_jobs.trainers.calibrated_fit import calibrated
from gpu_jobs.trainers.entailment import NLI_MODEL, load_reader
from gpu_jobs.trainers.trainer_types import TrainedModel, TrainingRun, TrainingSet

SHARPNESS = 12.0
"""what a label's own text is ahead of another label's, as logits: near the least log loss on snips and hwu64"""

ENOUGH = 0.25
"""of what a label's own text reaches: from there on it is proposed, where several labels may hold"""

PIECE = 256
"""texts between two reports"""

MARK = "{}"


def train(training_set: TrainingSet, run: TrainingRun) -> TrainedModel:
    """The baseline that needs no label: each label's name in the template, and its description, against the texts.

    Labelled texts only set the temperature, so all of them are held out. Raises BadInput for a template without {},
    and for a base that is no model of the kind. By cosine it is a head on an encoder, by entailment it can only be
    evaluated.
    """
    template = str(run.values["template"])
    if MARK not in template:
        raise BadInput(
            f"The template {template[:80]!r} has no {MARK} for the label's name: 'This text is about {MARK}.'"
        )
    sentences = [
        [template.replace(MARK, spoken(name)), *([text] if (text := description.strip()) else [])]
        for name, description in zip(training_set.names, training_set.descriptions, strict=True)
    ]
    return _WAYS[str(run.values["by"])](training_set, run, sentences)


def _by_cosine(training_set: TrainingSet, run: TrainingRun, sentences: list[list[str]]) -> TrainedModel:
    started = time.monotonic()
    base = str(run.values["base"]) or run.base
    encoder = load_encoder(base, run.cache, run.threads)
    head = aim([encoder.encode(texts) for texts in sentences], training_set)
    vectors = encoder.encode(training_set.texts) if training_set.texts else np.empty((0, encoder.dims), np.float32)
    run.report(len(training_set.texts), len(training_set.texts))
    if len(vectors) >= FEWEST:
        targets = training_set.targets.astype(np.float32)
        head = calibrated(head, LabelledVectors(vectors, targets, training_set.labels, training_set.multi))

    def predict_texts(texts: Sequence[str]) -> Floats:
        return head.predict_each(encoder.encode_each(texts))

    info = {"base": _plain(base), "by": "cosine", "seconds_training": round(time.monotonic() - started, 3)}
    return TrainedModel(predict_texts, head, None, np.arange(len(vectors)), head.predict(vectors), info)


def aim(label_vectors: Sequence[Floats], training_set: TrainingSet) -> Head:
    """The head whose weights are the labels' vectors. label_vectors: for each label (texts, dims) unit rows, of which
    the mean is used.

    The mean over labels is subtracted: what all have in common (the template, the language) carries no information.
    Where several may hold, this raised macro F1 on library_sample_en from .30 to .39 at the best threshold.
    """
    rows = unit_rows(np.stack([vectors.mean(axis=0) for vectors in label_vectors]))
    centred = rows - rows.mean(axis=0) if len(rows) > 1 else rows
    own = (centred**2).sum(axis=1)
    scale = SHARPNESS * max(len(rows) - 1, 1) / max(float(own.sum()), 1e-6)  # the sum shrinks with few labels
    bias = -scale * ENOUGH * own if training_set.multi else np.zeros(len(rows))
    return Head(
        (scale * centred).astype(np.float32), bias.astype(np.float32), 1.0, training_set.labels, training_set.multi
    )


def _by_entailment(training_set: TrainingSet, run: TrainingRun, sentences: list[list[str]]) -> TrainedModel:
    """Yin et al. 2019: the labels' entailments against each other, or where several may hold against contradiction."""
    started = time.monotonic()
    base = str(run.values["base"]) or NLI_MODEL
    reader = load_reader(base, run.cache, run.threads)
    lines = [sentence for label in sentences for sentence in label]
    firsts = np.cumsum([0, *(len(label) for label in sentences)])[:-1]

    def predict_texts(texts: Sequence[str]) -> Floats:
        probs = [np.empty((0, len(sentences)), np.float32)]
        for first in range(0, len(texts), PIECE):
            scores = reader.probabilities(texts[first : first + PIECE], lines, against=training_set.multi)
            best = np.maximum.reduceat(scores, firsts, axis=1)  # of a label's sentences the best match
            probs.append(np.asarray((sigmoid if training_set.multi else softmax)(best), np.float32))
            run.report(min(first + PIECE, len(texts)), len(texts))
        return np.concatenate(probs)

    probs = predict_texts(training_set.texts)
    info = {"base": _plain(base), "by": "nli", "seconds_training": round(time.monotonic() - started, 3)}
    return TrainedModel(predict_texts, None, None, np.arange(len(training_set.texts)), probs, info)


def _plain(base: str) -> str:
    """A folder's name only: paths differ on other machines."""
    return Path(base).name if Path(base).is_dir() else base


_WAYS: dict[str, Callable[[TrainingSet, TrainingRun, list[list[str]]], TrainedModel]] = {
    "cosine": _by_cosine,
    "nli": _by_entailment,
}
