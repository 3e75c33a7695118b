"""Commands around a spreadsheet of labels: sample, take back, and queue what the model is not sure of."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.data.trees import NumberOption
from app.cli.options import JsonOption, ProjectOption, SeedOption, folder_of, run_verb
from app.cli.terminal import present
from app.words import sheet_sentences

if TYPE_CHECKING:
    from core.labelling.unsure import ReviewBatch
    from core.sheets.apply import AppliedSheet
    from core.sheets.samples import WrittenSample

_SHOWN = 20
"""refused rows"""


def samples_(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="File to write: .csv, .xlsx, .jsonl or .parquet.")],
    snapshot: NumberOption = None,
    size: Annotated[int, typer.Option(help="Records in it.", min=1)] = 800,
    min_depth: Annotated[
        int | None, typer.Option(help="Of folders: least depth, 1 is right below the root. Default with --snapshot: 1.")
    ] = None,
    max_depth: Annotated[
        int | None, typer.Option(help="Of folders: greatest depth. Default with --snapshot: 10.")
    ] = None,
    diversity: Annotated[
        float, typer.Option(help="Share that is chosen as far from all others as can be: 0 is random, 1 all of it.")
    ] = 0.7,
    seed: SeedOption = None,
    excel: Annotated[
        bool,
        typer.Option("--excel", help="For Excel: a byte-order mark, an apostrophe before what would be a formula."),
    ] = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a diverse sample of unlabelled records with an empty column `label`; rondo apply takes it back."""
    from core.sheets.samples import samples

    def lines(result: "WrittenSample") -> Iterator[str]:
        yield f"Wrote {result.rows:,} of {result.pool:,} records to {result.file} (seed {result.seed})."
        yield f"Next: fill in the column label, then rondo apply {Path(result.file).name}"

    result = run_verb(
        folder_of(context, project),
        samples,
        out=str(out.resolve()),
        snapshot=snapshot,
        size=size,
        min_depth=1 if min_depth is None and snapshot is not None else min_depth,
        max_depth=10 if max_depth is None and snapshot is not None else max_depth,
        diversity=diversity,
        seed=seed,
        excel=excel,
    )
    present(result, lines, as_json=as_json)


def apply_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Excel workbook, CSV, TSV, JSON, JSONL or Parquet with labels.")],
    split: Annotated[
        str | None, typer.Option(help="Of all its rows: train, validation, or test, whose records are gold.")
    ] = None,
    id_: Annotated[str | None, typer.Option("--id", help="Column that names the record. Default: id, or path.")] = None,
    label: Annotated[str, typer.Option(help="Column with the labels.")] = "label",
    annotator: Annotated[
        str | None, typer.Option(help="Who gave them: they are that person's answers. Default: the file's own.")
    ] = None,
    encoding: Annotated[str, typer.Option(help="Character encoding of CSV and JSONL.")] = "utf-8",
    add_labels: Annotated[
        bool, typer.Option("--add-labels", help="Add labels that are not in the taxonomy yet.")
    ] = False,
    preview: Annotated[bool, typer.Option("--preview", help="Say what would be taken, and change nothing.")] = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take labels of a spreadsheet back, and say of every row that is refused why."""
    from core.sheets.apply import apply

    result = run_verb(
        folder_of(context, project),
        apply,
        file=str(file.resolve()),
        split=split,
        id=id_,
        label=label,
        annotator=annotator,
        encoding=encoding,
        add_labels=add_labels,
        preview=preview,
    )
    present(result, _applied_lines, as_json=as_json)


def _applied_lines(result: "AppliedSheet") -> Iterator[str]:
    yield from sheet_sentences(result)
    for one in result.refused[:_SHOWN]:
        yield f"  {one.location} ({one.record}): {one.reason}"
    if result.refusals > _SHOWN:
        yield f"  … {result.refusals - _SHOWN:,} more: --json has them all."


def review_(
    context: typer.Context,
    below: Annotated[float, typer.Option(help="Queue records whose suggestion is less probable than this.")] = 0.6,
    size: Annotated[int, typer.Option(help="Records at most, the least sure first.", min=1)] = 50,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Queue what the model is not sure of, before the batch, with its suggestion."""
    from core.labelling.unsure import review

    def lines(result: "ReviewBatch") -> Iterator[str]:
        yield (
            f"{result.unsure:,} of {result.suggestions:,} suggestions are below {result.below:.0%}; "
            f"{result.queued:,} queued, the least sure first."
        )
        yield "Next: rondo up (label them), then rondo round."

    present(run_verb(folder_of(context, project), review, below=below, size=size), lines, as_json=as_json)
