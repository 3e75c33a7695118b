"""A structured answer: the values of steps, and where in the text they stand. Knows steps, no record and no file.

{"values": {step: value of its schema}, "spans": {path: {value: [[start, end], ...]}}}; offsets are code points of the
record's text, the end is not part of it. A value that should be in the text and has no span is said not to be there.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

from core.config.steps import Schema, Step, StepField, properties
from core.errors import BadInput
from core.overlap import same_json, words

Json = object
"""what JSON can hold"""
Spans = dict[str, dict[str, list[list[int]]]]
MOST_SPANS, LONGEST, DEEPEST = 5_000, 1_000_000, 32
"""of an answer: spans, characters of its JSON, objects and lists within each other"""

MISSING = "is missing"
"""end of the fault of a value that is required and not there"""


def read(fields: Mapping[str, object]) -> dict[str, object]:
    """As a browser or program sent it. Raises BadInput where it has another form; `faults` says what the steps say."""
    values, spans = fields.get("values"), fields.get("spans", {})
    if not isinstance(values, Mapping) or not all(isinstance(step, str) for step in values):
        raise BadInput("`values` must be an object: the value of each step by its name.")
    if _is_deeper(values, DEEPEST):
        raise BadInput(f"An answer may have up to {DEEPEST} objects and lists within each other.")
    try:
        if len(json.dumps([values, spans], allow_nan=False)) > LONGEST:
            raise BadInput(f"An answer may have up to {LONGEST:,} characters.")
    except (TypeError, ValueError):
        raise BadInput("`values` holds what JSON cannot.") from None
    return {"values": dict(values), "spans": read_spans(spans)}


def read_spans(spans: object) -> Spans:
    """Raises BadInput."""
    if not isinstance(spans, Mapping):
        raise BadInput("`spans` must be an object: of each path the spans of its values.")
    result: Spans = {}
    count = 0
    for path, by_value in spans.items():
        if not isinstance(by_value, Mapping):
            raise BadInput(f"`spans` of {str(path)[:80]!r} must be an object: of each value a list of [start, end].")
        for value, pairs in by_value.items():
            if not isinstance(pairs, list | tuple) or not all(map(_is_span, pairs)):
                raise BadInput(f"`spans` of {str(path)[:80]!r} must be pairs of whole numbers, 0 <= start < end.")
            count += len(pairs)
            result.setdefault(str(path), {})[str(value)] = [[start, end] for start, end in pairs]
    if count > MOST_SPANS:
        raise BadInput(f"An answer may have up to {MOST_SPANS:,} spans, and this one has {count:,}.")
    return result


def first_mentions(spans: Spans) -> Spans:
    """As many of each value as an answer may have in all: all of them, or the first."""
    counts = [len(pairs) for by_value in spans.values() for pairs in by_value.values()]
    if sum(counts) <= MOST_SPANS:
        return spans
    each = max(MOST_SPANS // len(counts), 1)
    return {path: {value: pairs[:each] for value, pairs in one.items()} for path, one in spans.items()}


def _is_deeper(value: Json, levels: int) -> bool:
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return any(levels == 0 or _is_deeper(one, levels - 1) for one in inner)


def _is_span(pair: object) -> bool:
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        return False
    start, end = pair
    return type(start) is int and type(end) is int and 0 <= start < end


def values_of(answer: object) -> dict[str, object]:
    """step -> its value; of the steps that were answered."""
    values = answer.get("values") if isinstance(answer, Mapping) else None
    return dict(values) if isinstance(values, Mapping) else {}


def spans_of(answer: object) -> Spans:
    """Of an answer in its form."""
    spans = answer.get("spans") if isinstance(answer, Mapping) else None
    return cast("Spans", dict(spans)) if isinstance(spans, Mapping) else {}


def canonical(answer: object) -> dict[str, object]:
    """What is empty ("", [], null) is left out, texts lose blanks at their ends, lists their repetitions; what stands
    earlier in the text comes first in a list, else the alphabet decides. Spans of values that are gone are left out."""
    values = {step: _tidy(value) for step, value in values_of(answer).items()}
    spans: Spans = {}
    for path, by_value in sorted(spans_of(answer).items()):
        there = set(texts_at(values, path))
        tidy: dict[str, list[list[int]]] = {}
        for value, pairs in by_value.items():
            if pairs and (text := _tidy_text(value)) in there:
                tidy[text] = [list(pair) for pair in sorted({*map(tuple, tidy.get(text, ())), *map(tuple, pairs)})]
        if tidy:
            spans[path] = dict(sorted(tidy.items()))
    first = {value: pairs[0][0] for by_value in spans.values() for value, pairs in by_value.items()}
    return {"values": {step: _ordered(values[step], first) for step in sorted(values)}, "spans": spans}


def _tidy_text(value: str) -> str:
    """Blanks inside a text are one each, but for a text of several lines."""
    return " ".join(value.split()) if "\n" not in value.strip() else value.strip()


def _tidy(value: Json) -> Json:
    """A step that says nothing stays: {} or []."""
    if isinstance(value, str):
        return _tidy_text(value)
    if isinstance(value, list | tuple):
        unique = {json.dumps(one, sort_keys=True, ensure_ascii=False): one for one in map(_tidy, value)}
        return [one for one in unique.values() if not _is_empty(one)]
    if isinstance(value, Mapping):
        tidy = {str(key): _tidy(one) for key, one in sorted(value.items())}
        return {key: one for key, one in tidy.items() if not _is_empty(one)}
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _is_empty(value: Json) -> bool:
    return value is None or value == "" or value == [] or value == {}


def _ordered(value: Json, first: Mapping[str, int]) -> Json:
    """first: text of a value -> where it stands first in the record."""
    if isinstance(value, Mapping):
        return {key: _ordered(one, first) for key, one in value.items()}
    if not isinstance(value, list):
        return value

    def position(one: Json) -> tuple[int, str]:
        offsets = [first[text] for text in texts_in(one) if text in first]
        return (min(offsets, default=2**62), json.dumps(one, sort_keys=True, ensure_ascii=False))

    return sorted((_ordered(one, first) for one in value), key=position)


def texts_in(value: Json) -> Iterator[str]:
    """Every text in it."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from texts_in(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from texts_in(one)


def texts_at(values: Mapping[str, Json], path: str) -> Iterator[str]:
    """The texts at a path, through lists; numbers as they are written."""
    step, _, rest = path.partition(".")
    levels = [values.get(step)]
    for name in rest.split(".") if rest else ():
        objects = [one for level in levels for one in (level if isinstance(level, list) else [level])]
        levels = [one.get(name) for one in objects if isinstance(one, Mapping)]
    for level in levels:
        for one in level if isinstance(level, list) else [level]:
            if isinstance(one, str):
                yield one
            elif isinstance(one, int | float) and not isinstance(one, bool):
                yield words(one)


def canonical_value(step: Step, value: Json) -> Json:
    """A step's value alone in canonical form, wherever it stands in the text."""
    return values_of(canonical({"values": {step.name: value}}))[step.name]


def value_of(answer: object, field: StepField) -> Json:
    """None where the step or the field is missing."""
    step, _, name = field.path.partition(".")
    value = values_of(answer).get(step)
    return value.get(name) if name and isinstance(value, Mapping) else None if name else value


def complete(step: Step, value: Json) -> Json:
    """The value of a step with all that its schema has, in its order: null for what is missing, [] for a list."""
    return _complete(step.output, value)


def _complete(schema: Schema, value: Json) -> Json:
    items, inner = schema.get("items"), properties(schema)
    if schema.get("type") == "array" or (isinstance(items, Mapping) and isinstance(value, list)):
        if value is None:
            return []
        if isinstance(value, list) and isinstance(items, Mapping):
            return [_complete(items, one) for one in value]
        return value
    if inner and isinstance(value, Mapping):
        known = {name: _complete(one, value.get(name)) for name, one in inner.items()}
        return known | {str(name): one for name, one in value.items() if name not in inner}
    return value


def faults(step: Step, value: Json) -> list[str]:
    """What in a step's value breaks its schema, with the path of each; none where it fits.

    What is missing may be missing where the schema does not require it; a list that is required may be empty. What the
    schema does not name is wrong, unless it says otherwise.
    """
    checked = _without_nulls(step.output, complete(step, value))
    errors = sorted(_validator(json.dumps(step.output)).iter_errors(checked), key=lambda error: error.json_path)
    wrong = [(error.json_path[1:], error.instance is None, _short(error.message)) for error in errors]
    lines = (f"{step.name}{path} {MISSING if gone else f'is wrong: {why}'}" for path, gone, why in wrong)
    return list(dict.fromkeys(lines))


@lru_cache(maxsize=256)
def _validator(schema: str) -> Any:
    """Of a schema as JSON, closed. Made once: that takes longer than to check a value."""
    from jsonschema import Draft202012Validator

    return Draft202012Validator(_closed(json.loads(schema)))


_OPEN = ("additionalProperties", "patternProperties", "allOf", "anyOf", "oneOf", "$ref", "if")


def _closed(schema: Schema) -> Schema:
    """Its objects have no properties but those that it names."""
    items, inner = schema.get("items"), properties(schema)
    result = dict(schema) | ({"items": _closed(items)} if isinstance(items, Mapping) else {})
    if inner:
        result["properties"] = {name: _closed(one) for name, one in inner.items()}
        if not any(key in schema for key in _OPEN):
            result["additionalProperties"] = False
    return result


def _without_nulls(schema: Schema, value: Json) -> Json:
    """Of properties that are not required."""
    items, inner = schema.get("items"), properties(schema)
    if isinstance(value, list):
        return [_without_nulls(items, one) for one in value] if isinstance(items, Mapping) else value
    if not inner or not isinstance(value, Mapping):
        return value
    required = schema.get("required")
    needed = set(required) if isinstance(required, list | tuple) else set()
    return {
        name: _without_nulls(inner.get(name, {}), one)
        for name, one in value.items()
        if one is not None or name in needed
    }


def _short(message: str) -> str:
    return message if len(message) <= 200 else f"{message[:200]} …"


def fits(step: Step, answer: object | None) -> bool:
    """Is there an answer to the step that its schema allows?"""
    value = values_of(answer).get(step.name)
    return value is not None and not faults(step, value)


def right_step(step: Step, truth: object, answer: object | None) -> bool:
    """Are all values of the step the same? Where they stand is not compared."""
    return fits(step, answer) and _unordered(step, truth) == _unordered(step, answer)


def _unordered(step: Step, answer: object) -> Json:
    """Without order where that means nothing: spans, by which a canonical list is ordered, are left out."""
    tidy = canonical({"values": {step.name: values_of(answer).get(step.name)}, "spans": {}})
    return complete(step, values_of(tidy).get(step.name))


def right(truth: object, answer: object, steps: Sequence[Step]) -> bool:
    """Is every step right, and nothing said of one that the truth leaves out?"""
    return all(
        right_step(step, truth, answer)
        if step.name in values_of(truth)
        else _is_empty(values_of(answer).get(step.name))
        for step in steps
    )


def refusal(answer: object, steps: Sequence[Step]) -> str | None:
    """Why the steps do not allow this answer, or None. It ends with MISSING where nothing is wrong but missing."""
    values, known = values_of(answer), {step.name: step for step in steps}
    if not values:
        return "The answer has no value of any step."
    if unknown := [name for name in values if name not in known]:
        return f"There is no step {unknown[0][:80]!r}; there are {', '.join(known) or 'none yet'}."
    every = [fault for name, value in values.items() for fault in faults(known[name], value)]
    missing = [fault for fault in every if fault.endswith(MISSING)]
    if wrong := [fault for fault in every if not fault.endswith(MISSING)]:
        return f"{wrong[0]}." + (f" And {len(every) - 1} more." if len(every) > 1 else "")
    paths = {path for step in steps for field in step.fields for path in field.grounded}
    if wrong := [path for path in spans_of(answer) if path not in paths]:
        return f"{wrong[0][:80]!r} is not grounded in the text; there are {', '.join(sorted(paths)) or 'none'}."
    return f"{'; '.join(missing)}." if missing else None


def still_meant(answer: object, steps: Sequence[Step]) -> tuple[dict[str, object], bool]:
    """Without the steps and properties that there are no more, and those whose value fits no more; False where nothing
    is left. A step that lacks a required field then is left out."""
    left, _ = suggestible(answer, steps)
    values = {step.name: value for step in steps if (value := _step_value(left, step)) is not None}
    whole = {name: value for name, value in values.items() if not faults(_named(steps, name), value)}
    return _of_steps(whole, left), bool(whole)


def suggestible(answer: object, steps: Sequence[Step]) -> tuple[dict[str, object], bool]:
    """The same, but what is missing may be missing: a person fills it in."""
    left: dict[str, object] = {}
    for step in steps:
        value = _step_value(answer, step)
        if isinstance(value, Mapping):
            own = {field.name: {field.name: value.get(field.name)} for field in step.fields}
            fits = {field.name for field in step.fields if not faults(_alone(step, field), own[field.name])}
            value = {name: one for name, one in value.items() if name in fits}
        elif value is None or faults(step, value):
            continue
        left[step.name] = value
    return _of_steps(left, answer), bool(left)


def _step_value(answer: object, step: Step) -> Json:
    """None where the step was not answered."""
    return values_of(answer).get(step.name)


def _named(steps: Sequence[Step], name: str) -> Step:
    return next(step for step in steps if step.name == name)


def _of_steps(values: dict[str, Json], answer: object) -> dict[str, object]:
    spans = {path: one for path, one in spans_of(answer).items() if path.partition(".")[0] in values}
    return canonical({"values": values, "spans": spans})


def _alone(step: Step, field: StepField) -> Step:
    """The step with one field only, which may be missing."""
    return Step(step.name, step.instruction, {"type": "object", "properties": {field.name: field.schema}})


def difference(answer: object, suggested: object) -> dict[str, object]:
    """What was changed, as it was suggested: {"values": {path: value}, "spans": {path: spans}}, null for what was not
    suggested; without what is the same, {} where all is. The order of a list means nothing."""
    ours, theirs = canonical(answer), canonical(suggested)
    changed: dict[str, object] = {}
    for part, mine, others in (
        ("values", _by_path(ours), _by_path(theirs)),
        ("spans", dict[str, Json](spans_of(ours)), dict[str, Json](spans_of(theirs))),
    ):
        paths = sorted(mine.keys() | others.keys())
        if different := {path: others.get(path) for path in paths if not same_json(mine.get(path), others.get(path))}:
            changed[part] = different
    return changed


def _by_path(answer: object) -> dict[str, Json]:
    """Values of the fields; a step that is no object is one field."""
    result: dict[str, Json] = {}
    for step, value in values_of(answer).items():
        fields = {f"{step}.{name}": one for name, one in value.items()} if isinstance(value, Mapping) else {step: value}
        result |= fields
    return result


def in_words(steps: Sequence[Step]) -> Callable[[object], str]:
    """Says an answer in one line: field: value; ..."""
    fields = [field for step in steps for field in step.fields]

    def say(answer: object) -> str:
        parts = [(field.name, value_of(answer, field)) for field in fields]
        line = "; ".join(f"{name}: {words(value)}" for name, value in parts if not _is_empty(value))
        return line or "nothing"

    return say
