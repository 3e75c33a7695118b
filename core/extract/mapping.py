"""Other people's annotation files, flat or nested, as records with answers, by a mapping that a file declares.

A document is a JSON object: a row of a table, a line of JSONL, a file of a folder. Paths go through objects by dots.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import cast

from core.config.steps import MAP, Schema, Step, StepField, fields_of, properties
from core.errors import BadInput
from core.extract.grounding import Grounded, fold, ground
from core.tasks.extract_answers import Json, Spans, canonical, faults, first_mentions, read, texts_at
from core.typed_json import from_json

EACH = "each"
"""what a path begins with that goes on from the entry which became the record"""
ANSWER = "answer"
"""the value that holds a whole answer, as an export has it"""


@dataclass(frozen=True)
class Lookup:
    """Of the list at `source` the entries whose `where` equals what stands at `equals`: their `take`."""

    source: str
    where: str
    equals: str
    take: str


@dataclass(frozen=True)
class FileMapping:
    """text, id, split: paths. each: of a list, every entry of which is a record; empty: the document is one. span: of
    {start, end, text}, the part of the text that the record is; empty: all of it. meta: name -> path. values: path of a
    field -> path in the document. properties: step or field -> name in its objects -> key in the document's. lookup:
    path of a field -> where it stands in another list. choices: path -> value of the document -> ours."""

    text: str = "text"
    id: str = ""
    each: str = ""
    span: str = ""
    split: str = ""
    meta: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    lookup: Mapping[str, Lookup] = field(default_factory=dict)
    choices: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Mapped:
    """A record as a document has it. answer: canonical, of the steps that fit. faults: what did not come with it, each
    with its path. absent: grounded values that are not in the text, each with what comes nearest."""

    id: str
    text: str
    split: str
    meta: dict[str, str]
    answer: dict[str, object]
    faults: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


def read_mapping(path: Path) -> FileMapping | None:
    """The section [map] of a file of steps; None where it has none. Raises BadInput."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig")).get(MAP)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read: {str(error).rstrip('.')}.") from None
    if table is None:
        return None
    if not isinstance(table, dict):
        raise BadInput(f"{path}: {MAP} must be a table: [{MAP}].")
    known = [one.name for one in fields(FileMapping)]
    if unknown := sorted(table.keys() - set(known)):
        raise BadInput(f"{path}: [{MAP}] has no key {unknown[0]!r}; there are {', '.join(known)}.")
    return from_json(FileMapping, table, f"{path}: [{MAP}]")


def plain_mapping(steps: Sequence[Step], columns: Sequence[str]) -> FileMapping:
    """Of a flat file that nobody mapped: a field's column is called as its path or its name, a whole answer's `answer`.
    Raises BadInput where no field has a column."""
    values = {}
    for one in fields_of(steps):
        if column := next((name for name in (one.path, one.name) if name in columns), None):
            values[one.path] = column
    if ANSWER in columns and ANSWER not in {one.name for one in fields_of(steps)}:
        values[ANSWER] = ANSWER
    if not values:
        raise BadInput(
            f"No column is called as a field of the steps ({', '.join(one.path for one in fields_of(steps))}). Say in "
            f"the section [{MAP}] of the file of steps where the answers stand."
        )
    inputs = {name for step in steps for name in step.inputs}
    others = inputs - {"text"} - set(values.values())
    return FileMapping(
        id="id" if "id" in columns else "",
        split="split" if "split" in columns else "",
        meta={name: name for name in sorted(others) if name in columns},
        values=values,
    )


def at(document: object, path: str) -> object:
    """None where the path leads nowhere."""
    for name in path.split("."):
        document = document.get(name) if isinstance(document, Mapping) else None
    return document


def map_document(
    document: Mapping[str, object], mapping: FileMapping, steps: Sequence[Step], name: str
) -> Iterator[Mapped]:
    """The records of a document. name: its file and number, from which ids are made where the document has none.

    Raises BadInput where there is no text.
    """
    whole = at(document, mapping.text)
    if not isinstance(whole, str):
        raise BadInput(f"{name}: there is no text at {mapping.text!r}.")
    id = at(document, mapping.id) if mapping.id else None
    base = str(id) if isinstance(id, str | int) and id != "" else name
    entries = at(document, mapping.each) if mapping.each else [None]
    if not isinstance(entries, list):
        entries = []
    for number, entry in enumerate(entries, 1):
        scope = {**document, EACH: entry}
        own = f"{base}/{number}" if mapping.each else base
        yield _record(scope, whole, mapping, steps, own)


def _record(scope: Mapping[str, object], whole: str, mapping: FileMapping, steps: Sequence[Step], id: str) -> Mapped:
    text, complaints = _text(scope, whole, mapping)
    meta = {name: _cell(at(scope, path)) for name, path in mapping.meta.items()}
    values: dict[str, Json] = {}
    for path in dict.fromkeys([*mapping.values, *mapping.lookup]):
        value = _looked_up(scope, mapping.lookup[path]) if path in mapping.lookup else at(scope, mapping.values[path])
        if path == ANSWER:
            values |= _whole_answer(value, complaints)
            continue
        step, _, name = path.partition(".")
        known = next((one for one in fields_of(steps) if one.path == path), None)
        if known is None:
            complaints.append(f"{path}: no step has this field")
            continue
        value = _converted(known, value, mapping)
        if not name:
            values[step] = value
        elif isinstance(inner := values.setdefault(step, {}), dict):
            inner[name] = value
    left = _fitting(values, steps, complaints)
    spans, absent = ground_values(left, text, steps)
    split = _cell(at(scope, mapping.split)) if mapping.split else ""
    answer = canonical({"values": left, "spans": spans})
    try:
        read(answer)
    except BadInput as error:
        complaints.append(f"its answer did not come in: {str(error).rstrip('.')}")
        answer, absent = canonical({}), []
    return Mapped(id, text, split, meta, answer, tuple(complaints), tuple(absent))


def _text(scope: Mapping[str, object], whole: str, mapping: FileMapping) -> tuple[str, list[str]]:
    """The record's text: what stands at the offsets of its span, or what the span says where that is another."""
    span = at(scope, mapping.span) if mapping.span else None
    if not isinstance(span, Mapping):
        return whole, []
    start, end, stated = span.get("start"), span.get("end"), span.get("text")
    there = whole[start:end] if type(start) is int and type(end) is int and 0 <= start < end else ""
    if not isinstance(stated, str) or not stated.strip():
        return there or whole, [] if there else [f"{mapping.span}: no text and no offsets; the whole text was taken"]
    if there.strip() == stated.strip():
        return there, []
    located = ground(stated, whole)
    if located.spans:
        begin, stop = located.spans[0]
        return whole[begin:stop], [f"{mapping.span}: not at {start} to {end} but at {begin} to {stop}"]
    return stated, [f"{mapping.span}: {stated[:60]!r} is not in the text{_nearest(located)}"]


def _nearest(grounded: Grounded) -> str:
    if not grounded.nearest:
        return ""
    return f"; nearest is {grounded.nearest[:60]!r} ({grounded.similarity:.0f} % alike)"


def _cell(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else str(value)


def _looked_up(scope: Mapping[str, object], lookup: Lookup) -> object:
    listed, key = at(scope, lookup.source), at(scope, lookup.equals)
    if not isinstance(listed, list) or key is None:
        return None
    hits = [at(one, lookup.take) for one in listed if at(one, lookup.where) == key]
    return hits[0] if hits else None


def _whole_answer(value: object, complaints: list[str]) -> dict[str, Json]:
    import json

    if isinstance(value, str) and value.strip():
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            complaints.append(f"{ANSWER}: no JSON ({error})")
            return {}
    if not isinstance(value, Mapping):
        return {}
    inner = value.get("values", value)
    return dict(inner) if isinstance(inner, Mapping) else {}


def _converted(known: StepField, value: Json, mapping: FileMapping) -> Json:
    """In our properties and choices; one text where the schema has a list is a list of one, and a list of one where it
    has a text is that text."""
    value = _renamed(known.path, value, mapping)
    is_list = known.schema.get("type") == "array"
    if is_list and isinstance(value, str):
        value = [value] if value.strip() else []
    elif not is_list and isinstance(value, list):
        value = value[0] if len(value) == 1 else (value or None)
    return _chosen(known.path, known.schema, value, mapping)


def _renamed(path: str, value: Json, mapping: FileMapping) -> Json:
    names = mapping.properties.get(path)
    if names is None:
        return value
    if isinstance(value, list):
        return [_renamed(path, one, mapping) for one in value]
    return {ours: at(value, theirs) for ours, theirs in names.items()} if isinstance(value, Mapping) else value


def _chosen(path: str, schema: Schema, value: Json, mapping: FileMapping) -> Json:
    """Enumerations as the schema spells them, in any case and by the mapping; what is empty is null."""
    items, inner = schema.get("items"), properties(schema)
    if isinstance(value, list):
        return [_chosen(path, items, one, mapping) for one in value] if isinstance(items, Mapping) else value
    if inner and isinstance(value, Mapping):
        return {name: _chosen(f"{path}.{name}", inner.get(name, {}), one, mapping) for name, one in value.items()}
    if not isinstance(value, str):
        return value
    value = value.strip()
    value = mapping.choices.get(path, {}).get(value, value)
    enum = schema.get("enum")
    if isinstance(enum, list | tuple) and value not in enum:
        value = next((one for one in enum if isinstance(one, str) and one.casefold() == value.casefold()), value)
    return value or None


def _fitting(values: Mapping[str, Json], steps: Sequence[Step], complaints: list[str]) -> dict[str, Json]:
    """The values of those steps that fit; a step of which nothing came is not answered."""
    left: dict[str, Json] = {}
    for step in steps:
        value = canonical({"values": {step.name: values.get(step.name)}})["values"]
        tidy = cast("dict[str, Json]", value).get(step.name)
        if step.name not in values or tidy in (None, {}, []):
            continue
        if wrong := faults(step, tidy):
            complaints += wrong
        else:
            left[step.name] = tidy
    return left


def ground_values(values: Mapping[str, Json], text: str, steps: Sequence[Step]) -> tuple[Spans, list[str]]:
    """Where the grounded values stand, of very many mentions the first, and which do not, with what comes nearest."""
    folded = fold(text)
    spans: Spans = {}
    absent = []
    for path in (path for one in fields_of(steps) for path in one.grounded):
        for value in dict.fromkeys(texts_at(values, path)):
            located = ground(value, text, folded)
            if located.spans:
                spans.setdefault(path, {})[value] = [list(span) for span in located.spans]
            elif value.strip():
                absent.append(f"{path}: {value[:60]!r} is not in the text{_nearest(located)}")
    return first_mentions(spans), absent


def absent_values(step: Step, value: Json, spans: object) -> list[str]:
    """Of a step's value the texts that should stand in the record's text and do not. spans: where its values stand."""
    located = spans if isinstance(spans, Mapping) else {}
    paths = [path for field in step.fields for path in field.grounded]
    return [text for path in paths for text in texts_at({step.name: value}, path) if text not in located.get(path, {})]
