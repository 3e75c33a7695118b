"""The neighbour graph that stands beside the vectors: read, or made and kept. Knows files, not rounds."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from core.arrays import Floats
from core.models.heads.neighbour_graph import Graph, neighbour_graph
from core.models.vectors import encoder_folder
from core.store.whole_files import whole_file


def make_graph(params: Mapping[str, Any], vectors: Floats) -> Graph:
    """The one that is kept, or the same again; a file that cannot be read counts as none."""
    path = _path(params, vectors)
    try:
        with np.load(path, allow_pickle=False) as file:
            return Graph(file["rows"], file["neighbours"], file["cosines"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return neighbour_graph(vectors, np.arange(len(vectors)), np.random.default_rng(0))


def keep_graph(params: Mapping[str, Any], vectors: Floats, graph: Graph) -> None:
    """For later rounds, until the vectors change."""
    path = _path(params, vectors)
    if path.exists():
        return
    for old in path.parent.glob("graph-*.npz"):
        old.unlink(missing_ok=True)
    with whole_file(path, alone=True) as partial, partial.open("wb") as file:
        np.savez(file, allow_pickle=False, rows=graph.rows, neighbours=graph.neighbours, cosines=graph.cosines)


def _path(params: Mapping[str, Any], vectors: Floats) -> Path:
    return encoder_folder(Path(params["vectors"]), params["encoder"]) / f"graph-{len(vectors)}.npz"
