"""Files with one row per answer: each annotator's answers, and which answers are known ones. Knows cells; not the
project, its store or its taxonomy.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.data.cells import Column
from core.errors import BadInput
from core.people.names import NAME_LIMIT, check_name
from core.tasks.columns import ColumnReader, with_article

AnswersByRecord = dict[tuple[str, str], tuple[int, str]]
"""(record id, annotator) -> (row of the file from 1, answer as the reader gave it); "" stands for the known answer"""

KNOWN = ""


@dataclass
class AnswerCollector:
    """Grows with the answers. names: as the file writes them -> as they are kept. repeated: rows with nothing new.
    about: note and time (UTC) of an answer that has either.
    """

    answers: ColumnReader
    details: AnswersByRecord = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    repeated: int = 0
    about: dict[tuple[str, str], tuple[str | None, datetime | None]] = field(default_factory=dict)

    def enter(self, ids: Sequence[str], labels: Sequence[str | None], column: Column, people: Column) -> None:
        """One batch of answers; given: the column that `labels` were read from. A row without a label is no answer."""
        names = people.filled()
        for index, (label, name) in enumerate(zip(labels, names, strict=True)):
            if label is not None and name is None:
                there = with_article(self.answers.noun)
                people.complain(index, f"is empty where there is {there}; say who gave it, or remove the row")
        whose = [name and self._kept(people, index, name) for index, name in enumerate(names)]
        self._enter(ids, labels, column, [name or KNOWN for name in whose])

    def enter_known(self, ids: Sequence[str], labels: Sequence[str | None], column: Column) -> None:
        """One batch of known answers, which every row of a record may repeat."""
        before = self.repeated
        self._enter(ids, labels, column, [KNOWN] * len(ids))
        self.repeated = before

    def describe(self, ids: Sequence[str], people: Column, notes: Column | None, times: Column | None) -> None:
        """Of one batch that was entered: what people wrote beside their answers, and when they gave them."""
        nothing: list[str | None] = [None] * len(ids)
        written = notes.filled() if notes else nothing
        stamps = times.batch.columns[times.name] if times else nothing
        for index, (record, name) in enumerate(zip(ids, people.filled(), strict=True)):
            answer = (record, self.names.get(name or "", KNOWN))
            if name is not None and answer in self.details and (written[index] or stamps[index] is not None):
                self.about.setdefault(answer, (written[index], _time_of(times, index) if times else None))

    def _enter(self, ids: Sequence[str], labels: Sequence[str | None], column: Column, whose: Sequence[str]) -> None:
        for index, (record, label, user) in enumerate(zip(ids, labels, whose, strict=True)):
            if label is None:
                continue
            label = self.answers.form(label)
            row = column.batch.first + index
            first, before = self.details.setdefault((record, user), (row, label))
            if before != label:
                by, location = f"'{user}'" if user else "the known answers", column.batch.location(first)
                this, other = self.answers.words(label), self.answers.words(before)
                fault = f"gives the record '{record}' the {self.answers.noun} '{this}', but '{other}' in {location}"
                column.complain(index, f"{fault}, both by {by}; keep one of them")
            self.repeated += first != row

    def _kept(self, people: Column, index: int, name: str) -> str:
        if name not in self.names:
            try:
                self.names[name] = check_name(name)
            except BadInput:
                fault = f"holds a name that cannot be kept; a name has 1 to {NAME_LIMIT} visible characters"
                people.complain(index, fault)
        return self.names[name]

    @property
    def known(self) -> int:
        """How many known answers there are."""
        return sum(user == KNOWN for _, user in self.details)

    @property
    def annotators(self) -> int:
        """How many annotators the file names."""
        return len({user for _, user in self.details} - {KNOWN})

    def known_answers(self) -> Iterable[str]:
        """Each, as the reader gave it."""
        return (label for (_, user), (_, label) in self.details.items() if user == KNOWN)

    def write(self, target: Path) -> None:
        """A table of id, annotator (null: the known answer), label, note and made_at, in the order of the file."""
        import pyarrow as arrow  # type: ignore[import-untyped]
        from pyarrow import parquet

        columns: dict[str, list[Any]] = {
            "id": [record for record, _ in self.details],
            "annotator": [user or None for _, user in self.details],
            "label": [label for _, label in self.details.values()],
        }
        about = [self.about.get(answer, (None, None)) for answer in self.details]
        columns["note"] = [note for note, _ in about]
        cells = {name: arrow.array(column, arrow.string()) for name, column in columns.items()}
        cells["made_at"] = arrow.array([time for _, time in about], arrow.timestamp("us"))
        parquet.write_table(arrow.table(cells), target)


def _time_of(column: Column, index: int) -> datetime | None:
    """UTC without saying so, as the store has it; a time without a zone is UTC."""
    cell = column.batch.columns[column.name][index]
    if cell is None or cell == "":
        return None
    try:
        if isinstance(cell, int | float):
            time = datetime.fromtimestamp(cell, UTC)
        else:
            time = cell if isinstance(cell, datetime) else datetime.fromisoformat(str(cell))
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError, OSError):
        column.complain(index, "holds no time; write it as 2026-01-31T12:00:00Z or as seconds since 1970, or remove it")
