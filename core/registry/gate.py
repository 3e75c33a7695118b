"""Whether a challenger may replace the champion: both scored on the same records. Changes nothing."""

import hashlib
from dataclasses import dataclass, field, replace
from functools import lru_cache

import duckdb
import numpy as np

from core.arrays import Bools
from core.errors import Damaged, Refused
from core.evaluation.audit import Weights, equal_weights
from core.evaluation.gate_verdict import MEASURES, TRIAL, GateVerdict, StratumComparison
from core.evaluation.metrics import Estimate
from core.evaluation.paired import Difference, Paired, lacking_for_accuracy, paired, unsaid_of_accuracy
from core.evaluation.reporting import FEW, FEWEST, with_minus
from core.ids import ModelId
from core.models.hosted_models import hosted_in_use, hosting
from core.models.in_use import active_model
from core.project import Project
from core.registry.tuning import read_trial
from core.registry.unseen_predictions import Truth, UnseenPredictions, audit_weights, read_predictions, read_truth
from core.tasks.tasks import space_of
from core.training.train_job import Trial

RULE = (
    "A challenger replaces the champion where its macro F1 is higher on records that neither has learnt from and the "
    "95 % interval of the difference leaves out zero. These are the audit records, or gold where the audit has fewer "
    f"than {FEW} for each label."
)
RULE_OF_ACCURACY = (
    "A challenger replaces the champion where it is right more often on records that neither has learnt from and the "
    "95 % interval of the difference of accuracy leaves out zero. These are the audit records, or gold where the audit "
    f"has fewer than {FEWEST}."
)
"""where answers are no choice among categories, F1 of which could be told"""
LIKELY = 0.8
"""confidence of the interval that lets a tuned encoder in: keeping a better one out costs labels, and one that is no
better costs nothing"""
RULE_OF_TRIAL = (
    "A tuned encoder replaces the one in use where heads on the vectors of its twins, each trained on one half of the "
    "labels, are better than heads on the vectors in use, on the other half and on the audit: the "
    f"{100 * LIKELY:.0f} % interval of the difference of macro F1 leaves out zero, or with fewer than {FEW} records "
    "for each label that of accuracy, and macro F1 is higher. An audit that says it is worse keeps it out."
)
MOST_MORE = 10_000
"""records beyond which nobody is told how many more exactly would decide"""


def gate(project: Project, *, model: ModelId, against: ModelId | None = None) -> GateVerdict:
    """The verdict on a challenger with its evidence. against: the model whose place it wants; None: the champion, and
    for a hosted challenger the hosted model in use, if there is one.

    A challenger that is no better passes one time in forty, so many tries will let one in. While the champion is lost
    or damaged none passes. Raises Damaged or Refused where the challenger cannot be put to use at all.
    """
    champion = against or _rival(project, model)
    space = space_of(project.settings())
    measure, rule = ("macro_f1", RULE) if space.categories else ("accuracy", RULE_OF_ACCURACY)
    unopposed = GateVerdict(model, passes=True, sentence="", champion=champion, rule=rule, measure=measure)
    with project.store.reading() as cursor:
        truth = read_truth(cursor, space)
        challenger = read_predictions(project, model, truth)
        try:
            incumbent = _incumbent(project, champion, truth)
        except Damaged as error:
            return replace(unopposed, passes=False, sentence=f"The champion cannot be compared: {error}")
        if isinstance(incumbent, str):
            return replace(unopposed, sentence=incumbent)
        compared = [_compare(cursor, stratum, truth, incumbent, challenger) for stratum in ("audit", "gold")]
    strata, lacking = [one for one, _ in compared], min(more for _, more in compared)
    verdict = replace(unopposed, strata=tuple(strata))
    trial = read_trial(project, model)
    if trial and trial.against == project.store.one("select encoder from models where id = ?", [champion]):
        return _by_trial(verdict, trial)
    decisive = next((one for one in strata if not one.unsaid), None)
    if decisive is None:
        return _undecided(verdict, lacking)
    whose = "the champion's" if champion == active_model(project) else f"that of {champion}"
    return _decided(verdict, decisive, whose)


def _by_trial(verdict: GateVerdict, trial: Trial) -> GateVerdict:
    """Of an encoder that was tried out in its job; the audit, where it can be compared, may still say no."""
    facts = {
        name: getattr(trial, name) for name in ("n", "accuracy", "macro_f1", "only_first", "only_second", "unsaid")
    }
    compared = StratumComparison(TRIAL, 0, effective=float(trial.n), **facts)
    by_f1 = not trial.unsaid
    difference = trial.macro_f1 if by_f1 else trial.accuracy
    worse = [one for one in verdict.strata if one.stratum == "audit" and not one.unsaid and one.decisive.high < 0]
    passes = difference.low_at(LIKELY) > 0 and trial.macro_f1.value > 0 and trial.unchosen_gain > 0 and not worse
    measure = verdict.measure_name if by_f1 else MEASURES["accuracy"]
    sentence = (
        f"On {trial.n:,} labelled records, {trial.audits:,} of them of the audit, heads on the tuned vectors have a "
        f"{measure} of {difference.second:.1%}, on those in use {difference.first:.1%}: "
        f"{100 * difference.value:+.1f} points (95 %: {100 * difference.low:+.1f} to {100 * difference.high:+.1f})."
    )
    sentence = with_minus(sentence)
    if not passes:
        sentence += " The audit says that it is worse." if worse else _why_not(difference, trial)
    return replace(
        verdict,
        passes=passes,
        sentence=sentence,
        rule=RULE_OF_TRIAL,
        measure="macro_f1" if by_f1 else "accuracy",
        stratum=TRIAL,
        n=trial.n,
        difference=Estimate(difference.value, difference.low, difference.high),
        accuracy=trial.accuracy,
        strata=(compared, *verdict.strata),
    )


def _why_not(difference: Difference, trial: Trial) -> str:
    if difference.high < 0:
        return " It is worse."
    if difference.value <= 0:
        return " It is not better."
    if difference.low_at(LIKELY) <= 0:
        return " That may be chance."
    if trial.macro_f1.value <= 0:
        return with_minus(f" Macro F1 is not higher ({100 * trial.macro_f1.value:+.1f}).")
    return with_minus(
        f" Of the {trial.unchosen:,} that no model's doubt has chosen it has no more right ({trial.unchosen_gain:+,})."
    )


def _rival(project: Project, model: ModelId) -> ModelId | None:
    decider = hosted_in_use(project) if hosting(project, model) else None
    return active_model(project) if decider in (None, model) else decider


def _incumbent(project: Project, champion: ModelId | None, truth: Truth) -> UnseenPredictions | str:
    """The champion's predictions, or why there is nothing to beat. Raises Damaged for one whose files are gone or
    changed: it stays champion until a person replaces it.
    """
    if champion is None:
        return "There is no champion yet, so there is nothing to beat."
    try:
        return read_predictions(project, champion, truth)
    except Refused:
        return "The champion has other labels than the project has now, so there is nothing to beat."


def _compare(
    cursor: duckdb.DuckDBPyConnection,
    stratum: str,
    truth: Truth,
    incumbent: UnseenPredictions,
    challenger: UnseenPredictions,
) -> tuple[StratumComparison, int]:
    """The comparison on one stratum; and how many more records its measure needs."""
    ours = truth.rows[truth.audit == (stratum == "audit")]
    rows = np.intersect1d(np.intersect1d(ours, incumbent.rows), challenger.rows)
    weights: Weights = equal_weights(len(rows))
    unjudged = len(ours) - len(rows)
    if stratum == "audit":
        rows, weights = audit_weights(cursor, truth, rows)
    answers = truth.answers[np.searchsorted(truth.rows, rows)]
    (true, first), (_, second) = (truth.space.marks(answers, one.of(rows)) for one in (incumbent, challenger))
    compared = _answered(_Question.of(true, first, second, weights))
    if not truth.space.categories:
        facts = {**vars(compared), "macro_f1": None, "unsaid": tuple(unsaid_of_accuracy(weights))}
        return StratumComparison(stratum, unjudged, **facts), lacking_for_accuracy(weights)
    labels = (true | first | second).any(axis=0).sum() if compared.n else true.shape[1]
    return StratumComparison(stratum, unjudged, **vars(compared)), max(FEW * int(labels) - compared.n, 0)


@dataclass(frozen=True)
class _Question:
    """The arguments of `paired`, hashed by their digest, to cache results."""

    digest: bytes
    truth: Bools = field(compare=False)
    first: Bools = field(compare=False)
    second: Bools = field(compare=False)
    weights: Weights = field(compare=False)

    @classmethod
    def of(cls, truth: Bools, first: Bools, second: Bools, weights: Weights) -> "_Question":
        """Shapes are part of the digest, since packed bits of three labels may equal those of four."""
        bits = [np.packbits(part).tobytes() for part in (truth, first, second, weights.drawn)]
        numbers = [part.tobytes() for part in (weights.weight, weights.known)]
        size = repr((truth.shape, weights.effective, weights.population, weights.uncovered)).encode()
        return cls(hashlib.sha256(b"".join([size, *bits, *numbers])).digest(), truth, first, second, weights)


@lru_cache(maxsize=16)
def _answered(question: _Question) -> Paired:
    """Cached, since a page asks the gate with every click, and a bootstrap of thousands of records takes a second."""
    return paired(question.truth, question.first, question.second, question.weights)


def _decided(verdict: GateVerdict, compared: StratumComparison, whose: str) -> GateVerdict:
    difference = compared.decisive
    passes = difference.low > 0
    more = 0 if passes else _more(compared)
    return replace(
        verdict,
        passes=passes,
        sentence=_sentence(f"{verdict.measure_name} is", whose, compared, more),
        stratum=compared.stratum,
        n=compared.n,
        difference=Estimate(difference.value, difference.low, difference.high),
        accuracy=compared.accuracy,
        missing=more,
        unjudged=compared.unjudged,
    )


def _undecided(verdict: GateVerdict, missing: int) -> GateVerdict:
    """The verdict on too few records of both strata. missing: how many more, of the stratum that lacks the fewest."""
    audit, gold = verdict.strata
    return replace(
        verdict,
        passes=False,
        sentence=f"Only {audit.n} audit and {gold.n} gold records judge both, too few to compare "
        f"{verdict.measure_name} on: {missing} more are needed.",
        missing=missing,
        unjudged=audit.unjudged + gold.unjudged,
    )


def _more(compared: StratumComparison) -> int | None:
    """Records that would decide if the difference stays the same: intervals shrink with the root of their number."""
    lead = compared.decisive.value
    if lead <= 0:
        return None
    needed = compared.n * ((lead - compared.decisive.low) / lead) ** 2
    return int(np.ceil(needed)) - compared.n if needed < MOST_MORE else None


def _sentence(measure: str, whose: str, compared: StratumComparison, more: int | None) -> str:
    """more: records that would tell, 0 where these do."""
    difference = compared.decisive
    sentence = with_minus(
        f"On {compared.n} {compared.stratum} records its {measure} {difference.second:.1%}, {whose} "
        f"{difference.first:.1%}: {100 * difference.value:+.1f} points "
        f"(95 %: {100 * difference.low:+.1f} to {100 * difference.high:+.1f})."
    )
    if difference.low > 0:
        return sentence
    if difference.high < 0:
        return f"{sentence} It is worse."
    if difference.value <= 0:
        return f"{sentence} It is not better."
    number = f"About {more:,}" if more else f"More than {MOST_MORE:,}"
    return f"{sentence} That may be chance. {number} more {compared.stratum} records would tell."
