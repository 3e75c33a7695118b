"""Persons recorded several times and never the same way: `rondo dedup` on a million of them, against the known truth.

    python -m benchmarks.linking [--records 1000000] [--seed 1] [--auto-above 0.5]

The file is made first (benchmarks.make_people), with the seed. Then the job of `rondo dedup --no-encoder` runs as it
does for a person, in a process of its own: time, peak memory, and pairwise precision, recall and F1 of its clusters.
Then its candidates alone: how many, which share of the true pairs they hold, and what other limits would have given.
Nothing has learnt: there are no labels and no decisions.
"""

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import polars as pl

from app.cli.pairs.pairs import file_jobs, limits_of
from app.cli.terminal import Ticker
from benchmarks.make_people import make_people
from core.arrays import Bools, Ints
from core.config.record_fields import join_fields
from core.pairs.blocking.candidates import RatedPairs, distinct_texts
from core.pairs.blocking.large_sources import rate_large
from core.pairs.pair_jobs import DEDUP, DedupParams, DedupResult

FIELDS = ("name", "address", "city", "born", "phone")
LIMITS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.9)


def pairs_within(groups: Sequence[Ints]) -> int:
    """Pairs that have the same value in each of the arrays."""
    counts = pl.DataFrame([pl.Series(str(number), group) for number, group in enumerate(groups)])
    sizes = counts.group_by(counts.columns).len()["len"].cast(pl.Int64)
    return int((sizes * (sizes - 1) // 2).sum())


def scores(clusters: Ints, truth: Ints) -> str:
    """Pairwise precision, recall and F1, as cells of a table."""
    right, joined, true = pairs_within([clusters, truth]), pairs_within([clusters]), pairs_within([truth])
    precision, recall = right / max(joined, 1), right / max(true, 1)
    return f"{precision:.4f} | {recall:.4f} | {2 * precision * recall / max(precision + recall, 1e-9):.4f}"


def run_job(file: Path, auto_above: float, target: Path) -> DedupResult:
    """As the command does, and the clusters in `target`."""
    with file_jobs() as jobs:
        params = DedupParams(
            file=str(file),
            other=None,
            text=FIELDS,
            id="id",
            **vars(limits_of(None, auto_above, 0.35, two_files=False)),
            one_partner=False,
            encode=False,
            threads=1,
            cache=str(jobs.folder),
        )
        bundle = jobs.prepare(DEDUP, params)
        result = jobs.run(bundle, DEDUP, Ticker(), "Finding duplicates")
        (bundle.path / "out" / "clusters.parquet").rename(target)
    with suppress(ChildProcessError):
        os.waitpid(-1, 0)
    return result


def components(pairs: RatedPairs, joins: Bools, text_of: Ints, texts: int) -> Ints:
    """(records,) cluster numbers when these pairs are joined and equal texts are."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    ends = (pairs.pairs.left[joins], pairs.pairs.right[joins])
    graph = coo_matrix((np.ones(len(ends[0]), np.int8), ends), shape=(texts, texts))
    return np.asarray(connected_components(graph, directed=False)[1][text_of], np.int64)


def report_candidates(records: pl.DataFrame, truth: Ints, folder: Path) -> None:
    """Blocking recall, and a line for each limit."""
    texts = [join_fields(dict(zip(FIELDS, row, strict=True))) for row in records.select(FIELDS).iter_rows()]
    distinct = distinct_texts(texts)
    firsts = [texts[row] for row in distinct.firsts.tolist()]
    began = time.process_time()
    rated = rate_large((firsts, None), None, folder, 1, lambda done, total: None)
    used = time.process_time() - began
    person = truth[distinct.firsts]
    true = pairs_within([person])
    matches = int((person[rated.pairs.left] == person[rated.pairs.right]).sum())
    print(
        f"\ncandidates: {len(rated.pairs):,}, {len(rated.pairs) / len(firsts):.1f} per record, holding "
        f"{matches / true:.4f} of the {true:,} true pairs of different texts; {used:.0f} processor seconds"
    )
    print("\n| join | precision | recall | F1 |\n|---|---|---|---|")
    for limit in LIMITS:
        for name, joins in (("every pair", np.ones(len(rated.best), np.bool_)), ("each other's best", rated.best)):
            joins = joins & (rated.similarity >= limit)
            clusters = components(rated, joins, distinct.text_of, len(firsts))
            print(f"| {name}, {limit:g} or more | {scores(clusters, truth)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--auto-above", type=float, default=0.5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        file, clusters = folder / "people.csv", folder / "clusters.parquet"
        make_people(file, options.records, options.seed)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        result = run_job(file, options.auto_above, clusters)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        records = pl.read_csv(file, infer_schema_length=0).fill_null("")
        truth = records["person"].cast(pl.Int64).to_numpy()
        cluster_numbers = pl.read_parquet(clusters)["cluster"].rank("dense").cast(pl.Int64).to_numpy()
        processor = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
        print(f"\n{options.records:,} records of {len(set(truth.tolist())):,} persons, seed {options.seed}: {result}")
        print(
            f"{result.seconds:.0f} s by the clock, {processor:.0f} processor seconds, peak {used.ru_maxrss / 1024:.0f} "
            f"MB, {result.candidates / options.records:.1f} candidates per record"
        )
        print(f"clusters: precision | recall | F1: {scores(cluster_numbers, truth)}", flush=True)
        report_candidates(records, truth, folder)


if __name__ == "__main__":
    main()
