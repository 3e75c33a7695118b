"""How well wrong labels are found, where it is known which ones are wrong. Knows vectors, not a project.

    python -m benchmarks.suspicious DATA_FOLDER [--set davidson_hate] [--seeds 5] [--cache FOLDER]

DATA_FOLDER holds SET.parquet, as for `benchmarks.recipe`. Of 2,000 and 5,000 labelled records 5 % get a wrong label: at
random, or the one that a head taught by other records finds likeliest beside the true one. The peers: cleanlab as it
comes, on cross-fitted probabilities of the head that rounds use; as many records as the finder names, of the lowest
probability of the given label; as many at random. Precision counts planted errors only: the set's own errors
count as false alarms.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.recipe import Trial, labelled_vectors_of, load_trial
from core.arrays import Floats, Ints
from core.models.heads.head import LabelledVectors, cross_fit, fit_head
from gpu_jobs.work.inspect import Labelled, label_errors, neighbours, out_of_sample

SIZES = (2_000, 5_000)
FLIPPED = 0.05

Flip = Callable[[Trial, Ints, Ints, np.random.Generator], Ints]


def at_random(trial: Trial, rows: Ints, wrong: Ints, rng: np.random.Generator) -> Ints:
    """Any other label, all alike."""
    labels = len(trial.labels)
    return np.asarray((trial.truth[rows[wrong]] + rng.integers(1, labels, size=len(wrong))) % labels)


def confusable(trial: Trial, rows: Ints, wrong: Ints, rng: np.random.Generator) -> Ints:
    """The likeliest label beside the true one, as a head taught by records outside the sample says."""
    others = np.setdiff1d(np.arange(len(trial.train)), rows)
    probs = fit_head(labelled_vectors_of(trial, others), None, rng).predict(trial.train, rows[wrong])
    probs[np.arange(len(wrong)), trial.truth[rows[wrong]]] = -1
    return np.asarray(probs.argmax(axis=1))


FLIPS: dict[str, Flip] = {"at random": at_random, "to the most confusable": confusable}


ARMS = ("finder", "cleanlab on the head", "self-confidence", "random")


def play(trial: Trial, size: int, flip: Flip, seed: int) -> Floats:
    """(arms, 3): records named, precision, recall."""
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(len(trial.train), size, replace=False))
    wrong = np.sort(rng.choice(size, round(FLIPPED * size), replace=False))
    supplied = trial.truth[rows].copy()
    supplied[wrong] = flip(trial, rows, wrong, rng)
    targets = np.eye(len(trial.labels), dtype=np.bool_)[supplied]
    labelled = Labelled(np.arange(size), np.asarray(trial.train[rows], np.float32), targets, multi=False)
    probs = out_of_sample(labelled, neighbours(labelled.points), rng)
    named = label_errors(labelled, probs).record_nos
    unsure = np.argsort(probs[np.arange(size), supplied], kind="stable")[: len(named)]
    arms = (named, as_it_comes(trial, labelled, rng), unsure, rng.choice(size, len(named), replace=False))
    hits = [len(np.intersect1d(arm, wrong)) for arm in arms]
    return np.array([[len(arm), hit / max(len(arm), 1), hit / len(wrong)] for arm, hit in zip(arms, hits, strict=True)])


def as_it_comes(trial: Trial, labelled: Labelled, rng: np.random.Generator) -> Ints:
    """cleanlab's default rule on the probabilities of the round's head."""
    from cleanlab.filter import find_label_issues

    labelled_vectors = LabelledVectors(labelled.points, labelled.targets.astype(np.float32), trial.labels)
    probs = cross_fit(labelled_vectors, trial.neighbour_graph, np.ones(len(labelled.rows), np.bool_), rng).outputs
    return np.flatnonzero(find_label_issues(labelled.targets.argmax(axis=1), probs, n_jobs=1))


def report(trial: Trial, seeds: int) -> None:
    """Means over the seeds."""
    print(f"{'records':>8}  {'5 % flipped':<23}{'':<22}{'named':>7}{'precision':>11}{'recall':>9}")
    for size in SIZES:
        for name, flip in FLIPS.items():
            played = np.array([play(trial, size, flip, seed) for seed in range(seeds)])
            for arm, (named, precision, recall) in zip(ARMS, played.mean(axis=0), strict=True):
                print(f"{size:>8,}  {name:<23}{arm:<22}{named:>7.0f}{precision:>11.3f}{recall:>9.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--set", default="davidson_hate")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "rondo-recipe")
    options = parser.parse_args()
    print(f"{options.set}: precision and recall of planted errors, means of {options.seeds} seeds")
    report(load_trial(options.folder, options.set, options.cache), options.seeds)


if __name__ == "__main__":
    main()
