"""Sentences about guarantees, for pages and terminals. Knows figures, not where they came from."""

from collections.abc import Mapping, Sequence
from typing import Any

from core.auto_label.guarantees import Checked, check_size
from core.evaluation.guarantee import Refusal, Wanted


def what_is_guaranteed(requested: Wanted) -> str:
    """'95 % right with 95 % confidence', and what is guaranteed of each label."""
    each = f", and at least {_share(requested.per_label)} of each label's" if requested.per_label is not None else ""
    return f"at least {_share(requested.precision)} of them right{each}, with {_share(requested.confidence)} confidence"


def what_is_missing(refusal: Refusal, requested: Wanted, known: Mapping[str, int]) -> str:
    """Why nothing can be guaranteed and what to do. known: audit records `waiting` in the queue, `late` for it."""
    guarantee = f"a guarantee of {what_is_guaranteed(requested)}"
    have = f"{refusal.audits:,} audit labels speak for the {refusal.pool:,} records of the pool"
    if not refusal.pool:
        return "Nothing is left to label by machine: every record was asked or is queued."
    if refusal.missing is None:
        return (
            f"{have}. By what they say even the surest suggestions are wrong too often for {guarantee}. "
            "Label more, so that the model gets better, or guarantee less."
        )
    if refusal.missing >= refusal.pool:
        return f"{have}; {guarantee} would take about {refusal.missing:,} more. Label the rest by hand."
    missing = f"{have}; {guarantee} takes about {refusal.missing:,} more."
    if known["late"] >= refusal.missing:
        return f"{missing} {known['late']:,} were given since the model was made: `rondo fit` takes them in."
    if known["waiting"] >= refusal.missing:
        return f"{missing} {known['waiting']:,} wait in the queue: label them, then `rondo fit`."
    return f"{missing} Queue them: `rondo next --audit-share 1 --size {refusal.missing}`, label them, then `rondo fit`."


def what_broke(requested: Wanted, counts: Sequence[Checked], gone: Sequence[Checked], names: Mapping[str, str]) -> str:
    """For people who relied on it. counts: all accepted labels; gone: those that are taken back."""
    every = len(gone) == len(counts)
    which = "" if every else " of " + ", ".join(repr(names.get(one.label, one.label)) for one in gone)
    wrong, seen = sum(one.wrong for one in gone), sum(one.right + one.wrong for one in gone)
    return (
        f"A guarantee of {what_is_guaranteed(requested)}, is broken: of {seen:,} machine labels{which} that people "
        f"checked blindly, {wrong:,} were wrong. {sum(one.left for one in gone):,} machine labels{which} were taken "
        "back; their records are in the pool again, the least sure ones in front of the queue."
    )


def what_can_be_guaranteed(result: Mapping[str, Any]) -> str:
    """What `core.auto_label.accepting.preview` found, in a few sentences."""
    if not result["given"]:
        return str(result["why"])
    left_out = result["outside"]
    parts = [
        f"{result['covered']:,} of {result['pool']:,} records of the pool ({result['share']:.0%}) can be labelled by "
        f"machine, {what_is_guaranteed(Wanted(**result['wanted']))}.",
        f"Of {result['audits']:,} audit records among them {result['wrong']:,} were wrong.",
    ]
    if left_out:
        parts.append(f"{left_out:,} records came with an import after the audit was drawn; they are left out.")
    return " ".join(parts)


def what_accepting_does(result: Mapping[str, Any], replaces: bool) -> str:
    """Before a person agrees: numbers, and what follows."""
    checks = min(check_size(Wanted(**result["wanted"])), result["covered"])
    return (
        f"{result['covered']:,} records get a machine label and leave the pool; {checks:,} of them, drawn at random, "
        "wait in the queue to be checked, and nobody sees which ones. No model learns from machine labels."
        + (" The guarantee in force is replaced." if replaces else "")
    )


def how_it_stands(guarantee: Mapping[str, Any]) -> str:
    """Of what `core.auto_label.guarantees.guarantee_in_force` found."""
    requested = Wanted(guarantee["precision"], guarantee["per_label"], guarantee["confidence"])
    seen = guarantee["right"] + guarantee["wrong"]
    predicted = f"{guarantee['wrong']:,} of {seen:,} checked labels were wrong" if seen else "Nothing was checked yet"
    return (
        f"{guarantee['covered']:,} machine labels, {what_is_guaranteed(requested)}; by {guarantee['user']}, "
        f"{guarantee['made_at'][:10]}. {predicted}; {guarantee['waiting']:,} checks wait in the "
        f"queue. Evidence against the "
        f"guarantee: {guarantee['evidence']:.2g}; at {guarantee['limit']:.0f} it counts as broken."
    )


def _share(value: float) -> str:
    return f"{100 * value:.4g} %"
