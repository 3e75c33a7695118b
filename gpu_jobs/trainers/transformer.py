"""Fine-tuning a whole classifier, and a head on the input of its last layer. Knows texts and labels, no bundle."""

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.arrays import Floats, Ints, unit_rows
from core.errors import Refused, Unreachable
from core.models.encoders.encoder import EMBEDDED
from core.models.encoders.feature_encoder import FeatureEncoder, load_feature_encoder, mark_features
from core.models.heads.head import Head, LabelledVectors
from core.training.trainers import TRAINERS
from gpu_jobs.trainers.calibrated_fit import calibrated, fit_on_split, log_loss, part_of
from gpu_jobs.trainers.classifier import Practice, figures, fine_tune
from gpu_jobs.trainers.memory import memory_limit
from gpu_jobs.trainers.pretrained import find_model, last_layer, load_classifier
from gpu_jobs.trainers.probing import check_training_set
from gpu_jobs.trainers.splitting import hold_out, split
from gpu_jobs.trainers.trainer_types import TrainedModel, TrainingRun, TrainingSet


def train(training_set: TrainingSet, run: TrainingRun) -> TrainedModel:
    """The fine-tuned classifier as an encoder, with a head in place of its last layer.

    The folder stays a classifier that transformers loads as well. info has both scores on the held-out texts, to show
    the cost of the exchange. Devlin et al. 2019. Raises BadInput for a base that is no classifier.
    """
    from transformers import set_seed

    with memory_limit(run.values["max_memory_mb"]):
        check_training_set(training_set)
        started, values = time.monotonic(), run.values
        train_rows, held_out = choose_rows(training_set, values, run.seed)
        base, where, note = choose_base(run)
        set_seed(run.seed)
        loaded = load_classifier(where, values["max_length"], training_set.names, multi=training_set.multi)
        layer, dims = last_layer(loaded)
        probs, result = fine_tune(loaded, Practice(training_set, train_rows, held_out), run)
        folder = run.work / "encoder"
        loaded.model.save_pretrained(folder)
        loaded.tokenizer.save_pretrained(folder)
        mark_features(folder, layer, dims, loaded.longest)
        del loaded
        info = {"base": Path(base).name if Path(base).is_dir() else base, "layer": layer, "dims": dims, **result}
        info |= {"taught": len(train_rows), "seconds_training": round(time.monotonic() - started, 3)}
        info |= {"note": note} if note else {}
        if len(held_out):
            info["classifier"] = figures(training_set.targets[held_out], probs, training_set.multi)
        return _with_head(training_set, run, (train_rows, held_out), info)


def choose_base(run: TrainingRun) -> tuple[str, Path, str]:
    """(name, folder, note) of the model to start from: the embedded one, and why, where the usual one cannot be
    fetched.

    Raises BadInput for one that a person named and that is not there.
    """
    base = str(run.values["base"]) or run.base
    try:
        return base, find_model(base, run.cache), ""
    except Unreachable:
        if base != TRAINERS["transformer"].parameters["base"].default:
            raise
    note = f"{base} could not be fetched without a network, so training started from {EMBEDDED}, which is smaller."
    sys.stderr.write(note + "\n")
    return EMBEDDED, find_model(EMBEDDED, run.cache), note


def choose_rows(training_set: TrainingSet, values: Mapping[str, Any], seed: int) -> tuple[Ints, Ints]:
    """(training rows, held-out rows); both come from the sample where the training set is downsampled."""
    rng = np.random.default_rng(seed)
    rows, requested = np.arange(len(training_set.texts)), values["downsample"]
    if requested and requested < len(rows):
        rows, _ = split(training_set.texts, training_set.targets, 1 - requested / len(rows), rng)
    return hold_out(training_set, rows, values["test_size"], rng, values["fewest_held_out"])


def _with_head(
    training_set: TrainingSet, run: TrainingRun, parts: tuple[Ints, Ints], info: dict[str, Any]
) -> TrainedModel:
    """The head is the better of two by their log loss on the held-out texts: a logistic one, and the model's own layer.

    From few labels the first is far better, from a thousand the second can be (davidson_hate: .74 against .70).
    """
    rows, held_out = np.union1d(*parts), parts[1]
    encoder = load_feature_encoder(run.work / "encoder", run.threads)
    features = encoder.features([training_set.texts[row] for row in rows.tolist()])
    if not np.isfinite(features).all():
        rate = run.values["learning_rate"]
        raise Refused(f"Training went astray: with learning_rate={rate:g} the model ends in NaN. Take a tenth of it.")
    labelled_vectors = LabelledVectors(
        unit_rows(features), training_set.targets[rows].astype(np.float32), training_set.labels, training_set.multi
    )
    out = np.isin(rows, held_out)
    head, probs = fit_on_split(labelled_vectors, out)
    info["head"] = "logistic"
    if len(held_out):
        info["features"] = figures(training_set.targets[held_out], probs, training_set.multi)
        unseen = part_of(labelled_vectors, out)
        own = calibrated(_own_layer(encoder, features, labelled_vectors), unseen)
        predicted = own.predict(unseen.vectors)
        if log_loss(predicted, unseen.targets, labelled_vectors.multi) < log_loss(
            probs, unseen.targets, labelled_vectors.multi
        ):
            head, probs, info["head"] = own, predicted, "own layer"

    def predict_texts(texts: Sequence[str]) -> Floats:
        return head.predict(encoder.encode(texts))

    return TrainedModel(predict_texts, head, run.work / "encoder", held_out, probs, info)


def _own_layer(encoder: FeatureEncoder, features: Floats, labelled_vectors: LabelledVectors) -> Head:
    """The model's last layer as a head of unit vectors: its weights times the mean length of the features."""
    length = np.float32(np.linalg.norm(features, axis=1).mean())
    weights = encoder.layer.weight.detach().float().cpu().numpy() * length
    bias = encoder.layer.bias
    level = np.zeros(len(weights), np.float32) if bias is None else bias.detach().float().cpu().numpy()
    return Head(weights, level, 1.0, labelled_vectors.labels, labelled_vectors.multi)
