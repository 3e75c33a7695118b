"""A record's fields as one text, a line for each, `name: value`, and back again. Knows texts alone."""

import re
from collections.abc import Mapping, Sequence

LINE = re.compile(r"([^\W\d_][\w .-]{0,39}):(?:\s(.*)|$)")
MOST = 12
"""fields that are compared one by one"""


def join_fields(fields: Mapping[str, str]) -> str:
    """One line each, in their order; line breaks in a value become blanks. A single field is its value alone."""
    if len(fields) == 1:
        return next(iter(fields.values()))
    return "\n".join(f"{name}: {' '.join(value.split())}" for name, value in fields.items())


def split_fields(texts: Sequence[str]) -> dict[str, list[str]]:
    """name -> values, "" where a text lacks it; nothing where the texts are no such lines, or have only one.

    Every line must be a field in nine of ten texts, and a field stand in half of them.
    """
    rows = [_read(text) for text in texts]
    whole = [row for row in rows if row]
    if not texts or len(whole) < 0.9 * len(texts):
        return {}
    names = dict.fromkeys(name for row in whole for name in row)
    common = [name for name in names if sum(name in row for row in whole) >= 0.5 * len(whole)][:MOST]
    return {name: [row.get(name, "") for row in rows] for name in common} if len(common) > 1 else {}


def _read(text: str) -> dict[str, str]:
    """Empty where a line is no field."""
    matches = [LINE.fullmatch(line.strip()) for line in text.split("\n")[: 4 * MOST]]
    return {match[1]: match[2] or "" for match in matches if match} if all(matches) else {}
