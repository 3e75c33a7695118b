"""The command that erases people's texts for good. Imports nothing heavy."""

import sys
from typing import Annotated

import typer

from app.cli.options import JsonOption, ProjectOption, folder_of, run_verb
from app.cli.terminal import present, say


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
    from app.erasure_words import erasure_lines
    from core.erasure.erase import erase

    folder, chosen = folder_of(context, project), [*(records or []), *(record or [])]
    if not yes:
        present(
            run_verb(folder, erase, record=chosen, annotator=annotator, query=query), erasure_lines, as_json=as_json
        )
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
    present(result, erasure_lines, as_json=as_json)
