"""The queued records in order, and who answered them; mirrors the table `queue`. Knows no lease and no clock."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

import duckdb

from core.config.settings import Settings
from core.ids import RecordNo
from core.labelling.settling import ANSWERS, AnswerInForce, RecordFacts, answer_parameters, read_answers

REVIEW = "review"
"""purpose of a settled record that somebody shall look at again, blind"""
CHECK = "check"
"""purpose of a record that checks machine labels, blind"""
REQUESTED = "wanted"
"""purpose of an unlabelled record that a person sent to the front"""
CALIBRATION = "calibration"
"""purpose of a gold record that every annotator answers once, blind, to be measured by"""
TEST = "test"
"""purpose of a test record without a label: answered blind, as others are, and gold by the answer"""
RECALL = "recall"
"""purpose of a pair that the search for candidates did not find: asked blind, to measure what it misses"""
BESIDE = (CHECK, REVIEW, CALIBRATION, TEST, RECALL)
"""purposes of records that are asked blind and do not belong to a batch's own"""
_BESIDE = ", ".join(f"'{purpose}'" for purpose in BESIDE)
EVERYBODY = 1_000_000_000
"""how many people shall answer a calibration record"""
_ANSWERS_REQUESTED: dict[str | None, int] = {REVIEW: 1, CALIBRATION: EVERYBODY}
GONE_DAYS = 30
"""who has answered nothing for so long before the newest answer is not waited for"""

# A record that was queued twice has the position where it was queued last.
_NEWEST = "row_number() over (partition by n order by batch desc, since desc nulls last) = 1"

# The rules of `Row` and `Waiting` once more, for a million records; a test holds the two together.
ASKED = f"""
    select row.n, row.spare, row.purpose,
           row.audit or coalesce(row.purpose in ({_BESIDE}), false) as blind,
           count(*) filter (action = 'submit') as given, count(*) filter (action = 'skip') as skips,
           count(*) filter (action = 'flag') as flags, row.position,
           row.purpose is not distinct from '{CALIBRATION}'
               or (flags = 0 and given < if(row.purpose is not distinct from '{REVIEW}', 1, $overlap)) as open
    from (select * from queue where n in ({{ns}}) qualify {_NEWEST}) as row
    left join (select n, action, stamp from ({ANSWERS}) where counts) as reply
        on reply.n = row.n and not (row.purpose is not distinct from '{REVIEW}'
                                     and coalesce(reply.stamp <= row.since, false))
    group by row.n, row.spare, row.purpose, row.audit, row.position
"""
"""queued records with the answers to their asking; open: somebody could still answer; binds `asked_parameters`"""

BLIND = f"select n from ({ASKED}) where blind and open"
"""those of a query that wait for a blind answer: nothing that a model says of them is shown anywhere"""

MAY_BE_BLIND = f"select n from queue where audit or purpose in ({_BESIDE})"
"""a query for `BLIND` where all records are meant"""


MAY_BE_OPEN = f"""
    select n from queue where $overlap > 1 or purpose in ('{REVIEW}', '{CALIBRATION}')
        or n not in (select s.n from settled s)
"""
"""a query for `ASKED` where only open ones are meant: where one answer is enough a label closes all others, and in time
that is almost all"""


def asked_parameters(settings: Settings) -> dict[str, object]:
    """What `ASKED` and `BLIND` bind."""
    return {**answer_parameters(settings), "overlap": settings.overlap}


_Rank = tuple[bool, bool, bool, float, RecordNo]


class Row(NamedTuple):  # thousands are made at once: a frozen dataclass takes eight times as long
    """A queued record. `size` is the number of bytes that its card takes in a reply.

    purpose: None, REQUESTED or one of BESIDE; since: only answers after this stamp close a review.
    checks: whether the record was ever queued to check machine labels.
    """

    record_no: RecordNo
    id: str
    batch: int
    position: float
    audit: bool
    spare: bool
    suggestion: str | None
    model: str | None
    size: int
    gold: bool
    purpose: str | None = None
    since: int | None = None
    checks: bool = False

    @property
    def blind(self) -> bool:
        """Shown without a suggestion: an answer that a model is scored on must not be influenced by it."""
        return self.audit or self.purpose in BESIDE

    @property
    def first(self) -> bool:
        """Whether it goes before the batch: a review, or sent by a person."""
        return self.purpose in (REVIEW, REQUESTED)

    def closes(self, answer: AnswerInForce) -> bool:
        """Whether the answer belongs to this request; answers from before a review do not."""
        return self.purpose != REVIEW or self.since is None or answer.stamp > self.since


class Whole(NamedTuple):
    """About the whole queue, of which the first rows were read. batch, own: as in `Waiting`. end: the largest position.

    open, untouched: how many could be answered, calibration aside, and how many of them nobody has. last: up to which,
    in the order of `Waiting`, every open record was read; None for all.
    """

    batch: int
    own: list[RecordNo]
    end: float
    open: int
    untouched: int
    last: RecordNo | None


class Waiting:
    """Order: records that nobody skipped before skipped ones, then what goes `first`, a batch's own, the spare ones.

    Then by position. batch: number of the newest batch. own: its records without a purpose, the spare ones aside.
    numbers: record id -> n. people: who answers on the card or in Argilla, so that a review goes to somebody else.
    whole: where rows are left out, which are closed, or come after the open ones that are there.
    """

    def __init__(  # noqa: PLR0913 - read together
        self,
        rows: Iterable[Row],
        answers: Iterable[AnswerInForce],
        overlap: int,
        since: datetime,
        people: Iterable[str] = (),
        whole: Whole | None = None,
    ) -> None:
        self.rows = {row.record_no: row for row in rows}
        self.numbers = {row.id: row.record_no for row in self.rows.values()}
        self.batch = whole.batch if whole else max((row.batch for row in self.rows.values()), default=0)
        own = (n for n, row in self.rows.items() if row.batch == self.batch and not (row.spare or row.purpose))
        self.own = whole.own if whole else list(own)
        self.people = set(people)
        self._overlap = overlap
        self._since = since
        self._end = whole.end if whole else 0.0
        self._left_out = self._left_out_untouched = 0
        self._late: set[RecordNo] = set()
        self._answers: dict[RecordNo, dict[str, AnswerInForce]] = {}
        self._fresh: set[tuple[RecordNo, str]] = set()
        self._ranks: dict[RecordNo, _Rank] = {}
        self._partly: set[RecordNo] = set()
        for answer in answers:
            self._note(answer)
        for n in self.rows:
            self._rank(n)
        self._open = sorted(self._ranks.values())
        self._calibrating = sum(row.purpose == CALIBRATION for row in self.rows.values())
        self._last = self._ranks[whole.last] if whole and whole.last is not None else None
        if whole:
            self._left_out, self._left_out_untouched = whole.open - len(self), whole.untouched - self.untouched

    def __len__(self) -> int:
        """Without calibration records, which every annotator gets."""
        return len(self._open) - self._calibrating + self._left_out

    @property
    def complete(self) -> bool:
        """Whether every open record is there."""
        return self._last is None

    @property
    def untouched(self) -> int:
        """Of these, how many nobody has answered in any way, reviews aside."""
        return len(self._open) - self._calibrating - len(self._partly) + self._left_out_untouched

    @property
    def since(self) -> int:
        """How many current answers to queued records came after the newest batch and model."""
        return len(self._fresh)

    @property
    def end(self) -> float:
        """The largest position there is, 0.0 in an empty queue."""
        return max(self._end, max((row.position for row in self.rows.values()), default=self._end))

    def open(self) -> Iterator[Row]:
        """The rows that somebody could still answer, first to hand out first; where not `complete`, the first of them.
        The caller may change rows meanwhile."""
        end = None if self._last is None else bisect_right(self._open, self._last)
        return (self.rows[rank[4]] for rank in self._open[:end])

    def open_among(self, record_nos: Iterable[RecordNo]) -> list[Row]:
        """Those of these that could still be answered, in the same order."""
        return [self.rows[rank[4]] for rank in sorted(self._ranks[n] for n in record_nos if n in self._ranks)]

    def answered_by(self, record_no: RecordNo, annotator: str) -> bool:
        """Whether this person has an answer of any kind to the record; one with a retired label does not count.

        Nor, where the record is under review, one from before.
        """
        answers = self._answers.get(record_no)
        answer = answers.get(annotator) if answers else None
        return answer is not None and (record_no not in self.rows or self.rows[record_no].closes(answer))

    def may_answer(self, record_no: RecordNo, annotator: str) -> bool:
        """Whether the record is open to this person: a review goes to people who did not label it before.

        Where there is nobody else, or they all had it and passed, it goes to the same person again.
        """
        if record_no not in self._ranks or self.answered_by(record_no, annotator):
            return False
        answers = self._answers.get(record_no)
        if not answers:
            return True
        row = self.rows[record_no]
        if row.purpose != REVIEW or annotator not in answers or answers[annotator].action != "submit":
            return True
        done = {user for user, answer in answers.items() if answer.action == "submit" or row.closes(answer)}
        return done >= self.people

    def answers_requested(self, record_no: RecordNo) -> int:
        """How many people shall label the record."""
        return _ANSWERS_REQUESTED.get(self.rows[record_no].purpose, self._overlap)

    def answered(self, record_no: RecordNo) -> bool:
        """Whether anybody has."""
        return bool(self._answers.get(record_no))

    def facts(self, record_nos: list[RecordNo]) -> list[RecordFacts]:
        """What the strata of these records depend on; empty where one of them is not queued, or was left out."""
        rows = [self.rows[n] for n in record_nos if n in self.rows and n not in self._late]
        facts = [
            RecordFacts(row.record_no, row.gold, row.audit, row.checks, row.since, row.purpose == RECALL)
            for row in rows
        ]
        return facts if len(rows) == len(record_nos) else []

    def labelled_by(self, record_no: RecordNo) -> set[str]:
        """The people whose labels the record has; under review, has anew."""
        supplied = self._answers.get(record_no)
        if not supplied:
            return set()
        row = self.rows[record_no]
        return {user for user, answer in supplied.items() if answer.action == "submit" and row.closes(answer)}

    def add(self, rows: Iterable[Row]) -> None:
        """Adds spare rows without any answer yet, where it is `complete`."""
        for row in rows:
            self._know(row)
            self._move(row.record_no)

    def read_late(self, rows: Iterable[Row], answers: Iterable[AnswerInForce]) -> None:
        """Rows that were left out, with all answers to them, before anything about them changes."""
        rows, before = list(rows), (len(self), self.untouched)
        for row in rows:
            self._know(row)
            self._late.add(row.record_no)
            self._calibrating += row.purpose == CALIBRATION
        for answer in answers:
            self._note(answer)
        for row in rows:
            self._move(row.record_no)
        self._left_out -= len(self) - before[0]
        self._left_out_untouched -= self.untouched - before[1]

    def _know(self, row: Row) -> None:
        self.rows[row.record_no] = row
        self.numbers[row.id] = row.record_no

    def update(self, record_nos: Iterable[RecordNo], answers: Iterable[AnswerInForce]) -> None:
        """Replaces all that is known about the answers to these records."""
        record_nos = list(record_nos)
        for n in record_nos:
            self._fresh -= {(n, user) for user in self._answers.pop(n, {})}
        for answer in answers:
            self._note(answer)
        for n in record_nos:
            self._move(n)

    def batch_done(self) -> bool:
        """Whether each record in `own` has an answer; False where there is none."""
        return bool(self.own) and all(self.answered(n) for n in self.own)

    def _note(self, answer: AnswerInForce) -> None:
        if not answer.counts:
            return
        self._answers.setdefault(answer.record_no, {})[answer.annotator] = answer
        row = self.rows.get(answer.record_no)
        if answer.received_at > self._since and not (row and row.purpose in BESIDE):
            self._fresh.add((answer.record_no, answer.annotator))

    def _rank(self, record_no: RecordNo) -> _Rank | None:
        """The record's rank in the order, None where it is closed or not queued."""
        self._partly.discard(record_no)
        row = self.rows.get(record_no)
        if row is None:
            return None
        actions = []
        if row.purpose != CALIBRATION:  # there other people's answers do not matter
            answers = self._answers.get(record_no)
            actions = [answer.action for answer in answers.values() if row.closes(answer)] if answers else []
            if "flag" in actions or actions.count("submit") >= self.answers_requested(record_no):
                return None
            if answers or row.purpose == REVIEW:
                self._partly.add(record_no)
        rank = ("skip" in actions, not row.first, row.spare and not row.first, row.position, record_no)
        self._ranks[record_no] = rank
        return rank

    def _move(self, record_no: RecordNo) -> None:
        old = self._ranks.pop(record_no, None)
        if old is not None:
            del self._open[bisect_left(self._open, old)]
        new = self._rank(record_no)
        if new is not None:
            insort(self._open, new)


_ROWS = """
    select n, id, batch, position, audit, spare, suggestion::varchar, model,
           strlen(text) + coalesce(strlen(fields::varchar), 0) + coalesce(strlen(meta::varchar), 0) + 200,
           split is not distinct from 'test', purpose, since,
           bool_or(coalesce(purpose = 'check', false)) over (partition by n)
    from queue join records using (n)
    {where}
    qualify {newest}
"""


def read_rows(cursor: duckdb.DuckDBPyConnection, record_nos: list[RecordNo] | None = None) -> list[Row]:
    """The queue, or these records of it; a record that was queued twice has the position where it was queued last.

    A record that checks machine labels keeps that row when a review brings a second one: its label stays a check.
    """
    where = "" if record_nos is None else "where n in (select unnest($ns::bigint[]))"
    rows = cursor.execute(_ROWS.format(where=where, newest=_NEWEST), {} if record_nos is None else {"ns": record_nos})
    return list(map(Row._make, rows.fetchall()))


def read_waiting(cursor: duckdb.DuckDBPyConnection, settings: Settings) -> Waiting:
    """The queue with all its answers. `since` starts at the newest batch or round's model, whichever is younger."""
    answers = read_answers(cursor, "select n from queue", settings)
    return Waiting(read_rows(cursor), answers, settings.overlap, _since(cursor), _people(cursor))


def read_open(
    cursor: duckdb.DuckDBPyConnection, settings: Settings, most: int, besides: Collection[RecordNo] = ()
) -> Waiting:
    """The same without most rows: with the first `most` that are open, those that somebody holds, or has answered since
    the newest batch, and `besides`. Any other has to be told by `read_late` before it is answered."""
    since = _since(cursor)
    first = cursor.execute(_OPEN, asked_parameters(settings) | {"most": most}).fetchall()
    others = cursor.execute(_BESIDES, {"since": since, "besides": list(besides)}).fetchall()
    [(batch, end)] = cursor.execute(_NEWEST_AND_LAST).fetchall()
    own = [n for (n,) in cursor.execute(_OWN, [batch]).fetchall()]
    every, open, untouched = first[0][1:] if first else (0, 0, 0)
    record_nos = [n for n, *_ in first]
    whole = Whole(batch, own, end, open, untouched, record_nos[-1] if every > len(first) else None)
    record_nos = list({*record_nos, *(n for (n,) in others)})
    answers = read_answers(cursor, "select unnest($ns::bigint[])", settings, {"ns": list({*record_nos, *own})})
    return Waiting(read_rows(cursor, record_nos), answers, settings.overlap, since, _people(cursor), whole)


# In the order of `Waiting`, with counts of all that is open, and of that without calibration.
_OPEN = f"""
    select n, count(*) over (), sum((not calibrating)::bigint) over ()::bigint,
           sum((not calibrating and not answered)::bigint) over ()::bigint
    from (
        select *, purpose is not distinct from '{CALIBRATION}' as calibrating,
               given + skips + flags > 0 or purpose is not distinct from '{REVIEW}' as answered,
               coalesce(purpose in ('{REVIEW}', '{REQUESTED}'), false) as first
        from ({ASKED.format(ns=MAY_BE_OPEN)}) where open
    ) order by skips > 0 and not calibrating, not first, spare and not first, position, n limit $most
"""
_BESIDES = """
    select n from queue where n in (select n from leases) or n in (select unnest($besides::bigint[])) or n in (
        select r.n from responses r where r.received_at > $since)
"""
_NEWEST_AND_LAST = "select coalesce(max(batch), 0), coalesce(max(position), 0.0) from queue"
_OWN = f"""
    select n from (select * from queue where batch = ? qualify {_NEWEST}) where not spare and purpose is null
"""


def _since(cursor: duckdb.DuckDBPyConnection) -> datetime:
    query = """select coalesce(max(made_at), timestamp '1970-01-01') from
               (select made_at from batches union all select made_at from models where trainer is null)"""
    [(since,)] = cursor.execute(query).fetchall()
    return since  # type: ignore[no-any-return]


def _people(cursor: duckdb.DuckDBPyConnection) -> list[str]:
    return [user for (user,) in cursor.execute(_PEOPLE).fetchall()]


# Not files, nor people who only correct on other pages, nor people who have left: records would wait for them in vain.
_PEOPLE = f"""
    select annotator from responses where source in ('app', 'argilla')
    group by annotator
    having max(received_at) > (select max(received_at) from responses) - interval {GONE_DAYS} days
"""
