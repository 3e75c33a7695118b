"""How long a map takes and what it keeps, beside PCA; how long its page and a bulk answer take. DATA: labelled sets.

    python -m benchmarks.maps [DATA]

Of each set: process CPU seconds of the layout at 1,000, 5,000 and 20,000 records; the share of records whose 10
nearest neighbours mostly have their label (in the vectors, on the map, in the plane of the first two principal
components); the share of the 10 nearest neighbours in the vectors that are neighbours in the plane too. Then, on a
project of synthetic records in DuckDB: CPU seconds for the page's questions at 20,000 points, and for 10,000 records
labelled at once and taken back.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from core.explore.map_points import points, points_inside, summarise_selection
from core.explore.maps import Map, MapFacts
from core.labelling.bulk import label_many, undo_bulk
from core.loop import create_project
from core.models.encoders.loading import load_encoder
from core.project import Project, open_project
from gpu_jobs.runners.local import InProcessRunner
from gpu_jobs.work.layout_map import _nearest, lay_out, place_among, principal_plane

SETS = ("sms_spam", "hwu64", "davidson_hate")
SIZES = (1_000, 5_000, 20_000)
NEAR = 10


def read_set(folder: Path, name: str, cache: Path) -> tuple[Any, Any]:
    """Vectors (n, dims) and labels (n,), in random order, encoded once."""
    import polars

    table = polars.read_parquet(folder / f"{name}.parquet").sample(fraction=1.0, shuffle=True, seed=0)
    vectors = load_encoder("all-MiniLM-L6-v2", cache, 1).encode(table["text"].to_list())
    return np.asarray(vectors, np.float32), np.unique(table["label"].to_numpy(), return_inverse=True)[1]


def agreement(matches: Any, labels: Any, own: Any) -> float:
    """Share of records whose neighbours' most frequent label is their own."""
    return float(np.mean([np.bincount(labels[row]).argmax() == mine for row, mine in zip(matches, own, strict=True)]))


def neighbours(xy: Any) -> Any:
    return _nearest(np.asarray(xy, np.float32), np.asarray(xy, np.float32), NEAR + 1)[0][:, 1:]


def quality(vectors: Any, labels: Any) -> str:
    before = time.process_time()
    xy = lay_out(vectors, 1, 0, lambda done, total: None)
    seconds = time.process_time() - before
    true, drawn, plane = neighbours(vectors), neighbours(xy), neighbours(principal_plane(vectors))
    agree = [agreement(matches, labels, labels) for matches in (true, drawn, plane)]
    retained = [
        np.mean([len({*a} & {*b}) / NEAR for a, b in zip(true, matches, strict=True)]) for matches in (drawn, plane)
    ]
    numbers = "".join(f"{value:>9.3f}" for value in (*agree, *retained))
    return f"{len(vectors):>8,}{seconds:>8.1f}{numbers}"


def neighbours_kept(vectors: Any, labels: Any) -> float:
    """Agreement of the last fifth, put among the others as later records are."""
    cut = len(vectors) * 4 // 5
    xy = lay_out(vectors[:cut], 1, 0, lambda done, total: None)
    matches = _nearest(place_among(vectors[cut:], vectors[:cut], xy), xy, NEAR)[0]
    return agreement(matches, labels[:cut], labels[cut:])


def compare_layouts(folder: Path, cache: Path) -> None:
    print(f"neighbours with the same label and neighbours kept, of {NEAR}; CPU seconds on one thread")
    print(f"{'set':<15}{'records':>8}{'CPU s':>8}  vectors      map      PCA map kept PCA kept   later")
    for name in SETS:
        vectors, labels = read_set(folder, name, cache)
        for size in sorted({min(size, len(vectors)) for size in SIZES}):
            line = f"{name:<15}{quality(vectors[:size], labels[:size])}"
            print(f"{line}{neighbours_kept(vectors[:size], labels[:size]):>8.3f}", flush=True)


def fill(project: Project, records: int) -> Map:
    with project.store.transaction() as cursor:
        cursor.execute(
            """insert into records select range, 'r' || range, 'Message ' || range, null, null, md5(range::varchar),
                      null, null, 'made', now()::timestamp from range(?)""",
            [records],
        )
        cursor.execute(
            "insert into suggestions select range, 'a', random(), random(), ['a'], 'm', null from range(?)", [records]
        )
    rng = np.random.default_rng(0)
    n = np.sort(rng.permutation(records)[:20_000])
    return Map(n, rng.uniform(-1, 1, (len(n), 2)).astype(np.float32), MapFacts("", records, len(n), ""))


def clock(act: Callable[[], Any]) -> tuple[float, Any]:
    """(CPU seconds, result) of the better of three runs."""
    runs = []
    for _ in range(3):
        before = time.process_time()
        result = act()
        runs.append((time.process_time() - before, result))
    return min(runs, key=lambda run: run[0])


def clock_page(records: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        create_project(Path(folder) / "p", ["a", "b"])
        project = open_project(Path(folder) / "p", InProcessRunner())
        texts = fill(project, records)
        took, shown = clock(lambda: points(project, texts, "suggestion"))
        circle = [(np.cos(angle), np.sin(angle)) for angle in np.linspace(0, 6.2, 200)]
        picked_in, ns = clock(lambda: points_inside(shown, [circle]))
        told_in, _ = clock(lambda: summarise_selection(project, shown, ns))
        before = time.process_time()
        done = label_many(project, texts.record_nos[:10_000].tolist(), ["a"], "bench")
        between = time.process_time()
        undo_bulk(project, done["bulk"], "bench")
        after = time.process_time()
        project.close()
    print(f"\n{records:,} records, {len(shown.n):,} points; CPU seconds")
    print(f"points {took:.3f}   inside a lasso of 200 corners {picked_in:.3f}   summary of {len(ns):,} {told_in:.3f}")
    print(f"10,000 labelled at once {between - before:.3f}   taken back {after - between:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--records", type=int, default=1_000_000)
    chosen = parser.parse_args()
    clock_page(chosen.records)
    if chosen.data:
        with tempfile.TemporaryDirectory() as cache:
            compare_layouts(chosen.data, Path(cache))


if __name__ == "__main__":
    main()
