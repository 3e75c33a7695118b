"""Records as people see them on a card. Knows no queue order and no leases."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from core.config.settings import Settings
from core.ids import RecordNo
from core.labelling.generated_answers import compare_with_head, is_withheld, read_generated
from core.labelling.waiting import Row
from core.tasks.tasks import task_of


@dataclass(frozen=True)
class Card:
    """A record as a person sees it. suggestion: None, or what the task says of
    it (of labels: {"labels": [{"id", "probability"}]}, best first) and "model". context: what the task shows beside it,
    where it shows something."""

    id: str
    text: str
    fields: list[dict[str, str]]
    meta: list[dict[str, str]]
    suggestion: dict[str, object] | None
    context: dict[str, object] | None = None


def read_cards(cursor: duckdb.DuckDBPyConnection, rows: Sequence[Row], settings: Settings) -> list[Card]:
    """In the order of `rows`."""
    if not rows:
        return []
    contents = cursor.execute(
        f"select n, text, fields::varchar, meta::varchar from records where n in ({', '.join('?' for _ in rows)})",
        [row.record_no for row in rows],
    ).fetchall()
    parts = {n: (text, named_values(fields), named_values(meta)) for n, text, fields, meta in contents}
    context, suggestions = read_context(cursor, list(parts), settings), _suggestions(cursor, rows, settings)
    return [
        Card(row.id, *parts[row.record_no], suggestions.get(row.record_no), context.get(row.record_no)) for row in rows
    ]


def read_context(
    cursor: duckdb.DuckDBPyConnection, record_nos: Sequence[int], settings: Settings
) -> Mapping[int, dict[str, object]]:
    """What the task shows beside each of these records, where it shows anything."""
    context = task_of(settings).context
    return context(cursor, record_nos) if context and record_nos else {}


def named_values(document: str | None) -> list[dict[str, str]]:
    """A JSON object as named texts; values that are empty are left out."""
    values = json.loads(document) if document else {}
    return [
        {"name": name, "value": value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}
        for name, value in values.items()
        if value is not None and value != ""
    ]


def _suggestions(
    cursor: duckdb.DuckDBPyConnection, rows: Sequence[Row], settings: Settings
) -> dict[RecordNo, dict[str, object]]:
    """By record; blind ones have none, and neither has a random share of those that a language model answered.

    The head's, unless the audit finds the language model better, or the head has none.
    """
    task = task_of(settings)
    seen = [row for row in rows if not row.blind] if settings.show_suggestions else []
    generated = read_generated(cursor, [row.record_no for row in seen]) if task.language and seen else {}
    both = [row.record_no for row in seen if row.suggestion and row.record_no in generated]
    better = compare_with_head(cursor, generated[both[0]].model).better if both else None
    result: dict[RecordNo, dict[str, object]] = {}
    for row in seen:
        answer = generated.get(row.record_no)
        if answer and is_withheld(row.id, settings):
            continue
        shown, model = None, row.model
        if row.suggestion and row.model and not (answer and better == "model"):
            shown = task.suggestion(json.loads(row.suggestion), settings)
        elif answer and task.language:
            shown, model = (
                task.suggestion(task.language.alternatives(answer.answer, answer.probability), settings),
                answer.model,
            )
        if shown:
            result[row.record_no] = {**shown, "model": model}
    return result
