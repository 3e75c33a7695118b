"""How far two values of JSON say the same, 0..1. Knows no schema, no task and no record."""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping

ARTICLES = re.compile(r"\b(?:a|an|the)\b")


def overlap(truth: object, predicted: object, *, choice: bool = False) -> float:
    """Of lists the F1 of their entries, also where one of them is a list or missing; of texts that are no choice the F1
    of their words (Rajpurkar et al. 2016); of all else 1 where they are the same."""
    if isinstance(truth, list) or isinstance(predicted, list):
        return bag_f1(entries(truth), entries(predicted))
    if choice or not isinstance(truth or predicted, str):
        return float(truth == predicted)
    return bag_f1(Counter(normal(words(truth)).split()), Counter(normal(words(predicted)).split()))


def same_json(one: object, other: object) -> bool:
    """Equal but for the order of keys and of a list's entries, at any depth; 1 and 1.0 are one number."""
    return _ordered_text(one) == _ordered_text(other)


def _ordered_text(value: object) -> str:
    """JSON whose lists are sorted."""
    if isinstance(value, list | tuple):
        return f"[{','.join(sorted(map(_ordered_text, value)))}]"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{json.dumps(name)}:{_ordered_text(one)}' for name, one in sorted(value.items()))}}}"
    return json.dumps(int(value) if isinstance(value, float) and value.is_integer() else value)


def bag_f1(truth: Counter[str], predicted: Counter[str]) -> float:
    """2 |both| / (|truth| + |predicted|) with repetitions; 1 where both are empty."""
    total = truth.total() + predicted.total()
    return 2 * (truth & predicted).total() / total if total else 1.0


def entries(value: object) -> Counter[str]:
    """Of a list, each without case, articles and punctuation; of another value itself, of null none."""
    listed = value if isinstance(value, list) else [] if value is None else [value]
    return Counter(_entry(one) for one in listed)


def _entry(value: object) -> str:
    """Of an object all that it says, by name."""
    if isinstance(value, Mapping):
        return " | ".join(f"{name}={_entry(one)}" for name, one in sorted(value.items()) if one not in (None, "", []))
    return normal(words(value))


def normal(text: str) -> str:
    """Without case, articles, punctuation and surplus blanks."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    letters = "".join(one if one.isalnum() or unicodedata.combining(one) else " " for one in folded)
    return " ".join(ARTICLES.sub(" ", letters).split())


def words(value: object) -> str:
    """In words: lists by ' · ', objects by their values."""
    if isinstance(value, list | tuple):
        return " · ".join(map(words, value))
    if isinstance(value, Mapping):
        return ", ".join(words(one) for one in value.values() if one not in (None, "", [], {}))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
