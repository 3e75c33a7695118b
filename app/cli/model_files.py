"""The command line's part for giving models away: export and push. Imports nothing heavy."""

import os
from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import JsonOption, ModelArgument, ProjectOption, folder_of, run_verb
from app.cli.terminal import show


def export(
    context: typer.Context,
    model: ModelArgument = "champion",
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="A folder to make, or a file that ends in .zip. Default: exports/MODEL."),
    ] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a model as files that work without Rondo, with a model card and the code to use them."""
    result = run_verb(folder_of(context, project), "model_export", model=model, out=str(out.resolve()) if out else "")
    show("model_export", result, as_json=as_json)


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
