"""How long a large project takes to be cleaned, balanced, split, predicted and exported, and how much memory:
`python -m benchmarks.prepare [--rows N] [--near-duplicates] [--steps NAME,...] [--texts FOLDER]`.

Each step by its verb, applied; the job's process and the owner's are measured apart. Predicting is of the file, with a
random head on the encoder that is always there. With --texts records are two words of the sets in that folder, and what
is predicted is one word of 2,000: equal texts of a part are encoded once, so that the time is that of all but the
encoder, whose own benchmarks.predicting measures. Knows the verbs; not how they are done.
"""

import argparse
import csv
import os
import random
import resource
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from benchmarks.make_large import LABELS, make_large
from benchmarks.predicting import distinct_texts, random_head
from core.data.balance import balance
from core.data.clean import clean
from core.data.file_import import import_file
from core.data.split import split
from core.loop import create_project, export
from core.project import Project, open_project
from core.registry.predict import predict
from gpu_jobs.runners.local import LocalRunner

FEW_WORDS = 2_000
STEPS = ("import", "clean", "balance", "split", "undo", "predict", "export")


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


def make_short(file: Path, rows: int, folder: Path) -> None:
    """Texts of two words of the sets, all different, each with a label; and a word of 2,000."""
    rng = random.Random(0)
    known = sorted({word for text in distinct_texts(folder, 30_000) for word in text.split()})
    texts: dict[str, None] = {}
    while len(texts) < rows:
        texts[" ".join(rng.choices(known, k=2))] = None
    few = rng.sample(known, FEW_WORDS)
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "text", "label", "word"])
        writer.writerows([f"t{row:08d}", text, rng.choice(LABELS), rng.choice(few)] for row, text in enumerate(texts))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--near-duplicates", action="store_true")
    parser.add_argument("--steps", default=",".join(STEPS))
    parser.add_argument("--texts", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if args.texts:
            make_short(folder / "large.csv", args.rows, args.texts)
        else:
            make_large(folder / "large.csv", args.rows, labelled=1.0)
        create_project(folder / "project", [])
        project = open_project(folder / "project", LocalRunner())
        works = steps(project, folder, near_duplicates=args.near_duplicates, text="word" if args.texts else "text")
        for one in args.steps.split(","):
            step(project, one, works[one])
        project.close()


def steps(project: Project, folder: Path, *, near_duplicates: bool, text: str) -> dict[str, Callable[[], object]]:
    """By name, as they are applied. text: the column that is predicted."""
    file = str(folder / "large.csv")

    def report(what: str, done: int, total: int) -> None:
        pass

    def bring_in() -> None:
        import_file(project, report, file=file, text=["text"], id="id", label="label", add_labels=True)

    def clean_all() -> None:
        left_out = ["duplicate", "near_duplicate"] if near_duplicates else ["duplicate"]
        clean(project, report, rules=["web"], left_out=left_out, apply=True)

    def predict_all() -> None:
        random_head(folder / "model", LABELS)
        model, out = str(folder / "model"), str(folder / "predicted.jsonl")
        predict(project, _progress(), file=file, out=out, text=[text], id="id", label="label", model=model)

    def export_all() -> None:
        for form in ("parquet", "label-studio"):
            export(project, report, out=str(folder / f"{form}.out"), file_format=form, what="labels")

    return {
        "import": bring_in,
        "clean": clean_all,
        "balance": lambda: balance(project, report, reduce_majority_to=150_000, apply=True),
        "split": lambda: split(project, report, train=0.7, val=0.09, test=0.21, apply=True),
        "undo": lambda: clean(project, report, undo=True),
        "predict": predict_all,
        "export": export_all,
    }


def _progress() -> Callable[[str, int, int], None]:
    """Prints each tenth."""
    tenths: set[int] = set()

    def report(what: str, done: int, total: int) -> None:
        tenth = 10 * done // total if total else 0
        if tenth not in tenths:
            tenths.add(tenth)
            print(f"  {what}: {done:,} of {total:,}", flush=True)

    return report


if __name__ == "__main__":
    main()
