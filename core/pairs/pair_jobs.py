"""What the jobs on pairs are given, and what they answer: finding duplicates, replaying decisions. Knows no store."""

from dataclasses import dataclass

from core.jobs.kinds import JobKind
from core.models.encoders.encoder import EMBEDDED

POSITIVES = ("1", "match", "duplicate", "same", "true", "yes")
"""how files say that two records are the same"""


@dataclass(frozen=True)
class DedupParams:
    """file, other: paths; other None: duplicates within the file. text, id: columns, of both files; id None: by row.

    at_least: similarity from which pairs are joined that are each other's best. auto_above: from which every pair is;
    None: none only for that. drop_below: from which a pair that is not joined is for a person. one_partner: a cluster
    holds at most one record of each file. encode: use the encoder; None: unless there are too many texts for it.
    cache: folder of fetched encoders.
    """

    file: str
    other: str | None
    text: tuple[str, ...]
    id: str | None
    at_least: float
    auto_above: float | None
    drop_below: float
    one_partner: bool
    encode: bool | None
    threads: int
    cache: str
    encoder: str = EMBEDDED


@dataclass(frozen=True)
class DedupResult:
    """The clusters stand in `out/clusters.parquet`, the unsure pairs in `out/unsure.parquet`. records: of each file;
    blank: records without text; distinct: texts that differ. candidates: pairs that were looked at. joined: merges; of
    them `identical` of equal texts. below: pairs each the other's best, but less similar than it takes. unsure:
    candidates not joined, drop_below or more, of two clusters; dropped: less similar. held: merges that would have
    joined two records of a file. clusters: of two or more records, `clustered` in all, `largest` at most. encoded: by
    the encoder too; exact: each text was held against all others."""

    records: tuple[int, ...]
    blank: int
    distinct: int
    candidates: int
    joined: int
    identical: int
    below: int
    unsure: int
    dropped: int
    held: int
    clusters: int
    clustered: int
    largest: int
    at_least: float
    auto_above: float | None
    drop_below: float
    encoded: bool
    exact: bool
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
    """pairs: usable ones, `test` of them judge; left_out: rows without a text, or without a label. contradictions:
    pairs decided both ways, whichever text stands left; self_pairs: of equal texts; both stay in. matches: pairs that
    are the same. records: distinct texts on both sides. blocking_recall: share of the matches among the candidates, of
    which there are candidates_per_record (left). full: F1 with all decisions; mutual_best: without any."""

    pairs: int
    test: int
    left_out: int
    contradictions: int
    self_pairs: int
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
