"""How long a large CSV takes from file to project, and how much memory: `python -m benchmarks.ingest [--rows N]`.

Held against the obvious importer, which reads dicts with the csv module and inserts them row by row; that one is run on
20,000 rows of the same file and scaled up, in the same run. Knows the verbs; not how they are done.
"""

import argparse
import csv
import resource
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.make_large import make_large
from core.loop import create_project, import_file
from core.project import open_project
from gpu_jobs.local import LocalRunner

PEER_ROWS = 20_000


def measure_import(folder: Path, file: Path, *, near_duplicates: bool) -> dict[str, Any]:
    """Seconds for reading (a job in a process of its own) and storing, the peak memory of each in MB, the counts."""
    create_project(folder, [])
    project = open_project(folder, LocalRunner())
    marks: dict[str, float] = {}

    def report(what: str, done: int, total: int) -> None:
        marks.setdefault(what, time.perf_counter())

    options = {"text": ["text"], "id": "id", "label": "label", "split": "split", "meta": ["channel"]}
    start = time.perf_counter()
    counts = import_file(project, report, file=str(file), near_duplicates=near_duplicates, **options)
    end = time.perf_counter()
    project.close()
    return {
        "reading": marks["Storing"] - start,
        "storing": end - marks["Storing"],
        "total": end - start,
        "job_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
        "owner_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "counts": counts,
    }


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
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = given.file or folder / "large.csv"
        if not given.file:
            make_large(file, given.rows)
        found = measure_import(folder / "project", file, near_duplicates=given.near_duplicates)
        peer = measure_peer(folder, file) * given.rows
        size = file.stat().st_size / 1e6
    print(f"{given.rows:,} rows, {size:.0f} MB")
    print(f"| {'importer':44} | seconds | rows per second | times faster |")
    print("|---|---:|---:|---:|")
    print(
        f"| {'rondo import, in all':44} | {found['total']:7.1f} | {given.rows / found['total']:15,.0f} |"
        f" {peer / found['total']:11.1f}x |"
    )
    print(f"| {'  of which reading (job)':44} | {found['reading']:7.1f} | | |")
    print(f"| {'  of which storing (owner)':44} | {found['storing']:7.1f} | | |")
    print(f"| {'csv.DictReader + executemany, scaled from 20k':44} | {peer:7.1f} | {given.rows / peer:15,.0f} | 1.0x |")
    print(f"peak memory: job {found['job_mb']:,.0f} MB, owner {found['owner_mb']:,.0f} MB")
    print({key: value for key, value in found["counts"].items() if key != "report"}, found["counts"]["report"])


if __name__ == "__main__":
    main()
