"""Erasing people's texts permanently: a preview, then the database, the vectors and the project's files. Knows no page.

First the rows are deleted, in one transaction that also records which files are to follow; then the files; last the
database is copied into a new file. After a kill in between, the next opening of the project continues
(`finish_erasures`).
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.erasure.holders import Traces, find_traces, remove, thin_evaluations, thin_maps
from core.erasure.rows import delete_answers, delete_records, names
from core.erasure.selection import ErasureSelection, Request, ShownRecord, counts, select, shown_records, sources
from core.errors import Refused
from core.exchange.datasets import read_dataset_records, read_datasets, server_of
from core.explore.saved_views import forget_in_views
from core.jobs.bundle import Report
from core.models.vectors import blank_rows
from core.project import Project
from core.rounds.run_round import hold_round_lock
from core.store.database import note
from core.training.following import job_forget

STEPS = 3


@dataclass(frozen=True)
class Erasure:
    """What would go, or went (`done`): of records what hangs on them, of a person (`annotator`) every answer.

    same_text: of the records, those that were not named but have the text of one that was. shown: the first records, of
    what would go alone. sides: records of sources,
    with the pairs that they are in. models: made after one of
    them was labelled. labels_lost, labels_changed: by taking a person's answers away. sources: files that would bring
    the records back. jobs, exports: what goes with them; busy: jobs under way that hold it; backups, elsewhere: files
    that hold it and stay.
    """

    done: bool
    annotator: str | None
    records: int
    same_text: int
    shown: list[ShownRecord]
    answers: int
    labels: int
    suggestions: int
    machine: int
    queued: int
    argilla: int
    models: int
    labels_lost: int
    labels_changed: int
    sources: list[str]
    vectors: int
    exports: list[str]
    jobs: list[str]
    busy: list[str]
    backups: list[str]
    elsewhere: list[str]
    sides: int = 0


def erase(  # noqa: PLR0913 - each is an option of the command
    project: Project,
    report: Report,
    *,
    record: Sequence[str] = (),
    annotator: str | None = None,
    query: str | None = None,
    leave_argilla: bool = False,
    sure: bool = False,
    user: str = "local",
) -> Erasure:
    """Previews an erasure, or with `sure` performs it: records with all that refers to them, or a person's answers and
    name.

    record, annotator, query: as in `Request`. leave_argilla: erases even where the copies in Argilla cannot be deleted.
    Raises BadInput where nothing matches, Refused while a running job holds it, or while Argilla cannot be reached.
    """
    request = Request(tuple(record), annotator, query)
    if not sure:
        return _preview(project, request)[2]
    with hold_round_lock(project, report), project.encoding_now:
        report("Looking for it", 0, STEPS)
        selection, traces, preview = _preview(project, request)
        _refuse_busy(project, selection, traces)
        if preview.argilla and not leave_argilla:
            report("Erasing in Argilla", 0, STEPS)
            _erase_in_argilla(project, selection)
        # what jobs that did not succeed were given may lie where they ran still
        rows = project.store.query(
            """select id from jobs where list_contains(?::varchar[], id) and handle is not null
                 and runner <> 'local' and state <> 'succeeded'""",
            [preview.jobs],
        )
        for (job,) in rows:
            job_forget(project, lambda *_: None, job=job)
        report("Erasing", 1, STEPS)
        thin_evaluations(project, traces, selection)
        forget_in_views(project, (*selection.ids, *filter(None, [selection.annotator])), selection.texts)
        _delete(project, selection, traces, preview, user)
        finish_erasures(project)
        report("Erasing", STEPS, STEPS)
    return replace(preview, done=True, shown=[])


def finish_erasures(project: Project) -> int:
    """Completes every unfinished erasure: files, vectors, and a rewritten database. Returns how many there were."""
    rows = project.store.query("select id, ns, files from erasures")
    for _, record_nos, files in rows:
        remove(project, files)
        blank_rows(project.vectors, record_nos)
        thin_maps(project, record_nos)
    if rows:
        project.store.rewrite()
        with project.store.transaction() as cursor:
            cursor.execute("delete from erasures where list_contains(?::varchar[], id)", [[id for id, *_ in rows]])
    return len(rows)


def _preview(project: Project, request: Request) -> tuple[ErasureSelection, Traces, Erasure]:
    with project.store.reading() as cursor:
        selection = select(cursor, request, project.settings())
        first, hanging = shown_records(cursor, selection.record_nos), counts(cursor, selection.record_nos)
        came_from = sources(cursor, selection)
    if selection.annotator:
        hanging |= _of_person(project, selection.annotator)
    traces = find_traces(project, selection)
    encoders = len(list(project.vectors.glob("*/manifest.json"))) if selection.record_nos else 0
    preview = Erasure(
        done=False,
        annotator=selection.annotator,
        records=len(selection.record_nos),
        same_text=selection.same_text,
        shown=first,
        **{"labels_lost": 0, "labels_changed": 0, **hanging},
        sources=came_from,
        vectors=len(selection.record_nos) * encoders,
        exports=list(traces.exports),
        jobs=sorted({name.split("/")[1] for name in traces.own if name.startswith("jobs/")}),
        busy=list(traces.busy),
        backups=list(traces.backups),
        elsewhere=list(traces.elsewhere),
        sides=len(selection.sides),
    )
    return selection, traces, preview


class _Undo(Exception):
    """Rolls back a transaction that was only a preview."""


def _of_person(project: Project, name: str) -> dict[str, int]:
    """The effect of erasing the person: performed, counted and rolled back."""
    result: dict[str, int] = {}
    try:
        with project.store.transaction() as cursor:
            result = delete_answers(cursor, name, project.settings())
            raise _Undo
    except _Undo:
        return result


def _refuse_busy(project: Project, selection: ErasureSelection, traces: Traces) -> None:
    if traces.busy:
        raise Refused(
            f"The job {traces.busy[0]} is under way and holds it. Wait for its end, or stop it: "
            f"`rondo jobs cancel {traces.busy[0]}`. Nothing was erased."
        )
    with project.store.reading() as cursor:
        if selection.annotator in names(cursor):
            raise Refused(
                f"{selection.annotator} may still come in. First: `rondo people remove`, with this name. "
                "Nothing was erased."
            )


def _erase_in_argilla(project: Project, selection: ErasureSelection) -> None:
    """In every dataset there that holds one of the records."""
    try:
        with project.team.open(project.folder, project.settings()) as workspace:
            with project.store.reading() as cursor:
                datasets = [one.id for one in read_datasets(cursor, server_of(workspace))]
                entries = read_dataset_records(cursor, datasets, selection.record_nos)
            for dataset in sorted({entry.dataset for entry in entries}):
                workspace.erase(dataset, [entry.record for entry in entries if entry.dataset == dataset])
    except Refused as error:
        raise Refused(
            f"It stands in Argilla, too, and was not erased there: {error} Or erase it here alone with "
            "--leave-argilla. Nothing was erased."
        ) from None


def _delete(project: Project, selection: ErasureSelection, traces: Traces, preview: Erasure, user: str) -> None:
    """The audit log keeps that it was done, with counts: no texts, ids or names."""
    line = {
        name: getattr(preview, name) for name in ("records", "sides", "answers", "labels", "suggestions", "vectors")
    }
    with project.label_queue.changing() as cursor:
        if selection.annotator:
            line = {"people": 1, **delete_answers(cursor, selection.annotator, project.settings())}
        else:
            delete_records(cursor, selection)
        line |= {"exports": len(traces.exports)}
        cursor.execute(
            "insert into erasures values (?, ?, ?)",
            [secrets.token_hex(8), list(selection.record_nos), list(traces.own)],
        )
        note(cursor, user, "erase", line)
