"""Splits records so that every label has the same share in each part. Knows files, not the store."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.arrays import Bools, Ints
from core.data.split_job import SPLIT_NAMES, SplitJobResult, SplitParams
from core.errors import Refused
from gpu_jobs.trainers.trainer_types import Progress

MOST_CELLS, MOST_CATEGORIES = 200_000_000, 1_000
"""of the table of units and categories; of more categories the rare ones are not evened out"""
MOST_COUNTED = 2_000
"""categories in the result"""


def split(bundle: Path, params: SplitParams, report: Progress) -> SplitJobResult:
    """Reads `in/records.parquet` (n, unit, categories: a list of texts). Units stay whole.

    By iterative stratification (Sechidis et al. 2011), of units. Raises Refused for fewer units than splits.
    """
    import polars
    from iterstrat.ml_stratifiers import IterativeStratification

    table = polars.read_parquet(bundle / "in" / "records.parquet").sort("n")
    units, unit_of = np.unique(table["unit"].to_numpy(), return_inverse=True)
    used = [part for part, share in enumerate(params.shares) if share > 0]
    if len(units) < len(used):
        raise Refused(
            f"There are {len(units):,} groups for {len(used)} splits. Label more records, or split without --by."
        )
    report(0, 3)
    names, pairs = _categories(table)
    units_with, counted = _by_unit(pairs, unit_of, len(units), len(names))
    report(1, 3)
    # Units come shuffled: the library goes through them in their order.
    rng = np.random.RandomState(params.seed % 2**32)
    order = rng.permutation(len(units))
    shares = np.array([params.shares[part] for part in used])
    part_of_unit = np.empty(len(units), np.int64)
    part_of_unit[order] = np.array(used)[IterativeStratification(units_with[order], shares / shares.sum(), rng)]
    report(2, 3)
    parts = part_of_unit[unit_of]
    splits = polars.Series([SPLIT_NAMES[part] for part in range(3)]).gather(polars.Series(parts))
    polars.DataFrame({"n": table["n"], "split": splits}).write_parquet(bundle / "out" / "splits.parquet")
    counts = np.zeros((len(names), 3), np.int64)
    np.add.at(counts, (pairs[:, 1], parts[pairs[:, 0]]), 1)
    shown = np.sort(np.argsort(-counts.sum(axis=1), kind="stable")[:MOST_COUNTED])
    report(3, 3)
    return SplitJobResult(
        records=len(table),
        units=len(units),
        counts={names[row]: _three(counts[row]) for row in shown},
        sizes=_three(np.bincount(parts, minlength=3)),
        uneven=int((counted < len(used)).sum()),
    )


def _categories(table: Any) -> tuple[list[str], Ints]:
    """(names, (pairs, 2) of record's row and category)."""
    rows = table.with_row_index("row").select("row", "categories").explode("categories").drop_nulls()
    names = rows["categories"].unique().sort()
    kinds = np.searchsorted(names.to_numpy(), rows["categories"].to_numpy()) if len(rows) else np.zeros(0, np.int64)
    return names.to_list(), np.stack([rows["row"].to_numpy().astype(np.int64), kinds.astype(np.int64)], axis=1)


def _by_unit(pairs: Ints, unit_of: Ints, units: int, categories: int) -> tuple[Bools, Ints]:
    """((units, columns) which of the frequent categories a unit has, (categories,) units that have each)."""
    distinct = np.unique(unit_of[pairs[:, 0]] * np.int64(max(categories, 1)) + pairs[:, 1])
    unit, category = distinct // max(categories, 1), distinct % max(categories, 1)
    counted = np.bincount(category, minlength=categories)
    most = max(min(MOST_CATEGORIES, MOST_CELLS // max(units, 1)), 1)
    columns = np.argsort(-counted, kind="stable")[:most]
    columns = columns[counted[columns] > 1]
    column_of = np.full(max(categories, 1), -1, np.int64)
    column_of[columns] = np.arange(len(columns))
    table = np.zeros((units, max(len(columns), 1)), np.bool_)
    frequent = column_of[category] >= 0
    table[unit[frequent], column_of[category[frequent]]] = True
    return table, counted


def _three(values: npt.NDArray[Any]) -> tuple[int, int, int]:
    first, second, third = (int(value) for value in values)
    return first, second, third
