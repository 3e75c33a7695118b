"""Teaches an encoder the labels, text by text: for all the labels there are. Knows texts and labels, no bundle."""

import time
from typing import Any

import numpy as np

from core.arrays import Bools, Ints
from core.models.heads.head import fit_uncalibrated
from gpu_jobs.trainers.bases import find_base, open_base, save_encoder
from gpu_jobs.trainers.fine_tuning import FitConfig, Phase, TrainingBatches, count_steps, fine_tune, shuffled
from gpu_jobs.trainers.losses import contrast_batch, make_classifier, part_hardest
from gpu_jobs.trainers.memory import memory_limit
from gpu_jobs.trainers.pairs import interleave
from gpu_jobs.trainers.probing import (
    Parts,
    check_material,
    choose_rows,
    encode,
    finish,
    lesson_of,
    make_probe,
    training_info,
)
from gpu_jobs.trainers.training import TrainedModel, TrainingRun, TrainingSet

IN_BATCH = {"triplet": part_hardest, "contrastive": contrast_batch}
"""losses that find their pairs among the texts of a batch"""


def train(material: TrainingSet, run: TrainingRun) -> TrainedModel:
    """The encoder with a logistic head on it, calibrated on texts that the encoder has not learnt from.

    Raises Refused for too few labels or too little memory, BadInput for a base that is no encoder.
    """
    started, values = time.monotonic(), run.values
    check_material(material)
    parts = choose_rows(material, run)
    base, folder = find_base(run)
    with memory_limit(values["max_memory_mb"]):
        model = open_base(folder, run)
        drill = make_drill(model, material, run, parts)
        stage = Phase("texts", 0, count_steps(drill.taught, values))
        course = FitConfig(run, stage, make_probe(material, parts, run.seed))
        outcome = fine_tune(model, material.texts, drill, course)
        save_encoder(model, run.work / "encoder")
        trained = finish(material, run, parts, None)
    facts = {"base": base, "texts": drill.taught, "seconds_training": round(time.monotonic() - started, 3)}
    return training_info(trained, material, parts, {"texts": outcome}, facts)


def make_drill(model: Any, material: TrainingSet, run: TrainingRun, parts: Parts) -> TrainingBatches:
    """The texts that teach, those of small labels repeated if so asked, then those held out."""
    taught = parts.taught
    if run.values["oversample"]:
        taught = taught[repeat_small(material.targets[taught], np.random.default_rng(run.seed))]
    rows = np.concatenate([taught, parts.held_out])
    marks, targets = material.targets[rows].astype(np.float32), material.targets[taught]
    if run.values["loss"] in IN_BATCH:
        together = int(run.values["samples_per_label"])
        objective = IN_BATCH[run.values["loss"]]
        return TrainingBatches(
            rows[:, None], marks, len(taught), objective, lambda rng: interleave(targets, rng, together)
        )
    start = fit_uncalibrated(lesson_of(material, parts.taught, encode(model, material, parts.taught)), None)
    return TrainingBatches(rows[:, None], marks, len(taught), make_classifier(start, None), shuffled(len(taught)))


def repeat_small(targets: Bools, rng: np.random.Generator) -> Ints:
    """(m,) rows, each at least once; those of small labels again by lot until each label has as many as the largest."""
    rows = np.arange(len(targets))
    counts = targets.sum(axis=0)
    for label in np.argsort(counts, kind="stable"):
        missing = int(counts.max() - targets[rows, label].sum())
        own = np.flatnonzero(targets[:, label])
        if missing > 0 and len(own):
            rows = np.concatenate([rows, np.resize(rng.permutation(own), missing)])
    return rows
