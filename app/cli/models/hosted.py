"""`rondo hosted`: tuning a language model at a provider, following it, and what became of it; and their output."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import JsonOption, ProjectOption, folder_of, run_verb, without_a_command
from app.cli.terminal import present, say
from app.words import estimate_sentences, hosted_model_sentences, training_file_sentence

if TYPE_CHECKING:
    from core.training.hosted import HostedEstimate, HostedJob, HostedJobs, HostedModels

ProviderOption = Annotated[
    str, typer.Option("--provider", help="openai, together, fireworks, or an address that speaks OpenAI's API.")
]
BaseOption = Annotated[str, typer.Option("--base", help="Model to tune, as the provider calls it.")]
EpochsOption = Annotated[
    int | None, typer.Option("--epochs", help="Passes over the examples. Default: the provider chooses.")
]
YesOption = Annotated[bool, typer.Option("--yes", help="Agree to the price without being asked.")]
DetachOption = Annotated[bool, typer.Option("--detach", help="Do not wait: print the job's id and leave it running.")]
JobArgument = Annotated[str, typer.Argument(help="Id of a job, ours or the provider's.")]

hosted = typer.Typer(
    help="Models that a provider tunes and hosts: data, tune, jobs, status, cancel, models.",
    invoke_without_command=True,
    rich_markup_mode=None,
)


@hosted.command("jobs")
def list_(context: typer.Context, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """List the tuning jobs, newest first."""
    from core.training.hosted import hosted_jobs

    present(run_verb(folder_of(context, project), hosted_jobs), jobs_lines, as_json=as_json)


without_a_command(hosted, list_)


@hosted.command()
def tune(
    context: typer.Context,
    provider: ProviderOption,
    base: BaseOption,
    epochs: EpochsOption = None,
    yes: YesOption = False,
    detach: DetachOption = False,
    note: Annotated[str, typer.Option("--note", help="What to remember this job by.")] = "",
    step: Annotated[str, typer.Option(help="Of structured answers: the step whose answers it learns.")] = "",
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tune a model on the pairs decided, or a step's answers. Texts go to the provider; the price is said before."""
    start(
        folder_of(context, project),
        {"provider": provider, "base": base, "epochs": epochs, "note": note, "detach": detach},
        step=step,
        yes=yes,
        as_json=as_json,
    )


def start(folder: Path, options: Mapping[str, object], *, step: str = "", yes: bool, as_json: bool) -> None:
    """What `hosted tune` and `train --trainer hosted` do: the price, the question, the job. step: of structured
    answers; else it is about pairs."""
    from core.extract.hosted_steps import step_hosted_estimate, step_hosted_tune
    from core.training.hosted import hosted_estimate, hosted_tune

    find_price, tune_model = (step_hosted_estimate, step_hosted_tune) if step else (hosted_estimate, hosted_tune)
    named, agreed = {"step": step} if step else {}, ""
    if not yes and sys.stdin.isatty():
        chosen = {name: options[name] for name in ("provider", "base", "epochs")}
        estimate = run_verb(folder, find_price, **named, **chosen)  # type: ignore[arg-type]
        for line in estimate_lines(estimate):
            say(line, error=True)
        yes, agreed = typer.confirm("Send the examples and start?", err=True), estimate.sentence
    result = run_verb(folder, tune_model, **named, yes=yes, agreed=agreed, **options)  # type: ignore[arg-type]
    present(result, job_lines, as_json=as_json)


@hosted.command()
def data(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="File to write.")],
    file_format: Annotated[
        str, typer.Option("--format", help="openai_jsonl (chats), json (with statistics) or csv.")
    ] = "openai_jsonl",
    project: ProjectOption = None,
) -> None:
    """Write the decided pairs as training data; those that measure models are left out."""
    from core.training.hosted import training_data

    result = run_verb(
        folder_of(context, project),
        training_data,
        file_format=file_format,
        statistics=file_format == "json",
        out=str(out.resolve()),
    )
    say(f"Wrote {out}. {training_file_sentence(result)}")


@hosted.command()
def status(
    context: typer.Context, job: JobArgument, project: ProjectOption = None, as_json: JsonOption = False
) -> None:
    """Show how a job stands, here and at the provider."""
    from core.training.hosted import hosted_job

    present(run_verb(folder_of(context, project), hosted_job, job=job), job_lines, as_json=as_json)


@hosted.command()
def cancel(
    context: typer.Context, job: JobArgument, project: ProjectOption = None, as_json: JsonOption = False
) -> None:
    """Cancel a job, here and at the provider. What it cost is spent."""
    from core.training.hosted import hosted_cancel

    present(run_verb(folder_of(context, project), hosted_cancel, job=job), job_lines, as_json=as_json)


@hosted.command("models")
def models_(
    context: typer.Context,
    provider: Annotated[str, typer.Option(help="List the jobs of this provider, too, whoever began them.")] = "",
    ask: Annotated[bool, typer.Option("--ask/--offline", help="Ask the providers when each model ends.")] = True,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the tuned models: provider, base, counts, and the day each stops answering."""
    from core.training.hosted import hosted_models

    result = run_verb(folder_of(context, project), hosted_models, ask=ask, provider=provider)
    present(result, models_lines, as_json=as_json)


def estimate_lines(result: "HostedEstimate") -> list[str]:
    """What is agreed to."""
    return [*estimate_sentences(result), *result.warnings]


def job_lines(result: "HostedJob") -> list[str]:
    """One job: how it stands here and there, and its model."""
    there = f", {result.job} there: {result.word or result.status}" if result.job else ""
    line = f"{result.id}  {result.base} at {result.provider}: {result.state}{there}"
    lines = [f"{line}. {result.message}" if result.message else line]
    if result.result is not None:
        ends = f", answers until {result.result.shutdown}" if result.result.shutdown else ""
        lines.append(f"  Model {result.result.model}{ends}.")
        lines.append(f"Next: rondo models promote {result.id} (asks it about gold and audit pairs, then the gate).")
    elif result.state in ("queued", "running", "submitting"):
        lines.append(f"Next: rondo hosted status {result.id}, rondo hosted cancel {result.id}.")
    return lines


def jobs_lines(result: "HostedJobs") -> list[str]:
    """One or two lines a job."""
    none = ["No hosted job yet. Start one: rondo hosted tune --provider openai --base MODEL."]
    return [line for job in result.jobs for line in job_lines(job) if not line.startswith("Next")] or none


def models_lines(result: "HostedModels") -> list[str]:
    """The models, what providers announced, and who could not be asked."""
    waiting = [] if any(model.in_use for model in result.models) else result.models[:1]
    return [
        *hosted_model_sentences(result),
        *(f"None of them answers programs. Put one to use: rondo models promote {one.job}." for one in waiting),
        *(f"At the provider: {job.id} on {job.base}: {job.word}" for job in result.at_provider),
    ]
