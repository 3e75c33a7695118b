"""How long a new project's first records are waited for: the early batch against encoding all, in processor seconds.

`python -m benchmarks.first_record [RECORDS ...]` (4,000 and 1,000,000). One thread. All are encoded only of a set of up
to 20,000 records; for larger ones that grows with their number, as the first line shows.
"""

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from core import loop
from core.data.encoding import encode
from core.data.file_import import import_file
from core.project import open_project
from core.rounds.early_batch import early_batch
from gpu_jobs.runners.local import LocalRunner

ENCODED = 20_000


def quiet(what: str, done: int, total: int) -> None:
    """Nobody reads it."""


def processor(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the processor, jobs included, and by the clock."""

    def spent() -> float:
        while psutil.Process().children():  # whoever has not been waited for does not count yet
            time.sleep(0.02)
        usage = [resource.getrusage(one) for one in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(one.ru_utime + one.ru_stime for one in usage)

    before, since = spent(), time.monotonic()
    work()
    clock = time.monotonic() - since
    return spent() - before, clock


def measure(records: int, folder: Path) -> str:
    """A line of the table, made in a folder."""
    file = folder / "records.csv"
    with file.open("w", encoding="utf-8") as lines:
        lines.write("text\n")
        for n in range(records):
            lines.write(f'"Record {n} is about topic {n % 97}, said witness {n % 89} on day {n // 100}"\n')
    loop.create_project(folder / "project", ["a", "b"])
    project = open_project(folder / "project", LocalRunner(1))
    taken = processor(lambda: import_file(project, quiet, file=str(file), text=["text"]))[0]
    first, clock = processor(lambda: early_batch(project, quiet, {}))
    whole = f"{processor(lambda: encode(project, quiet))[0]:.1f} s" if records <= ENCODED else ""
    project.close()
    return f"| {records:,} | {taken:.1f} s | {first:.1f} s | {clock:.1f} s | {whole} |"


def main() -> None:
    """A line for each number of records."""
    print("| records | import | first batch | by the clock | encoding all |\n|---|---|---|---|---|")
    for records in [int(word) for word in sys.argv[1:]] or [4_000, 1_000_000]:
        with tempfile.TemporaryDirectory() as name:
            print(measure(records, Path(name)), flush=True)


if __name__ == "__main__":
    main()
