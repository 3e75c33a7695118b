"""The neighbour graph stored beside the vectors: read, or made and stored. Knows files, not rounds."""

import zipfile
from pathlib import Path

import numpy as np

from core.arrays import Floats
from core.models.heads.neighbour_graph import Graph, neighbour_graph
from core.store.whole_files import whole_file


def make_graph(folder: Path, vectors: Floats) -> Graph:
    """The one stored in the encoder's folder, or made anew; a file that cannot be read counts as none."""
    path = _path(folder, vectors)
    try:
        with np.load(path, allow_pickle=False) as file:
            return Graph(file["rows"], file["neighbours"], file["cosines"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return neighbour_graph(vectors, np.arange(len(vectors)), np.random.default_rng(0))


def keep_graph(folder: Path, vectors: Floats, graph: Graph) -> None:
    """For later rounds, until the vectors change."""
    path = _path(folder, vectors)
    if path.exists():
        return
    for old in path.parent.glob("graph-*.npz"):
        old.unlink(missing_ok=True)
    with whole_file(path, alone=True) as partial, partial.open("wb") as file:
        np.savez(file, allow_pickle=False, rows=graph.rows, neighbours=graph.neighbours, cosines=graph.cosines)


def _path(folder: Path, vectors: Floats) -> Path:
    return folder / f"graph-{len(vectors)}.npz"
