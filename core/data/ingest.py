"""From a person's file to `records.parquet`, and `answers.parquet` where it names annotators.

Which column means what, checked and streamed through. Knows columns and texts; not the project, its store or its
taxonomy, nor what an answer is.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.config.record_fields import RecordField, check_field_name, guess_role, join_fields
from core.data.annotator_answers import AnswerCollector
from core.data.answer_cells import contradictions_in, read_splits
from core.data.cells import Column, json_of
from core.data.formats.file_format import STANDARD
from core.data.formats.formats import FORMATS
from core.data.formats.reading import DeclaringSource, RowBatch, Source
from core.data.formats.row_source import WithoutRows
from core.data.formats.sources import open_source, recognised
from core.data.formats.sql_tables import SqlSource
from core.data.ingest_job import SUGGESTIONS, FileReport, IngestParams, Layout, RepeatedIds
from core.data.languages import languages_in
from core.data.ledger import Ledger
from core.data.near_duplicates import near_duplicates_in
from core.errors import BadInput
from core.tasks.columns import CellRules, ColumnReader
from core.tasks.tasks import TASKS, reader_of

if TYPE_CHECKING:
    from core.data.suggested_answers import Write

Progress = Callable[[int, int], None]
"""(done, total): bytes of a text file, rows of a table, files of a folder."""

SAMPLED = 1_000
"""rows by which the role of a field is guessed"""
ROW_GROUP_ROWS, ROW_GROUP_BYTES = 100_000, 64 << 20


def ingest(params: IngestParams, out: Path, report: Progress) -> FileReport:
    """Writes out/records.parquet, whole or not at all, and returns what the file holds.

    Records stand in the order of the file, and the same file gives the same ids again. Raises BadInput for the first
    row that cannot be read.
    """
    source, layout = open_layout(params)
    if params.leave_out:
        source = WithoutRows(source, frozenset(params.leave_out))
    require_columns(source, layout)
    out.mkdir(parents=True, exist_ok=True)
    part, answers = out / "records.parquet.part", out / "answers.parquet"
    reader = reader_of(layout.task, layout.about, CellRules(layout.keep_missing_words, layout.many_labels))
    for left in (answers, out / SUGGESTIONS):
        left.unlink(missing_ok=True)  # of a job that did not end
    try:
        result = replace(
            write_records(source, layout, reader, part, report),
            contradictions=contradictions_in(part, reader) if layout.label else None,
            near_duplicates=near_duplicates_in(part) if params.near_duplicates else None,
            languages=languages_in(part),
        )
        if params.sql and source.path.is_dir():
            result = replace(result, file="query")
        part.replace(out / "records.parquet")  # last: whoever finds it has all of it
    finally:
        part.unlink(missing_ok=True)
    return result


def open_layout(params: IngestParams) -> tuple[Source, Layout]:
    """The file's source, and its layout: where nobody says what the text is, and the format does, all that it says."""
    file, layout = Path(params.file), params.layout
    if params.sql:
        return SqlSource(file, params.sql), layout
    columns_named = bool(layout.text or layout.left)
    form = layout.form or recognised(file, layout.encoding, by_content=not columns_named)
    source = open_source(file, layout.encoding, form)
    if not form or not FORMATS[form].names_itself:
        return source, replace(layout, form="")
    return source, named_layout(source.columns([]), replace(layout, form=form))


def named_layout(columns: Sequence[str], layout: Layout) -> Layout:
    """With the columns that have a meaning by their names, and all that have none as metadata; what was named holds."""

    def named(name: str, requested: str | None) -> str | None:
        return requested or (name if name in columns else None)

    people = named("annotator", layout.annotator)
    label = named("label", layout.label)
    id_ = named("id", layout.id)
    text = layout.text or (() if layout.left else ("text",))
    annotator = people if label and id_ else None
    suggestion = named("suggestion", None)
    taken = {*text, *layout.left, *layout.right, label, id_, layout.split, people, layout.gold}
    free = [name for name in columns if name not in (*STANDARD, *taken)] if FORMATS[layout.form].meta else []
    return replace(
        layout,
        text=tuple(text),
        label=label,
        id=id_,
        split=named("split", layout.split),
        annotator=annotator,
        note=named("note", None) if annotator else None,
        answered_at=named("answered_at", None) if annotator else None,
        suggestion=suggestion,
        probability=named("probability", None) if suggestion else None,
        model=named("model", None) if suggestion else None,
        gold=named("gold", layout.gold) if people and label and id_ else layout.gold,
        meta=layout.meta or tuple(free),
    )


def require_columns(source: Source, layout: Layout) -> None:
    """Raises BadInput where a requested column is missing or repeated, with the one that was probably meant."""
    noun = TASKS[layout.task].noun
    _require_texts(layout)
    if layout.annotator and not (layout.label and layout.id):
        raise BadInput(
            f"With a column of annotators every row is one answer: say which column holds the {noun}s (--label) and "
            "which one says what record a row is about (--id)."
        )
    if layout.gold and not layout.annotator:
        raise BadInput(
            "A column of known answers goes with one of annotators (--annotator). Without one, name it as --label and "
            "say by --split which records are 'test'."
        )
    columns = source.columns(layout.columns)
    if not columns:
        raise BadInput(f"{source.path.name} is empty; it needs at least one record.")
    for name in layout.columns:
        if columns.count(name) > 1:
            raise BadInput(f"{source.path.name} has {columns.count(name)} columns '{name}'; rename all but one.")
        if name not in columns:
            near = get_close_matches(name, columns, n=1)
            remedy = f"did you mean {near[0]!r}?" if near else "name one of these."
            there = ", ".join(repr(column[:80]) for column in columns[:20]) + (", …" if len(columns) > 20 else "")
            raise BadInput(f"{source.path.name} has no column '{name}' but {there}; {remedy}")


FieldSamples = dict[str, list[str]]
"""the first values of each named field"""


def _require_texts(layout: Layout) -> None:
    if len(layout.left) != len(layout.right):
        raise BadInput(
            f"The left side has {len(layout.left)} columns and the right side {len(layout.right)}; name as many for "
            "either, in the same order: --left name_a --right name_b."
        )
    if not layout.text and not layout.left:
        raise BadInput("No text column was named; say which one to label, for example --text text.")
    for name in layout.names or side_names(layout):
        check_field_name(name)


@dataclass(frozen=True)
class Reading:
    """What was read of a file so far."""

    ledger: Ledger
    crowd: AnswerCollector
    answers: ColumnReader
    samples: FieldSamples = field(default_factory=dict)
    suggest: "Write | None" = None


def _suggestions_writer(target: Path, layout: Layout) -> AbstractContextManager["Write | None"]:
    """What adds the suggestions of a batch; None for a file that has none."""
    if not layout.suggestion:
        return nullcontext()
    from core.data.suggested_answers import suggestions_writer

    return suggestions_writer(target.with_name(SUGGESTIONS), layout.form)


def write_records(source: Source, layout: Layout, answers: ColumnReader, target: Path, report: Progress) -> FileReport:
    """Streams the file into a Parquet table at `target` and returns what was counted on the way."""
    ledger = Ledger()
    total = source.total
    with records_writer(target) as write, _suggestions_writer(target, layout) as suggest:
        reading = Reading(ledger, AnswerCollector(answers), answers, suggest=suggest)
        for batch in source.batches(layout.columns):
            ledger.blank += batch.blank
            if any(batch.columns.values()):
                write(record_columns(source, batch, layout, reading))
            report(batch.done, total)
        report(total, total)
        if not ledger.rows:
            raise BadInput(f"{source.path.name} has no rows; it needs at least one record.")
    if layout.annotator:
        reading.crowd.write(target.with_name("answers.parquet"))
        answers.count_known(reading.crowd.known_answers())
    return _report(source, layout, reading)


def _report(source: Source, layout: Layout, reading: Reading) -> FileReport:
    """All counts of a file that was read."""
    ledger, crowd = reading.ledger, reading.crowd
    names = source.columns([]) if layout.form else []
    declared = source.declared(layout.label) if isinstance(source, DeclaringSource) and layout.label else ()
    return FileReport(
        file=source.path.name,
        rows=ledger.rows,
        records=ledger.records,
        blank_rows=ledger.blank,
        repeated_ids=RepeatedIds(ledger.rows - ledger.records, ledger.relabelled),
        relabelled_rows=tuple(ledger.relabelled_rows),
        exact_duplicates=ledger.exact_duplicates(),
        fields=tuple(RecordField(name, guess_role(name, values)) for name, values in reading.samples.items()),
        splits=dict(ledger.splits.most_common()),
        unknown_splits=dict(ledger.unknown_splits.most_common(10)),
        answers=len(crowd.details) - crowd.known,
        annotators=crowd.annotators,
        known_answers=crowd.known,
        repeated_answers=crowd.repeated,
        form=layout.form,
        left_out=tuple(name for name in STANDARD if name not in layout.columns and name in names),
        **vars(reading.answers.summary(declared)),
    )


def record_columns(source: Source, batch: RowBatch, layout: Layout, reading: Reading) -> dict[str, Any]:
    """One batch as columns of the table, without the rows whose record is known already.

    Where rows are answers of people the table has none: the crowd has them.
    """
    ledger = reading.ledger
    texts, fields = _texts(source, batch, layout, reading.samples)
    rows = len(texts)
    label = Column(source, batch, layout.label) if layout.label and not layout.annotator else None
    labels = reading.answers.read(label) if label else [None] * rows
    contents = texts if fields is None else fields
    retained: Sequence[int]
    if layout.id:
        ids, retained = ledger.given_ids(Column(source, batch, layout.id), contents, labels)
    else:
        ids, retained = ledger.hashed_ids(contents), range(rows)
    if layout.annotator:
        _enter_answers(source, batch, layout, reading)
    if reading.suggest and layout.suggestion:
        reader = reader_of(layout.task, layout.about, CellRules(layout.keep_missing_words, layout.many_labels))
        named = (Column(source, batch, name) if name else None for name in (layout.model, layout.probability))
        reading.suggest(ids, Column(source, batch, layout.suggestion), reader, *named)
    split = Column(source, batch, layout.split) if layout.split else None
    table: dict[str, Any] = {
        "id": ids,
        "text": texts,
        "fields": fields or [None] * rows,
        "meta": _meta(batch, layout.meta, rows),
        "label": labels,
        "split": read_splits(split, ledger.unknown_splits) if split else [None] * rows,
    }
    if len(retained) < rows:
        table = {name: [cells[index] for index in retained] for name, cells in table.items()}
    if label:
        reading.answers.count(label, table["label"])
    ledger.splits.update(split for split in table["split"] if split is not None)
    position = batch.first - 1 + np.asarray(retained, np.int64)  # row of the file, from 0
    return {**table, "position": position, "hash": ledger.enter(rows, table["text"])}


def _enter_answers(source: Source, batch: RowBatch, layout: Layout, reading: Reading) -> None:
    """The answers of all rows, by whom they are."""
    names = (layout.id, layout.label, layout.annotator, layout.gold, layout.note, layout.answered_at)
    record, label, people, gold, *about = (Column(source, batch, name) if name else None for name in names)
    if record and label and people:
        ids, labels = [name or "" for name in record.strings()], reading.answers.read(label)
        reading.crowd.enter(ids, labels, label, people)
        reading.crowd.describe(ids, people, *about)
        reading.answers.count(label, labels)
        if gold:
            reading.crowd.enter_known(ids, reading.answers.read(gold), gold)


def _texts(
    source: Source, batch: RowBatch, layout: Layout, samples: FieldSamples
) -> tuple[list[str], list[str] | None]:
    """(texts, fields as JSON); fields only where there are several, whose texts are then joined by blank lines."""
    columns = [Column(source, batch, name) for name in layout.text]
    if layout.left:
        names = side_names(layout)
        sides = [
            _named_rows([Column(source, batch, name) for name in side], names, samples)
            for side in (layout.left, layout.right)
        ]
        for index, row in enumerate(zip(*sides, strict=True)):
            for text, side in zip(row, (layout.left, layout.right), strict=True):
                if text is None:
                    Column(source, batch, side[0]).complain(index, "holds no text; fill it in or remove the row")
        pairs = [(left or "", right or "") for left, right in zip(*sides, strict=True)]
        return ["\n\n".join(pair) for pair in pairs], [json_of({"left": one, "right": other}) for one, other in pairs]
    parts = [column.strings() for column in columns]
    if len(columns) == 1:
        texts, fields = [text or "" for text in parts[0]], None
    elif layout.names:
        texts = [text or "" for text in _named_rows(columns, layout.names, samples)]
        fields = [json_of(dict(zip(layout.names, row, strict=True))) for row in zip(*parts, strict=True)]
    else:
        texts = ["\n\n".join(part for part in row if part and not part.isspace()) for row in zip(*parts, strict=True)]
        fields = [json_of(dict(zip((c.name for c in columns), row, strict=True))) for row in zip(*parts, strict=True)]
    for index, text in enumerate(texts):
        if not text or text.isspace():
            columns[0].complain(index, "holds no text; fill it in or remove the row")
    return texts, fields


def _named_rows(columns: Sequence[Column], names: Sequence[str], samples: FieldSamples) -> list[str | None]:
    """Of each row its fields, each after its name; None where all are empty. A single column is its text alone."""
    rows = list(zip(*(column.strings() for column in columns), strict=True))
    if len(names) > 1:
        for name, values in zip(names, zip(*rows[:SAMPLED], strict=True), strict=False):
            known = samples.setdefault(name, [])
            known += [value or "" for value in values][: SAMPLED - len(known)]
    return [
        join_fields(dict(zip(names, (value or "" for value in row), strict=True)))
        if any(value and not value.isspace() for value in row)
        else None
        for row in rows
    ]


def _beginning(one: str, other: str) -> str:
    """What both begin with, without the marks at its end."""
    same = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return "".join(letter for letter, _ in same).strip(" _-.")


def side_names(layout: Layout) -> tuple[str, ...]:
    """What fields are called whose columns are name_a and name_b: by what both begin with, or end with."""
    names: list[str] = []
    for one, other in zip(layout.left, layout.right, strict=True):
        name = max(_beginning(one, other), _beginning(one[::-1], other[::-1])[::-1], key=len) or one
        names.append(one if name in names else name)
    return tuple(names)


def _meta(batch: RowBatch, names: Sequence[str], rows: int) -> list[str] | list[None]:
    if not names:
        return [None] * rows
    return [
        json_of(dict(zip(names, row, strict=True)))
        for row in zip(*(batch.columns[name] for name in names), strict=True)
    ]


@contextmanager
def records_writer(target: Path) -> Iterator[Callable[[dict[str, Any]], None]]:
    """A function that takes one batch of columns; they are gathered into row groups of a decent size."""
    import pyarrow as arrow  # type: ignore[import-untyped]
    from pyarrow import parquet

    text = arrow.string()
    types = {"position": arrow.int64(), "hash": arrow.uint64()}
    names = ["position", "id", "text", "fields", "meta", "hash", "label", "split"]
    schema = arrow.schema([(name, types.get(name, text)) for name in names])
    waiting: list[Any] = []

    def flush() -> None:
        if waiting:
            writer.write_table(arrow.Table.from_batches(waiting), row_group_size=ROW_GROUP_ROWS)
            waiting.clear()

    def write(columns: dict[str, Any]) -> None:
        arrays = [arrow.array(columns[name], type=schema.field(name).type) for name in names]
        waiting.append(arrow.record_batch(arrays, schema=schema))
        if sum(map(len, waiting)) >= ROW_GROUP_ROWS or sum(part.nbytes for part in waiting) >= ROW_GROUP_BYTES:
            flush()

    with parquet.ParquetWriter(target, schema, use_dictionary=["label", "split"]) as writer:
        yield write
        flush()
