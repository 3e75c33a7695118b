"""What a query strategy may look at. Knows arrays, not records, people or files."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from core.arrays import Floats, Ints
from core.tasks.task import Predictions


@dataclass(frozen=True)
class Pool:
    """One moment of a project, seen by a strategy.

    vectors: (records, dims) float16 or float32, unit rows, often a memory map: gather rows, never copy it whole.
    rows: (m,) row numbers of the candidates, ascending. labelled: (k,) row numbers that already have a label.
    predictions: of the active model, aligned with `rows`, or None before the first model.
    audit_only: row numbers that the audit may draw but no strategy may choose: labelled by machine under a guarantee.
    """

    vectors: Floats
    rows: Ints
    labelled: Ints
    predictions: Predictions | None = None
    audit_only: Ints = field(default_factory=lambda: np.empty(0, np.int64))


Strategy = Callable[[Pool, int, np.random.Generator], Ints]
"""(pool, n, rng) -> min(n, m) distinct row numbers out of `pool.rows`, those to ask first first."""
