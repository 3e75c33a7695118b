"""Input and result of the job that splits labelled records. Knows no store."""

from collections.abc import Mapping
from dataclasses import dataclass

from core.jobs.kinds import JobKind

SPLIT_NAMES = ("train", "validation", "test")


@dataclass(frozen=True)
class SplitParams:
    """shares: of SPLIT_NAMES, which add up to 1. The same seed and records give the same splits."""

    shares: tuple[float, float, float]
    seed: int


@dataclass(frozen=True)
class SplitJobResult:
    """`out/splits.parquet` has n and split. counts: category (a label's id, or a whole answer) -> records in each of
    SPLIT_NAMES; only of the most frequent ones where there are very many. units: groups, which are never divided, a
    record by itself being one. uneven: categories that fewer units have than there are splits.
    """

    records: int
    units: int
    counts: Mapping[str, tuple[int, int, int]]
    sizes: tuple[int, int, int]
    uneven: int


SPLIT = JobKind("split", SplitParams, SplitJobResult)
