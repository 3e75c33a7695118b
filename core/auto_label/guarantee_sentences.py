"""Sentences about promises, for pages and terminals. Knows figures, not where they came from."""

from collections.abc import Mapping, Sequence
from typing import Any

from core.auto_label.guarantees import Checked, check_size
from core.evaluation.guarantee import Refusal, Wanted


def what_is_promised(wanted: Wanted) -> str:
    """'95 % right with 95 % confidence', and what is promised of each label."""
    each = f", and at least {_share(wanted.per_label)} of each label's" if wanted.per_label is not None else ""
    return f"at least {_share(wanted.precision)} of them right{each}, with {_share(wanted.confidence)} confidence"


def what_is_missing(refusal: Refusal, wanted: Wanted, known: Mapping[str, int]) -> str:
    """Why nothing can be promised and what to do. known: audit records `waiting` in the queue, `late` for the model."""
    promise = f"a promise of {what_is_promised(wanted)}"
    have = f"{refusal.audits:,} audit labels speak for the {refusal.pool:,} records of the pool"
    if not refusal.pool:
        return "Nothing is left to label by machine: every record was asked or is queued."
    if refusal.missing is None:
        return (
            f"{have}. By what they say even the surest suggestions are wrong too often for {promise}. "
            "Label more, so that the model gets better, or promise less."
        )
    if refusal.missing >= refusal.pool:
        return f"{have}; {promise} would take about {refusal.missing:,} more. Label the rest by hand."
    missing = f"{have}; {promise} takes about {refusal.missing:,} more."
    if known["late"] >= refusal.missing:
        return f"{missing} {known['late']:,} were given since the model was made: `rondo fit` takes them in."
    if known["waiting"] >= refusal.missing:
        return f"{missing} {known['waiting']:,} wait in the queue: label them, then `rondo fit`."
    return f"{missing} Queue them: `rondo next --audit-share 1 --size {refusal.missing}`, label them, then `rondo fit`."


def what_broke(wanted: Wanted, counts: Sequence[Checked], gone: Sequence[Checked], names: Mapping[str, str]) -> str:
    """For people who relied on it. counts: all accepted labels; gone: those that are taken back."""
    every = len(gone) == len(counts)
    which = "" if every else " of " + ", ".join(repr(names.get(one.label, one.label)) for one in gone)
    wrong, seen = sum(one.wrong for one in gone), sum(one.right + one.wrong for one in gone)
    return (
        f"A promise of {what_is_promised(wanted)}, is broken: of {seen:,} machine labels{which} that people checked "
        f"blindly, {wrong:,} were wrong. {sum(one.left for one in gone):,} machine labels{which} were taken back; "
        "their records are in the pool again, the least sure ones in front of the queue."
    )


def what_can_be_promised(told: Mapping[str, Any]) -> str:
    """What `core.auto_label.accepting.preview` found, in a few sentences."""
    if not told["given"]:
        return str(told["why"])
    left_out = told["outside"]
    parts = [
        f"{told['covered']:,} of {told['pool']:,} records of the pool ({told['share']:.0%}) can be labelled by "
        f"machine, {what_is_promised(Wanted(**told['wanted']))}.",
        f"Of {told['audits']:,} audit records among them {told['wrong']:,} were wrong.",
    ]
    if left_out:
        parts.append(f"{left_out:,} records came with an import after the audit was drawn; they are left out.")
    return " ".join(parts)


def what_accepting_does(told: Mapping[str, Any], replaces: bool) -> str:
    """Before a person agrees: numbers, and what follows."""
    checks = min(check_size(Wanted(**told["wanted"])), told["covered"])
    return (
        f"{told['covered']:,} records get a machine label and leave the pool; {checks:,} of them, drawn at random, "
        "wait in the queue to be checked, and nobody sees which ones. No model learns from machine labels."
        + (" The promise that stands is replaced." if replaces else "")
    )


def how_it_stands(promise: Mapping[str, Any]) -> str:
    """Of what `core.auto_label.guarantees.standing` found."""
    wanted = Wanted(promise["precision"], promise["per_label"], promise["confidence"])
    seen = promise["right"] + promise["wrong"]
    said = f"{promise['wrong']:,} of {seen:,} checked labels were wrong" if seen else "Nothing was checked yet"
    return (
        f"{promise['covered']:,} machine labels, {what_is_promised(wanted)}; by {promise['who']}, "
        f"{promise['made_at'][:10]}. {said}; {promise['waiting']:,} checks wait in the queue. Evidence against the "
        f"promise: {promise['evidence']:.2g}; at {promise['limit']:.0f} it counts as broken."
    )


def _share(value: float) -> str:
    return f"{100 * value:.4g} %"
