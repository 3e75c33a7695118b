"""The jobs that sample records for a spreadsheet and read its labels back. Know files and vectors, not the store."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from core.models.vectors import open_vectors
from core.sampling.diversity import spread_sample
from core.sheets.read_sheet import read_sheet, taken_rows
from core.sheets.sheet_jobs import ReadSheet, SampledRows, SampleParams, SheetParams

Report = Callable[[int, int], None]


def sample(bundle: Path, params: SampleParams, report: Report) -> SampledRows:
    """From the rows of in/rows.npz."""
    with np.load(bundle / "in" / "rows.npz", allow_pickle=False) as file:
        rows = file["rows"]
    vectors = open_vectors(Path(params.vectors), params.encoder)
    chosen = spread_sample(vectors, rows, params.size, params.diversity, np.random.default_rng(params.seed))
    return SampledRows(tuple(chosen.tolist()))


def read(bundle: Path, params: SheetParams, report: Report) -> ReadSheet:
    """Writes out/labels.parquet: position, id, label. in/records.parquet has what a row may call a record."""
    import pyarrow as arrow  # type: ignore[import-untyped]
    from pyarrow import parquet

    table = parquet.read_table(bundle / "in" / "records.parquet")
    names, ids = (table[name].to_pylist() for name in ("name", "id"))
    reader, result = read_sheet(params, dict(zip(names, ids, strict=True)), report)
    rows = list(taken_rows(reader))
    columns = {"position": [row for row, *_ in rows], "id": [row[1] for row in rows], "label": [row[2] for row in rows]}
    schema = arrow.schema([("position", arrow.int64()), ("id", arrow.string()), ("label", arrow.string())])
    parquet.write_table(arrow.table(columns, schema=schema), bundle / "out" / "labels.parquet")
    return result
