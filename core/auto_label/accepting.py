"""Machine labels under a guarantee: previewing, accepting, checking and withdrawing them. Knows no page."""

import json
import secrets
from dataclasses import asdict, dataclass, replace

import duckdb
import numpy as np

from core.auto_label.evidence import PART, UNASKED, AuditEvidence, read_evidence, trusted_model
from core.auto_label.generated_evidence import read_generated_evidence, trusted_models
from core.auto_label.guarantee_sentences import what_broke, what_is_missing
from core.auto_label.guarantees import (
    LEFT,
    GuaranteeOffer,
    LabelCheck,
    OfferedLabel,
    check_size,
    count_checks,
    end_guarantee,
    evidence_of,
    limit_of,
)
from core.errors import Refused
from core.evaluation.guarantee import Certificate, GuaranteeTerms, Refusal, certify, check_terms
from core.ids import RecordNo
from core.jobs.bundle import Report
from core.labelling.reviews import send
from core.project import Project
from core.store.database import count, note, utc_now
from core.tasks.task import EVERYTHING, AnswerSpace
from core.tasks.tasks import by_language_models, parts_of_stored, space_of
from core.typed_json import to_json

REQUEUED = 50
"""records that lost their machine label and are put in front of the queue, the least sure first"""


def auto(  # noqa: PLR0913 - each is an option of the command
    project: Project,
    report: Report,
    *,
    precision: float = 0.95,
    per_label: float | None = None,
    confidence: float = 0.95,
    accept: bool = False,
    user: str = "local",
) -> GuaranteeOffer:
    """Previews what could be labelled by the model under this guarantee; with `accept` labels it and queues a blind
    check.

    precision, per_label, confidence: as in `GuaranteeTerms`. Raises Refused, with the number of audit labels still
    missing, where nothing can be guaranteed.
    """
    terms = GuaranteeTerms(precision, per_label, confidence)
    report("Looking for what can be guaranteed", 0, 1)
    evidence, verdict, offer = offer_of(project, terms)
    if isinstance(verdict, Refusal):
        raise Refused(str(offer.why))
    report("Looking for what can be guaranteed", 1, 1)
    if accept:
        report("Accepting", 0, 1)
        offer = _accept(project, evidence, verdict, offer, user)
        report("Accepting", 1, 1)
    return offer


def preview(project: Project, terms: GuaranteeTerms) -> GuaranteeOffer:
    """What could be labelled by machine, or why nothing can be guaranteed. Changes nothing.

    Raises Refused where there is no model that fits the project, BadInput for shares that cannot be guaranteed.
    """
    return offer_of(project, terms)[2]


@dataclass(frozen=True)
class Withdrawn:
    """withdrawn: records that have no label now."""

    guarantee: str
    withdrawn: int


def withdraw(project: Project, report: Report, *, user: str = "local") -> Withdrawn:
    """Ends the guarantee in force at a person's request: its machine labels are removed and its records return to the
    pool.
    """
    with project.label_queue.changing() as cursor:
        row = cursor.execute("select id from guarantees where state = 'in_force'").fetchone()
        if row is None:
            raise Refused(
                "No guarantee is in force, so there is nothing to withdraw. "
                "`rondo auto` shows what could be guaranteed."
            )
        removed = end_guarantee(cursor, row[0], "withdrawn", "withdrawn by a person")  # a data card names nobody
        note(cursor, user, "withdraw", {"guarantee": row[0], "labels": removed})
    return Withdrawn(row[0], removed)


@dataclass(frozen=True)
class CheckOutcome:
    """broken: the guarantee that the check broke, if any, and why; removed: machine labels; requeued: records queued
    again.
    """

    broken: str | None = None
    why: str | None = None
    removed: int = 0
    requeued: int = 0


def check(project: Project, report: Report) -> CheckOutcome:
    """Evaluates the blind answers to machine labels; a guarantee that they contradict ends, which is announced.

    Where single labels are to blame only those end, and the rest continues as a guarantee of its own. Their records
    return to the pool, the least confident first in the queue. Quick where no guarantee is in force or none broke.
    """
    with project.store.reading() as cursor:
        if not _verdict(project, cursor)[2]:
            return CheckOutcome()
    with project.label_queue.changing() as cursor:
        guarantee, counts, gone, terms = _verdict(project, cursor)
        if guarantee is None or not gone:  # taken back meanwhile
            return CheckOutcome()
        space = space_of(project.settings())
        why = what_broke(terms, counts, gone, space.part_names)
        record_nos = _break(cursor, space, guarantee, why, [one.label for one in counts if one not in gone])
        note(
            cursor,
            LEFT,
            "break",
            {"guarantee": guarantee, "labels": [one.label for one in gone], "records": len(record_nos)},
        )
        requeued = send(cursor, record_nos[:REQUEUED], LEFT, project.settings())["queued"]
    return CheckOutcome(guarantee, why, len(record_nos), requeued)


def _verdict(
    project: Project, cursor: duckdb.DuckDBPyConnection
) -> tuple[str | None, list[LabelCheck], list[LabelCheck], GuaranteeTerms]:
    """The guarantee in force, all its labels, those it is broken for, and what it guarantees."""
    row = cursor.execute(
        "select id, precision, per_label, confidence from guarantees where state = 'in_force'"
    ).fetchone()
    if row is None:
        return None, [], [], GuaranteeTerms()
    terms = GuaranteeTerms(*row[1:])
    counts = count_checks(cursor, row[0], project.settings())
    return row[0], counts, _broken_labels(counts, terms), terms


def _broken_labels(counts: list[LabelCheck], terms: GuaranteeTerms) -> list[LabelCheck]:
    """Labels whose own guarantee is broken. Where the common one is: those to blame, or all if others are no better."""
    alone = limit_of(terms, len(counts))
    gone = [one for one in counts if terms.per_label and evidence_of([one], terms.per_label) >= alone]
    if evidence_of(counts, terms.precision) < limit_of(terms, 0):
        return gone
    blamed = [one for one in counts if one in gone or evidence_of([one], terms.precision) >= alone]
    rest = [one for one in counts if one not in blamed]
    checked = sum(one.right + one.wrong for one in rest)
    fine = checked and sum(one.right for one in rest) >= terms.precision * checked
    return blamed if blamed and fine else counts


def _break(
    cursor: duckdb.DuckDBPyConnection, space: AnswerSpace, guarantee: str, why: str, retained: list[str]
) -> list[RecordNo]:
    """Ends the guarantee; the labels in `retained` continue under a new one. Returns the records that lost theirs."""
    if retained:
        answers = [answer for answer, part in parts_of_stored(space).items() if part in retained]
        rest = secrets.token_hex(8)
        cursor.execute(_REST, {"rest": rest, "who": LEFT, "now": utc_now(), "old": guarantee, "kept": retained})
        cursor.execute(
            """update machine_labels set guarantee = ?
               where guarantee = ? and list_contains(?::varchar[], answer::varchar)""",
            [rest, guarantee, answers],
        )
        cursor.execute(
            "update guarantees set covered = (select count(*) from machine_labels where guarantee = id) where id = ?",
            [rest],
        )
        cursor.execute(_CUT, [json.dumps(_kept_thresholds(cursor, guarantee, retained)), rest])
    lost = cursor.execute(
        """select n from machine_labels where guarantee = ? and not is_labelled(n)
           order by probability, n""",
        [guarantee],
    ).fetchall()
    end_guarantee(cursor, guarantee, "broken", why)
    return [n for (n,) in lost]


_REST = """
    insert into guarantees
    select $rest, $now, $who, model, encoder, taxonomy, precision, per_label, confidence, thresholds, certificate,
           covered, pool, 'in_force', null,
           'what is left of ' || $old || ': ' || array_to_string($kept::varchar[], ', ')
    from guarantees where id = $old
"""
_CUT = "update guarantees set thresholds = ? where id = ?"


def _kept_thresholds(cursor: duckdb.DuckDBPyConnection, guarantee: str, retained: list[str]) -> dict[str, float]:
    row = cursor.execute("select thresholds from guarantees where id = ?", [guarantee]).fetchone()
    return {label: value for label, value in json.loads(row[0] if row else "{}").items() if label in retained}


def offer_of(project: Project, terms: GuaranteeTerms) -> tuple[AuditEvidence, Certificate | Refusal, GuaranteeOffer]:
    """What the audit proves of the pool, and the offer that follows; raises as `preview` does."""
    check_terms(terms)
    with project.store.reading() as cursor:
        generated = by_language_models(project.settings())
        evidence = (read_generated_evidence if generated else read_evidence)(project, cursor, terms)
        waiting = count(cursor, "select count(*) from queue where audit and not is_labelled(n)")
    verdict = certify(evidence.evidence, terms.shared(evidence.compared))
    offer = GuaranteeOffer(
        **asdict(terms),
        model=evidence.model,
        outside=evidence.outside,
        late=evidence.late,
        audits=verdict.audits,
        pool=verdict.pool,
        steps=verdict.steps,
        compared=evidence.compared,
    )
    if isinstance(verdict, Refusal):
        refit = "rondo extract suggest --records measured,all" if generated else "rondo fit"
        why = what_is_missing(verdict, terms, waiting=waiting, late=evidence.late, refit=refit)
        return evidence, verdict, replace(offer, why=why, missing=verdict.missing)
    names = space_of(project.settings()).part_names
    offer = replace(
        offer,
        covered=verdict.covered,
        share=verdict.covered / verdict.pool,
        wrong=verdict.wrong,
        bound=verdict.bound,
        thresholds=verdict.thresholds,
        labels=tuple(
            OfferedLabel(
                id=part.label,
                name=names[part.label],
                threshold=part.threshold,
                covered=part.covered,
                audits=part.audits,
                wrong=part.wrong,
                bound=part.bound,
            )
            for part in verdict.parts
        ),
    )
    return evidence, verdict, offer


def _accept(
    project: Project, evidence: AuditEvidence, certificate: Certificate, offer: GuaranteeOffer, user: str
) -> GuaranteeOffer:
    """In one transaction, in which the preview must still hold. Records that were answered meanwhile are left out.

    Only records of the pool that was previewed: the audit says nothing of those that came later.
    """
    guarantee = secrets.token_hex(8)
    with project.label_queue.changing() as cursor:
        settings = project.settings()
        if _model_to_trust(project, cursor) != evidence.model:
            raise Refused(_CHANGED)
        for (old,) in cursor.execute("select id from guarantees where state = 'in_force'").fetchall():
            end_guarantee(cursor, old, "replaced", f"replaced by {guarantee}")
        proposed, values = _proposed(evidence)
        cursor.execute(
            _ACCEPT.format(proposed),
            {
                "parts": list(offer.thresholds),
                "thresholds": list(offer.thresholds.values()),
                "guarantee": guarantee,
                "model": evidence.model,
                "ns": evidence.record_nos.tolist(),
                **values,
            },
        )
        covered = count(cursor, "select count(*) from machine_labels where guarantee = ?", [guarantee])
        if not covered:
            raise Refused(_CHANGED)
        row = [guarantee, utc_now(), user, evidence.model, settings.encoder, settings.taxonomy.version]
        proof = json.dumps(to_json(replace(certificate, steps=())))
        about = [offer.precision, offer.per_label, offer.confidence, json.dumps(offer.thresholds), proof]
        cursor.execute(
            f"insert into guarantees values ({', '.join('?' * 13)}, 'in_force', null, null)",
            [*row, *about, covered, offer.pool],
        )
        cursor.execute(
            "delete from queue where n in (select n from machine_labels) and is_free_spare(n, spare, purpose)"
        )
        checks = _queue_checks(cursor, guarantee, min(check_size(offer.terms), covered), settings.seed)
        note(cursor, user, "accept", {"guarantee": guarantee, "labels": covered, "checks": checks})
    return replace(offer, guarantee=guarantee, accepted=covered, checks=checks)


_CHANGED = "The model or the pool has changed meanwhile. Look again: `rondo auto`."
_ACCEPT = f"""
    insert into machine_labels
    select n, s.labels, s.probability, t.threshold, $guarantee, s.model, s.answer
    from ({UNASKED}) join ({{}}) s using (n)
    join (select unnest($parts::varchar[]) as part, unnest($thresholds::double[]) as threshold) t on t.part = {PART}
    where s.probability >= t.threshold and s.model = $model and n in (select unnest($ns::bigint[]))
"""
_GENERATED = f"""
    select unnest($ns::bigint[]) as n, []::varchar[] as labels, unnest($chances::double[]) as probability,
           unnest($answers::json[]) as answer, $model as model, '{EVERYTHING}' as label
"""


def _proposed(evidence: AuditEvidence) -> tuple[str, dict[str, object]]:
    """SQL of what may be accepted, like `suggestions`, and its own parameters."""
    if not evidence.answers:
        return "select * from suggestions", {}
    chances = evidence.evidence.pool_chance.tolist()
    return _GENERATED, {"chances": chances, "answers": list(evidence.answers)}


def _model_to_trust(project: Project, cursor: duckdb.DuckDBPyConnection) -> str:
    settings = project.settings()
    return trusted_models(settings, cursor) if by_language_models(settings) else trusted_model(project, cursor)


# Not spare: spare records are asked last, and a broken guarantee would be noticed late.
_CHECKS = """
    insert into queue
    select n, (select coalesce(max(batch), 0) from queue), position, false, false, null, null, null, 'check', null
    from (select unnest($ns::bigint[]) as n, unnest($positions::double[]) as position)
"""


def _queue_checks(cursor: duckdb.DuckDBPyConnection, guarantee: str, size: int, seed: int) -> int:
    """Drawn uniformly from the accepted records, at random positions among the unanswered ones.

    Skipped, flagged and tied records come long before what is asked next.
    """
    drawn = cursor.execute(
        "select n from machine_labels where guarantee = ? order by hash(n, ?::bigint, guarantee), n limit ?",
        [guarantee, seed, size],
    ).fetchall()
    row = cursor.execute(
        """select coalesce(min(position), 0), coalesce(max(position), 0) + 1 from queue
           where not spare and not is_labelled(n) and n not in (select n from responses)"""
    ).fetchone()
    first, last = row or (0.0, 1.0)
    positions = np.random.default_rng([seed, int(guarantee, 16)]).uniform(first, last, len(drawn))
    cursor.execute(_CHECKS, {"ns": [n for (n,) in drawn], "positions": positions.tolist()})
    return len(drawn)
