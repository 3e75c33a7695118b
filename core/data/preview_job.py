"""Input and result of the job that looks into a file before anything is imported. Knows no store and no format."""

from collections.abc import Mapping
from dataclasses import dataclass

from core.jobs.kinds import JobKind

ROLES = ("text", "id", "label", "split", "annotator", "left", "right", "context", "none")
"""what a column may be; several may be text, left, right or context"""


@dataclass(frozen=True)
class PreviewParams:
    """roles: of columns, by name; none: they are guessed, and only the beginning of the file is read. two_sides: a
    record is two texts. sql: a query, whose rows they are: file is a folder or a database then, as an import has it."""

    file: str
    encoding: str = "utf-8"
    form: str = ""
    roles: Mapping[str, str] | None = None
    two_sides: bool = False
    sql: str = ""


@dataclass(frozen=True)
class PreviewColumn:
    """role: guessed or chosen. filled, distinct: of the rows that were read. values: of few different ones the most
    frequent, with counts; [] where nearly every row has its own."""

    name: str
    role: str
    filled: int
    distinct: int
    values: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class LeftOutRow:
    """A row that cannot be a record. row: from 1; location, reason: in words."""

    row: int
    location: str
    reason: str


@dataclass(frozen=True)
class Preview:
    """rows: the first ones, a cell a column, None where there is nothing. read: rows that were read; whole: all.

    form: of a file that names its columns itself. left_out: the first rows that cannot be records, unusable: how many
    there are. duplicates: records with the text of an earlier one. labels: of the column of labels, with counts.
    alike: labels that differ by case or spaces alone. gold: rows that a split makes gold. notes: sentences on the rest.
    """

    columns: tuple[PreviewColumn, ...]
    rows: tuple[tuple[str | None, ...], ...]
    read: int
    whole: bool
    form: str = ""
    unusable: int = 0
    left_out: tuple[LeftOutRow, ...] = ()
    duplicates: int = 0
    labels: tuple[tuple[str, int], ...] = ()
    labelled: int = 0
    alike: tuple[tuple[str, ...], ...] = ()
    gold: int = 0
    notes: tuple[str, ...] = ()


PREVIEW = JobKind("preview", PreviewParams, Preview)
