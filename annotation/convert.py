"""Conversion between Rondo's records and answers and the JSON of Argilla's API. Pure; sends nothing."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from core.exchange.workspace import LAST, SUBMITTED, Outgoing, Placed, Setup, Suggested, TeamAnswer
from core.labelling.responses import NOTE_LIMIT

LABEL, NOTE, RANK, STATE = "label", "note", "queue_rank", "rondo_state"
NONE = "(none)"
"""value of the option that says none of the labels, since Argilla wants at least one"""
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
    """The label or labels, and a note that nobody must write."""
    kind = "multi_label_selection" if setup.multi else "label_selection"
    title = "Which labels fit?" if setup.multi else "Which label fits?"
    entries = {"name": LABEL, "title": title, "required": True, "settings": {"type": kind, "options": options(setup)}}
    note = {"name": NOTE, "title": "Note", "required": False, "settings": {"type": "text", "use_markdown": False}}
    return [entries, note]


def label_change(setup: Setup) -> Json:
    """Body that renames the labels of a published dataset."""
    kind = "multi_label_selection" if setup.multi else "label_selection"
    return {"settings": {"type": kind, "options": options(setup)}}


def options(setup: Setup) -> list[Json]:
    """An option's value is the label's id, so that a rename touches no answer."""
    result = [
        {"value": id, "text": cut(name, "text"), "description": cut(description, "description")}
        for id, name, description in setup.labels
    ]
    none = {"value": NONE, "text": "None of these", "description": None}
    return [*result, none] if setup.multi else result


def record_body(record: Outgoing, setup: Setup, question: str, others: Mapping[str, object]) -> Json:
    """Body that creates or changes a record. others: metadata there that is not ours, sent back, since it would be lost
    otherwise.

    question: id of the one that asks for labels.
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
    """None where none of its labels is in the dataset."""
    pairs = [
        (label, score)
        for label, score in zip(suggested.labels, suggested.scores, strict=True)
        if label in setup.label_ids
    ]
    if not pairs:
        return None
    labels, scores = [label for label, _ in pairs], [score for _, score in pairs]
    value: Json = {"value": labels, "score": scores} if setup.multi else {"value": labels[0], "score": scores[0]}
    return {"question_id": question, "type": "model", "agent": suggested.model, **value}


def response_values(labels: Sequence[str], note: str | None, setup: Setup, status: str = SUBMITTED) -> Json:
    """An answer in Argilla's form; only a submitted one needs a label."""
    noted: Json = {NOTE: {"value": note}} if note else {}
    if not labels and status != SUBMITTED:
        return noted
    value: object = (list(labels) or [NONE]) if setup.multi else labels[0]
    return {LABEL: {"value": value}} | noted


def carried_body(record: str, answers: Sequence[tuple[str, TeamAnswer]], setup: Setup) -> Json:
    """Body that changes only these people's responses to a record, by their ids."""
    responses = [
        {"user_id": user, "status": one.status, "values": response_values(one.labels, one.note, setup, one.status)}
        for user, one in answers
    ]
    return {"external_id": record, "responses": responses}


def remote_answer(response: Json, annotator: str) -> TeamAnswer:
    """A person's answer. Where 'none of these' is given beside labels, the labels count."""
    values = response["values"] or {}
    supplied = values.get(LABEL, {}).get("value")
    labels = [supplied] if isinstance(supplied, str) else list(supplied or [])
    note = (values.get(NOTE, {}).get("value") or "").strip()[:NOTE_LIMIT].rstrip()
    retained = tuple(sorted({label for label in labels if label != NONE}))
    return TeamAnswer(annotator, response["status"], retained, note or None, moment(response["updated_at"]))


def placed(record: Json) -> Placed:
    """The state of a record on the server; its suggestion only if it was requested."""
    agents = [one.get("agent") for one in record.get("suggestions") or []]
    model = next((agent or "unknown" for agent in agents), None)
    return Placed(record["external_id"] or "", record["id"], model, moment(record["inserted_at"]))


def copied_body(record: Json, setup: Setup, question: str, old_question: str) -> Json:
    """Body of a record for another dataset, with all responses and suggestions that fit there."""
    body: Json = {
        "external_id": record["external_id"],
        "fields": {name: value for name, value in record["fields"].items() if name in _field_names(setup)},
        "metadata": record.get("metadata") or {},
        "responses": [_copied_response(one) for one in record.get("responses") or [] if fits(one, setup)],
    }
    body["fields"] = {setup.fields[0]: "", **body["fields"]}
    retained = [one for one in record.get("suggestions") or [] if one["question_id"] == old_question]
    body["suggestions"] = [
        {"question_id": question, **{key: one.get(key) for key in ("value", "score", "agent", "type")}}
        for one in retained
        if set(_listed(one["value"])) <= set(setup.label_ids)
    ]
    return body


def fits(response: Json, setup: Setup) -> bool:
    """Whether a response can be given in a dataset of this setup."""
    supplied = _listed(((response["values"] or {}).get(LABEL) or {}).get("value"))
    return set(supplied) <= {*setup.label_ids, *([NONE] if setup.multi else [])}


def _copied_response(response: Json) -> Json:
    return {"user_id": response["user_id"], "values": response["values"] or {}, "status": response["status"]}


def _listed(value: str | list[str] | None) -> list[str]:
    return [value] if isinstance(value, str) else list(value or [])


def _field_names(setup: Setup) -> set[str]:
    return {*setup.fields, *map(context_name, setup.context)}


def moment(text: str) -> datetime:
    """Naive UTC; Argilla writes it without a zone."""
    parsed = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return parsed.astimezone(UTC).replace(tzinfo=None) if parsed.tzinfo else parsed
