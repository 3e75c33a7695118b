"""A column of answers in a file, for any task: what reads it, what it counts, what is learnt. Knows no file format."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn, Protocol

from core.config.settings import Settings
from core.errors import BadInput
from core.store.answers import answer_text

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MISSING_WORDS = frozenset(
    ("NA", "N/A", "n/a", "<NA>", "#N/A", "#N/A N/A", "#NA", "NaN", "nan", "-NaN", "-nan", "NULL", "null", "None")
)
"""what R, pandas, SQL and spreadsheets write where there is nothing"""

REMEMBERED = 20_000
"""different cells whose meaning is remembered"""
EXAMPLES = 5


class Cells(Protocol):
    """One column of a part of a file. index: of a row in that part, from 0."""

    def strings(self) -> list[str | None]:
        """The cells as text."""

    def joined(self, separator: str, empty: str, *, several: bool) -> list[str | None]:
        """The same; a list as its parts, joined, an empty one as `empty`. several: it may have many parts."""

    def location(self, index: int) -> str:
        """File, row and column in words."""

    def complain(self, index: int, fault: str) -> NoReturn:
        """Raises BadInput: what is wrong there and what to do, after the location."""


def with_article(noun: str) -> str:
    """'a label', 'an answer'."""
    return f"an {noun}" if noun[0] in "aeio" else f"a {noun}"


@dataclass(frozen=True)
class CellRules:
    """keep_missing: NA, null and their like are answers. many: more different answers than usual are no mistake."""

    keep_missing: bool = False
    many: bool = False


@dataclass(frozen=True, kw_only=True)
class ColumnSummary:
    """What a column of answers holds. noun: what people call one. labelled: rows with an answer.

    missing_words: that were taken for no answer. distinct, examples: of answers that are no labels, how many different
    ones there are and what the first ones say. labels: how many rows have each; spellings: of numbers that are written
    in several ways; none_of_them: rows that say that no label holds; fault: the first name that no label can have;
    doubt: about the column; declared: labels that the file's metadata name.
    """

    noun: str = "answer"
    labelled: int = 0
    missing_words: Mapping[str, int] = field(default_factory=dict)
    distinct: int = 0
    examples: tuple[str, ...] = ()
    labels: Mapping[str, int] = field(default_factory=dict)
    spellings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    none_of_them: int = 0
    fault: str | None = None
    doubt: str | None = None
    declared: tuple[str, ...] = ()


class ColumnReader(Protocol):
    """Reads a file's columns of answers and counts what they say. Answers leave it as texts, by which rows are told
    apart; `Columns.stored` knows what they mean. noun: what people call one."""

    @property
    def noun(self) -> str:
        """In the singular."""

    def read(self, column: Cells) -> list[str | None]:
        """None where a cell holds no answer. Raises BadInput for one that holds none that could be given."""

    def count(self, column: Cells, answers: Iterable[str | None]) -> None:
        """Counts those that are kept. Raises BadInput where they cannot be answers."""

    def count_known(self, answers: Iterable[str]) -> None:
        """The same for known answers of a file whose rows are people's."""

    def form(self, answer: str) -> str:
        """The same text for the same answer."""

    def words(self, answer: str) -> str:
        """The answer as people read it."""

    def unknown(self, answer: str, *, add: bool) -> str | None:
        """Why the project cannot take this answer, None where it can. add: names that it lacks may be added."""

    def summary(self, declared: Iterable[str]) -> ColumnSummary:
        """Of all that was read."""


@dataclass(frozen=True)
class Columns:
    """How a task reads and writes whole columns, where one cell at a time by `read_text` and `text` is not enough.

    about: what the reader must know of the project, JSON. reader: (about, rules) -> of one file. learn: (summary,
    about, settings, add) -> the settings with what the file taught, where `add` allows it; about: by which it was
    read, which may not hold any more. Raises BadInput or Refused. stored: (cursor, query, settings) -> SQL of
    id, annotator, labels, answer from a query of id, annotator and label, the text that the reader gave; may make
    temporary tables. written: (settings, column) -> SQL of what the column `labels` says, as people read it.
    """

    about: Callable[[Settings], Mapping[str, object]]
    reader: Callable[[Mapping[str, object], CellRules], ColumnReader]
    learn: Callable[[ColumnSummary, Mapping[str, object], Settings, bool], Settings]
    stored: Callable[["DuckDBPyConnection", str, Settings], str]
    written: Callable[[Settings, str], str]


@dataclass
class CellReader:
    """Reads one cell after the other. meaning: a cell -> the canonical answer, raises BadInput; text: what it says.

    An answer leaves as its JSON.
    """

    meaning: Callable[[str], object]
    text: Callable[[object], str]
    noun: str
    keep_missing: bool = False
    labelled: int = 0
    missing: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._remembered: dict[str, str] = {}

    def read(self, column: Cells) -> list[str | None]:
        """JSON. A blank cell is no answer, nor is NA, null and their like."""
        return [self._answer(column, index, text) for index, text in enumerate(column.strings())]

    def _answer(self, column: Cells, index: int, cell: str | None) -> str | None:
        if cell is None or not (cell := cell.strip()):
            return None
        if cell in MISSING_WORDS and not self.keep_missing:
            self.missing[cell] += 1
            return None
        if cell not in self._remembered:
            if len(self._remembered) >= REMEMBERED:
                self._remembered.clear()
            try:
                self._remembered[cell] = answer_text(self.meaning(cell))
            except BadInput as error:
                column.complain(index, f"holds no {self.noun} that can be given: {str(error).rstrip('.')}")
        return self._remembered[cell]

    def count(self, column: Cells, answers: Iterable[str | None]) -> None:
        """Any number of different ones may stand in a file."""
        self.count_known(answer for answer in answers if answer is not None)

    def count_known(self, answers: Iterable[str]) -> None:
        """The same."""
        before = self.answers.total()
        self.answers.update(answers)
        self.labelled += self.answers.total() - before

    def form(self, answer: str) -> str:
        """Itself: it is canonical."""
        return answer

    def words(self, answer: str) -> str:
        """As exports have it."""
        return self.text(json.loads(answer))

    def unknown(self, answer: str, *, add: bool) -> str | None:
        """None: what cannot be given is refused when it is read."""
        return None

    def summary(self, declared: Iterable[str]) -> ColumnSummary:
        """Names in a file's metadata mean nothing here."""
        return ColumnSummary(
            noun=self.noun,
            labelled=self.labelled,
            missing_words=dict(self.missing.most_common()),
            distinct=len(self.answers),
            examples=tuple(self.words(answer) for answer in list(self.answers)[:EXAMPLES]),
        )
