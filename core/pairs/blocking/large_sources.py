"""Candidates and their similarity where a source has too many texts to hold each against all others.

Words and word pairs find them, and the neighbours by encoder where there are vectors. Knows texts and vectors.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.arrays import Floats
from core.data.ledger import normalise
from core.pairs.blocking.candidates import (
    PER_RECORD,
    FoundPairs,
    Pairs,
    RatedPairs,
    SearchedPairs,
    best_of_both,
    join_found,
    next_ranks,
)
from core.pairs.blocking.postings import WordIndex, find_sharing, find_sharing_of, join_pairs, write_word_index
from core.pairs.blocking.trigram_cosines import trigram_cosines, trigram_weights
from core.pairs.blocking.vector_index import find_near
from core.pairs.features import split_fields
from core.pairs.spaces import CUT, Report, row_cosines

SAMPLE = 1_000
"""texts that tell whether all are lines of fields"""


def rate_large(
    texts: tuple[Sequence[str], Sequence[str] | None],
    vectors: tuple[Floats, Floats | None] | None,
    folder: Path,
    threads: int,
    report: Report,
) -> RatedPairs:
    """Candidates, their cosine by character trigrams (with vectors the mean of it and theirs), and which are each
    other's best by it among the candidates.

    texts: (left, right), distinct and not blank; right None within one source. vectors: unit rows of the same. folder:
    for what does not fit into memory. A million records take minutes and some 2 GB; never are all pairs looked at.
    """
    left, right = plain_texts(texts[0]), None if texts[1] is None else plain_texts(texts[1])
    stop = 300 if vectors else 600
    pairs = find_sharing((left, right), folder, threads, lambda done, total: report(stop * done // total, 1000)).pairs
    if vectors:
        near = find_near(vectors, PER_RECORD, lambda done, total: report(300 + 300 * done // total, 1000))
        pairs = join_pairs([pairs, near], len(left if right is None else right))
    similarity: Floats = trigram_cosines(
        (left, right), pairs, lambda done, total: report(600 + 400 * done // total, 1000)
    )
    if vectors:
        ours, theirs = vectors[0], vectors[0] if vectors[1] is None else vectors[1]
        similarity = (similarity + np.clip(row_cosines(ours, theirs, pairs.left, pairs.right), 0, 1)) / 2
    report(1000, 1000)
    return RatedPairs(pairs, similarity, best_of_both(pairs, similarity, one_source=right is None))


def search_large(
    texts: tuple[Sequence[str], Sequence[str] | None], folder: Path, threads: int, per_record: int, report: Report
) -> SearchedPairs:
    """The same without vectors, and with what found each: 2 * per_record partners of a text by shared words, as there
    are of two spaces, and its neighbours in the alphabet. No text is compared by meaning."""
    left, right = plain_texts(texts[0]), None if texts[1] is None else plain_texts(texts[1])
    sharing = find_sharing(
        (left, right), folder, threads, lambda done, total: report(600 * done // total, 1000), _ranks(per_record)
    )
    similarity: Floats = trigram_cosines(
        (left, right), sharing.pairs, lambda done, total: report(600 + 400 * done // total, 1000)
    )
    report(1000, 1000)
    return SearchedPairs(sharing.pairs, similarity, sharing.searches, sharing.near)


WEIGHTS = "weights.npy"
"""of trigrams, beside the files of the word index"""


def write_large_index(
    texts: tuple[Sequence[str], Sequence[str] | None], out: Path, folder: Path, threads: int, report: Report
) -> None:
    """What `search_large_of` reads, as files in `out`; the rest as `search_large` has it."""
    plain = plain_texts(texts[0]), None if texts[1] is None else plain_texts(texts[1])
    write_word_index(plain, out, folder, threads, lambda done, total: report(700 * done // total, 1000))
    weights = trigram_weights(plain, lambda done, total: report(700 + 300 * done // max(total, 1), 1000))
    np.save(out / WEIGHTS, weights)


def search_large_of(index: WordIndex, rows: range, per_record: int, report: Report) -> FoundPairs:
    """What these texts find of `search_large`. rows: of the left side, and behind those of the right."""
    sharing = find_sharing_of(index, rows, _ranks(per_record), lambda done, total: report(600 * done // total, 1000))
    left, right = sharing.pairs.left, sharing.pairs.right + (index.width or 0)
    needed = np.unique(np.concatenate([left, right]))
    similarity = trigram_cosines(
        (index.texts(needed), None),
        Pairs(np.searchsorted(needed, left), np.searchsorted(needed, right)),
        lambda done, total: report(600 + 400 * done // total, 1000),
        np.load(index.folder / WEIGHTS, allow_pickle=False),
    )
    near = FoundPairs(sharing.near, np.zeros(len(sharing.near), np.int64), np.full(len(sharing.near), np.nan))
    return join_found([FoundPairs(sharing.pairs, sharing.searches, similarity), near])


def _ranks(per_record: int) -> tuple[int, int]:
    """Partners of a text by shared words, and with those next in rank: as many as there are of two spaces."""
    return 2 * per_record, 2 * (per_record + next_ranks(per_record))


def plain_texts(texts: Sequence[str]) -> list[str]:
    """The part that counts, normalised, without the names of fields: they are in every text and part its words."""
    names = "|".join(map(re.escape, split_fields(texts[:SAMPLE])))
    if not names:
        return [normalise(text[:CUT]) for text in texts]
    label = re.compile(f"^(?:{names}):", re.MULTILINE)
    return [normalise(label.sub("", text[:CUT]).replace("\n", " ")) for text in texts]
