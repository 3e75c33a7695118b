"""Figures as strict JSON can hold them: NaN and infinity, which are no numbers there, become null. Knows no route."""

from math import isfinite
from typing import Any


def finite(result: Any) -> Any:
    """The same value, at any depth, with None for every float that is not finite."""
    if isinstance(result, float):
        return result if isfinite(result) else None
    if isinstance(result, dict):
        return {name: finite(value) for name, value in result.items()}
    return [finite(value) for value in result] if isinstance(result, list | tuple) else result
