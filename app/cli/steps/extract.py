"""`rondo extract`: what belongs to structured answers. Imports nothing heavy."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import JsonOption, ProjectOption, folder_of, run_verb
from app.cli.terminal import present
from app.words import prepared_sentences

if TYPE_CHECKING:
    from rich.console import RenderableType

    from core.evaluation.metrics import Estimate
    from core.extract.agreement import StepAgreement
    from core.extract.import_annotations import AnnotationImport
    from core.extract.step_models import StepModelChange, StepReports
    from core.extract.suggest import SuggestedSteps

extract = typer.Typer(
    help="Structured answers, step by step: prepare, suggest, report, promote, rollback, deactivate, agreement.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_SHOWN = 5


def import_annotated(folder: Path, file: Path, map: Path | None, chunk: tuple[int, int], *, as_json: bool) -> None:
    """`rondo import FILE --map FILE`. chunk: size and overlap in characters."""
    from core.extract.import_annotations import import_annotations

    result = run_verb(
        folder,
        import_annotations,
        file=str(file.resolve()),
        map=_named(map),
        chunk=chunk[0],
        overlap=chunk[1],
    )
    present(result, annotation_lines, as_json=as_json)


def _named(map: Path | None) -> str | None:
    """A file, or the name of a template."""
    return None if map is None else str(map.resolve()) if map.exists() else str(map)


def annotation_lines(result: "AnnotationImport") -> list[str]:
    """What came in, and what did not, with where it stands."""
    records = result.records
    lines = [
        f"{result.documents:,} documents, {records.rows:,} texts: {records.added:,} new, {records.known:,} known.",
        "Answers: " + ", ".join(f"{step} {count:,}" for step, count in result.answered.items()) + ".",
    ]
    if empty := [step for step, count in result.answered.items() if not count]:
        lines.append(f"Nothing for {', '.join(empty)}: it can be asked, but there is nothing to train on yet.")
    if result.unread:
        lines.append(f"Warning: {result.unread:,} documents could not be read.")
    for what, shown, total in (
        ("parts did not come in", result.faults, result.all_faults),
        ("values are not in their text; they came in as such", result.absent, result.all_absent),
    ):
        if total:
            lines.append(f"Warning: {total:,} {what}:")
            lines += [f"  {one}" for one in shown[:_SHOWN]]
            lines += [f"  … and {total - _SHOWN:,} more (--json shows {len(shown)})"] if total > _SHOWN else []
    return [*lines, "Next: rondo next (choose the first batch), rondo up (answer it)."]


@extract.command("prepare")
def prepare_(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder to write to.")],
    steps: Annotated[str, typer.Option(help="Names of steps, comma-separated. Default: all.")] = "",
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder or file of annotations to take instead of the project's answers.")
    ] = None,
    map_: Annotated[Path | None, typer.Option("--map", help="As for an import of it.")] = None,
    base: Annotated[
        str, typer.Option(help="Language model: writes STEP_text.jsonl by its own chat template, too.")
    ] = "",
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the answers as training data: STEP_train.jsonl (instruction, input, output) and STEP_chat.jsonl."""
    from core.extract.prepare import prepare as verb

    result = run_verb(
        folder_of(context, project),
        verb,
        out=str(out.resolve()),
        steps=[name.strip() for name in steps.split(",") if name.strip()],
        data_dir=str(data_dir.resolve()) if data_dir else None,
        map=_named(map_),
        base=base,
    )
    present(result, prepared_sentences, as_json=as_json)


@extract.command("suggest")
def suggest_(
    context: typer.Context,
    steps: Annotated[str, typer.Option(help="Names of steps, comma-separated. Default: all.")] = "",
    model: Annotated[
        str, typer.Option(help="A tuned model of `rondo models`, a folder, SmolLM2-135M-Instruct, or a name at --url.")
    ] = "",
    url: Annotated[str, typer.Option(help="Address of a server that speaks OpenAI's API.")] = "",
    on: Annotated[str, typer.Option(help="Where a model of one's own runs: local, modal, ray.")] = "local",
    records: Annotated[
        str, typer.Option(help="waiting (in the queue), measured (audit and gold), all; comma-separated.")
    ] = "waiting,measured",
    most: Annotated[int, typer.Option(help="Records at most.", min=1)] = 1000,
    again: Annotated[bool, typer.Option("--again", help="Those that it has answered before, too.")] = False,
    doubtful_first: Annotated[
        bool, typer.Option("--doubtful-first", help="People see first what is invalid, not in the text, or improbable.")
    ] = False,
    samples: Annotated[
        int, typer.Option(help="So many more answers to each; the confidence is the share that says the same.")
    ] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would take, and do nothing.")] = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have a language model suggest answers, which people see on the card and correct."""
    from core.extract.suggest import suggest_steps as verb

    result = run_verb(
        folder_of(context, project),
        verb,
        steps=[name.strip() for name in steps.split(",") if name.strip()],
        model=model,
        url=url,
        on=on,
        records=[name.strip() for name in records.split(",") if name.strip()],
        most=most,
        again=again,
        doubtful_first=doubtful_first,
        samples=samples,
        dry_run=dry_run,
    )
    present(result, suggested_lines, as_json=as_json)


def suggested_lines(result: "SuggestedSteps") -> list[str]:
    """A line for each step."""
    lines = [f"{step}: {one.sentence}" for step, one in (result.plan or {}).items()]
    for one in result.steps:
        states = ", ".join(f"{count:,} {state}" for state, count in one.states.items()) or "nothing to ask"
        known = f", {one.known:,} answered before" if one.known else ""
        lines.append(f"{one.step}, {one.model}: {states}{known}; {one.tokens_out:,} tokens, {one.seconds:.0f} s.")
        if one.ungrounded:
            lines.append(f"  {one.ungrounded:,} values are not in their text.")
        if one.failure:
            lines.append(f"Warning: {one.failure}")
    return lines


@extract.command("report")
def report_(
    context: typer.Context,
    steps: Annotated[str, typer.Option(help="Names of steps, comma-separated. Default: all.")] = "",
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """How good each model's answers are on audit and gold records, step by step and field by field."""
    from core.extract.step_models import step_report as verb

    names = [name.strip() for name in steps.split(",") if name.strip()]
    present(run_verb(folder_of(context, project), verb, steps=names), report_lines, as_json=as_json)


def report_lines(result: "StepReports") -> "list[RenderableType]":
    """A table for each step: a line for each model, then for each of its fields."""
    from rich.table import Column, Table

    lines: list[RenderableType] = [f"{result.measured:,} audit and gold records are answered."]
    for step in result.steps:
        columns = (Column(name, justify="right", no_wrap=True) for name in _COLUMNS)
        table = Table(Column(step.step, overflow="fold"), *columns, box=None, pad_edge=False)
        for one in step.models:
            score = one.score
            name = f"{one.model}{' (in use)' if one.in_use else ''}"
            tuned = "" if one.examples is None else f"{one.examples:,}"
            figures = (_share(score.validity), _share(score.exact), _share(score.field_f1))
            table.add_row(name, tuned, f"{score.records:,}", *figures)
            for field in score.fields if len(score.fields) > 1 or one.corrections.shown else ():
                spans = _share(field.span_f1) if field.span_f1 else ""
                changed = f"{one.corrections.changed.get(field.path, 0):,} of {one.corrections.shown:,}"
                figures = (_share(field.exact), _share(field.f1), spans)
                table.add_row(f"  {field.path}", "", "", "", *figures, changed if one.corrections.shown else "")
        lines += ["", table] if step.models else []
        lines += [f"{step.step}: no model has answered enough measured records yet."] if not step.models else []
    return lines


_COLUMNS = ("tuned on", "records", "valid", "exact", "F1", "span F1", "changed")


def _share(estimate: "Estimate") -> str:
    value, low, high = (f"{figure:.2f}".removeprefix("0") for figure in (estimate.value, estimate.low, estimate.high))
    return f"{value} ({low}–{high})"


StepOption = Annotated[str, typer.Option("--step", help="Name of the step.")]
ReasonOption = Annotated[str | None, typer.Option("--reason", help="Why, for the log.")]


@extract.command("promote")
def promote_(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="As `rondo extract report` names it.")],
    step: StepOption,
    reason: ReasonOption = None,
    force: Annotated[bool, typer.Option("--force", help="Past the gate; needs --reason.")] = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Suggest this model's answers from now on, if it is better than the one in use."""
    from core.extract.step_models import step_promote as verb

    folder = folder_of(context, project)
    result = run_verb(folder, verb, step=step, model=model, reason=reason, force=force)
    present(result, change_lines, as_json=as_json)


@extract.command("rollback")
def rollback_(
    context: typer.Context,
    step: StepOption,
    reason: ReasonOption = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go back to the model before the last promotion."""
    from core.extract.step_models import step_rollback as verb

    present(run_verb(folder_of(context, project), verb, step=step, reason=reason), change_lines, as_json=as_json)


@extract.command("deactivate")
def deactivate_(
    context: typer.Context,
    step: StepOption,
    reason: ReasonOption = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Suggest no language model's answers to a step any more."""
    from core.extract.step_models import step_deactivate as verb

    present(run_verb(folder_of(context, project), verb, step=step, reason=reason), change_lines, as_json=as_json)


def change_lines(result: "StepModelChange") -> list[str]:
    """What the gate says, and what holds now."""
    now = f"{result.model or 'No model'} suggests {result.step}" + (" now." if result.changed else " as before.")
    outdone = (
        f" For {', '.join(result.outdone)} the plain classifier is better, and suggests." if result.outdone else ""
    )
    return [result.sentence, now + outdone]


@extract.command("agreement")
def agreement_(context: typer.Context, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """How far people agree, field by field; spans word for word and where they overlap."""
    from core.extract.agreement import step_agreement as verb

    present(run_verb(folder_of(context, project), verb), agreement_lines, as_json=as_json)


def agreement_lines(result: "StepAgreement") -> "list[RenderableType]":
    """A line for each field."""
    from rich.table import Column, Table

    table = Table("field", *(Column(name, justify="right") for name in _AGREEMENT), box=None, pad_edge=False)
    for one in result.fields:
        figures = (one.alpha.value, one.overlap, one.spans, one.spans_overlapping)
        table.add_row(one.path, f"{one.pairs:,}", *("" if value is None else f"{value:.2f}" for value in figures))
    return [f"{result.records:,} records have answers of two people or more.", table]


_AGREEMENT = ("pairs", "alpha", "F1", "spans", "overlapping")
