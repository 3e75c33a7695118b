"""Whether further labels are worth their cost. Knows a learning curve and prices, not stores or pages."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.arrays import Floats
from core.errors import BadInput
from core.evaluation.curve import Curve
from core.evaluation.metrics import ModelAgreement
from core.evaluation.reporting import with_minus

HORIZONS = (25, 50, 100, 200, 300, 500, 750, 1000, 1500, 2000)


@dataclass(frozen=True)
class Price:
    """A person's inputs. per_label: cost of one more label. per_error: cost of one record that keeps a wrong label.
    Both in `unit`. left: records without a label. asked_wrong: share of the chosen records (audit apart) in the last
    batches whose suggestion the person changed; None takes the model's error, which understates the value of asking.
    """

    per_label: float
    per_error: float
    left: int
    unit: str = "minutes"
    asked_wrong: float | None = None


@dataclass(frozen=True)
class Offer:
    """Cost of `more` labels, the errors they avoid, and the net gain. net_low, net_high: 95 %. chance: that they pay.

    errors: how many fewer wrong labels among the records left now, by a better model and by the asked ones being right.
    """

    more: int
    cost: float
    errors: float
    errors_low: float
    errors_high: float
    net: float
    net_low: float
    net_high: float
    chance: float
    sentence: str


@dataclass(frozen=True)
class Worth:
    """All offers, the one of the highest expected net gain (None when none is expected to pay), and advice in
    sentences.
    """

    offers: tuple[Offer, ...]
    best: Offer | None
    sentence: str


def worth(curve: Curve, price: Price, rng: np.random.Generator) -> Worth:
    """The expected net gain of 25 to 2,000 more labels, against stopping now and letting the model label the rest."""
    _check(price)
    counts = sorted({min(count, price.left) for count in HORIZONS})
    if price.left == 0:
        return Worth((), None, "No record is left without a label: there is nothing to buy.")
    offers = tuple(_offer(curve, price, count, rng) for count in counts)
    top = max(offers, key=lambda offer: offer.net)
    best = top if top.net > 0 else None
    return Worth(offers, best, _advice(offers, best, curve.labels))


def agreement(before: npt.ArrayLike, after: npt.ArrayLike) -> ModelAgreement | None:
    """Cohen's kappa (1960) between two models' predictions; None without records.

    (n,) label numbers, or (n, labels) 0/1 where several may hold: then over all yes and no decisions together. Where
    both models predict one and the same label everywhere, kappa is 1.
    """
    first, second = np.ravel(np.asarray(before)), np.ravel(np.asarray(after))
    if first.shape != second.shape:
        raise BadInput(f"{len(first)} and {len(second)} decisions cannot be compared; give the same records to both.")
    if not len(first):
        return None
    same = float((first == second).mean())
    predicted = np.union1d(first, second)
    chance = float(sum((first == label).mean() * (second == label).mean() for label in predicted))
    return ModelAgreement(1.0 if chance >= 1 else (same - chance) / (1 - chance), same, len(first))


def _check(price: Price) -> None:
    if price.per_label < 0 or price.per_error < 0 or price.left < 0:
        raise BadInput("Costs and the number of records left must be 0 or more.")
    if price.asked_wrong is not None and not 0 <= price.asked_wrong <= 1:
        raise BadInput(f"The share of changed suggestions is {price.asked_wrong}; it must lie between 0 and 1.")


def _avoided(curve: Curve, price: Price, more: int, rng: np.random.Generator) -> Floats:
    """(draws,) how many errors fewer after `more` labels.

    Asking finds errors at the rate of `asked_wrong` at first and ever fewer as the hard records run out, never fewer
    than a random choice would; the better model then corrects its share of those that are left.
    """
    now = np.maximum(curve.error_now(), 1e-9)
    wrong = price.left * now
    rate = np.maximum(now, price.asked_wrong or 0.0)
    saved = wrong * np.maximum(1 - np.exp(-more * rate / wrong), more / price.left)
    retained = (now - curve.gain(more, rng)) / now
    return np.asarray(wrong - (wrong - saved) * retained)


def _offer(curve: Curve, price: Price, more: int, rng: np.random.Generator) -> Offer:
    errors = _avoided(curve, price, more, rng)
    cost = more * price.per_label
    net = errors * price.per_error - cost
    (few, many), (low, high) = np.quantile(errors, [0.025, 0.975]), np.quantile(net, [0.025, 0.975])
    chance = float((net > 0).mean())
    sentence = with_minus(
        f"{more:,} more labels: {net.mean():+,.0f} {price.unit} net, 95 % between {low:+,.0f} and {high:+,.0f} "
        f"(they cost {cost:,.0f} and avoid about {errors.mean():,.0f} errors); "
        f"the chance that they pay is {_percent(chance)}"
    )
    means = float(errors.mean()), float(few), float(many), float(net.mean()), float(low), float(high)
    return Offer(more, cost, *means, chance, sentence)


def _percent(chance: float) -> str:
    """Never 0 % or 100 %: the chance itself depends on the curve's assumptions."""
    return "over 99%" if chance > 0.99 else "under 1%" if chance < 0.01 else f"{chance:.0%}"


def _advice(offers: tuple[Offer, ...], best: Offer | None, labels: int) -> str:
    """Advice with the figures, what they leave open, and how far they extrapolate; never a bare yes."""
    if best is None:
        least = max(offers, key=lambda offer: offer.net)
        result = f"No further labels are expected to pay. The least loss: {least.sentence}."
        return result + (" But the figures do not exclude a gain." if max(o.net_high for o in offers) > 0 else "")
    result = f"Going on is expected to pay, most with {best.sentence}."
    if best.net_low < 0:
        result += " The figures do not exclude a loss: label fewer first and look again."
    if best.more > labels:
        result += f" {best.more:,} labels reach far beyond the {labels:,} known so far, so this is a guess."
    return result
