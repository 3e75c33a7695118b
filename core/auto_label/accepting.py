"""Labels that the machine gives on a guarantee: looking, accepting, checking, withdrawing. Knows no page."""

import json
import secrets
from dataclasses import asdict, replace
from typing import Any

import duckdb
import numpy as np

from core.auto_label.evidence import EVERYTHING, UNASKED, Found, read_evidence, trusted_model
from core.auto_label.guarantee_sentences import what_broke, what_is_missing
from core.auto_label.guarantees import LEFT, Checked, check_size, count_checks, end_guarantee, evidence_of, limit_of
from core.errors import Refused
from core.evaluation.guarantee import Refusal, Wanted, certify, check_wanted
from core.jobs.bundle import Report
from core.labelling.reviews import send
from core.project import Project
from core.store.database import count, note, utc_now

REQUEUED = 50
"""records that lost their machine label and are put in front of the queue, the least sure first"""


def auto(
    project: Project, report: Report, *, accept: bool = False, who: str = "local", **requested: Any
) -> dict[str, Any]:
    """What could be labelled by machine with this guarantee; with `accept` it is, and a blind check is queued.

    wanted: fields of `Wanted`. Raises Refused, with the number of audit labels still missing, where nothing can be
    guaranteed.
    """
    query = Wanted(**requested)
    report("Looking for what can be guaranteed", 0, 1)
    matches, result = _look(project, query)
    if not result["given"]:
        raise Refused(result["why"])
    report("Looking for what can be guaranteed", 1, 1)
    if accept:
        report("Accepting", 0, 1)
        result |= _accept(project, query, matches, result, who)
        report("Accepting", 1, 1)
    return result


def preview(project: Project, requested: Wanted) -> dict[str, Any]:
    """`given`, and what would be covered; or `why` nothing can be guaranteed. Changes nothing.

    covered, share and pool; audits and wrong behind it; bound; labels (per label threshold, covered, audits, wrong,
    bound); missing (audit labels); outside (records of imports that were hardly audited); steps (for a picture).
    Raises Refused where there is no model that fits the project, BadInput for shares that cannot be guaranteed.
    """
    return _look(project, requested)[1]


def withdraw(project: Project, report: Report, *, who: str = "local") -> dict[str, Any]:
    """A person takes the guarantee in force back: its machine labels go, its records are in the pool again."""
    with project.desk.changing() as cursor:
        row = cursor.execute("select id from guarantees where state = 'in_force'").fetchone()
        if row is None:
            raise Refused(
                "No guarantee is in force, so there is nothing to withdraw. "
                "`rondo auto` shows what could be guaranteed."
            )
        removed = end_guarantee(cursor, row[0], "withdrawn", "withdrawn by a person")  # a data card names nobody
        note(cursor, who, "withdraw", {"guarantee": row[0], "labels": removed})
    return {"guarantee": row[0], "withdrawn": removed}


def check(project: Project, report: Report) -> dict[str, Any]:
    """Looks at the blind answers to machine labels; a guarantee that they break ends, and people hear of it.

    Where single labels are to blame only these go, and the rest stands on as a guarantee of its own. The records are in
    the pool again, the least sure of them in front of the queue. Quick where nothing stands or nothing broke.
    """
    result: dict[str, Any] = {"broken": None, "removed": 0, "requeued": 0}
    with project.store.reading() as cursor:
        if not _verdict(project, cursor)[2]:
            return result
    with project.desk.changing() as cursor:
        guarantee, counts, gone, requested = _verdict(project, cursor)
        if guarantee is None or not gone:  # taken back meanwhile
            return result
        why = what_broke(requested, counts, gone, project.settings().taxonomy.names)
        ns = _break(cursor, guarantee, why, [one.label for one in counts if one not in gone])
        note(cursor, LEFT, "break", {"guarantee": guarantee, "labels": [one.label for one in gone], "records": len(ns)})
        requeued = send(cursor, ns[:REQUEUED], LEFT, project.settings())["queued"]
    return result | {"broken": guarantee, "why": why, "removed": len(ns), "requeued": requeued}


def _verdict(
    project: Project, cursor: duckdb.DuckDBPyConnection
) -> tuple[str | None, list[Checked], list[Checked], Wanted]:
    """The guarantee in force, all its labels, those it is broken for, and what it guarantees."""
    row = cursor.execute(
        "select id, precision, per_label, confidence from guarantees where state = 'in_force'"
    ).fetchone()
    if row is None:
        return None, [], [], Wanted()
    requested = Wanted(*row[1:])
    counts = count_checks(cursor, row[0], multi=project.settings().multi)
    return row[0], counts, _broken_labels(counts, requested), requested


def _broken_labels(counts: list[Checked], requested: Wanted) -> list[Checked]:
    """Labels whose own guarantee is broken. Where the common one is: those to blame, or all if others are no better."""
    alone = limit_of(requested, len(counts))
    gone = [one for one in counts if requested.per_label and evidence_of([one], requested.per_label) >= alone]
    if evidence_of(counts, requested.precision) < limit_of(requested, 0):
        return gone
    blamed = [one for one in counts if one in gone or evidence_of([one], requested.precision) >= alone]
    rest = [one for one in counts if one not in blamed]
    seen = sum(one.right + one.wrong for one in rest)
    fine = seen and sum(one.right for one in rest) >= requested.precision * seen
    return blamed if blamed and fine else counts


def _break(cursor: duckdb.DuckDBPyConnection, guarantee: str, why: str, retained: list[str]) -> list[int]:
    """Ends the guarantee; labels that are kept go on under one of their own. Returns the records that lost theirs."""
    if retained:
        rest = secrets.token_hex(8)
        cursor.execute(_REST, {"rest": rest, "who": LEFT, "now": utc_now(), "old": guarantee, "kept": retained})
        cursor.execute(
            "update machine_labels set guarantee = ? where guarantee = ? and list_contains(?::varchar[], labels[1])",
            [rest, guarantee, retained],
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


def _look(project: Project, requested: Wanted) -> tuple[Found, dict[str, Any]]:
    check_wanted(requested)
    with project.store.reading() as cursor:
        matches = read_evidence(project, cursor, requested)
        waiting = count(cursor, "select count(*) from queue where audit and not is_labelled(n)")
    verdict = certify(matches.evidence, requested)
    result: dict[str, Any] = {
        **asdict(requested),
        "wanted": asdict(requested),
        "model": matches.model,
        "outside": matches.outside,
        "late": matches.late,
    }
    if isinstance(verdict, Refusal):
        why = what_is_missing(verdict, requested, {"waiting": waiting, "late": matches.late})
        return matches, result | asdict(verdict) | {"given": False, "why": why}
    names = project.settings().taxonomy.names
    result |= asdict(verdict) | {
        "given": True,
        "share": verdict.covered / verdict.pool,
        "certificate": asdict(replace(verdict, steps=())),
    }
    result["labels"] = [
        {"id": part.label, "name": names.get(part.label, "all labels")} | asdict(part) for part in verdict.parts
    ]
    return matches, result


def _accept(project: Project, requested: Wanted, matches: Found, result: dict[str, Any], who: str) -> dict[str, Any]:
    """In one transaction, in which what was found must still hold. Records that somebody took meanwhile are left out.

    Only records of the pool that was looked at: what came since may lie beyond what the audit speaks of.
    """
    guarantee = secrets.token_hex(8)
    with project.desk.changing() as cursor:
        settings = project.settings()
        if trusted_model(project, cursor) != matches.model:
            raise Refused(_CHANGED)
        for (old,) in cursor.execute("select id from guarantees where state = 'in_force'").fetchall():
            end_guarantee(cursor, old, "replaced", f"replaced by {guarantee}")
        cursor.execute(
            _ACCEPT,
            {
                "keys": list(result["thresholds"]),
                "thresholds": list(result["thresholds"].values()),
                "guarantee": guarantee,
                "model": matches.model,
                "ns": matches.ns.tolist(),
                "multi": settings.multi,
            },
        )
        covered = count(cursor, "select count(*) from machine_labels where guarantee = ?", [guarantee])
        if not covered:
            raise Refused(_CHANGED)
        row = [guarantee, utc_now(), who, matches.model, settings.encoder, settings.taxonomy.version]
        about = [*asdict(requested).values(), json.dumps(result["thresholds"]), json.dumps(result["certificate"])]
        cursor.execute(
            f"insert into guarantees values ({', '.join('?' * 13)}, 'in_force', null, null)",
            [*row, *about, covered, result["pool"]],
        )
        cursor.execute(
            "delete from queue where n in (select n from machine_labels) and is_free_spare(n, spare, purpose)"
        )
        checks = _queue_checks(cursor, guarantee, min(check_size(requested), covered), settings.seed)
        note(cursor, who, "accept", {"guarantee": guarantee, "labels": covered, "checks": checks})
    return {"guarantee": guarantee, "accepted": covered, "checks": checks}


_CHANGED = "The model or the pool has changed meanwhile. Look again: `rondo auto`."
_ACCEPT = f"""
    insert into machine_labels
    select n, s.labels, s.probability, t.threshold, $guarantee, s.model, answer_of(s.labels)
    from ({UNASKED}) join suggestions s using (n)
    join (select unnest($keys::varchar[]) as key, unnest($thresholds::double[]) as threshold) t
        on t.key = if($multi, '{EVERYTHING}', s.label)
    where s.probability >= t.threshold and s.model = $model and n in (select unnest($ns::bigint[]))
"""
# Not spare: spare records are asked last, and a broken guarantee would be noticed late.
_CHECKS = """
    insert into queue
    select n, (select coalesce(max(batch), 0) from queue), place, false, false, null, null, null, 'check', null
    from (select unnest($ns::bigint[]) as n, unnest($places::double[]) as place)
"""


def _queue_checks(cursor: duckdb.DuckDBPyConnection, guarantee: str, size: int, seed: int) -> int:
    """Uniformly drawn from the accepted records, at random places among what nobody has answered.

    Records that were skipped or flagged, and ties, stand far in front of what is asked next.
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
    places = np.random.default_rng([seed, int(guarantee, 16)]).uniform(first, last, len(drawn))
    cursor.execute(_CHECKS, {"ns": [n for (n,) in drawn], "places": places.tolist()})
    return len(drawn)
