"""What the jobs are given that search for candidates part by part, and what they answer. Knows no store."""

from dataclasses import dataclass

from core.data.encode_job import EncodeParams, EncodeResult
from core.jobs.kinds import JobKind
from core.jobs.many_jobs import PiecesResult
from core.pairs.blocking.candidate_job import CandidateParams

EXACT_QUERIES, WORD_QUERIES = 8_192, 131_072
"""texts that a job looks up, unless told: of those that are held against all others, and by words"""
TEXTS_OUT, SAMPLE_OUT = "out/texts", "out/sample.parquet"
"""pieces of the texts that have no vector yet, and some of them to measure with"""
FOUND = "found.parquet"
"""of a part: left, right (rows of the block), searches, similarity"""


def block_name(number: int) -> str:
    """Folder with the files of two sources that are searched together, or of one within itself."""
    return f"block-{number}"


def vectors_name(source: int) -> str:
    """File with the vectors of a source's texts."""
    return f"vectors-{source}.npy"


@dataclass(frozen=True)
class CutCandidatesParams:
    """job_records: texts of a job; 0 for EXACT_QUERIES or WORD_QUERIES."""

    search: CandidateParams
    job_records: int


@dataclass(frozen=True)
class QueryRange:
    """Texts of a block that one job looks up, by their rows: of the left source, and behind those of the right. width:
    of the left source, None within one. sources: numbers of both. by_words: not held against all others."""

    block: int
    start: int
    stop: int
    width: int | None
    sources: tuple[int, ...]
    by_words: bool


@dataclass(frozen=True)
class CutCandidatesResult:
    """What `out` has: files of each block, pieces of texts to encode, some of them to measure with. seconds: that each
    part will take here. texts: of each piece. encoded: whether vectors are used at all. version: what the parts find
    depends on; texts_version: what the vectors of the pieces do."""

    parts: tuple[QueryRange, ...]
    seconds: tuple[float, ...]
    texts: tuple[int, ...]
    sampled: int
    encoded: bool
    version: str
    texts_version: str


@dataclass(frozen=True)
class PlaceVectorsParams:
    """cut: folder of what was cut. pieces: folder of the pieces that were encoded."""

    search: CandidateParams
    cut: str
    pieces: str
    count: int


@dataclass(frozen=True)
class PlaceVectorsResult:
    """`out` has the vectors of each source's texts, in their order. texts: that were encoded for it."""

    texts: int


@dataclass(frozen=True)
class SearchPartParams:
    """The bundle's `in` has the block's files and, where texts are held against all others, the vectors of both."""

    part: QueryRange
    per_record: int
    threads: int
    version: str


@dataclass(frozen=True)
class SearchPartResult:
    """pairs: found, near misses among them."""

    pairs: int
    seconds: float


@dataclass(frozen=True)
class SearchPiecesParams:
    """Of the rows that stand for all parts. gpu: "" for none."""

    version: str
    gpu: str
    workers: int
    job_records: int


CUT_CANDIDATES = JobKind("cut_candidates", CutCandidatesParams, CutCandidatesResult)
ENCODE_PIECE = JobKind("encode_piece", EncodeParams, EncodeResult)
ENCODE_PIECES = JobKind("encode_pieces", SearchPiecesParams, PiecesResult)
PLACE_VECTORS = JobKind("place_vectors", PlaceVectorsParams, PlaceVectorsResult)
SEARCH_PART = JobKind("search_part", SearchPartParams, SearchPartResult)
SEARCH_PIECES = JobKind("search_pieces", SearchPiecesParams, PiecesResult)
