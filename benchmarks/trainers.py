"""Each trainer against a peer on the same labels: macro-F1, time, memory. Knows jobs, not projects.

    python -m benchmarks.trainers DATA_FOLDER [--sets snips,sms_spam,davidson_hate,folder_paths] [--per-label 8,16]
                    [--seeds 3] [--steps 60] [--peer "frozen head"] [--runs "setfit,encoder; softmax"] [--keep FILE]

DATA_FOLDER holds SET.parquet with the columns text, label and split. Every run is the job that `rondo train` starts,
in a process of its own, on the embedded encoder; those of PLAIN are the library alone (`benchmarks.plain`).
With --keep, each outcome is a line of FILE at once, and what is there already is not run again; --steps is not among
what it keeps.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, stdev

import numpy as np

from core.jobs.bundle import Bundle, write_json
from core.training.train_job import TrainParams
from core.training.trainers import TRAINERS, read_values
from core.typed_json import to_json

JUDGED = 500
"""test records at most"""
EMBEDDED = "all-MiniLM-L6-v2"
ALL = ["batch_size=16", "max_length=64"]
RUNS: dict[str, tuple[str, list[str]]] = {
    "frozen head": ("head", []),
    "frozen head, no names": ("head", ["label_names=false"]),
    "zeroshot, cosine": ("zeroshot", []),
    "setfit": ("setfit", ALL),
    "setfit, hard negatives": ("setfit", [*ALL, "hard_negatives=2"]),
    "setfit, triplet": ("setfit", [*ALL, "loss=triplet"]),
    "setfit, best kept": ("setfit", [*ALL, "eval_steps=20"]),
    "setfit, none held out": ("setfit", [*ALL, "test_size=0"]),
    "encoder, softmax": ("encoder", ALL),
    "encoder, triplet": ("encoder", [*ALL, "loss=triplet"]),
    "encoder, contrastive": ("encoder", [*ALL, "loss=contrastive"]),
    "encoder, best kept": ("encoder", [*ALL, "eval_steps=20"]),
    "encoder, none held out": ("encoder", [*ALL, "test_size=0"]),
    "transformer": ("transformer", [*ALL, "epochs=20", f"base={EMBEDDED}"]),
}
PLAIN = {"SetFit, plain": "setfit", "transformers, plain": "transformers"}
"""what a person gets who takes the library and nothing of ours"""
UNUSUAL = {
    "frozen head, no names",
    "setfit, best kept",
    "setfit, none held out",
    "encoder, best kept",
    "encoder, none held out",
}
"""run only when asked for"""


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


def run(lot: Lot, name: str, steps: int, seed: int) -> Outcome:
    """steps: at most, where the trainer takes any."""
    if name in PLAIN:
        return run_plain(lot, PLAIN[name], steps, seed)
    trainer, supplied = RUNS[name]
    most = [f"max_steps={steps}"] if "max_steps" in TRAINERS[trainer].parameters else []
    return run_job(lot, trainer, [*supplied, *most], seed)


def run_plain(lot: Lot, name: str, steps: int, seed: int) -> Outcome:
    """The library alone, in a process of its own, on as many threads as the jobs."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "lot.json"
        write_json(file, asdict(lot))
        before = spent()
        command = [sys.executable, "-m", "benchmarks.plain", name, str(file), str(steps), str(seed)]
        one_thread = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **one_thread})
        if done.returncode:
            raise RuntimeError(f"{name}: {done.stderr[-500:]}")
        macro_f1, memory_mb = json.loads(done.stdout.splitlines()[-1])
        return Outcome(macro_f1, spent() - before, memory_mb)


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
                        known[key] = run(lot, trainer, options.steps, seed)
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
    parser.add_argument("--sets", default="snips,sms_spam,davidson_hate,folder_paths")
    parser.add_argument("--per-label", default="8,16")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--peer", default="frozen head")
    usual = [name for name in (*RUNS, *PLAIN) if name not in UNUSUAL]
    parser.add_argument("--runs", default=",".join(name.replace(", ", "; ") for name in usual))
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    requested = [name.replace("; ", ", ") for name in options.runs.split(",")]
    print(f"{'set':>14} {'per label':>9} {'trainer':>26} {'macro-F1':>15} {'gain':>13} {'time':>7} {'memory':>8}")
    entries: dict[tuple[str, int], dict[str, list[Outcome]]] = {}
    for (name, per_label, _, trainer), outcome in outcomes(options, requested):
        entries.setdefault((name, per_label), {}).setdefault(trainer, []).append(outcome)
    for (name, per_label), of_trainers in entries.items():
        for trainer, them in of_trainers.items():
            print(line(name, per_label, trainer, them, of_trainers.get(options.peer, them)))


def line(name: str, per_label: int, trainer: str, them: list[Outcome], peer: list[Outcome]) -> str:
    """Gain in points of macro-F1, split by split, with its spread; time and memory as ratios to the peer."""
    gains = [100 * (one.macro_f1 - other.macro_f1) for one, other in zip(them, peer, strict=True)]
    score, gain = spread([one.macro_f1 for one in them], ".3f"), spread(gains, "+.1f")
    time = mean(one.seconds for one in them) / mean(one.seconds for one in peer)
    memory = mean(one.memory_mb for one in them) / mean(one.memory_mb for one in peer)
    return f"{name:>14} {per_label:>9} {trainer:>26} {score:>15} {gain:>13} {time:>6.1f}x {memory:>7.1f}x"


def spread(figures: list[float], shape: str) -> str:
    """Mean and standard deviation, of one alone the figure."""
    return f"{mean(figures):{shape}}" + (f" ±{stdev(figures):{shape.lstrip('+')}}" if len(figures) > 1 else "")


if __name__ == "__main__":
    main()
