"""Conversion between Rondo's records and answers and the JSON of Argilla's API. Pure; sends nothing."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

from core.exchange.workspace import LAST, Outgoing, RemoteEntry, Setup, Suggested, TeamAnswer
from core.labelling.responses import NOTE_LIMIT
from core.tasks.questions import SPANS, TEXT, Option, Part, Value

ANSWER, NOTE, RANK, STATE = "label", "note", "queue_rank", "rondo_state"
OPEN, DONE = "open", "answered in Rondo"
_LONGEST = {"name": 200, "title": 500, "text": 500, "description": 1_000, "guidelines": 10_000}
RESERVED = (RANK, STATE)
_AS_TEXT = str.maketrans("<&", "\ufe64\ufe60")
"""Argilla's page takes a text in which pieces are marked for HTML, and runs what stands in it: these two look alike,
are as long, and mean nothing there"""
_AS_WRITTEN = str.maketrans("\ufe64\ufe60", "<&")
Json = dict[str, Any]
"""a body of Argilla's API, or a part of one"""


def cut(text: str, what: str) -> str | None:
    """Cut to Argilla's limit; None instead of an empty text, which it refuses."""
    most = _LONGEST[what]
    return (text if len(text) <= most else f"{text[: most - 1]}…") or None


def dataset_body(name: str, setup: Setup, workspace: str) -> Json:
    """Body that creates the dataset, before it has fields."""
    return {"name": cut(name, "name"), "workspace_id": workspace, "allow_extra_metadata": True, **shared_body(setup)}


def shared_body(setup: Setup) -> Json:
    """The part of a dataset that may change later."""
    distribution = {"strategy": "overlap", "min_submitted": setup.overlap}
    return {"guidelines": cut(setup.guidelines, "guidelines"), "distribution": distribution}


def field_bodies(setup: Setup) -> list[Json]:
    """Plain texts, never Markdown: records are untrusted. Only the first is required."""
    names = [*setup.fields, *map(context_name, setup.context)]
    return [
        {
            "name": name,
            "title": cut(name, "title"),
            "required": index == 0,
            "settings": {"type": "text", "use_markdown": False},
        }
        for index, name in enumerate(names)
    ]


def context_name(name: str) -> str:
    """A field of its own: a record may have a field and a metadatum of one name."""
    return f"context: {name}"


def metadata_name(name: str) -> str:
    """A name that does not collide with ours."""
    return f"{name} (record)" if name in RESERVED else name


def metadata_bodies(setup: Setup) -> list[Json]:
    """Our rank and state, and the record's own."""
    own = [_property(metadata_name(name), metadata_name(name), "terms") for name in setup.metadata]
    return [_property(RANK, "Queue: smaller first", "integer"), _property(STATE, "State in Rondo", "terms"), *own]


def _property(name: str, title: str, kind: str) -> Json:
    return {"name": name, "title": cut(title, "title"), "settings": {"type": kind}, "visible_for_annotators": True}


def question_bodies(setup: Setup) -> list[Json]:
    """Those that the project asks, and a note that nobody must write."""
    note = {"name": NOTE, "title": "Note", "required": False, "settings": {"type": "text", "use_markdown": False}}
    titles = {part.name: (part.title, part.description, part.required) for part in setup.question.parts}
    titles = titles or {ANSWER: (setup.question.title, "", True)}
    asks = [
        {"name": name, "title": cut(title, "title"), "description": cut(about, "description"), "required": required}
        for name, (title, about, required) in titles.items()
    ]
    settings = question_settings(setup)
    return [*(body | {"settings": settings[str(body["name"])]} for body in asks), note]


def question_settings(setup: Setup) -> dict[str, Json]:
    """Name of a question -> what of it may change later: the texts of its options."""
    question = setup.question
    if question.parts:
        return {part.name: _part_settings(part) for part in question.parts}
    plain: Json = {"type": "text", "use_markdown": False}
    return {ANSWER: plain if question.kind == "text" else {"type": question.kind, "options": options(question.options)}}


def _part_settings(part: Part) -> Json:
    if part.kind == "text":
        return {"type": "text", "use_markdown": False}
    marked: Json = {"field": part.field, "allow_overlapping": True} if part.kind == SPANS else {}
    return {"type": part.kind, "options": options(part.options)} | marked


def options(offered: Sequence[Option]) -> list[Json]:
    """Of a question that has some."""
    return [
        {"value": one.value, "text": cut(one.text, "text"), "description": cut(one.description, "description")}
        for one in offered
    ]


def record_body(record: Outgoing, setup: Setup, questions: Mapping[str, str], others: Mapping[str, object]) -> Json:
    """Body that creates or changes a record. others: metadata there that is not ours, sent back, since it would be lost
    otherwise.

    questions: name -> id of those that ask for the answer.
    """
    metadata = {**others, **{metadata_name(name): value for name, value in record.metadata.items()}}
    fields = {name: record.fields[name] for name in setup.fields if name in record.fields}
    if setup.question.marks:
        fields[TEXT] = fields.get(TEXT, "").translate(_AS_TEXT)
    long = {context_name(name): metadata.pop(metadata_name(name), None) for name in setup.context}
    body: Json = {
        "external_id": record.id,
        "fields": {setup.fields[0]: "", **fields, **{name: value for name, value in long.items() if value is not None}},
        "metadata": metadata | {RANK: record.rank, STATE: DONE if record.rank == LAST else OPEN},
    }
    text = record.fields.get(TEXT, "")
    if record.suggestion and (suggestions := suggestion_bodies(record.suggestion, setup, questions, text)):
        body["suggestions"] = suggestions
    return body


def suggestion_bodies(suggested: Suggested, setup: Setup, questions: Mapping[str, str], text: str) -> list[Json]:
    """One for each question of which something is proposed; none where it cannot be answered so. text: in which pieces
    are marked; marks have no score, for Argilla wants one of each."""
    if not setup.question.fits(suggested.value):
        return []
    bodies: list[Json] = []
    for name, value in _by_question(suggested.value, text).items():
        body: Json = {"question_id": questions[name], "type": "model", "agent": suggested.model, "value": value}
        marks = isinstance(value, list) and bool(setup.question.parts)
        if suggested.score is not None and not marks:
            body["score"] = suggested.score
        if value or not marks:
            bodies.append(body)
    return bodies


def _by_question(value: Value, text: str) -> dict[str, Any]:
    """Name of a question -> its value, as Argilla has it."""
    if not isinstance(value, Mapping):
        return {ANSWER: value}
    return {name: there(one, text) if isinstance(one, list) else one for name, one in value.items()}


def there(marks: Sequence[Mapping[str, Any]], text: str) -> list[Json]:
    """Marked pieces as Argilla's page counts them, in UTF-16; its server counts otherwise, and refuses those that seem
    to lie beyond the end."""
    units = _units(text)
    moved = [(units[one["start"]], units[one["end"]], one["label"]) for one in marks if one["end"] < len(units)]
    return [{"start": start, "end": end, "label": label} for start, end, label in moved if end <= len(text)]


def here(marks: Sequence[Mapping[str, Any]], text: str) -> list[Json]:
    """Back again, in code points, each with its piece of the text."""
    points = {unit: point for point, unit in enumerate(_units(text))}
    result = []
    for one in marks:
        start, end = (_nearest(points, one[edge]) for edge in ("start", "end"))
        piece = text[start:end].translate(_AS_WRITTEN)
        result.append({"start": start, "end": end, "label": one["label"], "text": piece})
    return result


def _units(text: str) -> list[int]:
    """Where each code point begins in UTF-16, and the end."""
    if text.isascii():
        return list(range(len(text) + 1))
    return [0, *accumulate(1 + (ord(point) > 0xFFFF) for point in text)]


def _nearest(points: Mapping[int, int], unit: int) -> int:
    """The code point that begins there; where none does, the one within which that is."""
    return points[unit] if unit in points else points.get(unit - 1, max(points.values()))


def response_values(value: Value, note: str | None, text: str = "") -> Json:
    """An answer as Argilla keeps it; only one that is submitted needs a value. text: in which pieces are marked."""
    noted: Json = {NOTE: {"value": note}} if note else {}
    return noted if value is None else {name: {"value": one} for name, one in _by_question(value, text).items()} | noted


def carried_body(record: str, answers: Sequence[tuple[str, TeamAnswer]], text: str = "") -> Json:
    """Body that changes only these people's responses to a record, by their ids. text: in which pieces are marked."""
    responses = [
        {"user_id": user, "status": one.status, "values": response_values(one.value, one.note, text)}
        for user, one in answers
    ]
    return {"external_id": record, "responses": responses}


def remote_answer(response: Json, annotator: str, text: str = "") -> TeamAnswer:
    """What a person says. text: of the record, in which pieces are marked."""
    note = (_value(response, NOTE) or "").strip()[:NOTE_LIMIT].rstrip()
    value = _answer(response, text)
    return TeamAnswer(annotator, response["status"], value, note or None, moment(response["updated_at"]))


def _answer(response: Json, text: str) -> Any:
    """The value of the one question, or name -> value of those of a form that were answered; None for nothing."""
    values = {name: one.get("value") for name, one in (response["values"] or {}).items() if name != NOTE}
    if not values or ANSWER in values:
        return values.get(ANSWER)
    return {name: here(one, text) if isinstance(one, list) else one for name, one in values.items() if one is not None}


def _value(response: Json, question: str) -> Any:
    """What one of the questions was answered with, None for nothing."""
    return ((response["values"] or {}).get(question) or {}).get("value")


def remote_entry(record: Json, questions: Mapping[str, str] | None = None, text: str = "") -> RemoteEntry:
    """The state of a record on the server; its suggestion only if it was requested. questions: name -> id; what is
    suggested is read with them alone. text: of the record, in which pieces are marked."""
    agents = [one.get("agent") for one in record.get("suggestions") or []]
    model = next((agent or "unknown" for agent in agents), None)
    names = {id: name for name, id in (questions or {}).items()}
    values = {
        names[one["question_id"]]: {"value": one["value"]}
        for one in record.get("suggestions") or []
        if one["question_id"] in names
    }
    suggested = _answer({"values": values}, text)
    return RemoteEntry(record["external_id"] or "", record["id"], model, moment(record["inserted_at"]), suggested)


def copied_body(record: Json, setup: Setup, questions: Mapping[str, str], old_questions: Mapping[str, str]) -> Json:
    """Body of a record for another dataset, with all responses and suggestions that fit there. questions,
    old_questions: name -> id of those that ask for the answer, there and here."""
    names = {*setup.fields, *map(context_name, setup.context)}
    body: Json = {
        "external_id": record["external_id"],
        "fields": {name: value for name, value in record["fields"].items() if name in names},
        "metadata": record.get("metadata") or {},
        "responses": [
            {"user_id": one["user_id"], "values": one["values"] or {}, "status": one["status"]}
            for one in record.get("responses") or []
            if fits(one, setup)
        ],
    }
    body["fields"] = {setup.fields[0]: "", **body["fields"]}
    known = {id: name for name, id in old_questions.items()}
    suggestions = [(known.get(one["question_id"], ""), one) for one in record.get("suggestions") or []]
    body["suggestions"] = [
        {"question_id": questions[name], **{key: one.get(key) for key in ("value", "score", "agent", "type")}}
        for name, one in suggestions
        if name in questions and setup.question.fits(one["value"] if name == ANSWER else {name: one["value"]})
    ]
    return body


def fits(response: Json, setup: Setup) -> bool:
    """Whether a response can be given in a dataset of this setup."""
    return setup.question.fits(_answer(response, ""))


def moment(text: str) -> datetime:
    """Naive UTC; Argilla writes it without a zone."""
    parsed = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return parsed.astimezone(UTC).replace(tzinfo=None) if parsed.tzinfo else parsed
