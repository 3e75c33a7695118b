"""The labels that follow from what people answered, and how each was settled. Knows no queue and no page."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from core.labelling.responses import BULK, CORRECTION, FILE, marks
from core.settings import Settings


@dataclass(frozen=True)
class Answer:
    """What one person says now. counts: names no label that is gone. blind: given without a suggestion in view.

    via: how it came, as in `Event`. from_file: it came with a file, whichever; its id says so, since a person may be
    called like a file. corrects: this person's correction of the record stands, so what the person says now is one too.
    """

    n: int
    annotator: str
    action: str
    labels: tuple[str, ...]
    counts: bool
    blind: bool
    round: int
    received_at: datetime
    via: str | None = None
    from_file: bool = False
    corrects: bool = False


@dataclass(frozen=True)
class Facts:
    """What the stratum of a record's label depends on. check: asked to check machine labels."""

    n: int
    gold: bool
    audit: bool
    check: bool = False


def still_meant(action: str, labels: Sequence[str], settings: Settings) -> tuple[tuple[str, ...], bool]:
    """The labels not retired since, and whether the answer still counts: not when it has lost its last one."""
    active = {label.id for label in settings.taxonomy.active}
    kept = tuple(label for label in labels if label in active)
    fits = (not labels or bool(kept)) if settings.multi else len(kept) == len(labels) == 1
    return kept, action != "submit" or fits


# An event stands unless its author took it back by an undo that names it and its record; a person's answer to a record
# is the newest one that stands. So state is a function of the set of events: neither order nor repeats can change it.
# The same rule stands here twice: in SQL for a million records, and plainly for the few that one request touches,
# where planning the SQL takes three times as long as all the rest. A test holds the two together.
ANSWERS = f"""
    select n, annotator, action, kept as labels, model is null as blind, round, received_at, via,
           starts_with(event_id, '{FILE}') as from_file,
           bool_or(coalesce(via = '{CORRECTION}', false)) over (partition by n, annotator) as corrects,
           action <> 'submit'
               or if($multi, len(labels) = 0 or len(kept) > 0, len(labels) = 1 and len(kept) = 1) as counts
    from (
        select *, list_filter(labels, lambda x: list_contains($active::varchar[], x)) as kept from responses
    ) as answer
    where action <> 'undo' and n in ({{ns}})
      and not exists (
        select 1 from responses as undo where undo.action = 'undo' and undo.undoes = answer.event_id
          and undo.annotator = answer.annotator and undo.n = answer.n
      )
    qualify row_number() over (partition by n, annotator order by made_at desc, seq desc, event_id desc) = 1
"""


def answer_parameters(settings: Settings) -> dict[str, object]:
    """What `ANSWERS` binds."""
    return {"active": [label.id for label in settings.taxonomy.active], "multi": settings.multi}


def read_answers(cursor: duckdb.DuckDBPyConnection, query: str, settings: Settings) -> list[Answer]:
    """Every standing answer to the records of a query whose only column is n."""
    rows = cursor.execute(
        f"""select n, annotator, action, labels, counts, blind, round, received_at, via, from_file, corrects
            from ({ANSWERS.format(ns=query)})""",
        answer_parameters(settings),
    ).fetchall()
    return [Answer(n, who, action, tuple(labels), *rest) for n, who, action, labels, *rest in rows]


def read_few_answers(cursor: duckdb.DuckDBPyConnection, ns: Sequence[int], settings: Settings) -> list[Answer]:
    """The same for a few record numbers."""
    rows = cursor.execute(
        f"""select n, annotator, event_id, action, labels, undoes, made_at, seq, model is null, round, received_at, via,
                   starts_with(event_id, '{FILE}')
            from responses where n in ({marks(ns)}) order by made_at, seq, event_id""",
        list(ns),
    ).fetchall()
    undone = {(n, who, undoes) for n, who, _, action, _, undoes, *_ in rows if action == "undo"}
    standing = [row for row in rows if row[3] != "undo" and row[:3] not in undone]
    correctors = {(row[0], row[1]) for row in standing if row[11] == CORRECTION}
    newest = {
        (n, who): Answer(n, who, action, *still_meant(action, labels, settings), *[*rest[3:], (n, who) in correctors])
        for n, who, _, action, labels, *rest in standing
    }
    return list(newest.values())


# The answer that most people gave settles the record and a tie settles nothing, but the newest correction settles it
# whatever others said, and a label that came with a file counts only while no person has answered. Skips, flags and
# answers that name a retired label do not count. An answer given with a suggestion in view is no audit; correcting one
# keeps it in. Again in SQL and plainly.
_SETTLE = f"""
    insert into settled
    with told as (
        select * from ({ANSWERS})
        where action = 'submit' and counts
    ), given as (
        select * from told
        qualify (not from_file or bool_and(from_file) over (partition by n)) and (
            not bool_or(corrects) over (partition by n)
            or row_number() over (partition by n order by corrects desc, received_at desc, annotator desc) = 1)
    ), votes as (
        select given.n, given.labels, count(*) as votes, max(given.round) as round, max(received_at) as at,
               bool_and(given.blind or given.corrects) as blind, bool_or(given.corrects) as corrected,
               bool_and(coalesce(starts_with(given.via, '{BULK}'), false)) as bulk,
               bool_and(given.from_file) as from_file
        from given
        group by given.n, given.labels
    ), winners as (
        select *, sum(votes) over (partition by n) as voters from votes
        qualify rank() over (partition by n order by votes desc) = 1 and count(*) over (partition by n, votes) = 1
    ), asked as (
        select n, bool_or(audit) as audit, bool_or(coalesce(purpose = 'check', false)) as checked from queue group by n
    )
    select n, labels,
           case when corrected then 'adjudicated' when bulk then 'bulk' when voters = 1 then 'single'
                else 'majority' end,
           case when records.split = 'test' then 'gold' when asked.audit and blind then 'audit'
                when asked.checked and blind then 'check' when from_file then 'file' else 'chosen' end,
           winners.round, winners.at
    from winners join records using (n) left join asked using (n)
"""


def settle(cursor: duckdb.DuckDBPyConnection, query: str, settings: Settings) -> None:
    """Recomputes `settled` for the records of a query whose only column is n, in the caller's transaction."""
    cursor.execute(f"delete from settled where n in ({query})")
    cursor.execute(_SETTLE.format(ns=query), answer_parameters(settings))


def read_facts(cursor: duckdb.DuckDBPyConnection, ns: Sequence[int]) -> list[Facts]:
    """Of a few records, in no order."""
    rows = cursor.execute(
        f"""select n, split is not distinct from 'test',
                   exists (select 1 from queue where queue.n = records.n and audit),
                   exists (select 1 from queue where queue.n = records.n and purpose = 'check')
            from records where n in ({marks(ns)})""",
        list(ns),
    ).fetchall()
    return [Facts(*row) for row in rows]


def settle_few(cursor: duckdb.DuckDBPyConnection, facts: Sequence[Facts], settings: Settings) -> list[Answer]:
    """The same for a few records; returns the standing answers that it found."""
    ns = [fact.n for fact in facts]
    answers = read_few_answers(cursor, ns, settings)
    rows = [row for fact in facts if (row := _verdict(answers, fact)) is not None]
    cursor.execute(f"delete from settled where n in ({marks(ns)})", ns)
    if rows:
        places = ", ".join(["(?, ?, ?, ?, ?, ?)"] * len(rows))
        cursor.execute(f"insert into settled values {places}", [value for row in rows for value in row])
    return answers


def _verdict(answers: Sequence[Answer], fact: Facts) -> list[object] | None:
    """A row of `settled`, or None where the answers settle nothing."""
    votes: dict[tuple[str, ...], list[Answer]] = defaultdict(list)
    for answer in _voters([one for one in answers if one.n == fact.n and one.action == "submit" and one.counts]):
        votes[answer.labels].append(answer)
    most = max(map(len, votes.values()), default=0)
    winners = [labels for labels, given in votes.items() if len(given) == most]
    if len(winners) != 1:
        return None
    given = votes[winners[0]]
    latest, received = max(answer.round for answer in given), max(answer.received_at for answer in given)
    how = _how(given, sum(map(len, votes.values())))
    return [fact.n, list(winners[0]), how, _stratum(given, fact), latest, received]


def _voters(answers: list[Answer]) -> list[Answer]:
    """The newest correction alone, else every person, else the files."""
    answers = [answer for answer in answers if not answer.from_file] or answers
    corrections = [answer for answer in answers if answer.corrects]
    return [max(corrections, key=lambda one: (one.received_at, one.annotator))] if corrections else answers


def _how(given: list[Answer], voters: int) -> str:
    if given[0].corrects:
        return "adjudicated"
    if all(answer.via is not None and answer.via.startswith(BULK) for answer in given):
        return "bulk"
    return "single" if voters == 1 else "majority"


def _stratum(given: list[Answer], fact: Facts) -> str:
    if fact.gold:
        return "gold"
    if (fact.audit or fact.check) and all(answer.blind or answer.corrects for answer in given):
        return "audit" if fact.audit else "check"
    return "file" if all(answer.from_file for answer in given) else "chosen"
