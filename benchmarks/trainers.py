"""Each trainer against the frozen head on the same labels: macro-F1, time, memory. Knows jobs, not projects.

    python -m benchmarks.trainers DATA_FOLDER [--sets snips,davidson_hate,folder_paths] [--per-label 8,64] [--seeds 3]
                                [--keep FILE.jsonl]

DATA_FOLDER holds SET.parquet with the columns text, label and perhaps split. Every run is the job that `rondo train`
starts, in a process of its own, on the embedded encoder.
With --keep, each outcome is a line of FILE at once, and what is there already is not run again.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np

from core.jobs.bundle import Bundle, write_json
from core.training.train_job import TrainParams
from core.training.trainers import read_values
from core.typed_json import to_json

STEPS = 100
"""at most: more would take hours on two cores"""
JUDGED = 1_000
"""test records at most"""
EMBEDDED = "all-MiniLM-L6-v2"
RUNS: dict[str, tuple[str, list[str]]] = {
    "frozen head": ("head", []),
    "zeroshot, cosine": ("zeroshot", []),
    "setfit": (
        "setfit",
        [f"max_steps={STEPS}", "batch_size=16", "max_length=64"],
    ),
    "setfit, hard negatives": (
        "setfit",
        [f"max_steps={STEPS}", "batch_size=16", "max_length=64", "hard_negatives=2"],
    ),
    "encoder, softmax": ("encoder", [f"max_steps={STEPS}", "batch_size=16", "max_length=64"]),
    "encoder, triplet": ("encoder", [f"max_steps={STEPS}", "batch_size=16", "max_length=64", "loss=triplet"]),
    "transformer": (
        "transformer",
        [f"max_steps={STEPS}", "batch_size=16", "max_length=64", "epochs=20", f"base={EMBEDDED}"],
    ),
}


@dataclass(frozen=True)
class Lot:
    """What one run is given: texts and label names that teach, and those that judge."""

    texts: list[str]
    labels: list[str]
    test_texts: list[str]
    test_labels: list[str]

    @property
    def names(self) -> list[str]:
        return sorted({*self.labels, *self.test_labels})


@dataclass(frozen=True)
class Outcome:
    """macro_f1 of the test records 0..1, processor seconds of the whole process, memory in MB at its highest."""

    macro_f1: float
    seconds: float
    memory_mb: float


def draw(folder: Path, name: str, per_label: int, seed: int) -> Lot:
    """per_label records of each label (fewer where there are not so many), and at most JUDGED that judge."""
    import polars as pl

    table = pl.read_parquet(folder / f"{name}.parquet").select("text", "label", "split")
    rng = np.random.default_rng(seed)
    train, test = table.filter(pl.col("split") == "train"), table.filter(pl.col("split") == "test")
    rows: list[int] = []
    for label in sorted(train["label"].unique().to_list()):
        mine = np.flatnonzero((train["label"] == label).to_numpy())
        rows += rng.choice(mine, min(per_label, len(mine)), replace=False).tolist()
    if name == "folder_paths":  # the ending alone tells the label there
        without = pl.col("text").str.replace(r"\.[A-Za-z0-9]+$", "")
        train, test = train.with_columns(text=without), test.with_columns(text=without)
    train_sample = train[rows]
    test_sample = test[np.sort(np.random.default_rng(0).permutation(len(test))[:JUDGED]).tolist()]
    return Lot(
        train_sample["text"].to_list(),
        train_sample["label"].to_list(),
        test_sample["text"].to_list(),
        test_sample["label"].to_list(),
    )


def write_bundle(path: Path, lot: Lot, trainer: str, supplied: list[str], seed: int) -> Bundle:
    """As `rondo train` writes it, every judging record gold."""
    import polars as pl

    (path / "in").mkdir(parents=True)
    train_sample = {"n": range(len(lot.texts)), "text": lot.texts, "labels": [[label] for label in lot.labels]}
    pl.DataFrame(train_sample).write_parquet(path / "in" / "train.parquet")
    numbers = range(len(lot.texts), len(lot.texts) + len(lot.test_texts))
    scored_rows = {
        "n": numbers,
        "text": lot.test_texts,
        "stratum": "gold",
        "labels": [[one] for one in lot.test_labels],
    }
    pl.DataFrame(scored_rows).write_parquet(path / "in" / "judge.parquet")
    nobody = np.empty(0, np.int64)
    history = dict.fromkeys(("asked_rows", "history_wave_sizes", "history_wave_opens"), nobody)
    history |= {"history_wave": nobody, "history_left": nobody, "history_audited": np.empty(0, np.bool_)}
    np.savez(path / "in" / "history.npz", allow_pickle=False, **history)
    values = read_values(trainer, supplied)
    base = str(values.get("base") or EMBEDDED)
    params = TrainParams(
        trainer=trainer,
        values={**values, **({"base": base} if "base" in values else {})},
        encoder=base,
        labels=tuple(lot.names),
        label_names=tuple(lot.names),
        descriptions=tuple("" for _ in lot.names),
        multi=False,
        seed=seed,
        threads=1,
        taxonomy=1,
    )
    job = {"schema": 1, "id": path.name, "kind": "train", "params": to_json(params)}
    write_json(path / "job.json", job)
    return Bundle(path)


def spent() -> float:
    """Processor seconds of the processes that have ended: a busy machine does not change them much."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run_job(lot: Lot, trainer: str, supplied: list[str], seed: int) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        bundle = write_bundle(Path(folder) / "job", lot, trainer, supplied, seed)
        before = spent()
        done = subprocess.run([sys.executable, "-m", "gpu_jobs.run", str(bundle.path)], capture_output=True, text=True)
        seconds = spent() - before
        result = bundle.result or {"state": "lost", "message": done.stderr[-500:]}
        if result["state"] != "succeeded":
            raise RuntimeError(f"{trainer}: {result['message']}")
        value = result["value"]
        return Outcome(value["metrics"]["gold"]["macro_f1"]["value"], seconds, value["memory_mb"])


Key = tuple[str, int, int, str]
"""set, records per label, seed, trainer"""


def outcomes(options: argparse.Namespace, requested: list[str]) -> Iterator[tuple[Key, Outcome]]:
    """Split by split, so that a run that is broken off leaves whole splits."""
    known = read_kept(options.keep)
    for name in options.sets.split(","):
        for per_label in map(int, options.per_label.split(",")):
            for seed in range(options.seeds):
                lot = draw(options.data, name, per_label, seed)
                for trainer in requested:
                    key = (name, per_label, seed, trainer)
                    if key not in known:
                        known[key] = run_job(lot, *RUNS[trainer], seed)
                        keep(options.keep, key, known[key])
                    yield key, known[key]


def read_kept(file: Path | None) -> dict[Key, Outcome]:
    known: dict[Key, Outcome] = {}
    for result in file.read_text(encoding="utf-8").splitlines() if file and file.exists() else []:
        (name, per_label, seed, trainer), outcome = json.loads(result)
        known[name, per_label, seed, trainer] = Outcome(**outcome)
    return known


def keep(file: Path | None, key: Key, outcome: Outcome) -> None:
    if file:
        with file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps([key, asdict(outcome)]) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", default="snips,davidson_hate,folder_paths")
    parser.add_argument("--per-label", default="8,64")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", default=",".join(RUNS).replace(", ", "; "))
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    requested = [name.replace("; ", ", ") for name in options.runs.split(",")]
    print(f"{'set':>14} {'per label':>9} {'trainer':>26} {'macro-F1':>16} {'gain':>7} {'time':>7} {'memory':>8}")
    entries: dict[tuple[str, int], dict[str, list[Outcome]]] = {}
    for (name, per_label, _, trainer), outcome in outcomes(options, requested):
        entries.setdefault((name, per_label), {}).setdefault(trainer, []).append(outcome)
    for (name, per_label), of_trainers in entries.items():
        for trainer, them in of_trainers.items():
            print(line(name, per_label, trainer, them, of_trainers.get("frozen head", them)))


def line(name: str, per_label: int, trainer: str, them: list[Outcome], peer: list[Outcome]) -> str:
    """Gain in points of macro-F1, time and memory as ratios to the frozen head."""
    scores = [one.macro_f1 for one in them]
    spread = f" +-{stdev(scores):.3f}" if len(scores) > 1 else ""
    gain = 100 * mean(a.macro_f1 - b.macro_f1 for a, b in zip(them, peer, strict=True))
    ratios: list[Any] = [
        mean(getattr(one, key) for one in them) / mean(getattr(one, key) for one in peer)
        for key in ("seconds", "memory_mb")
    ]
    shown = f"{mean(scores):.3f}{spread}"
    return f"{name:>14} {per_label:>9} {trainer:>26} {shown:>16} {gain:>+7.1f} {ratios[0]:>6.1f}x {ratios[1]:>7.1f}x"


if __name__ == "__main__":
    main()
