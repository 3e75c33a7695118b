"""What is believed of a pair before any decision: each is the other's best, or not. Knows features, no text."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from core.arrays import Floats, Ints

SIMILARITY, NEXT_BY_WORDS, NEXT_BY_ENCODER = 0, 1, 2
"""columns of a pair's vector that every project has: the mean cosine, and how far it is above the best other partner
of either record, by words and by encoder"""


@dataclass(frozen=True)
class PairPrior:
    """How alike the two are where neither record has a nearer partner, else a third of it. It is no estimate: it
    orders pairs, and its doubt says which to decide first."""

    calibration_error: ClassVar[float | None] = None

    def predict(self, vectors: Floats, rows: Ints | None = None) -> Floats:
        """(n, 2) of different, of same."""
        chosen = np.asarray(vectors if rows is None else vectors[rows], np.float32)
        scale = 1 / np.sqrt(chosen.shape[1])
        alike = np.clip(chosen[:, SIMILARITY] / scale, 0, 1)
        best = (chosen[:, NEXT_BY_WORDS] >= 0) & (chosen[:, NEXT_BY_ENCODER] >= 0)
        same = np.where(best, alike, alike / 3)
        return np.column_stack([1 - same, same]).astype(np.float32)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Nothing was learnt."""
        return {}

    def about(self) -> dict[str, object]:
        """It is never stored."""
        return {"task": "pairs"}
