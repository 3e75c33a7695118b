"""Input and result of the job that reads a file. Knows no store and no file format."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.config.record_fields import RecordField
from core.jobs.kinds import JobKind
from core.tasks.columns import ColumnSummary

SUGGESTIONS = "suggestions.parquet"
"""what a file says that models suggest, in the job's `out/`"""


@dataclass(frozen=True)
class Layout:
    """How to read a file. text: its column, or several that make up one record together; names: what the fields are
    called whose texts stand one below the other, each after its name. left, right: in place of text, the columns of a
    record's two sides, as many for either. label: that of the answers.

    annotator: every row is an answer of whom it names, several rows may be one record; gold: its known answer.
    task, about: what an answer is, and what the task must know to read one. keep_missing_words: NA, null and their like
    are answers. many_labels: more than 1,000 different labels are no mistake. note, answered_at: of an annotator's
    answer. suggestion, probability, model: what a model of another program proposes, how sure it is, and its name.
    form: name of the file's format, "" where
    its ending says it; of one that names its columns itself those that nobody named are taken as it names them.
    """

    text: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    right: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    label: str | None = None
    id: str | None = None
    split: str | None = None
    meta: tuple[str, ...] = ()
    encoding: str = "utf-8"
    annotator: str | None = None
    gold: str | None = None
    note: str | None = None
    answered_at: str | None = None
    suggestion: str | None = None
    probability: str | None = None
    model: str | None = None
    task: str = "labels"
    about: Mapping[str, object] = field(default_factory=dict)
    keep_missing_words: bool = False
    many_labels: bool = False
    form: str = ""

    @property
    def columns(self) -> list[str]:
        """Every column that is needed, once."""
        named = [
            *self.text,
            *self.left,
            *self.right,
            self.label,
            self.id,
            self.split,
            self.annotator,
            self.gold,
            self.note,
            self.answered_at,
            self.suggestion,
            self.probability,
            self.model,
            *self.meta,
        ]
        return list(dict.fromkeys(name for name in named if name is not None))


@dataclass(frozen=True)
class IngestParams:
    """near_duplicates: report them too, which takes much longer than reading. sql: a query on what lies in the folder
    `file`, or on the database that it is. leave_out: rows of the file, from 1, that are passed over."""

    file: str
    layout: Layout
    near_duplicates: bool = False
    sql: str = ""
    leave_out: tuple[int, ...] = ()


@dataclass(frozen=True)
class RepeatedIds:
    """rows: that are no new record; other_label: how many of them have another answer than the record's first row."""

    rows: int
    other_label: int


@dataclass(frozen=True)
class ExactDuplicates:
    """groups: of records with equal normalised texts; extra: all of their records but each first."""

    groups: int
    extra: int


@dataclass(frozen=True)
class Contradiction:
    """One text with different answers: some of its rows, from 1, and of its answers in words."""

    rows: tuple[int, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Contradictions:
    """texts: that stand in the file with different answers; rows: all that have such a text; examples: the first."""

    texts: int
    rows: int
    examples: tuple[Contradiction, ...]


@dataclass(frozen=True)
class NearDuplicates:
    """groups of records whose texts have an estimated Jaccard similarity of at least `similarity`; examples: ids.

    pairs: similar pairs that hold the groups together; within one not all are looked for.
    """

    similarity: float
    groups: int
    records: int
    pairs: int
    examples: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True)
class FileReport(ColumnSummary):
    """What a file holds, its column of answers included. splits: how many rows have each; unknown_splits: words that
    are none.

    fields: of a record whose parts are named, and what each seems to hold. relabelled_rows: some pairs of rows with
    one id and two answers. answers, annotators, known_answers, repeated_answers: of a file whose rows are answers of
    people. repeats_allowed: each row is a record of its own, though another has its text.
    languages: of a sample of the texts, code -> share of the letters.
    """

    file: str
    rows: int
    records: int
    blank_rows: int
    repeated_ids: RepeatedIds
    relabelled_rows: tuple[tuple[int, int], ...]
    exact_duplicates: ExactDuplicates
    splits: dict[str, int]
    unknown_splits: dict[str, int]
    answers: int
    annotators: int
    known_answers: int
    repeated_answers: int
    fields: tuple[RecordField, ...] = ()
    contradictions: Contradictions | None = None
    near_duplicates: NearDuplicates | None = None
    form: str = ""
    left_out: tuple[str, ...] = ()
    repeats_allowed: bool = False
    languages: Mapping[str, float] = field(default_factory=dict)


def records_alone(file: str, rows: int) -> FileReport:
    """The report of records that were made here, as of a file with nothing else. file: what stands for its name."""
    return FileReport(
        file=file,
        rows=rows,
        records=rows,
        blank_rows=0,
        repeated_ids=RepeatedIds(0, 0),
        relabelled_rows=(),
        exact_duplicates=ExactDuplicates(0, 0),
        splits={},
        unknown_splits={},
        answers=0,
        annotators=0,
        known_answers=0,
        repeated_answers=0,
    )


INGEST = JobKind("ingest", IngestParams, FileReport)
