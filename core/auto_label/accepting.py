"""Labels that the machine gives on a promise: looking, accepting, checking, withdrawing. Knows no page."""

import json
import secrets
from dataclasses import asdict, replace
from typing import Any

import duckdb
import numpy as np

from core.auto_label.evidence import EVERYTHING, UNASKED, Found, read_evidence, trusted_model
from core.auto_label.guarantee_sentences import what_broke, what_is_missing
from core.auto_label.guarantees import LEFT, Checked, check_size, count_checks, end_promise, evidence_of, limit_of
from core.data.records import FREE_SPARE
from core.errors import Refused
from core.evaluation.guarantee import Refusal, Wanted, certify, check_wanted
from core.jobs.bundle import Report
from core.labelling.reviews import send
from core.project import Project
from core.store.database import count, note, utc_now

REQUEUED = 50
"""records that lost their machine label and are put in front of the queue, the least sure first"""


def auto(
    project: Project, report: Report, *, accept: bool = False, who: str = "local", **wanted: Any
) -> dict[str, Any]:
    """What could be labelled by machine with this promise; with `accept` it is, and a blind check is queued.

    wanted: fields of `Wanted`. Raises Refused, with the number of audit labels still missing, where nothing can be
    promised.
    """
    asked = Wanted(**wanted)
    report("Looking for what can be promised", 0, 1)
    found, told = _look(project, asked)
    if not told["given"]:
        raise Refused(told["why"])
    report("Looking for what can be promised", 1, 1)
    if accept:
        report("Accepting", 0, 1)
        told |= _accept(project, asked, found, told, who)
        report("Accepting", 1, 1)
    return told


def preview(project: Project, wanted: Wanted) -> dict[str, Any]:
    """`given`, and what would be covered; or `why` nothing can be promised. Changes nothing.

    covered, share and pool; audits and wrong behind it; bound; labels (per label threshold, covered, audits, wrong,
    bound); missing (audit labels); outside (records of imports that were hardly audited); steps (for a picture).
    Raises Refused where there is no model that fits the project, BadInput for shares that cannot be promised.
    """
    return _look(project, wanted)[1]


def withdraw(project: Project, report: Report, *, who: str = "local") -> dict[str, Any]:
    """A person takes the standing promise back: its machine labels go, its records are in the pool again."""
    with project.desk.changing() as cursor:
        row = cursor.execute("select id from promises where state = 'standing'").fetchone()
        if row is None:
            raise Refused(
                "No promise stands, so there is nothing to withdraw. `rondo auto` shows what could be promised."
            )
        removed = end_promise(cursor, row[0], "withdrawn", "withdrawn by a person")  # a data card names nobody
        note(cursor, who, "withdraw", {"promise": row[0], "labels": removed})
    return {"promise": row[0], "withdrawn": removed}


def check(project: Project, report: Report) -> dict[str, Any]:
    """Looks at the blind answers to machine labels; a promise that they break ends, and people hear of it.

    Where single labels are to blame only these go, and the rest stands on as a promise of its own. The records are in
    the pool again, the least sure of them in front of the queue. Quick where nothing stands or nothing broke.
    """
    told: dict[str, Any] = {"broken": None, "removed": 0, "requeued": 0}
    with project.store.reading() as cursor:
        if not _verdict(project, cursor)[2]:
            return told
    with project.desk.changing() as cursor:
        promise, counts, gone, wanted = _verdict(project, cursor)
        if promise is None or not gone:  # taken back meanwhile
            return told
        why = what_broke(wanted, counts, gone, project.settings().taxonomy.names)
        ns = _break(cursor, promise, why, [one.label for one in counts if one not in gone])
        note(cursor, LEFT, "break", {"promise": promise, "labels": [one.label for one in gone], "records": len(ns)})
        requeued = send(cursor, ns[:REQUEUED], LEFT, project.settings())["queued"]
    return told | {"broken": promise, "why": why, "removed": len(ns), "requeued": requeued}


def _verdict(
    project: Project, cursor: duckdb.DuckDBPyConnection
) -> tuple[str | None, list[Checked], list[Checked], Wanted]:
    """The promise that stands, all its labels, those it is broken for, and what it promises."""
    row = cursor.execute(
        "select id, precision, per_label, confidence from promises where state = 'standing'"
    ).fetchone()
    if row is None:
        return None, [], [], Wanted()
    wanted = Wanted(*row[1:])
    counts = count_checks(cursor, row[0], multi=project.settings().multi)
    return row[0], counts, _broken_labels(counts, wanted), wanted


def _broken_labels(counts: list[Checked], wanted: Wanted) -> list[Checked]:
    """Labels whose own promise is broken. Where the common one is: those to blame, or all if the rest is no better."""
    alone = limit_of(wanted, len(counts))
    gone = [one for one in counts if wanted.per_label and evidence_of([one], wanted.per_label) >= alone]
    if evidence_of(counts, wanted.precision) < limit_of(wanted, 0):
        return gone
    blamed = [one for one in counts if one in gone or evidence_of([one], wanted.precision) >= alone]
    rest = [one for one in counts if one not in blamed]
    seen = sum(one.right + one.wrong for one in rest)
    fine = seen and sum(one.right for one in rest) >= wanted.precision * seen
    return blamed if blamed and fine else counts


def _break(cursor: duckdb.DuckDBPyConnection, promise: str, why: str, kept: list[str]) -> list[int]:
    """Ends the promise; labels that are kept go on under one of their own. Returns the records that lost theirs."""
    if kept:
        rest = secrets.token_hex(8)
        cursor.execute(_REST, {"rest": rest, "who": LEFT, "now": utc_now(), "old": promise, "kept": kept})
        cursor.execute(
            "update machine_labels set promise = ? where promise = ? and list_contains(?::varchar[], labels[1])",
            [rest, promise, kept],
        )
        cursor.execute(
            "update promises set covered = (select count(*) from machine_labels where promise = id) where id = ?",
            [rest],
        )
        cursor.execute(_CUT, [json.dumps(_kept_thresholds(cursor, promise, kept)), rest])
    lost = cursor.execute(
        """select n from machine_labels where promise = ? and n not in (select n from settled)
           order by probability, n""",
        [promise],
    ).fetchall()
    end_promise(cursor, promise, "broken", why)
    return [n for (n,) in lost]


_REST = """
    insert into promises
    select $rest, $now, $who, model, encoder, taxonomy, precision, per_label, confidence, thresholds, certificate,
           covered, pool, 'standing', null,
           'what is left of ' || $old || ': ' || array_to_string($kept::varchar[], ', ')
    from promises where id = $old
"""
_CUT = "update promises set thresholds = ? where id = ?"


def _kept_thresholds(cursor: duckdb.DuckDBPyConnection, promise: str, kept: list[str]) -> dict[str, float]:
    row = cursor.execute("select thresholds from promises where id = ?", [promise]).fetchone()
    return {label: value for label, value in json.loads(row[0] if row else "{}").items() if label in kept}


def _look(project: Project, wanted: Wanted) -> tuple[Found, dict[str, Any]]:
    check_wanted(wanted)
    with project.store.reading() as cursor:
        found = read_evidence(project, cursor, wanted)
        waiting = count(cursor, "select count(*) from queue where audit and n not in (select n from settled)")
    verdict = certify(found.evidence, wanted)
    told: dict[str, Any] = {
        **asdict(wanted),
        "wanted": asdict(wanted),
        "model": found.model,
        "outside": found.outside,
        "late": found.late,
    }
    if isinstance(verdict, Refusal):
        why = what_is_missing(verdict, wanted, {"waiting": waiting, "late": found.late})
        return found, told | asdict(verdict) | {"given": False, "why": why}
    names = project.settings().taxonomy.names
    told |= asdict(verdict) | {
        "given": True,
        "share": verdict.covered / verdict.pool,
        "certificate": asdict(replace(verdict, steps=())),
    }
    told["labels"] = [
        {"id": part.label, "name": names.get(part.label, "all labels")} | asdict(part) for part in verdict.parts
    ]
    return found, told


def _accept(project: Project, wanted: Wanted, found: Found, told: dict[str, Any], who: str) -> dict[str, Any]:
    """In one transaction, in which what was found must still hold. Records that somebody took meanwhile are left out.

    Only records of the pool that was looked at: what came since may lie beyond what the audit speaks of.
    """
    promise = secrets.token_hex(8)
    with project.desk.changing() as cursor:
        settings = project.settings()
        if trusted_model(project, cursor) != found.model:
            raise Refused(_CHANGED)
        for (old,) in cursor.execute("select id from promises where state = 'standing'").fetchall():
            end_promise(cursor, old, "replaced", f"replaced by {promise}")
        cursor.execute(
            _ACCEPT,
            {
                "keys": list(told["thresholds"]),
                "thresholds": list(told["thresholds"].values()),
                "promise": promise,
                "model": found.model,
                "ns": found.ns.tolist(),
                "multi": settings.multi,
            },
        )
        covered = count(cursor, "select count(*) from machine_labels where promise = ?", [promise])
        if not covered:
            raise Refused(_CHANGED)
        row = [promise, utc_now(), who, found.model, settings.encoder, settings.taxonomy.version]
        about = [*asdict(wanted).values(), json.dumps(told["thresholds"]), json.dumps(told["certificate"])]
        cursor.execute(
            f"insert into promises values ({', '.join('?' * 13)}, 'standing', null, null)",
            [*row, *about, covered, told["pool"]],
        )
        cursor.execute(f"delete from queue q where q.n in (select n from machine_labels) and {FREE_SPARE}")
        checks = _queue_checks(cursor, promise, min(check_size(wanted), covered), settings.seed)
        note(cursor, who, "accept", {"promise": promise, "labels": covered, "checks": checks})
    return {"promise": promise, "accepted": covered, "checks": checks}


_CHANGED = "The model or the pool has changed meanwhile. Look again: `rondo auto`."
_ACCEPT = f"""
    insert into machine_labels
    select n, s.labels, s.probability, t.threshold, $promise, s.model
    from ({UNASKED}) join suggestions s using (n)
    join (select unnest($keys::varchar[]) as key, unnest($thresholds::double[]) as threshold) t
        on t.key = if($multi, '{EVERYTHING}', s.label)
    where s.probability >= t.threshold and s.model = $model and n in (select unnest($ns::bigint[]))
"""
# Not spare: spare records are asked last, and a broken promise would be noticed late.
_CHECKS = """
    insert into queue
    select n, (select coalesce(max(batch), 0) from queue), place, false, false, null, null, null, 'check', null
    from (select unnest($ns::bigint[]) as n, unnest($places::double[]) as place)
"""


def _queue_checks(cursor: duckdb.DuckDBPyConnection, promise: str, size: int, seed: int) -> int:
    """Uniformly drawn from the accepted records, at random places among what nobody has answered.

    Records that were skipped or flagged, and ties, stand far in front of what is asked next.
    """
    drawn = cursor.execute(
        "select n from machine_labels where promise = ? order by hash(n, ?::bigint, promise), n limit ?",
        [promise, seed, size],
    ).fetchall()
    row = cursor.execute(
        """select coalesce(min(position), 0), coalesce(max(position), 0) + 1 from queue
           where not spare and n not in (select n from settled) and n not in (select n from responses)"""
    ).fetchone()
    first, last = row or (0.0, 1.0)
    places = np.random.default_rng([seed, int(promise, 16)]).uniform(first, last, len(drawn))
    cursor.execute(_CHECKS, {"ns": [n for (n,) in drawn], "places": places.tolist()})
    return len(drawn)
