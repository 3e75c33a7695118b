"""The model's quality, and what more labels would bring, as the rounds have measured it. Changes nothing."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import numpy as np

from core.config.settings import Settings
from core.evaluation.curve import FILE, Curve, read_curve
from core.evaluation.metrics import Forecast, Metrics, Missing, ModelAgreement, Savings, Score, read_metrics
from core.evaluation.reporting import STRATA, audit_notes, figures
from core.evaluation.stopping import Price, Worth, worth
from core.labelling.record_states import count_of
from core.labelling.settling import ANSWERS, answer_parameters
from core.labelling.waiting import asked_parameters
from core.models.in_use import active_model
from core.project import Project
from core.reports.record_counts import record_counts
from core.store.database import count
from core.store.record_numbers import pool_size
from core.tasks.tasks import right_stored, space_of

RECENT = 3
"""rounds whose chosen records tell how often a suggestion is wrong where people are asked"""
FEWEST = 20
NOTHING_LEFT = "Every record was asked: there is nothing left to label."

_COLUMNS = "id, strftime(made_at, '%Y-%m-%dT%H:%M:%SZ'), round, labels, seconds, metrics"
_MODELS = f"select {_COLUMNS} from models where trainer is null order by made_at"
_NEWEST = f"select {_COLUMNS} from models where id = ?"


@dataclass(frozen=True)
class MeasuredModel:
    """A model with its measured figures. labels: how many it trained on."""

    id: str
    made_at: str
    round: int
    labels: int
    seconds: float
    metrics: Metrics


def newest_model(project: Project) -> MeasuredModel | None:
    """The champion with its measured figures, or None before the first fit."""
    models = _read(project, _NEWEST, [active_model(project)])
    return models[0] if models else None


def _read(project: Project, query: str, parameters: Sequence[object] = ()) -> list[MeasuredModel]:
    return [
        MeasuredModel(model, made_at, number, labels, seconds, read_metrics(metrics, model))
        for model, made_at, number, labels, seconds, metrics in project.store.query(query, parameters)
    ]


def learning_curve(project: Project) -> list[MeasuredModel]:
    """One entry per round's fit, oldest first: labels it learnt from, its score on gold, and on the audit as of today.

    Every round judges the earlier models again on all audit records there are. One that it could not judge (it is of
    another taxonomy, say) has no score on the audit.
    """
    newest = newest_model(project)
    today = {point.id: point.audit for point in newest.metrics.curve} if newest else {}
    return [
        replace(model, metrics=replace(model.metrics, audit=today.get(model.id))) for model in _read(project, _MODELS)
    ]


def caveats(project: Project) -> list[str]:
    """Limits of the newest scores, and differences between rounds or sources."""
    model = newest_model(project)
    if not model:
        return []
    metrics = model.metrics
    result = audit_notes(metrics.audit, exhausted=pool_exhausted(project)) + _left_out(project, metrics.audit)
    return [
        *result,
        *differences(metrics),
        *(f"Model {other} cannot be read and is left out of the learning curve." for other in metrics.unreadable),
    ]


def differences(metrics: Metrics) -> list[str]:
    """Significant differences between rounds and between sources."""
    claims = metrics.drift.claims if metrics.drift else ()
    return [*claims, *(mix.sentence for mix in metrics.mixes if mix.sentence)]


def pool_exhausted(project: Project) -> bool:
    """Whether every record was asked: none waits in the queue and none can be chosen. Nobody is then asked for more."""
    counts = record_counts(project)
    return not counts["queued"] and not counts["pool"]


_QUEUED = count_of("queued")


def is_exhausted(cursor: duckdb.DuckDBPyConnection, settings: Settings) -> bool:
    """The same in the caller's transaction."""
    return not pool_size(cursor) and not count(cursor, _QUEUED, asked_parameters(settings))


def without_advice(metrics: Metrics) -> Metrics:
    """Where the pool is exhausted: without the forecast of what further labels would bring."""
    savings = metrics.savings if isinstance(metrics.savings, Savings) else None
    return replace(metrics, forecast=Missing(NOTHING_LEFT), savings=savings)


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


def _left_out(project: Project, audit: Score | None) -> list[str]:
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
    if later > (audit.uncovered if audit else 0):
        result.append(f"{later:,} records were imported after the newest audit: nothing is claimed about them yet.")
    return result


@dataclass(frozen=True)
class Prospects:
    """What continuing would bring, by the newest round; None for what was not measured. worth: at the prices in the
    settings.
    """

    forecast: Forecast | Missing | None
    savings: Savings | Missing | None
    agreement: ModelAgreement | None
    unsure: float | None
    worth: Worth | None


def prospects(project: Project) -> Prospects:
    """Of the champion; nothing before the first fit."""
    model = newest_model(project)
    metrics = model.metrics if model else Metrics()
    if model and pool_exhausted(project):
        metrics = without_advice(metrics)
    worth = _worth(project, model.id) if model else None
    return Prospects(metrics.forecast, metrics.savings, metrics.agreement, metrics.unsure, worth)


def _worth(project: Project, model: str) -> Worth | None:
    settings = project.settings()
    curve = _curve(project.models / model / FILE)
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
    return worth(curve, price, np.random.default_rng(0))


def _curve(path: Path) -> Curve | None:
    """None where none was fitted, or the stored one cannot be read: the next round fits another."""
    try:
        return read_curve(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _asked_wrong(project: Project) -> float | None:
    """Share of the chosen records of the last RECENT rounds that a head which had not seen them got wrong; None below
    FEWEST of them. It stands for how often a person changes the suggestion."""
    rows = project.store.query(
        """select truth_answer::varchar, predicted_answer::varchar, count(*)
           from held_out_predictions as held join settled using (n)
           where held.stratum = 'chosen' and settled.round > (select max(batch) from batches) - ? group by 1, 2""",
        [RECENT],
    )
    right = right_stored(space_of(project.settings()), [truth for truth, *_ in rows], [one for _, one, _ in rows])
    records = np.array([records for *_, records in rows], np.int64)
    return float(records[~right].sum() / records.sum()) if records.sum() >= FEWEST else None


def curve_table(curve: Sequence[MeasuredModel]) -> list[dict[str, str | float | None]]:
    """The learning curve as rows: per fit and stratum, value and interval, None where the records are too few to say;
    agreement with the model before."""
    rows: list[dict[str, str | float | None]] = []
    for model in curve:
        for stratum in STRATA:
            if score := model.metrics.on(stratum):
                agreement = model.metrics.agreement
                rows.append(
                    {
                        "round": model.round,
                        "labels": model.labels,
                        "judged on": stratum,
                        "records": score.n,
                        **_curve_cells(score),
                        "kappa with the model before": agreement.kappa if agreement else None,
                        "share unsure": model.metrics.unsure,
                    }
                )
    return rows


def curve_measures(curve: Sequence[MeasuredModel]) -> list[str]:
    """The measures that the learning curve can be drawn of: accuracy and, where the task has it, macro F1."""
    scores = [score for model in curve for stratum in STRATA if (score := model.metrics.on(stratum))]
    return ["accuracy", *(["macro F1"] if not scores or scores[0].macro_f1 else [])]


def _curve_cells(score: Score) -> dict[str, float | None]:
    return {
        f"{title}{suffix}": round(getattr(estimate, part), 4) if estimate else None
        for title, estimate in figures(score).items()
        if title != "micro F1"
        for part, suffix in (("value", ""), ("low", " low"), ("high", " high"))
    }
