"""The records that wait for people, in order, and who answered them; mirrors `queue`. Knows no lease and no clock."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

import duckdb

from core.settings import Settings
from core.settling import Answer, Facts, read_answers

_Place = tuple[bool, bool, float, int]


@dataclass(frozen=True)
class Row:
    """A queued record. `size` is the number of bytes that its card takes in a reply.

    purpose: None, 'check' or 'review'; since: answers from before it do not close a review.
    """

    n: int
    id: str
    batch: int
    position: float
    audit: bool
    spare: bool
    suggestion: str | None
    model: str | None
    size: int
    gold: bool
    source: str
    purpose: str | None = None
    since: datetime | None = None

    @property
    def blind(self) -> bool:
        """Shown without a suggestion: what people answer here must not lean on the model that it judges."""
        return self.audit or self.purpose is not None


class Waiting:
    """Order: records that nobody skipped before skipped ones, a batch's own before the spare ones, then by position.

    batch: number of the newest batch. own: its records that are not spare. numbers: record id -> n.
    """

    def __init__(self, rows: Iterable[Row], answers: Iterable[Answer], overlap: int, since: datetime) -> None:
        self.rows = {row.n: row for row in rows}
        self.numbers = {row.id: row.n for row in self.rows.values()}
        self.batch = max((row.batch for row in self.rows.values()), default=0)
        self.own = [n for n, row in self.rows.items() if row.batch == self.batch and not row.spare]
        self._overlap = overlap
        self._since = since
        self._answers: dict[int, dict[str, Answer]] = {}
        self._fresh: set[tuple[int, str]] = set()
        self._places: dict[int, _Place] = {}
        for answer in answers:
            self._note(answer)
        for n in self.rows:
            self._place(n)
        self._open = sorted(self._places.values())

    def __len__(self) -> int:
        return len(self._open)

    @property
    def since(self) -> int:
        """How many standing answers came after the newest batch and the newest model."""
        return len(self._fresh)

    @property
    def end(self) -> float:
        """The largest position there is, 0.0 in an empty queue."""
        return max((row.position for row in self.rows.values()), default=0.0)

    def open(self) -> Iterator[Row]:
        """The rows that somebody could still answer, first to hand out first. The caller may change rows meanwhile."""
        return (self.rows[place[3]] for place in list(self._open))

    def is_open(self, n: int) -> bool:
        """Whether the record is queued, not flagged and short of answers."""
        return n in self._places

    def answered_by(self, n: int, annotator: str) -> bool:
        """Whether this person has an answer of any kind to the record; one with a retired label does not count."""
        return annotator in self._answers.get(n, {})

    def answered(self, n: int) -> bool:
        """Whether anybody has."""
        return bool(self._answers.get(n))

    def facts(self, ns: list[int]) -> list[Facts]:
        """What the strata of these records depend on; empty where one of them is not queued."""
        rows = [self.rows[n] for n in ns if n in self.rows]
        return (
            [Facts(row.n, row.gold, row.source, row.audit, row.purpose == "check") for row in rows]
            if len(rows) == len(ns)
            else []
        )

    def labelled_by(self, n: int) -> set[str]:
        """The people whose labels the record has."""
        return {who for who, answer in self._answers.get(n, {}).items() if answer.action == "submit"}

    def add(self, rows: Iterable[Row]) -> None:
        """More spare rows, with nothing answered yet."""
        for row in rows:
            self.rows[row.n] = row
            self.numbers[row.id] = row.n
            self._move(row.n)

    def update(self, ns: Iterable[int], answers: Iterable[Answer]) -> None:
        """Replaces all that is known about the answers to these records."""
        ns = list(ns)
        for n in ns:
            self._fresh -= {(n, who) for who in self._answers.pop(n, {})}
        for answer in answers:
            self._note(answer)
        for n in ns:
            self._move(n)

    def batch_done(self) -> bool:
        """Whether each record in `own` has an answer; False where there is none."""
        return bool(self.own) and all(self.answered(n) for n in self.own)

    def _note(self, answer: Answer) -> None:
        if not answer.counts:
            return
        self._answers.setdefault(answer.n, {})[answer.annotator] = answer
        if answer.received_at > self._since:
            self._fresh.add((answer.n, answer.annotator))

    def _place(self, n: int) -> _Place | None:
        """Where the record stands, None where it is closed or not queued."""
        row, answers = self.rows.get(n), self._answers.get(n, {})
        actions = [answer.action for answer in answers.values()]
        if row is None or "flag" in actions or actions.count("submit") >= self._overlap:
            return None
        self._places[n] = (bool(actions.count("skip")), row.spare, row.position, n)
        return self._places[n]

    def _move(self, n: int) -> None:
        old = self._places.pop(n, None)
        if old is not None:
            del self._open[bisect_left(self._open, old)]
        new = self._place(n)
        if new is not None:
            insort(self._open, new)


_ROWS = """
    select n, id, batch, position, audit, spare, suggestion::varchar, model,
           strlen(text) + coalesce(strlen(fields::varchar), 0) + coalesce(strlen(meta::varchar), 0) + 200,
           split is not distinct from 'test', source, purpose, since
    from queue join records using (n)
    {where}
    qualify row_number() over (partition by n order by batch desc) = 1
"""


def read_rows(cursor: duckdb.DuckDBPyConnection, ns: list[int] | None = None) -> list[Row]:
    """The queue, or these records of it; a record that was queued twice stands where it was queued last."""
    if ns is None:
        return [Row(*row) for row in cursor.execute(_ROWS.format(where="")).fetchall()]
    where = "where n in (select unnest($ns::bigint[]))"
    return [Row(*row) for row in cursor.execute(_ROWS.format(where=where), {"ns": ns}).fetchall()]


def read_waiting(cursor: duckdb.DuckDBPyConnection, settings: Settings) -> Waiting:
    """The queue with all its answers. `since` starts at the newest batch or model, whichever is younger."""
    since = cursor.execute(
        "select coalesce(max(made_at), timestamp '1970-01-01') from "
        "(select made_at from batches union all select made_at from models)"
    ).fetchall()[0][0]
    answers = read_answers(cursor, "select n from queue", settings)
    return Waiting(read_rows(cursor), answers, settings.overlap, since)
