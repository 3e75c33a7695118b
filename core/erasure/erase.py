"""Erasing people's texts for good: a preview, then the database, the vectors and the project's files. Knows no page.

First the rows go, in one transaction which also writes down which files are to follow; then the files; last the
database is copied into a fresh file. Whoever opens the project after a kill in between goes on (`finish`).
"""

import secrets
from typing import Any

from core.erasure.holders import Traces, find_traces, remove, thin_evaluations, thin_maps
from core.erasure.rows import delete_answers, delete_records, names
from core.erasure.selection import Request, Selection, counts, select, shown, sources
from core.errors import Refused
from core.exchange.datasets import read_datasets, read_places, server_of
from core.jobs.bundle import Report
from core.models.vectors import blank_rows
from core.project import Project
from core.rounds.play import take_turn
from core.store.database import note
from core.training.following import job_forget

STEPS = 3


def erase(project: Project, report: Report, *, sure: bool = False, who: str = "local", **wish: Any) -> dict[str, Any]:
    """What would go, or with `sure` what went: records with all that hangs on them, or a person's answers and name.

    wish: record (ids), annotator, query, as in `Request`; leave_argilla: also where what stands in Argilla cannot be
    deleted. Raises BadInput where there is nothing of the kind, Refused while a job under way holds it, or while
    Argilla cannot be reached.
    """
    request = Request(tuple(wish.get("record") or ()), wish.get("annotator"), wish.get("query"))
    leave_argilla = bool(wish.get("leave_argilla"))
    if not sure:
        return _preview(project, request)[2]
    with take_turn(project, report), project.encoding_now:
        report("Looking for it", 0, STEPS)
        selection, traces, result = _preview(project, request)
        _refuse_busy(project, selection, traces)
        if result["argilla"] and not leave_argilla:
            report("Erasing in Argilla", 0, STEPS)
            _erase_in_argilla(project, selection)
        _erase_elsewhere(project, result["jobs"])
        report("Erasing", 1, STEPS)
        thin_evaluations(project, traces, selection)
        _delete(project, selection, traces, result, who)
        finish(project)
        report("Erasing", STEPS, STEPS)
    return {**result, "done": True}


def finish(project: Project) -> int:
    """Does what is left to do of every erasure: files, vectors, and a fresh database. Returns how many there were."""
    rows = project.store.query("select id, ns, files from erasures")
    for _, ns, files in rows:
        remove(project, files)
        blank_rows(project.vectors, ns)
        thin_maps(project, ns)
    if rows:
        project.store.rewrite()
        with project.store.transaction() as cursor:
            cursor.execute("delete from erasures where list_contains(?::varchar[], id)", [[id for id, *_ in rows]])
    return len(rows)


def _preview(project: Project, request: Request) -> tuple[Selection, Traces, dict[str, Any]]:
    settings = project.settings()
    with project.store.reading() as cursor:
        selection = select(cursor, request, settings)
        result: dict[str, Any] = {
            "done": False,
            "annotator": selection.annotator,
            "records": len(selection.ns),
            "same_text": selection.same_text,
            "shown": shown(cursor, selection.ns),
            **counts(cursor, selection.ns),
            "sources": sources(cursor, selection.ns),
        }
    if selection.annotator:
        result |= _of_person(project, selection.annotator)
    traces = find_traces(project, selection)
    encoders = len(list(project.vectors.glob("*/manifest.json"))) if selection.ns else 0
    result |= {
        "vectors": len(selection.ns) * encoders,
        "exports": list(traces.exports),
        "jobs": sorted({name.split("/")[1] for name in traces.own if name.startswith("jobs/")}),
        "busy": list(traces.busy),
        "backups": list(traces.backups),
        "elsewhere": list(traces.elsewhere),
    }
    return selection, traces, result


class _Undo(Exception):
    """Ends a transaction that was only to count."""


def _of_person(project: Project, name: str) -> dict[str, int]:
    """What erasing the person would cost: done, and taken back at once."""
    result: dict[str, int] = {}
    try:
        with project.store.transaction() as cursor:
            result = delete_answers(cursor, name, project.settings())
            raise _Undo
    except _Undo:
        return result


def _refuse_busy(project: Project, selection: Selection, traces: Traces) -> None:
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


def _erase_elsewhere(project: Project, jobs: list[str]) -> None:
    """What jobs that did not succeed were given and lies where they ran still. Raises Refused where nobody answers."""
    rows = project.store.query(
        """select id from jobs where list_contains(?::varchar[], id) and handle is not null
             and runner <> 'local' and state <> 'succeeded'""",
        [jobs],
    )
    for (job,) in rows:
        job_forget(project, lambda *_: None, job=job)


def _erase_in_argilla(project: Project, selection: Selection) -> None:
    """In every dataset there that holds one of the records."""
    try:
        with project.team.open(project.folder, project.settings()) as workspace:
            with project.store.reading() as cursor:
                datasets = [one.id for one in read_datasets(cursor, server_of(workspace))]
                places = read_places(cursor, datasets, selection.ns)
            for dataset in sorted({place.dataset for place in places}):
                workspace.erase(dataset, [place.record for place in places if place.dataset == dataset])
    except Refused as error:
        raise Refused(
            f"It stands in Argilla, too, and was not erased there: {error} Or erase it here alone with "
            "--leave-argilla. Nothing was erased."
        ) from None


def _delete(project: Project, selection: Selection, traces: Traces, result: dict[str, Any], who: str) -> None:
    """What stays is that it was done, with counts: neither texts nor ids nor names."""
    line = {name: result[name] for name in ("records", "answers", "labels", "suggestions", "vectors")}
    with project.desk.changing() as cursor:
        if selection.annotator:
            line = {"people": 1, **delete_answers(cursor, selection.annotator, project.settings())}
        else:
            delete_records(cursor, selection)
        line |= {"exports": len(traces.exports)}
        cursor.execute(
            "insert into erasures values (?, ?, ?)", [secrets.token_hex(8), list(selection.ns), list(traces.own)]
        )
        note(cursor, who, "erase", line)
