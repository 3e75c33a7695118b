"""What the jobs on pairs are given, and what they answer: finding duplicates, replaying decisions. Knows no store."""

from dataclasses import dataclass

from core.jobs.kinds import JobKind
from core.models.encoders.encoder import EMBEDDED

POSITIVES = ("1", "match", "duplicate", "same", "true", "yes")
"""how files say that two records are the same"""


@dataclass(frozen=True)
class DedupParams:
    """file, other: paths; other None: duplicates within the file. text, id: columns, of both files; id None: by row.

    at_least: similarity below which nothing is joined. one_partner: a cluster holds at most one record of each file.
    cache: folder of fetched encoders.
    """

    file: str
    other: str | None
    text: tuple[str, ...]
    id: str | None
    at_least: float
    one_partner: bool
    threads: int
    cache: str
    encoder: str = EMBEDDED


@dataclass(frozen=True)
class DedupResult:
    """The clusters stand in `out/clusters.parquet`. records: of each file; blank: records without text; distinct: texts
    that differ. candidates: pairs that were looked at. joined: merges; of them `identical` of equal texts. below: pairs
    each the other's best, but less similar than at_least. held: merges that would have joined two records of a file.
    clusters: of two or more records, `clustered` in all, `largest` at most."""

    records: tuple[int, ...]
    blank: int
    distinct: int
    candidates: int
    joined: int
    identical: int
    below: int
    held: int
    clusters: int
    clustered: int
    largest: int
    at_least: float
    seconds: float


@dataclass(frozen=True)
class PairReplayParams:
    """file: path. left, right, label, split: columns; split None: a fifth of the pairs judges, drawn at random.

    positive: the label that says "the same"; "" for whichever of POSITIVES stands in the file. budget: decisions.
    """

    file: str
    left: str
    right: str
    label: str
    split: str | None
    positive: str
    budget: int
    seeds: int
    threads: int
    cache: str
    encoder: str = EMBEDDED


@dataclass(frozen=True)
class DecisionCurve:
    """F1 of one strategy at each number of decisions, for each seed."""

    strategy: str
    f1: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class PairReplayResult:
    """pairs: usable ones, `test` of them judge; left_out: rows without a text, or without a label. matches: pairs that
    are the same. records: distinct texts on both sides. blocking_recall: share of the matches among the candidates, of
    which there are candidates_per_record (left). full: F1 with all decisions; mutual_best: without any."""

    pairs: int
    test: int
    left_out: int
    matches: int
    records: tuple[int, int]
    positive: str
    blocking_recall: float
    candidates_per_record: float
    full: float
    mutual_best: float
    decisions: tuple[int, ...]
    curves: tuple[DecisionCurve, ...]
    seconds: float


DEDUP = JobKind("dedup", DedupParams, DedupResult)
PAIR_REPLAY = JobKind("pair_replay", PairReplayParams, PairReplayResult)
