"""The models of a project for display: the list, and one with its lineage. Changes only notes."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.errors import Damaged, Refused
from core.evaluation.gate_verdict import GateVerdict, read_verdict
from core.evaluation.metrics import Metrics, read_metrics
from core.ids import JobId, ModelId
from core.jobs.bundle import Report
from core.models.adapters import AdapterFacts, read_adapter
from core.models.artifacts import INFO, read_manifest
from core.models.hosted_models import Hosting, hosted_in_use, hostings
from core.models.in_use import active_model
from core.models.vectors import MANIFEST as VECTORS
from core.models.vectors import encoder_folder
from core.project import Project
from core.registry.champions import (
    ChampionChange,
    RollbackOffer,
    champion_history,
    find_model,
    has_files,
    require_files,
    rollback_offer,
)
from core.registry.deciders import decider_history
from core.registry.evaluate import saved_evaluations
from core.registry.evaluation_jobs import EvaluateResult
from core.store.database import note
from core.training.trainers import LORA

ROUND_HEAD = "round head"

# The last column is true where no label was added or retired since the model's taxonomy version.
_MODELS = """
    with active as (
        select version, list_sort(list_transform(list_filter(labels::json[], lambda x: not (x->>3)::boolean),
                                                 lambda x: x->>0)) as ids
        from taxonomies
    )
    select id, strftime(made_at, '%Y-%m-%dT%H:%M:%SZ'), strftime(removed_at, '%Y-%m-%dT%H:%M:%SZ'), trainer, encoder,
           models.labels, taxonomy, seed, parent, responses, round, notes, seconds, metrics::varchar,
           coalesce((select ids from active where version = taxonomy) = list_sort($labels::varchar[]), false)
    from models order by made_at desc, id desc
"""


@dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """A model in the list. labels: that it trained on. job: that trained it, None for a round's head.

    state: champion; former (was champion); challenger; outdated (other labels); evaluate-only (no head); adapter (of a
    language model, for one step); removed (by `model_remove`); missing (its files are gone without that); of hosted
    ones also deciding (it decides on pairs for programs) and ended (its provider has it no more). metrics: on gold,
    audit and what training held out.
    gate: its last verdict on the model, or None. files: whether the artifact is there. hosting: where a hosted one is.
    adapter: where an adapter comes from, and its scores.
    """

    id: ModelId
    made_at: str
    removed_at: str | None
    trainer: str
    encoder: str
    labels: int
    taxonomy: int
    seed: int
    parent: ModelId | None
    responses: int | None
    round: int
    notes: str | None
    seconds: float
    job: JobId | None
    metrics: Metrics
    state: str
    gate: GateVerdict | None
    files: bool
    hosting: Hosting | None = None
    adapter: AdapterFacts | None = None


@dataclass(frozen=True)
class ModelList:
    """Every model, newest first, the champion's id, and what a rollback would do. decider: the hosted model that
    decides on pairs for programs, None where the champion does. warnings: hosted models that have ended or end soon."""

    champion: ModelId | None
    rollback: RollbackOffer | None
    models: tuple[ModelEntry, ...]
    decider: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ModelDetail(ModelEntry):
    """One model with its lineage. lineage: in words. training_info: the trainer's info. artifact:
    its files with their hashes. damaged: what is wrong with them."""

    lineage: Mapping[str, str | int | float]
    history: tuple[ChampionChange, ...]
    training_info: Mapping[str, Any]
    artifact: Mapping[str, Any]
    damaged: str | None
    evaluations: tuple[EvaluateResult, ...]


@dataclass(frozen=True)
class ModelNote:
    """A person's note on a model."""

    model: ModelId
    notes: str | None


def models(project: Project, report: Report) -> ModelList:
    """Every model of the project."""
    entries, today, decider = tuple(_entries(project)), datetime.now(UTC).date(), hosted_in_use(project)
    watched = [one for one in entries if one.hosting and (one.id == decider or one.state == "challenger")]
    warnings = tuple(line for one in watched if one.hosting and (line := one.hosting.warning(today)))
    return ModelList(active_model(project), rollback_offer(project), entries, decider, warnings)


def model(project: Project, report: Report, *, model: str) -> ModelDetail:
    """One model with its lineage: training data, base, who made it, its files, and when it was in use."""
    chosen = find_model(project, model)
    [entry] = [entry for entry in _entries(project) if entry.id == chosen]
    manifest = _manifest(project, chosen)
    return ModelDetail(
        **vars(entry),
        lineage=_lineage(project, entry),
        history=_history(project, chosen),
        training_info=_read_json(project.models / chosen / INFO),
        artifact=manifest.get("files", {}),
        damaged=manifest.get("damaged"),
        evaluations=tuple(saved_evaluations(project, chosen)),
    )


def _history(project: Project, model: ModelId) -> tuple[ChampionChange, ...]:
    """When it came into use, newest first: as champion, or to decide for programs."""
    decided = [
        ChampionChange(f"{one.since:%Y-%m-%dT%H:%M:%SZ}", model, "", one.user, one.how, one.reason, one.evidence)
        for one in decider_history(project)
        if one.model == model
    ]
    return (*decided, *(change for change in champion_history(project) if change.model == model))


def model_note(project: Project, report: Report, *, model: str, text: str, user: str = "local") -> ModelNote:
    """Sets a person's note on a model, replacing the one before; an empty text removes it."""
    chosen, notes = find_model(project, model), text.strip()[:2_000] or None
    with project.store.transaction() as cursor:
        cursor.execute("update models set notes = ? where id = ?", [notes, chosen])
        note(cursor, user, "model note", {"model": chosen, "text": notes})
    return ModelNote(chosen, notes)


def _entries(project: Project) -> Iterator[ModelEntry]:
    """Newest first."""
    champion, seen = active_model(project), _gates(project)
    decider, hosted, today = hosted_in_use(project), hostings(project), datetime.now(UTC).date()
    former = {one.model for one in champion_history(project)} | {one.model for one in decider_history(project)}
    labels = [label.id for label in project.settings().taxonomy.active]
    with project.store.reading() as cursor:
        rows = cursor.execute(_MODELS, {"labels": labels}).fetchall()
    for row in rows:
        model, made_at, removed_at, trainer, encoder, learnt, taxonomy, seed, parent, *more = row
        responses, number, notes, seconds, stored, same_labels = more
        metrics, files = read_metrics(stored, model), has_files(project, model)
        where = hosted.get(model)
        if model in (champion, decider):
            state = "champion" if model == champion else "deciding"
        elif not files:
            state = "removed" if removed_at else "missing"
        elif where and where.ended(today):
            state = "ended"
        elif model in former or trainer is None:
            state = "former"
        elif trainer == LORA:
            state = "adapter"
        elif not encoder and not where:
            state = "evaluate-only"
        else:
            state = "challenger" if same_labels else "outdated"
        yield ModelEntry(
            id=model,
            made_at=made_at,
            removed_at=removed_at,
            trainer=trainer or ROUND_HEAD,
            encoder=encoder,
            labels=learnt,
            taxonomy=taxonomy,
            seed=seed,
            parent=parent,
            responses=responses,
            round=number,
            notes=notes,
            seconds=seconds,
            job=model if trainer is not None else None,
            metrics=Metrics(metrics.gold, metrics.audit, metrics.held_out),
            state=state,
            gate=seen.get(model),
            files=files,
            hosting=where,
            adapter=_adapter(project, model) if trainer == LORA and files else None,
        )


def _adapter(project: Project, model: ModelId) -> AdapterFacts | None:
    """None for a damaged one: `model` says what is wrong, and a list must not fail for it."""
    try:
        return read_adapter(project.models / model)
    except Damaged:
        return None


def _gates(project: Project) -> dict[str, GateVerdict]:
    """The last gate verdict of each model, passed or refused."""
    rows = project.store.query(
        """select model, evidence from (
               select model, evidence::varchar as evidence, since as moment from champions where evidence is not null
               union all select model, evidence::varchar, since from deciders where evidence is not null
               union all
               select detail->>'model', (detail->'evidence')::varchar, logged_at from audit_log where what = 'gate'
           ) order by moment"""
    )
    return {name: read_verdict(evidence) for name, evidence in rows}


def _lineage(project: Project, entry: ModelEntry) -> dict[str, str | int | float]:
    """The origin of a model as label and sentence; None is left out."""
    jobs = project.store.query("select id, coalesce(runner, 'local') from jobs where id = ?", [entry.id])
    job, runner = jobs[0] if jobs else (None, None)
    result: dict[str, str | int | float | None] = {
        "made": entry.made_at,
        "removed": entry.removed_at,
        "trainer": entry.trainer,
        "labels learnt from": entry.labels,
        "responses there were": entry.responses,
        "taxonomy version": entry.taxonomy,
        "encoder": entry.encoder or "none",
        "encoder fingerprint": _fingerprint(project, entry.encoder),
        "seed": entry.seed,
        "round": entry.round,
        "champion when it was made": entry.parent,
        "job": job,
        "ran on": runner,
        "input hash": _read_json(project.folder / "jobs" / entry.id / "job.json").get("input_sha256"),
        "seconds": entry.seconds,
        "notes": entry.notes,
    }
    if adapter := entry.adapter:
        fed = [
            f"{step} {', '.join(f'{count:,} {how}' for how, count in by.items())}" for step, by in adapter.fed.items()
        ]
        for name in ("labels learnt from", "encoder", "taxonomy version", "round"):
            del result[name]
        result |= {
            "step": adapter.step,
            "examples learnt from": adapter.examples,
            "base": adapter.base,
            "base hash": adapter.base_hash,
            "hash of the training rows": adapter.rows_hash,
            "inputs from earlier steps": "; ".join(fed) or "none",
            "held-out examples": adapter.held_out,
            "steps taken": adapter.steps,
            "step whose weights were kept": adapter.best_step,
            "base on held-out examples": adapter.before.sentence if adapter.before else None,
            "tuned on held-out examples": adapter.after.sentence if adapter.after else None,
        }
    return {name: value for name, value in result.items() if value is not None}


def _fingerprint(project: Project, encoder: str) -> str | None:
    if not encoder:
        return None
    return _read_json(encoder_folder(project.vectors, encoder) / VECTORS).get("fingerprint")


def _manifest(project: Project, model: ModelId) -> Mapping[str, Any]:
    """Its files with their hashes, or what is wrong with it: a list of models must not fail for one of them."""
    try:
        require_files(project, model)
        return read_manifest(project.models / model)
    except (Damaged, Refused) as error:
        return {"damaged": str(error)}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}
