"""Inputs and results of the jobs that sample records for a spreadsheet and read its labels back. Knows no store."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.jobs.kinds import JobKind
from core.tasks.columns import ColumnSummary


@dataclass(frozen=True)
class SampleParams:
    """vectors: the folder with those of every encoder. diversity: 0..1, see `spread_sample`."""

    encoder: str
    vectors: str
    threads: int
    size: int
    diversity: float
    seed: int


@dataclass(frozen=True)
class SampledRows:
    """Record numbers, in the order of the sheet."""

    rows: tuple[int, ...]


SAMPLE = JobKind("sample", SampleParams, SampledRows)


@dataclass(frozen=True)
class SheetParams:
    """file: a table with a row for each label. id, label: its columns. task, about: as `Layout` has them. add_labels:
    names that the taxonomy lacks are no fault."""

    file: str
    encoding: str
    id: str | None
    label: str
    task: str
    about: Mapping[str, object]
    add_labels: bool = False


@dataclass(frozen=True)
class RefusedRow:
    """row: of the file, from 1, the header not counted; location: in words. record: as the row names it."""

    row: int
    location: str
    record: str
    reason: str


@dataclass(frozen=True)
class ReadSheet:
    """rows: all. labelled: rows that are taken; blank: rows without a label; repeated: rows that say what a row before
    said. refused: the first MOST_REFUSED of all refusals. answers: what the column of taken labels holds."""

    rows: int
    labelled: int
    blank: int
    repeated: int
    refusals: int
    refused: tuple[RefusedRow, ...]
    answers: ColumnSummary = field(default_factory=ColumnSummary)


READ_SHEET = JobKind("read_sheet", SheetParams, ReadSheet)
