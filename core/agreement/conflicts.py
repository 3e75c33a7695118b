"""Records on which people disagree, with each person's answer, for somebody to decide. Changes nothing."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import duckdb

from core.config.settings import Settings
from core.ids import RecordNo
from core.labelling.cards import named_values, read_context
from core.labelling.responses import placeholders
from core.labelling.settling import ANSWERS, answer_parameters
from core.labelling.waiting import ASKED, asked_parameters
from core.project import Project
from core.tasks.task import Answer

TIE, DIFFER, FLAG, UNDECIDED = "tie", "differ", "flag", "undecided"
WORDS = {
    TIE: "nothing is settled",
    DIFFER: "settled, but not by all",
    FLAG: "flagged",
    UNDECIDED: "nobody has decided",
}
"""why a record is here"""


@dataclass(frozen=True)
class Opinion:
    """One person's answer: action is submit, skip or flag; answer: None but for a submit, labels: ids in it."""

    user: str
    action: str
    labels: tuple[str, ...]
    note: str | None
    answer: Answer | None = None


@dataclass(frozen=True)
class Conflict:
    """A record to decide. why: a key of WORDS. sure: how probable its likeliest label is by `rondo quality`, or None.

    answer: that is settled now, labels: ids in it; None: none. context: as a card has it.
    """

    id: str
    text: str
    fields: list[dict[str, str]]
    meta: list[dict[str, str]]
    why: str
    sure: float | None
    labels: tuple[str, ...] | None
    answers: tuple[Opinion, ...]
    answer: Answer | None = None
    context: dict[str, object] | None = None


# A file's label of a gold record is the known answer: people are measured by it, so there is nothing to decide.
_ANSWERED = "select n from responses where action <> 'undo'"
_CONFLICTS = f"""
    with answered as (
        select n, count(distinct answer) filter (action = 'submit') as kinds,
               count(*) filter (action = 'flag') as flags, max(received_at) filter (action = 'flag') as flagged_at
        from ({ANSWERS.format(ns=_ANSWERED)}) where counts and not from_file group by n
    ), still as (select n from ({ASKED.format(ns=_ANSWERED)}) where open)
    select n, case when kinds > 1 and settled.n is null then '{TIE}' when kinds > 1 then '{DIFFER}'
                   when flags > 0 then '{FLAG}' else '{UNDECIDED}' end as why,
           probability, n in (select n from still) as asked, settled.labels,
           settled.answer
    from answered left join settled using (n) left join crowd_labels using (n)
    where stratum is distinct from 'gold' and how is distinct from 'adjudicated'
      and (kinds > 1 or (flags > 0 and coalesce(settled_at < flagged_at, true))
           or (kinds = 1 and settled.n is null and n not in (select n from still)))
"""
# The most instructive first: ties, then the least probable labels; records that other people are still asked can wait.
_ORDER = f"asked, why <> '{TIE}', why = '{FLAG}', probability nulls last, n"


def read_conflicts(project: Project, most: int, leave_out: Collection[str] = ()) -> tuple[list[Conflict], int]:
    """The first ones without those of some ids, and how many there are in all."""
    settings = project.settings()
    parameters = asked_parameters(settings)
    with project.store.reading() as cursor:
        total = cursor.execute(f"select count(*) from ({_CONFLICTS})", parameters).fetchall()[0][0]
        if not total or not most:
            return [], total
        rows = cursor.execute(
            f"""select n, id, text, fields::varchar, meta::varchar, why, probability, labels, answer
                from ({_CONFLICTS}) join records using (n)
                where not list_contains($leave_out::varchar[], id) order by {_ORDER} limit $most::bigint""",
            {**parameters, "leave_out": list(leave_out), "most": most},
        ).fetchall()
        answers = _opinions(cursor, [row[0] for row in rows], settings)
        context = read_context(cursor, [row[0] for row in rows], settings)
    conflicts = [
        Conflict(
            id=id,
            text=text,
            fields=named_values(fields),
            meta=named_values(meta),
            why=why,
            sure=sure,
            labels=None if labels is None else tuple(labels),
            answers=tuple(answers.get(n, ())),
            answer=None if answer is None else json.loads(answer),
            context=context.get(n),
        )
        for n, id, text, fields, meta, why, sure, labels, answer in rows
    ]
    return conflicts, total


def still_in_conflict(project: Project, ids: Collection[str]) -> set[str]:
    """Those of these records that nobody has decided yet."""
    if not ids:
        return set()
    with project.store.reading() as cursor:
        rows = cursor.execute(
            f"select id from ({_CONFLICTS}) join records using (n) where list_contains($ids::varchar[], id)",
            {**asked_parameters(project.settings()), "ids": list(ids)},
        ).fetchall()
    return {id for (id,) in rows}


def _opinions(
    cursor: duckdb.DuckDBPyConnection, record_nos: Sequence[RecordNo], settings: Settings
) -> dict[int, list[Opinion]]:
    """Of each record, in the order in which they came."""
    query = ANSWERS.format(ns=",".join(map(str, record_nos)) or "null")
    result = cursor.execute(
        f"""select n, annotator, action, labels, answer from ({query}) where counts and not from_file
            order by received_at, annotator""",
        answer_parameters(settings),
    ).fetchall()
    notes = dict(_notes(cursor, record_nos))
    opinions: dict[int, list[Opinion]] = {}
    for n, user, action, labels, stored in result:
        answer = None if stored is None else json.loads(stored)
        opinions.setdefault(n, []).append(Opinion(user, action, tuple(labels), notes.get((n, user)), answer))
    return opinions


def _notes(cursor: duckdb.DuckDBPyConnection, record_nos: Sequence[RecordNo]) -> list[tuple[tuple[int, str], str]]:
    """The note of each person's newest answer that stands."""
    rows = cursor.execute(
        f"""select n, annotator, note from responses_in_force where n in ({placeholders(record_nos)})
            qualify row_number() over (partition by n, annotator order by stamp desc) = 1""",
        list(record_nos),
    ).fetchall()
    return [((n, user), note) for n, user, note in rows if note]
