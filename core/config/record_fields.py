"""The named parts of a record and what they hold, as a project's settings list them. Knows no file."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.errors import BadInput

ROLES = ("name", "address", "number", "date", "code", "text")
"""what a field can hold"""
LONGEST_NAME = 80
"""characters"""

_WORDS = {
    "name": ("name", "title", "author", "person", "surname", "first", "last", "brand", "manufacturer", "company"),
    "address": ("address", "addr", "street", "city", "town", "zip", "postcode", "country", "venue"),
    "number": ("price", "amount", "number", "count", "weight", "size", "year", "quantity", "age"),
    "date": ("date", "day", "born", "birth", "dob", "time"),
    "code": ("code", "sku", "isbn", "ean", "phone", "model", "modelno", "email", "id", "url"),
}
_DATE = re.compile(r"\d{1,4}[-/. ]\d{1,2}[-/. ]\d{1,4}")
_NUMBER = re.compile(r"[^\w]{0,3}[-+]?\d[\d.,]*[^\w]{0,3}")
_CODE = re.compile(r"(?=\S*\d)\S{3,}")
MOSTLY = 0.8
"""share of a field's values that must look like it"""
LONG = 60
"""characters from which a value is text rather than a name"""


@dataclass(frozen=True)
class RecordField:
    """role: one of ROLES."""

    name: str
    role: str = "text"


def guess_role(name: str, values: Sequence[str]) -> str:
    """By the field's name, then by what its values look like."""
    words = set(re.findall(r"[a-z]+", name.casefold()))
    for role, known in _WORDS.items():
        if words & set(known):
            return role
    there = [value.strip() for value in values if value.strip()]
    if not there:
        return "text"
    for role, pattern in (("date", _DATE), ("number", _NUMBER), ("code", _CODE)):
        if sum(bool(pattern.fullmatch(value)) for value in there) >= MOSTLY * len(there):
            return role
    return "text" if sum(map(len, there)) / len(there) > LONG else "name"


def read_fields(table: Mapping[str, object]) -> tuple[RecordField, ...]:
    """Of the section [fields], name to role. Raises BadInput."""
    result = []
    for name, role in table.items():
        check_field_name(name)
        if role not in ROLES:
            raise BadInput(f"[fields]: the role of {name!r} is {role!r}, but it must be one of {', '.join(ROLES)}.")
        result.append(RecordField(name, str(role)))
    return tuple(result)


GOLDEN_RULES = {
    "longest": "the longest value; of equally long ones that of the oldest record",
    "newest": "the value of the newest record that has one",
    "most_frequent": "the value that most records have; of equally frequent ones that of the oldest record",
    "source_order": "the value of the oldest record of the source that came first",
}
"""which of a cluster's values stands for all of them"""


@dataclass(frozen=True)
class FieldRule:
    """rule: one of GOLDEN_RULES."""

    field: str
    rule: str


def read_rules(table: Mapping[str, object]) -> tuple[FieldRule, ...]:
    """Of the section [golden], name to rule. Raises BadInput."""
    for name, rule in table.items():
        if rule not in GOLDEN_RULES:
            raise BadInput(
                f"[golden]: the rule of {name!r} is {rule!r}, but it must be one of {', '.join(GOLDEN_RULES)}."
            )
    return tuple(FieldRule(name, str(rule)) for name, rule in table.items())


def check_field_name(name: str) -> None:
    """Raises BadInput for one that could not stand before a colon in a record's text."""
    if not name.strip() or len(name) > LONGEST_NAME or {":", "\n", "\r"} & set(name):
        raise BadInput(
            f"A field cannot be called {name[:LONGEST_NAME]!r}: a name has up to {LONGEST_NAME} characters, no "
            "colon and no line break. Rename the column in the file."
        )


def join_fields(fields: Mapping[str, str]) -> str:
    """One line each, in their order; line breaks in a value become blanks. A single field is its value alone."""
    if len(fields) == 1:
        return next(iter(fields.values()))
    return "\n".join(f"{name}: {' '.join(value.split())}" for name, value in fields.items())


def named_fields(texts: Sequence[str], names: Sequence[str]) -> dict[str, list[str]]:
    """name -> values, "" where a text lacks it: what `join_fields` has joined."""
    rows = [_read_named(text, names) for text in texts]
    return {name: [row.get(name, "") for row in rows] for name in names}


def _read_named(text: str, names: Sequence[str]) -> dict[str, str]:
    lines = [line.partition(":") for line in text.split("\n")]
    return {name: value.strip() for name, _, value in lines if name in names}
