"""The verbs of the loop: import, encode, choose, learn. What the command line, the HTTP API and the pages all call."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, Unpack, get_args, get_type_hints

from core.agreement.annotator_quality import quality
from core.auto_label.accepting import auto, check, withdraw
from core.backup.archives import write_archive
from core.backup.backups import back_up
from core.backup.integrity import check_project, check_tables
from core.config.settings import Settings, write_settings
from core.config.steps import FILE as STEPS_FILE
from core.config.steps import Step, steps_document
from core.config.taxonomy import Taxonomy, make_taxonomy
from core.data.balance import balance
from core.data.clean import clean
from core.data.encode_elsewhere import encode_elsewhere, encode_elsewhere_estimate, resume_encoding
from core.data.encoding import encode, encode_if_needed
from core.data.file_import import import_file
from core.data.split import split
from core.erasure.erase import erase
from core.errors import BadInput
from core.exchange.pull import sync
from core.exchange.push import push as team_push
from core.explore.label_errors import inspect
from core.explore.maps import project_map
from core.extract.agreement import step_agreement
from core.extract.hosted_steps import step_hosted_estimate, step_hosted_tune
from core.extract.import_annotations import import_annotations
from core.extract.prepare import prepare
from core.extract.step_files import TEMPLATES
from core.extract.step_models import step_deactivate, step_promote, step_report, step_rollback
from core.extract.suggest import suggest_steps
from core.extract.train_steps import train_steps
from core.home.own_templates import template_save
from core.home.summary import home_entry
from core.ids import ModelId
from core.jobs.bundle import Report
from core.labelling.calibrating import calibrate
from core.labelling.gold import UNASKED_TEST
from core.labelling.taxonomy_changes import STEPS, taxonomy_diff, taxonomy_list
from core.labelling.unsure import review
from core.merges.guaranteed_merges import dedup_project
from core.merges.merge_edits import merges_decide, merges_pick, merges_redo, merges_survivor, merges_undo
from core.merges.merges import merge, merges
from core.models.feature_plans import adopt_features
from core.models.in_use import active_model
from core.pairs.blocking.blocking_recall import blocking_recall
from core.pairs.blocking.candidates_elsewhere import candidates_elsewhere, candidates_elsewhere_estimate
from core.pairs.blocking.find_candidates import candidates
from core.pairs.predict import predict_pairs
from core.pairs.predict_file import predict_pair_file
from core.pairs.sides import import_source
from core.paper.paper import paper
from core.people.audit_log import history, note_verb
from core.people.people import add_person, list_people, new_code, remove_person, set_role
from core.project import Project
from core.registry.activation import promote, rollback
from core.registry.adapter_export import model_merge
from core.registry.data_push import push_data
from core.registry.evaluate import compare, compare_encoders, evaluate
from core.registry.hosted_promotion import deactivate
from core.registry.hosted_retraining import retrain_hosted
from core.registry.hub_push import push
from core.registry.model_export import export_model
from core.registry.models import model, model_note, models
from core.registry.predict import predict, predict_texts
from core.registry.predict_elsewhere import predict_elsewhere, predict_elsewhere_estimate
from core.registry.predictions import predictions
from core.registry.removal import model_remove
from core.registry.rescue import rescue, rescue_plan
from core.registry.retraining import retrain
from core.reports.format_export import ExportForm, export_as
from core.reports.overview import Status, status
from core.rounds.early_batch import early_batch
from core.rounds.plans import BatchRequest
from core.rounds.rechoosing import rechoose
from core.rounds.round_results import RoundSummary
from core.rounds.run_round import apply_finished_rounds, can_learn, run_round
from core.sheets.apply import apply
from core.sheets.samples import samples
from core.store.tables import EXCEL
from core.store.targets import refuse_target
from core.store.whole_files import write_whole
from core.suggestions.suggest import suggest
from core.tasks.tasks import task_of, unready
from core.training.following import job_cancel, job_forget, job_log
from core.training.hosted import (
    hosted_cancel,
    hosted_estimate,
    hosted_job,
    hosted_jobs,
    hosted_models,
    hosted_tune,
    training_data,
)
from core.training.launch import job_retry
from core.training.train import train
from core.training.watching import follow, job, jobs
from core.trees.features import features
from core.trees.gather import gather
from core.trees.snapshots import snapshot, snapshot_diff, snapshots
from core.typed_json import from_json


def create_project(  # noqa: PLR0913 - an option is an argument
    folder: Path,
    labels: list[str],
    *,
    multi: bool = False,
    task: str = "labels",
    steps: Sequence[Step] = (),
    taxonomies: Taxonomy | None = None,
) -> None:
    """A folder with `rondo.toml`; the database comes with the first command that needs it.

    steps: of a task that asks for several things, which then stand in a file of their own. taxonomies: in place of
    labels.
    """
    if labels and taxonomies:
        raise BadInput("Give either labels or taxonomies: a file of taxonomies has labels of its own.")
    taxonomy = taxonomies or make_taxonomy(labels)
    settings = Settings(name=folder.resolve().name, task=task, multi=multi, taxonomy=taxonomy, steps=tuple(steps))
    chosen = task_of(settings)
    if steps and not chosen.steps:
        raise BadInput(f"Answers of the task {task!r} have no steps. Leave --steps out.")
    if chosen.steps and (reason := unready(settings)):
        raise BadInput(f"{reason} Give them with --steps FILE, or the name of a template: {', '.join(TEMPLATES)}.")
    if (taxonomy.labels or multi) and not chosen.taxonomy:
        raise BadInput(f"Answers of the task {task!r} are no labels. Leave --labels, --taxonomies and --multi out.")
    if (folder / "rondo.toml").exists():
        raise BadInput(
            f"{folder} is already a project. Choose another folder, or go on with `rondo --project {folder}`."
        )
    if folder.is_file():
        raise BadInput(f"{folder} is a file; a project is a folder.")
    folder.mkdir(parents=True, exist_ok=True)
    if steps:
        write_whole(folder / STEPS_FILE, steps_document(steps).encode())
    write_settings(folder, settings)


def next_batch(project: Project, report: Report, **request: Unpack[BatchRequest]) -> RoundSummary:
    """Chooses records with the model as it is and queues them."""
    encode_if_needed(project, report)
    return run_round(project, report, learn=False, request=request)


def fit(project: Project, report: Report) -> RoundSummary:
    """Refits the head on the settled labels, scores the pool, measures, and re-ranks what waits."""
    adopt_features(project)
    encode_if_needed(project, report)
    check(project, report)
    return run_round(project, report, learn=True, request=None)


@dataclass(frozen=True)
class Refitted:
    """model: None where none was made. labels: that it has learnt from."""

    model: ModelId | None = None
    labels: int = 0


def refit(project: Project, report: Report) -> Refitted:
    """A head of the taxonomy in use, where models were in use and none suggests, and there is something to learn."""
    suggests = project.store.one("select exists(from suggestions) or not exists(from models)")
    if suggests or not can_learn(project):
        return Refitted()
    fitted = fit(project, report)
    return Refitted(fitted.model, fitted.labels or 0)


def play_round(project: Project, report: Report, **request: Unpack[BatchRequest]) -> RoundSummary:
    """Learn from what is labelled, then choose and queue the next batch: one process, one step.

    While the records of a new project are being encoded, batches are drawn without learning.
    """
    if project.encoding_now.locked() and (early := early_batch(project, report, request)):
        return early
    adopt_features(project)
    encode_if_needed(project, report)
    check(project, report)
    return run_round(project, report, learn=can_learn(project), request=request)


@dataclass(frozen=True)
class ExportedFile:
    """card: the data card's file, where one was written beside it. files: path -> rows, several where it was written by
    splits. lost: column that the format has no room for -> rows in which it says something; changes: sentences on what
    the format changed."""

    rows: int
    file: str
    what: str
    card: str | None
    files: dict[str, int] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)
    changes: tuple[str, ...] = ()


def export(  # noqa: PLR0913 - an option is an argument
    project: Project,
    report: Report,
    *,
    out: str,
    file_format: str,
    what: str = "labels",
    card: bool = False,
    excel: bool = False,
    by_split: bool = False,
) -> ExportedFile:
    """Writes labels, machine labels, suggestions, responses or all of it to a file, and a data card beside it if asked.

    file_format: a name of `FORMATS`. by_split: FILE_train, FILE_test in place of FILE.

    A file is written whole or not at all. what: as `write_export` takes it. excel: CSV that a spreadsheet opens
    rightly, in which no cell is a formula; an import of it gives back other texts.
    """
    refuse_target(project, out)
    if excel:
        if file_format != "csv" or by_split:
            form = f"{file_format} by splits" if by_split else file_format
            raise BadInput(
                f"Excel opens CSV; {form} has no form for it. Ask for --format csv, or xlsx without --excel."
            )
        file_format = EXCEL
    report("Exporting", 0, 1)
    written = export_as(project, report, Path(out), what, ExportForm(file_format, card, by_split))
    report("Exporting", 1, 1)
    rows, beside = sum(written.files.values()), f"{out}.card.md" if card else None
    return ExportedFile(rows, out, what, beside, dict(written.files), dict(written.lost), written.changes)


@dataclass(frozen=True)
class CaughtUp:
    """rounds: those that had ended without a server; encoded: records; batch, queued: of a batch that was due."""

    rounds: int
    encoded: int
    batch: int | None = None
    queued: int = 0


def catch_up(project: Project, report: Report) -> CaughtUp:
    """What a server does when it starts: takes in what jobs finished without it, encodes, and queues a due batch."""
    taken = apply_finished_rounds(project, report)
    check(project, report)
    early = early_batch(project, report, {}) if _batch_due(project) else None
    result = CaughtUp(taken, resume_encoding(project, report).encoded)
    if early and can_learn(project) and not active_model(project):  # from the answers that came meanwhile, or a file's
        fit(project, report)
    summary = play_round(project, report) if _batch_due(project) else early
    return replace(result, batch=summary.batch, queued=summary.queued) if summary else result


def _batch_due(project: Project) -> bool:
    """Is a batch to be queued by itself: the one before is finished, or there is none?"""
    settings = project.settings()
    left = project.store.one(f"select count(*) from (select n from pool union all {UNASKED_TEST})")
    ready = settings.automatic and not unready(settings) and left
    return bool(ready and (project.label_queue.round_due() or not project.store.one("select max(batch) from batches")))


def show_status(project: Project, report: Report) -> Status:
    """Figures, warnings, and the one next thing to do."""
    return status(project)


VERBS: dict[str, Callable[..., Any]] = {
    "open": catch_up,
    "import": import_file,
    "import_source": import_source,
    "import_annotations": import_annotations,
    "gather": gather,
    "snapshots": snapshots,
    "snapshot": snapshot,
    "snapshot_diff": snapshot_diff,
    "features": features,
    "samples": samples,
    "apply": apply,
    "review": review,
    "clean": clean,
    "balance": balance,
    "split": split,
    "prepare": prepare,
    "suggest_steps": suggest_steps,
    "step_hosted_estimate": step_hosted_estimate,
    "step_hosted_tune": step_hosted_tune,
    "step_report": step_report,
    "step_promote": step_promote,
    "step_rollback": step_rollback,
    "step_deactivate": step_deactivate,
    "step_agreement": step_agreement,
    "candidates": candidates,
    "candidates_elsewhere": candidates_elsewhere,
    "candidates_elsewhere_estimate": candidates_elsewhere_estimate,
    "blocking_recall": blocking_recall,
    "predict_pairs": predict_pairs,
    "predict_pair_file": predict_pair_file,
    "suggest": suggest,
    "dedup_project": dedup_project,
    "merges": merges,
    "merge": merge,
    "merges_decide": merges_decide,
    "merges_undo": merges_undo,
    "merges_redo": merges_redo,
    "merges_pick": merges_pick,
    "merges_survivor": merges_survivor,
    "encode": encode,
    "encode_elsewhere": encode_elsewhere,
    "encode_elsewhere_estimate": encode_elsewhere_estimate,
    "next": next_batch,
    "fit": fit,
    "refit": refit,
    "round": play_round,
    "calibrate": calibrate,
    "inspect": inspect,
    "quality": quality,
    "map": project_map,
    "rechoose": rechoose,
    "auto": auto,
    "check": check,
    "withdraw": withdraw,
    "status": show_status,
    "home_entry": home_entry,
    "template_save": template_save,
    "export": export,
    "paper": paper,
    "erase": erase,
    "backup": back_up,
    "archive": write_archive,
    "integrity": check_tables,
    "check_project": check_project,
    "train": train,
    "train_steps": train_steps,
    "jobs": jobs,
    "job": job,
    "job_log": job_log,
    "job_cancel": job_cancel,
    "job_retry": job_retry,
    "job_forget": job_forget,
    "follow": follow,
    "training_data": training_data,
    "hosted_estimate": hosted_estimate,
    "hosted_tune": hosted_tune,
    "hosted_job": hosted_job,
    "hosted_jobs": hosted_jobs,
    "hosted_models": hosted_models,
    "hosted_cancel": hosted_cancel,
    "evaluate": evaluate,
    "compare": compare,
    "compare_encoders": compare_encoders,
    "predict": predict,
    "predict_elsewhere": predict_elsewhere,
    "predict_elsewhere_estimate": predict_elsewhere_estimate,
    "predict_texts": predict_texts,
    "models": models,
    "model": model,
    "model_note": model_note,
    "model_remove": model_remove,
    "promote": promote,
    "deactivate": deactivate,
    "rescue_plan": rescue_plan,
    "rescue": rescue,
    "rollback": rollback,
    "retrain": retrain,
    "retrain_hosted": retrain_hosted,
    "predictions": predictions,
    "model_export": export_model,
    "model_merge": model_merge,
    "push": push,
    "push_data": push_data,
    "people": list_people,
    "people_add": add_person,
    "people_remove": remove_person,
    "people_role": set_role,
    "people_code": new_code,
    "history": history,
    "team_push": team_push,
    "team_sync": sync,
    "taxonomy_list": taxonomy_list,
    "taxonomy_diff": taxonomy_diff,
    **{f"taxonomy_{name}": step for name, step in STEPS.items()},
}


def name_of(verb: Callable[..., object]) -> str:
    """By which a verb is asked for. Raises KeyError for a function that is none."""
    return {function: name for name, function in VERBS.items()}[verb]


LOOKS = (
    *("status", "home_entry", "export", "history", "models", "model", "predictions", "people", "merges", "merge"),
    *("snapshots", "snapshot", "snapshot_diff", "taxonomy_list", "taxonomy_diff", "template_save"),
)
"""verbs that change nothing in a project's folder: they serve one that may not be written to, too"""


def read_options(verb: str, sent: Mapping[str, object]) -> dict[str, Any]:
    """Options of a verb that came as JSON, each of the type that the verb's signature says.

    Raises BadInput, naming the option, for one of another type, one that the verb does not have, and one that it lacks.
    """
    kinds: dict[str, Any] = {"user": str}
    required: set[str] = set()
    hints = get_type_hints(VERBS[verb])
    for name, parameter in list(signature(VERBS[verb]).parameters.items())[2:]:  # behind the project and the report
        if parameter.kind is Parameter.VAR_KEYWORD:
            [fields] = get_args(hints[name])
            kinds |= get_type_hints(fields)
            required |= fields.__required_keys__
            continue
        kinds[name] = hints[name]
        if parameter.default is Parameter.empty and name != "user":
            required.add(name)
    if unknown := sent.keys() - kinds.keys():
        known = ", ".join(sorted(kinds)) or "none"
        raise BadInput(f"{verb} has no option `{min(unknown)}`; there are {known}.")
    if missing := required - sent.keys():
        raise BadInput(f"{verb} needs the option `{min(missing)}`.")
    return {name: from_json(kinds[name], value, f"{verb}: the option `{name}`") for name, value in sent.items()}


def do_verb(project: Project, verb: str, report: Report, *, user: str = "local", **options: Any) -> Any:
    """Does the verb and writes down that `user` asked for it; a verb that takes `user` writes its line itself.

    What a person has edited in `rondo.toml` holds first. Where it cannot be adopted, the app itself goes on with the
    settings before; anybody else gets the error.
    """
    act, why = VERBS[verb], project.store.why_read_only
    if verb not in LOOKS:
        project.store.require_writable()
    try:
        if not why:
            project.adopt_edits()
    except BadInput:
        if user != "rondo":
            raise
    if "user" in signature(act).parameters:
        return act(project, report, user=user, **options)
    result = act(project, report, **options)
    if not why:
        note_verb(project, user, verb, options, result)
    return result
