"""How good the model is, and what more labels would buy, as the rounds have measured it. Changes nothing."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from core.config.settings import Settings
from core.evaluation.curve import FILE, Curve, read_curve
from core.evaluation.reporting import STRATA, audit_notes, shown_scores
from core.evaluation.stopping import Price, worth
from core.labelling.settling import ANSWERS, answer_parameters
from core.labelling.states import STATES
from core.labelling.waiting import asked_parameters
from core.models.in_use import active_model
from core.project import Project

RECENT = 3
"""rounds whose chosen records tell how often a suggestion is wrong where people are asked"""
FEWEST = 20
NOTHING_LEFT = "Every record was asked: there is nothing left to label."

_COLUMNS = "id, strftime(made_at, '%Y-%m-%dT%H:%M:%SZ'), round, labels, seconds, metrics"
_MODELS = f"select {_COLUMNS} from models where trainer is null order by made_at"
_NEWEST = f"select {_COLUMNS} from models where id = ?"


def newest_model(project: Project) -> dict[str, Any] | None:
    """The champion with what it was measured at, or None before the first fit."""
    rows = project.store.query(_NEWEST, [active_model(project)])
    return _entry(rows[0]) if rows else None


def learning_curve(project: Project) -> list[dict[str, Any]]:
    """One entry per round's fit, oldest first: labels it learnt from, its score on gold, and on the audit as of today.

    Every round judges the earlier models again on all audit records there are. Models that it could not judge (of
    another taxonomy, say) keep the score of their own day, under `audit_then`.
    """
    entries = [_entry(row) for row in project.store.query(_MODELS)]
    newest = newest_model(project) or {}
    today = {point["id"]: point["audit"] for point in newest.get("curve") or []}
    for entry in entries:
        then = entry.pop("audit", None)
        if entry["id"] in today:
            entry["audit"] = today[entry["id"]]
        elif then:
            entry["audit_then"] = then
        for key in ("curve", "forecast", "savings"):
            entry.pop(key, None)
    return entries


def _entry(row: tuple[Any, ...]) -> dict[str, Any]:
    known: dict[str, Any] = dict(zip(("id", "made_at", "round", "labels", "seconds"), row, strict=False))
    return {**known, **json.loads(row[-1])}


def caveats(project: Project) -> list[str]:
    """What the newest scores cannot say or leave out, and what differs between rounds or sources."""
    model = newest_model(project)
    if not model:
        return []
    audit, drift = model.get("audit") or {}, model.get("drift") or {}
    result = audit_notes(audit, exhausted=pool_exhausted(project)) + _left_out(project, audit)
    result += list(drift.get("claims") or [])
    result += [mix["sentence"] for mix in model.get("mixes") or [] if mix["sentence"]]
    return result + [
        f"Model {model_id} cannot be read and is left out of the learning curve."
        for model_id in model.get("unreadable") or []
    ]


_LEFT = f"select exists(from pool) or exists(select n from records where {STATES['queued']})"


def pool_exhausted(project: Project) -> bool:
    """Whether every record was asked: none waits in the queue and none can be chosen. Nobody is then asked for more."""
    with project.store.reading() as cursor:
        return is_exhausted(cursor, project.settings())


def is_exhausted(cursor: duckdb.DuckDBPyConnection, settings: Settings) -> bool:
    """The same within a read that the caller has begun."""
    return not cursor.execute(_LEFT, asked_parameters(settings)).fetchall()[0][0]


def without_advice(model: dict[str, Any]) -> dict[str, Any]:
    """A model whose project's pool is exhausted: what further labels would buy is not told, nor what it would take."""
    savings = model.get("savings") or {}
    return {**model, "forecast": {"missing": NOTHING_LEFT}, "savings": {} if "missing" in savings else savings}


_UNSETTLED = f"""
    select n, bool_or(action = 'flag') as flagged, bool_or(action = 'submit') as answered
    from ({ANSWERS.format(ns="select n from queue where audit")})
    where not is_labelled(n) group by n
"""
_LATER = """
    select count(*) from records r
    where r.duplicate_of is null and r.split is distinct from 'test' and not is_labelled(r.n)
      and r.n >= (select coalesce(max(records), 0) from batches where audit > 0 and records is not null)
"""


def _left_out(project: Project, audit: Mapping[str, Any]) -> list[str]:
    """Audit records without a label that counts, and records that came after the newest audit was drawn."""
    result = []
    with project.store.reading() as cursor:
        rows = cursor.execute(_UNSETTLED, answer_parameters(project.settings())).fetchall()
        later = cursor.execute(_LATER).fetchall()[0][0] if audit else 0
    if rows:
        flagged, tied = sum(row[1] for row in rows), sum(row[2] and not row[1] for row in rows)
        result.append(
            f"{len(rows):,} audit records are not in the figures: {tied:,} were answered without settling a label, "
            f"{flagged:,} flagged, {len(rows) - tied - flagged:,} skipped. They may be harder than the others."
        )
    if later > audit.get("uncovered", 0):
        result.append(f"{later:,} records were imported after the newest audit: nothing is claimed about them yet.")
    return result


def prospects(project: Project) -> dict[str, Any]:
    """What the newest round says of going on: `forecast`, `savings`, `agreement`, `unsure`, and `worth` at the prices
    in the settings; None for what was not measured."""
    model = newest_model(project) or {}
    if model and pool_exhausted(project):
        model = without_advice(model)
    entries = {key: model.get(key) for key in ("forecast", "savings", "agreement", "unsure")}
    return entries | {"worth": _worth(project, model.get("id"))}


def _worth(project: Project, model: str | None) -> dict[str, Any] | None:
    settings = project.settings()
    curve = _curve(project.models / str(model) / FILE)
    if not settings.label_cost or not settings.error_cost or curve is None:
        return None
    left = (
        0
        if pool_exhausted(project)
        else project.store.one(
            """select count(*) from records r
           where r.duplicate_of is null and r.split is distinct from 'test'
             and not is_labelled(r.n) and r.n not in (select n from machine_labels)"""
        )
    )
    price = Price(settings.label_cost, settings.error_cost, left, settings.cost_unit, _asked_wrong(project))
    return asdict(worth(curve, price, np.random.default_rng(0)))


def _curve(path: Path) -> Curve | None:
    """None where none was fitted, or what was written cannot be read: the next round fits another."""
    try:
        return read_curve(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _asked_wrong(project: Project) -> float | None:
    """Share of the chosen records of the last RECENT rounds that a head which had not seen them got wrong; None below
    FEWEST of them. It stands for how often a person changes the suggestion."""
    rows = project.store.query(
        """select count(*), count(*) filter (truth <> predicted)
           from held_out_predictions as held join settled using (n)
           where held.stratum = 'chosen' and settled.round > (select max(batch) from batches) - ?""",
        [RECENT],
    )
    count, wrong = rows[0]
    return wrong / count if count >= FEWEST else None


def curve_table(curve: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The learning curve as rows: per fit and stratum, value and interval; agreement with the model before."""
    return [
        {
            "round": point["round"],
            "labels": point["labels"],
            "judged on": stratum,
            "records": point[stratum]["n"],
            **_curve_cells(shown_scores(point[stratum])),
            "kappa with the model before": (point.get("agreement") or {}).get("kappa"),
            "share unsure": point.get("unsure"),
        }
        for point in curve
        for stratum in STRATA
        if stratum in point
    ]


def _curve_cells(scores: Mapping[str, Mapping[str, Any] | None]) -> dict[str, float | None]:
    """None where the records are too few to say."""
    return {
        f"{title}{suffix}": round(score[part], 4) if score else None
        for title, score in (("accuracy", scores["accuracy"]), ("macro F1", scores["macro_f1"]))
        for part, suffix in (("value", ""), ("low", " low"), ("high", " high"))
    }
