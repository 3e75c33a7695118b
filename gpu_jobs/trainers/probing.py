"""Probing of a fine-tuned encoder: a head on its vectors, scored on held-out texts. Knows no losses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from core.arrays import Floats, Ints, unit_rows
from core.errors import Refused
from core.evaluation.scores import macro_f1
from core.models.encoders.encoder import without_surrogates
from core.models.encoders.int8 import OWN_PEAKS, write_peaks
from core.models.encoders.loading import load_encoder
from core.models.heads.head import LabelledVectors
from core.tasks.choice import decide
from gpu_jobs.trainers.calibrated_fit import Fit, fit_on_split, fit_plain
from gpu_jobs.trainers.callbacks import Probe
from gpu_jobs.trainers.memory import peak_memory_mb
from gpu_jobs.trainers.splitting import hold_out
from gpu_jobs.trainers.trainer_types import TrainedModel, TrainingRun, TrainingSet

MOST = 2_000  # texts that a probe encodes of each side
TIE = 1e-3  # a macro F1 of a handful of texts moves in steps: log loss decides between equal ones
EACH = 2  # records that a label needs before it can be learnt
COMPARED = 64  # texts by which the 8-bit encoder is held to the exact one
ALIKE = 0.98  # mean cosine below which it is not used: unlike texts differ by tenths


@dataclass(frozen=True)
class Parts:
    """Rows of the training set. train_rows: the encoder trains on them; held_out: it does not."""

    train_rows: Ints
    held_out: Ints


def check_training_set(training_set: TrainingSet) -> None:
    """Raises Refused where fewer than two labels are used, or none where several may hold."""
    counts = training_set.targets.sum(axis=0)
    enough, needed = int((counts >= EACH).sum()), 1 if training_set.multi else 2
    if enough < needed:
        result = ", ".join(f"{name} {count}" for name, count in zip(training_set.names, counts, strict=True) if count)
        raise Refused(
            f"Fine-tuning needs {needed} label{'s' if needed > 1 else ''} with {EACH} records each, but there are: "
            f"{result or 'no labelled records'}. Label more first."
        )


def choose_rows(training_set: TrainingSet, run: TrainingRun, most: int = 0) -> Parts:
    """The split by `test_size`, or as declared, and of the training rows at most so many of each label; 0: all."""
    rng = np.random.default_rng(run.seed)
    share, fewest = run.values["test_size"], run.values["fewest_held_out"]
    train_rows, held_out = hold_out(training_set, np.arange(len(training_set.texts)), share, rng, fewest)
    if most:
        order = rng.permutation(train_rows)
        numbers = np.cumsum(training_set.targets[order], axis=0)  # running number of each record within its labels
        train_rows = np.sort(order[(training_set.targets[order] & (numbers <= most)).any(axis=1)])
    return Parts(train_rows, held_out)


def encode(model: Any, training_set: TrainingSet, rows: Ints) -> Floats:
    """(rows, dims) unit vectors by the model in its present state."""
    texts = [without_surrogates(training_set.texts[row]) for row in rows]
    vectors = np.asarray(model.encode(texts, show_progress_bar=False, convert_to_numpy=True), np.float32)
    if not np.isfinite(vectors).all():
        raise Refused("Training went astray: the vectors are no numbers any more. Set learning_rate to a tenth of it.")
    return unit_rows(vectors)


def labelled_vectors_of(training_set: TrainingSet, rows: Ints, vectors: Floats) -> LabelledVectors:
    """Training data of a head from these rows."""
    return LabelledVectors(
        vectors, training_set.targets[rows].astype(np.float32), training_set.labels, training_set.multi
    )


def make_probe(training_set: TrainingSet, parts: Parts, seed: int) -> Probe | None:
    """A head fitted on the training texts, scored on those held out; None: there are none."""
    if not len(parts.held_out):
        return None
    train_rows, held_out = _some(parts.train_rows, seed), _some(parts.held_out, seed)
    truth = training_set.targets[held_out]

    def probe(model: Any) -> dict[str, float]:
        head = fit_plain(labelled_vectors_of(training_set, train_rows, encode(model, training_set, train_rows)))
        probs = head.predict(encode(model, training_set, held_out))
        predicted = decide(probs, training_set.multi)
        score, accuracy = macro_f1(truth, predicted), float((truth == predicted).all(axis=1).mean())
        sure = float(np.where(truth, probs, 1 - probs).mean())
        return {"macro_f1": score, "accuracy": accuracy, "score": score + TIE * sure}

    return probe


def finish(training_set: TrainingSet, run: TrainingRun, parts: Parts, fit: Fit = fit_plain) -> TrainedModel:
    """The encoder as the loop will load it from `run.work/encoder`, with a head on all records, calibrated.

    The info is the caller's.
    """
    folder = run.work / "encoder"
    quicken(folder, training_set, run)
    encoder = load_encoder(str(folder), run.cache, run.threads)
    rows = np.arange(len(training_set.texts))
    labelled_vectors = labelled_vectors_of(training_set, rows, encoder.encode(list(training_set.texts)))
    head, probs = fit_on_split(labelled_vectors, np.isin(rows, parts.held_out), fit)

    def predict_texts(texts: Sequence[str]) -> Floats:
        return head.predict(encoder.encode(texts))

    return TrainedModel(predict_texts, head, folder, parts.held_out, probs, {})


def quicken(folder: Path, training_set: TrainingSet, run: TrainingRun) -> None:
    """Has the encoder run as the embedded one does, in 8 bits, where its vectors stay what they were.

    The ranges are measured over the pool's texts; without any over those that it was trained on.
    """
    texts = [without_surrogates(text) for text in training_set.pool or training_set.texts]
    exact = load_encoder(str(folder), run.cache, run.threads)
    if not write_peaks(folder, texts, np.random.default_rng(run.seed)):
        return
    some = texts[:COMPARED]
    quick = load_encoder(str(folder), run.cache, run.threads)
    if float((exact.encode(some) * quick.encode(some)).sum(axis=1).mean()) < ALIKE:
        (folder / OWN_PEAKS).unlink()


def training_info(
    trained: TrainedModel, training_set: TrainingSet, parts: Parts, before: float | None, facts: Mapping[str, Any]
) -> TrainedModel:
    """Adds counts, steps, memory and macro F1 on the texts held out, for a person to read.

    before: that of the base, None where nothing is held out. facts: best_step among them, 0 for the base.
    """
    import torch

    from core.models.encoders.torch_encoder import multiplies_bfloat16

    result: dict[str, Any] = {
        "taught": len(parts.train_rows),
        "held_out": len(parts.held_out),
        "precision": "bfloat16" if multiplies_bfloat16() else "float32",
        "device": "cuda" if torch.cuda.is_available() else "cpu",
        "peak_memory_mb": peak_memory_mb(),
    }
    if before is None:
        result["note"] = (
            "No texts were held out (there would be less than fewest_held_out, or test_size is 0): training ran to its "
            "end, and the probabilities are not calibrated."
        )
    else:
        after = macro_f1(training_set.targets[parts.held_out], decide(trained.held_out_probs, training_set.multi))
        result["held_out_macro_f1"] = {"before": round(before, 4), "after": round(after, 4)}
        if not facts["best_step"]:
            result["note"] = "No checkpoint did better on the texts held out than the base: the encoder is unchanged."
    return replace(trained, info={**facts, **result})


def _some(rows: Ints, seed: int) -> Ints:
    if len(rows) <= MOST:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, MOST, replace=False))
