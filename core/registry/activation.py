"""Promotion of a model, and rollback to a former one: everything changes in one transaction. Knows no numbers."""

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import numpy as np

from core.config.settings import Settings
from core.data.encoding import encode_for
from core.errors import BadInput, Refused, RondoError
from core.evaluation.gate_verdict import GateVerdict
from core.ids import ModelId
from core.jobs.bundle import Bundle, Report
from core.models.artifacts import check_model, read_manifest
from core.models.encoders.encoder import OWN
from core.models.encoders.loading import encoder_source
from core.models.hosted_models import hosted_in_use, hosting
from core.models.in_use import active_model
from core.pairs.recorded_answers import BUDGET
from core.project import Project
from core.registry.activate_job import ACTIVATE, ActivateParams
from core.registry.champions import RollbackOffer, champion_history, find_model, one_back, require_files, rollback_offer
from core.registry.deciders import DeciderChange, decide_by, decider_history, undoing
from core.registry.gate import gate
from core.registry.hosted_promotion import check_hosted, record_measuring, who_decides
from core.registry.unseen_predictions import read_truth, rows_with_held_out, unseen
from core.rounds.champion_log import (
    Activation,
    load_suggestions,
    log_activation,
    rank_again,
    store_held_out_predictions,
)
from core.rounds.run_round import hold_round_lock, known_now
from core.store.database import count, note, utc_now
from core.tasks.tasks import space_of, task_of
from core.training.trainers import LORA
from core.typed_json import to_json

LOGGED = {"promoted": "promote", "rolled back": "rollback", "retrained": "promote"}


@dataclass(frozen=True)
class OtherGuarantee:
    """The guarantee in force, made with another model: `labels` machine labels rest on it."""

    id: str
    model: ModelId
    labels: int
    sentence: str


@dataclass(frozen=True)
class Activated:
    """A model that came into use. before: the champion that it replaces. restored: queued records at their former
    places, after a rollback. gate: its verdict on a promotion. rollback: where one would lead now.
    """

    model: ModelId
    before: ModelId | None
    encoder: str
    restored: int
    guarantee: OtherGuarantee | None
    sentence: str
    seconds: float = 0.0
    promoted: bool = False
    gate: GateVerdict | None = None
    rollback: RollbackOffer | None = None


def promote(  # noqa: PLR0913 - an option is an argument
    project: Project,
    report: Report,
    *,
    model: str,
    user: str = "local",
    reason: str | None = None,
    force: bool = False,
    budget: int = BUDGET,
) -> Activated:
    """Makes a challenger the champion if the gate passes it, or a person overrules the gate (force) with a reason.

    A hosted one decides for programs from then on; it is asked about gold and audit pairs first, in so many requests at
    most (budget).

    Encodes all records first if it has its own encoder; the old vectors stay, so that a rollback is quick.
    Raises Refused with the evidence where the gate refuses it. On any error the champion stays in place.
    """
    reason = (reason or "").strip()
    challenger = find_model(project, model)
    hosted = hosting(project, challenger)
    if hosted:
        record_measuring(project, report, check_hosted(project, challenger), budget)
    else:
        check_usable(project, challenger)
    verdict = gate(project, model=challenger)
    if not verdict.passes and not force:
        log_refusal(project, user, verdict)
        raise Refused(
            f"The gate keeps the champion. {verdict.sentence} To overrule it, say why: `--force --reason TEXT`."
        )
    if not any(map(str.isalnum, reason)):  # without a letter or digit it is no reason
        reason = None
    if not verdict.passes and reason is None:
        raise BadInput("To overrule the gate, say why: `--force --reason TEXT`. The reason is kept with the model.")
    activation = Activation(challenger, _encoder_of(project, challenger), "promoted", user, reason, verdict)
    result = _decide(project, activation) if hosted else activate(project, report, activation, force=force)
    return replace(result, promoted=True, gate=verdict, rollback=rollback_offer(project))


def rollback(
    project: Project, report: Report, *, to: str | None = None, user: str = "local", reason: str | None = None
) -> Activated:
    """Activates the previous or a named former champion: its suggestions, and its order of the records still queued.

    Without a name it undoes the last decision, and the rounds since then. Where that was about hosted models, the one
    that decided before does so again, or the champion.
    """
    if to is None and (undo := undoing(project)):
        return _decide(project, Activation(undo.to or ModelId(""), "", "rolled back", user, reason))
    model = find_model(project, to) if to else one_back(project)
    if model is not None and hosting(project, model):
        if model not in {change.model for change in decider_history(project)}:
            raise Refused(f"{model} never decided. To put it to use: `rondo models promote {model}`.")
        check_hosted(project, model)
        return _decide(project, Activation(model, "", "rolled back", user, reason))
    if model is None:
        if one_back(project, lost=True):
            raise Refused("The files of every champion before this one are gone. Put back one of them from a backup.")
        raise Refused("There is no champion to go back to: nothing has been promoted, and no second round was fitted.")
    if model not in {change.model for change in champion_history(project)}:
        raise Refused(f"{model} was never champion. To put it to use: `rondo models promote {model}`.")
    check_usable(project, model)
    return activate(project, report, Activation(model, _encoder_of(project, model), "rolled back", user, reason))


def _decide(project: Project, activation: Activation) -> Activated:
    """The hosted model of the activation decides for programs, or where it names none the champion."""
    before, champion = hosted_in_use(project), active_model(project)
    facts = (activation.user, activation.how, activation.reason, activation.evidence)
    decide_by(project, DeciderChange(utc_now(), activation.model or None, *facts))
    parts = [who_decides(project)]
    if activation.reason and activation.evidence and not activation.evidence.passes:
        parts.append(f"The gate was overruled: {activation.reason}")
    if activation.model:
        parts.append("Rounds, suggestions and the queue go on with the champion.")
    sentence = " ".join(parts)
    return Activated(activation.model or champion or ModelId(""), before or champion, "", 0, None, sentence)


def log_refusal(project: Project, user: str, verdict: GateVerdict) -> None:
    """Stores the gate's evidence of a refusal, too."""
    with project.store.transaction() as cursor:
        note(cursor, user, "gate", {"model": verdict.challenger, "evidence": to_json(verdict)})


def check_usable(project: Project, model: ModelId) -> None:
    """Raises Refused for the champion itself, a model without a head, or other labels; Damaged for a broken one."""
    if model == active_model(project):
        raise Refused(f"{model} is the champion already.")
    if project.store.one("select trainer from models where id = ?", [model]) == LORA:
        raise Refused(
            f"{model} is an adapter of a language model: it answers one step of records, and is no champion. `rondo "
            "extract promote` puts it to use for that step."
        )
    if not _encoder_of(project, model):
        raise Refused(
            f"{model} has no head: it classifies texts without vectors, so it can be compared but not put to use."
        )
    require_files(project, model)
    manifest = check_model(project.models / model)
    encoder = _encoder_of(project, model)
    if encoder.startswith(OWN) and encoder != OWN + model:
        check_model(project.models / encoder.removeprefix(OWN))
    encoder_source(project.models, encoder)
    if reason := space_of(project.settings()).heads.unfit(manifest):
        raise Refused(f"{model} {reason}. Train a new one.")


def _encoder_of(project: Project, model: ModelId) -> str:
    return str(project.store.one("select encoder from models where id = ?", [model]) or "")


@dataclass(frozen=True)
class _Change:
    """A promotion under way. before: the champion at the time of the gate's verdict."""

    activation: Activation
    before: ModelId | None
    settings: Settings


def activate(project: Project, report: Report, activation: Activation, *, force: bool = False) -> Activated:
    """Encodes with its encoder, predicts all records in a job, and stores the result. The gate was asked before."""
    started, before = time.monotonic(), active_model(project)
    encode_for(project, report, replace(project.settings(), encoder=activation.encoder))
    with hold_round_lock(project, report):
        settings = replace(project.settings(), encoder=activation.encoder)
        if active_model(project) == activation.model:
            raise Refused(f"{activation.model} is the champion already.")
        if active_model(project) != before and activation.how != "rolled back" and not force:
            activation = _asked_again(project, activation)
        change = _Change(activation, active_model(project), settings)
        bundle = _prepare(project, change)
        project.jobs.run(bundle, ACTIVATE, report, "Scoring all records")
        result = _apply_result(project, bundle, change)
    return replace(result, seconds=round(time.monotonic() - started, 3))


def _asked_again(project: Project, activation: Activation) -> Activation:
    """A round came between: its head is the champion now."""
    verdict = gate(project, model=activation.model)
    if not verdict.passes:
        raise Refused(f"A round was played meanwhile, and the gate keeps its head. {verdict.sentence}")
    return replace(activation, evidence=verdict)


def _prepare(project: Project, change: _Change) -> Bundle:
    activation, settings = change.activation, change.settings
    arrays, _ = known_now(project, settings)
    with project.store.reading() as cursor:
        truth = read_truth(cursor, space_of(settings))
    unseen_rows = np.union1d(
        unseen(project, activation.model, truth), rows_with_held_out(project.models / activation.model)
    )
    params = ActivateParams(
        model=str(project.models / activation.model),
        encoder=activation.encoder,
        before=project.settings().encoder,
        vectors=str(project.vectors),
        task=settings.task,
        setup=task_of(settings).setup(settings),
        threads=settings.threads,
    )
    bundle = project.jobs.prepare(ACTIVATE, params)
    np.savez(bundle.path / "in" / "rows.npz", allow_pickle=False, **arrays, unseen_rows=unseen_rows)
    return bundle


def _apply_result(project: Project, bundle: Bundle, change: _Change) -> Activated:
    """Stores suggestions, ranking, held-out predictions, champion and settings: all of it or nothing."""
    activation, out = change.activation, bundle.path / "out"
    load_suggestions(project, out / "suggestions.parquet", activation.model)
    try:
        with project.changing_settings() as (current, cursor):
            if space_of(current).heads.unfit(read_manifest(project.models / activation.model)):
                raise Refused("The labels were changed meanwhile, so nothing was put to use. Train a new model.")
            project.jobs.claim_result(bundle, cursor)
            result = _enter(cursor, out, change)
            if current.encoder != activation.encoder:  # where a person decides, rounds do not change it back
                free = current.choose_encoder and activation.how == "retrained"
                project.save_settings(replace(current, encoder=activation.encoder, choose_encoder=free))
    except RondoError as error:
        project.jobs.refuse(bundle, error)
        raise
    project.label_queue.reload()
    bundle.empty()
    return result


def _enter(cursor: duckdb.DuckDBPyConnection, out: Path, change: _Change) -> Activated:
    activation = change.activation
    left = _left_by(cursor, activation.model) if activation.how == "rolled back" else None
    log_activation(cursor, activation, change.before)
    rank_again(cursor, str(out / "ranked.parquet"), activation.model)
    store_held_out_predictions(cursor, str(out / "held_out_predictions.parquet"), activation.model)
    restored = _put_back(cursor, left) if left else 0
    guarantee = _other_guarantee(cursor, activation.model)
    detail = {"model": activation.model, "before": change.before, "reason": activation.reason}
    note(cursor, activation.user, LOGGED[activation.how], detail)
    return Activated(
        model=activation.model,
        before=change.before,
        encoder=activation.encoder,
        restored=restored,
        guarantee=guarantee,
        sentence=_sentence(activation, change.before, guarantee),
    )


# A model's last order of the queue is stored in the row of the next champion.
_LEFT = """
    select next from (
        select model, lead(waiting) over (order by since, rowid) as next, since, rowid as place from champions
    ) where model = ? order by since desc, place desc limit 1
"""
_PUT_BACK = """
    update queue set position = old.position, score = coalesce(old.score, queue.score) from old
    where old.n = queue.n and not queue.audit and queue.purpose is null and queue.n not in (select n from leased)
      and not is_labelled(queue.n)
"""


def _left_by(cursor: duckdb.DuckDBPyConnection, model: ModelId) -> str | None:
    row = cursor.execute(_LEFT, [model]).fetchone()
    return row[0] if row else None


def _put_back(cursor: duckdb.DuckDBPyConnection, waiting: str) -> int:
    """Restores the positions of records that are still queued. Records that were queued since keep theirs."""
    rows = json.loads(waiting)
    cursor.execute("create or replace temp table old (n bigint, position double, score double)")
    if not rows:
        return 0
    record_nos, positions, scores = zip(*rows, strict=True)
    cursor.execute(
        "insert into old select unnest($ns::bigint[]), unnest($positions::double[]), unnest($scores::double[])",
        {"ns": list(record_nos), "positions": list(positions), "scores": list(scores)},
    )
    cursor.execute(_PUT_BACK)
    return count(
        cursor,
        """select count(distinct q.n) from queue q join old using (n)
           where not q.audit and q.purpose is null and not is_labelled(q.n)""",
    )


def _other_guarantee(cursor: duckdb.DuckDBPyConnection, activated: str) -> OtherGuarantee | None:
    """The guarantee in force. It covers labels already accepted, whichever model is champion, and its checks go on."""
    rows = cursor.execute(
        """select id, model, (select count(*) from machine_labels where guarantee = guarantees.id) from guarantees
           where state = 'in_force'"""
    ).fetchall()
    if not rows or rows[0][1] == activated:
        return None
    guarantee, model, labels = rows[0]
    sentence = (
        f"The {labels:,} machine labels of {model} stay, and so does their blind check. "
        "`rondo auto --accept` gives them anew by this model; `rondo withdraw` takes them back."
    )
    return OtherGuarantee(guarantee, model, labels, sentence)


def _sentence(activation: Activation, before: ModelId | None, guarantee: OtherGuarantee | None) -> str:
    did = (
        f"Back to {activation.model}" if activation.how == "rolled back" else f"{activation.model} is the champion now"
    )
    parts = [f"{did}{f', in place of {before}' if before else ''}."]
    if activation.reason and activation.evidence and not activation.evidence.passes:
        parts.append(f"The gate was overruled: {activation.reason}")
    return " ".join([*parts, *([guarantee.sentence] if guarantee else [])])
