"""Vectors of texts by their hash, kept between jobs, so that none is encoded twice. Knows one file."""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.arrays import Floats, Ints
from core.data.ledger import normalised_hashes
from core.models.encoders.encoder import Encoder
from core.models.vectors import TEXTS, Halves
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
    known, vectors = stored_vectors(encoder, folder)
    first = rows_to_encode(texts, hashes, known)
    pieces = [np.empty((0, encoder.dims), np.float16)]
    for start in range(0, len(first), PIECE):
        pieces.append(encoder.encode([texts[row] for row in first[start : start + PIECE].tolist()]).astype(np.float16))
        report(min(start + PIECE, len(first)), len(first))
    known, vectors = add_vectors(encoder, folder, (known, vectors), (hashes[first], np.concatenate(pieces)))
    report(1, 1)
    return np.asarray(vectors[np.searchsorted(known, hashes)], np.float32)


def rows_to_encode(texts: Sequence[str], hashes: Hashes, known: Hashes) -> Ints:
    """The first of each text that is not known, shortest first, so that pieces are even."""
    fresh, first = np.unique(hashes, return_index=True)
    first = first[~np.isin(fresh, known)]
    return first[np.argsort([len(texts[row]) for row in first.tolist()], kind="stable")]


def stored_vectors(encoder: Encoder, folder: Path | None) -> tuple[Hashes, Halves]:
    """(hashes, ascending; their vectors) that are in the folder."""
    return _read(_file(folder, encoder), encoder.dims) if folder else _nothing(encoder.dims)


def add_vectors(
    encoder: Encoder, folder: Path | None, stored: tuple[Hashes, Halves], fresh: tuple[Hashes, Halves]
) -> tuple[Hashes, Halves]:
    """Both, as `stored_vectors` has them, and from now on in the folder."""
    known, vectors = np.concatenate([stored[0], fresh[0]]), np.concatenate([stored[1], fresh[1]])
    order = np.argsort(known, kind="stable")
    known, vectors = known[order], vectors[order]
    if folder and len(fresh[0]):
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(_file(folder, encoder), alone=True) as partial, partial.open("wb") as file:
            np.savez(file, hashes=known, vectors=vectors)
    return known, vectors


def _file(folder: Path, encoder: Encoder) -> Path:
    """A file for each encoder and its weights."""
    key = hashlib.sha256(f"{encoder.name}\n{encoder.fingerprint}".encode()).hexdigest()[:16]
    return folder / f"{TEXTS}{key}.npz"


def _read(path: Path, dims: int) -> tuple[Hashes, Halves]:
    with suppress(OSError, ValueError, EOFError, KeyError), np.load(path, allow_pickle=False) as arrays:
        hashes, vectors = arrays["hashes"], arrays["vectors"]
        if vectors.shape == (len(hashes), dims) and len(hashes):
            return hashes, vectors
    return _nothing(dims)


def _nothing(dims: int) -> tuple[Hashes, Halves]:
    return np.empty(0, np.uint64), np.empty((0, dims), np.float16)
