"""How long choosing 100 records takes, for every strategy. Knows synthetic vectors, not a project.

    python -m benchmarks.choosing [--rows 1000000]

Prints process CPU seconds and seconds on the clock: 100 of 10,000 beside small-text's greedy_coreset, and 100 of a
million rows of 384 numbers in a float16 memory map, with a model's probabilities over ten labels at hand.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from core.arrays import Floats
from core.sampling.pool import Pool
from core.sampling.strategies import STRATEGIES
from core.tasks.labels import label_predictions

DIMS = 384
LABELS = 10
CHOSEN = 100
LABELLED = 100
BLOCK = 50_000


def write_vectors(file: Path, rows: int) -> Floats:
    """Unit vectors around 200 centres, written block by block and mapped."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(200, DIMS))
    vectors = np.lib.format.open_memmap(file, mode="w+", dtype=np.float16, shape=(rows, DIMS))
    for start in range(0, rows, BLOCK):
        size = min(BLOCK, rows - start)
        block = centres[rng.integers(200, size=size)] + rng.normal(size=(size, DIMS))
        vectors[start : start + size] = block / np.linalg.norm(block, axis=1, keepdims=True)
    return np.asarray(np.load(file, mmap_mode="r"))


def make_pool(vectors: Floats, rows: int) -> Pool:
    rng = np.random.default_rng(1)
    probs = rng.random((rows - LABELLED, LABELS), dtype=np.float32) ** 4
    probs /= probs.sum(axis=1, keepdims=True)
    return Pool(vectors, np.arange(LABELLED, rows), np.arange(LABELLED), label_predictions(probs))


def clock(act: Callable[[], object]) -> tuple[float, float]:
    """(CPU seconds, seconds) of the better of two runs; the first also pays for imports and cold pages."""
    runs = []
    for _ in range(2):
        cpu, wall = time.process_time(), time.perf_counter()
        act()
        runs.append((time.process_time() - cpu, time.perf_counter() - wall))
    return min(runs)


def clock_small_text(vectors: Floats, rows: int) -> tuple[float, float]:
    from small_text.query_strategies.coresets import greedy_coreset

    points = np.asarray(vectors[:rows], dtype=np.float32)
    indices, known = np.arange(LABELLED, rows), np.arange(LABELLED)
    return clock(lambda: greedy_coreset(points, indices, known, CHOSEN))


def clock_all(pool: Pool) -> dict[str, tuple[float, float]]:
    return {
        name: clock(lambda strategy=strategy: strategy(pool, CHOSEN, np.random.default_rng(2)))  # type: ignore[misc]
        for name, strategy in STRATEGIES.items()
    }


def report(rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        vectors = write_vectors(Path(folder) / "vectors.npy", rows)
        small = min(10_000, rows)
        theirs = clock_small_text(vectors, small)
        few, many = clock_all(make_pool(vectors, small)), clock_all(make_pool(vectors, rows))
    print(f"choosing {CHOSEN}; CPU seconds / seconds; ratio = small-text's greedy_coreset on {small:,} / ours, CPU")
    print(f"{'strategy':<18}{f'{small:,} rows':>18}{'ratio':>8}{f'{rows:,} rows':>20}")
    print(f"{'greedy_coreset':<18}{theirs[0]:>10.3f} /{theirs[1]:>6.3f}{1:>8}{'-':>20}")
    for name, (cpu, wall) in few.items():
        ratio = f"{theirs[0] / max(cpu, 1e-6):.0f}"
        print(f"{name:<18}{cpu:>10.4f} /{wall:>6.3f}{ratio:>8}{many[name][0]:>12.3f} /{many[name][1]:>6.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    report(parser.parse_args().rows)


if __name__ == "__main__":
    main()
