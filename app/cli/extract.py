"""`rondo extract`: what belongs to structured answers. Imports nothing heavy."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import JsonOption, ProjectOption, folder_of, run_verb
from app.cli.terminal import present

if TYPE_CHECKING:
    from core.extract.import_annotations import AnnotationImport
    from core.extract.prepare import Prepared

extract = typer.Typer(
    help="Structured answers, step by step: prepare.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_SHOWN = 5


def import_annotated(folder: Path, file: Path, map: Path | None, chunk: tuple[int, int], *, as_json: bool) -> None:
    """`rondo import FILE --map FILE`. chunk: size and overlap in characters."""
    from core.extract.import_annotations import import_annotations

    result = run_verb(
        folder,
        import_annotations,
        file=str(file.resolve()),
        map=_named(map),
        chunk=chunk[0],
        overlap=chunk[1],
    )
    present(result, annotation_lines, as_json=as_json)


def _named(map: Path | None) -> str | None:
    """A file, or the name of a template."""
    return None if map is None else str(map.resolve()) if map.exists() else str(map)


def annotation_lines(result: "AnnotationImport") -> list[str]:
    """What came in, and what did not, with where it stands."""
    records = result.records
    lines = [
        f"{result.documents:,} documents, {records.rows:,} texts: {records.added:,} new, {records.known:,} known.",
        "Answers: " + ", ".join(f"{step} {count:,}" for step, count in result.answered.items()) + ".",
    ]
    if empty := [step for step, count in result.answered.items() if not count]:
        lines.append(f"Nothing for {', '.join(empty)}: it can be asked, but there is nothing to train on yet.")
    if result.unread:
        lines.append(f"Warning: {result.unread:,} documents could not be read.")
    for what, shown, total in (
        ("parts did not come in", result.faults, result.all_faults),
        ("values are not in their text; they came in as such", result.absent, result.all_absent),
    ):
        if total:
            lines.append(f"Warning: {total:,} {what}:")
            lines += [f"  {one}" for one in shown[:_SHOWN]]
            lines += [f"  … and {total - _SHOWN:,} more (--json shows {len(shown)})"] if total > _SHOWN else []
    return [*lines, "Next: rondo next (choose the first batch), rondo up (answer it)."]


@extract.command("prepare")
def prepare_(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder to write to.")],
    steps: Annotated[str, typer.Option(help="Names of steps, comma-separated. Default: all.")] = "",
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder or file of annotations to take instead of the project's answers.")
    ] = None,
    map_: Annotated[Path | None, typer.Option("--map", help="As for an import of it.")] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the answers as training data: STEP_train.jsonl (instruction, input, output) and STEP_chat.jsonl."""
    from core.extract.prepare import prepare as verb

    result = run_verb(
        folder_of(context, project),
        verb,
        out=str(out.resolve()),
        steps=[name.strip() for name in steps.split(",") if name.strip()],
        data_dir=str(data_dir.resolve()) if data_dir else None,
        map=_named(map_),
    )
    present(result, prepared_lines, as_json=as_json)


def prepared_lines(result: "Prepared") -> list[str]:
    """A line for each step."""
    lines = []
    for step in result.steps:
        none = " Nothing to train on." if not step.examples else ""
        lines.append(
            f"{step.step}: {step.examples:,} examples, {step.without:,} texts without an answer to it.{none} "
            f"{Path(step.files[0]).name}, {Path(step.files[1]).name}"
        )
    return [*lines, *(f"Warning: {fault}" for fault in result.unread)]
