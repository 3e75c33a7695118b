"""Predictions of texts in files of some thousand rows each, written by one job and read by another. Knows no model."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path

from core.registry.text_prediction_job import TextPrediction
from core.store.whole_files import whole_file
from gpu_jobs.work.registry.evaluated_model import EvaluatedModel


def write_predictions(path: Path, predictions: Sequence[TextPrediction]) -> None:
    """Whole or not at all."""
    import pyarrow as arrow  # type: ignore[import-untyped]
    from pyarrow import parquet

    strings = arrow.list_(arrow.string())
    columns = {
        "predicted": arrow.array([_names(one.predicted) for one in predictions], strings),
        "labels": arrow.array([one.labels for one in predictions], strings),
        "scores": arrow.array([one.scores for one in predictions], arrow.list_(arrow.float64())),
    }
    with whole_file(path, alone=True) as partial:
        parquet.write_table(arrow.table(columns), partial, compression="zstd")


def _names(predicted: str | tuple[str, ...] | None) -> tuple[str, ...] | None:
    return (predicted,) if isinstance(predicted, str) else predicted


def rows_in(path: Path) -> int:
    """Rows of such a file; 0 where there is none."""
    from pyarrow import parquet

    return int(parquet.read_metadata(path).num_rows) if path.is_file() else 0


def read_from(
    folder: Path, model: EvaluatedModel
) -> Callable[[int, Sequence[str], Callable[[int], None]], list[TextPrediction]]:
    """(row of the first, texts, report) -> one for each text: those of the files below the folder, in the order of
    their names. Raises ValueError where there are not so many."""
    files = sorted(folder.rglob("*.parquet"))
    ends = list(accumulate(rows_in(file) for file in files))
    held: dict[int, list[TextPrediction]] = {}

    def of_file(number: int) -> list[TextPrediction]:
        if number not in held:
            held.clear()
            held[number] = _read(files[number], several=model.multi)
        return held[number]

    def read(first: int, texts: Sequence[str], report: Callable[[int], None]) -> list[TextPrediction]:
        result: list[TextPrediction] = []
        while len(result) < len(texts):
            start = first + len(result)
            number = bisect_right(ends, start)
            if number == len(ends):
                raise ValueError(f"{folder} has predictions of {ends[-1] if ends else 0:,} rows and no more")
            before = ends[number - 1] if number else 0
            result += of_file(number)[start - before : start - before + len(texts) - len(result)]
            report(len(result))
        return result

    return read


def _read(file: Path, *, several: bool) -> list[TextPrediction]:
    from pyarrow import parquet

    table = parquet.read_table(file).to_pydict()
    return [
        TextPrediction(None if names is None else tuple(names) if several else names[0], tuple(labels), tuple(scores))
        for names, labels, scores in zip(table["predicted"], table["labels"], table["scores"], strict=True)
    ]
