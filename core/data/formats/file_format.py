"""What a file format declares: how it is read, how written, and what it can hold. Knows no format.

What is written is a table of columns with these names, those in brackets in some tables only: id, text, label, split,
source, meta (JSON); how, stratum, annotators, settled_at; [by, model, probability, threshold, guarantee]; [suggestion];
[annotator, action, note, answered_at, gold], where each row is one person's answer to a record.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from core.data.formats.reading import Source
from core.errors import BadInput

NONE, MARK = "[]", "|"
"""how a table writes that no label holds, and what stands between several"""
WHOLE_ROWS = 10_000


@dataclass(frozen=True)
class Meaning:
    """What the answers of a table are. labels: names that there are; several: may more than one hold, or none.

    instructions: what a language model is to do; title: of the project.
    """

    labels: tuple[str, ...] = ()
    several: bool = False
    instructions: str = ""
    title: str = "rondo"

    def names(self, cell: object) -> list[str] | None:
        """The labels in a cell; None where it holds none, [] where it says that none holds."""
        if cell is None:
            return None
        text = str(cell)
        if text == NONE:
            return []
        return text.split(MARK) if self.several else [text]


Cells = dict[str, Any]
"""a row of a table, or what is stored for it: None where there is nothing"""


@dataclass(frozen=True)
class ExportTable:
    """What is to be written, in a Parquet file."""

    path: Path
    meaning: Meaning

    @property
    def columns(self) -> list[str]:
        """Their names."""
        import pyarrow.parquet as parquet  # type: ignore[import-untyped]

        return list(parquet.read_schema(self.path).names)

    @property
    def by_person(self) -> bool:
        """Is each row one person's answer, so that a record may have several?"""
        return "annotator" in self.columns

    def batches(self) -> Iterator[Any]:
        """As Arrow's record batches."""
        import pyarrow.parquet as parquet

        with parquet.ParquetFile(self.path) as file:
            yield from file.iter_batches(WHOLE_ROWS)

    def rows(self) -> Iterator[Cells]:
        """In their order, with the metadata as an object."""
        for batch in self.batches():
            for row in batch.to_pylist():
                meta = json.loads(row["meta"]) if row.get("meta") else {}
                yield {**row, "meta": meta if isinstance(meta, dict) else {}}

    def records(self) -> Iterator[list[Cells]]:
        """The rows of each record, which follow each other."""
        for _, rows in groupby(self.rows(), key=lambda row: row.get("id")):
            yield list(rows)

    def require_single(self, name: str) -> None:
        """Raises BadInput where a record may stand there several times."""
        if self.by_person:
            raise BadInput(
                f"{name} has one answer a record and no room for who gave it. Export --what labels, or the answers as "
                "label-studio, prodigy, argilla, csv or another table."
            )


@dataclass(frozen=True)
class FileFormat:
    """endings: of names that this format alone has. recognise: whether the first object of a JSON file is of it. read:
    (file or folder, encoding) -> its source. write: (table, target) -> sentences on what was changed on the way.

    holds: the columns that survive, None for all of them. names_itself: it says which of its columns is the text, the
    label and so on, so that nobody need name them; meta: and that all others are metadata. needs_labels: only answers
    that are labels have a form in it. folder: it is written as a folder, of which `ending` is no part.
    """

    caption: str
    ending: str
    endings: tuple[str, ...] = ()
    recognise: Callable[[Mapping[str, object]], bool] = lambda first: False
    recognise_folder: Callable[[Path], bool] = lambda folder: False
    read: Callable[[Path, str], Source] | None = None
    write: Callable[[ExportTable, Path], tuple[str, ...]] | None = None
    holds: frozenset[str] | None = None
    names_itself: bool = False
    meta: bool = False
    needs_labels: bool = False
    folder: bool = False
    changes: tuple[str, ...] = field(default=())
    """what it changes in what it holds, in words for its documentation"""


PROVENANCE = (
    *("how", "stratum", "annotators", "settled_at", "by", "model", "threshold", "guarantee", "guaranteed_precision"),
    *("confidence", "machine_label", "machine_probability", "machine_threshold", "machine_model", "source"),
)
"""columns that say how an answer came about: kept under one name, `rondo`, where a format has room for own entries"""
STANDARD = (
    *("id", "text", "label", "annotator", "gold", "split", "note", "action", "answered_at", "suggestion"),
    *("probability", *PROVENANCE),
)
"""columns with a meaning; all others of a file that names its columns itself are metadata"""


def provenance(row: Cells) -> Cells:
    """What a row says of how its answer came about, without what it does not say."""
    return {name: row[name] for name in PROVENANCE if row.get(name) is not None}


def own_columns(meta: object, own: object) -> Cells:
    """Metadata as columns: one that is called like a column with a meaning gets `meta.` before it. own: of `rondo`."""
    columns: Cells = {}
    for name, value in meta.items() if isinstance(meta, Mapping) else ():
        columns[f"meta.{name}" if name in STANDARD else str(name)] = value
    if isinstance(own, Mapping):
        columns |= {name: own[name] for name in PROVENANCE if name in own}
    return columns
