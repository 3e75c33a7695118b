"""How many labels active learning has saved, against random labelling. Knows arrays and a way to fit, no stores.

The audit records are a uniform random sample, so a model that trains on them alone is the model one would have had
without active learning: the random arm, or shadow. It has few labels (a tenth by default), so it must be extrapolated
far.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from core.arrays import Floats, Ints
from core.errors import Refused
from core.evaluation.curve import (
    PRIOR_MEAN,
    PRIOR_SD,
    FigureMeans,
    error_spread,
    figure_means,
    lacking,
    learnt_from,
    quadratic_forms,
    sample_posterior,
    shape_of,
)
from core.evaluation.metrics import Savings

FitAndScore = Callable[[Ints], npt.ArrayLike]
"""positions of audit records to (audits,) 0/1: which records a model that trained on these alone gets right"""

FEWEST_AUDITS = 20
SMALLEST = 8
"""audit records with which a shadow model can be fitted at all"""
SPLITS = ((5, 5, False), (2, 6, True), (4, 4, True), (8, 5, True))
"""parts, fits, and whether the model learns from one part (or from all but one)"""
SHADOW_NOISE = 0.4
"""sd of a mean shadow error around its curve, times the root of the labels, as a share of the sd of a single verdict"""
RATIO_SD, BEND_SD = 1.5, 0.3
"""prior sd of log(random labels needed / labels so far) and of log(exponent of random / of active learning)"""
FLOOR_SD = 0.15
"""prior sd of log(floor of random / of active learning): which records are labelled may move the floor too"""
FAR = 20.0
"""times the labels so far; beyond it no figure is given"""
SAME = 0.1
"""share of the labels so far that counts as nothing saved and nothing lost"""


@dataclass(frozen=True)
class RandomArm:
    """Models trained on random labels only. labels: (sizes,) how many they trained on. right: (sizes, audits) share of
    the models of that size, among those that did not train on the record, that get it right.
    """

    labels: tuple[float, ...]
    right: npt.NDArray[np.float64]


def simulate_random_arm(audits: int, fit_and_score: FitAndScore, rng: np.random.Generator) -> RandomArm:
    """Trains at most 20 models on random parts of the audit records and scores each on the rest. Raises Refused for
    fewer than FEWEST_AUDITS.
    """
    if audits < FEWEST_AUDITS:
        raise Refused(
            f"The savings meter needs {FEWEST_AUDITS} audit records with a label, there are {audits}. "
            "They come with every batch: label on, or raise the audit share."
        )
    sizes, rows = [], []
    for parts, fits, alone in SPLITS:
        if (audits // parts if alone else audits - audits // parts) < SMALLEST:
            continue
        trained_on = _parts(audits, parts, fits, rng)
        trained_on = trained_on if alone else ~trained_on
        verdicts = np.array([np.asarray(fit_and_score(np.flatnonzero(mask)), float) for mask in trained_on])
        scorers = (~trained_on).sum(axis=0)
        mean = (verdicts * ~trained_on).sum(axis=0) / np.maximum(scorers, 1)
        overall = mean[scorers > 0].mean()
        sizes.append(float(trained_on.sum(axis=1).mean()))
        rows.append(np.where(scorers > 0, mean, overall))
    return RandomArm(tuple(sizes), np.array(rows))


def savings(
    right: npt.ArrayLike,
    labels: npt.ArrayLike,
    weight: npt.ArrayLike,
    shadow: RandomArm,
    now: float | None = None,
) -> Savings:
    """right, labels, weight, now: as `core.evaluation.curve.fit_curve` takes them, the present model last.

    Both arms are fitted at once. They share their floor, since both end with every record labelled, and nearly their
    exponent; so the models of active learning inform the floor of the random arm, and the random arm alone its lag.
    Both arms are scored on the same records, paired. Deterministic. Raises Refused with the sentence of `lacking`.
    """
    reason = lacking(right, labels)
    if reason:
        raise Refused(reason)
    now, needed = _needed(
        figure_means(1 - np.vstack([right, shadow.right]), np.asarray(weight, float)), labels, shadow, now
    )
    middle, low, high = np.quantile(needed, [0.5, 0.025, 0.975])
    cap = FAR * now
    most = [None if value > cap else float(value) for value in (middle, high)]
    least = float(min(low, cap))
    result = Savings(
        labels=round(now),
        audits=len(np.ravel(weight)),
        needed=most[0],
        needed_low=least,
        needed_high=most[1],
        saved=None if most[0] is None else most[0] - now,
        saved_low=least - now,
        saved_high=None if most[1] is None else most[1] - now,
        chance=float((needed > now).mean()),
        verdict=_verdict(low / now, high / now),
        sentence="",
    )
    return replace(result, sentence=_sentence(result))


def _needed(observed: FigureMeans, labels: npt.ArrayLike, shadow: RandomArm, now: float | None) -> tuple[float, Floats]:
    """(labels of the present model, draws of the number of random labels that reach its error). observed: models, then
    shadows.
    """
    learnt, now = learnt_from(labels, observed.weight, now)
    random, models = np.array(shadow.labels), len(learnt)
    luck = SHADOW_NOISE * observed.deviation[models:] / np.sqrt(random)
    noise = error_spread(observed.deviation, np.concatenate([learnt, random]), now)
    noise = np.hypot(noise, np.concatenate([np.zeros(models), luck]))
    known = np.linalg.inv(observed.covariance + np.diag(noise**2))
    middle = np.append(PRIOR_MEAN, [0.0, 0.0, 0.0])
    tight = np.diag(1 / np.append(PRIOR_SD, [RATIO_SD, BEND_SD, FLOOR_SD]) ** 2)

    def gaps(draws: Floats) -> Floats:
        arms = _Arms.of(draws)
        return np.asarray(observed.mean - np.hstack([arms.active(learnt / now), arms.random(random / now)]))

    def density(draws: Floats) -> Floats:
        return -0.5 * (quadratic_forms(gaps(draws), known) + quadratic_forms(draws - middle, tight))

    level = np.clip(observed.mean[models - 1], 0.01, 0.99)
    draws = sample_posterior(density, np.append([np.log(level / (1 - level))], middle[1:]), np.random.default_rng(0))
    return now, now * _Arms.of(draws).needed()


@dataclass(frozen=True)
class _Arms:
    """Draws of both curves, each (draws, 1). Labels count in multiples of the present model's.

    active: floor + above * x ** -exponent. random: random_floor + above * (x / ratio) ** -random_exponent.
    """

    floor: Floats
    above: Floats
    exponent: Floats
    random_floor: Floats
    log_ratio: Floats
    random_exponent: Floats

    @classmethod
    def of(cls, draws: Floats) -> "_Arms":
        error, share, exponent = (part[:, None] for part in shape_of(draws))
        floor = error * (1 - share)
        bend, lift = np.exp(draws[:, 4:5]), np.exp(draws[:, 5:6])
        return cls(floor, error * share, exponent, floor * lift, draws[:, 3:4], exponent * bend)

    def active(self, x: Floats) -> Floats:
        rise = np.minimum(-self.exponent * np.log(x), 50)
        return np.asarray(np.minimum(self.floor + self.above * np.exp(rise), 1.0))

    def random(self, x: Floats) -> Floats:
        rise = np.minimum(self.random_exponent * (self.log_ratio - np.log(x)), 50)
        return np.asarray(np.minimum(self.random_floor + self.above * np.exp(rise), 1.0))

    def needed(self) -> Floats:
        """(draws,) where random labelling reaches the active curve's present error; huge where it never does."""
        reach = np.maximum((self.floor + self.above - self.random_floor) / np.maximum(self.above, 1e-12), 1e-12)
        return np.asarray(np.exp(np.minimum(self.log_ratio - np.log(reach) / self.random_exponent, 50)))[:, 0]


def _parts(audits: int, parts: int, fits: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """(fits, audits) True for the records of one random part; every `parts` consecutive fits hold each record once."""
    masks: list[npt.NDArray[np.bool_]] = []
    while len(masks) < fits:
        fold = rng.permutation(np.arange(audits) % parts)
        masks += [fold == number for number in range(parts)]
    return np.array(masks[:fits])


def _verdict(low: float, high: float) -> str:
    """low, high: random labels needed, as multiples of the labels so far."""
    if low >= 1 - SAME and high <= 1 + SAME:
        return "none"
    if low > 1:
        return "saved"
    return "worse" if high < 1 else "unclear"


def _sentence(savings: Savings) -> str:
    span = _span(savings.saved_low, savings.saved_high)
    if savings.verdict == "saved" and savings.saved is not None:
        return f"About {savings.saved:,.0f} labels saved so far, 95 % {span}."
    if savings.verdict == "saved":
        return f"At least {savings.saved_low:,.0f} labels saved so far; how many more is too early to say."
    if savings.verdict == "none":
        return f"No labels saved so far: random labelling would have needed about as many (95 % {span})."
    if savings.verdict == "worse" and savings.saved is not None:
        return (
            f"No labels saved so far: random labelling would have done with {-savings.saved:,.0f} fewer, 95 % between "
            f"{-(savings.saved_high or 0):,.0f} and {-savings.saved_low:,.0f}."
        )
    return (
        f"It is too early to say whether labels were saved (chance {savings.chance:.0%}): 95 % {span}. "
        "The audit records alone do not reach that far."
    )


def _span(low: float, high: float | None) -> str:
    """Of labels saved; below 0 random labelling would have needed fewer."""
    if high is None:
        return f"from {low:,.0f} up, without a limit that the data could name"
    return f"between {low:,.0f} and {high:,.0f}"
