"""What the cells of a column of labels or of splits mean. Knows words and numbers; not records, ids or the store."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from core.config.taxonomy import NONE_OF_THEM, SEPARATOR, check_new_name, clean_name, number_key, number_of
from core.data.cells import Column
from core.data.ingest_job import Contradiction, Contradictions
from core.errors import BadInput

MISSING_WORDS = frozenset(
    ("NA", "N/A", "n/a", "<NA>", "#N/A", "#N/A N/A", "#NA", "NaN", "nan", "-NaN", "-nan", "NULL", "null", "None")
)
"""what R, pandas, SQL and spreadsheets write where there is nothing"""

SPLITS = {
    "train": "train",
    "training": "train",
    "test": "test",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
}
"""words for a split, in any case, and what they are kept as"""

_REMEMBERED = 20_000


@dataclass
class LabelReader:
    """Reads labels as the taxonomy writes them, and counts what it had to make of them.

    known: names of the taxonomy, which mean themselves whatever else they could mean. missing: words that were taken
    for no label. spellings: number -> how the file writes it. none: answers that none of several labels holds. fault:
    the first name that no label can have, for whoever would make labels of these.
    """

    multi: bool
    known: frozenset[str] = frozenset()
    keep_missing: bool = False
    missing: Counter[str] = field(default_factory=Counter)
    spellings: dict[str, set[str]] = field(default_factory=dict)
    none: int = 0
    fault: str | None = None

    def __post_init__(self) -> None:
        self._numbers = {number_key(name): name for name in self.known}
        self._remembered: dict[str | None, str | None] = {None: None}

    def read(self, column: Column) -> list[str | None]:
        """Joined by the separator where there are several, each once; "" says none of them, None that there is none."""
        texts = column.joined(SEPARATOR, NONE_OF_THEM, several=self.multi)
        known = self._remembered
        result = [
            known[text] if text in known else self._label(column, index, text) for index, text in enumerate(texts)
        ]
        self.none += result.count("")
        return result

    def _label(self, column: Column, index: int, text: str | None) -> str | None:
        if text is None:
            return None
        if clean_name(text) == NONE_OF_THEM:
            label: str | None = "" if self.multi else None
        else:
            parts = [clean_name(part) for part in (text.split(SEPARATOR) if self.multi else [text])]
            words = [part for part in parts if part and not self._is_missing(part)]
            label = SEPARATOR.join(dict.fromkeys(self._name(column, index, word) for word in words)) or None
            if len(words) < sum(map(bool, parts)):
                return label  # every time is counted
        if len(self._remembered) < _REMEMBERED:
            self._remembered[text] = label
        return label

    def _is_missing(self, word: str) -> bool:
        if self.keep_missing or word not in MISSING_WORDS or word in self.known:
            return False
        self.missing[word] += 1
        return True

    def _name(self, column: Column, index: int, word: str) -> str:
        if word in self.known:
            return word
        try:
            check_new_name(word)
        except BadInput as error:
            if not self.fault:
                place = column.batch.place(column.batch.first + index)
                self.fault = f"{column.source.path.name}: {place}, column '{column.name}': {error}"
            return word
        if number_of(word) is None:
            return word
        number = number_key(word)
        self.spellings.setdefault(number, set()).add(word)
        return self._numbers.get(number, number)


def read_splits(column: Column, unknown: Counter[str]) -> list[str | None]:
    """The splits as they are kept; a word that none is stays as it is, and `unknown` counts it."""
    result: list[str | None] = []
    for text in column.filled():
        word = None if text is None or text.strip() in MISSING_WORDS else text.strip()
        split = word and SPLITS.get(word.casefold())
        unknown.update([word] if word and not split else [])
        result.append(split or word)
    return result


def looks_like_labels(labels: Counter[str], labelled: int) -> str | None:
    """A doubt about the whole column, or None. labelled: how many rows have a label."""
    objects = sum(count for name, count in labels.items() if _is_object(name))
    if objects:
        return f"{objects:,} of its {labelled:,} labels are JSON objects: name the column of the labels themselves."
    if labelled >= 5 and len(labels) > labelled / 2:
        return f"It holds {len(labels):,} different labels in {labelled:,} labelled rows: is it the column of labels?"
    return None


def _is_object(name: str) -> bool:
    try:
        return name.startswith("{") and isinstance(json.loads(name), dict)
    except (ValueError, RecursionError):
        return False


def contradictions_in(records: Path, examples: int = 5) -> Contradictions:
    """Texts of a records.parquet that stand there with different labels: how many, and the rows of the first ones."""
    import numpy as np
    import pyarrow.parquet as parquet  # type: ignore[import-untyped]

    table = parquet.read_table(records, columns=["position", "hash", "label"])
    table = table.filter(table["label"].is_valid())
    values, counts = np.unique(table["hash"].to_numpy(), return_counts=True)
    table = table.filter(np.isin(table["hash"].to_numpy(), values[counts > 1]))
    entries: dict[int, list[tuple[int, str]]] = {}
    for position, key, label in zip(*(column.to_pylist() for column in table.columns), strict=True):
        entries.setdefault(key, []).append((position + 1, SEPARATOR.join(sorted(label.split(SEPARATOR)))))
    groups = [group for group in entries.values() if len({label for _, label in group}) > 1]
    shown = tuple(
        Contradiction(
            tuple(row for row, _ in group[:examples]), tuple(sorted({label for _, label in group})[:examples])
        )
        for group in groups[:examples]
    )
    return Contradictions(len(groups), sum(map(len, groups)), shown)
