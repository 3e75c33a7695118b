"""The command line's part for training: starting a job, watching it, cancelling it. Imports nothing heavy."""

from typing import Annotated

import typer

from app.cli.options import JsonOption, ProjectOption, SeedOption, errors, folder_of, run_verb
from app.cli.terminal import show

OnOption = Annotated[
    str, typer.Option("--on", help="local (this machine), modal (a rented GPU) or ray (your cluster).")
]
GpuOption = Annotated[
    str | None, typer.Option("--gpu", help="GPU to ask for, as L4 or A100. Default: from rondo.toml.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="key=value of the trainer; repeat it. `rondo trainers` lists the keys."),
]
JobArgument = Annotated[str, typer.Argument(help="Id of a job, as `rondo jobs` lists it.")]

jobs = typer.Typer(
    help="Training jobs: list, show, logs, cancel, retry, forget.", invoke_without_command=True, rich_markup_mode=None
)


def train(
    context: typer.Context,
    trainer: Annotated[
        str, typer.Option("--trainer", "-t", help="head, setfit, encoder, transformer, zeroshot or grid.")
    ],
    on: OnOption = "local",
    gpu: GpuOption = None,
    set_: SetOption = None,
    seed: SeedOption = None,
    note: Annotated[str, typer.Option("--note", help="What to remember this job by.")] = "",
    detach: Annotated[
        bool, typer.Option("--detach", help="Do not wait: print the job's id and leave it running.")
    ] = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a model on the labels so far, here or on a rented GPU; `rondo models promote` puts it to use."""
    entries = {"values": set_ or [], "on": on, "gpu": gpu, "seed": seed, "note": note}
    result = run_verb(folder_of(context, project), "train", trainer=trainer, detach=detach, **entries)
    show("train", result, as_json=as_json)


def trainers(as_json: JsonOption = False) -> None:
    """What can be set on each trainer, with defaults and ranges."""
    with errors():
        from core.training.following import GRID
        from core.training.space import SEARCH
        from core.training.trainers import TRAINERS, Trainer, as_table

        search = Trainer("A search over the parameters of one: key=a,b,c to try each.", SEARCH)
        show("trainers", {name: as_table(one) for name, one in {**TRAINERS, GRID: search}.items()}, as_json=as_json)


@jobs.callback()
def root(context: typer.Context, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Without a command: list them."""
    context.obj = project or context.obj
    if context.invoked_subcommand is None:
        show("jobs", run_verb(folder_of(context, project), "jobs"), as_json=as_json)


@jobs.command("list")
def list_(context: typer.Context, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """List the training jobs, newest first."""
    show("jobs", run_verb(folder_of(context, project), "jobs"), as_json=as_json)


@jobs.command("show")
def show_(context: typer.Context, job: JobArgument, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Show how a job stands, what it was started with, and its figures."""
    show("job", run_verb(folder_of(context, project), "job", job=job), as_json=as_json)


@jobs.command()
def logs(
    context: typer.Context,
    job: JobArgument,
    lines: Annotated[int, typer.Option(help="How many of the last lines.", min=1, max=100_000)] = 200,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the last lines of a job's log."""
    show("job_log", run_verb(folder_of(context, project), "job_log", job=job, lines=lines), as_json=as_json)


@jobs.command()
def cancel(
    context: typer.Context, job: JobArgument, project: ProjectOption = None, as_json: JsonOption = False
) -> None:
    """Cancel a job. What it cost is spent; its newest checkpoint is kept for `retry`."""
    show("job_cancel", run_verb(folder_of(context, project), "job_cancel", job=job), as_json=as_json)


@jobs.command()
def retry(context: typer.Context, job: JobArgument, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Retry a job that was lost, failed, cancelled or timed out, from its newest checkpoint."""
    show("job_retry", run_verb(folder_of(context, project), "job_retry", job=job), as_json=as_json)


@jobs.command()
def forget(
    context: typer.Context, job: JobArgument, project: ProjectOption = None, as_json: JsonOption = False
) -> None:
    """Delete what a job that is over was given and has left: texts, labels, checkpoints. Its row and log stay."""
    show("job_forget", run_verb(folder_of(context, project), "job_forget", job=job), as_json=as_json)
