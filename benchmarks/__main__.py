"""`make bench`: every benchmark in turn, each printing its table. DATA=folder adds those that need labelled sets."""

import subprocess
import sys

ALONE = (
    "ingest",
    "prepare",
    "first_record",
    "encoding",
    "choosing",
    "rounds",
    "labelling",
    "records",
    "page_times",
    "argilla",
    "team",
    "linking",
)
WITH_DATA = (
    "recipe",
    "replays",
    "coverage",
    "forecasts",
    "guarantees",
    "suspicious",
    "maps",
    "heads",
    "trainers",
    "crowd",
    "languages",
    "pairs",
    "blocking_recall",
    "guaranteed_merges",
    "structured_answers",
)


def main() -> int:
    """Runs them one after the other, so that they do not take each other's time."""
    folder = sys.argv[1:2]
    failed = 0
    for name in (*ALONE, *(WITH_DATA if folder else ())):
        print(f"\n== {name}", flush=True)
        failed += subprocess.run(
            [sys.executable, "-m", f"benchmarks.{name}", *(folder if name in WITH_DATA else [])]
        ).returncode
    if not folder:
        print(f"\nNot run: {', '.join(WITH_DATA)}. They need labelled sets: make bench DATA=folder")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
