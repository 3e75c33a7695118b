"""Lays vectors out in the plane, or places further ones among them. Knows arrays and a bundle, not the store.

t-SNE as openTSNE does it: nearest neighbours by FAISS, the layout starts from the first two principal components (which
keeps the coarse order and makes the result repeatable, Kobak and Berens 2019), early exaggeration with a learning rate
that grows with the number of points (Belkina et al. 2019), forces by interpolation on a grid (FIt-SNE, Linderman et al.
2019); the library: Poličar, Stražar and Zupan 2024. Later points stand at the median of their nearest neighbours, which
is where openTSNE starts them too.
"""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.arrays import Floats, Ints
from core.explore.explore_jobs import MapLayout, MapParams
from core.models.vectors import open_vectors

Report = Callable[[int, int], None]

PERPLEXITY = 30
EARLY, LATE = 125, 250
"""steps with and without exaggeration: twice as many took 1.6 times as long for 27.1 instead of 26.4 % kept"""

GRID = 2.0
"""side of a cell of the grid: at 5,000 points half the time of 1.0, and 51.9 instead of 52.5 % of neighbours kept"""

FEW = 2_000
"""points below which a tree (Barnes-Hut) is quicker than the grid"""

AROUND = 10
"""neighbours that a later point stands among"""

_STEPS = EARLY + LATE


def layout_map(bundle: Path, params: MapParams, report: Report) -> MapLayout:
    """Writes `out/points.npz` (n ascending, xy float32, longer side from -1 to 1) for the rows of `in/rows.npz`.

    Where the input has `known` records, their points (`known_xy`) stay and the rows are put among them.
    """
    import faiss
    from threadpoolctl import threadpool_limits

    started = time.monotonic()
    threads = params.threads or 1
    with np.load(bundle / "in" / "rows.npz", allow_pickle=False) as file:
        entries = {name: file[name] for name in file.files}
    vectors = open_vectors(Path(params.vectors), params.encoder)
    rows, known = entries["rows"], entries["known"]
    points = np.asarray(vectors[rows], np.float32)
    report(0, _STEPS)
    with threadpool_limits(threads):
        faiss.omp_set_num_threads(threads)
        if len(known):
            xy = place_among(points, np.asarray(vectors[known], np.float32), entries["known_xy"])
            rows, xy = np.concatenate([known, rows]), np.concatenate([entries["known_xy"], xy])
        else:
            xy = lay_out(points, threads, params.seed, report)
    order = np.argsort(rows)
    np.savez(bundle / "out" / "points.npz", allow_pickle=False, n=rows[order], xy=xy[order])
    report(_STEPS, _STEPS)
    return MapLayout(len(rows), round(time.monotonic() - started, 3))


def lay_out(points: Floats, threads: int, seed: int, report: Report) -> Floats:
    """(n, 2) for unit vectors (n, dims), at least 10 of them; the longer side goes from -1 to 1."""
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    count = min(3 * PERPLEXITY, len(points) - 1)
    neighbours, distances = _nearest(points, points, count + 1)
    index = PrecomputedNeighbors(neighbours[:, 1:], distances[:, 1:])
    affinities = PerplexityBasedNN(perplexity=count / 3, n_jobs=threads, knn_index=index)
    layout = TSNEEmbedding(
        principal_plane(points),
        affinities,
        n_jobs=threads,
        random_state=seed,
        negative_gradient_method="bh" if len(points) < FEW else "fft",
        ints_in_interval=GRID,
        callbacks_every_iters=10,
    )
    early = layout.optimize(EARLY, exaggeration=12, momentum=0.8, callbacks=_reporting(report, 0))
    late = early.optimize(LATE, momentum=0.8, callbacks=_reporting(report, EARLY))
    return _framed(np.asarray(late, np.float64))


def place_among(points: Floats, known: Floats, known_xy: Floats) -> Floats:
    """(n, 2) for more points: the median of the nearest known ones', so one stray neighbour does not pull it away."""
    neighbours, _ = _nearest(points, known, min(AROUND, len(known)))
    return np.asarray(np.median(known_xy[neighbours], axis=1), np.float32)


def principal_plane(points: Floats) -> npt.NDArray[np.float64]:
    """(n, 2) first two principal components, the first with a spread of 1e-4: small enough to let the layout unfold."""
    centred = np.asarray(points - points.mean(axis=0), np.float64)
    _, directions = np.linalg.eigh(centred.T @ centred)
    plane = centred @ directions[:, :-3:-1]
    spread = float(plane[:, 0].std())
    return np.asarray(plane / (spread / 1e-4 if spread else 1.0))


def _nearest(queries: Floats, points: Floats, count: int) -> tuple[Ints, Floats]:
    """(n, count) indices and Euclidean distances, nearest first."""
    import faiss

    index = faiss.IndexFlatL2(points.shape[1])
    index.add(np.ascontiguousarray(points))
    squares, neighbours = index.search(np.ascontiguousarray(queries), count)
    return np.asarray(neighbours, np.int64), np.sqrt(np.maximum(squares, 0))


def _reporting(report: Report, before: int) -> Callable[[int, float, object], bool]:
    def report_step(step: int, _error: float, _layout: object) -> bool:
        report(before + step, _STEPS)
        return False

    return report_step


def _framed(xy: npt.NDArray[np.float64]) -> Floats:
    middle = (xy.min(axis=0) + xy.max(axis=0)) / 2
    return np.asarray((xy - middle) / max(float(np.abs(xy - middle).max()), 1e-12), np.float32)
