"""Where a project's steps come from: a TOML file, a Python file with pydantic models, or a template of ours."""

import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.config.steps import Step, read_steps, steps_in
from core.errors import BadInput

TEMPLATES_FOLDER = Path(__file__).parent / "templates"
TEMPLATES = {
    "entities": "names of people, organisations, places and dates, each marked in the text",
    "key_facts": "what a text is about: topic, people, dates, amounts, one sentence",
    "fairytale_questions": "a question on a story: its narrative element, and the answer",
    "folktales": "six steps of a tale: characters, instrument, relationships, action, situation to consequence, event",
}
"""name -> what it asks"""


def load_steps(source: str) -> tuple[Step, ...]:
    """source: a template's name or a file. Raises BadInput.

    A Python file is run: it is its owner's. Its `STEPS` is a list of dictionaries with the keys of the TOML file, whose
    `output` may be a pydantic model.
    """
    path = template_or_file(source)
    if path.suffix != ".py":
        return read_steps(path)
    try:
        steps = runpy.run_path(str(path)).get("STEPS")
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the file does wrong is said
        raise BadInput(f"{path} cannot be run: {type(error).__name__}: {error}") from None
    if not isinstance(steps, list) or not all(isinstance(one, Mapping) for one in steps):
        raise BadInput(f"{path}: STEPS must be a list of dictionaries: name, instruction, output.")
    try:
        return steps_in({"steps": [{**one, "output": _schema(one.get("output"))} for one in steps]})
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from None


def template_or_file(source: str) -> Path:
    """The file of a template of that name, or the file itself. Raises BadInput where there is neither."""
    path = TEMPLATES_FOLDER / f"{source}.toml" if source in TEMPLATES else Path(source)
    if not path.is_file():
        raise BadInput(f"There is no file {source}, and no template of that name; there are {', '.join(TEMPLATES)}.")
    return path


def _schema(output: Any) -> object:
    from pydantic import PydanticUserError, TypeAdapter

    if isinstance(output, Mapping):
        document = dict(output)
    else:
        try:
            document = TypeAdapter[Any](output).json_schema()  # a model, list[Model] among others
        except (PydanticUserError, NameError) as error:
            reason = str(error).partition("\n")[0].rstrip(".")
            raise BadInput(f"output {output!r} has no JSON Schema: {reason}.") from None
    return plain_schema(document, document.get("$defs", {}))


def plain_schema(schema: object, definitions: Mapping[str, object]) -> object:
    """Without references, titles and defaults; "this or null" as a type of two."""
    if isinstance(schema, list):
        return [plain_schema(one, definitions) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    reference = schema.get("$ref")
    if isinstance(reference, str):
        name = reference.removeprefix("#/$defs/")
        if name not in definitions:
            raise BadInput(f"the schema refers to {reference}, which it does not define, or which holds itself.")
        return plain_schema(
            {**_mapping(definitions[name]), **{k: v for k, v in schema.items() if k != "$ref"}},
            {other: one for other, one in definitions.items() if other != name},
        )
    dropped = ("$defs", "default") if "properties" in schema else ("$defs", "default", "title")
    left = {
        key: {name: plain_schema(one, definitions) for name, one in _mapping(value).items()}
        if key == "properties"
        else plain_schema(value, definitions)
        for key, value in schema.items()
        if key not in dropped
    }
    left.pop("title", None)
    options = left.get("anyOf")
    if isinstance(options, list) and len(options) == 2 and {"type": "null"} in options:
        [other] = [one for one in options if one != {"type": "null"}]
        if isinstance(other, dict) and isinstance(other.get("type"), str):
            left.pop("anyOf")
            enum = {"enum": [*other["enum"], None]} if "enum" in other else {}
            return {**left, **other, "type": [other["type"], "null"], **enum}
    return left


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
