"""The command that erases people's texts for good. Imports nothing heavy."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import JsonOption, ProjectOption, folder_of, run_verb
from app.cli.terminal import present, say

if TYPE_CHECKING:
    from core.erasure.erase import Erasure


def erase_(
    context: typer.Context,
    records: Annotated[list[str] | None, typer.Argument(metavar="[RECORD]...", help="Ids of records.")] = None,
    record: Annotated[list[str] | None, typer.Option(help="The same as an option; repeat it.")] = None,
    annotator: Annotated[
        str | None, typer.Option(help="A person: every answer, note and mention of the name. Records stay.")
    ] = None,
    query: Annotated[str | None, typer.Option(help="Every record whose text has all these words.")] = None,
    leave_argilla: Annotated[
        bool,
        typer.Option("--leave-argilla", help="Erase here even where Argilla cannot be reached and keeps its copy."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; else what would go is shown, and you are asked.")] = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Erase records, or a person's answers, for good: from the database, vectors, job inputs and exports."""
    from core.erasure.erase import erase

    folder, chosen = folder_of(context, project), [*(records or []), *(record or [])]
    if not yes:
        present(run_verb(folder, erase, record=chosen, annotator=annotator, query=query), _lines, as_json=as_json)
        if as_json:
            return
        if not sys.stdin.isatty():
            say("Nothing was erased yet. To do it: the same with --yes.")
            return
        if not typer.confirm("Erase this for good?"):
            say("Nothing was erased.")
            return
    result = run_verb(
        folder, erase, record=chosen, annotator=annotator, query=query, sure=True, leave_argilla=leave_argilla
    )
    present(result, _lines, as_json=as_json)


def _lines(result: "Erasure") -> list[str]:
    lines = _person(result) if result.annotator else _records(result)
    went = "Deleted" if result.done else "These go, too"
    lines += _list(f"{went}: exports that held it (export again)", result.exports)
    lines += _list(f"{went}: inputs of jobs, which can then not be tried again", result.jobs)
    lines += _list("Under way, and holding it; wait or cancel first", result.busy)
    lines += _list("BACKUPS THAT STILL HOLD IT; delete them, or keep them knowing that", result.backups)
    lines += _list("Files that hold it and are yours to delete", result.elsewhere)
    lines.append(
        "What stays: a line in the history that says when, by whom, and these counts; no text, no id, no name."
    )
    if result.models:
        lines.append(
            f"  {result.models:,} models may have learnt from them and are not changed: `rondo fit` makes one that "
            "has not; remove trained ones that should forget."
        )
    if result.sources:
        lines.append(f"They came from {', '.join(result.sources[:5])}: importing that again would bring them back.")
    if result.annotator:
        lines.append("An Argilla server or a file that still holds these answers would bring them back.")
    return lines


def _records(result: "Erasure") -> list[str]:
    lines = [f"{'Erased' if result.done else 'To be erased'}: {_what(result)}."]
    if result.same_text:
        lines.append(f"  {result.same_text:,} of them were not named, but have the text of one that was.")
    if not result.done:
        lines += [f"  {one.id}: {one.text}" for one in result.shown]
    hanging = {
        "answers to them": result.answers,
        "labels": result.labels,
        "suggestions": result.suggestions,
        "machine labels": result.machine,
        "places in the queue": result.queued,
        "vectors": result.vectors,
        "records in Argilla": result.argilla,
    }
    counts = [f"{count:,} {what}" for what, count in hanging.items() if count]
    return [*lines, f"  With them: {', '.join(counts)}."] if counts else lines


def _what(result: "Erasure") -> str:
    if not result.sides:
        return f"{result.records:,} records"
    return f"{result.sides:,} records of sources, and the {result.records:,} pairs that they are in"


def _person(result: "Erasure") -> list[str]:
    name = "a person" if result.done else result.annotator
    return [
        f"{'Erased' if result.done else 'To be erased'}: {name} and {result.answers:,} answers, notes with them.",
        f"  {result.labels_lost:,} labels rest on nobody else and go; {result.labels_changed:,} become another.",
    ]


def _list(what: str, names: Sequence[str]) -> list[str]:
    shown = [f"  {name}" for name in names[:20]]
    more = [f"  and {len(names) - 20:,} more"] if len(names) > 20 else []
    return [f"{what}:", *shown, *more] if names else []
