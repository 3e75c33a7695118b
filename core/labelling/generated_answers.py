"""What language models say of records: stored, and which of it is suggested. Knows no model and no task."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import duckdb

from core.config.settings import Settings
from core.evaluation.reporting import FEWEST
from core.ids import RecordNo
from core.store.database import utc_now
from core.tasks.task import GeneratedAnswer

VALID = "valid"
WHOLE = ""
"""`step` of an answer of a task that has no steps"""


@dataclass(frozen=True, kw_only=True)
class GeneratedRow:
    """As the table has it. step: "" for a task without steps. answer: JSON, of a step its value; None: there is none
    that can be read. spans: where its values stand. inputs: step -> whose answer of it was in the prompt. cost: US
    dollars, None: unknown."""

    record_no: RecordNo
    step: str
    model: str
    state: str
    answer: object = None
    spans: object = None
    confidence: float | None = None
    inputs: Mapping[str, str] | None = None
    raw: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float | None = None
    seconds: float = 0.0


def store_generated(cursor: duckdb.DuckDBPyConnection, rows: Iterable[GeneratedRow]) -> None:
    """An answer to the same question by the same model replaces the one before. The caller holds the transaction.

    Half of a surrogate pair, as of an emoji that was cut, becomes a question mark.
    """
    now = utc_now()
    last = {(one.record_no, one.step, one.model): one for one in rows}  # one statement writes no key twice
    values = [
        (
            *key,
            None if one.answer is None else json.dumps(one.answer, ensure_ascii=False),
            None if one.spans is None else json.dumps(one.spans, ensure_ascii=False),
            one.state,
            one.confidence,
            json.dumps(dict(one.inputs or {})),
            one.raw.encode(errors="replace").decode(),
            one.tokens_in,
            one.tokens_out,
            one.seconds,
            now,
            one.cost,
        )
        for key, one in last.items()
    ]
    if values:
        cursor.execute(_STORE, [list(column) for column in zip(*values, strict=True)])


# Column by column: a row at a time takes milliseconds each.
_STORE = """
    insert or replace into generated_answers (n, step, model, answer, spans, state, confidence, inputs, raw, tokens_in,
                                              tokens_out, seconds, made_at, cost)
    select unnest(?::bigint[]), unnest(?::varchar[]), unnest(?::varchar[]), unnest(?::varchar[])::json,
           unnest(?::varchar[])::json, unnest(?::varchar[]), unnest(?::double[]), unnest(?::varchar[])::json,
           unnest(?::varchar[]), unnest(?::bigint[]), unnest(?::bigint[]), unnest(?::double[]), unnest(?::timestamp[]),
           unnest(?::double[])
"""

# The model in use for a step is that of its last line in the log; without a line it is the one that answered last.
_SHOWN = """
    with in_use as (
        select step, model, evidence from step_models
        qualify row_number() over (partition by step order by since desc, rowid desc) = 1
    )
    select n, g.step, g.model, g.answer::varchar, g.spans::varchar, g.confidence, in_use.evidence->'$.outdone'
    from generated_answers g left join in_use using (step)
    where g.state = 'valid' and g.n in (select unnest($ns::bigint[]))
      and (in_use.step is null and not $promoted or in_use.model = g.model)
    qualify row_number() over (partition by n, g.step order by made_at desc) = 1
    order by n, g.step
"""


def models_in_use(cursor: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Step -> whose answers are suggested, by the log; steps for which it names none are missing."""
    rows = cursor.execute(
        """select step, model from step_models
           qualify row_number() over (partition by step order by since desc, rowid desc) = 1"""
    ).fetchall()
    return {step: model for step, model in rows if model is not None}


def read_generated(
    cursor: duckdb.DuckDBPyConnection, record_nos: Sequence[int], *, promoted: bool = False
) -> dict[int, tuple[GeneratedAnswer, ...]]:
    """Record number -> what may be suggested of it, one for each step; records without any are missing.

    promoted: only of models that the log names.
    """
    result: dict[int, tuple[GeneratedAnswer, ...]] = {}
    for n, step, model, answer, spans, confidence, outdone in cursor.execute(
        _SHOWN, {"ns": list(record_nos), "promoted": promoted}
    ).fetchall():
        one = GeneratedAnswer(
            step=step,
            model=model,
            answer=json.loads(answer),
            spans=json.loads(spans) if spans else {},
            confidence=confidence,
            outdone=tuple(json.loads(outdone)) if outdone else (),
        )
        result[n] = (*result.get(n, ()), one)
    return result


@dataclass(frozen=True)
class Comparison:
    """Head in use and language model on the same audit records. head, model: shares that are right, weighted."""

    records: int
    head: float
    model: float

    @property
    def better(self) -> str | None:
        """'head' or 'model'; None where they are too few to say, or the same."""
        if self.records < FEWEST or self.head == self.model:
            return None
        return "head" if self.head > self.model else "model"


def newest_language_model(cursor: duckdb.DuckDBPyConnection) -> str | None:
    """The one that answered last, whose answers are suggested."""
    query = "select model from generated_answers where step = ? order by made_at desc, model limit 1"
    row = cursor.execute(query, [WHOLE]).fetchone()
    return row[0] if row else None


def compare_with_head(cursor: duckdb.DuckDBPyConnection, model: str) -> Comparison:
    """On the audit records that both answered, none of which taught what predicted it; an invalid answer is wrong."""
    row = cursor.execute(
        """select count(*), sum(h.weight), sum(h.weight * (h.truth_answer::varchar = h.predicted_answer::varchar)::int),
                  sum(h.weight * coalesce((json(g.answer)::varchar = s.answer::varchar)::int, 0))
           from held_out_predictions h join settled s using (n) join generated_answers g using (n)
           where h.stratum = 'audit' and s.stratum = 'audit' and g.step = ? and g.model = ?""",
        [WHOLE, model],
    ).fetchall()[0]
    records, weight, head, language_model = row
    return Comparison(records, head / weight, language_model / weight) if weight else Comparison(0, 0.0, 0.0)


def is_withheld(record_id: str, settings: Settings) -> bool:
    """Whether no suggestion is shown beside this record though a language model answered it, to measure how suggestions
    sway people: a share drawn at random, the same ones always."""
    digest = hashlib.sha256(f"{settings.seed} {record_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < settings.unassisted_share * 2**64
