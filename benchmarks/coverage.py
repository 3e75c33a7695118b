"""How often the 95 % intervals hold the truth, over many simulated projects. Knows real sets, no projects or verbs.

    python -m benchmarks.coverage DATA_FOLDER [--projects 1000] [--first 0] [--few-answers] [--cache FOLDER]

Every project draws its records from a labelled set and asks in batches whose audit share changes; up to a third of the
records is asked, chosen by the default strategy or by margin; half of the projects get their last third of records
half-way. The truth is what the last head says of all records, asked ones counted by the head that had not seen them.
Three ways to score are compared: ours (audit labels teach, records are judged by cross-fitting and weighed), the plain
mean over the audit records, and audit records that never teach, again with the plain mean.
A label is rare in a project where fewer than five of its audit records are to be expected to have it.
"On fresh texts" is the same estimate against the last head's accuracy on the test split, which is what gold would say.
With --few-answers labels are many and answers few: 19, 40 or 60 labels of hwu64 or the 7 of snips, and seven answers
for each at the end.
"""

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.recipe import Trial, load_trial
from benchmarks.simulated import Plan, Played
from core.arrays import Bools, Floats, Ints
from core.evaluation.audit import PoolHistory, equal_weights, weigh
from core.evaluation.metrics import CategoryScore, Estimate
from core.evaluation.reporting import FEW
from core.evaluation.scores import macro_f1, score, share
from core.models.heads.head import LabelledVectors, cross_fit, fit_uncalibrated
from core.models.heads.kind import NeighbourGraph
from core.models.heads.neighbour_graph import neighbour_graph
from core.sampling.batch import compose
from core.sampling.pool import Pool
from core.sampling.strategies import STRATEGIES
from core.tasks.labels import label_predictions

TURN = ("sms_spam", "davidson_hate", "snips") * 3 + ("hwu64",)
SMALL = (
    (600, (50,) * 4, (0.1, 0.3, 0.1, 0.2)),
    (1500, (40,) * 5, (0.1, 0.3, 0.1, 0.2, 0.1)),
    (1500, (50,) * 8, (0.5, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.3)),
    (1000, (30,) * 4, (0.1, 0.1, 0.1, 0.6)),
)
LARGE = (
    (1200, (100,) * 4, (0.1, 0.3, 0.1, 0.2)),
    (2400, (100,) * 5, (0.1, 0.3, 0.1, 0.2, 0.1)),
    (2400, (100,) * 8, (0.6, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.6)),
)
"""for 64 labels; records, records asked per round, audit shares"""
FEW_TURN = (("hwu64", 19), ("snips", 7), ("hwu64", 40), ("hwu64", 60))
"""set and how many of its labels"""
ANSWERS_PER_LABEL = 7
Told = tuple[str, str, Estimate | None, float]


@dataclass(frozen=True)
class Observed:
    """A finished project. truth, said, said_untaught: (N, labels), what is true of all records, and what is said by the
    head that all taught and by the head that the chosen alone taught. asked: (k,) rows in the order of the history.
    right, fresh: share of the pool, and of texts that were in no project, that the two heads get right."""

    truth: Bools
    predicted: Bools
    said_untaught: Bools
    requested: Ints
    history: PoolHistory
    right: tuple[float, float]
    fresh: tuple[float, float]


def some_labels(trial: Trial, count: int, seed: int) -> Trial:
    """The records of so many labels, drawn by lot."""
    labels = np.sort(np.random.default_rng(seed).permutation(len(trial.labels))[:count])
    here, there = np.isin(trial.truth, labels), np.isin(trial.test_truth, labels)
    return replace(
        trial,
        train=trial.train[here],
        truth=np.searchsorted(labels, trial.truth[here]),
        test=trial.test[there],
        test_truth=np.searchsorted(labels, trial.test_truth[there]),
        labels=tuple(trial.labels[label] for label in labels),
        names=trial.names[labels],
    )


def few_answers(number: int, labels: int) -> Plan:
    """The project of that number with many labels and few answers."""
    strategy = ("default", "margin")[number // len(FEW_TURN) % 2]
    size = ANSWERS_PER_LABEL * labels // 4
    return Plan(1500, (size,) * 4, (0.1, 0.3, 0.1, 0.2), strategy=strategy, seed=number)


def plan_of(number: int, name: str) -> Plan:
    """The project of that number."""
    kinds, turn = (LARGE if name == "hwu64" else SMALL), number // len(TURN)
    records, sizes, shares = kinds[turn % len(kinds)]
    return Plan(records, sizes, shares, strategy=("default", "margin")[turn // len(kinds) % 2], seed=number)


def play_project(trial: Trial, plan: Plan, waves: bool) -> tuple[Played, Ints]:
    """As `benchmarks.simulated.play`, and (N,) the round from which a record could be asked.

    With waves the last third of the records is imported half-way. Only the last head is calibrated, which takes a third
    of the time.
    """
    rng, labels = np.random.default_rng(plan.seed), len(trial.labels)
    members = rng.permutation(len(trial.train))[: plan.records]
    vectors, truth = np.asarray(trial.train[members], np.float32), trial.truth[members]
    opens = np.where(waves & (np.arange(len(members)) >= len(members) * 2 // 3), len(plan.sizes) // 2, 0)
    left, audited = np.full(len(members), -1), np.zeros(len(members), np.bool_)
    probs: Floats | None = None
    held_out: Floats | None = None
    for number, (size, part) in enumerate(zip(plan.sizes, plan.audit_shares, strict=True)):
        rows, here = np.flatnonzero((left < 0) & (opens <= number)), np.flatnonzero(opens <= number)
        pool = Pool(vectors, rows, np.flatnonzero(left >= 0), None if probs is None else label_predictions(probs[rows]))
        batch = compose(pool, size, STRATEGIES[plan.strategy], part, rng)
        left[batch.rows], audited[batch.rows[batch.audit]] = number, True
        indices = np.flatnonzero(left >= 0)
        labelled_vectors = LabelledVectors(
            vectors[indices], one_hot(truth[indices], labels).astype(np.float32), trial.labels
        )
        if number + 1 < len(plan.sizes):
            head = fit_uncalibrated(labelled_vectors, around(vectors[here]))
        else:
            fitted = cross_fit(labelled_vectors, around(vectors[here]), np.ones(len(indices), np.bool_), rng)
            head, held_out = fitted.head, fitted.outputs
        probs = head.predict(vectors)
    if probs is None or held_out is None:
        raise ValueError("A project needs at least one round and ten labels.")
    return Played(vectors, truth, left, audited, (), indices, held_out, probs, (head,)), opens


def around(vectors: Floats) -> NeighbourGraph:
    graph = neighbour_graph(vectors, np.arange(len(vectors)), np.random.default_rng(0))
    return NeighbourGraph(graph, vectors[graph.rows])


def see(trial: Trial, plan: Plan, waves: bool) -> Observed:
    """Plays the project."""
    played, opens = play_project(trial, plan, waves)
    labels, query = len(trial.labels), played.requested
    starts, wave = np.unique(opens, return_inverse=True)
    history = PoolHistory(np.bincount(wave), starts, wave[query], played.left[query], played.audited[query])
    chosen = query[~history.audited]
    labelled_vectors = LabelledVectors(
        played.vectors[chosen], one_hot(played.truth[chosen], labels).astype(np.float32), trial.labels
    )
    nobody = np.zeros(len(chosen), np.bool_)
    untaught = cross_fit(labelled_vectors, around(played.vectors), nobody, np.random.default_rng(0)).head
    guess, other = played.probs.argmax(axis=1), untaught.predict(played.vectors).argmax(axis=1)
    right, right_untaught = (float((one == played.truth)[played.pool].mean()) for one in (guess, other))
    fresh, fresh_untaught = (
        float((head.predict(trial.test).argmax(axis=1) == trial.test_truth).mean())
        for head in (*played.heads, untaught)
    )
    held_out = played.held_out.argmax(axis=1)
    guess[query], other[chosen] = held_out, held_out[~history.audited]
    truth, predicted, said_untaught = (one_hot(one, labels) for one in (played.truth, guess, other))
    pool_and_fresh = (right, right_untaught), (fresh, fresh_untaught)
    return Observed(truth, predicted, said_untaught, query, history, *pool_and_fresh)


def one_hot(labels: Ints, count: int) -> Bools:
    return np.asarray(np.eye(count, dtype=np.bool_)[labels])


def tell(observed: Observed) -> Iterator[Told]:
    """(way, figure, estimate, truth) of one project."""
    query, drawn = observed.requested, observed.requested[observed.history.audited]
    ours = score(
        observed.truth[query], observed.predicted[query], weigh(observed.history), labels=_columns(observed.truth)
    )
    mean = _plain(observed.truth[drawn], observed.predicted[drawn])
    untaught = _plain(observed.truth[drawn], observed.said_untaught[drawn])
    yield from _told("ours", ours, observed.truth, observed.predicted, len(drawn))
    yield from _told("plain mean", mean, observed.truth, observed.predicted, len(drawn))
    yield from _told("never teach", untaught, observed.truth, observed.said_untaught, len(drawn))
    estimates = (("ours", ours, 0), ("plain mean", mean, 0), ("never teach", untaught, 1))
    for way, result, head in estimates:
        yield way, "accuracy on fresh texts", result.accuracy, observed.fresh[head]
    for way, right in zip(("ours", "never teach"), observed.right, strict=True):
        yield way, "right in the pool", Estimate(right, right, right), right


def _columns(truth: Bools) -> list[str]:
    return [str(column) for column in range(truth.shape[1])]


def _plain(truth: Bools, predicted: Bools) -> CategoryScore:
    """Every audit record weighs the same; accuracy by Wilson's interval."""
    right = share(int((truth & predicted).any(axis=1).sum()), len(truth))
    return replace(
        score(truth, predicted, equal_weights(len(truth)), labels=_columns(truth)), accuracy=right, micro_f1=right
    )


def _told(way: str, result: CategoryScore, truth: Bools, predicted: Bools, drawn: int) -> Iterator[Told]:
    right = float((truth & predicted).any(axis=1).mean())
    rare = truth.mean(axis=0) * drawn < FEW
    kind = ", with rare labels" if (rare & truth.any(axis=0)).any() else ""
    yield way, "accuracy", result.accuracy, right
    yield way, "micro F1", result.micro_f1, right
    yield (
        way,
        f"macro F1{kind}",
        result.macro_f1 if result.macro_f1.low or result.macro_f1.high < 1 else None,
        macro_f1(truth, predicted),
    )
    hit, have, has = ((truth & predicted).sum(axis=0), truth.sum(axis=0), predicted.sum(axis=0))
    for c, label in enumerate(result.per_label.values()):
        kind = ", rare label" if rare[c] else ""
        yield way, f"prevalence{kind}", label.prevalence, have[c] / len(truth)
        if have[c]:
            yield way, f"recall{kind}", label.recall, hit[c] / have[c]
        if has[c]:
            yield way, f"precision{kind}", label.precision, hit[c] / has[c]
        if have[c] + has[c]:
            yield way, f"F1{kind}", label.f1, 2 * hit[c] / (have[c] + has[c])


def table_of(result: dict[tuple[str, str], list[tuple[Estimate | None, float]]]) -> Iterator[str]:
    heads = (f"{head:>9}" for head in ("said", "unsaid", "held", "too high", "too low", "width", "error"))
    yield f"{'':<27}{'way':<13}" + "".join(heads)
    for figure, way in sorted((figure, way) for way, figure in result):
        pairs = [(one, truth) for one, truth in result[way, figure] if one is not None]
        unsaid = len(result[way, figure]) - len(pairs)
        if not pairs:
            yield f"{figure:<27}{way:<13}{0:>9}{unsaid:>9}"
            continue
        value, low, high, truth = np.array([(one.value, one.low, one.high, truth) for one, truth in pairs]).T
        over, under = (low > truth + 1e-9).mean(), (high < truth - 1e-9).mean()
        if figure == "right in the pool":
            yield f"{figure:<27}{way:<13}{len(pairs):>9}{'':>9}{value.mean():>9.1%}"
            continue
        yield (
            f"{figure:<27}{way:<13}{len(pairs):>9}{unsaid:>9}{1 - over - under:>9.1%}{over:>9.1%}{under:>9.1%}"
            f"{(high - low).mean():>9.3f}{(value - truth).mean():>+9.4f}"
        )


def played_project(trials: dict[str, Trial], number: int, *, few: bool) -> Observed:
    """The project of that number; of the usual ones eight turns have waves, eight have none."""
    if not few:
        name = TURN[number % len(TURN)]
        return see(trials[name], plan_of(number, name), number // len(TURN) // 8 % 2 == 1)
    name, labels = FEW_TURN[number % len(FEW_TURN)]
    return see(some_labels(trials[name], labels, number), few_answers(number, labels), False)


def main() -> None:
    import faiss  # noqa: F401 - the limit below holds for libraries that are loaded
    import scipy.optimize  # noqa: F401
    from threadpoolctl import threadpool_limits

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--projects", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "rondo-recipe")
    parser.add_argument("--few-answers", action="store_true")
    options = parser.parse_args()
    sets = [name for name, _ in FEW_TURN] if options.few_answers else TURN
    trials = {name: load_trial(options.folder, name, options.cache) for name in dict.fromkeys(sets)}
    result: dict[tuple[str, str], list[tuple[Estimate | None, float]]] = defaultdict(list)
    with threadpool_limits(1):
        for number in range(options.first, options.first + options.projects):
            for way, figure, estimate, truth in tell(played_project(trials, number, few=options.few_answers)):
                result[way, figure].append((estimate, truth))
    print("\n".join(table_of(result)))


if __name__ == "__main__":
    main()
