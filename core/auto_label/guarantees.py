"""Guarantees about machine labels in the store: which one is in force, what its checks say, its end. Knows no model."""

import json
from dataclasses import dataclass
from datetime import datetime
from math import ceil, log
from typing import Any

import duckdb

from core.auto_label.evidence import EVERYTHING
from core.evaluation.exact_tests import evidence_against
from core.evaluation.guarantee import Wanted
from core.project import Project
from core.store.database import count, utc_now
from core.store.pool import IDLE_CHECKS

LEFT = "rondo"
"""who a guarantee is by that is left of a broken one"""
FEWEST_CHECKS, MOST_CHECKS = 30, 300
MOST_EVIDENCE = 1e9


@dataclass(frozen=True)
class Checked:
    """Of one label (or of all together, where several may hold): machine labels there were, those that no person has
    answered, and blind answers that agree and do not."""

    label: str
    accepted: int
    left: int
    right: int
    wrong: int


_CHECKED = f"""
    select if($multi, '{EVERYTHING}', m.labels[1]) as label, count(*), count(*) filter (s.n is null),
           count(*) filter (s.stratum in ('check', 'audit') and list_sort(s.labels) = list_sort(m.labels)),
           count(*) filter (s.stratum in ('check', 'audit') and list_sort(s.labels) <> list_sort(m.labels))
    from machine_labels m left join settled s using (n) where m.guarantee = $guarantee group by 1 order by 1
"""


def count_checks(cursor: duckdb.DuckDBPyConnection, guarantee: str, *, multi: bool) -> list[Checked]:
    """One entry per accepted label. What counts are blind answers to a random draw: the check's and the audit's."""
    rows = cursor.execute(_CHECKED, {"guarantee": guarantee, "multi": multi}).fetchall()
    return [Checked(*row) for row in rows]


def evidence_of(counts: list[Checked], guaranteed: float) -> float:
    """The e-value against a guarantee about these labels; at most MOST_EVIDENCE, for JSON knows no infinity."""
    right, wrong = sum(one.right for one in counts), sum(one.wrong for one in counts)
    matches = evidence_against(right, wrong, sum(one.accepted for one in counts), guaranteed)
    return min(matches, MOST_EVIDENCE)


def limit_of(requested: Wanted, labels: int) -> float:
    """The evidence at which the guarantee about all (labels = 0) or about one of so many labels counts as broken.

    Where both are guaranteed they share the risk of a false alarm.
    """
    parts = 1 if requested.per_label is None else 2
    return parts * max(labels, 1) / requested.risk


def check_size(requested: Wanted) -> int:
    """Blind answers after which a share of wrong labels three times the allowed one is mostly noticed.

    Wald 1945: the evidence needed over what one answer brings of it on average, and twice as many.
    """
    allowed = 1 - requested.precision
    wrong = min(3 * allowed, 0.9)
    brings = wrong * log(wrong / allowed) + (1 - wrong) * log((1 - wrong) / (1 - allowed))
    return min(max(ceil(2 * log(limit_of(requested, labels=0)) / brings), FEWEST_CHECKS), MOST_CHECKS)


def end_guarantee(cursor: duckdb.DuckDBPyConnection, guarantee: str, state: str, why: str) -> int:
    """Removes its labels and what waits to check them; answers that were given stay.

    Returns how many records are without a label now: a person may have answered some.
    """
    bare = "select count(*) from machine_labels where guarantee = ? and not is_labelled(n)"
    removed = count(cursor, bare, [guarantee])
    cursor.execute("delete from machine_labels where guarantee = ?", [guarantee])
    cursor.execute(IDLE_CHECKS)
    cursor.execute(
        "update guarantees set state = ?, ended_at = ?, why = ? where id = ?", [state, utc_now(), why, guarantee]
    )
    return removed


def answers_to_check(project: Project, seen: int) -> tuple[int, bool]:
    """How many responses there are, and whether any after the first `seen` is to a record with a machine label.

    Takes about a millisecond, however many machine labels there are; who sees True calls `accepting.check`.
    """
    [(answers, due)] = project.store.query(_TO_CHECK, [seen])
    return answers, due


# Responses are only ever added, so a row's number is its place.
_TO_CHECK = """
    select (select count(*) from responses),
           exists (select 1 from machine_labels where n in (select n from responses where rowid >= ?))
"""


def guarantee_in_force(project: Project) -> dict[str, Any] | None:
    """The guarantee in force and its check, or None.

    id, made_at, user, model, precision, per_label, confidence, covered (machine labels that no person has answered),
    labels (id, name, covered, right, wrong, evidence), right, wrong, waiting (checks to answer), evidence (e-value),
    limit (the evidence at which the guarantee counts as broken), certificate.
    """
    with project.store.reading() as cursor:
        matches = _guarantees(cursor, "where state = 'in_force'")
        return _facts(project, cursor, matches[0]) if matches else None


def history(project: Project) -> list[dict[str, Any]]:
    """All guarantees there were, newest first."""
    with project.store.reading() as cursor:
        return [
            {key: value for key, value in guarantee.items() if key not in ("certificate", "thresholds")}
            for guarantee in _guarantees(cursor, "order by made_at desc")
        ]


def announcements(project: Project) -> list[str]:
    """What people must know: guarantees that broke since a person last accepted or withdrew one."""
    rows = project.store.query(
        """select why from guarantees where state = 'broken' and ended_at > coalesce(
               (select max(if(state = 'withdrawn', ended_at, made_at)) from guarantees where user <> ?),
               timestamp '1970-01-01') order by ended_at desc""",
        [LEFT],
    )
    return [why for (why,) in rows]


_FIELDS = ("id", "made_at", "user", "model", "precision", "per_label", "confidence", "covered", "pool", "state",
           "ended_at", "why", "thresholds", "certificate")  # fmt: skip


def _guarantees(cursor: duckdb.DuckDBPyConnection, which: str) -> list[dict[str, Any]]:
    rows = cursor.execute(f"select {', '.join(_FIELDS)} from guarantees {which}").fetchall()
    return [{name: _plain(name, value) for name, value in zip(_FIELDS, row, strict=True)} for row in rows]


def _plain(name: str, value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds") + "Z"
    return json.loads(value) if name in ("thresholds", "certificate") and isinstance(value, str) else value


def _facts(project: Project, cursor: duckdb.DuckDBPyConnection, guarantee: dict[str, Any]) -> dict[str, Any]:
    requested = Wanted(guarantee["precision"], guarantee["per_label"], guarantee["confidence"])
    counts = count_checks(cursor, guarantee["id"], multi=project.settings().multi)
    names = project.settings().taxonomy.names
    return guarantee | {
        "covered": sum(one.left for one in counts),
        "right": sum(one.right for one in counts),
        "wrong": sum(one.wrong for one in counts),
        "waiting": count(cursor, _WAITING, [guarantee["id"]]),
        "evidence": evidence_of(counts, requested.precision),
        "limit": limit_of(requested, labels=0),
        "labels": [
            {
                "id": one.label,
                "name": names.get(one.label, "all labels"),
                "covered": one.left,
                "right": one.right,
                "wrong": one.wrong,
                "evidence": evidence_of([one], requested.per_label or requested.precision),
            }
            for one in counts
        ],
    }


_WAITING = """
    select count(distinct n) from queue where purpose = 'check' and not is_labelled(n)
        and n in (select n from machine_labels where guarantee = ?)
"""
