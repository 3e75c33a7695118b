"""Which figures rest on enough records to be shown: one rule for the terminal, pages, cards and exports.

A score is shown from FEWEST records of its stratum on, a figure of one label from FEW of its records on, and neither
where its interval leaves everything possible. Knows figures as `models` keeps them, no store and no page.
"""

from collections.abc import Mapping
from typing import Any

Figures = Mapping[str, Any]

STRATA = ("audit", "gold")
"""what claims rest on: audit records speak for all that was imported, gold for texts like those of its file"""
FEW = 5
"""records per label: with fewer, macro F1 is so far off that an interval around it would not hold"""
FEWEST = 10
"""records of a stratum: 0 of 3 is no 0 %"""
FEW_AUDITS = 100
"""audit labels; with fewer an accuracy is known to about ten points at best"""
TOO_FEW = "too few to say"
SCORES = ("accuracy", "macro_f1", "micro_f1")
KINDS = ("precision", "recall", "f1", "prevalence")


def uncovered_note(records: int) -> str:
    return f"{records} records came with imports of which no audit record was answered; nothing is claimed about them."


def shown(estimate: Figures | None, records: int, fewest: int = FEWEST) -> Figures | None:
    """The estimate, or None where so many records are too few to say."""
    if estimate is None or records < fewest:
        return None
    low, high = estimate.get("low"), estimate.get("high")  # the first models kept no intervals
    return None if low is not None and high is not None and high - low >= 1 else estimate


def shown_scores(score: Figures) -> dict[str, Figures | None]:
    """Accuracy, macro and micro F1 of one stratum; None for what it lacks, too."""
    return {name: shown(score.get(name), score["n"]) for name in SCORES}


def shown_label(entry: Figures, n: int) -> dict[str, Any]:
    """One label's figures among n records: precision by the records predicted to have it, recall by those that have it,
    F1 by whichever are more, prevalence by all n."""
    records, predicted = entry.get("records", 0), entry.get("predicted", entry.get("records", 0))
    basis = {"precision": predicted, "recall": records, "f1": max(records, predicted)}
    rest = n if n >= FEWEST else 0
    figures = {kind: shown(entry[kind], min(count, rest), FEW) for kind, count in basis.items() if kind in entry}
    if "prevalence" in entry:
        figures["prevalence"] = shown(entry["prevalence"], n)
    return {"records": records, **figures}


def too_few(n: int, stratum: str) -> str:
    """'too few audit records yet (3 of 10)', or without the counts where it is another figure that takes more."""
    return f"too few {stratum} records yet" + (f" ({n} of {FEWEST})" if n < FEWEST else "")


def in_words(estimate: Figures | None) -> str:
    """'87.5 % (71.0 to 95.2)'."""
    if estimate is None:
        return TOO_FEW
    if estimate.get("low") is None:
        return f"{estimate['value']:.1%}"
    return f"{estimate['value']:.1%} ({100 * estimate['low']:.1f} to {100 * estimate['high']:.1f})"


def score_cells(score: Figures) -> dict[str, str]:
    """The scores that there are, in words, each with its interval."""
    return {name: in_words(matches) for name, matches in shown_scores(score).items() if name in score}


def judged_on(metrics: Figures | None) -> str | None:
    """'audit' where its macro F1 is shown, else whichever has more records; None where neither judged the model."""
    there = [name for name in STRATA if (metrics or {}).get(name)]
    if metrics is None or not there:
        return None
    if "audit" in there and shown_scores(metrics["audit"])["macro_f1"]:
        return "audit"
    return max(there, key=lambda name: int(metrics[name]["n"]))


def audit_notes(score: Figures | None, *, exhausted: bool) -> list[str]:
    """What the audit cannot tell and what it would take; where the pool is exhausted nothing can be done about it, and
    only what the score leaves out is said."""
    if not score:
        return []
    if not exhausted:
        return list(score.get("unsaid") or ())
    return [uncovered_note(score["uncovered"])] if score.get("uncovered") else []
