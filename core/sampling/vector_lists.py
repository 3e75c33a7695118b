"""Vectors in lists of like ones, for pools of millions: an inverted file of two levels. Knows no records.

Jégou, Douze & Schmid 2011 (inverted file), in two steps as in Nistér & Stewénius 2006 (vocabulary tree): a vector is
compared with GROUPS centroids and then with those of its group, 128 products in place of 4,096.
"""

import zipfile
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.arrays import Floats, Ints, as_floats
from core.sampling.diversity import cluster, gather
from core.store.whole_files import whole_file

GROUPS = 64
"""centroids of the first level, and at most so many below each"""
TRAINED_ON = 131_072
"""rows that the centroids come from, drawn uniformly"""
FEWEST_PER_LIST = 39
"""training rows for each list, below which there are fewer lists: FAISS's own limit"""
BLOCK = 65_536
Numbers = npt.NDArray[np.uint16]


@dataclass(frozen=True)
class VectorLists:
    """groups: (g, dims) centroids. centroids: (lists, dims). first: (g + 1,) the lists of group i are those from
    first[i] up to first[i + 1]. list_of: (rows,) the list of each row."""

    groups: Floats
    centroids: Floats
    first: Ints
    list_of: Numbers

    @cached_property
    def _sorted(self) -> tuple[npt.NDArray[np.int32], Ints]:
        starts = np.concatenate([[0], np.cumsum(np.bincount(self.list_of, minlength=len(self.centroids)))])
        return np.argsort(self.list_of, kind="stable").astype(np.int32), starts

    def rows(self, number: int) -> Ints:
        """The rows of a list, ascending."""
        order, starts = self._sorted
        return order[starts[number] : starts[number + 1]].astype(np.int64)

    def near(self, vector: Floats, probes: int) -> Ints:
        """The rows of so many lists whose centroids are nearest to the vector."""
        closeness = self.centroids @ vector - 0.5 * (self.centroids**2).sum(axis=1)
        lists = np.argsort(-closeness, kind="stable")[:probes]
        return np.concatenate([self.rows(number) for number in lists.tolist()])


def make_lists(vectors: Floats, rng: np.random.Generator) -> VectorLists:
    """Centroids from a uniform sample, then each vector to its list, block by block."""
    size = min(TRAINED_ON, len(vectors))
    sample = gather(vectors, np.sort(rng.choice(len(vectors), size, replace=False)))
    groups, group = cluster(sample, _number(size, GROUPS), rng)
    parts = [sample[group == number] for number in range(len(groups))]
    below = [cluster(part, _number(len(part), GROUPS), rng)[0] if len(part) else part for part in parts]
    first = np.concatenate([[0], np.cumsum([len(part) for part in below])])
    empty = VectorLists(groups, np.concatenate(below), first, np.empty(0, np.uint16))
    return extend_lists(empty, vectors)


def extend_lists(lists: VectorLists, vectors: Floats) -> VectorLists:
    """The same lists with the rows that came since: what was in a list stays in it."""
    list_of = np.empty(len(vectors), np.uint16)
    have = len(lists.list_of)
    list_of[:have] = lists.list_of
    for start in range(have, len(vectors), BLOCK):
        list_of[start : start + BLOCK] = _assign(lists, as_floats(vectors[start : start + BLOCK]))
    return replace(lists, list_of=list_of)


def _assign(lists: VectorLists, points: Floats) -> Numbers:
    group = _nearest(points, lists.groups)
    result = np.zeros(len(points), np.uint16)
    for number in range(len(lists.groups)):
        members, start, stop = np.flatnonzero(group == number), lists.first[number], lists.first[number + 1]
        if len(members) and stop > start:
            result[members] = start + _nearest(points[members], lists.centroids[start:stop])
    return result


def _nearest(points: Floats, centres: Floats) -> Ints:
    closeness = points @ centres.T
    closeness -= 0.5 * (centres**2).sum(axis=1)
    return np.asarray(closeness.argmax(axis=1), dtype=np.int64)


def _number(points: int, most: int) -> int:
    return max(1, min(most, points // FEWEST_PER_LIST))


def read_lists(path: Path, name: str) -> VectorLists | None:
    """None where there is no file that can be read, or where it is of vectors of another name."""
    try:
        with np.load(path, allow_pickle=False) as file:
            if str(file["name"]) == name:
                return VectorLists(file["groups"], file["centroids"], file["first"], file["list_of"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return None


def write_lists(path: Path, name: str, lists: VectorLists) -> None:
    """Whole or not at all."""
    arrays = {"groups": lists.groups, "centroids": lists.centroids, "first": lists.first, "list_of": lists.list_of}
    with whole_file(path, alone=True) as partial, partial.open("wb") as file:
        np.savez(file, allow_pickle=False, name=np.array(name), **arrays)
