"""`rondo paper`: what a paper may say of a project, and what a reviewer needs to choose its rounds again."""

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import JsonOption, ProjectOption, folder_of, run_verb
from app.cli.terminal import present

if TYPE_CHECKING:
    from core.paper.paper import PaperBundle


def paper_(
    context: typer.Context,
    out: Annotated[
        str, typer.Option(help="A new folder, or a file that ends in .zip. Default: exports/paper-TIME of the project.")
    ] = "",
    texts: Annotated[
        bool, typer.Option("--texts", help="With the texts of the records and people's notes, where you may give them.")
    ] = False,
    names: Annotated[bool, typer.Option("--names", help="With the annotators' names; else they are numbered.")] = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a paper bundle: methods text, tables, figures, and what a reviewer needs to choose the rounds again."""
    from core.paper.paper import paper

    result = run_verb(folder_of(context, project), paper, out=out, texts=texts, names=names)
    present(result, paper_lines, as_json=as_json)


def paper_lines(result: "PaperBundle") -> list[str]:
    """What was written, and what it lacks."""
    figures = ", ".join(result.figures) or "none"
    lines = [
        f"Wrote {result.path}: {result.files:,} files, {result.answers:,} answers.",
        f"Tables: {', '.join(result.tables) or 'none'}. Figures: {figures}.",
    ]
    if result.missing:
        lines.append("Mind, as its README says:")
    return lines + [f"  {sentence}" for sentence in result.missing]
