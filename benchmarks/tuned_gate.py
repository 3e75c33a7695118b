"""Does the trial of a tuned encoder say what is true? Its interval beside what tuning brings on the test records.

    python -m benchmarks.tuned_gate DATA_FOLDER --sets davidson_hate [--labels 80,160] [--seeds 1] [--records 2000]

DATA_FOLDER holds SET.parquet with the columns text, label and perhaps split. Per set and seed records are labelled in
eight batches to the greatest number of labels, by the default strategy on the frozen encoder, a seventh of each batch
drawn at random as an audit. After the batch that reaches each number the encoder is tuned as the loop does it, and
tried out by its twins. Macro F1 on the test records of the round's head on frozen vectors, on tuned ones, and on those
of the encoders that come along; then what the trial says.
"""

import argparse
import re
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.recipe import macro_f1, split_of
from core.arrays import Floats, Ints
from core.models.encoders.encoder import BUNDLED, EMBEDDED
from core.models.encoders.loading import load_encoder
from core.models.heads.head import Head, LabelledVectors, fit_head
from core.models.heads.kind import NeighbourGraph
from core.models.heads.neighbour_graph import neighbour_graph
from core.registry.tuning import BATCH, STEPS
from core.sampling.pool import Pool
from core.sampling.strategies import STRATEGIES
from core.tasks.labels import label_predictions
from core.training.train_job import TrialParams
from core.training.trainers import read_values
from gpu_jobs.trainers.encoder import train
from gpu_jobs.trainers.trainer_types import TrainingRun, TrainingSet
from gpu_jobs.work.trial import TrialRecords, try_out

BATCHES = 8
AUDIT = 7
"""one record of so many is drawn at random"""
TEST = 800
POOL = 500
"""texts of the pool that the twins' graphs are made of"""


@dataclass(frozen=True)
class Sample:
    """Texts and label numbers of records that learn and that judge. names: what each label is called."""

    texts: list[str]
    truth: Ints
    test: list[str]
    test_truth: Ints
    labels: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Vectors:
    """By one encoder: of the records that learn, of those that judge, of the names, and the graph of the first."""

    train: Floats
    test: Floats
    names: Floats
    graph: NeighbourGraph


def read_sample(file: Path, records: int) -> Sample:
    import polars as pl

    table = pl.read_parquet(file)
    labels = tuple(sorted(table["label"].unique().to_list()))
    truth = np.array([labels.index(label) for label in table["label"]], np.int64)
    test = split_of(table["split"].to_list() if "split" in table.columns else None, len(table))
    rng, texts = np.random.default_rng(0), table["text"].to_list()
    rows, others = (
        np.sort(rng.permutation(np.flatnonzero(part))[:most]) for part, most in ((~test, records), (test, TEST))
    )
    names = tuple(re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", label).lower() for label in labels)
    return Sample([texts[n] for n in rows], truth[rows], [texts[n] for n in others], truth[others], labels, names)


def encode(sample: Sample, encoder: str) -> Vectors:
    loaded = load_encoder(encoder, Path(tempfile.gettempdir()), 1)
    vectors, test, names = (loaded.encode(list(part)) for part in (sample.texts, sample.test, sample.names))
    graph = neighbour_graph(vectors, np.arange(len(vectors)), np.random.default_rng(0))
    return Vectors(vectors, test, names, NeighbourGraph(graph, vectors[graph.rows]))


def fit(sample: Sample, vectors: Vectors, rows: Ints) -> Head:
    """The round's head."""
    targets = np.eye(len(sample.labels))[sample.truth[rows]]
    labelled = LabelledVectors(vectors.train[rows], targets, sample.labels, names=vectors.names)
    return fit_head(labelled, vectors.graph, np.random.default_rng(0))


def score(sample: Sample, vectors: Vectors, rows: Ints) -> float:
    return macro_f1(sample.test_truth, fit(sample, vectors, rows).predict(vectors.test).argmax(axis=1))


def attempt(sample: Sample, frozen: Mapping[str, Vectors], rows: Ints, audits: Ints, seed: int) -> str:
    """Tunes on these rows, and says what came of it, in cells of a table."""
    started, targets = time.process_time(), np.eye(len(sample.labels), dtype=np.bool_)
    nameless = ("",) * len(sample.labels)
    texts, pool = [sample.texts[n] for n in rows], sample.texts[:POOL]
    training = TrainingSet(texts, targets[sample.truth[rows]], sample.labels, nameless, nameless, False, pool=pool)
    values = read_values(
        "encoder",
        [
            "epochs=1000",
            f"max_steps={STEPS}",
            f"batch_size={BATCH}",
            "learning_rate=5e-5",
            "test_size=0",
            "frozen_layers=1",
        ],
    )
    first = frozen[EMBEDDED]
    records = TrialRecords(
        [sample.texts[n] for n in audits],
        targets[sample.truth[audits]],
        first.train[rows],
        first.train[audits],
        first.train[:POOL],
        first.names,
        fresh=np.ones(len(rows), np.bool_),
        unchosen=np.arange(len(rows)) < 3 * len(sample.labels),
    )
    with tempfile.TemporaryDirectory() as folder:
        work, checkpoints = Path(folder) / "work", Path(folder) / "checkpoints"
        work.mkdir()
        checkpoints.mkdir()
        run = TrainingRun(values, EMBEDDED, Path(folder), work, checkpoints, seed, 1, lambda *_, **__: None)
        tuned = score(sample, encode(sample, str(train(training, run).encoder)), rows)
        trial, _ = try_out(training, records, TrialParams(EMBEDDED, sample.names), replace(run, seed=seed), train)
    others = " | ".join(f"{score(sample, vectors, rows):.3f}" for vectors in frozen.values())
    intervals = " | ".join(
        f"{one.value:+.3f} ({one.low:+.3f} to {one.high:+.3f})" for one in (trial.macro_f1, trial.accuracy)
    )
    return (
        f"{others} | {tuned:.3f} | {intervals} | {trial.unchosen_gain:+d} of {trial.unchosen} "
        f"| {time.process_time() - started:.0f}"
    )


def play(name: str, sample: Sample, counts: list[int], seed: int) -> None:
    """A line for each number of labels."""
    frozen = {encoder: encode(sample, encoder) for encoder in BUNDLED}
    first, rng = frozen[EMBEDDED], np.random.default_rng(seed)
    batch, free = -(-max(counts) // BATCHES), np.ones(len(sample.texts), np.bool_)
    rows, audits, predictions = np.empty(0, np.int64), np.empty(0, np.int64), None
    for number in range(1, BATCHES + 1):
        drawn = rng.choice(np.flatnonzero(free), -(-batch // AUDIT), replace=False)
        free[drawn], audits = False, np.concatenate([audits, drawn])
        candidates = np.flatnonzero(free)
        asked = np.bincount(sample.truth[rows], minlength=len(sample.labels))
        known = predictions if predictions is None else label_predictions(predictions[candidates])
        pool = Pool(first.train, candidates, np.sort(rows), known, label_counts=asked)
        chosen = STRATEGIES["default"](pool, batch - len(drawn), rng)
        free[chosen], rows = False, np.concatenate([rows, chosen])
        predictions = fit(sample, first, rows).predict(first.train)
        if any((number - 1) * batch < count <= number * batch for count in counts):
            line = attempt(sample, frozen, rows, audits, seed)
            print(f"| {name} | {seed} | {number * batch} | {line} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sets", required=True)
    parser.add_argument("--labels", default="80,160")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--records", type=int, default=2_000)
    options = parser.parse_args()
    print(
        f"| set | seed | labels | {' | '.join(BUNDLED)} | tuned | trial: macro F1 | accuracy | unchosen | processor s |"
    )
    print(f"|{'---|' * (len(BUNDLED) + 8)}")
    for name in options.sets.split(","):
        sample = read_sample(options.folder / f"{name}.parquet", options.records)
        for seed in range(options.seeds):
            play(name, sample, [int(count) for count in options.labels.split(",")], seed)


if __name__ == "__main__":
    main()
