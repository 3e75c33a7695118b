"""The steps of structured answers: what each asks, and the shape of what it answers. Read from a TOML file.

A step's output is a JSON Schema with an object or an array at its root. Its fields are the properties of the object,
or the whole array.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from core.errors import BadInput

FILE = "steps.toml"
"""beside the settings of the project"""
MAP = "map"
"""section of the same file: where in other people's files the answers stand"""
TEXT = "text"
"""the input that every record has"""
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*)\}")
MOST_STEPS, MOST_FIELDS = 50, 60
_KEYS = ("name", "system", "instruction", "inputs", "needs", "optional", "grounded", "output")

Schema = Mapping[str, object]
"""JSON Schema, draft 2020-12"""


@dataclass(frozen=True)
class StepField:
    """path: step.property, or the step's name for an array. schema: of its value. grounded: paths of what in it should
    be found in the text, arrays left out: step.property, or step.property.property of a list of objects."""

    path: str
    name: str
    schema: Schema
    required: bool = True
    grounded: tuple[str, ...] = ()

    @property
    def choices(self) -> tuple[object, ...]:
        """Of an enumeration or a boolean, None among them where it may be missing; else none."""
        return choices_in(self.schema, self.required)


@dataclass(frozen=True)
class Step:
    """instruction: template in which {text}, {NAME of an input} and {step} or {step.property} of an earlier step are
    filled in. system: of the same kind, what comes before. inputs: fields of a record. needs: earlier steps whose
    answers are inputs. optional: a record may have no answer to it. grounded: property paths below the output."""

    name: str
    instruction: str
    output: Schema = field(hash=False)
    system: str = ""
    inputs: tuple[str, ...] = (TEXT,)
    needs: tuple[str, ...] = ()
    optional: bool = False
    grounded: tuple[str, ...] = ()

    @property
    def is_list(self) -> bool:
        """Is its answer an array?"""
        return self.output.get("type") == "array"

    @property
    def fields(self) -> tuple[StepField, ...]:
        """In the order of the schema."""
        paths = tuple(f"{self.name}.{path}" for path in self.grounded)
        if self.is_list:
            return (StepField(self.name, self.name, self.output, grounded=paths),)
        required = self.output.get("required", ())
        return tuple(
            StepField(
                path := f"{self.name}.{name}",
                name,
                schema,
                isinstance(required, list | tuple) and name in required,
                tuple(one for one in paths if one == path or one.startswith(f"{path}.")),
            )
            for name, schema in properties(self.output).items()
        )


def fields_of(steps: Sequence[Step]) -> tuple[StepField, ...]:
    """Of all steps, in their order."""
    return tuple(one for step in steps for one in step.fields)


def properties(schema: Schema) -> dict[str, Schema]:
    """Of an object; none of anything else."""
    inner = schema.get("properties")
    return dict(inner) if isinstance(inner, Mapping) else {}


def may_be_null(schema: Schema) -> bool:
    """Does it say so?"""
    kind, enum = schema.get("type"), schema.get("enum")
    return (isinstance(kind, list | tuple) and "null" in kind) or (isinstance(enum, list | tuple) and None in enum)


def choices_in(schema: Schema, required: bool) -> tuple[object, ...]:
    """As `StepField.choices`."""
    enum = schema.get("enum")
    if isinstance(enum, list | tuple):
        values = tuple(value for value in enum if value is not None)
    elif schema.get("type") == "boolean":
        values = (True, False)
    else:
        return ()
    return values if required and not may_be_null(schema) else (*values, None)


def read_steps(path: Path) -> tuple[Step, ...]:
    """Raises BadInput: what is wrong, and where."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read: {str(error).rstrip('.')}.") from None
    try:
        return steps_in(document)
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from None


def steps_in(document: Mapping[str, object]) -> tuple[Step, ...]:
    """Of a document with a table for each under `steps`. Raises BadInput."""
    tables = document.get("steps")
    if unknown := sorted(document.keys() - {"steps", MAP}):
        raise BadInput(f"unknown section [{unknown[0]}]; there are [[steps]] and [{MAP}].")
    if not isinstance(tables, list) or not tables:
        raise BadInput("no steps. Write each under [[steps]]: name, instruction, output.")
    if len(tables) > MOST_STEPS:
        raise BadInput(f"{len(tables)} steps; at most {MOST_STEPS} can be asked.")
    steps: list[Step] = []
    for table in tables:
        step = _step(table, f"step {len(steps) + 1}")
        _check_step(step, steps)
        steps.append(step)
    if len(fields_of(steps)) > MOST_FIELDS:
        raise BadInput(f"{len(fields_of(steps))} fields in all; a card holds at most {MOST_FIELDS}.")
    return tuple(steps)


def _step(table: object, location: str) -> Step:
    if not isinstance(table, Mapping):
        raise BadInput(f"{location} is {table!r}, but it is a table: [[steps]].")
    location = f"step {table['name']!r}" if isinstance(table.get("name"), str) else location
    if unknown := sorted(table.keys() - set(_KEYS)):
        raise BadInput(f"{location}: unknown key {unknown[0]!r}; there are {', '.join(_KEYS)}.")
    for key in ("name", "instruction", "system"):
        if not isinstance(table.get(key, "" if key == "system" else None), str):
            raise BadInput(f"{location}: {key} must be a text.")
    if not isinstance(table.get("optional", False), bool):
        raise BadInput(f"{location}: optional must be true or false.")
    if not isinstance(table.get("output"), Mapping):
        raise BadInput(f"{location}: output must be a table, a JSON Schema: [steps.output].")
    lists = {key: table.get(key, [TEXT] if key == "inputs" else []) for key in ("inputs", "needs", "grounded")}
    for key, value in lists.items():
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise BadInput(f"{location}: {key} must be a list of texts.")
    return Step(
        name=table["name"],
        instruction=table["instruction"],
        output=cast("Schema", _with_null(table["output"])),
        system=table.get("system", ""),
        inputs=tuple(cast("list[str]", lists["inputs"])),
        needs=tuple(cast("list[str]", lists["needs"])),
        optional=table.get("optional", False),
        grounded=tuple(cast("list[str]", lists["grounded"])),
    )


def _with_null(schema: object) -> object:
    """TOML has no null: an enumeration whose type may be null has it too."""
    if isinstance(schema, list):
        return [_with_null(one) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    result = {key: _with_null(one) for key, one in schema.items()}
    if isinstance(enum := result.get("enum"), list) and None not in enum and may_be_null(result):
        result["enum"] = [*enum, None]
    return result


def _check_step(step: Step, earlier: Sequence[Step]) -> None:
    """Raises BadInput. earlier: the steps before it."""
    location, names = f"step {step.name!r}", [one.name for one in earlier]
    if not NAME.fullmatch(step.name):
        raise BadInput(f"{location}: a name has up to 40 lower-case letters, digits and _, and begins with a letter.")
    if step.name in names:
        raise BadInput(f"{location} stands twice.")
    if missing := [name for name in step.needs if name not in names]:
        raise BadInput(f"{location} needs {missing[0]!r}, but no step before it is called so.")
    if not step.instruction.strip():
        raise BadInput(f"{location}: the instruction is empty.")
    _check_output(step, location)
    known = {*step.inputs, *(path for one in earlier if one.name in step.needs for path in _paths(one))}
    for name in PLACEHOLDER.findall(step.system + step.instruction):
        if name not in known:
            raise BadInput(
                f"{location}: {{{name}}} in its instruction is no input and no answer of a step that it needs; there "
                f"are {', '.join(sorted(known))}."
            )
    leaves = set(leaf_paths(step.output))
    if wrong := [path for path in step.grounded if path not in leaves]:
        raise BadInput(f"{location}: grounded has {wrong[0]!r}, but its output has {', '.join(sorted(leaves))}.")


def _paths(step: Step) -> Iterator[str]:
    yield step.name
    yield from (one.path for one in step.fields)


def _check_output(step: Step, location: str) -> None:
    from jsonschema import Draft202012Validator, SchemaError

    if step.output.get("type") not in ("object", "array"):
        raise BadInput(f'{location}: output must have type = "object" or "array".')
    try:
        Draft202012Validator.check_schema(step.output)
    except SchemaError as error:
        raise BadInput(f"{location}: output is no JSON Schema: {error.message[:200]} (at {error.json_path}).") from None
    if not step.is_list and not properties(step.output):
        raise BadInput(f"{location}: output has no properties.")
    if wrong := [name for name in properties(step.output) if not NAME.fullmatch(name)]:
        raise BadInput(f"{location}: a property cannot be called {wrong[0]!r}: lower-case letters, digits and _ only.")


def leaf_paths(schema: Schema, prefix: str = "") -> Iterator[str]:
    """Paths of what is no object, below an object or array; arrays have no part of their own in a path."""
    items = schema.get("items")
    if isinstance(items, Mapping):
        yield from leaf_paths(items, prefix)
    elif inner := properties(schema):
        for name, one in inner.items():
            yield from leaf_paths(one, f"{prefix}.{name}" if prefix else name)
    elif prefix:
        yield prefix


def steps_document(steps: Sequence[Step]) -> str:
    """As a file has them: what `read_steps` reads back."""
    import tomlkit
    from tomlkit.items import AoT

    document, tables = tomlkit.document(), AoT([])
    for step in steps:
        table = tomlkit.table()
        for key in _KEYS:
            value = getattr(step, key)
            if value in ("", (), False):
                continue
            if isinstance(value, str) and "\n" in value:
                table[key] = tomlkit.string(value, multiline=True)
            else:
                table[key] = _plain(value)
        tables.append(table)
    document["steps"] = tables
    return tomlkit.dumps(document)


def _plain(value: object) -> object:
    """With lists and dictionaries of its own, and without null, which `_with_null` puts back."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value if one is not None]
    return value
