"""Files with one row per answer: each annotator's answers, and which answers are known ones. Knows cells; not the
project, its store or its taxonomy.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
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
    """Grows with the answers. names: as the file writes them -> as they are kept. repeated: rows with nothing new."""

    answers: ColumnReader
    details: AnswersByRecord = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    repeated: int = 0

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
        """A table of id, annotator (null: the known answer) and label, in the order of the file."""
        import pyarrow as arrow  # type: ignore[import-untyped]
        from pyarrow import parquet

        columns: dict[str, list[Any]] = {
            "id": [record for record, _ in self.details],
            "annotator": [user or None for _, user in self.details],
            "label": [label for _, label in self.details.values()],
        }
        cells = {name: arrow.array(column, arrow.string()) for name, column in columns.items()}
        parquet.write_table(arrow.table(cells), target)
