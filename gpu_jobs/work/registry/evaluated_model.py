"""Models to be scored, and how each predicts a chunk of records. Knows artifacts and arrays, no store."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.arrays import Bools, Floats, Ints, label_matrix
from core.models.artifacts import INFO, check_model, load_head
from core.models.encoders.encoder import Encoder
from core.models.encoders.loading import load_encoder
from core.models.out_of_fold import OutOfSamplePredictions, predict_unseen, read_stored
from core.models.own_encoder import encoder_name, encoder_source, label_names
from core.models.vectors import encoded_rows, open_vectors
from core.registry.evaluation_jobs import EvaluatedFolder, Setting
from core.registry.exported_model import is_export, open_export
from core.tasks.choice import decide
from core.training.trainers import read_values
from gpu_jobs.trainers.trainer_types import TrainingRun, TrainingSet

BASELINE = "baseline"
"""no model at all: texts against the names of the labels"""


@dataclass(frozen=True)
class Chunk:
    """Some records. labels: label ids of each, None where it has no label. rows: record numbers, None for a file's.
    stated: (n,) stored confidence of out-of-fold predictions, NaN where there is none."""

    ids: list[str]
    texts: list[str]
    labels: list[list[str] | None]
    rows: Ints | None = None
    stated: npt.NDArray[np.float64] | None = None


@dataclass(frozen=True)
class EvaluatedModel:
    """A model to be scored. names: label id to name. has_out_of_fold: it has out-of-fold predictions of its training
    records, so it can be scored on all asked records.
    """

    name: str
    trainer: str
    labels: tuple[str, ...]
    names: Mapping[str, str]
    multi: bool
    predict: Callable[[Chunk], OutOfSamplePredictions]
    has_out_of_fold: bool = False


def open_model(model: EvaluatedFolder, setting: Setting, work: Path) -> EvaluatedModel:
    """The model in the folder, or the baseline where there is none. work: a folder to work in. Raises Damaged, Refused
    or BadInput."""
    if model.folder is None:
        labels, multi = tuple(setting.names), setting.multi
        says = _zeroshot({"base": setting.encoder}, labels, setting, work)
        return EvaluatedModel(
            model.name, "zeroshot", labels, setting.names, multi, lambda chunk: _directly(says(chunk.texts), multi)
        )
    folder = Path(model.folder)
    if is_export(folder):
        return _exported(model.name, folder, setting)
    manifest = check_model(folder)
    labels, multi = tuple(manifest["labels"]), manifest["multi"]
    names = {label: label for label in labels} | label_names(folder)
    names |= {label: known for label, known in setting.names.items() if label in labels}
    headless = manifest["temperature"] is None  # it classifies texts, not vectors
    probabilities_of = (
        _headless(folder, manifest, setting, model.base, work) if headless else _from_vectors(folder, manifest, setting)
    )
    stored = read_stored(folder, label_matrix((), labels))

    def predict(chunk: Chunk) -> OutOfSamplePredictions:
        rows = chunk.rows
        if rows is None:
            return _directly(probabilities_of(chunk), multi)
        return predict_unseen(
            stored, rows, lambda probs: decide(probs, multi), lambda part: probabilities_of(part_of(chunk, part))
        )

    has_out_of_fold = stored.out_of_fold is not None
    return EvaluatedModel(model.name, manifest["trainer"], labels, names, multi, predict, has_out_of_fold)


def _directly(probs: Floats, multi: bool) -> OutOfSamplePredictions:
    return OutOfSamplePredictions(probs, decide(probs, multi), np.ones(len(probs), np.bool_))


Says = Callable[[Chunk], Floats]


def _from_vectors(folder: Path, manifest: Mapping[str, Any], setting: Setting) -> Says:
    head, name, vectors = load_head(folder), encoder_name(folder, manifest), Path(setting.vectors)
    loaded: list[Encoder] = []

    def says(chunk: Chunk) -> Floats:
        if chunk.rows is not None and (chunk.rows < encoded_rows(vectors, name)).all():
            return head.predict(np.asarray(open_vectors(vectors, name)[chunk.rows], np.float32))
        if not loaded:  # not before it is needed: stored vectors may suffice
            loaded.append(load_encoder(encoder_source(folder, manifest), vectors / "cache", setting.threads))
        return head.predict_each(loaded[0].encode_each(chunk.texts))

    return says


def _exported(name: str, folder: Path, setting: Setting) -> EvaluatedModel:
    """A model that was exported: its encoder lies beside its head, or is loaded by its name."""
    exported = open_export(folder)
    head, loaded = exported.head, list[Encoder]()

    def predict(chunk: Chunk) -> OutOfSamplePredictions:
        if not loaded:
            loaded.append(load_encoder(exported.encoder, Path(setting.vectors) / "cache", setting.threads))
        return _directly(head.predict_each(loaded[0].encode_each(chunk.texts)), head.multi)

    return EvaluatedModel(name, "export", head.labels, exported.names, head.multi, predict)


def _headless(folder: Path, manifest: Mapping[str, Any], setting: Setting, base: str, work: Path) -> Says:
    """Zero-shot entailment by the base model that the artifact names but does not contain."""
    values = json.loads((folder / INFO).read_text(encoding="utf-8"))["values"]
    values = {**values, "base": base or values["base"]}
    setting = replace(setting, names={**setting.names, **label_names(folder)}, multi=manifest["multi"])
    loaded: list[Callable[[Sequence[str]], Floats]] = []

    def says(chunk: Chunk) -> Floats:
        if not loaded:
            loaded.append(_zeroshot(values, tuple(manifest["labels"]), setting, work))
        return loaded[0](chunk.texts)

    return says


def _zeroshot(
    values: Mapping[str, Any], labels: tuple[str, ...], setting: Setting, work: Path
) -> Callable[[Sequence[str]], Floats]:
    """The zero-shot baseline: as the trainer of that name predicts, without training labels."""
    from gpu_jobs.trainers.zeroshot import train

    spoken = tuple(setting.names.get(label, label) for label in labels)
    described = tuple(setting.descriptions.get(label, "") for label in labels)
    nothing = TrainingSet([], np.zeros((0, len(labels)), np.bool_), labels, spoken, described, setting.multi)
    work.mkdir(parents=True, exist_ok=True)
    run = TrainingRun(
        values={**read_values("zeroshot", []), **values},
        base=setting.encoder,
        cache=Path(setting.vectors) / "cache",
        work=work,
        checkpoints=work,
        seed=0,
        threads=setting.threads,
        report=lambda done, total, **figures: None,
    )
    return train(nothing, run).predict


def part_of(chunk: Chunk, retained: Bools) -> Chunk:
    """The records where `retained` is True."""
    rows = np.flatnonzero(retained).tolist()
    return Chunk(
        ids=[chunk.ids[row] for row in rows],
        texts=[chunk.texts[row] for row in rows],
        labels=[chunk.labels[row] for row in rows],
        rows=None if chunk.rows is None else chunk.rows[retained],
        stated=None if chunk.stated is None else chunk.stated[retained],
    )


def some_of(predictions: OutOfSamplePredictions, retained: Bools) -> OutOfSamplePredictions:
    """Those where `retained` is True."""
    return OutOfSamplePredictions(
        predictions.outputs[retained], predictions.predicted[retained], predictions.known[retained]
    )
