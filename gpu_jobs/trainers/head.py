"""The logistic head on the encoder as it is. Knows texts and vectors, no bundle."""

import time
from collections.abc import Sequence

import numpy as np

from core.arrays import Floats
from core.config.taxonomy import spoken
from core.models.encoders.loading import load_encoder
from core.models.heads.head import LabelledVectors, fit_head
from gpu_jobs.trainers.training import TrainedModel, TrainingRun, TrainingSet

PIECE = 512
"""texts between two reports"""


def train(material: TrainingSet, run: TrainingRun) -> TrainedModel:
    """Encodes the texts and fits: the same head as a round's, but without the pool's help. Seconds, no GPU."""
    started = time.monotonic()
    encoder = load_encoder(run.base, run.cache, run.threads)
    rows = []
    for first in range(0, len(material.texts), PIECE):
        rows.append(encoder.encode(material.texts[first : first + PIECE]))
        run.report(min(first + PIECE, len(material.texts)), len(material.texts) + 1)
    result = [spoken(f"{name} {more}") for name, more in zip(material.names, material.descriptions, strict=True)]
    names = encoder.encode(result) if run.values["label_names"] else None
    targets = material.targets.astype(np.float32)
    labelled_vectors = LabelledVectors(np.concatenate(rows), targets, material.labels, material.multi, names)
    head = fit_head(labelled_vectors, None, np.random.default_rng(run.seed))

    def judge(texts: Sequence[str]) -> Floats:
        return head.predict(encoder.encode(texts))

    return TrainedModel(
        predict=judge,
        head=head,
        encoder=None,
        held_out=np.empty(0, np.int64),
        held_out_probs=np.empty((0, len(material.labels)), np.float32),
        info={"base": run.base, "seconds_training": round(time.monotonic() - started, 3)},
    )
