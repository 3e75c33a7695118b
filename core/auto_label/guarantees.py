"""Guarantees about machine labels in the store: the one in force, its checks, its end. Knows no model."""

import json
from collections import Counter
from dataclasses import dataclass, field
from math import ceil, log

import duckdb

from core.config.settings import Settings
from core.evaluation.exact_tests import evidence_against
from core.evaluation.guarantee import GuaranteeTerms, Step
from core.project import Project
from core.store.database import count, utc_now
from core.store.record_numbers import IDLE_CHECKS
from core.tasks.task import EVERYTHING
from core.tasks.tasks import parts_of_stored, right_machine_labels, space_of

LEFT = "rondo"
"""who a guarantee is by that is left of a broken one"""
FEWEST_CHECKS, MOST_CHECKS = 30, 300
MOST_EVIDENCE = 1e9


@dataclass(frozen=True)
class LabelCheck:
    """One part of the project, a label or all answers: machine labels accepted, those not answered by a person since,
    and blind answers that agree and disagree.
    """

    label: str
    accepted: int
    left: int
    right: int
    wrong: int


_ACCEPTED = """
    select {} as answer, count(*), count(*) filter (s.n is null)
    from machine_labels m left join settled s using (n) where m.guarantee = ? group by 1
"""
_CHECKED = """
    select m.answer::varchar, s.answer::varchar, count(*) from machine_labels m join settled s using (n)
    where m.guarantee = ? and s.stratum in ('check', 'audit') group by 1, 2
"""


def count_checks(cursor: duckdb.DuckDBPyConnection, guarantee: str, settings: Settings) -> list[LabelCheck]:
    """One entry per accepted part. Counted are blind answers to a random draw: the check's and the audit's."""
    space = space_of(settings)
    part_of = parts_of_stored(space)
    accepted, left, right, wrong = (Counter[str]() for _ in range(4))
    each = "m.answer::varchar" if part_of else f"'{EVERYTHING}'"
    for answer, machine_labels, unanswered in cursor.execute(_ACCEPTED.format(each), [guarantee]).fetchall():
        part = part_of.get(answer, answer)
        accepted[part] += machine_labels
        left[part] += unanswered
    pairs = cursor.execute(_CHECKED, [guarantee]).fetchall()
    correct = right_machine_labels(settings, [truth for _, truth, _ in pairs], [answer for answer, *_ in pairs])
    for (answer, _, records), is_right in zip(pairs, correct.tolist(), strict=True):
        (right if is_right else wrong)[part_of.get(answer, answer) if part_of else EVERYTHING] += records
    return [LabelCheck(part, accepted[part], left[part], right[part], wrong[part]) for part in sorted(accepted)]


def evidence_of(counts: list[LabelCheck], guaranteed: float) -> float:
    """The e-value against a guarantee about these labels; at most MOST_EVIDENCE, for JSON knows no infinity."""
    right, wrong = sum(one.right for one in counts), sum(one.wrong for one in counts)
    evidence = evidence_against(right, wrong, sum(one.accepted for one in counts), guaranteed)
    return min(evidence, MOST_EVIDENCE)


def limit_of(terms: GuaranteeTerms, labels: int) -> float:
    """The evidence at which the guarantee about all (labels = 0) or about one of so many labels counts as broken.

    Where both are guaranteed they share the risk of a false alarm.
    """
    parts = 1 if terms.per_label is None else 2
    return parts * max(labels, 1) / terms.risk


def check_size(terms: GuaranteeTerms) -> int:
    """Blind answers after which a share of wrong labels three times the allowed one is mostly noticed.

    Wald 1945: the evidence needed over what one answer brings of it on average, and twice as many.
    """
    allowed = 1 - terms.precision
    wrong = min(3 * allowed, 0.9)
    brings = wrong * log(wrong / allowed) + (1 - wrong) * log((1 - wrong) / (1 - allowed))
    return min(max(ceil(2 * log(limit_of(terms, labels=0)) / brings), FEWEST_CHECKS), MOST_CHECKS)


def end_guarantee(cursor: duckdb.DuckDBPyConnection, guarantee: str, state: str, why: str) -> int:
    """Removes its machine labels and the checks that are still queued; given answers are kept.

    Returns how many records have no label now: a person may have answered some.
    """
    bare = "select count(*) from machine_labels where guarantee = ? and not is_labelled(n)"
    removed = count(cursor, bare, [guarantee])
    cursor.execute("delete from machine_labels where guarantee = ?", [guarantee])
    cursor.execute(IDLE_CHECKS)
    cursor.execute(
        "update guarantees set state = ?, ended_at = ?, why = ? where id = ?", [state, utc_now(), why, guarantee]
    )
    return removed


def answers_to_check(project: Project, checked_before: int) -> tuple[int, bool]:
    """How many responses there are, and whether any after the first `checked_before` is to one with a machine label.

    Takes about a millisecond, however many machine labels there are; who sees True calls `accepting.check`. Without any
    none is checked, so the first figure is the one given.
    """
    if not project.store.one("select count(*) from machine_labels"):  # a third of the time, and after every answer
        return checked_before, False
    [(answers, due)] = project.store.query(_TO_CHECK, [checked_before])
    return answers, due


# Responses are only ever added, so a row's number is its position.
_TO_CHECK = """
    select (select count(*) from responses),
           exists (select 1 from machine_labels where n in (select n from responses where rowid >= ?))
"""


@dataclass(frozen=True)
class OfferedLabel:
    """What of one label could be accepted: the confidence threshold, how many records, and the audit records it rests
    on.
    """

    id: str
    name: str
    threshold: float
    covered: int
    audits: int
    wrong: int
    bound: float


@dataclass(frozen=True)
class GuaranteeOffer:
    """What could be labelled by the model on these terms, or `why` nothing can, and the result of accepting it, if it
    was.

    precision, per_label, confidence: the terms. outside: records of imports with too few audit records; late: audit
    labels given since the model was made; missing: audit labels that would probably suffice; steps: for a chart.
    compared: models that the same audit records chose among; they share the risk.
    """

    precision: float
    per_label: float | None
    confidence: float
    model: str
    outside: int
    late: int
    audits: int
    pool: int
    steps: tuple[Step, ...]
    why: str | None = None
    missing: int | None = None
    covered: int = 0
    share: float = 0.0
    wrong: int = 0
    bound: float = 0.0
    thresholds: dict[str, float] = field(default_factory=dict)
    labels: tuple[OfferedLabel, ...] = ()
    guarantee: str | None = None
    accepted: int = 0
    checks: int = 0
    compared: int = 1

    @property
    def terms(self) -> GuaranteeTerms:
        """What is guaranteed."""
        return GuaranteeTerms(self.precision, self.per_label, self.confidence)


@dataclass(frozen=True)
class Guarantee:
    """A guarantee as it was accepted. state: in_force, replaced, withdrawn or broken; why: it ended."""

    id: str
    made_at: str
    user: str
    model: str
    precision: float
    per_label: float | None
    confidence: float
    covered: int
    pool: int
    state: str
    ended_at: str | None
    why: str | None
    thresholds: dict[str, float]

    @property
    def terms(self) -> GuaranteeTerms:
        """What it guarantees."""
        return GuaranteeTerms(self.precision, self.per_label, self.confidence)


@dataclass(frozen=True)
class CheckedLabel:
    """One label of a guarantee and its check: machine labels that no person has answered, right and wrong answers."""

    id: str
    name: str
    covered: int
    right: int
    wrong: int
    evidence: float


@dataclass(frozen=True)
class GuaranteeCheck:
    """The guarantee in force and its check. covered: machine labels that no person has answered; waiting: checks to
    answer; evidence: an e-value; limit: the evidence at which the guarantee counts as broken.
    """

    guarantee: Guarantee
    covered: int
    right: int
    wrong: int
    waiting: int
    evidence: float
    limit: float
    labels: list[CheckedLabel]


def guarantee_in_force(project: Project) -> GuaranteeCheck | None:
    """None where none is."""
    settings = project.settings()
    space = space_of(settings)
    with project.store.reading() as cursor:
        if not (guarantees := _guarantees(cursor, "where state = 'in_force'")):
            return None
        guarantee, terms = guarantees[0], guarantees[0].terms
        counts = count_checks(cursor, guarantee.id, settings)
        return GuaranteeCheck(
            guarantee=guarantee,
            covered=sum(one.left for one in counts),
            right=sum(one.right for one in counts),
            wrong=sum(one.wrong for one in counts),
            waiting=count(cursor, _WAITING, [guarantee.id]),
            evidence=evidence_of(counts, terms.precision),
            limit=limit_of(terms, labels=0),
            labels=[
                CheckedLabel(
                    id=one.label,
                    name=space.part_names.get(one.label, one.label),
                    covered=one.left,
                    right=one.right,
                    wrong=one.wrong,
                    evidence=evidence_of([one], terms.per_label or terms.precision),
                )
                for one in counts
            ],
        )


def past_guarantees(project: Project) -> list[Guarantee]:
    """The ended ones, newest first."""
    with project.store.reading() as cursor:
        return _guarantees(cursor, "where state <> 'in_force' order by ended_at desc, made_at desc")


def announcements(project: Project) -> list[str]:
    """Messages for people: guarantees that broke since one was last accepted or withdrawn."""
    rows = project.store.query(
        """select why from guarantees where state = 'broken' and ended_at > coalesce(
               (select max(if(state = 'withdrawn', ended_at, made_at)) from guarantees where user <> ?),
               timestamp '1970-01-01') order by ended_at desc""",
        [LEFT],
    )
    return [why for (why,) in rows]


def _guarantees(cursor: duckdb.DuckDBPyConnection, which: str) -> list[Guarantee]:
    rows = cursor.execute(
        f"""select id, strftime(made_at, '{_TIME}'), user, model, precision, per_label, confidence, covered, pool,
                   state, strftime(ended_at, '{_TIME}'), why, thresholds::varchar from guarantees {which}"""
    ).fetchall()
    return [Guarantee(*(*row[:-1], json.loads(row[-1]))) for row in rows]


_TIME = "%Y-%m-%dT%H:%M:%SZ"
_WAITING = """
    select count(distinct n) from queue where purpose = 'check' and not is_labelled(n)
        and n in (select n from machine_labels where guarantee = ?)
"""
