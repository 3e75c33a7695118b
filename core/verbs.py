"""The table of verbs, and how one is asked for by its name: what the command line, the HTTP API and the pages share.

Imports no verb before it is asked for: all of them together take a second.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from core.errors import BadInput
from core.jobs.bundle import Report
from core.people.audit_log import note_verb
from core.typed_json import from_json

if TYPE_CHECKING:
    from core.project import Project

VERBS: dict[str, str] = {
    "open": "core.loop.catch_up",
    "import": "core.data.file_import.import_file",
    "import_source": "core.pairs.sides.import_source",
    "import_annotations": "core.extract.import_annotations.import_annotations",
    "gather": "core.trees.gather.gather",
    "snapshots": "core.trees.snapshots.snapshots",
    "snapshot": "core.trees.snapshots.snapshot",
    "snapshot_diff": "core.trees.snapshots.snapshot_diff",
    "features": "core.trees.features.features",
    "samples": "core.sheets.samples.samples",
    "apply": "core.sheets.apply.apply",
    "review": "core.labelling.unsure.review",
    "clean": "core.data.clean.clean",
    "balance": "core.data.balance.balance",
    "split": "core.data.split.split",
    "prepare": "core.extract.prepare.prepare",
    "suggest_steps": "core.extract.suggest.suggest_steps",
    "step_hosted_estimate": "core.extract.hosted_steps.step_hosted_estimate",
    "step_hosted_tune": "core.extract.hosted_steps.step_hosted_tune",
    "step_report": "core.extract.step_models.step_report",
    "step_promote": "core.extract.step_models.step_promote",
    "step_rollback": "core.extract.step_models.step_rollback",
    "step_deactivate": "core.extract.step_models.step_deactivate",
    "step_agreement": "core.extract.agreement.step_agreement",
    "candidates": "core.pairs.blocking.find_candidates.candidates",
    "candidates_elsewhere": "core.pairs.blocking.candidates_elsewhere.candidates_elsewhere",
    "candidates_elsewhere_estimate": "core.pairs.blocking.candidates_elsewhere.candidates_elsewhere_estimate",
    "blocking_recall": "core.pairs.blocking.blocking_recall.blocking_recall",
    "predict_pairs": "core.pairs.predict.predict_pairs",
    "predict_pair_file": "core.pairs.predict_file.predict_pair_file",
    "suggest": "core.suggestions.suggest.suggest",
    "dedup_project": "core.merges.guaranteed_merges.dedup_project",
    "merges": "core.merges.merges.merges",
    "merge": "core.merges.merges.merge",
    "merges_decide": "core.merges.merge_edits.merges_decide",
    "merges_undo": "core.merges.merge_edits.merges_undo",
    "merges_redo": "core.merges.merge_edits.merges_redo",
    "merges_pick": "core.merges.merge_edits.merges_pick",
    "merges_survivor": "core.merges.merge_edits.merges_survivor",
    "encode": "core.data.encoding.encode",
    "encode_elsewhere": "core.data.encode_elsewhere.encode_elsewhere",
    "encode_elsewhere_estimate": "core.data.encode_elsewhere.encode_elsewhere_estimate",
    "next": "core.loop.next_batch",
    "fit": "core.loop.fit",
    "refit": "core.loop.refit",
    "round": "core.loop.play_round",
    "calibrate": "core.labelling.calibrating.calibrate",
    "inspect": "core.explore.label_errors.inspect",
    "quality": "core.agreement.annotator_quality.quality",
    "map": "core.explore.maps.project_map",
    "rechoose": "core.rounds.rechoosing.rechoose",
    "auto": "core.auto_label.accepting.auto",
    "check": "core.auto_label.accepting.check",
    "withdraw": "core.auto_label.accepting.withdraw",
    "status": "core.reports.overview.show_status",
    "home_entry": "core.home.summary.home_entry",
    "template_save": "core.home.own_templates.template_save",
    "export": "core.loop.export",
    "paper": "core.paper.paper.paper",
    "erase": "core.erasure.erase.erase",
    "backup": "core.backup.backups.back_up",
    "archive": "core.backup.archives.write_archive",
    "integrity": "core.backup.integrity.check_tables",
    "check_project": "core.backup.integrity.check_project",
    "train": "core.training.train.train",
    "train_steps": "core.extract.train_steps.train_steps",
    "jobs": "core.training.watching.jobs",
    "job": "core.training.watching.job",
    "job_log": "core.training.following.job_log",
    "job_cancel": "core.training.following.job_cancel",
    "job_retry": "core.training.launch.job_retry",
    "job_forget": "core.training.following.job_forget",
    "follow": "core.training.watching.follow",
    "training_data": "core.training.hosted.training_data",
    "hosted_estimate": "core.training.hosted.hosted_estimate",
    "hosted_tune": "core.training.hosted.hosted_tune",
    "hosted_job": "core.training.hosted.hosted_job",
    "hosted_jobs": "core.training.hosted.hosted_jobs",
    "hosted_models": "core.training.hosted.hosted_models",
    "hosted_cancel": "core.training.hosted.hosted_cancel",
    "evaluate": "core.registry.evaluate.evaluate",
    "compare": "core.registry.evaluate.compare",
    "compare_encoders": "core.registry.evaluate.compare_encoders",
    "predict": "core.registry.predict.predict",
    "predict_elsewhere": "core.registry.predict_elsewhere.predict_elsewhere",
    "predict_elsewhere_estimate": "core.registry.predict_elsewhere.predict_elsewhere_estimate",
    "predict_texts": "core.registry.predict.predict_texts",
    "models": "core.registry.models.models",
    "model": "core.registry.models.model",
    "model_note": "core.registry.models.model_note",
    "model_remove": "core.registry.removal.model_remove",
    "promote": "core.registry.activation.promote",
    "deactivate": "core.registry.hosted_promotion.deactivate",
    "rescue_plan": "core.registry.rescue.rescue_plan",
    "rescue": "core.registry.rescue.rescue",
    "rollback": "core.registry.activation.rollback",
    "retrain": "core.registry.retraining.retrain",
    "retrain_hosted": "core.registry.hosted_retraining.retrain_hosted",
    "predictions": "core.registry.predictions.predictions",
    "model_export": "core.registry.model_export.export_model",
    "model_merge": "core.registry.adapter_export.model_merge",
    "push": "core.registry.hub_push.push",
    "push_data": "core.registry.data_push.push_data",
    "people": "core.people.people.list_people",
    "people_add": "core.people.people.add_person",
    "people_remove": "core.people.people.remove_person",
    "people_role": "core.people.people.set_role",
    "people_code": "core.people.people.new_code",
    "history": "core.people.audit_log.history",
    "team_push": "core.exchange.push.push",
    "team_sync": "core.exchange.pull.sync",
    "taxonomy_list": "core.labelling.taxonomy_changes.taxonomy_list",
    "taxonomy_diff": "core.labelling.taxonomy_changes.taxonomy_diff",
    "taxonomy_use": "core.labelling.taxonomy_changes.taxonomy_use",
    "taxonomy_load": "core.labelling.taxonomy_changes.taxonomy_load",
    "taxonomy_add": "core.labelling.taxonomy_changes.taxonomy_add",
    "taxonomy_rename": "core.labelling.taxonomy_changes.taxonomy_rename",
    "taxonomy_retire": "core.labelling.taxonomy_changes.taxonomy_retire",
    "taxonomy_merge": "core.labelling.taxonomy_changes.taxonomy_merge",
    "taxonomy_split": "core.labelling.taxonomy_changes.taxonomy_split",
    "taxonomy_move": "core.labelling.taxonomy_changes.taxonomy_move",
    "taxonomy_describe": "core.labelling.taxonomy_changes.taxonomy_describe",
    "taxonomy_arrange": "core.labelling.taxonomy_changes.taxonomy_arrange",
    "taxonomy_map": "core.labelling.taxonomy_changes.taxonomy_map",
    "taxonomy_migrate": "core.labelling.taxonomy_changes.taxonomy_migrate",
    "taxonomy_undo": "core.labelling.taxonomy_changes.taxonomy_undo",
}
"""name -> where its function is"""


def function_of(verb: str) -> Callable[..., Any]:
    """The function of a verb. Raises KeyError for a name that is none."""
    module, _, name = VERBS[verb].rpartition(".")
    function: Callable[..., Any] = getattr(import_module(module), name)
    return function


def name_of(verb: Callable[..., object]) -> str:
    """By which a verb is asked for. Raises KeyError for a function that is none."""
    return {path: name for name, path in VERBS.items()}[f"{verb.__module__}.{verb.__qualname__}"]


LOOKS = (
    *("status", "home_entry", "export", "history", "models", "model", "predictions", "people", "merges", "merge"),
    *("snapshots", "snapshot", "snapshot_diff", "taxonomy_list", "taxonomy_diff", "template_save"),
)
"""verbs that change nothing in a project's folder: they serve one that may not be written to, too"""


def read_options(verb: str, sent: Mapping[str, object]) -> dict[str, Any]:
    """Options of a verb that came as JSON, each of the type that the verb's signature says.

    Raises BadInput, naming the option, for one of another type, one that the verb does not have, and one that it lacks.
    """
    function = function_of(verb)
    kinds: dict[str, Any] = {"user": str}
    required: set[str] = set()
    hints = get_type_hints(function)
    for name, parameter in list(signature(function).parameters.items())[2:]:  # behind the project and the report
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


def do_verb(project: "Project", verb: str, report: Report, *, user: str = "local", **options: Any) -> Any:
    """Does the verb and writes down that `user` asked for it; a verb that takes `user` writes its line itself.

    What a person has edited in `rondo.toml` holds first. Where it cannot be adopted, the app itself goes on with the
    settings before; anybody else gets the error.
    """
    act, why = function_of(verb), project.store.why_read_only
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
