"""The command line's part for giving models away: export and push. Imports nothing heavy."""

import os
from pathlib import Path
from typing import Annotated

import typer

from app.options import JsonOption, ProjectOption, folder_of, run_verb
from app.terminal import show

WhichArgument = Annotated[
    str, typer.Argument(help="Id of a model as `rondo models list` shows it, or champion: the one in use.")
]


def export(
    context: typer.Context,
    model: WhichArgument = "champion",
    out: Annotated[Path, typer.Option("--out", "-o", help="A folder to make, or a file that ends in .zip.")] = Path(
        "model"
    ),
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a model as files that work without Rondo, with a model card and the code to use them."""
    told = run_verb(folder_of(context, project), "model_export", model=model, out=str(out.resolve()))
    show("model_export", told, as_json=as_json)


def push(
    context: typer.Context,
    repo: Annotated[str, typer.Argument(help="OWNER/NAME on the Hugging Face Hub.")],
    model: Annotated[str, typer.Option("--model", "-m", help="Id of the model. Default: the one in use.")] = "champion",
    labels: Annotated[
        bool, typer.Option("--labels", help="Push texts and labels too, with the data card, as OWNER/NAME-labels.")
    ] = False,
    public: Annotated[bool, typer.Option("--public", help="For everybody to see. Default: private.")] = False,
    message: Annotated[str, typer.Option("--message", help="Of the commit.")] = "",
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Push a model to the Hugging Face Hub, with a model card. The token comes from HF_TOKEN and is stored nowhere."""
    asked = {"private": not public, "labels": labels, "message": message, "token": os.environ.get("HF_TOKEN", "")}
    told = run_verb(folder_of(context, project), "push", repo=repo, model=model, **asked)
    show("push", told, as_json=as_json)
