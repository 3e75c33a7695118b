"""Records as unit vectors in three spaces (characters, words, encoder), and who is nearest to whom in each.

Knows texts and vectors; not what a match is, nor where the texts come from.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

from core.arrays import Floats, Ints

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    Vectors = Floats | csr_matrix
    Both = tuple[Vectors, Vectors | None]
    """(left, right); None within one source"""

CUT = 3_000
"""characters of a text that count: a record of 100 kB then costs no more than a page"""
CELLS = 4_000_000
"""cosines held at once"""
BLOCK = 256
"""queries that are looked up at once, at most: a power of two"""
ROWS = 20_000
"""pairs whose rows are held at once"""
NEAREST = 10

Report = Callable[[int, int], None]
"""(done, total)"""


@dataclass(frozen=True)
class Neighbours:
    """The nearest records of the other side. rows: (n, k) nearest first, -1 where there is none; cosines: (n, k)."""

    rows: npt.NDArray[np.int32]
    cosines: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Space:
    """left, right: unit rows, dense or sparse; within one source one object, and so are the neighbours of both."""

    left: "Vectors"
    right: "Vectors"
    of_left: Neighbours
    of_right: Neighbours

    def cosines(self, left: Ints, right: Ints) -> npt.NDArray[np.float32]:
        """(m,) of the pairs (left[i], right[i])."""
        return row_cosines(self.left, self.right, left, right)


@dataclass(frozen=True)
class Spaces:
    """The same records in each space."""

    characters: Space
    words: Space
    encoder: Space

    @property
    def all(self) -> tuple[Space, Space, Space]:
        return self.characters, self.words, self.encoder


def row_cosines(one: "Vectors", other: "Vectors", left: Ints, right: Ints) -> npt.NDArray[np.float32]:
    """(m,) cosines of the unit rows one[left[i]] and other[right[i]]."""
    parts = [np.empty(0, np.float32)]
    for start in range(0, len(left), ROWS):
        rows, others = one[left[start : start + ROWS]], other[right[start : start + ROWS]]
        product = rows * others if isinstance(rows, np.ndarray) else rows.multiply(others)
        parts.append(np.asarray(product.sum(axis=1), np.float32).ravel())
    return np.concatenate(parts)


def words_of(text: str) -> list[str]:
    """In lower case, without punctuation; a text without any word is its own word."""
    return re.findall(r"\w+", text[:CUT].casefold()) or [text[:CUT]]


def lower_case(text: str) -> str:
    """The part that counts, folded, with one blank between words."""
    return " ".join(text[:CUT].casefold().split())


def trigrams(text: str) -> list[str]:
    """Of the lower-case characters, with one blank at both ends."""
    return grams(lower_case(text), 3)


def grams(text: str, size: int) -> list[str]:
    """Every run of so many characters, blanks at both ends among them; never none."""
    padded = f" {text} "
    return [padded[start : start + size] for start in range(max(len(padded) - size, 0) + 1)]


def build_spaces(
    texts: tuple[Sequence[str], Sequence[str] | None],
    vectors: tuple[Floats, Floats | None],
    report: Report,
    most: int = NEAREST,
) -> Spaces:
    """texts, vectors: (left, right), right None within one source. vectors: (n, dims) unit rows of the encoder. most:
    neighbours of each record.

    No text may be blank, and within a side all should differ: equal ones would be each other's only neighbours.
    """
    spaces = []
    for number, analyse in enumerate((trigrams, words_of, None)):

        def report_part(done: int, total: int, number: int = number) -> None:
            report(number * 1000 + 1000 * done // max(total, 1), 3000)

        left, right = tf_idf(texts, analyse) if analyse else vectors
        spaces.append(_space(left, right, report_part, most))
    return Spaces(*spaces)


def tf_idf(
    texts: tuple[Sequence[str], Sequence[str] | None], analyse: Callable[[str], list[str]]
) -> tuple["csr_matrix", "csr_matrix | None"]:
    """Unit rows of (left, right), weighed over both; right None where there is none. analyse: text to terms."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    left, right = texts
    vectoriser = TfidfVectorizer(analyzer=analyse, sublinear_tf=True, dtype=np.float32)
    rows = vectoriser.fit_transform([*left, *(right or ())])
    return rows[: len(left)], None if right is None else rows[len(left) :]


def _space(left: "Vectors", right: "Vectors | None", report: Report, most: int) -> Space:
    if right is None:
        near = nearest(left, None, report, most)
        return Space(left, left, near, near)

    def first(done: int, total: int) -> None:
        report(done, total * 2)

    def second(done: int, total: int) -> None:
        report(total + done, total * 2)

    return Space(left, right, nearest(left, right, first, most), nearest(right, left, second, most))


def nearest(
    queries: "Vectors", index: "Vectors | None", report: Report, most: int = NEAREST, rows: range | None = None
) -> Neighbours:
    """The `most` nearest rows of `index` to each query by cosine; index None: of the other queries.

    Exact (dense rows by FAISS), and never more than CELLS cosines at once: time grows with the square, memory does not.
    Rows whose cosine is zero or less are no neighbours. rows: the queries to look up, default all; those from a
    multiple of BLOCK on have the same neighbours, to the bit, as when all are.
    """
    others = queries if index is None else index
    rows, m = range(int(queries.shape[0])) if rows is None else rows, int(others.shape[0])
    k = min(most, m - (index is None))
    matches, cosines = np.full((len(rows), max(k, 0)), -1, np.int32), np.zeros((len(rows), max(k, 0)), np.float32)
    if k < 1:
        return Neighbours(matches, cosines)
    step = 1 << (max(1, min(BLOCK, CELLS // m)).bit_length() - 1)
    for start in range(rows.start, rows.stop, step):
        stop = min(start + step, rows.stop)
        part, own = slice(start - rows.start, stop - rows.start), np.arange(start, stop) if index is None else None
        if isinstance(queries, np.ndarray):
            matches[part], cosines[part] = _dense_nearest(queries[start:stop], cast("Floats", others), k, own)
        else:
            matches[part], cosines[part] = _sparse_nearest(queries[start:stop], cast("csr_matrix", others), k, own)
        report(part.stop, len(rows))
    matches[cosines <= 0] = -1
    return Neighbours(matches, cosines)


def _dense_nearest(queries: Floats, others: Floats, k: int, own: Ints | None) -> tuple[Ints, Floats]:
    """own: the row of each query among the others, which is left out."""
    import faiss

    points, index = np.ascontiguousarray(queries, np.float32), np.ascontiguousarray(others, np.float32)
    cosines, rows = faiss.knn(points, index, k + (own is not None), metric=faiss.METRIC_INNER_PRODUCT)
    if own is None:
        return rows, cosines
    keep = rows != own[:, None]
    keep[keep.all(axis=1), -1] = False  # equal vectors have crowded it out
    return rows[keep].reshape(-1, k), cosines[keep].reshape(-1, k)


def _sparse_nearest(queries: "csr_matrix", others: "csr_matrix", k: int, own: Ints | None) -> tuple[Ints, Floats]:
    """The same of sparse rows; ties by row."""
    block = np.asarray((queries @ others.T).toarray(), np.float32)
    if own is not None:
        block[np.arange(len(own)), own] = -np.inf
    part = np.sort(np.argpartition(-block, k - 1, axis=1)[:, :k], axis=1)
    values = np.take_along_axis(block, part, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    return np.take_along_axis(part, order, axis=1), np.take_along_axis(values, order, axis=1)
