"""How right labels are that several people's answers settle, where the truth is known. Knows answers, not a project.

    python -m benchmarks.crowd DATA_FOLDER [--seeds 20]

DATA_FOLDER holds crowd_snow_rte.parquet and crowd_snow_affect.parquet (Snow et al. 2008: ten answers per record, and
gold). Affect's numbers become labels as SemEval 2007 task 14 has it in its coarse evaluation: an emotion is there from
50 on, and valence is negative up to -50, positive from 50, else neutral. `weighted` is the rule of that name with the
weights of `rondo quality`; Dawid-Skene and MACE are crowd-kit's. Of 3 and 5 answers per record drawn at random: mean
and standard deviation over the seeds. A tie counts as the share that a fair coin would get.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.agreement.kappa import RESAMPLES, Votes, alpha, count_categories
from core.arrays import Floats, Ints
from gpu_jobs.work.annotator_quality import Question, dawid_skene, mace, one_coin, weights

DRAWN = (3, 5)
COARSE = 50


@dataclass(frozen=True)
class Crowd:
    """Answers and the truth, (records,) codes."""

    name: str
    votes: Votes
    truth: Ints


def load(folder: Path) -> list[Crowd]:
    """RTE, the six emotions, and valence."""
    import polars as pl

    rte = pl.read_parquet(folder / "crowd_snow_rte.parquet")
    affect = pl.read_parquet(folder / "crowd_snow_affect.parquet").with_columns(
        *(_coarse(pl.col(name).cast(pl.Float64)).alias(name) for name in ("label", "gold"))
    )
    parts = {
        "rte": rte,
        "emotions": affect.filter(pl.col("emotion") != "valence"),
        "valence": affect.filter(pl.col("emotion") == "valence"),
    }
    return [crowd_of(name, part["id"], part["annotator"], part["label"], part["gold"]) for name, part in parts.items()]


def _coarse(value: "pl.Expr") -> "pl.Expr":  # type: ignore[name-defined]  # noqa: F821
    import polars as pl

    return pl.when(value >= COARSE).then(1).when(value <= -COARSE).then(-1).otherwise(0)


def crowd_of(name: str, *columns: object) -> Crowd:
    """columns: record, person, label, gold, one entry per answer."""
    record, annotator, answer, gold = (np.asarray(column) for column in columns)
    labels = np.unique(np.concatenate([answer, gold]))
    names, row = np.unique(record, return_inverse=True)
    people, person = np.unique(annotator, return_inverse=True)
    truth = np.zeros(len(names), np.int64)
    truth[row] = np.searchsorted(labels, gold)
    votes = Votes(row, person, np.searchsorted(labels, answer), len(names), len(people), len(labels))
    return Crowd(name, votes, truth)


def drawn(votes: Votes, most: int, rng: np.random.Generator) -> Votes:
    """At most so many answers of each record, at random."""
    order = np.lexsort((rng.random(len(votes.record)), votes.record))
    rank = np.arange(len(order)) - np.searchsorted(votes.record[order], votes.record[order])
    retained = np.sort(order[rank < most])
    record, annotator, answer = (values[retained] for values in (votes.record, votes.annotator, votes.answer))
    return Votes(record, annotator, answer, votes.records, votes.people, votes.categories)


def by_votes(votes: Votes, weight: Floats) -> Floats:
    """(records, categories) sums of weights."""
    sums = np.zeros((votes.records, votes.categories))
    np.add.at(sums, (votes.record, votes.answer), weight[votes.annotator])
    return sums


def unknown(votes: Votes) -> Question:
    """Nothing but answers."""
    return Question(votes, np.full(votes.records, -1))


RULES: dict[str, Callable[[Votes], Floats]] = {
    "majority": lambda votes: by_votes(votes, np.ones(votes.people)),
    "weighted": lambda votes: by_votes(votes, weights(one_coin(unknown(votes)), votes.categories)),
    "Dawid-Skene": lambda votes: dawid_skene(unknown(votes))[0],
    "MACE": lambda votes: mace(votes)[1],
}


def accuracy(scores: Floats, truth: Ints) -> float:
    """Share of records whose highest score is the truth's; a tie counts in part."""
    best = scores >= scores.max(axis=1, keepdims=True) - 1e-9
    return float((best[np.arange(len(truth)), truth] / best.sum(axis=1)).mean())


def report(crowd: Crowd, seeds: int) -> None:
    """A line per rule."""
    votes = crowd.votes
    matches = alpha(count_categories(votes), np.random.default_rng(0))
    print(
        f"\n{crowd.name}: {votes.records} records, {votes.people} people, {len(votes.answer):,} answers; "
        f"alpha {matches.value:.3f} ({matches.low:.3f} to {matches.high:.3f})"
    )
    print(f"{'':<14}{'all answers':>12}" + "".join(f"{f'{most} answers':>18}" for most in DRAWN) + f"{'seconds':>10}")
    for name, rule in RULES.items():
        started = time.perf_counter()
        whole = accuracy(rule(votes), crowd.truth)
        seconds = time.perf_counter() - started
        cells = []
        for most in DRAWN:
            parts = [drawn(votes, most, np.random.default_rng(seed)) for seed in range(seeds)]
            scores = [accuracy(rule(part), crowd.truth) for part in parts]
            cells.append(f"{np.mean(scores):>11.3f} ±{np.std(scores):.3f}")
        print(f"{name:<14}{whole:>12.3f}" + "".join(f"{cell:>18}" for cell in cells) + f"{seconds:>10.2f}", flush=True)


def report_bootstrap() -> None:
    """What an interval around alpha takes."""
    rng = np.random.default_rng(0)
    truth = rng.integers(5, size=100_000)
    answer = np.where(rng.random((3, len(truth))) < 0.7, truth, rng.integers(5, size=(3, len(truth))))
    annotator, record = np.indices(answer.shape)
    votes = Votes(record.ravel(), annotator.ravel(), answer.ravel(), len(truth), 3, 5)
    started = time.perf_counter()
    alpha(count_categories(votes), rng)
    print(
        f"\nalpha of 100,000 records, 3 people, 5 labels, with {RESAMPLES:,} resamples: "
        f"{time.perf_counter() - started:.2f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=20)
    options = parser.parse_args()
    print(f"Share of records that are settled as gold says; 3 and 5 answers: mean ± sd over {options.seeds} seeds")
    for crowd in load(options.folder):
        report(crowd, options.seeds)
    report_bootstrap()


if __name__ == "__main__":
    main()
