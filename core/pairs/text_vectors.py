"""Vectors of texts by their hash, kept between jobs, so that none is encoded twice. Knows one file."""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.arrays import Floats
from core.data.ledger import normalised_hashes
from core.models.encoders.encoder import Encoder
from core.models.vectors import TEXTS
from core.pairs.spaces import Report
from core.store.whole_files import whole_file

Hashes = npt.NDArray[np.uint64]
PIECE = 256
"""texts between two reports"""


def encode_texts(encoder: Encoder, texts: Sequence[str], folder: Path | None, report: Report) -> Floats:
    """(n, dims) float32 unit rows. folder: where those of earlier jobs are, and these will be; None: nowhere.

    Texts that are equal to a reader have one vector.
    """
    hashes = normalised_hashes(texts)
    known, vectors = _read(_file(folder, encoder), encoder.dims) if folder else _nothing(encoder.dims)
    fresh, first = np.unique(hashes, return_index=True)
    first = first[~np.isin(fresh, known)]
    first = first[np.argsort([len(texts[row]) for row in first.tolist()], kind="stable")]  # so that pieces are even
    pieces = [vectors]
    for start in range(0, len(first), PIECE):
        pieces.append(encoder.encode([texts[row] for row in first[start : start + PIECE].tolist()]).astype(np.float16))
        report(min(start + PIECE, len(first)), len(first))
    known, vectors = np.concatenate([known, hashes[first]]), np.concatenate(pieces)
    order = np.argsort(known, kind="stable")
    known, vectors = known[order], vectors[order]
    if folder and len(first):
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(_file(folder, encoder), alone=True) as partial, partial.open("wb") as file:
            np.savez(file, hashes=known, vectors=vectors)
    report(1, 1)
    return np.asarray(vectors[np.searchsorted(known, hashes)], np.float32)


def _file(folder: Path, encoder: Encoder) -> Path:
    """A file for each encoder and its weights."""
    key = hashlib.sha256(f"{encoder.name}\n{encoder.fingerprint}".encode()).hexdigest()[:16]
    return folder / f"{TEXTS}{key}.npz"


def _read(path: Path, dims: int) -> tuple[Hashes, Floats]:
    with suppress(OSError, ValueError, EOFError, KeyError), np.load(path, allow_pickle=False) as arrays:
        hashes, vectors = arrays["hashes"], arrays["vectors"]
        if vectors.shape == (len(hashes), dims) and len(hashes):
            return hashes, vectors
    return _nothing(dims)


def _nothing(dims: int) -> tuple[Hashes, Floats]:
    return np.empty(0, np.uint64), np.empty((0, dims), np.float16)
