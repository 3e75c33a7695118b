"""Counts over the rows of a file: ids, duplicates, splits. Knows strings and numbers; not files, the project or its
store.
"""

import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from core.data.cells import Column
from core.data.ingest_job import ExactDuplicates

EXAMPLES = 5


@dataclass
class Ledger:
    """Grows with the ids, not with the texts."""

    known: dict[str, int] = field(default_factory=dict)  # given id -> record, or hash of the content -> how often
    row_of: "array[int]" = field(default_factory=lambda: array("q"))  # per record, only where ids are given
    text_of: "array[int]" = field(default_factory=lambda: array("q"))
    label_of: "array[int]" = field(default_factory=lambda: array("q"))
    hashes: list[npt.NDArray[np.uint64]] = field(default_factory=list)
    splits: Counter[str] = field(default_factory=Counter)
    unknown_splits: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    records: int = 0
    blank: int = 0
    relabelled: int = 0
    relabelled_rows: list[tuple[int, int]] = field(default_factory=list)

    def hashed_ids(self, contents: Sequence[str]) -> list[str]:
        """16 hex digits of the content; -2, -3 and so on for its repeats, so that every row is a record."""
        ids = []
        for content in contents:
            key = _digest(content).hex()
            times = self.known[key] = self.known.get(key, 0) + 1
            ids.append(key if times == 1 else f"{key}-{times}")
        return ids

    def given_ids(
        self, column: Column, contents: Sequence[str], labels: Sequence[str | None]
    ) -> tuple[list[str], Sequence[int]]:
        """The ids, and which rows of the batch to keep: a known id with the same content is the same record."""
        names, start = [name or "" for name in column.strings()], len(self.row_of)
        new = dict(zip(names, range(start, start + len(names)), strict=True))
        if len(new) < len(names) or not self.known.keys().isdisjoint(new) or any(map(_is_blank, names)):
            return names, self._kept_rows(column, names, contents, labels)
        self.known |= new  # the usual case, all at once
        self.row_of.extend(range(column.batch.first, column.batch.first + len(names)))
        self.text_of.extend(map(hash, contents))
        self.label_of.extend(map(hash, labels))
        return names, range(len(names))

    def _kept_rows(
        self, column: Column, names: Sequence[str], contents: Sequence[str], labels: Sequence[str | None]
    ) -> list[int]:
        result = []
        for index, name in enumerate(names):
            if _is_blank(name):
                column.complain(index, "is empty; give every row an id, or import without an id column")
            record = self.known.setdefault(name, len(self.row_of))
            if record == len(self.row_of):
                self.row_of.append(column.batch.first + index)
                self.text_of.append(hash(contents[index]))
                self.label_of.append(hash(labels[index]))
                result.append(index)
            elif self.text_of[record] != hash(contents[index]):
                first = column.batch.location(self.row_of[record])
                column.complain(
                    index, f"repeats the id '{name}' of {first} with another text; give each text its own id"
                )
            elif self.label_of[record] != hash(labels[index]):
                self.relabelled += 1
                if len(self.relabelled_rows) < EXAMPLES:
                    self.relabelled_rows.append((self.row_of[record], column.batch.first + index))
        return result

    def enter(self, rows: int, texts: Sequence[str]) -> npt.NDArray[np.uint64]:
        """Counts `rows` rows read, of which `texts` are kept. Returns their hashes."""
        hashes = normalised_hashes(texts)
        self.rows += rows
        self.records += len(texts)
        self.hashes.append(hashes)
        return hashes

    def exact_duplicates(self) -> ExactDuplicates:
        """Records with equal normalised texts."""
        _, sizes = np.unique(np.concatenate(self.hashes), return_counts=True)
        repeated = sizes[sizes > 1]
        return ExactDuplicates(len(repeated), int(repeated.sum()) - len(repeated))


def normalise(text: str) -> str:
    """Two texts that a reader cannot tell apart become one: NFKC, case folded, white space collapsed."""
    if text.isascii() and text.isprintable() and "  " not in text:
        return text.lower().strip()  # the same, at a third of the time: most texts are of this kind
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(folded.split())


def normalised_hashes(texts: Iterable[str]) -> npt.NDArray[np.uint64]:
    """64 bits per text, the same on every machine. A million different texts collide once in 37 million files."""
    return np.frombuffer(b"".join(_digest(normalise(text)) for text in texts), dtype=">u8").astype(np.uint64)


def _digest(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=8).digest()


def _is_blank(text: str) -> bool:
    return not text or text.isspace()
