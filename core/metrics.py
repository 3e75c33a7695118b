"""How good predictions are, with 95 % intervals. Knows arrays, not where the truth came from."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
RESAMPLES = 1000


@dataclass(frozen=True)
class Estimate:
    """A share or score with its 95 % interval, all 0..1."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Score:
    """What n records say. Accuracy counts a record as right when all its labels are."""

    n: int
    accuracy: Estimate
    macro_f1: Estimate
    micro_f1: Estimate
    per_label: tuple[tuple[float, float, float, int], ...]
    """precision, recall, F1 and how many records truly have the label, in the order of the columns"""


def macro_f1(truth: Bools, said: Bools) -> float:
    """Mean F1 over the labels that occur in truth or prediction. truth, said: (n, labels)."""
    hit, wrong, missed = _counts(truth, said)
    return float(_macro(hit, wrong, missed))


def score(truth: Bools, said: Bools, seed: int = 0) -> Score:
    """Wilson interval for accuracy (Wilson 1927), percentile bootstrap over records for F1 (Efron 1979).

    truth, said: (n, labels), n >= 1. A label that stands in neither is left out of the macro mean.
    """
    hit, wrong, missed = _counts(truth, said)
    right = (truth == said).all(axis=1)
    rng = np.random.default_rng(seed)
    n = len(truth)
    weights = rng.multinomial(n, np.full(n, 1 / n), size=RESAMPLES).astype(np.float32)
    hits, wrongs, misses = (weights @ part.astype(np.float32) for part in _parts(truth, said))
    macros = _macro(hits, wrongs, misses)
    micros = _f1(hits.sum(axis=1), wrongs.sum(axis=1), misses.sum(axis=1))
    return Score(
        n=n,
        accuracy=share(int(right.sum()), n),
        macro_f1=_estimate(float(_macro(hit, wrong, missed)), macros),
        micro_f1=_estimate(float(_f1(hit.sum(), wrong.sum(), missed.sum())), micros),
        per_label=tuple(
            (_ratio(h, h + w), _ratio(h, h + m), float(_f1(h, w, m)), int(h + m))
            for h, w, m in zip(hit, wrong, missed, strict=True)
        ),
    )


def share(hits: int, n: int) -> Estimate:
    """Wilson score interval; n = 0 gives 0..1, since nothing is known."""
    if n == 0:
        return Estimate(0.0, 0.0, 1.0)
    z = 1.959964
    p = hits / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return Estimate(p, float(max(0.0, min(p, middle - half))), float(min(1.0, max(p, middle + half))))


def _parts(truth: Bools, said: Bools) -> tuple[Bools, Bools, Bools]:
    return truth & said, ~truth & said, truth & ~said


def _counts(truth: Bools, said: Bools) -> tuple[npt.NDArray[np.float64], ...]:
    return tuple(part.sum(axis=0).astype(np.float64) for part in _parts(truth, said))


def _f1(hit: npt.ArrayLike, wrong: npt.ArrayLike, missed: npt.ArrayLike) -> npt.NDArray[np.float64]:
    hit, below = np.asarray(hit), 2 * np.asarray(hit) + np.asarray(wrong) + np.asarray(missed)
    return np.asarray(np.divide(2 * hit, below, out=np.zeros_like(below, dtype=np.float64), where=below > 0))


def _macro(hit: npt.ArrayLike, wrong: npt.ArrayLike, missed: npt.ArrayLike) -> npt.NDArray[np.float64]:
    seen = (np.asarray(hit) + np.asarray(wrong) + np.asarray(missed)) > 0
    total = (_f1(hit, wrong, missed) * seen).sum(axis=-1)
    return np.asarray(total / np.maximum(seen.sum(axis=-1), 1))


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else 0.0


def _estimate(value: float, draws: npt.NDArray[np.floating]) -> Estimate:
    low, high = np.quantile(draws, [0.025, 0.975])
    return Estimate(value, float(min(low, value)), float(max(high, value)))
