"""A batch before the records are encoded: encodes some drawn at random, and chooses among them. Knows no store."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from core.models.vectors import write_sparse
from core.rounds.round_job import EarlyParams, RoundResult
from gpu_jobs.work.encode import encode
from gpu_jobs.work.held_out import load_arrays
from gpu_jobs.work.round import run_round

Report = Callable[[int, int], None]


def early_batch(bundle: Path, params: EarlyParams, report: Report) -> RoundResult:
    """As a round that only chooses; its vectors go with the bundle."""
    encode(bundle, params.encode, report)
    vectors = bundle / "ckpt" / "vectors"
    rows = load_arrays(bundle / "in" / "rows.npz")["pool_rows"]
    write_sparse(vectors, params.encode.encoder, bundle / "out", rows, params.records)
    return run_round(bundle, replace(params.round, vectors=str(vectors)), report)
