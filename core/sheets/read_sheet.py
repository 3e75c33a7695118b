"""Reading a labelled spreadsheet row by row: what cannot be taken is refused with its reason. Knows no store."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from core.data.cells import Column
from core.data.formats.reading import RowBatch, Source
from core.data.formats.sources import open_source
from core.data.ingest import Progress
from core.errors import BadInput
from core.reports.sheet_rows import ID, PATH
from core.sheets.sheet_jobs import ReadSheet, RefusedRow, SheetParams
from core.tasks.columns import CellRules, ColumnReader
from core.tasks.tasks import reader_of

MOST_REFUSED = 10_000
_LOCATED = 50
"""refusals whose line in the file is looked up, for which the file is read again"""
_GUARD = "'"
"""what a spreadsheet's file may have before a cell that would be a formula"""


@dataclass
class SheetReader:
    """Grows with the rows. records: what a row may call a record -> its id. taken: id -> (label, row of the file)."""

    params: SheetParams
    records: Mapping[str, str]
    answers: ColumnReader
    taken: dict[str, tuple[str, int]] = field(default_factory=dict)
    refused: list[RefusedRow] = field(default_factory=list)
    rows: int = 0
    blank: int = 0
    repeated: int = 0
    refusals: int = 0

    def enter(self, source: Source, batch: RowBatch, keys: Sequence[str]) -> None:
        """One batch. keys: columns that name the record, the first that is filled in counts."""
        labels = self._labels(source, batch)
        names = [Column(source, batch, key) for key in keys]
        cells = list(zip(*(column.batch.columns[column.name] for column in names), strict=True))
        for index, (label, row) in enumerate(zip(labels, cells, strict=True)):
            self.rows += 1
            self._enter(batch, index, _named(row), label)

    def _enter(self, batch: RowBatch, index: int, name: str, label: "str | BadInput | None") -> None:
        row, record = batch.first + index, self._record(name)
        if label is None:
            self.blank += 1
        elif isinstance(label, BadInput):
            self._refuse(batch, row, name, str(label))
        elif not name:
            self._refuse(batch, row, name, "names no record: its id is empty")
        elif record is None:
            self._refuse(batch, row, name, "no record has this id or path")
        elif record in self.taken and self.taken[record][0] != self.answers.form(label):
            before, first = self.taken[record]
            this, other = self.answers.words(label), self.answers.words(before)
            self._refuse(batch, row, name, f"says {this!r}, but row {first} said {other!r} of the same record")
        elif record in self.taken:
            self.repeated += 1
        elif fault := self.answers.unknown(label, add=self.params.add_labels):
            self._refuse(batch, row, name, fault)
        else:
            self.taken[record] = self.answers.form(label), row

    def _record(self, name: str) -> str | None:
        for one in (name, name.removeprefix(_GUARD), name.rstrip("/")):
            if one in self.records:
                return self.records[one]
        return None

    def _labels(self, source: Source, batch: RowBatch) -> "list[str | BadInput | None]":
        """The answers; where the batch holds one that cannot be read, each row by itself."""
        column = Column(source, batch, self.params.label)
        try:
            return list(self.answers.read(column))
        except BadInput:
            return [self._label(source, batch, index) for index in range(len(batch.columns[column.name]))]

    def _label(self, source: Source, batch: RowBatch, index: int) -> "str | BadInput | None":
        cells = {name: [column[index]] for name, column in batch.columns.items()}
        one = replace(batch, first=batch.first + index, columns=cells, location="row {}".format)
        try:
            return self.answers.read(Column(source, one, self.params.label))[0]
        except BadInput as error:
            return error

    def _refuse(self, batch: RowBatch, row: int, record: str, reason: str) -> None:
        self.refusals += 1
        if len(self.refused) < MOST_REFUSED:
            location = batch.location(row) if len(self.refused) < _LOCATED else f"row {row}"
            self.refused.append(RefusedRow(row, location, record[:200], reason))


def _named(cells: Sequence[object]) -> str:
    return next((str(cell) for cell in cells if cell is not None and str(cell).strip()), "")


def read_sheet(params: SheetParams, records: Mapping[str, str], report: Progress) -> tuple[SheetReader, ReadSheet]:
    """Raises BadInput where the file has no such columns or cannot be read as a table."""
    source = open_source(Path(params.file), params.encoding)
    keys = _key_columns(source, params)
    answers = reader_of(params.task, params.about, CellRules(many=True))
    reader, total = SheetReader(params, records, answers), source.total
    for batch in source.batches([*keys, params.label]):
        reader.enter(source, batch, keys)
        report(batch.done, total)
    report(total, total)
    answers.count_known(label for label, _ in reader.taken.values())
    return reader, ReadSheet(
        rows=reader.rows,
        labelled=len(reader.taken),
        blank=reader.blank,
        repeated=reader.repeated,
        refusals=reader.refusals,
        refused=tuple(reader.refused),
        answers=replace(answers.summary(()), fault=None),  # each such row was refused
    )


def _key_columns(source: Source, params: SheetParams) -> list[str]:
    requested = [params.id, params.label] if params.id else [ID, PATH, params.label]
    columns = source.columns(requested)
    shown = ", ".join(repr(column[:80]) for column in columns[:20])
    keys = [params.id] if params.id else [name for name in (ID, PATH) if name in columns]
    for name in (*keys, params.label):
        if columns.count(name) != 1:
            fault = f"has no column {name!r}" if name not in columns else f"has several columns {name!r}"
            raise BadInput(f"{source.path.name} {fault}; it has {shown}. Name the columns with --id and --label.")
    if not keys:
        raise BadInput(
            f"{source.path.name} has neither a column 'id' nor 'path' but {shown}. Name the one with ids: --id NAME"
        )
    return keys


def taken_rows(reader: SheetReader) -> Iterator[tuple[int, str, str]]:
    """(row from 0, record id, label) of what is taken."""
    for record, (label, row) in reader.taken.items():
        yield row - 1, record, label
