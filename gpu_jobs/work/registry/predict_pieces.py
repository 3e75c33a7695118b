"""The texts of a file in pieces, and a model's predictions of one piece: what many jobs at once do. Knows no store."""

import hashlib
import json
import tempfile
import time
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from core.data.formats.reading import BATCH_CHARACTERS
from core.data.formats.sources import open_source
from core.data.ingest import require_columns
from core.jobs.many_jobs import piece_path
from core.models.encoders.encoder import without_surrogates
from core.registry.text_prediction_job import (
    MODELS_IN,
    PIECE_IN,
    SAMPLE_OUT,
    CutParams,
    CutResult,
    PieceParams,
    PieceResult,
)
from gpu_jobs.trainers.trainer_types import Progress
from gpu_jobs.work.registry.predict_file import PART, content_of, facts_of, layout_of, no_rows, rows_of
from gpu_jobs.work.registry.stored_predictions import rows_in, write_predictions
from gpu_jobs.work.registry.text_predictor import open_predictor


def cut_texts(bundle: Path, params: CutParams, report: Progress) -> CutResult:
    """The texts of the rows that are to be predicted, `job_records` to a piece in `out`; nothing else of the file.

    Raises BadInput for a file that cannot be read or has no such row, Damaged for a model that was tampered with.
    """
    requested = replace(params.source, label=None, id=None, keep=())
    source = open_source(Path(requested.file), requested.encoding)
    require_columns(source, layout_of(source, params.source))
    model = open_predictor(params.model, params.setting, bundle / "ckpt").model
    content = content_of(source)
    pieces, sample = _Pieces(bundle / "out", params.job_records), _Sample(params.sample)
    for number, (row, share) in enumerate(rows_of(source, layout_of(source, requested), requested, model)):
        pieces.add(row.text)
        sample.add(row.text)
        if number % PART == 0:
            report(number, round(number / share) if share else number)
    rows = pieces.close()
    if not rows:
        raise no_rows(source, requested)
    aside = sample.texts
    with _open(bundle / SAMPLE_OUT) as writer:
        _add(writer, aside)
    facts = {
        **facts_of(params.model, params.setting, params.top_k),
        "input": content,
        "read": [requested.text, requested.split, requested.split_column, requested.encoding],
        "job_records": params.job_records,
    }
    version = hashlib.sha256(json.dumps(facts, ensure_ascii=False).encode()).hexdigest()
    return CutResult(tuple(rows), len(aside), version, content)


@dataclass
class _Pieces:
    """Files of so many texts each, in row groups of some thousand: of a file no more than that is held."""

    out: Path
    size: int
    rows: list[int] = field(default_factory=list)
    """of each file, the last one under way"""
    group: list[str] = field(default_factory=list)
    characters: int = 0
    writer: Any = None

    def add(self, text: str) -> None:
        if not self.rows or self.rows[-1] == self.size:
            self._end()
            self.writer = _open(piece_path(self.out, len(self.rows)))
            self.rows.append(0)
        self.group.append(without_surrogates(text))
        self.rows[-1] += 1
        self.characters += len(text)
        if len(self.group) == PART or self.characters >= BATCH_CHARACTERS:
            self._flush()

    def close(self) -> list[int]:
        """Rows of each file."""
        self._end()
        return self.rows

    def _end(self) -> None:
        if self.writer is not None:
            self._flush()
            self.writer.close()

    def _flush(self) -> None:
        if self.group:
            _add(self.writer, self.group)
        self.group, self.characters = [], 0


def _open(path: Path) -> Any:
    import pyarrow as arrow  # type: ignore[import-untyped]
    from pyarrow import parquet

    return parquet.ParquetWriter(path, arrow.schema([("text", arrow.string())]), compression="zstd")


def _add(writer: Any, texts: list[str]) -> None:
    import pyarrow as arrow

    writer.write_table(arrow.table([arrow.array(texts, arrow.string())], schema=writer.schema))


@dataclass
class _Sample:
    """Texts at even distances, of however many there will be: files are often sorted."""

    size: int
    step: int = 1
    seen: int = 0
    held: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        if self.seen % self.step == 0:
            self.held.append(without_surrogates(text))
        self.seen += 1
        if len(self.held) == 2 * self.size:
            self.held, self.step = self.held[::2], 2 * self.step

    @property
    def texts(self) -> list[str]:
        """At most `size`."""
        return self.held[:: -(-len(self.held) // self.size) or 1]


def predict_piece(bundle: Path, params: PieceParams, report: Progress) -> PieceResult:
    """Writes `out/part-*.parquet`, one for each row group of PIECE_IN; those that are there stay.

    Raises Damaged for a model that was tampered with, BadInput or Refused where it cannot be loaded here.
    """
    from pyarrow import parquet

    started = time.monotonic()
    model, setting = params.model, params.setting
    if params.carried and model.folder:
        model = replace(model, folder=str(bundle / MODELS_IN / model.folder))
    if not setting.vectors:
        setting = replace(setting, vectors=str(Path(tempfile.gettempdir()) / "rondo-encoders"))
    predictor = open_predictor(model, setting, bundle / "ckpt")
    predictor.predict(["."], 1)  # an encoder is loaded for the first text
    loaded, fresh, done = time.monotonic(), 0, 0
    most = min(params.top_k, len(predictor.model.labels))
    with parquet.ParquetFile(bundle / PIECE_IN) as file:
        total = file.metadata.num_rows
        for number in range(file.num_row_groups):
            texts = file.read_row_group(number)["text"].to_pylist()
            path = bundle / "out" / f"part-{number:06}.parquet"
            if rows_in(path) != len(texts):
                write_predictions(path, predictor.predict(texts, most, partial(_report, report, done, total)))
                fresh += len(texts)
            done += len(texts)
            report(done, total)
    seconds = time.monotonic() - started
    rate = round(fresh / max(time.monotonic() - loaded, 1e-3), 1)
    return PieceResult(done, done - fresh, round(seconds, 3), rate)


def _report(report: Progress, before: int, total: int, done: int) -> None:
    report(before + done, total)
