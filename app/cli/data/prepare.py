"""Commands that prepare what models learn from, and what they print. Know the verbs' results, not the store."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.data.plain_files import (
    FileArgument,
    FileEncodingOption,
    FileLabelOption,
    FileOutOption,
    FileTextOption,
    PlainOptions,
    SeveralOption,
    on_file,
    plain_file,
)
from app.cli.options import JsonOption, ProjectOption, SeedOption, errors, folder_of, run_verb
from app.cli.terminal import present

if TYPE_CHECKING:
    from rich.table import Table

    from core.data.balance import Balance
    from core.data.clean import CleanExample, Cleaning
    from core.data.split import Split

CUT = 110
"""characters of an example on a line"""
MOST_LABELS = 60
"""on the terminal"""
_APPLY = "Do it; without this it is only shown."


RulesOption = Annotated[
    list[str] | None,
    typer.Option(help="tweets, library, web, or single rules, joined by commas; `--list-rules` explains each."),
]
LanguageOption = Annotated[
    list[str] | None, typer.Option(help="Leave out texts that are surely in no language but these: en, de.")
]
LeaveOutOption = Annotated[
    list[str] | None,
    typer.Option(
        help="near_empty, boilerplate, leak, duplicate, near_duplicate, or all; without this they are only counted."
    ),
]
NearEmptyOption = Annotated[
    float, typer.Option(help="Least sum of the TF-IDF weights, ln(records / those with it), of a text's words.")
]


def clean_(
    context: typer.Context,
    file: FileArgument = None,
    rules: RulesOption = None,
    language: LanguageOption = None,
    shortest: Annotated[int, typer.Option(help="Leave out texts of fewer characters.", min=0)] = 0,
    longest: Annotated[int, typer.Option(help="Leave out texts of more characters; 0: no limit.", min=0)] = 0,
    leave_out: LeaveOutOption = None,
    near_empty: NearEmptyOption = 5.0,
    boilerplate: Annotated[float, typer.Option(help="Least mean of these weights.")] = 2.0,
    near_duplicates: Annotated[
        bool, typer.Option("--near-duplicates", help="Look for them too, which takes longer.")
    ] = False,
    list_rules: Annotated[bool, typer.Option("--list-rules", help="Say what each rule does, and end.")] = False,
    apply: Annotated[bool, typer.Option("--apply", help=_APPLY)] = False,
    text: FileTextOption = None,
    label: FileLabelOption = None,
    several: SeveralOption = False,
    encoding: FileEncodingOption = "utf-8",
    out: FileOutOption = None,
    undo: Annotated[bool, typer.Option("--undo", help="Bring back every text as it came, and every record.")] = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Clean texts for models, and leave out records that teach nothing: a preview, until --apply; FILE: until --out.

    The text as it came stays in the project, and people see it; encoders, trainers and language models that suggest
    labels read the cleaned one. `rondo extract` reads the text as it came: its spans are places in it. What is left out
    is neither asked nor learnt from, and comes back with --undo. Gold and audit records are never left out.
    """
    if list_rules:
        return _list_rules()
    from core.data.clean import clean

    changes: dict[str, object] = {
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
    plain = plain_file(file, PlainOptions(text, label, several, encoding, out), {"--apply": apply, "--undo": undo})
    if plain is not None:
        return on_file("clean_file", plain, options, _cleaned_file, as_json=as_json)
    result = run_verb(folder_of(context, project), clean, apply=apply, undo=undo, **options)  # type: ignore[arg-type]
    return present(result, _clean_lines, as_json=as_json)


def _list_rules() -> None:
    from core.data.clean_rules import RULE_SETS, RULES

    for name, rule in RULES.items():
        sets = ", ".join(set_ for set_, members in RULE_SETS.items() if name in members)
        typer.echo(f"{name:<15} {rule.__doc__} ({sets})")


def balance_(
    context: typer.Context,
    file: FileArgument = None,
    labels_to_filter: Annotated[
        list[str] | None, typer.Option(help="Leave out of training what has no other label; joined by commas.")
    ] = None,
    reduce_majority_to: Annotated[
        int | None, typer.Option(help="At most so many records of a label train, drawn at random.")
    ] = None,
    oversample: Annotated[
        bool | None,
        typer.Option(
            "--oversample/--no-oversample",
            help="Trainers repeat (encoder) or weigh (transformer) rare labels; the records stay as they are. SetFit "
            "draws as many like as unlike pairs; a round's head weighs nothing, for its probabilities must stay true.",
        ),
    ] = None,
    seed: SeedOption = None,
    apply: Annotated[bool, typer.Option("--apply", help=_APPLY)] = False,
    text: FileTextOption = None,
    label: FileLabelOption = None,
    several: SeveralOption = False,
    encoding: FileEncodingOption = "utf-8",
    out: FileOutOption = None,
    undo: Annotated[bool, typer.Option("--undo", help="Everything trains again.")] = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how often each label trains, and even it out: a preview, until --apply; of a FILE, until --out.

    Gold and audit stay as they are. In a file --oversample repeats rows of rare labels.
    """
    from core.data.balance import balance

    options: dict[str, Any] = {
        "labels_to_filter": labels_to_filter,
        "reduce_majority_to": reduce_majority_to,
        "oversample": oversample,
        "seed": seed,
    }
    plain = plain_file(file, PlainOptions(text, label, several, encoding, out), {"--apply": apply, "--undo": undo})
    if plain is not None:
        return on_file("balance_file", plain, options, _balanced_file, as_json=as_json)
    result = run_verb(folder_of(context, project), balance, **options, apply=apply, undo=undo)
    return present(result, _balance_lines, as_json=as_json)


def _balance_lines(result: "Balance") -> Iterator["Table | str"]:
    yield from _balance_table(result)
    if result.oversample:
        yield "Trainers repeat or weigh rare labels (encoder: oversample; transformer: class_weights)."
    done = "Done" if result.applied else "Nothing was changed. The same with --apply"
    yield f"{done}: {result.left_out:,} of {result.training:,} records are left out of training."


def _balanced_file(result: "Balance") -> Iterator["Table | str"]:
    yield from _balance_table(result)
    yield f"{result.left_out:,} of {result.training:,} rows with a label are left out."


def _balance_table(result: "Balance") -> Iterator["Table | str"]:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("label")
    for name in ("can train", "trains", "gold", "audit"):
        table.add_column(name, justify="right")
    for label in result.labels[:MOST_LABELS]:
        row = (label.training, label.after, label.gold, label.audit)
        table.add_row(escape(label.name[:60]), *(f"{size:,}" for size in row))
    yield table
    yield from result.notes


def split_(
    context: typer.Context,
    file: FileArgument = None,
    train: Annotated[float | None, typer.Option(help="Share to train on. Default: what is left.")] = None,
    val: Annotated[float | None, typer.Option(help="Share that chooses checkpoints. Default: none.")] = None,
    test: Annotated[float | None, typer.Option(help="Share that becomes gold. Default: .2, or what is left.")] = None,
    by: Annotated[
        str | None, typer.Option(help="Field or metadata whose values are never divided: author, document ...")
    ] = None,
    seed: SeedOption = None,
    add_to_gold: Annotated[
        bool, typer.Option("--add-to-gold", help="There is gold: split the other labelled records.")
    ] = False,
    chosen_too: Annotated[
        bool, typer.Option("--chosen-too", help="Records that a strategy chose, too: a test set of them is biased.")
    ] = False,
    text: FileTextOption = None,
    label: FileLabelOption = None,
    several: SeveralOption = False,
    encoding: FileEncodingOption = "utf-8",
    out: Annotated[
        Path | None,
        typer.Option(help="NAME.jsonl writes NAME_train.jsonl, NAME_test.jsonl ...; of a project with --apply."),
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help=_APPLY)] = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Split the labelled records, every label alike: a preview, until --apply. Test is gold from then on, for good.

    Of a FILE all rows, until --out. Equal texts stay together. The same seed gives the same splits.
    """
    from core.data.split import split

    folder = folder_of(context, project)
    options: dict[str, Any] = {"train": train, "val": val, "test": test, "by": by, "seed": seed}
    own = {"--apply": apply, "--add-to-gold": add_to_gold, "--chosen-too": chosen_too}
    plain = plain_file(file, PlainOptions(text, label, several, encoding, out), own, out_alone=True)
    if plain is not None:
        return on_file("split_file", plain, options, _split_file, as_json=as_json)
    if out is not None:
        _refuse_out(out, apply=apply)
    result = run_verb(folder, split, **options, add_to_gold=add_to_gold, chosen_too=chosen_too, apply=apply)
    present(result, _split_lines, as_json=as_json)
    if out is not None:
        _write_splits(folder, out, quiet=as_json)
    return None


def _refuse_out(out: Path, *, apply: bool) -> None:
    with errors():
        from core.errors import BadInput
        from core.store.tables import FORMATS

        if not apply:
            raise BadInput("--out writes the splits that hold, so it goes with --apply.")
        if out.suffix[1:] not in FORMATS:
            raise BadInput(f"{out.name} has no ending that says its format; there are {', '.join(FORMATS)}.")


def _write_splits(folder: Path, out: Path, *, quiet: bool) -> None:
    from core.data.split_job import SPLIT_NAMES
    from core.loop import export

    for name in SPLIT_NAMES:
        target = out.with_name(f"{out.stem}_{name}{out.suffix}").resolve()
        written = run_verb(folder, export, out=str(target), file_format=out.suffix[1:], what=name)
        if not written.rows:
            target.unlink()
        elif not quiet:
            typer.echo(f"Wrote {written.rows:,} rows to {target}.")


def _split_file(result: "Split") -> Iterator["Table | str"]:
    yield from _split_table(result)
    yield f"Seed {result.seed}."


def _split_table(result: "Split") -> Iterator["Table | str"]:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("label")
    for name in ("train", "validation", "test"):
        table.add_column(name, justify="right")
    for label in result.labels[:MOST_LABELS]:
        table.add_row(escape(label.name[:60]), f"{label.train:,}", f"{label.validation:,}", f"{label.test:,}")
    table.add_row("records", f"{result.train:,}", f"{result.validation:,}", f"{result.test:,}", style="bold")
    yield table
    if len(result.labels) > MOST_LABELS:
        yield f"... and {len(result.labels) - MOST_LABELS:,} more labels."
    yield from result.notes


def _split_lines(result: "Split") -> Iterator["Table | str"]:
    yield from _split_table(result)
    yield (
        f"Done, with seed {result.seed}: {result.test:,} records are gold."
        if result.applied
        else f"Nothing was changed. The same with --apply (seed {result.seed}); gold stays gold."
    )


def _cleaned_file(result: "Cleaning") -> Iterator[str]:
    yield from _clean_counts(result)
    yield f"{result.changed:,} of {result.records:,} texts are cleaned; {result.left_out:,} rows are left out."


def _clean_counts(result: "Cleaning") -> Iterator[str]:
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


def _clean_lines(result: "Cleaning") -> Iterator[str]:
    yield from _clean_counts(result)
    yield from result.notes
    done = "Done" if result.applied else "Nothing was changed. The same with --apply"
    yield result.sentence if result.undone else f"{done}: {result.sentence}"
    if result.encode:
        yield f"Next: rondo encode ({result.encode:,} texts are encoded again; a round does it by itself)."


def _named(example: "CleanExample") -> str:
    repeated = f" | repeats {example.other_id}: {example.after}" if example.other_id else ""
    return f"{example.id}: {example.before[: CUT // 2]}{repeated}"


def _cut(text: str) -> str:
    line = " ".join(text.split()) if "\n" in text else text
    return line if len(line) <= CUT else f"{line[:CUT]}…"
