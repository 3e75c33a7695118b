"""What a language model is sent about a record: instructions, the most similar answered records, its text.

Knows a task's form, no model and no server.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np

from core.arrays import Floats, Ints
from core.config.settings import Settings
from core.errors import Refused
from core.ids import RecordNo
from core.language_models.requests import ChatRequest, Message
from core.models.vectors import Halves
from core.tasks.language_form import LanguageForm
from core.tasks.task import Answer, Setup
from core.tasks.tasks import task_of

EXAMPLES = 6
"""answered records in a prompt"""
MOST_ANSWERED = 20_000
"""that are searched for similar ones: the newest"""
TEXT_CHARACTERS, EXAMPLE_CHARACTERS = 8_000, 1_000
"""of the record and of an example; the rest is cut off"""
CUT = " [...]"


@dataclass(frozen=True)
class Answered:
    """Records that people answered, as examples. rows: (n,) record numbers; the rest in the same order."""

    rows: Ints
    texts: Sequence[str]
    hashes: Sequence[str]
    answers: Sequence[Answer]


def form_of(settings: Settings) -> LanguageForm:
    """How the project's task is asked. Raises Refused where a language model cannot suggest its answers."""
    task = task_of(settings)
    form = task.language
    if form is None:
        other = "`rondo extract suggest` has a language model suggest them" if task.steps else "it does for labels"
        raise Refused(f"A language model does not suggest answers of the task {settings.task!r} in this way; {other}.")
    return form


def read_answered(cursor: duckdb.DuckDBPyConnection, stop: int) -> Answered:
    """The newest with a vector, as models read them. None are audit and gold records and what has their text, for they
    measure, nor what cleaning or balancing left out."""
    rows = cursor.execute(
        """select n, m.text, hash, answer from settled join records r using (n) join model_texts m using (n)
           where n < ? and n not in (select o.n from left_out o) and stratum in ('chosen', 'file', 'check')
             and hash not in (
               select t.hash from records t join settled z using (n) where z.stratum in ('gold', 'audit'))
             and hash not in (select t.hash from records t join queue q using (n) where q.audit)
           order by r.n desc limit ?""",
        [stop, MOST_ANSWERED],
    ).fetchall()
    return Answered(
        np.array([n for n, *_ in rows], np.int64),
        [text for _, text, *_ in rows],
        [digest for _, _, digest, _ in rows],
        [json.loads(answer) for *_, answer in rows],
    )


@dataclass(frozen=True)
class Prompts:
    """What makes prompts of one project at one moment. vectors: of all records."""

    form: LanguageForm
    setup: Setup
    instructions: str
    schema: Mapping[str, object]
    answered: Answered
    vectors: Halves

    def requests(self, records: Sequence[tuple[RecordNo, str, str]], max_tokens: int = 0) -> list[ChatRequest]:
        """records: (number, text, hash). One request each, named by its number."""
        known: Floats = np.asarray(self.vectors[self.answered.rows], np.float32)
        return [
            ChatRequest(
                str(n),
                tuple(self._messages(n, text, digest, known)),
                self.schema,
                max_tokens=max_tokens,
                logprobs=True,
            )
            for n, text, digest in records
        ]

    def _messages(self, record_no: RecordNo, text: str, digest: str, known: Floats) -> list[Message]:
        """The most similar example last, beside the record."""
        messages = [Message("system", self.instructions)]
        for position in reversed(self._similar(record_no, digest, known)):
            value = self.form.value(self.answered.answers[position], self.setup)
            if value is None:
                continue
            messages.append(Message("user", shortened(self.answered.texts[position], EXAMPLE_CHARACTERS)))
            messages.append(Message("assistant", json.dumps(value, ensure_ascii=False)))
        return [*messages, Message("user", shortened(text, TEXT_CHARACTERS))]

    def _similar(self, record_no: RecordNo, digest: str, known: Floats) -> list[int]:
        """Positions of the nearest answered records with other texts, nearest first; none without a vector."""
        if record_no >= len(self.vectors) or not len(known):
            return []
        cosines = known @ np.asarray(self.vectors[record_no], np.float32)
        order = np.argsort(-cosines, kind="stable")[: EXAMPLES + 50].tolist()
        others = [position for position in order if self.answered.hashes[position] != digest]
        return others[:EXAMPLES]


def shortened(text: str, most: int) -> str:
    """The beginning of a text that is longer."""
    return text if len(text) <= most else text[:most] + CUT


def make_prompts(cursor: duckdb.DuckDBPyConnection, settings: Settings, vectors: Halves) -> Prompts:
    """Raises Refused where the task is not asked in this way, or has nothing to choose from."""
    form, task = form_of(settings), task_of(settings)
    setup = task.setup(settings)
    if reason := task.unready(setup):
        raise Refused(reason)
    instructions = form.instructions(setup, settings.guidelines)
    return Prompts(form, setup, instructions, form.schema(setup), read_answered(cursor, len(vectors)), vectors)
