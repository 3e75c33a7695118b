"""The commands that write files and data sets, and what they print. Knows the verbs' results, not how they are made."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.data.addresses import outgoing, sent_name
from app.cli.options import JsonOption, ProjectOption, errors, folder_of, run_verb
from app.cli.terminal import present

if TYPE_CHECKING:
    from rich.console import RenderableType

    from core.loop import ExportedFile
    from core.registry.data_push import DataPushResult

WhatOption = Annotated[
    str,
    typer.Option(
        help="labels; complete (one per record, people's or the machine's); machine; suggestions; "
        "queue (what waits, as a sheet); train, validation or test (texts as models read them); "
        "answers (each person's, a row each); responses (one line per event); or all. Of pairs also pairs; clusters; "
        "golden; mapping; splink_pairs; splink_clusters; dedupe."
    ),
]


def export(
    context: typer.Context,
    out: Annotated[
        str, typer.Option(help="File to write, or an address (s3://BUCKET/FILE); of argilla and huggingface a folder.")
    ],
    file_format: Annotated[
        str,
        typer.Option(
            "--format",
            help="csv, tsv, jsonl, json, xlsx, parquet, arrow; huggingface, label-studio, prodigy, doccano, argilla, "
            "spacy, fasttext, openai-chat. `rondo formats` says what each can hold. json for dedupe.",
        ),
    ],
    what: WhatOption = "labels",
    card: Annotated[
        bool, typer.Option("--card", help="Write a data card beside it: how the labels came about, how good they are.")
    ] = False,
    excel: Annotated[
        bool,
        typer.Option(
            "--excel", help="CSV for Excel: a byte-order mark, and an apostrophe before what would be a formula."
        ),
    ] = False,
    by_split: Annotated[
        bool, typer.Option("--by-split", help="FILE_train, FILE_validation and FILE_test in place of FILE.")
    ] = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write labels, suggestions or responses to a file."""
    from core.loop import export as verb

    with outgoing(out) as target:
        result = run_verb(
            folder_of(context, project),
            verb,
            out=str(target),
            file_format=file_format,
            what=what,
            card=card,
            excel=excel,
            by_split=by_split,
        )
    files = {sent_name(file, target, out): rows for file, rows in result.files.items()}
    beside = sent_name(result.card, target, out) if result.card else None
    result = replace(result, file=sent_name(result.file, target, out), card=beside, files=files)
    present(result, export_lines, as_json=as_json)


def export_lines(result: "ExportedFile") -> list[str]:
    """The files, what became of what the format cannot hold, and the card."""
    from app.words import loss_lines

    lines = [f"Wrote {rows:,} rows to {file}." for file, rows in (result.files or {result.file: result.rows}).items()]
    lines += loss_lines(result.lost, result.changes)
    return [*lines, f"The data card is {result.card}."] if result.card else lines


def push_data_(
    context: typer.Context,
    repo: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="The data set on the Hugging Face Hub.")],
    what: Annotated[str, typer.Option(help="labels, complete, machine, all or answers.")] = "labels",
    file_format: Annotated[str, typer.Option("--format", help="parquet or csv: a file for each split.")] = "parquet",
    public: Annotated[bool, typer.Option("--public", help="For everybody to read; otherwise private.")] = False,
    names: Annotated[bool, typer.Option("--names", help="With the annotators' names.")] = False,
    message: Annotated[str, typer.Option(help="Of the commit.")] = "",
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send texts and labels to the Hugging Face Hub as a data set: train, test, and the data card. HF_TOKEN must be
    set."""
    import os

    from core.registry.data_push import push_data

    def lines(result: "DataPushResult") -> list[str]:
        parts = ", ".join(f"{name} {rows:,}" for name, rows in result.parts.items())
        return [
            f"{'Private' if result.private else 'Public'}: {result.url} ({parts} rows, commit {result.commit[:12]}).",
            f"Read it anywhere: rondo import hf:{result.repo}",
        ]

    result = run_verb(
        folder_of(context, project),
        push_data,
        repo=repo,
        what=what,
        file_format=file_format,
        private=not public,
        names=names,
        message=message,
        token=os.environ.get("HF_TOKEN", ""),
    )
    present(result, lines, as_json=as_json)


def formats_(as_json: JsonOption = False) -> None:
    """Say which file formats can be read and written, and what each holds."""
    with errors():
        from core.data.formats.documentation import FormatLine, format_lines

        def lines(result: list[FormatLine]) -> list["RenderableType"]:
            from rich.table import Table

            table = Table("format", "", "", "does not hold", box=None, pad_edge=False)
            for one in result:
                lost = ", ".join(one.lost) if len(one.lost) <= len(one.holds) else f"all but {', '.join(one.holds)}"
                table.add_row(one.name, one.ways, "; ".join((one.caption, *one.changes)), lost)
            return [table]

        present(format_lines(), lines, as_json=as_json)
