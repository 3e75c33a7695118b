"""Forecast of accuracy from more labels: a learning curve of all models so far. Knows arrays, not stores or pages.

Errors fall as a power of the labels towards a floor: error(L) = floor + b * L ** -c (inverse power law, Figueroa et al.
2012; its limits: Viering & Loog 2022). All models are scored on the same audit records, so their errors are correlated
and differences between models are known far better than each model's level; the covariance accounts for it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from core.arrays import Floats
from core.errors import Refused
from core.evaluation.metrics import Estimate, Forecast, Gain
from core.evaluation.reporting import with_minus

Density = Callable[[Floats], Floats]

FILE = "curve.json"
"""beside the model that it ends with"""
MORE = (25, 50, 100, 200, 400, 800, 1600)
FEWEST_MODELS = 3
FEWEST_AUDITS = 10
REFIT = 0.01
"""sd of one model's error around a smooth curve, as a share of the sd of a single verdict"""
MISFIT = 1.0
"""how fast models with fewer labels count less: their sd grows by (labels now / their labels) to this power"""
PRIOR_MEAN = np.array([-1.5, 1.0, np.log(0.6)])
PRIOR_SD = np.array([1.5, 1.5, 0.5])
"""of logit error now, logit share of it that more labels can remove, log exponent"""
WALKERS, STEPS, BURN_IN = 200, 160, 80


@dataclass(frozen=True)
class Curve:
    """A fitted curve as equally likely draws. error, share, exponent: (draws,) error of the curve at `labels`, share of
    it above the floor, and the power. luck: (draws,) residual of the present model: its error minus the curve's. noise:
    sd of the next model's error around it.
    """

    labels: int
    error: Floats
    share: Floats
    exponent: Floats
    luck: Floats
    noise: float
    points: tuple[tuple[float, float], ...]
    """labels and accuracy of each model, as measured"""

    def as_json(self) -> dict[str, Any]:
        """For a file beside the model; `read_curve` takes it back."""
        return {
            name: np.round(value, 6).tolist() if isinstance(value, np.ndarray) else value
            for name, value in vars(self).items()
        }

    def error_at(self, labels: float) -> Floats:
        """(draws,) errors of the curve, without the present model's residual."""
        fallen = (labels / self.labels) ** -self.exponent
        return np.asarray(np.minimum(self.error * (1 - self.share + self.share * fallen), 1.0))

    def gain(self, more: int, rng: np.random.Generator) -> Floats:
        """(draws,) accuracy that a model from `more` further labels has above the present one's, residuals included."""
        then = self.error_at(self.labels + more) + rng.normal(size=len(self.error)) * self.noise
        return self.error_now() - np.asarray(np.clip(then, 0.0, 1.0))

    def error_now(self) -> Floats:
        """(draws,) errors of the present model, with its residual."""
        return np.asarray(np.clip(self.error + self.luck, 0.0, 1.0))


def read_curve(written: Mapping[str, Any]) -> Curve:
    """What `Curve.as_json` gave."""
    draws = {name: np.asarray(written[name], float) for name in ("error", "share", "exponent", "luck")}
    points = tuple((float(labels), float(accuracy)) for labels, accuracy in written["points"])
    return Curve(labels=written["labels"], noise=written["noise"], points=points, **draws)


def lacking(right: npt.ArrayLike, labels: npt.ArrayLike) -> str | None:
    """What is missing for a forecast, as a sentence; None when nothing is."""
    models, audits = np.shape(right)
    different = len(np.unique(np.asarray(labels, float).reshape(models, -1).max(axis=1))) if models else 0
    if audits < FEWEST_AUDITS:
        return (
            f"A forecast needs {FEWEST_AUDITS} audit records with a label, there are {audits}. "
            "They come with every batch: label on, or raise the audit share."
        )
    if different < FEWEST_MODELS:
        return (
            f"A forecast needs models from {FEWEST_MODELS} different numbers of labels, there are {different}. "
            "Label another batch and train."
        )
    return None


def forecast_of(curve: Curve, audits: int, more: tuple[int, ...], rng: np.random.Generator) -> Forecast:
    """The figures and sentences of a fitted curve."""
    last = max(curve.labels + max(more, default=0), curve.labels + 1)
    first = min(labels for labels, _ in curve.points)
    steps = np.geomspace(first, last, 40)
    bands = [band(1 - curve.error_at(float(step))) for step in steps]
    return Forecast(
        labels=curve.labels,
        audits=audits,
        level=band(1 - curve.error_now()),
        ceiling=band(1 - curve.error * (1 - curve.share)),
        gains=tuple(_gain(curve, count, rng) for count in more),
        points=curve.points,
        line=tuple((float(s), band.value, band.low, band.high) for s, band in zip(steps, bands, strict=True)),
    )


def fit_curve(
    right: npt.ArrayLike,
    labels: npt.ArrayLike,
    weight: npt.ArrayLike,
    rng: np.random.Generator,
    now: float | None = None,
) -> Curve:
    """Draws of the curve given which records each model got right. Raises Refused with the sentence of `lacking`.

    right: (models, audits) 0/1 or shares, the present model last. labels: (models,) labels it trained on, or (models,
    audits) where held-out predictions came from models with fewer. weight: (audits,) of each record. now: labels that
    the present model itself trained on, where held-out predictions came from fewer: the curve is then about that model,
    which is a little better than the ones scored; None takes the most of its row in `labels`.

    Bayesian with weak priors, by an ensemble of walkers (Goodman & Weare 2010). A model deviates from the curve at
    random with each refit, and more with fewer labels, for which the power law holds badly.
    """
    reason = lacking(right, labels)
    if reason:
        raise Refused(reason)
    observed = figure_means(1 - np.asarray(right, float), np.asarray(weight, float))
    learnt, now = learnt_from(labels, observed.weight, now)
    noise = error_spread(observed.deviation, learnt, now)
    known = np.linalg.inv(observed.covariance + np.diag(noise**2))

    def gaps(draws: Floats) -> Floats:
        error, share, exponent = shape_of(draws)
        fallen = (learnt / now) ** -exponent[:, None]
        return np.asarray(observed.mean - error[:, None] * (1 - share[:, None] * (1 - fallen)))

    def density(draws: Floats) -> Floats:
        return -0.5 * (
            quadratic_forms(gaps(draws), known) + quadratic_forms(draws - PRIOR_MEAN, np.diag(1 / PRIOR_SD**2))
        )

    level = np.clip(observed.mean[-1], 0.01, 0.99)
    draws = sample_posterior(density, np.array([np.log(level / (1 - level)), *PRIOR_MEAN[1:]]), rng)
    luck = residual_draws(gaps(draws), known, float(noise[-1]), len(noise) - 1, rng)
    points = tuple((float(n), float(1 - e)) for n, e in zip(learnt, observed.mean, strict=True))
    return Curve(round(now), *shape_of(draws), luck, float(REFIT * observed.deviation[-1]), points)


@dataclass(frozen=True)
class FigureMeans:
    """Means of several figures over the same records. mean, deviation: (rows,). covariance: (rows, rows) of the means.
    deviation: sd of a single record's figure. weight: (records,) sums to 1.
    """

    mean: Floats
    deviation: Floats
    covariance: Floats
    weight: Floats


def figure_means(figures: Floats, weight: Floats) -> FigureMeans:
    """Weighted means of (rows, records) figures between 0 and 1, with the covariance that a bootstrap over records
    tends to.

    A few records could agree by chance, which would make the variance 0. So pseudo-records are added: one right and one
    wrong in all rows, and one that changes each way somewhere between two neighbouring rows.
    """
    weight = weight / weight.sum()
    rows, records = figures.shape
    mean = figures @ weight
    steps = np.tri(rows, rows, -1)[:, : max(rows - 1, 0)]  # turns up after row 0, 1, ...
    unseen = np.concatenate([np.zeros((rows, 1)), np.ones((rows, 1)), steps, 1 - steps], axis=1)
    counts = np.concatenate([[1.0, 1.0], np.full(2 * steps.shape[1], 1 / max(steps.shape[1], 1))])
    parts = np.concatenate([figures - mean[:, None], unseen - mean[:, None]], axis=1)
    heavy = np.concatenate([weight**2 * records**2, counts])
    total = (parts * heavy) @ parts.T / (records + counts.sum()) ** 2
    return FigureMeans(mean, np.sqrt(np.diag(total) * (records + counts.sum())), total, weight)


def learnt_from(labels: npt.ArrayLike, weight: Floats, now: float | None) -> tuple[Floats, float]:
    """((models,) geometric mean of the labels behind each model's predictions, and the present model's own number)."""
    counts = np.maximum(np.asarray(labels, float), 1.0)
    learnt = counts if counts.ndim == 1 else np.exp(np.log(counts) @ weight)
    return np.asarray(learnt), float(counts[-1].max()) if now is None else float(now)


def error_spread(deviation: Floats, learnt: Floats, now: float) -> Floats:
    """(models,) sd of each model's error around the curve: random variation of a refit, and misfit of the power law
    early on.
    """
    return np.asarray(REFIT * deviation * (now / learnt) ** MISFIT)


def shape_of(draws: Floats) -> tuple[Floats, Floats, Floats]:
    """Error now, share of it above the floor, exponent."""
    return _logistic(draws[:, 0]), _logistic(draws[:, 1]), np.exp(draws[:, 2])


def quadratic_forms(gaps: Floats, known: Floats) -> Floats:
    """(draws,) gaps @ known @ gaps of each row."""
    return np.asarray(((gaps @ known) * gaps).sum(axis=1))


def residual_draws(gaps: Floats, known: Floats, noise: float, row: int, rng: np.random.Generator) -> Floats:
    """(draws,) how far one model's error is above its curve, given all gaps and its prior sd."""
    spread = noise**2
    left = np.sqrt(max(spread * (1 - spread * float(known[row, row])), 0.0))
    return np.asarray(spread * (gaps @ known[row]) + rng.normal(size=len(gaps)) * left)


def sample_posterior(density: Density, start: Floats, rng: np.random.Generator) -> Floats:
    """(draws, dims) draws from a log density by stretch moves (Goodman & Weare 2010). density: (n, dims) to (n,)."""
    dims, half = len(start), WALKERS // 2
    walkers = start + rng.normal(size=(WALKERS, dims)) * 0.5
    height = density(walkers)
    samples = []
    for step in range(STEPS):
        for mine, others in ((slice(0, half), slice(half, None)), (slice(half, None), slice(0, half))):
            stretch = (1 + rng.random(half)) ** 2 / 2  # density ~ 1 / sqrt(z) between 1/2 and 2
            partner = walkers[others][rng.integers(0, half, half)]
            moved = partner + stretch[:, None] * (walkers[mine] - partner)
            then = density(moved)
            taken = np.log(rng.random(half)) < (dims - 1) * np.log(stretch) + then - height[mine]
            walkers[mine] = np.where(taken[:, None], moved, walkers[mine])
            height[mine] = np.where(taken, then, height[mine])
        if step >= BURN_IN and step % 4 == 0:
            samples.append(walkers.copy())
    return np.concatenate(samples)


def band(draws: Floats) -> Estimate:
    """Mean and 95 % of the draws."""
    low, high = np.quantile(draws, [0.025, 0.975])
    mean = float(draws.mean())
    return Estimate(mean, min(float(low), mean), max(float(high), mean))


def _gain(curve: Curve, more: int, rng: np.random.Generator) -> Gain:
    gains = curve.gain(more, rng)
    result = band(gains)
    mean, low, high = (f"{round(100 * share, 1) + 0.0:+.1f}" for share in (result.value, result.low, result.high))
    sentence = with_minus(f"{more:,} more labels: {mean} points, 95 % between {low} and {high}")
    return Gain(more, result.value, result.low, result.high, float((gains > 0).mean()), sentence)


def _logistic(values: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-values)))
