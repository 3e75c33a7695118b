"""What the job that pairs the records of sources is given, and what it answers. Knows no store."""

from dataclasses import dataclass

from core.jobs.kinds import JobKind

ENCODED, LARGE = ("characters", "encoder"), ("words", "order")
"""the two searches: among texts that are each held against all others, and where there are too many for that"""


SIDES, KNOWN = "in/sides.parquet", "in/known.parquet"


@dataclass(frozen=True)
class CandidateParams:
    """The bundle has SIDES: side, source, id, text, in that order, and KNOWN: left_side and right_side of candidates
    there are. sources: how many there are. within: pairs of records of one source, else of different ones.
    per_record: neighbours of each in either space. most: pairs that are kept, the most alike. cache: folder of
    encoders; vectors: where those of texts are kept. near, far: pairs to draw that are no candidates, of those next in
    rank and of all others. pieces: folder of what many jobs found; empty: this one searches itself."""

    encoder: str
    encoder_source: str
    threads: int
    cache: str
    vectors: str
    sources: int
    within: bool
    per_record: int
    most: int
    near: int
    far: int
    seed: int
    pieces: str = ""


@dataclass(frozen=True)
class CandidateResult:
    """`out/records.parquet` has them as an import has records, `out/pairs.parquet` their ids, sides, similarity, the
    names of the searches that found them, and the stratum of those that are no candidates.

    sides: records that were compared, of which distinct texts differ. candidates: pairs; left_out: less alike than the
    `most` that were kept. near, far: pairs of different texts that are no candidates, of which so many were drawn.
    large: some were searched by words and order, not each against all others.
    """

    sides: int
    distinct: int
    candidates: int
    left_out: int
    seconds: float
    near: int
    near_drawn: int
    far: int
    far_drawn: int
    large: bool


CANDIDATES = JobKind("candidates", CandidateParams, CandidateResult)
