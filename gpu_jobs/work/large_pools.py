"""What a round does otherwise where the pool has millions: predictions on demand, a part of it to choose from.

Knows arrays and a bundle, no store. Up to LARGE candidates nothing here takes part.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np

from core.arrays import Floats, Ints
from core.models.heads.kind import FittedHead
from core.models.vectors import LISTS, lists_name
from core.sampling.batch import ChosenBatch
from core.sampling.pool import Pool
from core.sampling.subpool import LARGE, Candidates, SubpoolSize, subpool, uniform_subpool
from core.sampling.uncertainty import score
from core.sampling.vector_lists import VectorLists, extend_lists, make_lists, read_lists, write_lists
from core.tasks.task import AnswerSpace, Predictions

BY_DOUBT = ("default", "least_confidence", "margin", "entropy", "badge", "margin_kmeans")
"""strategies that look for what the model is unsure of; for others the part is drawn uniformly"""
AT_ONCE = 1_000_000
"""records whose predictions are held together"""


@dataclass(frozen=True)
class OutputsOnDemand:
    """(records, width) outputs of a head, predicted when they are asked for: of ten million there is no room for all.

    It takes the index of an array along the records, and is given where an array of outputs is.
    """

    head: FittedHead
    vectors: Floats

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, records: slice | Ints) -> Floats:
        if isinstance(records, slice):
            return self.head.predict(self.vectors[records])
        return self.head.predict(self.vectors, np.asarray(records))

    def __array__(self, dtype: object = None, copy: bool | None = None) -> Floats:
        return self[:]


def predict_pool(space: AnswerSpace, head: FittedHead, vectors: Floats) -> Predictions:
    """For every record; of very many when they are asked for."""
    if len(vectors) <= LARGE:
        return Predictions(space, head.predict(vectors))
    return Predictions(space, cast(Floats, OutputsOnDemand(head, vectors)))


def parts_of(predictions: Predictions) -> Iterator[tuple[int, Predictions]]:
    """(first record, predictions of it and those behind it): all in one where they are held already."""
    if not isinstance(cast(object, predictions.outputs), OutputsOnDemand):
        yield 0, predictions
        return
    for start in range(0, len(predictions), AT_ONCE):
        yield start, replace(predictions, outputs=predictions.outputs[start : start + AT_ONCE])


@dataclass(frozen=True)
class Narrowed:
    """The rows that a strategy chooses from, and those that only the audit may draw. uniform: those of `rows` that
    stand for the whole pool; None where `rows` is the whole pool."""

    rows: Ints
    audit_only: Ints
    uniform: Ints | None = None

    def tested(self, pool: Pool, batch: ChosenBatch) -> Pool:
        """What the batch is to be compared with: a pool of which it holds no more than chance would."""
        if self.uniform is None:
            return pool
        keep = np.isin(pool.rows, np.concatenate([self.uniform, batch.rows]))
        positions = np.flatnonzero(keep)
        predictions = pool.predictions and pool.predictions.take(positions)
        return replace(pool, rows=pool.rows[positions], predictions=predictions)


@dataclass(frozen=True)
class PoolRows:
    """Record numbers, ascending. machine: labelled by a model alone. labelled: by people."""

    pool: Ints
    machine: Ints
    labelled: Ints


def narrow(
    vectors: Floats, rows: PoolRows, predictions: Predictions | None, chosen_by: tuple[str, int], folder: Path
) -> Narrowed:
    """The whole pool where it is small enough. chosen_by: strategy and seed. folder: of the vectors, where the lists of
    like ones are kept from round to round."""
    if len(rows.pool) <= LARGE:
        return Narrowed(rows.pool, rows.machine)
    strategy, seed = chosen_by
    rng, size = np.random.default_rng([seed, len(rows.labelled)]), SubpoolSize()
    candidates = Candidates(rows.pool, rows.labelled, len(vectors))
    cold = predictions is None or len(rows.labelled) < predictions.space.cold
    if predictions is None or cold or strategy not in BY_DOUBT:
        part = uniform_subpool(candidates, size.uniform, rng)
    else:
        scored = predictions
        part = subpool(candidates, open_lists(folder, vectors), lambda some: score(scored.take(some)), size, rng)
    return Narrowed(part.rows, np.concatenate([part.beyond, rows.machine]), part.uniform)


def open_lists(folder: Path, vectors: Floats) -> VectorLists:
    """Those in the encoder's folder, with the rows that came since; or made anew, once: as long as reading all vectors
    and a few products with each."""
    path, name = folder / LISTS, lists_name(folder)
    lists = read_lists(path, name)
    if lists is not None and len(lists.list_of) == len(vectors):
        return lists
    grown = lists is not None and len(lists.list_of) < len(vectors)
    lists = extend_lists(lists, vectors) if lists and grown else make_lists(vectors, np.random.default_rng(0))
    write_lists(path, name, lists)
    return lists
