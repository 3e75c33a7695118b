"""What a language model said of records as a whole, stored, and when people see it. Knows no prompt and no model."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from core.config.settings import Settings
from core.evaluation.reporting import FEWEST
from core.ids import RecordNo
from core.tasks.task import Answer

WHOLE = ""
"""`step` of an answer of a task that has no steps"""
VALID = "valid"


@dataclass(frozen=True)
class GeneratedAnswer:
    """A valid answer. probability: of all of it, None where the model does not say."""

    record_no: RecordNo
    model: str
    answer: Answer
    probability: float | None


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


def read_generated(
    cursor: duckdb.DuckDBPyConnection, record_nos: Sequence[RecordNo]
) -> dict[RecordNo, GeneratedAnswer]:
    """Of these records the newest language model's valid answers."""
    rows = cursor.execute(
        """select n, model, answer, confidence from generated_answers
           where step = $step and state = $valid and answer is not null and n in (select unnest($ns::bigint[]))
           qualify row_number() over (partition by n order by made_at desc, model) = 1""",
        {"step": WHOLE, "valid": VALID, "ns": list(record_nos)},
    ).fetchall()
    return {n: GeneratedAnswer(n, model, json.loads(answer), sure) for n, model, answer, sure in rows}


def compare_with_head(cursor: duckdb.DuckDBPyConnection, model: str) -> Comparison:
    """On the audit records that both answered, none of which taught what predicted it; an invalid answer is wrong."""
    row = cursor.execute(
        """select count(*), sum(h.weight), sum(h.weight * (h.truth_answer::varchar = h.predicted_answer::varchar)::int),
                  sum(h.weight * coalesce((g.answer::varchar = s.answer::varchar)::int, 0))
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
