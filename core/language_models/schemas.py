"""JSON Schema as answers must fit it: validation, limits for what has none, the longest answer. Knows no model."""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from core.errors import BadInput
from core.language_models.requests import Schema

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

LONGEST_STRING = 400
"""characters of a string whose schema has no limit"""
MOST_ITEMS = 32
"""of a list whose schema has no limit"""
LARGEST_INTEGER = 10**12
MOST_TOKENS = 2_048
"""of an answer, however much its schema allows"""
SEPARATORS = (", ", ": ")
"""of answers, in training and inference: those of `json.dumps`"""
_DEPTH = 12
"""of references within references"""
_STRING_TOKENS = 2
"""for a character: Chinese may take that many"""
_THOUGHTS = re.compile(r"^.*?</think\s*>", re.DOTALL)
_FENCE = re.compile(r"```[a-zA-Z]*\s*\n(.*?)\n?\s*```", re.DOTALL)


def strip_answer(text: str) -> str:
    """Without what a model thought before it answered, and without a code fence around the answer.

    Text around the only fence goes, too; of several fences none is chosen.
    """
    text = text.strip()
    while "</think" in text and (match := _THOUGHTS.match(text)):
        text = text[match.end() :].strip()
    fences = _FENCE.findall(text)
    return str(fences[0]).strip() if len(fences) == 1 else text


def read_value(text: str, schema: Schema) -> tuple[object, str]:
    """(the JSON value, why it is not valid or empty). Nothing is repaired. text: as `strip_answer` left it."""
    try:
        value = json.loads(text, parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False).encode()  # half a UTF-16 pair is no text
    except (ValueError, RecursionError) as error:
        return None, f"it is no JSON: {str(error)[:120]}"
    try:
        fault = next(_validator(json.dumps(schema)).iter_errors(value), None)
    except Exception as broken:  # noqa: BLE001 - a reference that leads nowhere: the library's own kinds of error
        return None, f"its schema cannot be applied: {str(broken)[:120]}"
    if fault is None:
        return value, ""
    return None, f"{fault.json_path}: {fault.message[:200]}"


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


@lru_cache(maxsize=64)
def _validator(schema: str) -> "Validator":
    from jsonschema import Draft202012Validator
    from referencing import Registry

    validator: Validator = Draft202012Validator(json.loads(schema), registry=Registry())  # fetches nothing
    return validator


def check_schema(schema: Schema, what: str) -> None:
    """Raises BadInput for what is no JSON Schema. what: names it in the error."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise BadInput(f"{what} is no JSON Schema: {error.json_path}: {error.message[:200]}.") from None


def is_strict(schema: object) -> bool:
    """Whether OpenAI's strict mode takes it: every object closed, and all of its properties required."""
    if isinstance(schema, list):
        return all(is_strict(one) for one in schema)
    if not isinstance(schema, Mapping):
        return True
    if isinstance(properties := schema.get("properties"), Mapping):
        required = schema.get("required")
        if schema.get("additionalProperties") is not False:
            return False
        if not isinstance(required, list) or set(required) != set(properties):
            return False
    return all(is_strict(value) for value in schema.values())


def bounded(schema: object) -> object:
    """The same schema with limits where it has none, so that an answer must end: all that fits it fits the original.

    Strings get LONGEST_STRING, lists MOST_ITEMS, whole numbers LARGEST_INTEGER; an object with `properties` gets no
    others than these where it does not say that it may.
    """
    if isinstance(schema, list):
        return [bounded(one) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    result = {name: _bounded_part(name, value) for name, value in schema.items()}
    kinds = _kinds(schema)
    if not {"enum", "const", "$ref"} & schema.keys():
        if "string" in kinds and "format" not in schema:
            result.setdefault("maxLength", max(LONGEST_STRING, _number(schema, "minLength", 0)))
        if "array" in kinds and schema.get("items") is not False:
            result.setdefault("maxItems", max(MOST_ITEMS, _number(schema, "minItems", 0)))
        if "integer" in kinds and not {"exclusiveMinimum", "exclusiveMaximum"} & schema.keys():
            result.setdefault("minimum", -LARGEST_INTEGER)
            result.setdefault("maximum", LARGEST_INTEGER)
        if "properties" in schema and "patternProperties" not in schema:
            result.setdefault("additionalProperties", False)
    return result


_LITERAL = {"enum", "const", "default", "examples", "required", "description", "title"}
"""keywords whose values are no schemas"""


def _bounded_part(name: str, value: object) -> object:
    if name in _LITERAL:
        return value
    if name in ("properties", "$defs", "definitions", "patternProperties") and isinstance(value, Mapping):
        return {key: bounded(part) for key, part in value.items()}
    return bounded(value)


def answer_tokens(schema: Schema) -> int:
    """Tokens that the longest answer of a bounded schema may take, at most MOST_TOKENS. About: no tokenizer is asked,
    but a token has at least a byte, and a character of free text is taken as two."""
    return min(_longest(schema, schema, 0) + 8, MOST_TOKENS)


def _longest(part: object, root: Schema, depth: int) -> int:
    if not isinstance(part, Mapping) or depth > _DEPTH:
        return MOST_TOKENS
    if isinstance(reference := part.get("$ref"), str):
        return _longest(_resolved(reference, root), root, depth + 1)
    for values in (part.get("enum"), [part["const"]] if "const" in part else None):
        if isinstance(values, list):
            return max((len(json.dumps(value, ensure_ascii=False).encode()) for value in values), default=4)
    for name in ("anyOf", "oneOf", "allOf"):
        if isinstance(choices := part.get(name), list):
            return max((_longest(one, root, depth + 1) for one in choices), default=MOST_TOKENS)
    return max((_longest_of_kind(kind, part, root, depth) for kind in _kinds(part)), default=MOST_TOKENS)


def _longest_of_kind(kind: str, part: Schema, root: Schema, depth: int) -> int:
    if kind == "string":
        return 2 + _STRING_TOKENS * _number(part, "maxLength", LONGEST_STRING)
    if kind == "array":
        entry = _longest(part.get("items"), root, depth + 1) if part.get("items") else 0
        return min(2 + _number(part, "maxItems", MOST_ITEMS) * (entry + 2), MOST_TOKENS)
    if kind == "object":
        properties = part.get("properties")
        if not isinstance(properties, Mapping) or part.get("additionalProperties") is not False:
            return MOST_TOKENS
        sizes = (len(name.encode()) + 6 + _longest(one, root, depth + 1) for name, one in properties.items())
        return min(2 + sum(sizes), MOST_TOKENS)
    return {"integer": 14, "number": 24, "boolean": 5, "null": 4}.get(kind, MOST_TOKENS)


def _resolved(reference: str, root: Schema) -> object:
    part: object = root
    for name in reference.removeprefix("#").split("/")[1:]:
        part = part.get(name) if isinstance(part, Mapping) else None
    return part


def _kinds(schema: Schema) -> tuple[str, ...]:
    kinds = schema.get("type")
    if isinstance(kinds, str):
        return (kinds,)
    if isinstance(kinds, list):
        return tuple(kind for kind in kinds if isinstance(kind, str))
    return ("object",) if "properties" in schema else ()


def _number(schema: Schema, name: str, otherwise: int) -> int:
    value = schema.get(name)
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else otherwise
