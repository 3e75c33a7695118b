"""Tests whether rounds or sources of records differ, on audit records. Knows arrays and names, not the store."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf

import numpy as np

from core.arrays import Bools, Ints
from core.evaluation.audit import PoolHistory, Weights, weigh
from core.evaluation.metrics import Drift, Estimate, Mix, Shift
from core.evaluation.reporting import FEW
from core.evaluation.scores import drawn_among, share_of

SURE = 0.05
FEWEST = 10
"""audit records of each side; with fewer nothing is compared"""
FAR = 0.1
"""share of the suggestions that would have to change to make two mixes alike, from which it is said"""


@dataclass(frozen=True)
class _Side:
    name: str
    among: Bools
    weights: Weights

    @property
    def records(self) -> int:
        return int((self.among & self.weights.drawn).sum())


def between_rounds(history: PoolHistory, truth: Bools, predicted: Bools, names: Sequence[str]) -> Drift:
    """The first half of the audit records against the second, each weighted as if it were the whole audit.

    So a strategy that took the hard records out of the pool is not reported as drift; new imports that differ, and
    people who label differently than before, are. truth, predicted: (k, labels), k in the order of `history`.
    """
    drawn = np.sort(history.left[history.audited])
    if not len(drawn) or drawn[0] == drawn[-1]:
        return Drift((), (), ("Drift between rounds: audit labels of two rounds are needed.",))
    last = int(min(drawn[(len(drawn) - 1) // 2], drawn[drawn < drawn[-1]][-1]))
    everyone = np.ones(len(history.left), np.bool_)
    early = weigh(replace(history, audited=history.audited & (history.left <= last)))
    late = weigh(replace(history, audited=history.audited & (history.left > last)))
    sides = _Side("the earlier rounds", everyone, early), _Side("the later rounds", everyone, late)
    return _drift("rounds", [sides], truth, predicted, names)


def between_sources(
    weights: Weights, sources: Sequence[str], truth: Bools, predicted: Bools, names: Sequence[str]
) -> Drift:
    """Every source against all others. sources: (k,) where each asked record came from; the others: (k, labels)."""
    of = np.asarray(sources, dtype=object)
    known = sorted(set(sources))
    if len(known) < 2:
        return Drift((), (), ())
    pairs = [(_Side(one, of == one, weights), _Side("the others", of != one, weights)) for one in known]
    return _drift("sources", pairs[:1] if len(known) == 2 else pairs, truth, predicted, names)


def mixes(suggested: Ints, sources: Ints, source_names: Sequence[str], names: Sequence[str]) -> tuple[Mix, ...]:
    """Shares of suggested labels per source. suggested: (n,) column of the label. sources: (n,) index in
    `source_names`.

    These are all records, not a sample, so there is no interval; but a model suggests them, so nothing is claimed about
    labels.
    """
    table = np.zeros((len(source_names), len(names)), np.int64)
    np.add.at(table, (sources, suggested), 1)
    return tuple(_mix(table, row, source_names[row], names) for row in np.flatnonzero(table.any(axis=1)).tolist())


def _mix(table: Ints, row: int, source: str, names: Sequence[str]) -> Mix:
    mine, others = table[row], table.sum(axis=0) - table[row]
    shares = mine / mine.sum()
    apart = shares - others / max(others.sum(), 1)
    distance = float(np.abs(apart).sum() / 2) if others.any() else 0.0
    sentence = None
    if distance >= FAR and min(mine.sum(), others.sum()) >= FEWEST * len(names):
        label = int(np.abs(apart).argmax())
        there = others[label] / others.sum()
        sentence = f"{source}: {names[label]} is suggested for {shares[label]:.0%} of it, elsewhere for {there:.0%}."
    return Mix(source, int(mine.sum()), tuple(shares.tolist()), distance, sentence)


def _drift(
    what: str, pairs: Sequence[tuple[_Side, _Side]], truth: Bools, predicted: Bools, names: Sequence[str]
) -> Drift:
    """Fisher's exact test of each figure in each pair, corrected by Holm 1979."""
    enough = [pair for pair in pairs if min(side.records for side in pair) >= FEWEST]
    few = [side for pair in pairs for side in pair if side.records < FEWEST]
    unsaid = tuple(
        f"Drift between {what}: {side.records} audit labels of {side.name}, at least {FEWEST} are needed."
        for side in few
    )
    shifts = [one for pair in enough for one in _compare(pair, truth, predicted, names)]
    order = sorted(shifts, key=lambda one: one.p)
    corrected = np.maximum.accumulate([min(one.p * (len(order) - rank), 1.0) for rank, one in enumerate(order)] or [1])
    differences = tuple(replace(one, p=float(p)) for one, p in zip(order, corrected, strict=False))
    return Drift(differences, tuple(_sentence(one) for one in differences if one.p < SURE), unsaid)


def _compare(pair: tuple[_Side, _Side], truth: Bools, predicted: Bools, names: Sequence[str]) -> Iterator[Shift]:
    """Accuracy, and the share of each label of which there are records enough."""
    drawn = sum(((side.among & side.weights.drawn) for side in pair), np.zeros(len(truth), np.bool_))
    figures = [("accuracy", (truth == predicted).all(axis=1))]
    figures += [(name, truth[:, c]) for c, name in enumerate(names) if (truth[:, c] & drawn).sum() >= FEW]
    for what, hits in figures:
        values = [share_of(hits, side.among, side.weights) for side in pair]
        if values[0] is not None and values[1] is not None:
            yield Shift(what, pair[0].name, pair[1].name, values[0], values[1], _fisher(pair, values))


def _fisher(pair: tuple[_Side, _Side], values: Sequence[Estimate | None]) -> float:
    """On the effective number of records, rounded to whole ones."""
    from scipy.stats import fisher_exact

    table: list[list[int]] = []
    for side, value in zip(pair, values, strict=True):
        n = drawn_among(side.among, side.weights)
        n = round(side.records if n == inf else n)
        hits = round(n * (value.value if value else 0.0))
        table.append([hits, n - hits])
    return float(fisher_exact(np.array(table)).pvalue)


def _sentence(one: Shift) -> str:
    what = "Accuracy" if one.what == "accuracy" else f"The share of {one.what}"
    return (
        f"{what} differs: {_said(one.value_here)} in {one.here}, {_said(one.value_there)} in {one.there} "
        f"(p = {max(one.p, 0.001):.3f} after correction)."
    )


def _said(value: Estimate) -> str:
    return f"{value.value:.0%} ({value.low:.0%} to {value.high:.0%})"
