"""GoldenMatch on two tables of records, in an interpreter that has it: `PYTHON peer_goldenmatch.py LEFT RIGHT OUT`.

LEFT, RIGHT: Parquet with a column `row` and the fields. OUT: JSON with the version and the pairs of rows that it calls
matches. Zero-config: no labels, no thresholds of ours, no network. Knows nothing of Rondo.
"""

import json
import os
import sys
from importlib.metadata import version
from pathlib import Path

import goldenmatch  # type: ignore[import-not-found]
import polars as pl


def main() -> None:
    """Its default when nothing is told but which column is the id."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    left, right, out = map(Path, sys.argv[1:4])
    result = goldenmatch.match_df(pl.read_parquet(left), pl.read_parquet(right), exclude_columns=["row"])
    matched = result.matched
    names = getattr(matched, "column_names", None) or matched.columns
    if "target_row" not in names:
        raise SystemExit(f"GoldenMatch answered with the columns {names}; `target_row` and `ref_row` are needed.")
    columns = (matched["target_row"], matched["ref_row"])
    targets, references = (
        column.to_pylist() if hasattr(column, "to_pylist") else column.to_list() for column in columns
    )
    pairs = list(zip(targets, references, strict=True))
    out.write_text(json.dumps({"version": version("goldenmatch"), "pairs": [list(map(int, pair)) for pair in pairs]}))


if __name__ == "__main__":
    main()
