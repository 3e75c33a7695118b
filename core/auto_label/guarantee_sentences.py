"""Sentences about guarantees, for pages and terminals. Knows figures, not how they were made."""

from collections.abc import Mapping, Sequence

from core.auto_label.guarantees import Guarantee, GuaranteeCheck, GuaranteeOffer, LabelCheck, check_size
from core.evaluation.guarantee import GuaranteeTerms, Refusal


def what_is_guaranteed(terms: GuaranteeTerms) -> str:
    """'95 % right with 95 % confidence', and what is guaranteed of each label."""
    each = f", and at least {_share(terms.per_label)} of each label's" if terms.per_label is not None else ""
    return f"at least {_share(terms.precision)} of them right{each}, with {_share(terms.confidence)} confidence"


def what_is_missing(refusal: Refusal, terms: GuaranteeTerms, *, waiting: int, late: int, refit: str) -> str:
    """Why nothing can be guaranteed and what to do. waiting: audit records in the queue; late: audit labels since.
    refit: the command after which late ones count."""
    guarantee = f"a guarantee of {what_is_guaranteed(terms)}"
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
    if late >= refusal.missing:
        return f"{missing} {late:,} were given since the model was made: `{refit}` takes them in."
    if waiting >= refusal.missing:
        return f"{missing} {waiting:,} wait in the queue: label them, then `{refit}`."
    return f"{missing} Queue them: `rondo next --audit-share 1 --size {refusal.missing}`, label them, then `{refit}`."


def what_broke(
    terms: GuaranteeTerms, counts: Sequence[LabelCheck], gone: Sequence[LabelCheck], names: Mapping[str, str]
) -> str:
    """For people who relied on it. counts: all accepted labels; gone: those that were removed."""
    every = len(gone) == len(counts)
    which = "" if every else " of " + ", ".join(repr(names.get(one.label, one.label)) for one in gone)
    wrong, checked = sum(one.wrong for one in gone), sum(one.right + one.wrong for one in gone)
    return (
        f"A guarantee of {what_is_guaranteed(terms)}, is broken: of {checked:,} machine labels{which} that people "
        f"checked blindly, {wrong:,} were wrong. {sum(one.left for one in gone):,} machine labels{which} were taken "
        "back; their records are in the pool again, the least sure ones in front of the queue."
    )


def what_can_be_guaranteed(offer: GuaranteeOffer) -> str:
    """What could be labelled by machine, in a few sentences, or why nothing."""
    if offer.why is not None:
        return offer.why
    parts = [
        f"{offer.covered:,} of {offer.pool:,} records of the pool ({offer.share:.0%}) can be labelled by "
        f"machine, {what_is_guaranteed(offer.terms)}.",
        f"Of {offer.audits:,} audit records among them {offer.wrong:,} were wrong.",
    ]
    if offer.outside:
        parts.append(f"{offer.outside:,} records came with an import after the audit was drawn; they are left out.")
    if shared := among_how_many(offer):
        parts.append(shared)
    return " ".join(parts)


def among_how_many(offer: GuaranteeOffer) -> str:
    """What several models cost that the same audit chose among; empty for one."""
    if offer.compared < 2:
        return ""
    return (
        f"The same audit chose {offer.model} among {offer.compared:,} ways to answer, so each may take only one part "
        f"in {offer.compared:,} of the risk."
    )


def what_accepting_does(offer: GuaranteeOffer, replaces: bool) -> str:
    """Shown before a person accepts: how many records, and the consequences."""
    checks = min(check_size(offer.terms), offer.covered)
    return (
        f"{offer.covered:,} records get a machine label and leave the pool; {checks:,} of them, drawn at random, "
        "wait in the queue to be checked, and nobody sees which ones. No model learns from machine labels."
        + (" The guarantee in force is replaced." if replaces else "")
    )


def how_it_stands(check: GuaranteeCheck) -> str:
    """The state of the guarantee in force."""
    guarantee, checked = check.guarantee, check.right + check.wrong
    answers = f"{check.wrong:,} of {checked:,} checked labels were wrong" if checked else "Nothing was checked yet"
    return (
        f"{check.covered:,} machine labels, {what_is_guaranteed(guarantee.terms)}; by {guarantee.user}, "
        f"{guarantee.made_at[:10]}. {answers}; {check.waiting:,} checks wait in the queue. Evidence against the "
        f"guarantee: {check.evidence:.2g}; at {check.limit:.0f} it counts as broken."
    )


def past_rows(guarantees: Sequence[Guarantee]) -> list[dict[str, object]]:
    """A table of ended guarantees: terms, number of records, who accepted them, and why they ended."""
    return [
        {
            "accepted (UTC)": guarantee.made_at[:16].replace("T", " "),
            "by": guarantee.user,
            "guaranteed": what_is_guaranteed(guarantee.terms),
            "machine labels": guarantee.covered,
            "of the pool": guarantee.pool,
            "ended (UTC)": (guarantee.ended_at or "")[:16].replace("T", " "),
            "how": guarantee.state,
            "why": guarantee.why,
            "guarantee": guarantee.id,
            "model": guarantee.model,
        }
        for guarantee in guarantees
    ]


def _share(value: float) -> str:
    return f"{100 * value:.4g} %"
