"""The import command and its output. Knows the verb's result, not the file."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import JsonOption, ProjectOption, errors, folder_of, run_verb
from app.cli.steps.extract import import_annotated
from app.cli.terminal import present

if TYPE_CHECKING:
    from core.data.file_import import ImportSummary
    from core.pairs.sides import SourceImport

_SHOWN = 10
_LONGEST = 80
"""characters of an answer in a sentence"""
"""names in one line"""


LabelOption = Annotated[
    str | None,
    typer.Option(
        help="Column with labels; several in one cell are joined by |, [] is none of them. Of other tasks: answers."
    ),
]
SplitOption = Annotated[
    str | None,
    typer.Option(help="Column with the split, in any case; 'test' is gold, also where the record is known already."),
]
AnnotatorOption = Annotated[
    str | None, typer.Option(help="Column with names: every row is that person's answer, an id may repeat.")
]
GoldOption = Annotated[
    str | None, typer.Option(help="With --annotator: column with known answers; such records become gold.")
]
LeftOption = Annotated[
    list[str] | None,
    typer.Option(help="Of a file of pairs: column of the one side; repeat it for several fields."),
]
RightOption = Annotated[list[str] | None, typer.Option(help="Column of the other side, in the same order as --left.")]
MapOption = Annotated[
    Path | None,
    typer.Option("--map", help="Of structured answers: file whose section [map] says where in FILE they stand."),
]
ChunkOption = Annotated[
    int, typer.Option("--chunk", help="Of structured answers: cut texts longer than so many characters.", min=0)
]
ChunkOverlapOption = Annotated[
    int, typer.Option("--chunk-overlap", help="Characters that a chunk shares with the one before.", min=0)
]
SourceOption = Annotated[
    str | None, typer.Option(help="Of records that are to be paired: what their source is called.")
]


AddLabelsOption = Annotated[bool, typer.Option("--add-labels", help="Add labels that are not in the taxonomy yet.")]
KeepMissingOption = Annotated[
    bool, typer.Option("--keep-missing-words", help="NA, null, None and their like are labels, not missing ones.")
]
ManyLabelsOption = Annotated[
    bool, typer.Option("--many-labels", help="More than 1,000 different labels are no mistake.")
]
FileArgument = Annotated[
    str | None,
    typer.Argument(
        help="CSV, TSV, JSON, JSONL (.gz too), Excel, Parquet, Arrow, a folder or zip of .txt files; what Label "
        "Studio, Prodigy, doccano, Argilla, spaCy and fastText write; hf:OWNER/NAME or hf:FOLDER, a data set of "
        "Hugging Face; an address (https://, s3://)."
    ),
]
FormatOption = Annotated[
    str,
    typer.Option("--format", help="Of FILE, where its ending and beginning do not say it. `rondo formats` lists them."),
]
SqlOption = Annotated[
    str,
    typer.Option(
        "--sql", help="A query of DuckDB in place of FILE: paths count from this folder; FILE may be a DuckDB database."
    ),
]


def import_(
    context: typer.Context,
    file: FileArgument = None,
    text: Annotated[list[str] | None, typer.Option(help="Column with the text; repeat it for several fields.")] = None,
    left: LeftOption = None,
    right: RightOption = None,
    source: SourceOption = None,
    map_: MapOption = None,
    chunk: ChunkOption = 0,
    chunk_overlap: ChunkOverlapOption = 0,
    label: LabelOption = None,
    id_: Annotated[str | None, typer.Option("--id", help="Column with ids. Default: made from the text.")] = None,
    split: SplitOption = None,
    annotator: AnnotatorOption = None,
    gold: GoldOption = None,
    meta: Annotated[list[str] | None, typer.Option(help="Column to show beside the text; repeat it.")] = None,
    encoding: Annotated[str, typer.Option(help="Character encoding of CSV, JSONL and text files.")] = "utf-8",
    near_duplicates: Annotated[bool, typer.Option("--near-duplicates", help="Report near-duplicates too.")] = False,
    form: FormatOption = "",
    sql: SqlOption = "",
    add_labels: AddLabelsOption = False,
    keep_missing_words: KeepMissingOption = False,
    many_labels: ManyLabelsOption = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring records into the project: all of the file or nothing of it."""
    folder = folder_of(context, project)
    path = _path(file, sql)
    if map_ or chunk:
        return import_annotated(folder, Path(path), map_, (chunk, chunk_overlap), as_json=as_json)
    if not (left or right) and _is_paired(folder):
        others = {"--label": label, "--split": split, "--annotator": annotator, "--meta": meta}
        others |= {"--format": form, "--sql": sql}
        return _import_source(folder, _SourceFile(path, text or [], id_, source, encoding), others, as_json=as_json)
    from core.data.file_import import import_file

    result = run_verb(
        folder,
        import_file,
        file=path,
        form=form,
        sql=sql,
        text=text or [],
        left=left or [],
        right=right or [],
        label=label,
        id=id_,
        split=split,
        annotator=annotator,
        gold=gold,
        meta=meta or [],
        encoding=encoding,
        near_duplicates=near_duplicates,
        add_labels=add_labels,
        keep_missing_words=keep_missing_words,
        many_labels=many_labels,
    )
    present(result, import_lines, as_json=as_json)
    return None


def _path(file: str | None, sql: str) -> str:
    """Whole, for the app may run in another folder; an address as it is. A query needs no file: this folder."""
    with errors():
        from core.data.remote_files import full_path
        from core.errors import BadInput

        if not file and not sql:
            raise BadInput("Name a file, a folder or an address to import, or give a query: --sql.")
        return full_path(file or ".")


def _is_paired(folder: Path) -> bool:
    """Whether records are paired in this project before anybody is asked."""
    with errors():
        from core.config.settings import read_settings
        from core.tasks.tasks import task_of

        return task_of(read_settings(folder)).two_sides


@dataclass(frozen=True)
class _SourceFile:
    file: str
    text: list[str]
    id: str | None
    source: str | None
    encoding: str


def _import_source(folder: Path, file: _SourceFile, others: Mapping[str, object], *, as_json: bool) -> None:
    """others: options that records without a partner cannot have."""
    with errors():
        from core.errors import BadInput
        from core.pairs.sides import import_source

        if misplaced := [name for name, value in others.items() if value]:
            raise BadInput(
                f"{misplaced[0]} goes with a file of pairs, whose sides are named by --left and --right. Records of a "
                "source have --text and --id."
            )
    result = run_verb(
        folder,
        import_source,
        file=file.file,
        text=file.text,
        id=file.id,
        source=file.source,
        encoding=file.encoding,
    )
    present(result, source_lines, as_json=as_json)


def source_lines(result: "SourceImport") -> list[str]:
    """Records, fields with what they seem to hold, and what is there now."""
    lines = [f"{result.rows:,} rows of {result.source}: {result.added:,} new records, {result.known:,} known already."]
    if result.report.fields:
        lines.append(f"Fields: {', '.join(f'{field.name} ({field.role})' for field in result.report.fields)}.")
    if result.report.blank_rows:
        lines.append(f"{result.report.blank_rows:,} rows of empty fields were passed over.")
    if extra := result.report.exact_duplicates.extra:
        lines.append(f"{extra:,} have a text that another record of the file has too.")
    lines.append(f"Sources: {_listed(result.sources)}.")
    return [*lines, "Next: another source, or rondo candidates (pair the records)."]


def import_lines(result: "ImportSummary") -> list[str]:
    """Records first, then labels and splits with counts, then every warning."""
    lines = [f"{result.rows:,} rows: {result.added:,} new records, {result.known:,} known already."]
    lines = [*_form_lines(result), *lines]
    lines += [*_record_lines(result), *_label_lines(result), *_gold_lines(result)]
    lines += [f"Warning: {doubt}" for doubt in _doubts(result)]
    return [*lines, "Next: rondo next (choose the first batch), rondo up (label it)."]


def _form_lines(result: "ImportSummary") -> Iterator[str]:
    """The format, where nobody named its columns, and what of it was not taken."""
    form, left_out = result.report.form, result.report.left_out
    if form:
        yield f"Read as {form}."
    if left_out:
        yield f"Not taken: {', '.join(left_out)}."
    if result.suggestions:
        yield (
            f"{result.suggestions:,} suggestions of another program's model: no labels, but shown as suggestions where "
            "no model of this project has one, and measured on the audit."
        )


def _record_lines(result: "ImportSummary") -> Iterator[str]:
    from core.data.languages import language_sentence

    if result.report.blank_rows:
        yield f"{result.report.blank_rows:,} rows of empty fields were passed over."
    noun = result.report.noun
    if result.duplicates:
        yield (
            f"{result.duplicates:,} are exact duplicates: nobody is asked for them, and where they have no {noun} of "
            "their own they take that of the first of their kind."
        )
    if result.encoder:
        yield (
            f"{language_sentence(result.report.languages)}: encoded by {result.encoder}, which reads it. Another one: "
            "`encoder` in rondo.toml."
        )
    if near := result.report.near_duplicates:
        yield f"{near.records:,} records in {near.groups:,} groups are near-duplicates of each other."


def _label_lines(result: "ImportSummary") -> Iterator[str]:
    from core.tasks.columns import with_article

    report, one = result.report, with_article(result.report.noun)
    if result.labelled:
        parts = f": {result.new:,} new, {result.changed:,} changed, {result.same:,} as files said before"
        yield f"{result.labelled:,} came with {one}{parts if result.changed or result.same else ''}."
    if report.labels:
        yield f"Labels: {_listed(report.labels)}."
    if report.distinct:
        examples = (one if len(one) <= _LONGEST else f"{one[:_LONGEST]} …" for one in report.examples)
        yield f"{report.distinct:,} different {report.noun}s, such as {', '.join(examples)}."
    if report.none_of_them:
        yield f"{report.none_of_them:,} say that none of the labels holds."
    if words := report.missing_words:
        yield f"No {report.noun} where the file says {_listed(words)} (as {report.noun}s: --keep-missing-words)."
    for number, written in report.spellings.items():
        if len(written) > 1:
            yield f"{' and '.join(written)} are one label, {number}."


def _gold_lines(result: "ImportSummary") -> Iterator[str]:
    """What people answered, and what of it, or of a split, is gold."""
    if result.answers:
        yield f"{result.answers:,} answers of {result.annotators:,} people."
    if result.made_gold:
        yield f"{result.made_gold:,} records are gold by their known answers: they judge, and are not asked."
    if result.not_gold:
        yield f"{result.not_gold:,} known answers make no gold: their records were asked, or taught a model."
    if splits := result.report.splits:
        gold = "; test is gold, which judges and never teaches" if "test" in splits else ""
        yield f"Splits: {_listed(splits)}{gold}."
    if result.declared_gold:
        no_longer_trained = f"; {result.stopped_teaching:,} of them taught until now" if result.stopped_teaching else ""
        yield f"{result.declared_gold:,} records that were here before are gold now{no_longer_trained}."


def _doubts(result: "ImportSummary") -> Iterator[str]:
    report, clashes, noun = result.report, result.report.contradictions, result.report.noun
    if report.doubt:
        yield report.doubt
    if unknown := report.unknown_splits:
        yield f"no split is called {_listed(unknown)}: these records teach. Only 'test' makes gold."
    if result.contradicted:
        yield f"{result.contradicted:,} {noun}s contradict what people answered, which holds."
    if repeated := report.repeated_ids.other_label:
        rows = _rows(report.relabelled_rows)
        yield f"{repeated:,} rows repeat an id with another {noun}; only the first row of each counts ({rows})."
    if clashes and clashes.texts:
        rows = _rows([example.rows for example in clashes.examples])
        yield f"{clashes.texts:,} texts stand there with different {noun}s, which contradict each other ({rows})."
    if result.clashing > (clashes.rows if clashes else 0):
        yield (
            f"{result.clashing:,} {noun}s contradict the {noun} that a file gave another record with the same text; "
            "look at the duplicates on the Records page."
        )
    for names in result.look_alikes:
        yield f"these labels look alike: {', '.join(map(ascii, names))}. If they are one, correct the file."


def _rows(groups: Sequence[Sequence[int]]) -> str:
    return "; ".join(f"rows {' and '.join(map(str, rows))}" for rows in groups)


def _listed(counts: Mapping[str, int]) -> str:
    shown = ", ".join(f"{name} {count:,}" for name, count in list(counts.items())[:_SHOWN])
    return shown + (f" and {len(counts) - _SHOWN:,} more" if len(counts) > _SHOWN else "")
