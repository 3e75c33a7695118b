"""Reading a column of splits, and finding rows of a file that contradict each other. Knows no store."""

from collections import Counter
from pathlib import Path

from core.data.cells import Column
from core.data.ingest_job import Contradiction, Contradictions
from core.tasks.columns import MISSING_WORDS, ColumnReader

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


def read_splits(column: Column, unknown: Counter[str]) -> list[str | None]:
    """The splits as they are stored; a word that is no split stays as it is, and `unknown` counts it."""
    result: list[str | None] = []
    for text in column.filled():
        word = None if text is None or text.strip() in MISSING_WORDS else text.strip()
        split = word and SPLITS.get(word.casefold())
        unknown.update([word] if word and not split else [])
        result.append(split or word)
    return result


def contradictions_in(records: Path, answers: ColumnReader, examples: int = 5) -> Contradictions:
    """Texts of a records.parquet with more than one answer: how many, and the rows of the first ones."""
    import numpy as np
    import pyarrow.parquet as parquet  # type: ignore[import-untyped]

    with parquet.ParquetFile(records) as file:  # read_table would load pyarrow's data sets
        table = file.read(["position", "hash", "label"])
    table = table.filter(table["label"].is_valid())
    values, counts = np.unique(table["hash"].to_numpy(), return_counts=True)
    table = table.filter(np.isin(table["hash"].to_numpy(), values[counts > 1]))
    entries: dict[int, list[tuple[int, str]]] = {}
    for position, key, label in zip(*(column.to_pylist() for column in table.columns), strict=True):
        entries.setdefault(key, []).append((position + 1, answers.form(label)))
    groups = [group for group in entries.values() if len({label for _, label in group}) > 1]
    shown = tuple(
        Contradiction(
            tuple(row for row, _ in group[:examples]),
            tuple(answers.words(label) for label in sorted({label for _, label in group})[:examples]),
        )
        for group in groups[:examples]
    )
    return Contradictions(len(groups), sum(map(len, groups)), shown)
