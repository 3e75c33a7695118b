"""One structured answer from several people's: field by field, of lists entry by entry. Knows no store."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from core.tasks.extract_answers import Json, canonical, spans_of, values_of

NEAR = 1e-9
"""weights as near as this are a tie"""
Vote = tuple[object, float]
"""an answer in canonical form, and its weight"""


class _Tie(Exception):
    """Nothing has the most weight."""


def settle_fields(votes: Sequence[Vote]) -> dict[str, object] | None:
    """What most weight says of each step and field; None where anything is a tie.

    Of a list an entry is in where more than half of the weight of those who answered the step has it. A span is in
    where more than half of the weight of those who have its value has marked it.
    """
    values: dict[str, Json] = {}
    try:
        for step in sorted({step for answer, _ in votes for step in values_of(answer)}):
            answered = [(values_of(answer).get(step), weight) for answer, weight in votes if step in values_of(answer)]
            without = sum(weight for answer, weight in votes if step not in values_of(answer))
            if _more(sum(weight for _, weight in answered), without):
                values[step] = _settle_value(answered)
    except _Tie:
        return None
    return canonical({"values": values, "spans": _settle_spans(votes)})


def _more(one: float, other: float) -> bool:
    if abs(one - other) <= NEAR:
        raise _Tie
    return one > other


def _settle_value(votes: Sequence[tuple[Json, float]]) -> Json:
    """Of a step's values, or of one field's."""
    if all(isinstance(value, Mapping) for value, _ in votes):
        objects = [(dict(value), weight) for value, weight in votes if isinstance(value, Mapping)]
        names = sorted({name for value, _ in objects for name in value})
        fields = {name: _settle_value([(value.get(name), weight) for value, weight in objects]) for name in names}
        return {name: value for name, value in fields.items() if value is not None}
    if any(isinstance(value, list) for value, _ in votes):
        return _settle_list([(value if isinstance(value, list) else [], weight) for value, weight in votes])
    sums = _weights((_text(value), weight) for value, weight in votes)
    most = max(sums.values())
    best = [value for value, weight in sums.items() if weight > most - NEAR]
    if len(best) > 1:
        raise _Tie
    result: Json = json.loads(best[0])
    return result


def _settle_list(votes: Sequence[tuple[list[Json], float]]) -> Json:
    total = sum(weight for _, weight in votes)
    sums = _weights((text, weight) for value, weight in votes for text in dict.fromkeys(map(_text, value)))
    return [json.loads(text) for text, weight in sums.items() if _more(weight, total - weight)]


def _settle_spans(votes: Sequence[Vote]) -> dict[str, dict[str, list[list[int]]]]:
    """Ties are left out: where a value stands is no reason to ask again."""
    having: defaultdict[tuple[str, str], list[tuple[list[list[int]], float]]] = defaultdict(list)
    for answer, weight in votes:
        for path, by_value in spans_of(answer).items():
            for value, pairs in by_value.items():
                having[path, value].append((pairs, weight))
    spans: dict[str, dict[str, list[list[int]]]] = {}
    for (path, value), marked in having.items():
        total = sum(weight for _, weight in marked)
        sums = _weights((_text(pair), weight) for pairs, weight in marked for pair in pairs)
        chosen = [json.loads(pair) for pair, weight in sums.items() if weight > total - weight + NEAR]
        if chosen:
            spans.setdefault(path, {})[value] = sorted(chosen)
    return spans


def _weights(votes: Iterable[tuple[str, float]]) -> dict[str, float]:
    sums: defaultdict[str, float] = defaultdict(float)
    for text, weight in votes:
        sums[text] += weight
    return dict(sums)


def _text(value: Json) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
