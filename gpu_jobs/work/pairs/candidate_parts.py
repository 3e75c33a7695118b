"""The search for candidates in parts: what many jobs at once do, and what is done before and after. Knows no store."""

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.arrays import Floats, Ints, as_floats
from core.data.ledger import normalised_hashes
from core.jobs.many_jobs import SAMPLE, piece_path
from core.models.encoders.encoder import Encoder
from core.models.encoders.loading import load_encoder
from core.pairs.blocking.candidate_job import SIDES, CandidateParams
from core.pairs.blocking.candidate_parts_job import (
    EXACT_QUERIES,
    FOUND,
    SAMPLE_OUT,
    TEXTS_OUT,
    WORD_QUERIES,
    CutCandidatesParams,
    CutCandidatesResult,
    PlaceVectorsParams,
    PlaceVectorsResult,
    QueryRange,
    SearchPartParams,
    SearchPartResult,
    block_name,
    vectors_name,
)
from core.pairs.blocking.candidates import FoundPairs, SearchedSides, search_spaces
from core.pairs.blocking.large_sources import search_large_of, write_large_index
from core.pairs.blocking.postings import WordIndex
from core.pairs.spaces import BLOCK, Report, tf_idf, trigrams
from core.pairs.text_vectors import PIECE, Hashes, add_vectors, rows_to_encode, stored_vectors
from core.store.whole_files import whole_file
from gpu_jobs.trainers.trainer_types import Progress
from gpu_jobs.work.pairs.pair_pool import phase
from gpu_jobs.work.pairs.paired_sides import Block, Sides, read_sides

if TYPE_CHECKING:
    from core.pairs.spaces import Both, Vectors

CHARACTERS = ("characters-left.npz", "characters-right.npz")
HASHES, FRESH = "hashes-{}.npy", "fresh.npy"
"""of the texts of a source; of those that have no vector yet, piece after piece"""
TRIED, TRIED_BY_WORDS = BLOCK, 64 * BLOCK
"""texts that are looked up to say how long all will take"""


def cut_candidates(bundle: Path, params: CutCandidatesParams, report: Progress) -> CutCandidatesResult:
    """Writes what each block's parts need, but for vectors: those are made of the pieces of texts that it writes, too.

    Parts and pieces begin at multiples of what is looked up, or encoded, at once: so they come to the same as one job.
    """
    search, out = params.search, bundle / "out"
    sides = read_sides(bundle / SIDES, search)
    hashes = [normalised_hashes(texts) for texts in (_texts(sides, rows) for rows in sides.firsts)]
    blocks = sides.blocks
    encoded = sorted({source for block in blocks if not block.by_words for source in block.sources})
    encoder = load_encoder(search.encoder_source, Path(search.cache), search.threads) if encoded else None
    texts = _cut_texts(bundle, sides, hashes, encoder, params) if encoder else []
    parts, seconds = list[QueryRange](), list[float]()
    for number, block in enumerate(blocks):
        start, stop = 100 + 800 * number // len(blocks), 100 + 800 * (number + 1) // len(blocks)
        folder = out / block_name(number)
        folder.mkdir()
        _write_index(folder, sides, block, search, phase(report, start, stop))
        new = list(_ranges(number, block, params.job_records))
        noise = [] if encoder is None or block.by_words else [_noise(len(rows), encoder.dims) for rows in block.rows]
        index = _opened(folder, new[0], noise, search.threads)
        parts, seconds = [*parts, *new], [*seconds, *_expected_seconds(index, new, search.per_record)]
    facts = [encoder and encoder.name, encoder and encoder.fingerprint]
    texts_version = _version([*facts, texts], [np.load(bundle / TEXTS_OUT / FRESH)] if encoder else [])
    version = _version([*facts, search.within, search.per_record, [vars(part) for part in parts]], hashes)
    sampled = min(SAMPLE, sum(texts))
    report(1000, 1000)
    return CutCandidatesResult(
        tuple(parts), tuple(seconds), tuple(texts), sampled, encoder is not None, version, texts_version
    )


def _texts(sides: Sides, rows: Ints) -> list[str]:
    return [sides.texts[row] for row in rows.tolist()]


def _version(facts: Sequence[object], arrays: Sequence[Hashes]) -> str:
    digest = hashlib.sha256(json.dumps(facts).encode())
    for array in arrays:
        digest.update(str(len(array)).encode() + array.tobytes())
    return digest.hexdigest()


def _cut_texts(
    bundle: Path,
    sides: Sides,
    hashes: list[Hashes],
    encoder: Encoder,
    params: CutCandidatesParams,
) -> list[int]:
    """Numbers of texts in each piece. They are encoded as `encode_texts` does: source after source."""
    folder, sources = (
        bundle / TEXTS_OUT,
        {source for block in sides.blocks if not block.by_words for source in block.sources},
    )
    folder.mkdir()
    size = -(-(params.job_records or WORD_QUERIES) // PIECE) * PIECE
    known, _ = stored_vectors(encoder, Path(params.search.vectors))
    pieces, fresh, left = list[int](), [np.empty(0, np.uint64)], list[str]()
    for source in sorted(sources):
        texts = _texts(sides, sides.firsts[source])
        np.save(folder / HASHES.format(source), hashes[source])
        first = rows_to_encode(texts, hashes[source], known)
        known = np.union1d(known, hashes[source][first])
        for start in range(0, len(first), size):
            piece = first[start : start + size]
            _write_texts(piece_path(folder, len(pieces)), [texts[row] for row in piece.tolist()])
            pieces.append(len(piece))
            fresh.append(hashes[source][piece])
        left += [texts[row] for row in first.tolist()]
    np.save(folder / FRESH, np.concatenate(fresh))
    _write_texts(bundle / SAMPLE_OUT, left[:: max(len(left) // SAMPLE, 1)][:SAMPLE])
    return pieces


def _write_texts(path: Path, texts: list[str]) -> None:
    """As `encode` reads them."""
    import polars

    polars.DataFrame(
        {"n": np.arange(len(texts)), "text": texts}, schema_overrides={"text": polars.String}
    ).write_parquet(path)


def _write_index(folder: Path, sides: Sides, block: Block, search: CandidateParams, report: Report) -> None:
    from scipy.sparse import save_npz

    texts = sides.texts_of(block)
    both = texts[0], texts[1] if len(texts) > 1 else None
    if block.by_words:
        write_large_index(both, folder, folder.parent.parent, search.threads, report)
        return
    for name, rows in zip(CHARACTERS, tf_idf(both, trigrams), strict=True):
        if rows is not None:
            save_npz(folder / name, rows, compressed=False)


def _ranges(number: int, block: Block, size: int) -> Iterator[QueryRange]:
    sizes = [len(rows) for rows in block.rows]
    size = -(-(size or (WORD_QUERIES if block.by_words else EXACT_QUERIES)) // BLOCK) * BLOCK
    width, before = sizes[0] if len(sizes) > 1 else None, 0
    for count in sizes:
        for start in range(0, count, size):
            stop = min(start + size, count)
            yield QueryRange(number, before + start, before + stop, width, block.sources, block.by_words)
        before += count


def _noise(rows: int, dims: int) -> Floats:
    """Vectors that stand for those that are not there yet: what they hold makes no difference to the time."""
    return np.random.default_rng(0).standard_normal((rows, dims), np.float32)


def _expected_seconds(index: SearchedSides | WordIndex, parts: Sequence[QueryRange], per_record: int) -> list[float]:
    """Of each part of a block here: what a part takes however small it is, and what each text takes."""
    first = parts[0]
    count = min(first.stop - first.start, TRIED_BY_WORDS if first.by_words else TRIED)
    times = []
    for tried in (1, count):
        started = time.monotonic()
        _look_up(index, range(first.start, first.start + tried), per_record, lambda done, total: None)
        times.append(time.monotonic() - started)
    each = max(times[1] - times[0], 0) / count
    return [times[0] + each * (part.stop - part.start) for part in parts]


def _opened(folder: Path, part: QueryRange, vectors: list[Floats], threads: int) -> SearchedSides | WordIndex:
    """vectors: of the sources of the part. folder: of its block."""
    from scipy.sparse import csr_matrix, load_npz

    if part.by_words:
        return WordIndex(folder, part.width, folder.parent.parent, threads)
    characters = [csr_matrix(load_npz(folder / name)) for name in CHARACTERS[: len(part.sources)]]
    return SearchedSides(_both(characters), _both(vectors))


def _both(sides: "Sequence[Vectors]") -> "Both":
    return sides[0], sides[1] if len(sides) > 1 else None


def _look_up(index: SearchedSides | WordIndex, rows: range, per_record: int, report: Report) -> FoundPairs:
    if isinstance(index, WordIndex):
        return search_large_of(index, rows, per_record, report)
    return search_spaces(index, rows, per_record, report)


def place_vectors(bundle: Path, params: PlaceVectorsParams, report: Progress) -> PlaceVectorsResult:
    """Writes the vectors of each source's texts, in their order, from those that were known and the pieces that were
    encoded, which are known from now on."""
    search, texts = params.search, Path(params.cut)
    encoder = load_encoder(search.encoder_source, Path(search.cache), search.threads)
    pieces = [piece_path(Path(params.pieces), number) for number in range(params.count)]
    shards = [np.load(path, allow_pickle=False) for piece in pieces for path in sorted(piece.glob("shard-*.npy"))]
    vectors = np.concatenate([np.empty((0, encoder.dims), np.float16), *shards])
    fresh, folder = np.load(texts / FRESH, allow_pickle=False), Path(search.vectors)
    stored = stored_vectors(encoder, folder)
    new = ~np.isin(fresh, stored[0])  # one that was killed has stored them already
    known, rows = add_vectors(encoder, folder, stored, (fresh[new], vectors[new]))
    report(1, 2)
    for source in sorted(path.stem for path in texts.glob(HASHES.format("*"))):
        number = int(source.rpartition("-")[2])
        hashes = np.load(texts / HASHES.format(number), allow_pickle=False)
        np.save(bundle / "out" / vectors_name(number), rows[np.searchsorted(known, hashes)])
    report(2, 2)
    return PlaceVectorsResult(len(fresh))


def search_part(bundle: Path, params: SearchPartParams, report: Progress) -> SearchPartResult:
    """Writes what the texts of a part found of all others."""
    import polars

    started, part = time.monotonic(), params.part
    name = block_name(part.block)
    files = [] if part.by_words else [bundle / "in" / vectors_name(source) for source in part.sources]
    vectors = [as_floats(np.load(path, allow_pickle=False)) for path in files]
    index = _opened(bundle / "in" / name, part, vectors, params.threads)
    matches = _look_up(index, range(part.start, part.stop), params.per_record, report)
    (bundle / "out" / name).mkdir(exist_ok=True)
    columns = {"left": matches.pairs.left, "right": matches.pairs.right}
    table = polars.DataFrame({**columns, "searches": matches.searches, "similarity": matches.similarity})
    with whole_file(bundle / "out" / name / FOUND, alone=True) as partial:
        table.write_parquet(partial)
    return SearchPartResult(len(matches.pairs), round(time.monotonic() - started, 3))
