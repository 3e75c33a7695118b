"""Commands on trees of folders: gather a snapshot, look at snapshots, make records of folders."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import JsonOption, ProjectOption, folder_of, run_verb, without_a_command
from app.cli.terminal import present
from app.words import difference_sentence, features_sentences, size_in_words

if TYPE_CHECKING:
    from core.trees.features import Features
    from core.trees.gather import Gathered
    from core.trees.snapshots import Snapshot, SnapshotDetail, SnapshotDifference, SnapshotList

snapshots = typer.Typer(
    help="Snapshots of folder trees: list them, look into one, compare two.", invoke_without_command=True
)

NumberOption = Annotated[int | None, typer.Option("--snapshot", help="Its number. Default: the newest.")]


def gather_(
    context: typer.Context,
    source: Annotated[
        Path,
        typer.Argument(metavar="DIR|LISTING", help="A folder; or a file of paths: a line each, CSV, JSONL, Parquet."),
    ],
    name: Annotated[
        str | None,
        typer.Option(help="What the tree is called: a later snapshot of it has the same name. Default: the folder's."),
    ] = None,
    column: Annotated[
        str | None, typer.Option(help="Of a table: the column with the paths. Default: the one called path.")
    ] = None,
    root: Annotated[str, typer.Option(help="Of a listing: what is taken off the beginning of every path.")] = "",
    encoding: Annotated[str, typer.Option(help="Character encoding of a text or CSV listing.")] = "utf-8",
    follow_links: Annotated[
        bool, typer.Option("--follow-links", help="Go into links to folders, each folder once. Default: report them.")
    ] = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a snapshot of a tree of folders: numbered, and never changed."""
    from core.trees.gather import gather

    result = run_verb(
        folder_of(context, project),
        gather,
        source=str(source.resolve()),
        name=name,
        column=column,
        root=root,
        encoding=encoding,
        follow_links=follow_links,
    )
    present(result, _gathered_lines, as_json=as_json)


def _gathered_lines(result: "Gathered") -> Iterator[str]:
    size = f", {size_in_words(result.bytes)}" if result.bytes is not None else ""
    yield f"Snapshot {result.snapshot} of {result.name}: {result.folders:,} folders, {result.files:,} files{size}."
    yield from _reason_lines(result.reasons)
    for one in result.examples:
        yield f"  {one.path}: {one.reason}"
    if result.skipped > len(result.examples):
        yield f"  … rondo snapshots show {result.snapshot} says where all of them are listed."
    yield f"Next: rondo features --snapshot {result.snapshot} (a record for each folder)."


def _reason_lines(reasons: Mapping[str, int]) -> Iterator[str]:
    for reason, count in reasons.items():
        yield f"Left out: {count:,} × {reason}."


def _snapshot_line(one: "Snapshot") -> str:
    left_out = f", {one.skipped:,} left out" if one.skipped else ""
    counts = f"{one.folders:,} folders, {one.files:,} files{left_out}"
    return f"{one.number}  {one.made_at}  {one.name}: {counts} ({one.source})"


def list_(context: typer.Context, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """All snapshots, the oldest first."""
    from core.trees.snapshots import snapshots

    def lines(result: "SnapshotList") -> list[str]:
        return [_snapshot_line(one) for one in result.snapshots] or ["There is no snapshot yet: rondo gather FOLDER"]

    present(run_verb(folder_of(context, project), snapshots), lines, as_json=as_json)


without_a_command(snapshots, list_)
snapshots.command("list")(list_)


@snapshots.command()
def show(
    context: typer.Context,
    number: Annotated[int | None, typer.Argument(metavar="N", help="Its number. Default: the newest.")] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Depths, extensions, the largest folders, and what was left out."""
    from core.trees.snapshots import snapshot

    def lines(result: "SnapshotDetail") -> Iterator[str]:
        one = result.snapshot
        yield _snapshot_line(one)
        if one.bytes is not None:
            yield f"{size_in_words(one.bytes)} in all."
        yield f"Folders by depth: {', '.join(f'{depth}: {count:,}' for depth, count in result.depths.items())}."
        named = ((name or "(none)", count) for name, count in result.extensions.items())
        yield f"Extensions: {', '.join(f'{name} {count:,}' for name, count in named)}."
        for path, count in result.largest.items():
            yield f"  {count:,} files in {path}"
        yield from _reason_lines(one.reasons)
        for left_out in result.skipped:
            yield f"  {left_out.path}: {left_out.reason}"
        if one.skipped > len(result.skipped):
            yield f"  … all of them: snapshots/{one.number:05d}/skipped.parquet"

    present(run_verb(folder_of(context, project), snapshot, number=number), lines, as_json=as_json)


@snapshots.command()
def diff(
    context: typer.Context,
    older: Annotated[int, typer.Argument(metavar="A", help="The older one.")],
    newer: Annotated[int, typer.Argument(metavar="B", help="The newer one.")],
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Folders that came, went and moved from one snapshot to another."""
    from core.trees.snapshots import snapshot_diff

    def lines(result: "SnapshotDifference") -> Iterator[str]:
        yield difference_sentence(result)
        yield from (f"  + {path}" for path in result.added_paths)
        yield from (f"  - {path}" for path in result.vanished_paths)
        yield from (f"  {path} -> {target}" for path, target in result.moved_paths.items())
        yield from (f"  ~ {path}" for path in result.changed_paths)

    present(run_verb(folder_of(context, project), snapshot_diff, older=older, newer=newer), lines, as_json=as_json)


def features_(
    context: typer.Context,
    snapshot: NumberOption = None,
    batch_size: Annotated[int, typer.Option(help="Folders that are written at a time.", min=1)] = 1000,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a record of each folder of a snapshot, with what is around it; a later snapshot adds and marks."""
    from core.trees.features import features

    def lines(result: "Features") -> Iterator[str]:
        yield from features_sentences(result)
        yield "Next: rondo samples --out FILE.csv (label in a spreadsheet), or rondo next, rondo up."

    folder = folder_of(context, project)
    present(run_verb(folder, features, snapshot=snapshot, batch_size=batch_size), lines, as_json=as_json)
