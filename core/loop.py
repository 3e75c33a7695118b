"""The verbs of the loop: make a project, choose, learn, export. Every command that makes a project imports this: what
rounds and exports alone need is imported where it is called."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Unpack

from core.config.settings import Settings, write_settings
from core.config.steps import FILE as STEPS_FILE
from core.config.steps import Step, steps_document
from core.config.taxonomy import Taxonomy, make_taxonomy
from core.data.encode_elsewhere import encode_if_needed
from core.errors import BadInput
from core.extract.step_files import TEMPLATES
from core.ids import ModelId
from core.jobs.bundle import Report
from core.labelling.gold import UNASKED_TEST
from core.models.feature_plans import adopt_features
from core.models.in_use import active_model
from core.project import Project
from core.rounds.plans import BatchRequest
from core.rounds.round_results import RoundSummary
from core.rounds.run_round import apply_finished_rounds, can_learn, run_round
from core.store.tables import EXCEL
from core.store.targets import refuse_target
from core.store.whole_files import write_whole
from core.tasks.tasks import task_of, unready


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
    from core.auto_label.accepting import check

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
    from core.auto_label.accepting import check
    from core.rounds.early_batch import early_batch

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
    from core.reports.format_export import ExportForm, export_as

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
    from core.auto_label.accepting import check
    from core.data.encode_elsewhere import resume_encoding
    from core.rounds.early_batch import early_batch

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
