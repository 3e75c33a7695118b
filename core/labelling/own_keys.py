"""Keys that people have chosen on the card for what a task offers. Knows no task: key and id are texts."""

import json
import re
from collections.abc import Mapping

from core.store.database import Store, utc_now

MOST = 60
LONGEST_ID = 200
_KEY = re.compile(r"[1-9]|[a-z]|F(?:[1-46-9]|10)")


def read_keys(value: object) -> dict[str, str] | None:
    """Key to id, without what cannot be either; None where it is no mapping. Never refused: answers come with it."""
    if not isinstance(value, Mapping):
        return None
    pairs = [
        (key, id)
        for key, id in value.items()
        if isinstance(key, str) and _KEY.fullmatch(key) and isinstance(id, str) and 0 < len(id) <= LONGEST_ID
    ]
    return dict(pairs[:MOST])


def own_keys(store: Store, annotator: str) -> dict[str, str]:
    """Those that hold; {} for the usual ones."""
    rows = store.query("select keys from own_keys where annotator = ?", [annotator])
    return (read_keys(json.loads(rows[0][0])) or {}) if rows else {}


def choose_keys(store: Store, annotator: str, keys: Mapping[str, str]) -> None:
    """In place of those before; durable when it returns."""
    with store.transaction() as cursor:
        cursor.execute("delete from own_keys where annotator = ?", [annotator])
        if keys:
            row = [annotator, json.dumps(dict(keys), ensure_ascii=False), utc_now()]
            cursor.execute("insert into own_keys values (?, ?, ?)", row)
