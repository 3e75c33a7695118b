"""A structured answer as a form of plain fields, for whoever types it without the card. Knows no page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.config.steps import Schema, Step, StepField, properties
from core.errors import BadInput
from core.extract.mapping import ground_values
from core.tasks.extract_answers import Json, canonical, refusal, spans_of, texts_at, value_of, values_of
from core.tasks.field_texts import FieldKind, field_kind, read_field, schema_types, value_text


@dataclass(frozen=True)
class FormField:
    """kind: `choice` is one of `options`, as the answer has them; `lines` a text on each line; `line` one text or
    number; `json` whatever else. value: what stands in it at first: of a choice the option, else a text."""

    path: str
    title: str
    kind: FieldKind
    value: object
    options: tuple[object, ...] = ()


def form_fields(steps: Sequence[Step], answer: object) -> tuple[FormField, ...]:
    """answer: what stands in them at first; None for nothing."""
    return tuple(_form_field(step, one, value_of(answer, one)) for step in steps for one in step.fields)


def _form_field(step: Step, field: StepField, value: Json) -> FormField:
    title = f"{step.name}: {field.name}" if field.name != step.name else field.name
    title, kind = title.replace("_", " "), field_kind(field)
    if kind == "choice":
        known = value if value in field.choices else None
        return FormField(field.path, title, kind, known, tuple(one for one in field.choices if one is not None))
    return FormField(field.path, title, kind, value_text(kind, value))


def form_answer(steps: Sequence[Step], typed: Mapping[str, object], before: object, text: str) -> dict[str, object]:
    """typed: path -> what stands in its field now. Raises BadInput, with the field.

    An optional step of which nothing is typed is not answered. Values that stood there keep their spans, others are
    looked up in the record's text.
    """
    values: dict[str, Json] = {}
    for step in steps:
        of_step = {one.path: _value(one, typed[one.path]) for one in step.fields}
        if step.optional and all(value in (None, []) for value in of_step.values()):
            continue
        values[step.name] = of_step[step.name] if step.is_list else {one.name: of_step[one.path] for one in step.fields}
    spans, _ = ground_values(values, text, steps)
    for path, known in spans_of(before).items():
        there = set(texts_at(values_of(canonical({"values": values})), path))
        same = {value: pairs for value, pairs in known.items() if value in there}
        spans = spans | ({path: spans.get(path, {}) | same} if same else {})
    answer = canonical({"values": values, "spans": spans})
    if reason := refusal(answer, steps):
        raise BadInput(reason)
    return answer


def _value(field: StepField, typed: object) -> Json:
    return read_field(field, typed) if isinstance(typed, str) and field_kind(field) != "choice" else typed


@dataclass(frozen=True)
class FieldLine:
    """A field for people to read. holds: what its value is, in words. grounded: what of it is marked in the text."""

    field: str
    holds: str
    required: bool
    grounded: str
    description: str


def step_lines(step: Step) -> tuple[FieldLine, ...]:
    """A line for each field of a step."""
    return tuple(
        FieldLine(
            one.name,
            schema_in_words(one.schema),
            one.required,
            ", ".join("yes" if path == one.path else path.removeprefix(f"{one.path}.") for path in one.grounded),
            str(one.schema.get("description", "")),
        )
        for one in step.fields
    )


def schema_in_words(schema: Schema) -> str:
    """'text, at most 60 characters', 'list of text, at most 12', 'one of a, b'."""
    if isinstance(enum := schema.get("enum"), list | tuple):
        return f"one of {', '.join('none' if one is None else str(one) for one in enum)}"
    types = schema_types(schema)
    items, inner = schema.get("items"), properties(schema)
    if "array" in types and isinstance(items, Mapping):
        return f"list of {schema_in_words(items)}" + _limit(schema, "maxItems", "; at most {} of them")
    if inner:
        return f"{{{'; '.join(f'{name}: {schema_in_words(one)}' for name, one in inner.items())}}}"
    words = " or ".join(_TYPE_WORDS.get(kind, kind) for kind in sorted(types - {"null"})) or "anything"
    if schema.get("format") == "date":
        words = "date"
    words += _limit(schema, "maxLength", ", at most {} characters")
    words += _limit(schema, "minimum", ", from {}") + _limit(schema, "maximum", ", up to {}")
    return f"{words}, or none" if "null" in types else words


def _limit(schema: Schema, key: str, words: str) -> str:
    return words.format(schema[key]) if key in schema else ""


_TYPE_WORDS = {"string": "text", "integer": "whole number", "boolean": "yes or no"}
