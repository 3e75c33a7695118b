"""Candidates by one job and by many: the same pairs, what each takes, and how much the owner of the project holds.

    python -m benchmarks.candidates DATA [--sets abt_buy,dblp_acm,korean_questions] [--job-records 1024]

DATA has pairs_SET.parquet with the columns text and text_b: their distinct texts are two sources. Each way has a
project and a process of its own, whose peak memory is the owner's; processor seconds are those of its jobs, with one
thread each. Then the same again, when every text has its vector.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import polars as pl

from core import loop
from core.pairs.blocking.candidates_elsewhere import candidates_elsewhere
from core.pairs.blocking.find_candidates import candidates
from core.pairs.sides import import_source
from core.project import open_project
from gpu_jobs.runners.local import LocalRunner

SETS = ("abt_buy", "dblp_acm", "korean_questions")
PAIRS = "select left_side, right_side, similarity, searches from pairs where beyond is null order by all"


def quiet(what: str, done: int, total: int) -> None:
    """A report that nobody reads."""


def make_project(folder: Path, data: Path, name: str) -> None:
    """Two sources of the set's texts."""
    loop.create_project(folder, [], task="pairs")
    project = open_project(folder, LocalRunner(1))
    table = pl.read_parquet(data / f"pairs_{name}.parquet")
    for source, column in (("left", "text"), ("right", "text_b")):
        file = folder.parent / f"{source}.parquet"
        table.select(pl.col(column).alias("text")).unique(maintain_order=True).write_parquet(file)
        import_source(project, quiet, file=str(file), text=["text"], source=source)
    project.close()


def search(folder: Path, job_records: int) -> dict[str, float]:
    """In this process: by one job, or by many of so many texts each."""
    project = open_project(folder, LocalRunner(1), {"local": lambda _: LocalRunner(1)})
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    if job_records:
        candidates_elsewhere(project, quiet, workers=2, job_records=job_records)
    else:
        candidates(project, quiet)
    with suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    jobs = project.store.one("select count(*) from jobs where parent is not null")
    pairs = hash(str(project.store.query(PAIRS)))
    project.close()
    seconds = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    own = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "seconds": seconds,
        "owner_seconds": own.ru_utime + own.ru_stime,
        "owner_mb": own.ru_maxrss / 1024,
        "job_mb": used.ru_maxrss / 1024,
        "jobs": jobs,
        "pairs": pairs,
    }


def main() -> None:
    """A line for each set and way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--job-records", type=int, default=1_024)
    parser.add_argument("--search", action="store_true", help="one search in the project DATA, as JSON")
    options = parser.parse_args()
    if options.search:
        print(json.dumps(search(options.data, options.job_records)))
        return
    print(
        "| set | way | jobs | processor s of the jobs | of the owner | owner's peak MB | largest job MB | same pairs |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name in options.sets.split(","):
        expected = 0.0
        for way, size in (("one job", 0), ("many", options.job_records)):
            with tempfile.TemporaryDirectory() as temporary:
                folder = Path(temporary) / "project"
                make_project(folder, options.data, name)
                for known in ("", ", vectors known"):
                    words = [sys.executable, "-m", "benchmarks.candidates", str(folder), "--search"]
                    environment = {**os.environ, "PYTHONHASHSEED": "0"}
                    run = subprocess.run(
                        [*words, "--job-records", str(size)],
                        check=True,
                        capture_output=True,
                        text=True,
                        env=environment,
                    )
                    one = json.loads(run.stdout.splitlines()[-1])
                    expected = expected or one["pairs"]
                    figures = [f"{one[figure]:.1f}" for figure in ("seconds", "owner_seconds", "owner_mb", "job_mb")]
                    same = one["pairs"] == expected
                    print(
                        f"| {name} | {way}{known} | {one['jobs']:.0f} | {' | '.join(figures)} | {same} |",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
