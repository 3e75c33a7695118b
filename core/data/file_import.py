"""Importing a file: a job reads it, then all of it is stored or nothing. Knows no file format."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict, Unpack

import duckdb

from core.config.record_fields import RecordField
from core.config.settings import Settings
from core.config.taxonomy import look_alikes
from core.data.import_parts import begin_import, continue_import, finish_imports
from core.data.ingest_job import INGEST, FileReport, IngestParams, Layout
from core.data.languages import encoder_for
from core.data.ready_pairs import enter_ready_pairs
from core.data.records import ImportCounts, number_records
from core.data.remote_files import full_path, is_remote, name_of, secrets_for
from core.errors import BadInput, Cancelled, Refused, RondoError
from core.jobs.bundle import Bundle, Report, Resources
from core.labelling.taxonomy_versions import adopt_taxonomy
from core.models.encoders.encoder import EMBEDDED
from core.project import Project
from core.store.database import count
from core.tasks.tasks import about_columns, learn_from, task_of


class ImportOptions(TypedDict, total=False):
    """The meaning of a file's columns, and how to read it, as in `Layout`. text: may be left out for a folder, and for
    formats that name it. sql: a query in place of a file, which is then a database or the folder to look in. leave_out:
    rows, from 1, that are passed over: a preview names those that cannot be records."""

    text: list[str]
    left: list[str]
    right: list[str]
    label: str | None
    id: str | None
    split: str | None
    annotator: str | None
    gold: str | None
    meta: list[str]
    encoding: str
    keep_missing_words: bool
    many_labels: bool
    near_duplicates: bool
    form: str
    sql: str
    leave_out: list[int]


@dataclass(frozen=True, kw_only=True)
class ImportSummary(ImportCounts):
    """The counts of all stored rows, labels whose names look alike, and a report on the file.

    encoder: that was chosen by the texts' languages; "" where it stayed.
    """

    annotators: int
    look_alikes: list[list[str]]
    report: FileReport
    encoder: str = ""


def import_file(
    project: Project, report: Report, *, file: str, add_labels: bool = False, **options: Unpack[ImportOptions]
) -> ImportSummary:
    """Reads a file in a job, then stores all of it or nothing. add_labels: those that the taxonomy does not have yet.

    Once storing has begun it can no longer be stopped: see `core.data.import_parts`.
    """
    params = _params(project, file, options)
    bundle, contents = read_file(project, report, params)
    return store_read_file(project, report, bundle, contents, about=params.layout.about, add_labels=add_labels)


def store_read_file(  # noqa: PLR0913 - an option is an argument
    project: Project,
    report: Report,
    bundle: Bundle,
    contents: FileReport,
    *,
    about: Mapping[str, object],
    add_labels: bool = False,
) -> ImportSummary:
    """Stores all of what a job has written to its output as `records.parquet`, or nothing.

    about: what the reader of its answers knew of the project, nothing where it has none.
    """
    with project.storing:  # one file at a time: its records are numbered before they come in
        finish_imports(project.store, project.folder, project.holding_settings)
        before = project.settings().encoder
        try:
            alike = _accept(project, bundle, contents, about=about, add=add_labels)
        except RondoError as error:
            project.jobs.refuse(bundle, error)
            raise
        counts = continue_import(project.store, bundle, project.holding_settings, _showing_new_records(project, report))
        if task_of(project.settings()).two_sides:
            with project.store.transaction() as cursor:
                enter_ready_pairs(cursor)
    project.label_queue.reload()
    encoder = project.settings().encoder
    return ImportSummary(
        **vars(counts),
        annotators=contents.annotators,
        look_alikes=alike,
        report=contents,
        encoder="" if encoder == before else encoder,
    )


def read_file(project: Project, report: Report, params: IngestParams) -> tuple[Bundle, FileReport]:
    """Runs the job that reads the file; its result is not claimed yet. Nothing is left of a job that was stopped."""
    name, bundle = "the query" if params.sql else name_of(params.file), project.jobs.prepare(INGEST, params)
    resources = Resources(environment=secrets_for(params.file, os.environ))
    try:
        contents = project.jobs.run(bundle, INGEST, report, f"Reading {name}", resources)
        report("Storing", 0, 1)
    except Cancelled:
        bundle.empty()
        raise Cancelled(f"Reading {name}: stopped. Nothing was imported.") from None
    except RondoError as error:
        project.jobs.refuse(bundle, error)
        raise
    return bundle, contents


def with_new_fields(settings: Settings, fields: Sequence[RecordField]) -> Settings:
    """The settings with fields that they lack; a role that a person has changed stays."""
    known = {field.name for field in settings.fields}
    return replace(settings, fields=(*settings.fields, *(field for field in fields if field.name not in known)))


def _with_encoder(cursor: duckdb.DuckDBPyConnection, settings: Settings, contents: FileReport) -> Settings:
    """The first file of a project chooses its encoder by its languages, where nobody has."""
    first = settings.choose_encoder and settings.encoder == EMBEDDED
    if not first or count(cursor, "select count(*) from records"):
        return settings
    return replace(settings, encoder=encoder_for(contents.languages))


def _params(project: Project, file: str, options: ImportOptions) -> IngestParams:
    settings, text = project.settings(), options.get("text") or []
    file, form, sql = full_path(file), options.get("form") or "", options.get("sql") or ""
    if sql and (form or is_remote(file)):
        raise BadInput("--sql reads local files by a query, without --format and without an address.")
    left, right = options.get("left") or (), options.get("right") or ()
    _refuse_sides(settings, text, [*left, *right])
    layout = Layout(
        text=tuple(text),
        left=tuple(left),
        right=tuple(right),
        label=options.get("label"),
        id=options.get("id"),
        split=options.get("split"),
        meta=tuple(options.get("meta") or ()),
        encoding=options.get("encoding") or "utf-8",
        annotator=options.get("annotator"),
        gold=options.get("gold"),
        task=settings.task,
        about=about_columns(settings),
        keep_missing_words=options.get("keep_missing_words", False),
        many_labels=options.get("many_labels", False),
        form=form,
    )
    leave_out = tuple(options.get("leave_out") or ())
    return IngestParams(file, layout, options.get("near_duplicates", False), sql, leave_out)


def _refuse_sides(settings: Settings, text: Sequence[str], sides: Sequence[str]) -> None:
    """Texts where a record is two sides, sides where it is one text, or both."""
    two = task_of(settings).two_sides
    if two and not sides:
        raise Refused(
            f"A record of the task {settings.task!r} has two sides: name their columns with --left and --right, or "
            "bring in the records of a source, which are then paired: `rondo import FILE --text COLUMN`."
        )
    if sides and (not two or text):
        reason = "beside --text" if two else f"to the task {settings.task!r}, whose records have one"
        raise BadInput(f"--left and --right name two sides, which do not belong {reason}. Leave one of them out.")


def _showing_new_records(project: Project, report: Report) -> Report:
    def report_part(what: str, done: int, total: int) -> None:
        project.label_queue.more_records()
        report(what, done, total)

    return report_part


def _accept(
    project: Project, bundle: Bundle, contents: FileReport, *, about: Mapping[str, object], add: bool
) -> list[list[str]]:
    """Begins the import or raises why it cannot; returns labels whose names look alike.

    New labels are added to the settings as they are now: they may have changed while the file was read.
    """
    with project.store.reading() as cursor:
        sizes = number_records(cursor, bundle.path / "out", contents.file, distinct=contents.repeats_allowed)
    with project.changing_settings() as (current, cursor):
        if not project.jobs.claim_result(bundle, cursor):
            raise Refused("This file was taken in already.")
        requested = adopt_taxonomy(cursor, learn_from(contents, about, current, add=add))
        requested = _with_encoder(cursor, with_new_fields(requested, contents.fields), contents)
        begin_import(cursor, bundle.path.name, contents, requested, sizes)
        if requested != current:
            project.save_settings(requested)
    return look_alikes(label.name for label in requested.taxonomy.active) if contents.labels else []
