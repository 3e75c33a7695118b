"""Commands of training jobs: starting one, watching it, cancelling it; and their output."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.models.hosted import start
from app.cli.options import JsonOption, ProjectOption, SeedOption, errors, folder_of, run_verb, without_a_command
from app.cli.terminal import present
from app.words import ended_in, score_lines
from core.errors import BadInput
from core.ids import JobId

if TYPE_CHECKING:
    from core.extract.train_steps import TrainedSteps
    from core.training.entries import TrainingJob, TrainingJobs
    from core.training.train import TrainingOptions

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

HOSTED, LORA = "hosted", "lora"

jobs = typer.Typer(
    help="Training jobs: list, show, logs, cancel, retry, forget.", invoke_without_command=True, rich_markup_mode=None
)


def train(
    context: typer.Context,
    trainer: Annotated[str, typer.Option("--trainer", "-t", help="One of `rondo trainers`, grid or hosted.")],
    on: OnOption = "local",
    gpu: GpuOption = None,
    set_: SetOption = None,
    seed: SeedOption = None,
    note: Annotated[str, typer.Option("--note", help="What to remember this job by.")] = "",
    detach: Annotated[
        bool, typer.Option("--detach", help="Do not wait: print the job's id and leave it running.")
    ] = False,
    step: Annotated[
        list[str] | None, typer.Option("--step", help="Of -t lora: the step to tune for; repeat it for several.")
    ] = None,
    all_steps: Annotated[
        bool, typer.Option("--all-steps", help="Of -t lora: a job for each step; elsewhere side by side.")
    ] = False,
    provider: Annotated[str, typer.Option(help="Of -t hosted: as `rondo hosted tune` takes it.")] = "",
    base: Annotated[str, typer.Option(help="Of -t hosted: the provider's model to tune.")] = "",
    epochs: Annotated[int | None, typer.Option(help="Of -t hosted: passes over the examples.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Of -t hosted: agree to the price without being asked.")] = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a model on the answers so far, here or on a rented GPU; `rondo models promote` puts it to use."""
    if trainer == HOSTED:
        options = {"provider": provider, "base": base, "epochs": epochs, "note": note, "detach": detach}
        one = step[0] if step else ""
        return start(folder_of(context, project), options, step=one, yes=yes, as_json=as_json)
    if provider or base or epochs or yes:
        with errors():
            raise BadInput("--provider, --base, --epochs and --yes are for -t hosted; others take --set key=value.")
    from core.training.train import TrainingOptions, train

    request = TrainingOptions(values=set_ or [], on=on, gpu=gpu, seed=seed, note=note)
    if step or all_steps:
        if trainer != LORA or (step and all_steps):
            with errors():
                raise BadInput(f"--step and --all-steps are for -t {LORA}, one of the two.")
        return _train_steps(folder_of(context, project), step or [], request, detach=detach, as_json=as_json)
    result = run_verb(folder_of(context, project), train, trainer=trainer, detach=detach, **request)
    present(result, train_lines, as_json=as_json)
    return None


def _train_steps(folder: Path, steps: list[str], request: "TrainingOptions", *, detach: bool, as_json: bool) -> None:
    from core.extract.train_steps import train_steps

    request["values"] = [_with_whole_path(value) for value in request["values"]]
    result = run_verb(folder, train_steps, steps=steps, detach=detach, **request)
    present(result, step_lines, as_json=as_json)


def _with_whole_path(value: str) -> str:
    """Of "base=FOLDER": a server that does the work may stand in another folder."""
    key, sign, text = value.partition("=")
    return f"{key}{sign}{Path(text).resolve()}" if text and Path(text).is_dir() else value


def step_lines(result: "TrainedSteps") -> list[str]:
    """For each step what came of its job."""
    lines = [line for job in result.jobs for line in train_lines(job)]
    return [*lines, *result.left_out]


def trainers(as_json: JsonOption = False) -> None:
    """What can be set on each trainer, with defaults and ranges."""
    with errors():
        from core.training.following import GRID
        from core.training.space import SEARCH
        from core.training.trainers import TRAINERS, Trainer, as_table

        search = Trainer("A search over the parameters of one: key=a,b,c to try each.", SEARCH)
        tables = {name: as_table(one) for name, one in {**TRAINERS, GRID: search}.items()}
        present(tables, _trainers_lines, as_json=as_json)


@jobs.command("list")
def list_(context: typer.Context, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """List the training jobs, newest first."""
    from core.training.watching import jobs

    present(run_verb(folder_of(context, project), jobs), jobs_lines, as_json=as_json)


without_a_command(jobs, list_)


@jobs.command("show")
def show_(context: typer.Context, job: JobArgument, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Show how a job stands, what it was started with, and its figures."""
    from core.training import watching

    present(run_verb(folder_of(context, project), watching.job, job=JobId(job)), shown_lines, as_json=as_json)


@jobs.command()
def logs(
    context: typer.Context,
    job: JobArgument,
    lines: Annotated[int, typer.Option(help="How many of the last lines.", min=1, max=100_000)] = 200,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the last lines of a job's log."""
    from core.training.following import JobLog, job_log

    def printed(result: JobLog) -> list[str]:
        return list(result.lines) or ["Nothing was printed yet."]

    present(run_verb(folder_of(context, project), job_log, job=JobId(job), lines=lines), printed, as_json=as_json)


@jobs.command()
def cancel(
    context: typer.Context, job: JobArgument, project: ProjectOption = None, as_json: JsonOption = False
) -> None:
    """Cancel a job. What it cost is spent; its newest checkpoint is kept for `retry`."""
    from core.training.following import job_cancel

    present(
        run_verb(folder_of(context, project), job_cancel, job=JobId(job)), lambda job: [_job_line(job)], as_json=as_json
    )


@jobs.command()
def retry(context: typer.Context, job: JobArgument, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Retry a job that was lost, failed, cancelled or timed out, from its newest checkpoint."""
    from core.training.launch import job_retry

    present(
        run_verb(folder_of(context, project), job_retry, job=JobId(job)), lambda job: [_job_line(job)], as_json=as_json
    )


@jobs.command()
def forget(
    context: typer.Context, job: JobArgument, project: ProjectOption = None, as_json: JsonOption = False
) -> None:
    """Delete what a job that is over was given and has left: texts, labels, checkpoints. Its row and log stay."""
    from core.training.following import job_forget

    def lines(result: "TrainingJob") -> list[str]:
        return [f"What job {result.id} was given and has left is deleted."]

    present(run_verb(folder_of(context, project), job_forget, job=JobId(job)), lines, as_json=as_json)


def _job_line(job: "TrainingJob") -> str:
    """One job in one line: id, trainer, where, state, how far or when it ended, cost, note, message."""
    whose = f" for {job.step}" if job.step else ""
    line = f"{job.id}  {job.trainer}{whose} on {job.runner}: {job.state.replace('_', ' ')}"
    if job.ended_at:
        line += f", {ended_in(job)}"
    elif job.total and job.state == "running":
        line += f", {job.done:,} of {job.total:,}"
    if job.dollars:
        line += f", about {job.dollars:.2f} USD"
    if job.note:
        line += f", {job.note}"
    return f"{line}. {job.message}" if job.message else line


def train_lines(result: "TrainingJob") -> list[str]:
    if result.kind == "grid":
        winner = [_next(result)] if result.model else []
        return [*map(_job_line, result.runs), result.sentence, *winner]
    if result.state != "succeeded":
        return [
            _job_line(result),
            f"Next: rondo jobs, rondo jobs logs {result.id}, rondo jobs cancel {result.id}.",
        ]
    whose = f" for {result.step}" if result.step else ""
    lines = [f"Trained {result.model}{whose} in {result.seconds or 0:,.0f} s, {result.memory_mb or 0:,} MB at most."]
    lines += [] if result.step else score_lines(result.metrics)  # the remark has them, beside the base's
    lines += [result.remark] if result.remark else []
    return [*lines, _next(result)]


def _next(job: "TrainingJob") -> str:
    """What of it there is for models of this kind."""
    from core.training.trainers import trainers_for

    if job.trainer == LORA:
        return f"Next: rondo extract suggest --steps {job.step} --model {job.model}, then rondo extract report."
    evaluate = "" if job.trainer in trainers_for(two_sides=True) else f"rondo evaluate {job.model}, "
    return f"Next: {evaluate}rondo models promote {job.model} (the gate compares it with the champion)."


def shown_lines(result: "TrainingJob") -> list[str]:
    """A job in full: its state, parameters, newest figures, and the scores of its model."""
    lines = [_job_line(result)]
    values = ", ".join(f"{name}={value}" for name, value in result.values.items())
    lines += [f"  with {values}"] if values else []
    newest = result.events[-1] if result.events else {}
    figures = ", ".join(f"{name} {value:.4g}" for name, value in newest.items() if name not in ("done", "total", "at"))
    lines += [f"  at {newest['done']:,} of {newest['total']:,}: {figures}"] if figures else []
    if result.kind == "grid":
        return [*lines, *(f"  {_job_line(run)}" for run in result.runs), result.sentence]
    lines += [result.remark] if result.remark else []
    return lines + (score_lines(result.metrics) if result.model and not result.step else [])


def jobs_lines(result: "TrainingJobs") -> list[str]:
    return [_job_line(job) for job in result.jobs] or ["No training job yet. Start one: rondo train --trainer setfit."]


def _trainers_lines(result: "Mapping[str, Mapping[str, Any]]") -> list[str]:
    lines: list[str] = []
    for name, trainer in result.items():
        lines += [f"{name}: {trainer['caption']}"]
        for row in trainer["parameters"]:
            span = f" ({row['range']})" if row["range"] else ""
            lines.append(f"    {row['name']}={row['default']}  {row['help']}{span}")
    return lines
