"""Records as people see them on a card. Knows no queue order and no leases."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import duckdb

from core.config.settings import Settings
from core.ids import RecordNo
from core.labelling.generated_answers import WHOLE, compare_with_head, is_withheld, read_generated
from core.labelling.settling import read_few_answers
from core.labelling.waiting import Row
from core.tasks.task import GeneratedAnswer
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
    texts = "model_texts" if settings.show_cleaned else "records"
    contents = cursor.execute(
        f"""select r.n, t.text, r.fields::varchar, r.meta::varchar from records r join {texts} t using (n)
            where r.n in ({", ".join("?" for _ in rows)})""",
        [row.record_no for row in rows],
    ).fetchall()
    parts = {n: (text, named_values(fields), named_values(meta)) for n, text, fields, meta in contents}
    context = read_context(cursor, list(parts), settings)
    seeing = [row for row in rows if not row.blind]
    generated, earlier = _generated(cursor, seeing, settings), _earlier(cursor, seeing, settings)
    return [
        Card(
            row.id,
            *parts[row.record_no],
            _suggestion(row, generated.get(row.record_no, ()), earlier.get(row.record_no), settings),
            context.get(row.record_no),
        )
        for row in rows
    ]


def read_context(
    cursor: duckdb.DuckDBPyConnection, record_nos: Sequence[RecordNo], settings: Settings
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


def _generated(
    cursor: duckdb.DuckDBPyConnection, rows: Sequence[Row], settings: Settings
) -> dict[int, tuple[GeneratedAnswer, ...]]:
    """By record number. A whole answer is outdone unless the audit finds its model better than the head."""
    generated = read_generated(cursor, [row.record_no for row in rows])
    if task_of(settings).language is None or not generated:
        return generated
    models = {one.model for answers in generated.values() for one in answers}
    better = {model for model in models if compare_with_head(cursor, model).better == "model"}
    return {
        n: tuple(one if one.model in better else replace(one, outdone=(WHOLE,)) for one in answers)
        for n, answers in generated.items()
    }


def _earlier(cursor: duckdb.DuckDBPyConnection, rows: Sequence[Row], settings: Settings) -> dict[int, str]:
    """By record number the newest answer to it, where it does not count now and the task can make a hint of it."""
    if task_of(settings).hinted is None or not rows:
        return {}
    answers = read_few_answers(cursor, [row.record_no for row in rows], settings)
    left = {one.record_no for one in answers if one.action == "submit" and not one.counts}
    if not left:
        return {}
    return dict(
        cursor.execute(
            f"""select n, arg_max(answer::varchar, stamp) from responses_in_force
                where action = 'submit' and n in ({", ".join("?" for _ in left)}) group by n""",
            list(left),
        ).fetchall()
    )


def _suggestion(
    row: Row, generated: Sequence[GeneratedAnswer], earlier: str | None, settings: Settings
) -> dict[str, object] | None:
    """None on blind rows, and on a random share of those that a language model answered as a whole. generated: what
    language models said of the record. earlier: what people answered when the labels were others."""
    if row.blind or not settings.show_suggestions:
        return None
    if generated and task_of(settings).language and is_withheld(row.id, settings):
        return None
    task = task_of(settings)
    shown = task.suggestion(json.loads(row.suggestion), settings) if row.suggestion and row.model else None
    shown = {**shown, "model": row.model} if shown else None
    shown = task.generated(shown, generated, settings) if generated else shown
    return task.hinted(shown, json.loads(earlier), settings) if task.hinted and earlier else shown
