"""What champions said before the truth was known, against it: over time, and the worst misses. Changes nothing."""

from collections.abc import Sequence
from typing import Any

import duckdb

from core.config.settings import Settings
from core.errors import BadInput
from core.evaluation.reporting import FEWEST, too_few
from core.evaluation.scores import share
from core.jobs.bundle import Report
from core.labelling.waiting import BLIND, MAY_BE_BLIND, asked_parameters
from core.project import Project
from core.rounds.champion_log import BEFORE_ANSWERS

Row = dict[str, Any]
SHOWN = 300
"""characters of a text in the list of misses"""
MOST_WORST = 200

# The log, and what the champion of now has said since it came into use.
_TOLD = f"""
    create or replace temp table told as
    select p.n, p.model, p.labels as predicted, p.probability, p.predicted_at, z.labels as truth, z.stratum, z.round,
           z.settled_at, list_sort(p.labels) = list_sort(z.labels) as is_right
    from (select * from predictions union all select * from ({BEFORE_ANSWERS})) p join settled z using (n)
    where list_has_all(list_concat(z.labels, $active::varchar[]), p.labels)
"""
_GROUPS = {
    "round": "round",
    "week": "strftime(date_trunc('week', settled_at), '%Y-%m-%d')",
}
_BY = """
    select {group}, stratum = 'audit' as audited, count(*), count(*) filter (is_right), mode(model),
           strftime(max(settled_at), '%Y-%m-%dT%H:%M:%SZ')
    from told where stratum <> 'gold' group by all order by max(settled_at)
"""
# Not what waits for another blind answer: nobody shall see what a model says of it.
_WORST = f"""
    select t.n, r.id, r.text[1:{SHOWN}], t.predicted, t.truth, t.probability, t.stratum, t.model,
           strftime(t.predicted_at, '%Y-%m-%dT%H:%M:%SZ')
    from told t join records r using (n)
    where not t.is_right and t.n not in ({BLIND.format(ns=MAY_BE_BLIND)}) order by t.probability desc, t.n limit $worst
"""


def predictions(project: Project, report: Report, *, by: str = "round", worst: int = 20) -> Row:
    """Accuracy of what was said, by round or week, and the surest suggestions that were wrong.

    over_time: audit records alone, with 95 % intervals (Wilson): each batch's are a random draw from the pool of then.
    chosen: the share of suggestions that proved right where people were asked on purpose; it estimates no accuracy.
    """
    if by not in _GROUPS:
        raise BadInput(f"Accuracy over time is told by {' or '.join(_GROUPS)}, not by {by!r}.")
    if not 0 <= worst <= MOST_WORST:
        raise BadInput(f"Asked for {worst} misses; it must lie between 0 and {MOST_WORST}.")
    settings = project.settings()
    with project.store.reading() as cursor:
        cursor.execute(_TOLD, {"active": [label.id for label in settings.taxonomy.active]})
        try:
            groups = cursor.execute(_BY.format(group=_GROUPS[by])).fetchall()
            misses = _misses(cursor, settings, worst)
        finally:
            cursor.execute("drop table if exists told")
    over_time = [_point(by, row) for row in groups if row[1]]
    chosen = [_share(by, row) for row in groups if not row[1]]
    return {"over_time": over_time, "chosen": chosen, "worst": misses, "sentence": _sentence(over_time, chosen)}


def _point(by: str, row: tuple[Any, ...]) -> Row:
    group, _, n, right, model, at = row
    matches = share(right, n)
    accuracy = {"value": matches.value, "low": matches.low, "high": matches.high}
    return {"at": at, by: group, "model": model, "n": n, "accuracy": accuracy}


def _share(by: str, row: tuple[Any, ...]) -> Row:
    group, _, n, right, model, at = row
    return {"at": at, by: group, "model": model, "n": n, "right": right / n}


def _misses(cursor: duckdb.DuckDBPyConnection, settings: Settings, worst: int) -> list[Row]:
    keys = ("n", "id", "text", "said", "truth", "probability", "stratum", "model", "said_at")
    matches = cursor.execute(_WORST, {**asked_parameters(settings), "worst": worst}).fetchall()
    names = settings.taxonomy.names
    rows = [dict(zip(keys, row, strict=True)) for row in matches]
    for row in rows:
        for key in ("said", "truth"):
            row[key] = ", ".join(names.get(label, label) for label in row[key]) or "none"
    return rows


def joined(over_time: Sequence[Row], by: str) -> list[Row]:
    """Neighbouring rounds or weeks put together until each has records enough to be shown, since a round's audit alone
    is often four records; what is left at the end joins those before it."""
    groups: list[list[Row]] = []
    for row in over_time:
        if groups and sum(one["n"] for one in groups[-1]) < FEWEST:
            groups[-1].append(row)
        else:
            groups.append([row])
    if len(groups) > 1 and sum(row["n"] for row in groups[-1]) < FEWEST:
        groups[-2] += groups.pop()
    return [_together(group, by) for group in groups]


def _together(rows: list[Row], by: str) -> Row:
    if len(rows) == 1:
        return rows[0]
    n = sum(row["n"] for row in rows)
    matches = share(sum(row["n"] * row["accuracy"]["value"] for row in rows), n)
    accuracy = {"value": matches.value, "low": matches.low, "high": matches.high}
    return {**rows[-1], by: f"{rows[0][by]} to {rows[-1][by]}", "n": n, "accuracy": accuracy}


def _sentence(over_time: list[Row], chosen: list[Row]) -> str:
    n, others = sum(row["n"] for row in over_time), sum(row["n"] for row in chosen)
    if not n and not others:
        return "No suggestion has met the truth yet: label some records after a model has been fitted."
    if not n:
        return f"{others:,} chosen records were answered after a model had judged them; no audit record yet."
    right = sum(row["n"] * row["accuracy"]["value"] for row in over_time)
    rest = f" {others:,} chosen records are told apart: they were asked because they are hard." if others else ""
    if n < FEWEST:
        return f"How many were judged right before anybody answered them: {too_few(n, 'audit')}.{rest}"
    return f"Of {n:,} audit records, judged before anybody answered them, {right / n:.0%} were judged right.{rest}"
