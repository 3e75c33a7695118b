"""Weights of the asked records in an estimate about all records. Knows draws and counts, not labels or models."""

from dataclasses import dataclass, replace

import numpy as np

from core.arrays import Bools, Floats, Ints
from core.errors import BadInput


@dataclass(frozen=True)
class PoolHistory:
    """How the asked records left the pool; a wave is the records that one import brought.

    wave_sizes: (waves,) records that could be asked. wave_opens: (waves,) number of the first draw that could take from
    it. Of the k records that were asked and answered, wave: (k,) its wave. left: (k,) number of the draw that took it,
    wave_opens - 1 where it was answered before any could. audited: (k,) drawn at random, before the strategy chose.
    """

    wave_sizes: Ints
    wave_opens: Ints
    wave: Ints
    left: Ints
    audited: Bools


@dataclass(frozen=True)
class Weights:
    """Weights of the k asked records in a mean over all covered records.

    weight: (k,) sums to 1, all 0 without an audit record. known: (k,) the part of it with which a record represents
    itself alone; the rest represents records that were not asked. drawn: (k,) at random. effective: effective sample
    size, random records of an infinite pool with the same variance, infinite where every record was asked. population:
    records that could be asked, None for a sample from outside. uncovered: those of them in waves without an audit
    record, about which nothing is estimated.
    """

    weight: Floats
    known: Floats
    drawn: Bools
    effective: float
    population: int | None
    uncovered: int

    @property
    def random(self) -> Floats:
        """(k,) the part of the weight with which drawn records represent the others that were in the pool with them."""
        return self.weight - self.known

    @property
    def stray(self) -> float:
        """0..1, sampling sd relative to an infinite pool (finite population correction); 0 where all were asked."""
        random = self.random
        if self.effective in (0, float("inf")) or not random.any():
            return 0.0
        return float(min(random.sum() ** 2 / (random**2).sum() / self.effective, 1.0) ** 0.5)


def equal_weights(n: int) -> Weights:
    """n records drawn at random from an infinite pool, which is what declared gold is assumed to be."""
    return Weights(np.full(n, 1 / max(n, 1)), np.zeros(n), np.ones(n, np.bool_), float(n), None, 0)


def weigh(history: PoolHistory) -> Weights:
    """Each draw's audit records represent the pool at that draw; the records asked before it represent themselves.

    Ordered sampling without replacement, Des Raj 1956; for active learning Farquhar et al. 2021, Kossen et al. 2021.
    Draws are weighted by their audit records, waves by their size; waves that opened at the same draw are one. Records
    that were drawn but not answered must be left out: they count as never drawn, which holds if they are like the
    others.
    """
    _check(history)
    opens = history.wave_opens[history.wave]
    known, random = np.zeros(len(opens)), np.zeros(len(opens))
    covered, spread, drawn = 0, 0.0, np.zeros(len(opens), np.bool_)
    for opened in np.unique(history.wave_opens):
        mine = np.flatnonzero(opens == opened)
        size = int(history.wave_sizes[history.wave_opens == opened].sum())
        if not history.audited[mine].any() and len(mine) < size:
            continue
        known[mine], random[mine], part = _weigh_wave(history.left[mine], history.audited[mine], size)
        drawn[mine] = history.audited[mine]
        covered, spread = covered + size, spread + part
    everything = int(history.wave_sizes.sum())
    if not covered:
        return Weights(known, known.copy(), drawn, 0.0, everything, everything)
    effective = float(random.sum() ** 2 / spread) if spread > 0 else float("inf")
    return Weights((known + random) / covered, known / covered, drawn, effective, everything, everything - covered)


def drawn_only(weights: Weights) -> Weights:
    """Weights of the drawn records alone, (drawn,): for a model that may have trained on the other asked records.

    The estimate is about the records that were not asked; where none is left, about others like them.
    """
    random = weights.random[weights.drawn]
    n, total = len(random), float(random.sum())
    if total <= 0:
        return replace(equal_weights(n), population=weights.population, uncovered=weights.uncovered)
    return replace(weights, weight=random / total, known=np.zeros(n), drawn=np.ones(n, np.bool_))


def _weigh_wave(left: Ints, audited: Bools, size: int) -> tuple[Floats, Floats, float]:
    """(known, random, spread): both weights in records, and the variance of their sum per variance of one record."""
    if len(left) == size:
        return np.ones(size), np.zeros(size), 0.0
    draws, draw_of, counts = np.unique(left[audited], return_inverse=True, return_counts=True)
    pools = size - np.searchsorted(np.sort(left), draws)
    n = int(counts.sum())
    before = np.concatenate([[0], np.cumsum(counts)])
    known = (n - before[np.searchsorted(draws, left, side="right")]) / n
    random = np.zeros(len(left))
    random[audited] = pools[draw_of] / n
    spread = (counts * (pools / n) ** 2 * (1 - counts / pools)).sum()
    return known, random, float(spread)


def _check(history: PoolHistory) -> None:
    counts = np.bincount(history.wave, minlength=len(history.wave_sizes))
    if (counts > history.wave_sizes).any():
        wave = int((counts - history.wave_sizes).argmax())
        raise BadInput(
            f"Import {wave + 1} has {history.wave_sizes[wave]} records but {counts[wave]} of it were asked. "
            "Count every record that could be asked."
        )
    opens = history.wave_opens[history.wave]
    if (history.left < opens - 1).any() or (history.audited & (history.left < opens)).any():
        raise BadInput("A record was drawn before its import was there. Give the first draw after the import.")
