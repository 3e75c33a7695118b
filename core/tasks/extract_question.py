"""Structured answers as Argilla asks for them: a question for each field, and one that marks places in the text.

The questions of the fields hold the values, the marks say where in the text they stand. A marked piece that is none of
the values is a value more.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import cast

from core.config.steps import Schema, StepField
from core.errors import BadInput, Refused
from core.tasks.extract_answers import Json, Spans, canonical, spans_of, texts_at, value_of, values_of
from core.tasks.field_texts import choice_text, field_kind, read_field, value_text
from core.tasks.questions import FORM, SPANS, TEXT, Option, Part, Question, TeamForm, Value

MARKS, COMPLETE = "spans", "complete"
"""names of the questions that belong to no field"""
LONGEST_CHOICE = 200
"""characters of an option's value there"""
ALIKE = 0.8
"""from which similarity a marked piece is an inexact mention of a value that has no exact one"""
_WAYS = {"lines": ", one on each line", "json": ", as JSON"}


@dataclass(frozen=True)
class _Step:
    name: str
    optional: bool
    fields: tuple[StepField, ...]

    @property
    def is_list(self) -> bool:
        """One field that is the whole answer."""
        return len(self.fields) == 1 and self.fields[0].path == self.name


def _steps(setup: Mapping[str, object]) -> tuple[_Step, ...]:
    steps = cast("Sequence[Mapping[str, object]]", setup.get("steps") or ())
    return tuple(
        _Step(
            str(step["name"]),
            bool(step["optional"]),
            tuple(map(_field, cast("Sequence[Mapping[str, object]]", step["fields"]))),
        )
        for step in steps
    )


def _field(field: Mapping[str, object]) -> StepField:
    return StepField(
        str(field["path"]),
        str(field["name"]),
        cast("Schema", field["schema"]),
        bool(field["required"]),
        tuple(cast("Sequence[str]", field["grounded"])),
    )


def _name(field: StepField) -> str:
    """Of its question there: small letters, digits, _ and -, and never the name of another."""
    return field.path.replace(".", "-") if "." in field.path else f"{field.path}-all"


def question(setup: Mapping[str, object]) -> Question:
    """Raises Refused where there are no steps."""
    steps = _steps(setup)
    if not steps:
        raise Refused("There are no steps to ask for. Write them into the project's steps.toml, then push again.")
    parts = [_part(step, field) for step in steps for field in step.fields]
    paths = [path for step in steps for field in step.fields for path in field.grounded]
    if paths:
        options = tuple(Option(path, path.replace("_", " ").replace(".", ": ")) for path in paths)
        parts.insert(0, Part(MARKS, SPANS, "Mark where it stands", options=options, field=TEXT))
    if not any(part.required for part in parts):  # Argilla wants one that is
        options = (Option("yes", "Yes"), Option("nothing", "There is nothing to answer here"))
        parts.append(Part(COMPLETE, "label_selection", "Is this all?", options=options, required=True))
    return Question(FORM, "What does the text say?", parts=tuple(parts))


def _part(step: _Step, field: StepField) -> Part:
    title = field.name.replace("_", " ")
    title = title if step.is_list else f"{step.name.replace('_', ' ')}: {title}"
    layout, description = field_kind(field), str(field.schema.get("description", ""))
    choices = tuple(choice_text(one) for one in field.choices if one is not None)
    if len(choices) >= 2 and all(0 < len(one) <= LONGEST_CHOICE for one in choices):
        options = tuple(Option(one, {"true": "yes", "false": "no"}.get(one, one)) for one in choices)
        needed = None not in field.choices and not step.optional
        return Part(_name(field), "label_selection", title, field.path, layout, description, options, needed)
    return Part(_name(field), "text", title + _WAYS.get(layout, ""), field.path, layout, description)


def to_value(answer: object, question: Question) -> Value:
    """Question name -> value; what is empty is left out."""
    values: dict[str, object] = {}
    for part in (one for one in question.parts if one.path):
        if text := value_text(part.layout, value_of(answer, StepField(part.path, part.path, {}))):
            values[part.name] = text
    marks = [
        {"start": start, "end": end, "label": path}
        for path, by_value in spans_of(answer).items()
        for pairs in by_value.values()
        for start, end in pairs
    ]
    if question.marks and marks:
        values[MARKS] = sorted(marks, key=lambda one: (one["start"], one["end"], str(one["label"])))
    if any(part.name == COMPLETE for part in question.parts):
        values[COMPLETE] = "yes" if values else "nothing"
    return values


def from_value(value: Value, setup: Mapping[str, object]) -> object:
    """Raises BadInput, with the field. An optional step of which nothing is said is not answered."""
    received = cast("Mapping[str, object]", value if isinstance(value, Mapping) else {})
    steps, values = _steps(setup), dict[str, Json]()
    for step in steps:
        read = {field.name: _read(field, received.get(_name(field))) for field in step.fields}
        values[step.name] = read[step.name] if step.is_list else read
    spans: Spans = {}
    fields = [field for step in steps for field in step.fields]
    for path, pieces in _marked(received.get(MARKS)).items():
        field = next((one for one in fields if path in one.grounded), None)
        if field is None:
            raise BadInput(f"{path[:80]!r} is marked in the text, but there is no such field now.")
        spans[path] = _assign(field, path, pieces, values)
    for step in steps:
        tidy = canonical({"values": {step.name: values[step.name]}})
        if step.optional and values_of(tidy)[step.name] in ({}, []):
            del values[step.name]
    return canonical({"values": values, "spans": spans})


def _read(field: StepField, typed: object) -> Json:
    return read_field(field, typed if isinstance(typed, str) else "")


def _marked(marks: object) -> dict[str, list[tuple[str, list[int]]]]:
    """Path -> (the piece of the text, its span) in the order of the text."""
    result: dict[str, list[tuple[str, list[int]]]] = {}
    for mark in sorted(_mappings(marks), key=lambda one: (int(str(one["start"])), int(str(one["end"])))):
        piece = " ".join(str(mark.get("text", "")).split())
        if piece:
            result.setdefault(str(mark["label"]), []).append((piece, [int(str(mark["start"])), int(str(mark["end"]))]))
    return result


def _mappings(values: object) -> Iterator[Mapping[str, object]]:
    for one in values if isinstance(values, list) else ():
        if isinstance(one, Mapping) and {"start", "end", "label"} <= one.keys():
            yield one


def _assign(
    field: StepField, path: str, pieces: Sequence[tuple[str, list[int]]], values: dict[str, Json]
) -> dict[str, list[list[int]]]:
    """Value -> its places. A piece that is no value yet becomes one where the field is a text or a list of texts."""
    folded = {_fold(value): value for value in texts_at(values, path)}
    exact = {_fold(piece) for piece, _ in pieces}
    inexact = [value for fold, value in folded.items() if fold not in exact]
    spans: dict[str, list[list[int]]] = {}
    for piece, span in pieces:
        value = folded.get(_fold(piece)) or _likest(piece, inexact)
        if value is None:
            _add(field, path, piece, values)
            value = folded[_fold(piece)] = piece
        spans.setdefault(" ".join(value.split()), []).append(span)
    return spans


def _fold(text: str) -> str:
    return " ".join(text.casefold().split())


def _likest(piece: str, values: Sequence[str]) -> str | None:
    scored = [(SequenceMatcher(None, _fold(piece), _fold(one), autojunk=False).ratio(), one) for one in values]
    score, best = max(scored, default=(0.0, ""))
    return best if score >= ALIKE else None


def _add(field: StepField, path: str, piece: str, values: dict[str, Json]) -> None:
    """Raises BadInput where the field cannot hold it."""
    step, _, name = field.path.partition(".")
    held = values[step]
    if path == field.path and isinstance(held, dict):
        if field_kind(field) == "lines":
            held[name] = [*cast("list[Json]", held[name] or []), piece]
            return
        if held[name] is None and field_kind(field) == "line":
            held[name] = read_field(field, piece)
            return
        raise BadInput(f"{path}: {piece[:80]!r} is marked in the text, but the answer is {str(held[name])[:80]!r}.")
    raise BadInput(f"{path}: {piece[:80]!r} is marked in the text, but none of the entries names it.")


def proposed(suggestion: Mapping[str, object], question: Question) -> tuple[Value, Value] | None:
    """What the card would show."""
    value = to_value(suggestion["answer"], question)
    return (value, suggestion.get("probability")) if value else None


EXTRACT_FORM = TeamForm(question, to_value, from_value, proposed)
