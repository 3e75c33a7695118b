"""The records that belong in Argilla, with tiers of the queue and suggestions that may be shown. Sends nothing."""

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass

import duckdb

from core.config.settings import Settings
from core.exchange.datasets import EARLIER, team_form
from core.exchange.workspace import LAST, Outgoing, Suggested
from core.ids import RecordNo
from core.labelling.cards import Card, read_cards
from core.labelling.waiting import REVIEW, Row, read_waiting
from core.store.answers import ARGILLA
from core.tasks.questions import TEXT, Question, TeamForm

PER_PERSON = 20
"""records of one tier for each annotator: a strict order would have people work on the same ones"""


@dataclass(frozen=True)
class PushPlan:
    """ranks: n -> rank of what shall stand there; what has all its answers there already is left as it is.

    rows: their rows in the queue; what left the queue has none. blind: those that may have no suggestion there.
    waiting: how many of them people can answer.
    """

    ranks: dict[RecordNo, int]
    rows: dict[RecordNo, Row]
    blind: frozenset[int]
    waiting: int


def plan_push(
    cursor: duckdb.DuckDBPyConnection, settings: Settings, there: Collection[RecordNo], people: int
) -> PushPlan:
    """The open records of batches, spare ones only where those fall short of one tier, and all that stands there.

    there: n of the records that stand there already. A review is not sent: it must go to somebody who has not
    answered, which Argilla cannot promise. What people answered elsewhere, or what left the queue, comes last.
    """
    tier = max(PER_PERSON, PER_PERSON * people)
    waiting = read_waiting(cursor, settings)
    free = [row for row in waiting.open() if row.purpose != REVIEW]
    own = [row for row in free if row.first or not row.spare]
    spare = [row for row in free if row.spare and not row.first]
    chosen = {row.record_no for row in own + spare[: max(0, tier - len(own))]} | {
        row.record_no for row in spare if row.record_no in there
    }
    rows = {n: row for n, row in waiting.rows.items() if n in chosen or n in there}
    # what has all its answers from Argilla is handed out there no more
    completed = cursor.execute(
        """select n from responses where source = ? and action = 'submit'
           group by n having count(distinct annotator) >= ?""",
        [ARGILLA, settings.overlap],
    ).fetchall()
    done = {n for (n,) in completed}
    ranks = {n: rank for n, rank in tiers(rows.values(), tier).items() if n in chosen}
    ranks |= {n: LAST for n in there if n not in chosen and n not in done}
    hidden = frozenset(n for n, row in rows.items() if row.blind or not settings.show_suggestions)
    return PushPlan(ranks, rows, hidden, len(chosen))


def tiers(rows: Iterable[Row], size: int) -> dict[RecordNo, int]:
    """n -> tier, from 0, in the order of the queue. Answered records keep theirs, so that no other changes."""
    order = sorted(rows, key=lambda row: (not row.first, row.spare and not row.first, row.position, row.record_no))
    return {row.record_no: entry // size for entry, row in enumerate(order)}


def read_outgoing(
    cursor: duckdb.DuckDBPyConnection,
    plan: PushPlan,
    record_nos: Sequence[RecordNo],
    settings: Settings,
    question: Question,
) -> dict[RecordNo, Outgoing]:
    """These records as they are sent, to a dataset that asks this question."""
    rows = [plan.rows.get(RecordNo(n)) or _unqueued(cursor, RecordNo(n)) for n in record_nos]
    cards = read_cards(cursor, rows, settings)
    form = team_form(settings)
    return {
        row.record_no: Outgoing(
            id=card.id,
            fields=_fields(card, question),
            metadata={one["name"]: one["value"] for one in card.meta} | _earlier(card, form),
            rank=plan.ranks[row.record_no],
            suggestion=None if row.record_no in plan.blind else _suggested(card, form, question),
        )
        for row, card in zip(rows, cards, strict=True)
    }


def _earlier(card: Card, form: TeamForm) -> dict[str, str]:
    hint = form.hint(card.suggestion) if card.suggestion else ""
    return {EARLIER: hint} if hint else {}


def _fields(card: Card, question: Question) -> dict[str, str]:
    """Where pieces of the text are marked, the text as it is among them."""
    named = {one["name"]: one["value"] for one in card.fields}
    return {**named, TEXT: card.text} if question.marks or not named else named


def _unqueued(cursor: duckdb.DuckDBPyConnection, record_no: RecordNo) -> Row:
    """A row for a record that has left the queue."""
    record = cursor.execute("select id from records where n = ?", [record_no]).fetchall()[0][0]
    return Row(record_no, record, 0, 0.0, False, True, None, None, 0, False)


def _suggested(card: Card, form: TeamForm, question: Question) -> Suggested | None:
    proposed = form.proposed(card.suggestion, question) if card.suggestion else None
    return Suggested(*proposed, str(card.suggestion["model"])) if proposed and card.suggestion else None


def digest(record: Outgoing, *, blind: bool) -> str:
    """A hash of everything that is sent."""
    written = json.dumps([asdict(record), blind], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(written.encode()).hexdigest()[:32]
