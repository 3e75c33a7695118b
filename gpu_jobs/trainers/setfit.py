"""Few labels: pull texts of one label together and others apart, then fit a head. Knows texts and labels, no bundle.

Tunstall et al. 2022 (SetFit), on sentence-transformers' own trainer: with hard negatives, and a head that is no pickle.
"""

import time
from typing import Any

import numpy as np

from core.arrays import Bools, Ints
from core.errors import BadInput
from core.models.heads.head import Head, fit_uncalibrated
from gpu_jobs.trainers.bases import find_base, open_base, save_encoder
from gpu_jobs.trainers.fine_tuning import FitConfig, Outcome, Phase, TrainingBatches, count_steps, fine_tune, shuffled
from gpu_jobs.trainers.losses import make_classifier, match_cosines, part_triplets
from gpu_jobs.trainers.memory import memory_limit
from gpu_jobs.trainers.pairs import Hard, Pairs, Plan, check_plan, count_pairs, make_pairs, make_triplets, mine
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

JUDGED = 2  # pairs of each kind per held-out record, for the loss on them


def train(material: TrainingSet, run: TrainingRun) -> TrainedModel:
    """An encoder taught by pairs or triplets, and a head on it, calibrated on texts that the encoder has not learnt.

    Raises Refused for too few labels, too many pairs or too little memory, BadInput for a base that is no encoder or
    for hard_labels that do not exist or want no hard negatives.
    """
    started, values = time.monotonic(), run.values
    check_material(material)
    parts = choose_rows(material, run)
    anchors = find_anchors(material, parts.taught, str(values["hard_labels"]))
    check_plan(material.targets[parts.taught], _plan(run), 0, triplets=values["loss"] == "triplet")
    base, folder = find_base(run)
    with memory_limit(values["max_memory_mb"]):
        model = open_base(folder, run)
        hard = _mine(model, material, parts.taught, anchors, run)
        drill = make_drill(material, run, parts, hard)
        linear, outcomes = _fine_tune(model, material, run, parts, drill)
        save_encoder(model, run.work / "encoder")
        trained = finish(material, run, parts, linear)
    counted = {"triplets" if drill.rows.shape[1] == 3 else "pairs": drill.taught, "hard_negatives": len(hard.anchors)}
    facts = {"base": base, **counted, "seconds_training": round(time.monotonic() - started, 3)}
    return training_info(trained, material, parts, outcomes, facts)


def find_anchors(material: TrainingSet, rows: Ints, requested: str) -> Ints:
    """Places in `rows` of the records with one of the labels wanted: names or ids, comma-separated; all where ''.

    Raises BadInput for a label that there is not.
    """
    chosen = np.zeros(len(material.labels), np.bool_)
    for word in (word.strip() for word in requested.split(",") if word.strip()):
        matches = [
            number for number, known in enumerate(zip(material.labels, material.names, strict=True)) if word in known
        ]
        if not matches:
            raise BadInput(f"hard_labels names {word!r}, but the labels are {', '.join(material.names)}.")
        chosen[matches] = True
    if not chosen.any():
        return np.arange(len(rows))
    return np.flatnonzero(material.targets[rows][:, chosen].any(axis=1))


def make_drill(material: TrainingSet, run: TrainingRun, parts: Parts, hard: Hard) -> TrainingBatches:
    """The pairs or triplets of what teaches, then some of what is held out."""
    rng, triplets = np.random.default_rng(run.seed), run.values["loss"] == "triplet"
    make = _triplets if triplets else _pairs
    rows, marks = make(material.targets[parts.taught], _plan(run), hard, rng)
    retained, taught = [(parts.taught[rows], marks)], len(rows)
    unseen = material.targets[parts.held_out]
    if len(unseen) and all(count_pairs(unseen)):
        rows, marks = make(unseen, Plan(JUDGED, len(unseen) * 4), NO_HARD, rng)
        retained.append((parts.held_out[rows], marks))
    every, result = (np.concatenate(column) for column in zip(*retained, strict=True))
    return TrainingBatches(every, result, taught, part_triplets if triplets else match_cosines, shuffled(taught))


def _fine_tune(
    model: Any, material: TrainingSet, run: TrainingRun, parts: Parts, drill: TrainingBatches
) -> tuple[Head | None, dict[str, Outcome]]:
    """The encoder by pairs; then, if asked for, together with a linear layer."""
    probe = make_probe(material, parts, run.seed)
    steps = count_steps(drill.taught, run.values)
    if run.values["head"] == "logistic":
        return None, {"pairs": fine_tune(model, material.texts, drill, FitConfig(run, Phase("pairs", 0, steps), probe))}
    total = steps + count_steps(len(parts.taught), run.values)
    first = fine_tune(model, material.texts, drill, FitConfig(run, Phase("pairs", 0, total), probe))
    start = fit_uncalibrated(lesson_of(material, parts.taught, encode(model, material, parts.taught)), None)
    layer = make_classifier(start, material.targets[parts.taught])
    rows = np.concatenate([parts.taught, parts.held_out])
    marks = material.targets[rows].astype(np.float32)
    texts = TrainingBatches(rows[:, None], marks, len(parts.taught), layer, shuffled(len(parts.taught)))
    course = FitConfig(run, Phase("layer", steps, total), make_probe(material, parts, run.seed, layer.head))
    second = fine_tune(model, material.texts, texts, course)
    return layer.head(), {"pairs": first, "layer": second}


def _plan(run: TrainingRun) -> Plan:
    values = run.values
    return Plan(*(int(values[name]) for name in ("iterations", "max_pairs", "oversampling", "samples_per_label")))


def _mine(model: Any, material: TrainingSet, rows: Ints, anchors: Ints, run: TrainingRun) -> Hard:
    k = int(run.values["hard_negatives"])
    if not k and run.values["hard_labels"]:
        raise BadInput("hard_labels says whose hard negatives to take, but hard_negatives is 0. Set hard_negatives=2.")
    if not k:
        return NO_HARD
    vectors = encode(model, material, rows)
    return mine(vectors, material.targets[rows], anchors, k, float(run.values["min_similarity"]))


NO_HARD = Hard(np.empty(0, np.int64), np.empty(0, np.int64))


def _pairs(targets: Bools, plan: Plan, hard: Hard, rng: np.random.Generator) -> tuple[Ints, Any]:
    matches: Pairs = make_pairs(targets, plan, hard, rng)
    return np.stack([matches.left, matches.right], axis=1), matches.alike[:, None]


def _triplets(targets: Bools, plan: Plan, hard: Hard, rng: np.random.Generator) -> tuple[Ints, Any]:
    triplets = make_triplets(targets, plan, hard, rng)
    return np.stack([triplets.anchors, triplets.positives, triplets.negatives], axis=1), np.ones(
        (len(triplets.anchors), 1), np.float32
    )
