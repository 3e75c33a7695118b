"""Models that are to be judged, and what each says of a chunk of records. Knows artifacts and arrays, no store."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.arrays import Bools, Floats, Ints
from core.models.artifacts import INFO, check_model, load_head
from core.models.encoders.loading import load_encoder
from core.models.heads.head import decide, predict
from core.models.out_of_fold import HeldOut, OutOfFold, read_crossed, read_held_out
from core.models.own_encoder import encoder_name, encoder_place, label_names
from core.models.vectors import encoded_rows, open_vectors
from core.training.trainers import read_values
from gpu_jobs.trainers.training import TrainingRun, TrainingSet

BASELINE = "baseline"
"""no model at all: texts against the names of the labels"""


@dataclass(frozen=True)
class Chunk:
    """Some records. labels: label ids of each, None where it has no label. rows: record numbers, None for a file's.
    stated: (n,) certainty that was kept of what heads said that had not seen a record, NaN where none was."""

    ids: list[str]
    texts: list[str]
    labels: list[list[str] | None]
    rows: Ints | None = None
    stated: npt.NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Predictions:
    """What a model says of a chunk. probs, said: (n, labels). known: (n,) False where the model learnt from the record,
    and only what heads that had not seen it decided is known; the probs of such a row mean nothing."""

    probs: Floats
    predicted: Bools
    known: Bools


@dataclass(frozen=True)
class EvaluatedModel:
    """A model to be judged. names: label id to what people call it. crossed: it kept what heads said that did not see
    the records that it learnt from, so all asked records can judge it."""

    name: str
    trainer: str
    labels: tuple[str, ...]
    names: Mapping[str, str]
    multi: bool
    guess: Callable[[Chunk], Predictions]
    crossed: bool = False


@dataclass(frozen=True)
class Place:
    """What models find around them. encoder: of the baseline. names: the labels by id, of the project or the file.
    bases: where the folders lie on this machine that models were made from, by model."""

    vectors: Path
    cache: Path
    threads: int
    encoder: str
    names: Mapping[str, str]
    descriptions: Mapping[str, str]
    multi: bool
    work: Path
    bases: Mapping[str, str]


def open_subject(name: str, folder: str | None, place: Place) -> EvaluatedModel:
    """The model in the folder, or the baseline where there is none. Raises Damaged, Refused or BadInput."""
    if folder is None:
        return _baseline(name, place)
    path = Path(folder)
    manifest = check_model(path)
    labels, multi = tuple(manifest["labels"]), manifest["multi"]
    names = (
        {label: label for label in labels}
        | label_names(path)
        | {label: known for label, known in place.names.items() if label in labels}
    )
    says = _from_texts(path, manifest, place)
    guess, crossed = _guesser(says, multi), read_crossed(path, len(labels))
    if judged := read_held_out(path, len(labels)):
        guess = _stored(judged, guess, multi)
    if crossed:
        guess = _crossed(crossed, guess)
    return EvaluatedModel(name, manifest["trainer"], labels, names, multi, guess, crossed is not None)


Says = Callable[[Chunk], Floats]


def _from_texts(folder: Path, manifest: Mapping[str, Any], place: Place) -> Says:
    if manifest["temperature"] is None:  # no head: it judges texts
        return _headless(folder, manifest, place)
    head, name = load_head(folder), encoder_name(folder, manifest)
    loaded: list[Any] = []

    def says(chunk: Chunk) -> Floats:
        if chunk.rows is not None and (chunk.rows < encoded_rows(place.vectors, name)).all():
            return predict(head, np.asarray(open_vectors(place.vectors, name)[chunk.rows], np.float32))
        if not loaded:  # not before it is needed: stored vectors may do
            loaded.append(load_encoder(encoder_place(folder, manifest), place.cache, place.threads))
        return predict(head, loaded[0].encode(chunk.texts))

    return says


def _headless(folder: Path, manifest: Mapping[str, Any], place: Place) -> Says:
    """Entailment by the model that the artifact names, which is not in it."""
    labels = tuple(manifest["labels"])
    values = json.loads((folder / INFO).read_text(encoding="utf-8"))["values"]
    values = {**values, "base": place.bases.get(folder.name, values["base"])}
    loaded: list[Callable[[Sequence[str]], Floats]] = []

    def says(chunk: Chunk) -> Floats:
        if not loaded:
            loaded.append(_zeroshot(values, labels, {**place.names, **label_names(folder)}, manifest["multi"], place))
        return loaded[0](chunk.texts)

    return says


def _baseline(name: str, place: Place) -> EvaluatedModel:
    labels = tuple(place.names)
    judge = _zeroshot({"base": place.encoder}, labels, place.names, place.multi, place)
    guess = _guesser(lambda chunk: judge(chunk.texts), place.multi)
    return EvaluatedModel(name, "zeroshot", labels, place.names, place.multi, guess)


def _zeroshot(
    values: Mapping[str, Any], labels: tuple[str, ...], names: Mapping[str, str], multi: bool, place: Place
) -> Callable[[Sequence[str]], Floats]:
    """As the trainer of that name judges, without a label to learn from."""
    from gpu_jobs.trainers.zeroshot import train

    spoken = tuple(names.get(label, label) for label in labels)
    described = tuple(place.descriptions.get(label, "") for label in labels)
    nothing = TrainingSet([], np.zeros((0, len(labels)), np.bool_), labels, spoken, described, multi)
    place.work.mkdir(parents=True, exist_ok=True)
    run = TrainingRun(
        values={**read_values("zeroshot", []), **values},
        base=place.encoder,
        cache=place.cache,
        work=place.work,
        checkpoints=place.work,
        seed=0,
        threads=place.threads,
        report=lambda done, total, **figures: None,
    )
    return train(nothing, run).predict


def _guesser(says: Says, multi: bool) -> Callable[[Chunk], Predictions]:
    def predict(chunk: Chunk) -> Predictions:
        probs = says(chunk)
        return Predictions(probs, decide(probs, multi), np.ones(len(probs), np.bool_))

    return predict


def _stored(judged: HeldOut, guess: Callable[[Chunk], Predictions], multi: bool) -> Callable[[Chunk], Predictions]:
    """What a trained model said of gold and audit records when it was made need not be asked again."""

    def stored_or_guessed(chunk: Chunk) -> Predictions:
        there = np.isin(chunk.rows, judged.rows) if chunk.rows is not None else np.zeros(len(chunk.texts), np.bool_)
        if chunk.rows is None or not there.any():
            return guess(chunk)
        probs = np.empty((len(chunk.texts), judged.probs.shape[1]), np.float32)
        probs[there] = judged.probs[np.searchsorted(judged.rows, chunk.rows[there])]
        if not there.all():
            probs[~there] = guess(part_of(chunk, ~there)).probs
        return Predictions(probs, decide(probs, multi), np.ones(len(probs), np.bool_))

    return stored_or_guessed


def _crossed(retained: OutOfFold, guess: Callable[[Chunk], Predictions]) -> Callable[[Chunk], Predictions]:
    """Of what the model learnt from, the verdicts that it kept."""

    def kept_or_guessed(chunk: Chunk) -> Predictions:
        result = guess(chunk)
        if chunk.rows is None:
            return result
        seen = np.isin(chunk.rows, retained.rows)
        predicted = result.predicted.copy()
        predicted[seen] = retained.predicted[np.searchsorted(retained.rows, chunk.rows[seen])]
        return replace(result, predicted=predicted, known=~seen)

    return kept_or_guessed


def part_of(chunk: Chunk, retained: Bools) -> Chunk:
    """The records where `kept` is True."""
    places = np.flatnonzero(retained).tolist()
    return Chunk(
        ids=[chunk.ids[place] for place in places],
        texts=[chunk.texts[place] for place in places],
        labels=[chunk.labels[place] for place in places],
        rows=None if chunk.rows is None else chunk.rows[retained],
        stated=None if chunk.stated is None else chunk.stated[retained],
    )


def some_of(guesses: Predictions, retained: Bools) -> Predictions:
    """Those where `kept` is True."""
    return Predictions(guesses.probs[retained], guesses.predicted[retained], guesses.known[retained])
