"""What the job that reads a person's file is given, and what it reports. Knows no store and no file format."""

from dataclasses import dataclass

from core.jobs.kinds import JobKind


@dataclass(frozen=True)
class Layout:
    """How to read a file. text: its column, or several that make up one record together. multi: labels joined by |.

    annotator: every row is an answer of whom it names, several rows may be one record; gold: its known answer.
    known: the labels that there are. keep_missing_words: NA, null and their like are labels. many_labels: more than
    1,000 are no mistake.
    """

    text: tuple[str, ...]
    label: str | None = None
    id: str | None = None
    split: str | None = None
    meta: tuple[str, ...] = ()
    multi: bool = False
    encoding: str = "utf-8"
    annotator: str | None = None
    gold: str | None = None
    known: tuple[str, ...] = ()
    keep_missing_words: bool = False
    many_labels: bool = False

    @property
    def columns(self) -> list[str]:
        """Every column that is needed, once."""
        named = [*self.text, self.label, self.id, self.split, self.annotator, self.gold, *self.meta]
        return list(dict.fromkeys(name for name in named if name is not None))


@dataclass(frozen=True)
class IngestParams:
    """near_duplicates: report them too, which takes much longer than reading."""

    file: str
    layout: Layout
    near_duplicates: bool = False


@dataclass(frozen=True)
class RepeatedIds:
    """rows: that are no new record; other_label: how many of them have another label than the record's first row."""

    rows: int
    other_label: int


@dataclass(frozen=True)
class ExactDuplicates:
    """groups: of records with equal normalised texts; extra: all of their records but each first."""

    groups: int
    extra: int


@dataclass(frozen=True)
class Contradiction:
    """One text with different labels: some of its rows, from 1, and of its labels."""

    rows: tuple[int, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Contradictions:
    """texts: that stand in the file with different labels; rows: all that have such a text; examples: the first."""

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


@dataclass(frozen=True)
class FileReport:
    """What a file holds. labels, splits: how many rows have each; none_of_them: rows that say that no label holds.

    relabelled_rows: some pairs of rows with one id and two labels. unknown_splits: words that are none. missing_words:
    that were taken for no label. spellings: of numbers that are written in several ways. fault: the first name that no
    label can have; doubt: about the column of labels. answers, annotators, known_answers, repeated_answers: of a file
    whose rows are answers. declared: labels that its metadata name.
    """

    file: str
    rows: int
    records: int
    blank_rows: int
    labelled: int
    repeated_ids: RepeatedIds
    relabelled_rows: tuple[tuple[int, int], ...]
    exact_duplicates: ExactDuplicates
    labels: dict[str, int]
    splits: dict[str, int]
    unknown_splits: dict[str, int]
    missing_words: dict[str, int]
    spellings: dict[str, tuple[str, ...]]
    none_of_them: int
    fault: str | None
    doubt: str | None
    declared: tuple[str, ...]
    answers: int
    annotators: int
    known_answers: int
    repeated_answers: int
    contradictions: Contradictions | None = None
    near_duplicates: NearDuplicates | None = None


INGEST = JobKind("ingest", IngestParams, FileReport)
