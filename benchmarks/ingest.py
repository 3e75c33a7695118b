"""How long a large CSV takes from file to project, and how much memory: `python -m benchmarks.ingest [--rows N]`.

Held against the obvious importer, which reads dicts with the csv module and inserts them row by row; that one is run on
20,000 rows of the same file and scaled up, in the same run. Knows the verbs; not how they are done.
"""

import argparse
import csv
import os
import resource
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.make_large import make_large
from core.data.file_import import ImportSummary, import_file
from core.loop import create_project
from core.project import open_project
from gpu_jobs.runners.local import LocalRunner

PEER_ROWS = 20_000


@dataclass(frozen=True)
class Measured:
    """Seconds by the clock, processor seconds (which a busy machine disturbs less), and peak memory in MB."""

    seconds: float
    processor: float
    megabytes: float


def measure_import(folder: Path, file: Path, *, near_duplicates: bool) -> tuple[Measured, Measured, ImportSummary]:
    """Reading (a job in a process of its own, with its start), storing (the owner), and the counts."""
    create_project(folder, [])
    project = open_project(folder, LocalRunner())
    marks: dict[str, tuple[float, float]] = {}

    def report(what: str, done: int, total: int) -> None:
        marks.setdefault(what, (time.perf_counter(), time.process_time()))

    options: dict[str, Any] = {"text": ["text"], "id": "id", "label": "label", "split": "split", "meta": ["channel"]}
    start = time.perf_counter()
    counts = import_file(project, report, file=str(file), near_duplicates=near_duplicates, **options)
    stored, processor = marks["Storing"]
    owner = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    storing = Measured(time.perf_counter() - stored, time.process_time() - processor, owner)
    project.close()
    with suppress(ChildProcessError):
        os.waitpid(-1, 0)  # the job has ended, but perhaps nobody has asked for it yet
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Measured(stored - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024), storing, counts


def measure_peer(folder: Path, file: Path) -> float:
    """Seconds per row of the obvious importer: a dict per row, one insert per row in one transaction, same columns."""
    connection = duckdb.connect(str(folder / "peer.duckdb"))
    connection.execute(
        "create table records (n bigint, id varchar primary key, text varchar, meta json, split varchar)"
    )
    start = time.perf_counter()
    connection.execute("begin")
    with file.open(encoding="utf-8", newline="") as stream:
        rows = islice(csv.DictReader(stream), PEER_ROWS)
        values = [[n, r["id"], r["text"], f'{{"channel": "{r["channel"]}"}}', r["split"]] for n, r in enumerate(rows)]
    connection.executemany("insert into records values (?, ?, ?, ?, ?)", values)
    connection.execute("commit")
    seconds = time.perf_counter() - start
    connection.close()
    return seconds / len(values)


def main() -> None:
    """Prints one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--file", type=Path, help="made by benchmarks.make_large with as many rows; else one is made")
    parser.add_argument("--near-duplicates", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = args.file or folder / "large.csv"
        if not args.file:
            make_large(file, args.rows)
        reading, storing, counts = measure_import(folder / "project", file, near_duplicates=args.near_duplicates)
        peer = measure_peer(folder, file) * args.rows
        size = file.stat().st_size / 1e6
    total = reading.seconds + storing.seconds
    print(f"{args.rows:,} rows, {size:.0f} MB")
    print("| importer | seconds | processor seconds | peak MB | rows per second | times faster |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, part in {"reading (job)": reading, "storing (owner)": storing}.items():
        print(f"| {name} | {part.seconds:.1f} | {part.processor:.1f} | {part.megabytes:,.0f} | | |")
    print(
        f"| **both** | {total:.1f} | {reading.processor + storing.processor:.1f} | | {args.rows / total:,.0f} |"
        f" {peer / total:.0f} |"
    )
    print(f"| csv.DictReader and executemany, scaled up from 20,000 | {peer:.0f} | | | {args.rows / peer:,.0f} | 1 |")
    print(counts)


if __name__ == "__main__":
    main()
