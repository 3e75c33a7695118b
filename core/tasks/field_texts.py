"""A field of a structured answer as people type it without the card: a choice, a text on each line, a text, or JSON."""

import json
from collections.abc import Mapping
from typing import Literal

from core.config.steps import Schema, StepField
from core.errors import BadInput
from core.tasks.extract_answers import Json

FieldKind = Literal["choice", "lines", "line", "json"]


def field_kind(field: StepField) -> FieldKind:
    """`choice` is one of the field's choices, `lines` a text on each line, `line` one text or number."""
    if field.choices:
        return "choice"
    items = field.schema.get("items")
    if isinstance(items, Mapping) and schema_types(items) == {"string"} and "enum" not in items:
        return "lines"
    return "line" if schema_types(field.schema) & {"string", "integer", "number"} else "json"


def schema_types(schema: Schema) -> set[str]:
    """The types that it names; none where it names none."""
    kind = schema.get("type")
    return {kind} if isinstance(kind, str) else set(kind) if isinstance(kind, list | tuple) else set()


def value_text(kind: str, value: Json) -> str:
    """As it stands in a box of this kind at first: "" for nothing."""
    if value is None or value in ([], {}):
        return ""
    if kind == "lines" and isinstance(value, list):
        return "\n".join(" ".join(str(one).split()) for one in value)
    if kind == "json":
        return json.dumps(value, ensure_ascii=False, indent=1)
    return choice_text(value)


def read_field(field: StepField, typed: str) -> Json:
    """What a text in the box means; null or [] for nothing. Raises BadInput, with the field."""
    kind, text = field_kind(field), typed.strip()
    if not text:
        return [] if field.schema.get("type") == "array" else None
    if kind == "lines":
        return [line.strip() for line in text.splitlines() if line.strip()]
    if kind == "choice":
        for choice in field.choices:
            if choice is not None and text == choice_text(choice):
                return choice
        raise BadInput(f"{field.path}: {text[:80]!r} is none of its choices.")
    if kind == "line" and "string" in schema_types(field.schema):
        return text
    try:
        value: Json = json.loads(text)
    except ValueError:
        raise BadInput(f"{field.path}: {text[:80]!r} is no {'number' if kind == 'line' else 'JSON'}.") from None
    return value


def choice_text(choice: Json) -> str:
    """By which a choice is known outside."""
    return choice if isinstance(choice, str) else json.dumps(choice)
