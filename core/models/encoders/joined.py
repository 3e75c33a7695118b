"""Both encoders that come with Rondo as one: 384 numbers of the default, 192 of the multilingual one. Knows no records.

All 512 more would double what a pool takes. The 192 are the directions in which words and parts of words of all its
languages differ most (principal components, Pearson 1901), the same for every project. `python -m
core.models.encoders.joined` measures them anew.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.arrays import Floats, unit_rows
from core.models.encoders.encoder import EMBEDDED, MULTILINGUAL, Encoder
from core.models.encoders.multilingual import load_multilingual, vocabulary

AXES = Path(__file__).with_name("multilingual_axes.npz")
DIRECTIONS = 192
EVERY = 20
"""of the pieces of the vocabulary one in so many is measured"""


@dataclass(frozen=True)
class JoinedEncoder:
    """axes: (dims of the second, DIRECTIONS), orthonormal."""

    name: str
    fingerprint: str
    first: Encoder
    second: Encoder
    axes: npt.NDArray[np.float32]

    @property
    def dims(self) -> int:
        """Of both together."""
        return self.first.dims + len(self.axes.T)

    def encode(self, texts: Sequence[str]) -> Floats:
        """(texts, dims), unit rows in which each encoder counts half."""
        return join_vectors(self.first.encode(texts), self.second.encode(texts), self.axes)

    def encode_each(self, texts: Sequence[str]) -> Floats:
        """The same, to the bit, whatever other texts there are."""
        return join_vectors(self.first.encode_each(texts), self.second.encode_each(texts), self.axes)


def join_vectors(first: Floats, second: Floats, axes: Floats) -> Floats:
    """(n, dims) unit rows. Row by row, for how a product of matrices is rounded depends on how many rows there are."""
    cut = np.array([row @ axes for row in np.asarray(second, np.float32)], np.float32).reshape(-1, axes.shape[1])
    return np.concatenate([np.asarray(first, np.float32), unit_rows(cut)], axis=1) / np.float32(np.sqrt(2))


def read_axes() -> npt.NDArray[np.float32]:
    """(512, DIRECTIONS)."""
    with np.load(AXES, allow_pickle=False) as file:
        return np.asarray(file["axes"], np.float32)


def load_joined(name: str, threads: int) -> JoinedEncoder:
    """Both from their packages. Raises Damaged."""
    from core.models.encoders.embedded import load_embedded

    first, second = load_embedded(EMBEDDED, threads), load_multilingual(MULTILINGUAL, threads)
    parts = f"{first.fingerprint}{second.fingerprint}{hashlib.sha256(AXES.read_bytes()).hexdigest()}"
    return JoinedEncoder(name, hashlib.sha256(parts.encode()).hexdigest()[:16], first, second, read_axes())


def measure_axes() -> npt.NDArray[np.float16]:
    """Of the vectors of pieces of the vocabulary, their mean taken off; half a minute."""
    encoder = load_multilingual(MULTILINGUAL, 1)
    vectors = encoder.encode(vocabulary(encoder)[::EVERY])
    _, _, directions = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    return np.asarray(directions[:DIRECTIONS].T, np.float16)


if __name__ == "__main__":
    np.savez_compressed(AXES, axes=measure_axes())
