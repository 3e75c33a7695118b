"""The verb that says of each pair in a file whether the two are the same. Reads no file itself."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from core.errors import BadInput
from core.jobs.bundle import Report
from core.jobs.kinds import JobKind
from core.pairs.predict import AUTO_ABOVE, DROP_BELOW, PairPredictions, predict_pairs
from core.pairs.predict_job import PAIRS_OUT
from core.pairs.recorded_answers import BUDGET
from core.project import Project
from core.store.tables import FORMATS, quoted, write_table
from core.store.targets import refuse_target


@dataclass(frozen=True)
class ReadPairsParams:
    """left, right: columns of each side, in the same order."""

    file: str
    left: tuple[str, ...]
    right: tuple[str, ...]
    encoding: str = "utf-8"


@dataclass(frozen=True)
class ReadPairs:
    """PAIRS_OUT has so many pairs of texts, in the order of the file: left_text, right_text."""

    pairs: int


READ_PAIRS = JobKind("read_pairs", ReadPairsParams, ReadPairs)


@dataclass(frozen=True)
class PredictedPairFile:
    """rows: of the file. decisions: rows by merge, unsure and apart. sources: rows by the model that said it, or
    `similarity`. The others as in PairPredictions."""

    out: str
    rows: int
    decisions: Mapping[str, int]
    sources: Mapping[str, int]
    merge_from: float
    apart_below: float
    guarantee: float | None
    reason: str
    known: int
    new_records: int
    requests: int
    seconds: float


def predict_pair_file(  # noqa: PLR0913 - an option is an argument
    project: Project,
    report: Report,
    *,
    file: str,
    left: Sequence[str],
    right: Sequence[str],
    out: str,
    auto_above: float = AUTO_ABOVE,
    drop_below: float = DROP_BELOW,
    keep_unsure: bool = False,
    budget: int = BUDGET,
    encoding: str = "utf-8",
) -> PredictedPairFile:
    """Writes a row for each of the file: decision, probability, similarity, by what, and why not by the model in use.

    left, right: columns of each side, in the same order. encoding: of the file's characters. out: CSV, JSON lines or
    Parquet by its ending, written whole or not at all. The others as `predict_pairs` takes them. A run that was stopped
    is answered anew, but for pairs that the same model has answered on the same pool. Raises BadInput.
    """
    target = Path(out).resolve()
    refuse_target(project, out)
    file_format = target.suffix.removeprefix(".").lower()
    if file_format not in FORMATS or not target.parent.is_dir():
        raise BadInput(f"--out is {out}; it must be a .csv, .jsonl or .parquet in a folder that is there.")
    if not left or len(left) != len(right):
        raise BadInput("Name as many columns with --left as with --right, in the same order.")
    pairs = _read(project, report, ReadPairsParams(str(Path(file).resolve()), tuple(left), tuple(right), encoding))
    limits = {"auto_above": auto_above, "drop_below": drop_below}
    result = predict_pairs(project, report, pairs=pairs, keep_unsure=keep_unsure, budget=budget, **limits)
    _write(result, target, file_format)
    return PredictedPairFile(
        out=str(target),
        rows=len(result.predictions),
        decisions=dict(Counter(one.decision for one in result.predictions).most_common()),
        sources=dict(Counter(one.by for one in result.predictions).most_common()),
        merge_from=result.merge_from,
        apart_below=result.apart_below,
        guarantee=result.guarantee,
        reason=result.reason,
        known=result.known,
        new_records=result.new_records,
        requests=result.requests,
        seconds=result.seconds,
    )


def _read(project: Project, report: Report, params: ReadPairsParams) -> list[list[str]]:
    """By a job: formats take libraries."""
    bundle = project.jobs.prepare(READ_PAIRS, params)
    try:
        project.jobs.finish(bundle, READ_PAIRS, report, f"Reading {Path(params.file).name}")
        with duckdb.connect() as connection:
            table = quoted(bundle.path / PAIRS_OUT)
            rows = connection.execute(f"select left_text, right_text from read_parquet('{table}')").fetchall()
    finally:
        bundle.empty()
    return [list(row) for row in rows]


def _write(result: PairPredictions, target: Path, file_format: str) -> None:
    """row (of the file, from 1), decision, probability, similarity, by, reason."""
    columns = ("decision", "probability", "similarity", "by", "reason")
    kinds = ("varchar", "double", "double", "varchar", "varchar")
    unnested = ", ".join(f"unnest(?::{kind}[]) as {name}" for name, kind in zip(columns, kinds, strict=True))
    values = [[getattr(one, name) for one in result.predictions] for name in columns]
    query = f"select row_number() over () as row, * from (select {unnested})"
    with duckdb.connect() as connection:
        write_table(connection, query, values, target, file_format)
