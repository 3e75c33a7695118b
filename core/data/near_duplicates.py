"""Texts that are nearly the same, by MinHash of their character 5-grams. Knows texts and ids; not files or the store.

Exact duplicates (equal when normalised) are counted elsewhere: here each distinct text occurs once.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.arrays import Ints
from core.data.ingest_job import NearDuplicates
from core.data.ledger import normalise

Signatures = npt.NDArray[np.uint32]

GRAM = 5
SLOTS, BANDS = 64, 16
SIMILAR = 0.75
"""Estimated Jaccard similarity from which two texts are near-duplicates. 64 slots: standard error 0.054.
16 bands of 4 slots meet a pair at 0.75 with probability 0.998."""
EXAMPLES = 5
PORTION = 1_000_000
SEED = 0


def near_duplicates_in(records: Path) -> NearDuplicates:
    """Groups among the distinct texts of a records.parquet, largest first, some by id."""
    import pyarrow.parquet as parquet  # type: ignore[import-untyped]

    with parquet.ParquetFile(records) as file:
        firsts = np.sort(np.unique(file.read(["hash"]).column("hash").to_numpy(), return_index=True)[1])
        batches = (batch.column("text").to_pylist() for batch in file.iter_batches(1_000, columns=["text"]))
        texts = (normalise(text) for batch in batches for text in batch)
        rows = np.concatenate([signatures(portion) for portion in portions(texts)])[firsts]
        left, right = similar_pairs(rows)
        groups = connected(left, right)
        ids = file.read(["id"]).column("id")
    examples = tuple(tuple(ids[int(firsts[row])].as_py() for row in group[:EXAMPLES]) for group in groups[:EXAMPLES])
    involved = sum(len(members) for members in groups)
    return NearDuplicates(SIMILAR, len(groups), involved, len(left), examples)


def portions(texts: Iterable[str]) -> Iterator[list[str]]:
    """The texts in lists of about a million characters: large enough to be fast, small enough for memory."""
    portion, size = [], 0
    for text in texts:
        portion.append(text)
        size += len(text)
        if size >= PORTION:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


def signatures(texts: Sequence[str]) -> Signatures:
    """(n, SLOTS) MinHash of the character n-grams: they need no spaces between words. No text may be empty."""
    from rensa import RMinHash

    gap = "\0" * (GRAM - 1)
    codes = np.frombuffer((gap.join(texts) + gap).encode("utf-32-le"), dtype="<u4").astype(np.uint64)
    grams = np.zeros(len(codes) - len(gap), dtype=np.uint64)
    for shift in range(GRAM):
        grams = grams * np.uint64(0x9E3779B97F4A7C15) + codes[shift : shift + len(grams)]
    grams ^= grams >> np.uint64(32)
    lengths = np.array([len(text) for text in texts])
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    inside = np.arange(offsets[-1]) + np.repeat(np.arange(len(texts)) * len(gap), lengths)  # no gram starts in a gap
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(grams[inside], offsets.astype(np.uint64), SLOTS, SEED)
    return np.array(matrix.to_rows(), dtype=np.uint32)


def similar_pairs(rows: Signatures) -> tuple[Ints, Ints]:
    """Pairs of row numbers (left < right) that share a band and agree in enough slots.

    In a bucket each row is compared with the first and with the previous one: linear also where a million texts share a
    template, when all pairs of the bucket would be quadratic.
    """
    width = rows.shape[1] // BANDS
    similar = [np.empty(0, dtype=np.int64)]
    for band in range(BANDS):
        keys = np.zeros(len(rows), dtype=np.uint64)
        for slot in range(band * width, (band + 1) * width):
            keys = keys * np.uint64(0x9E3779B97F4A7C15) + rows[:, slot]
        order = np.argsort(keys, kind="stable")
        later = np.flatnonzero(keys[order[1:]] == keys[order[:-1]]) + 1
        opens = np.ones(len(rows), dtype=bool)
        opens[later] = False
        heads = np.maximum.accumulate(np.where(opens, np.arange(len(rows)), 0))[later]
        pairs = np.concatenate([order[heads] * len(rows) + order[later], order[later - 1] * len(rows) + order[later]])
        similar.append(_agreeing(rows, np.unique(pairs)))
    pairs = np.unique(np.concatenate(similar))
    return pairs // len(rows), pairs % len(rows)


def _agreeing(rows: Signatures, pairs: Ints) -> Ints:
    """Those pairs (left * n + right) whose signatures agree in a share of SIMILAR of the slots."""
    retained = []
    for part in np.array_split(pairs, len(pairs) // 50_000 + 1):
        agreement = (rows[part // len(rows)] == rows[part % len(rows)]).mean(axis=1)
        retained.append(part[agreement >= SIMILAR])
    return np.concatenate(retained)


def connected(left: Ints, right: Ints) -> list[Ints]:
    """The groups that the pairs connect, largest first, members ascending; of equal ones the one that begins first."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not len(left):
        return []
    rows, ends = np.unique(np.stack([left, right]), return_inverse=True)
    pairs = coo_array((np.ones(len(left)), tuple(ends.reshape(2, -1))), shape=(len(rows), len(rows)))
    _, group = connected_components(pairs, directed=False)
    groups = np.split(rows[np.argsort(group, kind="stable")], np.cumsum(np.bincount(group))[:-1])
    return sorted(groups, key=lambda members: (-len(members), members[0]))
