"""How often forecasts and the savings meter keep their word, in projects whose truth is known. Knows no stores.

    python -m benchmarks.forecasts DATA_FOLDER [--projects 8] [--cache FOLDER] [--sets sms_spam,snips]

A project: 3,000 records, 15 rounds of 40 labels by the default strategy, audit share 10 % (even seeds) or 25 % (odd).
Truth is the accuracy on records outside the project. The constants of `core.evaluation.curve` and `.savings`
were chosen on TUNED; the other sets were only looked at afterwards.
"""

import argparse
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.recipe import Trial, load_trial
from core.arrays import Bools, Floats, Ints
from core.evaluation.curve import fit_curve, lacking
from core.evaluation.metrics import Savings
from core.evaluation.savings import FEWEST_AUDITS, RandomArm, savings, simulate_random_arm
from core.models.heads.head import Head, LabelledVectors, cross_fit, fit_head
from core.models.heads.kind import NeighbourGraph
from core.models.heads.neighbour_graph import neighbour_graph
from core.sampling.batch import compose
from core.sampling.pool import Pool
from core.sampling.strategies import STRATEGIES
from core.tasks.labels import label_predictions

SETS = ("sms_spam", "hwu64", "davidson_hate", "snips")
TUNED = ("sms_spam", "hwu64")
RECORDS, ROUNDS, BATCH, JUDGES = 3000, 15, 40, 5000
SHARES = (0.1, 0.25)
METERED = (200, 400, 600)
"""labels at which the savings meter is read"""
GRID = (20, 40, 80, 120, 160, 240, 320, 400, 520, 640, 800, 1000, 1300, 1600, 2000)
"""labels of the random arm that tells the true savings"""
RANDOM_ARMS = 5
AHEAD = 3
"""rounds that a forecast looks ahead: 120 labels"""
FIRST = 2
"""forecasts are made from the third round on"""

Arrays = dict[str, npt.NDArray[Any]]


class World:
    """A project's records with their neighbour graph, and records outside that judge."""

    def __init__(self, trial: Trial, rng: np.random.Generator) -> None:
        order = rng.permutation(len(trial.train))
        mine, others = order[:RECORDS], order[RECORDS : RECORDS + JUDGES]
        self.vectors, self.truth, self.labels = trial.train[mine], trial.truth[mine], trial.labels
        self.judges = np.concatenate([trial.train[others], trial.test])
        self.judged = np.concatenate([trial.truth[others], trial.test_truth])
        graph = neighbour_graph(self.vectors, np.arange(len(mine)), np.random.default_rng(0))
        self.around = NeighbourGraph(graph, self.vectors[graph.rows])

    def labelled_vectors(self, rows: Ints) -> LabelledVectors:
        return LabelledVectors(self.vectors[rows], np.eye(len(self.labels))[self.truth[rows]], self.labels)

    def accuracy(self, head: Head) -> float:
        return float((head.predict(self.judges).argmax(axis=1) == self.judged).mean())


def replay(trial: Trial, seed: int) -> Arrays:
    """right: (rounds, audits) verdicts, held-out where a record taught. left: (audits,) round in which it was asked.
    accuracy: (rounds,). random: accuracies along GRID, of the first seeds. sizesL, shadowL: the shadow arm at L labels.
    """
    rng = np.random.default_rng(seed)
    world = World(trial, rng)
    left, audited = np.full(len(world.truth), -1), np.zeros(len(world.truth), bool)
    right, accuracy, probs = [], [], None
    result: Arrays = {}
    for number in range(ROUNDS):
        rows = np.flatnonzero(left < 0)
        pool = Pool(
            world.vectors, rows, np.flatnonzero(left >= 0), None if probs is None else label_predictions(probs[rows])
        )
        batch = compose(pool, BATCH, STRATEGIES["default"], SHARES[seed % 2], rng)
        left[batch.rows], audited[batch.rows[batch.audit]] = number, True
        indices = np.flatnonzero(left >= 0)
        fitted = cross_fit(world.labelled_vectors(indices), world.around, audited[indices], rng)
        head, held_out = fitted.head, fitted.outputs
        probs = head.predict(world.vectors)
        predicted = probs.argmax(axis=1)
        if held_out is not None:
            predicted[indices[audited[indices]]] = held_out.argmax(axis=1)
        right.append(predicted == world.truth)
        accuracy.append(world.accuracy(head))
        if (number + 1) * BATCH in METERED and audited.sum() >= FEWEST_AUDITS:
            shadow = shade(world, np.flatnonzero(audited), rng)
            result |= {f"sizes{(number + 1) * BATCH}": np.array(shadow.labels)}
            result |= {f"shadow{(number + 1) * BATCH}": shadow.right}
    random = random_arm(world, rng) if seed < RANDOM_ARMS else []
    table = np.array(right)[:, audited]
    return {"right": table, "left": left[audited], "accuracy": np.array(accuracy), "random": np.array(random), **result}


def shade(world: World, audits: Ints, rng: np.random.Generator) -> RandomArm:
    def teach(rows: Ints) -> Bools:
        head = fit_head(world.labelled_vectors(audits[rows]), world.around, rng)
        return np.asarray(head.predict(world.vectors[audits]).argmax(axis=1) == world.truth[audits])

    return simulate_random_arm(len(audits), teach, rng)


def random_arm(world: World, rng: np.random.Generator) -> list[float]:
    order = rng.permutation(RECORDS)
    return [world.accuracy(fit_head(world.labelled_vectors(order[:count]), world.around, rng)) for count in GRID]


def moments(project: Arrays) -> Iterator[tuple[int, Bools, Ints]]:
    """(round, verdicts so far, labels so far) where a forecast can be made and checked."""
    for number in range(FIRST, ROUNDS - AHEAD):
        right = project["right"][: number + 1, project["left"] <= number]
        labels = BATCH * np.arange(1, number + 2)
        if lacking(right, labels) is None:
            yield number, right, labels


def forecast_row(projects: list[Arrays]) -> str:
    """Held, width and error of the band; the error of two peers: the last round's step continued, and least squares."""
    held, width, error, step, squares = [], [], [], [], []
    for project in projects:
        for number, right, labels in moments(project):
            rng = np.random.default_rng(0)
            gain = fit_curve(right, labels, np.ones(right.shape[1]), rng).gain(AHEAD * BATCH, rng)
            low, high = np.quantile(gain, [0.025, 0.975])
            true = project["accuracy"][number + AHEAD] - project["accuracy"][number]
            held.append(low <= true <= high)
            width.append(high - low)
            error.append(abs(gain.mean() - true))
            means = right.mean(axis=1)
            step.append(abs(AHEAD * (means[-1] - means[-2]) - true))
            squares.append(abs(least_squares(means, labels, AHEAD * BATCH) - true))
    figures = [100 * float(np.mean(part)) for part in (held, width, error, step, squares)]
    return f"| {len(held)} | {figures[0]:.1f} % | " + " | ".join(f"{figure:.2f}" for figure in figures[1:]) + " |"


def least_squares(accuracy: Floats, labels: Ints, more: int) -> float:
    """Gain by the power law fitted to the points alone (Figueroa et al. 2012, without weights)."""
    from scipy.optimize import curve_fit

    def law(count: Floats, a: float, b: float, c: float) -> Floats:
        return np.asarray(a - b * count**-c)

    bounds = ([0, 0, 0.05], [1, 10, 2])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a flat curve has no covariance
        matches, _ = curve_fit(law, labels.astype(float), accuracy, p0=(0.9, 1, 0.5), bounds=bounds, maxfev=20_000)
    ends = law(np.array([labels[-1], labels[-1] + more], float), *matches)
    return float(ends[1] - ends[0])


def true_savings(projects: list[Arrays]) -> Floats:
    """(len(METERED),) saved labels of the mean curves; infinite where random never gets there within GRID."""
    random = np.maximum.accumulate(np.mean([one["random"] for one in projects if len(one["random"])], axis=0))
    active = np.maximum.accumulate(np.mean([one["accuracy"] for one in projects], axis=0))
    goals = active[[count // BATCH - 1 for count in METERED]]
    needed = np.exp(np.interp(goals, random, np.log(GRID)))
    return np.asarray(np.where(goals > random[-1], np.inf, needed) - np.array(METERED))


def savings_rows(projects: list[Arrays]) -> Iterator[str]:
    for count, true in zip(METERED, true_savings(projects), strict=True):
        matches = [meter(one, count) for one in projects if f"sizes{count}" in one]
        if not matches:
            continue
        most = [np.inf if one.saved_high is None else one.saved_high for one in matches]
        held = [
            one.saved_low <= true and min(true, GRID[-1] - count) <= high
            for one, high in zip(matches, most, strict=True)
        ]
        verdicts = ", ".join(f"{name} {number}" for name, number in Counter(one.verdict for one in matches).items())
        span = f"{np.median([one.saved_low for one in matches]):.0f} to {np.median(most):.0f}"
        truth = f"over {GRID[-1] - count}" if np.isinf(true) else f"{true:.0f}"
        yield f"| {count} | {len(matches)} | {truth} | {sum(held)} of {len(held)} | {span} | {verdicts} |"


def meter(project: Arrays, count: int) -> Savings:
    now = count // BATCH
    right = project["right"][:now, project["left"] < now]
    shadow = RandomArm(tuple(project[f"sizes{count}"].tolist()), project[f"shadow{count}"])
    return savings(right, BATCH * np.arange(1, now + 1), np.ones(right.shape[1]), shadow)


def load(folder: Path, name: str, count: int, cache: Path) -> list[Arrays]:
    """Replays of a set, played where `cache` does not hold them yet."""
    files = [cache / "forecasts" / f"{name}-{seed}.npz" for seed in range(count)]
    missing = [(seed, file) for seed, file in enumerate(files) if not file.exists()]
    trial = load_trial(folder, name, cache) if missing else None
    for seed, file in missing:
        assert trial is not None
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(file, **replay(trial, seed))  # type: ignore[arg-type]
    return [dict(np.load(file)) for file in files]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--projects", type=int, default=8)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "rondo-recipe")
    options = parser.parse_args()
    played = {name: load(options.folder, name, options.projects, options.cache) for name in options.sets.split(",")}
    print(f"Gain of {AHEAD * BATCH} more labels (points), {options.projects} projects a set\n")
    print("| set | forecasts | 95 % held | mean width | error | error of last step | error of least squares |")
    print("|---|---|---|---|---|---|---|")
    for name, projects in played.items():
        print(f"| {name}{' (tuned on)' if name in TUNED else ''} {forecast_row(projects)}", flush=True)
    print("\nSavings meter\n\n| set | labels | projects | truly saved | 95 % held | median interval | verdicts |")
    print("|---|---|---|---|---|---|---|")
    for name, projects in played.items():
        for row in savings_rows(projects):
            print(f"| {name}{' (tuned on)' if name in TUNED else ''} {row}", flush=True)


if __name__ == "__main__":
    main()
