"""Looking for labels that hardly any record has yet. Knows a pool and how many records each label has, no names.

Doubt does not find them: a model that has seen one record of a label is sure that there are no more.
"""

import numpy as np

from core.arrays import Floats, Ints
from core.sampling.pool import Pool

FEW = 5  # records below which a label is looked for
SHARE = 1 / 3  # of a batch that may go to such labels
PATIENCE = 20  # labelled records per label, after which a label that is still rare gets one record of a batch
CHUNK = 8192


def likeliest_of_rare(pool: Pool, n: int, rng: np.random.Generator) -> Ints:
    """At most a third of n rows: the likeliest records of labels with fewer than FEW, the rarest labels first, in turn.

    A label gets as many as it lacks, or one where so much is labelled that there may be no more of it. None without a
    model, or where the counts are not of its labels.
    """
    counts, predictions = pool.label_counts, pool.predictions
    room = int(n * SHARE)
    if predictions is None or counts is None or not room or len(counts) != predictions.outputs.shape[1]:
        return np.empty(0, np.int64)
    rare = rng.permutation(np.flatnonzero(counts < FEW))
    rare = rare[np.argsort(counts[rare], kind="stable")]
    impatient = len(pool.labelled) > PATIENCE * len(counts)
    lacking = np.ones(len(rare), np.int64) if impatient else FEW - counts[rare]
    best = _best_positions(predictions.outputs, rare, min(room, 2 * FEW, len(pool.rows)))
    chosen: dict[int, None] = {}
    for turn in range(FEW):
        for label in np.flatnonzero(lacking > turn):
            fresh = next((row for row in best[:, label].tolist() if row not in chosen), None)
            if fresh is not None and len(chosen) < room:
                chosen[fresh] = None
    return pool.rows[np.fromiter(chosen, np.int64, len(chosen))]


def _best_positions(outputs: Floats, labels: Ints, most: int) -> Ints:
    """(most, labels) positions of the highest outputs of each label, highest first; one pass in chunks."""
    if not len(labels):
        return np.empty((0, 0), np.int64)
    scores, positions = np.empty((0, len(labels)), np.float32), np.empty((0, len(labels)), np.int64)
    for start in range(0, len(outputs), CHUNK):
        block = np.asarray(outputs[start : start + CHUNK], np.float32)[:, labels]
        take = min(most, len(block))
        top = np.argpartition(block, -take, axis=0)[-take:]
        scores = np.concatenate([scores, np.take_along_axis(block, top, axis=0)])
        positions = np.concatenate([positions, top + start])
        order = np.argsort(-scores, axis=0, kind="stable")[:most]
        scores, positions = np.take_along_axis(scores, order, axis=0), np.take_along_axis(positions, order, axis=0)
    return positions
