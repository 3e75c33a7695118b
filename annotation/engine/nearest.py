"""Vectors of a dataset as a matrix in memory, read again when they changed. Knows no filter."""

import asyncio
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from argilla_server.models import VectorSettings
    from sqlalchemy import Row

KEPT = 4
"""matrices in memory"""
Select = Callable[[str, dict[str, str]], Awaitable["list[Row]"]]
_known: "OrderedDict[UUID, Vectors]" = OrderedDict()


@dataclass(frozen=True)
class Vectors:
    """state: tells whether they changed since. matrix: (records, dims), unit rows, in the order of `ids`."""

    state: tuple[object, ...]
    ids: list[str]
    row_of: dict[str, int]
    matrix: npt.NDArray[np.float32]

    def scores(self, value: list[float], rows: npt.NDArray[np.int64], *, far: bool) -> npt.NDArray[np.float32]:
        """(len(rows),), 0..1: Elasticsearch's (1 + cosine) / 2; `far`: of the opposite vector."""
        vector = np.asarray(value, dtype=np.float32)
        unit = vector / max(float(np.linalg.norm(vector)), 1e-12) * (-1 if far else 1)
        return np.asarray((1 + self.matrix[rows] @ unit) / 2, np.float32)


async def read_vectors(settings: "VectorSettings", rows: Select) -> Vectors:
    """Those of one vector setting. rows: runs a SELECT."""
    key = {"settings": settings.id.hex}
    of = "FROM vectors WHERE vector_settings_id = :settings"
    state = tuple((await rows(f"SELECT COUNT(*), MAX(updated_at), MAX(rowid) {of}", key))[0])
    result = _known.get(settings.id)
    if result is None or result.state != state:
        stored = await rows(f"SELECT record_id, value {of}", key)
        ids = [record_id for record_id, _ in stored]
        matrix = await asyncio.to_thread(_matrix, [value for _, value in stored])
        result = Vectors(state, ids, {record_id: row for row, record_id in enumerate(ids)}, matrix)
        _known[settings.id] = result
    _known.move_to_end(settings.id)
    while len(_known) > KEPT:
        _known.popitem(last=False)
    return result


def _matrix(values: list[str]) -> npt.NDArray[np.float32]:
    if not values:
        return np.zeros((0, 0), np.float32)
    matrix = np.array([json.loads(value) for value in values], np.float32)
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True).astype(np.float32)
    return np.asarray(matrix / np.maximum(lengths, np.float32(1e-12)), np.float32)
