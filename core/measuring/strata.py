"""Which figures of a model are told where only one kind can be: on audit or on gold records. Knows metrics alone."""

from collections.abc import Mapping
from typing import Any

STRATA = ("audit", "gold")
"""what claims rest on: audit records speak for all that was imported, gold for texts like those of its file"""


def judged_on(metrics: Mapping[str, Any] | None) -> str | None:
    """'audit' where its macro F1 can be told, else whichever has more records; None where neither judged the model.

    It can be told where its 95 % interval is narrower than all that is possible, 0 to 1. metrics: as `models` keeps it.
    """
    there = [name for name in STRATA if (metrics or {}).get(name)]
    if metrics is None or not there:
        return None
    if "audit" in there and _is_told(metrics["audit"]["macro_f1"]):
        return "audit"
    return max(there, key=lambda name: int(metrics[name]["n"]))


def _is_told(score: Mapping[str, Any]) -> bool:
    return bool(score["high"] - score["low"] < 1)
