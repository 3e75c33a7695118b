"""`rondo taxonomy`: labels side by side, what a step touches, doing it, taking it back. Imports nothing heavy."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.options import JsonOption, ProjectOption, folder_of, run_verb
from app.cli.terminal import present
from app.words import change_sentences

if TYPE_CHECKING:
    from core.labelling.taxonomy_changes import LabelEntry, TaxonomyList
    from core.loop import Refitted

taxonomy = typer.Typer(
    help="Taxonomies: list, use, load, diff, map, migrate; add, rename, retire, merge, split, move, describe; undo.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
PreviewOption = Annotated[bool, typer.Option("--preview", help="Say what it would touch, and change nothing.")]
LabelArgument = Annotated[str, typer.Argument(help="A label's name, TAXONOMY:NAME, its path, or its id.")]


@taxonomy.command("list")
def list_(context: typer.Context, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """List the taxonomies, their labels with the answers that name them, and the versions so far."""
    from core.labelling.taxonomy_changes import taxonomy_list

    present(run_verb(folder_of(context, project), taxonomy_list), list_lines, as_json=as_json)


def list_lines(result: "TaxonomyList") -> list[str]:
    """A heading for each taxonomy, a line for each of its labels, the newest versions."""
    lines = []
    for entry in result.taxonomies:
        lines.append(f"{entry.name}{' (in use)' if entry.in_use else ''}: {len(entry.labels):,} labels")
        lines += [_label_line(label) for label in entry.labels]
    shown = [f"{one.version}{f' (as {one.restores})' if one.restores else ''}" for one in result.versions[:10]]
    return [*lines, f"Version {result.version}; the newest: {', '.join(shown) or 'none yet'}."]


def _label_line(label: "LabelEntry") -> str:
    parts = [f"{label.answers:,} answers", *(["retired"] if label.retired else [])]
    parts += [f"counts as {', '.join(label.counts_as)}"] if label.counts_as else []
    parts += [f"hints at {', '.join(label.maps_to)}"] if label.maps_to else []
    description = f"  {label.description}" if label.description else ""
    return f"  {label.path} [{'; '.join(parts)}]{description}"


def _step(context: typer.Context, project: Path | None, as_json: bool, name: str, /, **options: Any) -> None:
    from core.labelling.taxonomy_changes import STEPS
    from core.loop import refit

    folder = folder_of(context, project)
    result = run_verb(folder, STEPS[name], **options)
    present(result, change_sentences, as_json=as_json)
    if result.applied and (result.switched or result.answers):
        fitted = run_verb(folder, refit)
        if not as_json and (result.switched or fitted.model):
            typer.echo(_fitted(fitted))


def _fitted(result: "Refitted") -> str:
    if result.model is None:
        return "There is no model to replace, or no answer counts here yet that one could learn from."
    return f"{result.model} has learnt from {result.labels:,} answers that count here, and suggests from now on."


def _source(word: str) -> str:
    """A server reads a file from another folder."""
    return str(Path(word).resolve()) if Path(word).exists() else word


@taxonomy.command()
def diff(
    context: typer.Context,
    target: Annotated[
        str, typer.Argument(help="A taxonomy's name, a version's number, or a TOML file like rondo.toml.")
    ],
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what would be touched if these labels were in force."""
    from core.labelling.taxonomy_changes import taxonomy_diff

    result = run_verb(folder_of(context, project), taxonomy_diff, target=_source(target))
    present(result, change_sentences, as_json=as_json)


@taxonomy.command()
def use(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The taxonomy.")],
    preview: PreviewOption = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer with this taxonomy from now on; answers with others stay, and count again with theirs."""
    _step(context, project, as_json, "use", name=name, preview=preview)


@taxonomy.command()
def load(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help="A TOML file with [[taxonomy.labels]], or a template: folders.")],
    preview: PreviewOption = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add the taxonomies of a file or template beside those there are."""
    _step(context, project, as_json, "load", source=_source(source), preview=preview)


@taxonomy.command()
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The new label.")],
    description: Annotated[str, typer.Option(help="What it means, in a sentence.")] = "",
    under: Annotated[str, typer.Option(help="The label that it stands under.")] = "",
    preview: PreviewOption = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a label, or bring a retired one back."""
    _step(context, project, as_json, "add", name=name, description=description, under=under, preview=preview)


@taxonomy.command()
def rename(
    context: typer.Context,
    label: LabelArgument,
    name: Annotated[str, typer.Argument(help="Its new name.")],
    preview: PreviewOption = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rename a label; every answer stays."""
    _step(context, project, as_json, "rename", label=label, name=name, preview=preview)


@taxonomy.command()
def retire(
    context: typer.Context,
    label: LabelArgument,
    preview: PreviewOption = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Offer a label no longer; records that have it are asked again."""
    _step(context, project, as_json, "retire", label=label, preview=preview)


@taxonomy.command()
def merge(
    context: typer.Context,
    labels: Annotated[list[str], typer.Argument(help="The labels that go.")],
    into: Annotated[str, typer.Option(help="The label that their answers count as.")],
    preview: PreviewOption = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count answers with these labels as answers with another one."""
    _step(context, project, as_json, "merge", labels=labels, into=into, preview=preview)


@taxonomy.command()
def split(
    context: typer.Context,
    label: LabelArgument,
    into: Annotated[list[str], typer.Argument(help="Labels in its place; those that are not there yet are added.")],
    preview: PreviewOption = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask again, for one of several labels, where this one was given; the old label stands beside the record."""
    _step(context, project, as_json, "split", label=label, into=into, preview=preview)


@taxonomy.command()
def move(
    context: typer.Context,
    label: LabelArgument,
    under: Annotated[str, typer.Option(help="The label above it. Default: to the top.")] = "",
    before: Annotated[str, typer.Option(help="The label that it comes to stand before, in lists and keys.")] = "",
    preview: PreviewOption = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Move a label under another one, or to another place."""
    _step(context, project, as_json, "move", label=label, under=under, before=before, preview=preview)


@taxonomy.command()
def describe(
    context: typer.Context,
    label: LabelArgument,
    description: Annotated[str | None, typer.Option(help="What it means, in a sentence.")] = None,
    colour: Annotated[str | None, typer.Option(help="As #rrggbb; empty for none.")] = None,
    example: Annotated[list[str] | None, typer.Option(help="A text that has it; again for more. Replaces all.")] = None,
    counter_example: Annotated[list[str] | None, typer.Option(help="One that only looks so.")] = None,
    preview: PreviewOption = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what a label means; what is not named stays."""
    texts = {"examples": example or None, "counter_examples": counter_example or None}
    fields = {"description": description, "colour": colour, **texts}
    _step(context, project, as_json, "describe", label=label, **fields, preview=preview)


@taxonomy.command("map")
def map_(
    context: typer.Context,
    label: LabelArgument,
    to: Annotated[list[str] | None, typer.Argument(help="Labels of other taxonomies. Default: none any more.")] = None,
    preview: PreviewOption = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show answers with a label as hints at labels of another taxonomy."""
    _step(context, project, as_json, "map", label=label, to=to or [], preview=preview)


@taxonomy.command()
def migrate(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help="The taxonomy that the answers are of.")],
    to: Annotated[str, typer.Option(help="The taxonomy that they shall count in. Default: the one in use.")] = "",
    preview: PreviewOption = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count answers of one taxonomy in another, where their label is mapped to one label of it."""
    _step(context, project, as_json, "migrate", source=source, to=to, preview=preview)


@taxonomy.command()
def undo(
    context: typer.Context,
    version: Annotated[
        int, typer.Option(help="Back to the labels of this version. Default: before the newest step.")
    ] = 0,
    preview: PreviewOption = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take the newest step back; again, the one before it."""
    _step(context, project, as_json, "undo", version=version, preview=preview)
