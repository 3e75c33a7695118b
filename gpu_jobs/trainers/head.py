"""The logistic head on the encoder as it is. Knows texts and vectors, no bundle."""

import time
from collections.abc import Sequence

import numpy as np

from core.arrays import Floats
from core.config.taxonomy import spoken
from core.models.encoders.loading import load_encoder
from core.models.heads.head import LabelledVectors, fit_head
from gpu_jobs.trainers.trainer_types import TrainedModel, TrainingRun, TrainingSet

PIECE = 512
"""texts between two reports"""


def train(training_set: TrainingSet, run: TrainingRun) -> TrainedModel:
    """Encodes the texts and fits: the same head as a round's, but without pseudo-labels. Seconds, no GPU."""
    started = time.monotonic()
    encoder = load_encoder(run.base, run.cache, run.threads)
    rows = []
    for first in range(0, len(training_set.texts), PIECE):
        rows.append(encoder.encode(training_set.texts[first : first + PIECE]))
        run.report(min(first + PIECE, len(training_set.texts)), len(training_set.texts) + 1)
    result = [
        spoken(f"{name} {more}") for name, more in zip(training_set.names, training_set.descriptions, strict=True)
    ]
    names = encoder.encode(result) if run.values["label_names"] else None
    targets = training_set.targets.astype(np.float32)
    labelled_vectors = LabelledVectors(np.concatenate(rows), targets, training_set.labels, training_set.multi, names)
    head = fit_head(labelled_vectors, None, np.random.default_rng(run.seed))

    def predict_texts(texts: Sequence[str]) -> Floats:
        return head.predict(encoder.encode(texts))

    return TrainedModel(
        predict=predict_texts,
        head=head,
        encoder=None,
        held_out=np.empty(0, np.int64),
        held_out_probs=np.empty((0, len(training_set.labels)), np.float32),
        info={"base": run.base, "seconds_training": round(time.monotonic() - started, 3)},
    )
