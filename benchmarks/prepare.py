"""How long a large project takes to be cleaned, balanced and split, and how much memory: `python -m benchmarks.prepare
[--rows N] [--near-duplicates]`.

Each step by its verb, applied; the job's process and the owner's are measured apart. Knows the verbs; not how they are
done.
"""

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from benchmarks.make_large import make_large
from core.data.balance import balance
from core.data.clean import clean
from core.data.file_import import import_file
from core.data.split import split
from core.loop import create_project
from core.project import Project, open_project
from gpu_jobs.runners.local import LocalRunner


def step(project: Project, name: str, work: Callable[[], object]) -> None:
    """Prints seconds, processor seconds of the job and the owner, and their peak memory in MB so far."""
    before, own = resource.getrusage(resource.RUSAGE_CHILDREN), time.process_time()
    started = time.perf_counter()
    work()
    seconds = time.perf_counter() - started
    with suppress(ChildProcessError):
        os.waitpid(-1, 0)  # the job has ended, but perhaps nobody has asked for it yet
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    job = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    owner = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{name:<9} {seconds:7.1f} s; processor: job {job:6.1f} s, owner {time.process_time() - own:6.1f} s; "
        f"peak so far: job {after.ru_maxrss / 1024:6,.0f} MB, owner {owner:6,.0f} MB",
        flush=True,
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--near-duplicates", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "large.csv"
        make_large(file, args.rows, labelled=1.0)
        create_project(Path(folder) / "project", [])
        project = open_project(Path(folder) / "project", LocalRunner())

        def report(what: str, done: int, total: int) -> None:
            pass

        def bring_in() -> None:
            import_file(project, report, file=str(file), text=["text"], id="id", label="label", add_labels=True)

        def clean_all() -> None:
            left_out = ["duplicate", "near_duplicate"] if args.near_duplicates else ["duplicate"]
            clean(project, report, rules=["web"], left_out=left_out, apply=True)

        step(project, "import", bring_in)
        step(project, "clean", clean_all)
        step(project, "balance", lambda: balance(project, report, reduce_majority_to=150_000, apply=True))
        step(project, "split", lambda: split(project, report, train=0.7, val=0.09, test=0.21, apply=True))
        step(project, "undo", lambda: clean(project, report, undo=True))
        project.close()


if __name__ == "__main__":
    main()
