"""`rondo suggest`: has a language model suggest answers, and says what that is worth; and its output."""

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import JsonOption, ProjectOption, folder_of, run_verb
from app.cli.terminal import present

if TYPE_CHECKING:
    from core.suggestions.suggest import SuggestResult


def suggest(
    context: typer.Context,
    using: Annotated[str, typer.Option("--with", help="Suggester: llm, a language model.")] = "llm",
    model: Annotated[
        str, typer.Option(help="A name at --url, or a folder or an embedded model. Default: llm_model of rondo.toml.")
    ] = "",
    url: Annotated[
        str, typer.Option(help="Address of a server that speaks OpenAI's API, or a provider. Default: llm_url.")
    ] = "",
    adapter: Annotated[str, typer.Option(help="Folder with a PEFT adapter on a model in a folder.")] = "",
    limit: Annotated[int, typer.Option(help="Records at most.", min=1)] = 200,
    again: Annotated[bool, typer.Option("--again", help="Ask about records that it has answered, too.")] = False,
    anyway: Annotated[bool, typer.Option("--anyway", help="Ask although the audit finds the head better.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Send nothing: calls, tokens and price.")] = False,
    max_tokens: Annotated[
        int, typer.Option(help="Tokens of an answer; more for models that think first. Default: by the labels.", min=0)
    ] = 0,
    on: Annotated[str, typer.Option(help="Where a model in a folder runs: local, modal, ray.")] = "local",
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have a language model suggest labels. Its answers are suggestions, never labels, and the audit measures them.

    Texts go to another machine only where rondo.toml says allow_remote = true. Keys are read from the environment.
    """
    from core.suggestions.suggest import suggest as verb

    result = run_verb(
        folder_of(context, project),
        verb,
        using=using,
        model=model,
        url=url,
        adapter=adapter,
        limit=limit,
        again=again,
        anyway=anyway,
        dry_run=dry_run,
        max_tokens=max_tokens,
        on=on,
    )
    present(result, suggest_lines, as_json=as_json)


def suggest_lines(result: "SuggestResult") -> list[str]:
    """What was asked, what came back, what it is worth."""
    lines = []
    if result.estimate:
        lines.append(f"{result.model} would be asked about {result.records:,} records: {result.estimate.sentence}")
    elif result.states:
        counts = ", ".join(f"{count:,} {state}" for state, count in result.states.items() if count)
        price = "unknown (no price in rondo.toml)" if result.cost is None else f"{result.cost:,.4f} USD"
        lines.append(
            f"{result.model} answered: {counts}. {result.calls:,} calls, {result.seconds:,.1f} s, cost {price}."
        )
    elif not result.records:
        lines.append(f"{result.model} has answered every record that could be asked. --again asks once more.")
    lines += [f"Warning: {result.failure}"] if result.failure else []
    lines += [result.stopped] if result.stopped else []
    lines += result.worth.sentences if result.worth else ()
    if result.worth:
        lines += [
            f"  {part.name}: precision {part.precision.value:.0%} (95 % between {part.precision.low:.0%} and "
            f"{part.precision.high:.0%}, {part.records} audit records)"
            for part in result.worth.parts
            if part.precision
        ]
    return [*lines, "Next: rondo up (its suggestions are on the cards)."] if result.stored else lines
