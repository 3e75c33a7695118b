"""Which figures have enough records to be shown: one rule for the terminal, pages, cards and exports.

A score is shown from FEWEST records of its stratum on, a figure of one label from FEW of its records on, and neither
where its interval is 0 to 1. Knows figures, no store and no page.
"""

import re
from dataclasses import dataclass, replace

from core.evaluation.metrics import Estimate, LabelScore, Metrics, Score

STRATA = ("audit", "gold")
"""what claims rest on: audit records represent all that was imported, gold only texts like those of its file"""
FEW = 5
"""records per label: with fewer, macro F1 is so far off that an interval around it would not hold"""
FEWEST = 10
"""records of a stratum: 0 of 3 must not be shown as 0 %"""
FEW_AUDITS = 100
"""audit labels; with fewer an accuracy is known to about ten points at best"""
TOO_FEW = "too few to say"
_NEGATIVE = re.compile(r"(?<![\w.,-])-(?=\d)")
"""a hyphen that begins a figure; not that of a date, a range or a name"""


def uncovered_note(records: int) -> str:
    return f"{records} records came with imports of which no audit record was answered; nothing is claimed about them."


def shown(estimate: Estimate | None, records: int, fewest: int = FEWEST) -> Estimate | None:
    """The estimate, or None where there are too few records."""
    if estimate is None or records < fewest or estimate.high - estimate.low >= 1:
        return None
    return estimate


@dataclass(frozen=True)
class ShownScore:
    """A `Score` without its labels; None in place of a figure that has too few records, and of F1 where the task has
    none: `figures` tells the two apart.
    """

    n: int
    accuracy: Estimate | None
    macro_f1: Estimate | None
    micro_f1: Estimate | None
    effective: float | None
    population: int | None
    uncovered: int
    unsaid: tuple[str, ...]


def shown_score(score: Score) -> ShownScore:
    """As much of it as may be shown."""
    return ShownScore(
        n=score.n,
        accuracy=shown(score.accuracy, score.n),
        macro_f1=shown(score.macro_f1, score.n),
        micro_f1=shown(score.micro_f1, score.n),
        effective=score.effective,
        population=score.population,
        uncovered=score.uncovered,
        unsaid=score.unsaid,
    )


def with_minus(sentence: str) -> str:
    """The sentence with U+2212 before negative figures, in place of the hyphen that they are formatted with."""
    return _NEGATIVE.sub("\u2212", sentence)


def figures(score: Score) -> dict[str, Estimate | None]:
    """In words -> as much of it as may be shown: accuracy and, where answers are a choice among categories, macro and
    micro F1; None where there are too few records."""
    measured = {"accuracy": score.accuracy, "macro F1": score.macro_f1, "micro F1": score.micro_f1}
    return {name: shown(estimate, score.n) for name, estimate in measured.items() if estimate is not None}


def headline(score: Score) -> tuple[str, Estimate | None]:
    """The figure that models are compared by, in words, and it: macro F1, or accuracy where the task has no F1."""
    measured = figures(score)
    name = "macro F1" if "macro F1" in measured else "accuracy"
    return name, measured[name]


def shown_label(scores: LabelScore, n: int) -> LabelScore:
    """One label's figures among n records, None where too few records count for one: precision by the records predicted
    to have it, recall by those that have it, F1 by whichever are more, prevalence by all n.
    """
    if n < FEWEST:
        return replace(scores, precision=None, recall=None, f1=None, prevalence=None)
    return replace(
        scores,
        precision=shown(scores.precision, scores.predicted, FEW),
        recall=shown(scores.recall, scores.records, FEW),
        f1=shown(scores.f1, max(scores.records, scores.predicted), FEW),
        prevalence=shown(scores.prevalence, n),
    )


def too_few(n: int, stratum: str) -> str:
    """'too few audit records yet (3 of 10)', or without the counts where it is another figure that takes more."""
    return f"too few {stratum} records yet" + (f" ({n} of {FEWEST})" if n < FEWEST else "")


def in_words(estimate: Estimate | None) -> str:
    """'87.5 % (71.0 to 95.2)'."""
    if estimate is None:
        return TOO_FEW
    return f"{estimate.value:.1%} ({100 * estimate.low:.1f} to {100 * estimate.high:.1f})"


def score_cells(score: ShownScore, *, f1: bool) -> dict[str, str]:
    """The scores in words, each with its interval. f1: does the task have F1?"""
    measured = {"accuracy": score.accuracy}
    if f1:
        measured |= {"macro_f1": score.macro_f1, "micro_f1": score.micro_f1}
    return {name: in_words(figure) for name, figure in measured.items()}


def best_score(metrics: Metrics) -> tuple[str, Score] | None:
    """'audit' and its score where its headline is shown, else whichever of STRATA has more records; None where neither
    scored the model.
    """
    if (audit := metrics.on("audit")) and headline(audit)[1]:
        return "audit", audit
    scores = [(name, score) for name in STRATA if (score := metrics.on(name))]
    return max(scores, key=lambda one: one[1].n, default=None)


def audit_notes(score: Score | ShownScore | None, *, exhausted: bool) -> list[str]:
    """Sentences on what has too few audit records and how many more it takes; where the pool is exhausted there are no
    more, so only which imports the score leaves out.
    """
    if score is None:
        return []
    if not exhausted:
        return list(score.unsaid)
    return [uncovered_note(score.uncovered)] if score.uncovered else []
