"""The one builder of prompts: training and asking use it, so that they are the same byte for byte.

A prompt is what a chat model reads, a completion what it should answer.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from core.config.steps import PLACEHOLDER, Schema, Step, may_be_null, properties
from core.overlap import words
from core.tasks.extract_answers import Json, complete

NOTHING = "none"
"""what stands for an input that is missing"""
LONGEST_TEXT, LONGEST_LIST = 400, 50
"""maxLength of texts and maxItems of lists whose schema has none: what is written without a bound need never end"""


@dataclass(frozen=True)
class StepInput:
    """What a prompt is made of. record: its text and other fields by name. answers: of earlier steps by name."""

    record: Mapping[str, str]
    answers: Mapping[str, Json]


def step_input(step: Step, record: Mapping[str, str], values: Mapping[str, Json]) -> StepInput:
    """values: of any steps; those that the step needs go into its prompt."""
    return StepInput(record, {name: values[name] for name in step.needs if name in values})


def messages(step: Step, inputs: StepInput) -> list[dict[str, str]]:
    """As chat models have them: what the system says, if anything, and what the user says."""
    user = {"role": "user", "content": fill(step.instruction, inputs).strip()}
    return [{"role": "system", "content": fill(step.system, inputs).strip()}, user] if step.system else [user]


def fill(template: str, inputs: StepInput) -> str:
    """Other braces than those of placeholders stay as they are; so does what stands in a record."""

    def value(name: str) -> str:
        step, _, rest = name.partition(".")
        if step not in inputs.answers:
            return inputs.record.get(name, "").strip() or NOTHING
        answer = inputs.answers[step]
        if rest:
            answer = answer.get(rest) if isinstance(answer, Mapping) else None
        return ", ".join(map(words, answer)) or NOTHING if isinstance(answer, list) else words(answer) or NOTHING

    return PLACEHOLDER.sub(lambda match: value(match[1]), template)


def completion(step: Step, value: Json) -> str:
    """JSON with everything that the schema has, in its order, so that a model always writes the same keys."""
    return json.dumps(complete(step, value), ensure_ascii=False)


def answer_schema(step: Step) -> Schema:
    """What a model is held to: every property and nothing else; what may be missing may be null; all is bounded."""
    return _strict(step.output, required=True)


def _strict(schema: Schema, *, required: bool) -> Schema:
    result = {key: value for key, value in schema.items() if key not in ("description", "title")}
    if inner := properties(schema):
        listed = schema.get("required")
        needed = set(listed) if isinstance(listed, list | tuple) else set()
        result["properties"] = {name: _strict(one, required=name in needed) for name, one in inner.items()}
        result |= {"required": list(inner), "additionalProperties": False}
    items = schema.get("items")
    if isinstance(items, Mapping):
        result["items"] = _strict(items, required=True)
        result.setdefault("maxItems", LONGEST_LIST)
    kind = schema.get("type")
    kinds = list(kind) if isinstance(kind, list | tuple) else [kind] if isinstance(kind, str) else []
    if "string" in kinds and "enum" not in schema:
        result.setdefault("maxLength", LONGEST_TEXT)
    if required or may_be_null(schema) or "array" in kinds:
        return result
    enum = schema.get("enum")
    if isinstance(enum, list | tuple):
        result["enum"] = [*enum, None]
    if kinds:
        result["type"] = [*kinds, "null"]
    return result
