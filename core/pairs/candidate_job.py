"""What the job that pairs the records of sources is given, and what it answers. Knows no store."""

from dataclasses import dataclass

from core.jobs.kinds import JobKind


@dataclass(frozen=True)
class CandidateParams:
    """The bundle has `in/sides.parquet`: side, source, id, text, in that order. sources: how many there are. within:
    pairs of records of one source, else of different ones. per_record: neighbours of each in either space. most: pairs
    that are kept, the most alike. cache: folder of encoders; vectors: of vectors, where those of texts are kept."""

    encoder: str
    encoder_source: str
    threads: int
    cache: str
    vectors: str
    sources: int
    within: bool
    per_record: int
    most: int


@dataclass(frozen=True)
class CandidateResult:
    """`out/records.parquet` has them as an import has records, `out/pairs.parquet` their ids, sides and similarity.

    sides: records that were compared, of which distinct texts differ. candidates: pairs; left_out: less alike than the
    `most` that were kept.
    """

    sides: int
    distinct: int
    candidates: int
    left_out: int
    seconds: float


CANDIDATES = JobKind("candidates", CandidateParams, CandidateResult)
