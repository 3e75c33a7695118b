"""Conversion between Rondo's records and answers and the JSON of Argilla's API. Pure; sends nothing."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from core.exchange.workspace import LAST, Outgoing, RemoteEntry, Setup, Suggested, TeamAnswer
from core.labelling.responses import NOTE_LIMIT
from core.tasks.questions import Value

ANSWER, NOTE, RANK, STATE = "label", "note", "queue_rank", "rondo_state"
OPEN, DONE = "open", "answered in Rondo"
_LONGEST = {"name": 200, "title": 500, "text": 500, "description": 1_000, "guidelines": 10_000}
RESERVED = (RANK, STATE)
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
    """The one that the project asks, and a note that nobody must write."""
    asks = {"name": ANSWER, "title": cut(setup.question.title, "title"), "required": True}
    note = {"name": NOTE, "title": "Note", "required": False, "settings": {"type": "text", "use_markdown": False}}
    return [asks | {"settings": question_settings(setup)}, note]


def question_settings(setup: Setup) -> Json:
    """What of the question may change later is in here: the texts of its options."""
    kind = setup.question.kind
    return {"type": "text", "use_markdown": False} if kind == "text" else {"type": kind, "options": options(setup)}


def options(setup: Setup) -> list[Json]:
    """Of a question that has some."""
    return [
        {"value": one.value, "text": cut(one.text, "text"), "description": cut(one.description, "description")}
        for one in setup.question.options
    ]


def record_body(record: Outgoing, setup: Setup, question: str, others: Mapping[str, object]) -> Json:
    """Body that creates or changes a record. others: metadata there that is not ours, sent back, since it would be lost
    otherwise.

    question: id of the one that asks for the answer.
    """
    metadata = {**others, **{metadata_name(name): value for name, value in record.metadata.items()}}
    fields = {name: record.fields[name] for name in setup.fields if name in record.fields}
    long = {context_name(name): metadata.pop(metadata_name(name), None) for name in setup.context}
    body: Json = {
        "external_id": record.id,
        "fields": {setup.fields[0]: "", **fields, **{name: value for name, value in long.items() if value is not None}},
        "metadata": metadata | {RANK: record.rank, STATE: DONE if record.rank == LAST else OPEN},
    }
    if record.suggestion and (suggestion := suggestion_body(record.suggestion, setup, question)):
        body["suggestions"] = [suggestion]
    return body


def suggestion_body(suggested: Suggested, setup: Setup, question: str) -> Json | None:
    """None where it cannot be given there."""
    if not setup.question.fits(suggested.value):
        return None
    scored: Json = {} if suggested.score is None else {"score": suggested.score}
    return {"question_id": question, "type": "model", "agent": suggested.model, "value": suggested.value, **scored}


def response_values(value: Value, note: str | None) -> Json:
    """An answer as Argilla keeps it; only one that is submitted needs a value."""
    noted: Json = {NOTE: {"value": note}} if note else {}
    return noted if value is None else {ANSWER: {"value": value}} | noted


def carried_body(record: str, answers: Sequence[tuple[str, TeamAnswer]]) -> Json:
    """Body that changes only these people's responses to a record, by their ids."""
    responses = [
        {"user_id": user, "status": one.status, "values": response_values(one.value, one.note)} for user, one in answers
    ]
    return {"external_id": record, "responses": responses}


def remote_answer(response: Json, annotator: str) -> TeamAnswer:
    """What a person says."""
    note = (_value(response, NOTE) or "").strip()[:NOTE_LIMIT].rstrip()
    value = _value(response, ANSWER)
    return TeamAnswer(annotator, response["status"], value, note or None, moment(response["updated_at"]))


def _value(response: Json, question: str) -> Any:
    """What one of the questions was answered with, None for nothing."""
    return ((response["values"] or {}).get(question) or {}).get("value")


def remote_entry(record: Json) -> RemoteEntry:
    """The state of a record on the server; its suggestion only if it was requested."""
    agents = [one.get("agent") for one in record.get("suggestions") or []]
    model = next((agent or "unknown" for agent in agents), None)
    return RemoteEntry(record["external_id"] or "", record["id"], model, moment(record["inserted_at"]))


def copied_body(record: Json, setup: Setup, question: str, old_question: str) -> Json:
    """Body of a record for another dataset, with all responses and suggestions that fit there."""
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
    retained = [one for one in record.get("suggestions") or [] if one["question_id"] == old_question]
    body["suggestions"] = [
        {"question_id": question, **{key: one.get(key) for key in ("value", "score", "agent", "type")}}
        for one in retained
        if setup.question.fits(one["value"])
    ]
    return body


def fits(response: Json, setup: Setup) -> bool:
    """Whether a response can be given in a dataset of this setup."""
    return setup.question.fits(_value(response, ANSWER))


def moment(text: str) -> datetime:
    """Naive UTC; Argilla writes it without a zone."""
    parsed = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return parsed.astimezone(UTC).replace(tzinfo=None) if parsed.tzinfo else parsed
