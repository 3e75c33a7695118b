"""The golden record of a cluster: which record survives, and of which record each field is taken. Knows no store."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from core.config.record_fields import RecordField, named_fields
from core.config.settings import Settings

DEFAULTS = {
    "name": "most_frequent",
    "address": "longest",
    "number": "most_frequent",
    "date": "most_frequent",
    "code": "most_frequent",
    "text": "longest",
}
"""role of a field -> rule, where the settings say none"""
WHOLE = "text"
"""what a record's only field is called where it has no fields"""
BY_HAND = "by_hand"
"""the rule where a person chose the record that survives"""


@dataclass(frozen=True)
class Version:
    """One record of a cluster. side: its age; source: position of its source in the order of import."""

    side: int
    source: int
    fields: Mapping[str, str]


@dataclass(frozen=True)
class GoldenValue:
    """side: of the record that it is from, None where no record has one. rule: one of `RULES`, or BY_HAND."""

    value: str
    side: int | None
    rule: str


Choice = Callable[[Sequence[Version], Sequence[str]], int]
"""versions that have a value, oldest first, and their values -> index of the one that is taken"""


def longest(versions: Sequence[Version], values: Sequence[str]) -> int:
    """Of equally long ones the oldest."""
    return max(range(len(values)), key=lambda index: (len(values[index]), -index))


def newest(versions: Sequence[Version], values: Sequence[str]) -> int:
    """By import."""
    return len(values) - 1


def most_frequent(versions: Sequence[Version], values: Sequence[str]) -> int:
    """In any case and spacing; of equally frequent ones the oldest."""
    plain = [" ".join(value.casefold().split()) for value in values]
    counts = Counter(plain)
    return max(range(len(values)), key=lambda index: (counts[plain[index]], -index))


def source_order(versions: Sequence[Version], values: Sequence[str]) -> int:
    """Of the source that came first, there of the oldest."""
    return min(range(len(values)), key=lambda index: (versions[index].source, index))


RULES: dict[str, Choice] = {
    "longest": longest,
    "newest": newest,
    "most_frequent": most_frequent,
    "source_order": source_order,
}


def field_rules(settings: Settings) -> dict[str, str]:
    """Field -> rule, in the order of the fields; of records without fields the only one is WHOLE."""
    chosen = {one.field: one.rule for one in settings.golden}
    fields = settings.fields or (RecordField(WHOLE),)
    return {field.name: chosen.get(field.name, DEFAULTS[field.role]) for field in fields}


def read_version(side: int, source: int, text: str, fields: Mapping[str, str] | None, names: Sequence[str]) -> Version:
    """names: of the fields. A side that came as text has them in lines."""
    if list(names) == [WHOLE]:
        return Version(side, source, {WHOLE: text})
    if fields:
        return Version(side, source, {name: str(fields.get(name) or "").strip() for name in names})
    return Version(side, source, {name: values[0] for name, values in named_fields([text], names).items()})


def golden_record(
    versions: Sequence[Version], rules: Mapping[str, str], survivor: int | None = None
) -> dict[str, GoldenValue]:
    """A value for each field. versions: oldest first. survivor: side that a person chose; what it lacks is by rule."""
    chosen = next((one for one in versions if one.side == survivor), None)
    result = {}
    for field, rule in rules.items():
        if chosen and chosen.fields.get(field):
            result[field] = GoldenValue(chosen.fields[field], chosen.side, BY_HAND)
            continue
        having = [one for one in versions if one.fields.get(field)]
        if not having:
            result[field] = GoldenValue("", None, rule)
            continue
        taken = having[RULES[rule](having, [one.fields[field] for one in having])]
        result[field] = GoldenValue(taken.fields[field], taken.side, rule)
    return result
