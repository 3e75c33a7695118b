"""The command line's part for the registry: models, promoting, rolling back, retraining. Imports nothing heavy."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.models.training import HOSTED, GpuOption, SetOption
from app.cli.options import JsonOption, ModelArgument, ProjectOption, errors, folder_of, run_verb, without_a_command
from app.cli.terminal import present, say
from app.words import interval, rescue_plan_sentences, rescue_sentences, score_lines
from core.errors import BadInput
from core.evaluation.reporting import best_score, headline

if TYPE_CHECKING:
    from core.registry.activation import Activated
    from core.registry.models import ModelEntry

UserOption = Annotated[str, typer.Option("--who", help="Who decides; kept in the log.")]
BUDGET = 5_000
BudgetOption = Annotated[int, typer.Option(help="Requests that a hosted model may be sent.", min=0)]
ReasonOption = Annotated[str | None, typer.Option("--reason", help="Why; kept with the model.")]

models = typer.Typer(
    help="The models of the project: which is in use, what wants its place, and the way back.",
    invoke_without_command=True,
    rich_markup_mode=None,
)


@models.command("list")
def list_(context: typer.Context, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """List the models, newest first."""
    from core.registry.models import ModelList
    from core.registry.models import models as verb

    def lines(result: ModelList) -> list[str]:
        if not result.models:
            return ["There is no model yet. The first one: rondo fit."]
        back = [f"Back to {result.rollback.to}: rondo models rollback"] if result.rollback else []
        return [*map(model_line, result.models), *result.warnings, *back]

    present(run_verb(folder_of(context, project), verb), lines, as_json=as_json)


without_a_command(models, list_)


def model_line(model: "ModelEntry") -> str:
    """id, state, trainer, labels, and its score on audit or gold, whichever is shown; or that its files are gone. Of a
    hosted one its name at the provider and the day it ends."""
    result = f"{model.id}  {model.state:<13} {model.trainer}, {model.labels:,} labels"
    if adapter := model.adapter:
        result = f"{model.id}  {model.state:<13} {model.trainer}, step {adapter.step} on {adapter.base}, "
        result += f"{adapter.examples:,} examples"
        if adapter.after:
            result += f", held out: {adapter.after.sentence}"
        return result + (f". {model.notes}" if model.notes else "")
    if where := model.hosting:
        result += f", {where.name} at {where.provider}{f', until {where.shutdown}' if where.shutdown else ''}"
    if not model.files:
        result += f", removed {model.removed_at[:10]}" if model.removed_at else ", its files are gone"
    if best := best_score(model.metrics):
        stratum, score = best
        name, figure = headline(score)
        result += f", {name} on {score.n:,} {stratum} records {interval(figure)}"
    return result + (f". {model.notes}" if model.notes else "")


@models.command("show")
def show_(
    context: typer.Context, model: ModelArgument, project: ProjectOption = None, as_json: JsonOption = False
) -> None:
    """Show what a model came from, how good it is, and when it was in use."""
    from core.registry.models import ModelDetail
    from core.registry.models import model as verb

    def lines(result: ModelDetail) -> list[str]:
        values = result.training_info.get("values", {})
        return [
            f"{result.id}: {result.state}",
            *([] if result.adapter else score_lines(result.metrics)),
            *(f"  {name}: {value}" for name, value in result.lineage.items()),
            *([f"  with {', '.join(f'{name}={value}' for name, value in values.items())}"] if values else []),
            *([f"  gate: {result.gate.sentence}"] if result.gate else []),
            *(
                f"  {change.since} {change.how} by {change.user}{f': {change.reason}' if change.reason else ''}"
                for change in result.history
            ),
            *([f"Warning: {result.damaged}"] if result.damaged else []),
        ]

    present(run_verb(folder_of(context, project), verb, model=model), lines, as_json=as_json)


@models.command()
def promote(
    context: typer.Context,
    model: ModelArgument,
    force: Annotated[bool, typer.Option("--force", help="In spite of the gate; needs --reason.")] = False,
    reason: ReasonOption = None,
    user: UserOption = "local",
    budget: BudgetOption = BUDGET,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a model to use if it is better than the champion on audit or gold records.

    A hosted one decides for programs from then on; it is asked about those records first, which the provider bills.
    """
    from core.registry.activation import promote as verb

    options = {"model": model, "force": force, "reason": reason, "user": user, "budget": budget}
    result = run_verb(folder_of(context, project), verb, **options)  # type: ignore[arg-type]
    present(result, promotion_lines, as_json=as_json)


def promotion_lines(result: "Activated") -> list[str]:
    """What changed, the gate's verdict, and how to roll back."""
    gate = [result.gate.sentence] if result.gate else []
    return [result.sentence, *gate, *(["Back again: rondo models rollback"] if result.rollback else [])]


@models.command()
def deactivate(
    context: typer.Context,
    reason: ReasonOption = None,
    user: UserOption = "local",
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take the hosted model out of use: the champion answers programs again."""
    from core.registry.hosted_promotion import Deactivated
    from core.registry.hosted_promotion import deactivate as verb

    def lines(result: Deactivated) -> list[str]:
        return [result.sentence, f"Back again: rondo models promote {result.model}"]

    present(run_verb(folder_of(context, project), verb, reason=reason, user=user), lines, as_json=as_json)


@models.command()
def rescue(
    context: typer.Context,
    model: Annotated[
        str | None, typer.Argument(help="A hosted model. Default: the one in use, else the newest.")
    ] = None,
    to: Annotated[
        str, typer.Option("--to", help="local (the champion, fitted anew) or hosted (another one).")
    ] = "local",
    provider: Annotated[str, typer.Option(help="Of --to hosted: as `rondo hosted tune` takes it.")] = "",
    base: Annotated[str, typer.Option(help="Of --to hosted: the provider's model to tune.")] = "",
    epochs: Annotated[int | None, typer.Option(help="Of --to hosted: passes over the examples.")] = None,
    pool: Annotated[
        int, typer.Option(help="Undecided pairs to ask about, too; a hosted replacement learns from them.", min=0)
    ] = 0,
    budget: BudgetOption = BUDGET,
    yes: Annotated[bool, typer.Option("--yes", help="Agree to what it costs without being asked.")] = False,
    user: UserOption = "local",
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hand on what a hosted model that ends knows: record its answers, train another, let the gate decide.

    The same command goes on where it was stopped.
    """
    from core.registry.rescue import rescue as verb
    from core.registry.rescue import rescue_plan

    folder = folder_of(context, project)
    options, agreed = {"model": model, "to": to, "provider": provider, "base": base, "epochs": epochs, "pool": pool}, ""
    if not as_json or (not yes and sys.stdin.isatty()):
        plan = run_verb(folder, rescue_plan, **options)  # type: ignore[arg-type]
        warnings = plan.estimate.warnings if plan.estimate else ()
        for line in (*warnings, *rescue_plan_sentences(plan)):
            say(line, error=True)
        if not yes and (plan.questions or plan.estimate) and sys.stdin.isatty():
            yes, agreed = typer.confirm("Go on?", err=True), plan.sentence
    result = run_verb(folder, verb, **options, budget=budget, yes=yes, agreed=agreed, user=user)  # type: ignore[arg-type]
    present(result, rescue_sentences, as_json=as_json)


@models.command()
def rollback(
    context: typer.Context,
    to: Annotated[str | None, typer.Option("--to", help="A former champion. Default: the one before.")] = None,
    reason: ReasonOption = None,
    user: UserOption = "local",
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go back to the champion before: its suggestions, and the queue in the order that it had."""
    from core.registry.activation import Activated
    from core.registry.activation import rollback as verb

    def lines(result: Activated) -> list[str]:
        back = f"{result.restored:,} records of the queue, spare ones too, stand where they stood."
        return [result.sentence, *([back] if result.restored else [])]

    present(run_verb(folder_of(context, project), verb, to=to, reason=reason, user=user), lines, as_json=as_json)


@models.command("note")
def note_(
    context: typer.Context,
    model: ModelArgument,
    text: Annotated[str, typer.Argument(help="In place of the note before; '' removes it.")],
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write down what to remember of a model."""
    from core.registry.models import model_note

    result = run_verb(folder_of(context, project), model_note, model=model, text=text)
    present(result, lambda noted: [f"{noted.model}: {noted.notes or 'no note'}"], as_json=as_json)


@models.command()
def remove(
    context: typer.Context,
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help="Ids, or ends of ids that no other has.")],
    user: UserOption = "local",
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete the files of models that are not in use; where they came from stays in the list."""
    from core.registry.removal import RemovedModels, model_remove

    def lines(result: RemovedModels) -> list[str]:
        return [
            f"Removed {', '.join(result.removed)}: {result.bytes / 1e6:,.1f} MB are free. Their lines in the list stay."
        ]

    present(run_verb(folder_of(context, project), model_remove, models=models, user=user), lines, as_json=as_json)


@models.command("predictions")
def predictions_(
    context: typer.Context,
    by: Annotated[str, typer.Option("--by", help="round or week.")] = "round",
    worst: Annotated[int, typer.Option("--worst", help="Misses to list, the surest first.")] = 10,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show whether what the champions said of records proved right when people answered."""
    from core.registry.predictions import ProvenPredictions, joined
    from core.registry.predictions import predictions as verb

    def lines(result: ProvenPredictions) -> Iterator[str]:
        yield result.sentence
        for point in joined(result.over_time):
            span = f"round {point.when}" if result.by == "round" else f"week of {point.when}"
            yield f"  {span}: right on {point.n:,} audit records {interval(point.accuracy, point.n)}"
        if result.worst:
            yield "Surest and wrong:"
        for miss in result.worst:
            yield f"  {miss.id}: {miss.predicted} ({miss.probability:.0%}), is {miss.truth}"

    present(run_verb(folder_of(context, project), verb, by=by, worst=worst), lines, as_json=as_json)


def retrain(
    context: typer.Context,
    if_new: Annotated[
        int, typer.Option("--if-new", help="Only after so many new labels; else nothing is done, which is no error.")
    ] = 0,
    trainer: Annotated[str | None, typer.Option("--trainer", "-t", help="Default: from rondo.toml.")] = None,
    on: Annotated[str | None, typer.Option("--on", help="local, modal or ray. Default: from rondo.toml.")] = None,
    gpu: GpuOption = None,
    set_: SetOption = None,
    provider: Annotated[str, typer.Option(help="Of -t hosted: as `rondo hosted tune` takes it.")] = "",
    base: Annotated[str, typer.Option(help="Of -t hosted: the provider's model to tune.")] = "",
    epochs: Annotated[int | None, typer.Option(help="Of -t hosted: passes over the examples.")] = None,
    budget: BudgetOption = BUDGET,
    yes: Annotated[bool, typer.Option("--yes", help="Of -t hosted: agree to what it costs.")] = False,
    tune: Annotated[
        bool,
        typer.Option("--tune", help="Tune the encoder within the budget of rondo.toml, as the app does by itself."),
    ] = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train on the labels so far and put the model to use if the gate lets it in; made for cron.

    With -t hosted a provider tunes the model, and it answers programs.
    """
    from core.registry.hosted_retraining import retrain_hosted
    from core.registry.retraining import Retrained
    from core.registry.retraining import retrain as verb

    def lines(result: Retrained) -> list[str]:
        return [result.sentence]

    folder = folder_of(context, project)
    if trainer == HOSTED:
        tuning = {"provider": provider, "base": base, "epochs": epochs, "budget": budget, "yes": yes}
        return present(run_verb(folder, retrain_hosted, if_new=if_new, **tuning), lines, as_json=as_json)  # type: ignore[arg-type]
    if provider or base or epochs or yes:
        with errors():
            raise BadInput("--provider, --base, --epochs and --yes are for -t hosted.")
    if tune and (trainer or if_new):
        with errors():
            raise BadInput("--tune has its own trainer and its own time: leave --trainer and --if-new out.")
    result = run_verb(folder, verb, if_new=if_new, trainer=trainer, on=on, gpu=gpu, values=set_ or [], tune=tune)
    present(result, lines, as_json=as_json)
    return None


@models.command()
def merge(
    context: typer.Context,
    model: ModelArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="A folder to make.")],
    form: Annotated[
        str, typer.Option("--as", help="safetensors, or gguf where llama.cpp's converter is installed.")
    ] = "safetensors",
    base: Annotated[str, typer.Option(help="Folder with the base's files, if they were moved.")] = "",
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a language model with an adapter added to its weights: for vLLM, llama.cpp, Ollama or transformers."""
    from core.registry.adapter_export import AdapterExport, model_merge

    def lines(result: AdapterExport) -> list[str]:
        return [f"Wrote {result.model} merged into its base to {result.path}: {result.bytes / 1e6:,.1f} MB."]

    named = str(Path(base).resolve()) if base and Path(base).is_dir() else base
    options = {"model": model, "out": str(out.resolve()), "form": form, "base": named}
    present(run_verb(folder_of(context, project), model_merge, **options), lines, as_json=as_json)


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
    from core.registry.model_export import ModelExport, export_model
    from core.registry.usage import PICKLE

    def lines(result: ModelExport) -> list[str]:
        return [
            f"Wrote {result.model} to {result.path}: {result.files:,} files, {result.bytes / 1e6:,.1f} MB.",
            "Its README says how far to trust it, and how to use it without Rondo. Choose a licence before you pass it "
            "on.",
            *([PICKLE.replace("`", "")] if result.library == "setfit" else ()),
        ]

    folder = str(out.resolve()) if out else ""
    result = run_verb(folder_of(context, project), export_model, model=model, out=folder, library=library)
    present(result, lines, as_json=as_json)


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
    from core.registry.hub_push import push as verb
    from core.registry.push_job import PushResult

    def lines(result: PushResult) -> list[str]:
        return [
            f"Pushed {one.url} ({'private' if one.private else 'PUBLIC'}): {one.files:,} files, "
            f"{one.bytes / 1e6:,.1f} MB, commit {one.commit[:12]}."
            for one in (result, result.dataset)
            if one
        ]

    result = run_verb(
        folder_of(context, project),
        verb,
        repo=repo,
        model=model,
        private=not public,
        labels=labels,
        message=message,
        token=os.environ.get("HF_TOKEN", ""),
    )
    present(result, lines, as_json=as_json)
