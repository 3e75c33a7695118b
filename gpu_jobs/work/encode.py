"""Encodes the texts of a bundle shard by shard: a killed job resumes at its last shard. Knows files, not the store."""

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.data.encode_job import CARRIED, TEXTS_IN, EncodeParams, EncodeResult
from core.errors import Damaged
from core.models.encoders.encoder import Encoder
from core.models.encoders.loading import load_encoder
from core.models.vectors import FACTS, EncodedFacts, read_facts, shard_path, shard_rows, write_facts
from core.store.whole_files import whole_file

PIECE = 256
"""texts between two reports"""

Report = Callable[[int, int], None]


def encode(bundle: Path, params: EncodeParams, report: Report) -> EncodeResult:
    """Writes `out/shard-*.npy` for `in/texts.parquet` (n ascending and dense, text); complete shards are kept.

    Equal texts of a shard are encoded once. Raises Damaged when the texts are not those of the bundle, BadInput when
    there is no such encoder.
    """
    started = time.monotonic()
    source, out = bundle / TEXTS_IN, bundle / "out"
    cache = Path(params.cache) if params.cache else Path(tempfile.gettempdir()) / "rondo-encoders"
    encoder = load_encoder(params.encoder_source or str(bundle / "in" / CARRIED), cache, params.threads)
    loaded = time.monotonic()
    facts = EncodedFacts(_count(source), encoder.dims, params.shard_rows, encoder.fingerprint)
    _keep_or_clear(out, facts)
    fresh = 0
    for number, start in enumerate(range(0, facts.records, facts.shard_rows)):
        rows = min(facts.shard_rows, facts.records - start)
        if shard_rows(shard_path(out, number), facts.dims) != rows:
            texts = _read_texts(source, start, rows)
            _write_shard(shard_path(out, number), _encode_texts(encoder, texts, start, facts.records, report))
            fresh += rows
        report(start + rows, facts.records)
    seconds = time.monotonic() - started
    rate = round(fresh / max(time.monotonic() - loaded, 1e-3), 1)
    return EncodeResult(facts.records, fresh, facts.records - fresh, encoder.dims, round(seconds, 3), rate)


def _count(source: Path) -> int:
    import polars

    return int(polars.scan_parquet(source).select(polars.len()).collect().item())


def _keep_or_clear(out: Path, facts: EncodedFacts) -> None:
    """Deletes shards that other weights or another shard size left behind."""
    out.mkdir(parents=True, exist_ok=True)
    if (out / FACTS).exists() and read_facts(out) == facts:
        return
    for path in out.glob("shard-*.npy"):
        path.unlink()
    write_facts(out, facts)


def _read_texts(source: Path, start: int, rows: int) -> list[str]:
    import polars

    table = polars.scan_parquet(source).select("n", "text").slice(start, rows).collect()
    numbers = table["n"].to_numpy()
    if len(numbers) != rows or (np.diff(numbers) != 1).any():
        raise Damaged(f"{source} has gaps between its record numbers near row {start}. Run `rondo encode` again.")
    return table["text"].fill_null("").to_list()


def _encode_texts(
    encoder: Encoder, texts: Sequence[str], before: int, total: int, report: Report
) -> npt.NDArray[np.float16]:
    """Shortest first, so that pieces are even and progress runs; back in the order of the texts at the end."""
    rows_of: dict[str, list[int]] = {}
    for row, text in enumerate(texts):
        rows_of.setdefault(text, []).append(row)
    distinct = sorted(rows_of, key=len)
    vectors = np.empty((len(texts), encoder.dims), np.float16)
    done = 0
    for first in range(0, len(distinct), PIECE):
        piece = distinct[first : first + PIECE]
        for text, vector in zip(piece, encoder.encode(piece), strict=True):
            vectors[rows_of[text]] = vector
            done += len(rows_of[text])
        report(before + done, total)
    return vectors


def _write_shard(path: Path, vectors: npt.NDArray[np.float16]) -> None:
    """Whole or not at all."""
    with whole_file(path, alone=True) as partial, partial.open("wb") as file:
        np.save(file, vectors)
