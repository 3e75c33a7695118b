"""Commands that prepare what models learn from, and what they print. Know the verbs' results, not the store."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import JsonOption, ProjectOption, folder_of, run_verb
from app.cli.terminal import present

if TYPE_CHECKING:
    from core.data.clean import CleanExample, Cleaning

CUT = 110
"""characters of an example on a line"""
_APPLY = "Do it; without this it is only shown."


def clean_(
    context: typer.Context,
    rules: Annotated[
        list[str] | None,
        typer.Option(help="tweets, library, web, or single rules, joined by commas; `--list-rules` explains each."),
    ] = None,
    language: Annotated[
        list[str] | None, typer.Option(help="Leave out texts that are surely in no language but these: en, de.")
    ] = None,
    shortest: Annotated[int, typer.Option(help="Leave out texts of fewer characters.", min=0)] = 0,
    longest: Annotated[int, typer.Option(help="Leave out texts of more characters; 0: no limit.", min=0)] = 0,
    leave_out: Annotated[
        list[str] | None,
        typer.Option(
            help="near_empty, boilerplate, leak, duplicate, near_duplicate, or all; without this they are only counted."
        ),
    ] = None,
    near_empty: Annotated[
        float, typer.Option(help="Least sum of the TF-IDF weights, ln(records / those with it), of a text's words.")
    ] = 5.0,
    boilerplate: Annotated[float, typer.Option(help="Least mean of these weights.")] = 2.0,
    near_duplicates: Annotated[
        bool, typer.Option("--near-duplicates", help="Look for them too, which takes longer.")
    ] = False,
    list_rules: Annotated[bool, typer.Option("--list-rules", help="Say what each rule does, and end.")] = False,
    apply: Annotated[bool, typer.Option("--apply", help=_APPLY)] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Bring back every text as it came, and every record.")] = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Clean texts for models, and leave out records that teach nothing: a preview, until --apply.

    The text as it came stays in the project, and people see it; encoders and trainers read the cleaned one. What is
    left out is neither asked nor learnt from, and comes back with --undo. Gold and audit records are never left out.
    """
    if list_rules:
        return _list_rules()
    from core.data.clean import clean

    changes = {
        "rules": rules,
        "languages": language,
        "shortest": shortest,
        "longest": longest,
        "left_out": leave_out,
        "near_duplicates": near_duplicates,
    }
    options = {name: value for name, value in changes.items() if value}
    if not undo:
        options |= {"near_empty": near_empty, "boilerplate": boilerplate}
    result = run_verb(folder_of(context, project), clean, apply=apply, undo=undo, **options)  # type: ignore[arg-type]
    present(result, _clean_lines, as_json=as_json)
    return None


def _list_rules() -> None:
    from core.data.clean_rules import RULE_SETS, RULES

    for name, rule in RULES.items():
        sets = ", ".join(set_ for set_, members in RULE_SETS.items() if name in members)
        typer.echo(f"{name:<15} {rule.__doc__} ({sets})")


def _clean_lines(result: "Cleaning") -> Iterator[str]:
    for rule in result.rules:
        yield f"{rule.rule}: {rule.texts:,} texts. {rule.about}"
        for example in rule.examples:
            yield f"    {_cut(example.before)}\n -> {_cut(example.after) or '(nothing)'}"
    if result.languages:
        yield f"Languages: {', '.join(f'{code} {texts:,}' for code, texts in result.languages.items())} (un: unknown)."
    for reason in result.reasons:
        what = "left out" if reason.applies else f"only counted; --leave-out {reason.reason} leaves them out"
        yield f"{reason.reason}: {reason.records:,} records, {what}: {reason.about}."
        for example in reason.examples:
            yield f"    {_cut(_named(example))}"
    if result.protected:
        yield f"{result.protected:,} gold or audit records have such reasons, too, but they stay: they measure."
    if result.applied and not result.changed and result.encode + result.restored:
        yield f"All texts are as they came again, and {result.restored:,} records are back."
    else:
        done = "Done" if result.applied else "Nothing was changed. The same with --apply"
        yield (
            f"{done}: models read {result.changed:,} of {result.records:,} texts cleaned; "
            f"{result.left_out:,} records are left out of asking and training."
        )
    if result.encode:
        yield f"Next: rondo encode ({result.encode:,} texts are encoded again; a round does it by itself)."


def _named(example: "CleanExample") -> str:
    repeated = f" | repeats {example.other_id}: {example.after}" if example.other_id else ""
    return f"{example.id}: {example.before[: CUT // 2]}{repeated}"


def _cut(text: str) -> str:
    line = " ".join(text.split()) if "\n" in text else text
    return line if len(line) <= CUT else f"{line[:CUT]}…"
