"""The command line's part for the registry: models, promoting, rolling back, retraining. Imports nothing heavy."""

import os
from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import JsonOption, ModelArgument, ProjectOption, folder_of, run_verb
from app.cli.terminal import present, show
from app.cli.training import GpuOption, SetOption

WhoOption = Annotated[str, typer.Option("--who", help="Who decides; kept in the log.")]
ReasonOption = Annotated[str | None, typer.Option("--reason", help="Why; kept with the model.")]

models = typer.Typer(
    help="The models of the project: which is in use, what wants its place, and the way back.",
    invoke_without_command=True,
    rich_markup_mode=None,
)


@models.callback()
def root(context: typer.Context, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Without a command: list them."""
    context.obj = project or context.obj
    if context.invoked_subcommand is None:
        show("models", run_verb(folder_of(context, project), "models"), as_json=as_json)


@models.command("list")
def list_(context: typer.Context, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """List the models, newest first."""
    show("models", run_verb(folder_of(context, project), "models"), as_json=as_json)


@models.command("show")
def show_(
    context: typer.Context, model: ModelArgument, project: ProjectOption = None, as_json: JsonOption = False
) -> None:
    """Show what a model came from, how good it is, and when it was in use."""
    show("model", run_verb(folder_of(context, project), "model", model=model), as_json=as_json)


@models.command()
def promote(
    context: typer.Context,
    model: ModelArgument,
    force: Annotated[bool, typer.Option("--force", help="In spite of the gate; needs --reason.")] = False,
    reason: ReasonOption = None,
    who: WhoOption = "local",
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a model to use if it is better than the champion on audit or gold records."""
    options = {"model": model, "force": force, "reason": reason, "who": who}
    show("promote", run_verb(folder_of(context, project), "promote", **options), as_json=as_json)


@models.command()
def rollback(
    context: typer.Context,
    to: Annotated[str | None, typer.Option("--to", help="A former champion. Default: the one before.")] = None,
    reason: ReasonOption = None,
    who: WhoOption = "local",
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go back to the champion before: its suggestions, and the queue in the order that it had."""
    options = {"to": to, "reason": reason, "who": who}
    show("rollback", run_verb(folder_of(context, project), "rollback", **options), as_json=as_json)


@models.command("note")
def note_(
    context: typer.Context,
    model: ModelArgument,
    text: Annotated[str, typer.Argument(help="In place of the note before; '' removes it.")],
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write down what to remember of a model."""
    show("model_note", run_verb(folder_of(context, project), "model_note", model=model, text=text), as_json=as_json)


@models.command()
def remove(
    context: typer.Context,
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help="Ids, or ends of ids that no other has.")],
    who: WhoOption = "local",
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete the files of models that are not in use; where they came from stays in the list."""
    result = run_verb(folder_of(context, project), "model_remove", models=models, who=who)
    show("model_remove", result, as_json=as_json)


@models.command("predictions")
def predictions_(
    context: typer.Context,
    by: Annotated[str, typer.Option("--by", help="round or week.")] = "round",
    worst: Annotated[int, typer.Option("--worst", help="Misses to list, the surest first.")] = 10,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show whether what the champions said of records proved right when people answered."""
    result = run_verb(folder_of(context, project), "predictions", by=by, worst=worst)
    show("predictions", result, as_json=as_json)


def retrain(
    context: typer.Context,
    if_new: Annotated[
        int, typer.Option("--if-new", help="Only after so many new labels; else nothing is done, which is no error.")
    ] = 0,
    trainer: Annotated[str | None, typer.Option("--trainer", "-t", help="Default: from rondo.toml.")] = None,
    on: Annotated[str | None, typer.Option("--on", help="local, modal or ray. Default: from rondo.toml.")] = None,
    gpu: GpuOption = None,
    set_: SetOption = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train on the labels so far and put the model to use if the gate lets it in; made for cron."""
    wish = {"if_new": if_new, "trainer": trainer, "on": on, "gpu": gpu, "values": set_ or []}
    show("retrain", run_verb(folder_of(context, project), "retrain", **wish), as_json=as_json)


@models.command()
def export(
    context: typer.Context,
    model: ModelArgument = "champion",
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="A folder to make, or a file that ends in .zip. Default: exports/MODEL."),
    ] = None,
    library: Annotated[
        str,
        typer.Option("--as", help="setfit: a folder for SetFitModel.from_pretrained. Default: safetensors and JSON."),
    ] = "",
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a model as files that work without Rondo, with a model card and the code to use them."""
    from app.cli.models_text import export_lines
    from core.registry.model_export import export_model

    options = {"model": model, "out": str(out.resolve()) if out else "", "library": library}
    present(run_verb(folder_of(context, project), export_model, **options), export_lines, as_json=as_json)


@models.command()
def push(
    context: typer.Context,
    model: ModelArgument,
    repo: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="Its place on the Hugging Face Hub.")],
    labels: Annotated[
        bool, typer.Option("--labels", help="Push texts and labels too, with the data card, as OWNER/NAME-labels.")
    ] = False,
    public: Annotated[bool, typer.Option("--public", help="For everybody to see. Default: private.")] = False,
    message: Annotated[str, typer.Option("--message", help="Of the commit.")] = "",
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Push a model to the Hugging Face Hub, with a model card. The token comes from HF_TOKEN and is stored nowhere."""
    entries = {"private": not public, "labels": labels, "message": message, "token": os.environ.get("HF_TOKEN", "")}
    result = run_verb(folder_of(context, project), "push", repo=repo, model=model, **entries)
    show("push", result, as_json=as_json)
