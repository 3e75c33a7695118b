"""Figures as strict JSON can hold them: NaN and infinity, which are no numbers there, become null. Knows no route."""

from math import isfinite
from typing import Any


def finite(told: Any) -> Any:
    """The same value, at any depth, with None for every float that is not finite."""
    if isinstance(told, float):
        return told if isfinite(told) else None
    if isinstance(told, dict):
        return {name: finite(value) for name, value in told.items()}
    return [finite(value) for value in told] if isinstance(told, list | tuple) else told
