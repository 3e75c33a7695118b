"""The labels that follow from what people answered, and how each was settled. Knows no queue and no page."""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import duckdb

from core.config.settings import Settings
from core.ids import RecordNo
from core.labelling.responses import placeholders
from core.store.answers import APP, BULK, CORRECTION, FILE, answer_text, labels_in
from core.store.views import NOT_TAKEN_BACK
from core.tasks.task import Answer
from core.tasks.tasks import task_of


class AnswerInForce(NamedTuple):  # as `Row` in core.labelling.waiting: thousands are made at once
    """A person's current answer. answer: its canonical text, None for a skip or flag. counts: enough of it is left
    without retired labels. blind: given without a suggestion in view, see `is_blind`.

    stamp: its place in the order in which answers arrived; received_at is when, by the server's clock of that moment.
    source: as in `Event`. corrects: this person's correction of the record holds, so the current answer is one too.
    """

    record_no: RecordNo
    annotator: str
    action: str
    answer: str | None
    counts: bool
    blind: bool
    round: int
    received_at: datetime
    stamp: int
    source: str = APP
    corrects: bool = False

    @property
    def from_file(self) -> bool:
        """Is it a file's own label, of whichever file? A person may have the name of a file."""
        return self.source == FILE


@dataclass(frozen=True)
class RecordFacts:
    """What the label of a record depends on besides answers. check: asked to check machine labels. looked: the stamp
    after which answers belong to the last requested review. recall: asked because no search had found it.
    """

    record_no: RecordNo
    gold: bool
    audit: bool
    check: bool = False
    looked: int | None = None
    recall: bool = False


# An event holds unless its author took it back by an undo that names it and its record; a person's answer to a record
# is the one with the largest stamp that holds. Files are one author, whatever each is called: the last one holds. So
# state is a function of the stored events; a repeated event adds none. The same rule stands here twice: in SQL for a
# million records, and plainly for the few that one request touches, where planning the SQL takes three times as long as
# all the rest. A test holds the two together.
ANSWERS = f"""
    select n, annotator, action, kept as labels, if(kept = labels, answer, answer_of(kept)) as answer,
           blind, round, received_at, stamp, source, from_file,
           bool_or(source = 'correction') over (partition by n, author, from_file) as corrects,
           action <> 'submit'
               or if($multi, len(labels) = 0 or len(kept) > 0, len(labels) = 1 and len(kept) = 1) as counts
    from (
        select *, list_filter(labels, lambda x: list_contains($active::varchar[], x)) as counted,
               if(len($meant::varchar[]) = 0, counted, list_sort(list_distinct(list_transform(counted,
                   lambda x: ($meant::varchar[])[list_position($active::varchar[], x)])))) as kept,
               source = 'file' as from_file, if(from_file, '', annotator) as author
        from (select * from responses where action <> 'undo' and n in ({{ns}})) {NOT_TAKEN_BACK}
    )
    qualify row_number() over (partition by n, author, from_file order by stamp desc) = 1
"""


def answer_parameters(settings: Settings) -> dict[str, object]:
    """What `ANSWERS` binds. meant: what each of `active` counts as, none where all count as what they are."""
    return {"meant": [], **task_of(settings).parameters(settings)}


def read_answers(
    cursor: duckdb.DuckDBPyConnection, query: str, settings: Settings, bound: Mapping[str, object] | None = None
) -> list[AnswerInForce]:
    """Every current answer to the records of a query whose only column is n. bound: what it binds."""
    rows = cursor.execute(
        f"""select n, annotator, action, answer, counts, blind, round, received_at, stamp, source, corrects
            from ({ANSWERS.format(ns=query)})""",
        {**answer_parameters(settings), **(bound or {})},
    ).fetchall()
    return list(map(AnswerInForce._make, rows))


def read_few_answers(
    cursor: duckdb.DuckDBPyConnection, record_nos: Sequence[RecordNo], settings: Settings
) -> list[AnswerInForce]:
    """The same for a few record numbers."""
    rows = cursor.execute(
        f"""select n, annotator, event_id, action, answer, undoes, blind, round, received_at, stamp, source
            from responses where n in ({placeholders(record_nos)}) order by stamp""",
        list(record_nos),
    ).fetchall()
    undone = {(n, user, undoes) for n, user, _, action, _, undoes, *_ in rows if action == "undo"}
    in_force = [row for row in rows if row[3] != "undo" and row[:3] not in undone]
    correctors = {(row[0], row[1]) for row in in_force if row[10] == CORRECTION}
    newest = {
        (n, "" if source == FILE else user, source == FILE): AnswerInForce(
            *(
                n,
                user,
                action,
                *_still_meant(answer, settings),
                *rest,
                source,
                source != FILE and (n, user) in correctors,
            )
        )
        for n, user, _, action, answer, _, *rest, source in in_force
    }
    return list(newest.values())


def _still_meant(answer: str | None, settings: Settings) -> tuple[str | None, bool]:
    if answer is None:
        return None, True
    meant, counts = task_of(settings).still_meant(json.loads(answer), settings)
    return answer_text(meant), counts


@dataclass(frozen=True)
class Rule:
    """Whose answers settle a record that nobody has corrected. votes: in SQL on a row of `told`; voters: the same in
    Python.

    weighed: a person's vote has the weight of the table `annotators`, 1.0 where it has none; else each has 1.0.
    """

    caption: str
    votes: str
    voters: Callable[[list[AnswerInForce]], list[AnswerInForce]]
    weighed: bool = False


def _newest(answers: list[AnswerInForce]) -> list[AnswerInForce]:
    return sorted(answers, key=lambda one: one.stamp)[-1:]


def _from_files(answers: list[AnswerInForce]) -> list[AnswerInForce]:
    return [answer for answer in answers if answer.from_file]


RULES = {
    "majority": Rule("the label that most people gave; a tie settles nothing", "true", list),
    "single": Rule("the newest answer, whoever gave it", "newest = 1", _newest),
    "weighted": Rule("as majority, but the vote of who is right more often weighs more", "true", list, weighed=True),
    "adjudicated": Rule("only what somebody decides who has seen the answers (a correction)", "from_file", _from_files),
}
"""setting `settle` -> its rule"""

FEW = 1_000
"""records whose answers are read at once"""
NEAR = 1e-9
"""sums of weights as near as this are a tie"""

# The newest correction settles a record whatever the other answers and the rule. A label that came with a file
# counts while no person has answered, and as gold it is the known answer: people's answers to it are how they are
# measured, and only those of a review count against it. Skips, flags and answers that name a retired label do not
# count. An answer given with a suggestion in view is no audit; correcting one keeps it in. Again in SQL and plainly.
# The query of the records stands inside: a table that it reads must not be called like one of these steps.
_VERDICTS = f"""
    with facts as (
        select n, bool_or(audit) as audit, bool_or(coalesce(purpose = 'check', false)) as checked, max(since) as looked,
               bool_or(coalesce(purpose = 'recall', false)) as recall
        from queue group by n
    ), answers as (
        select reply.*, audit, checked, recall, split is not distinct from 'test' as gold, not from_file and (
                   corrects or split is distinct from 'test' or coalesce(stamp > looked, false)
                   or not bool_or(from_file) over (partition by n)) as person
        from ({ANSWERS}) as reply join records using (n) left join facts using (n)
        where action = 'submit' and counts
    ), told as (
        select *, bool_or(corrects) over (partition by n) as corrected,
               row_number() over (partition by n order by corrects desc, stamp desc) as newest
        from (select * from answers qualify person or (from_file and not bool_or(person) over (partition by n)))
    ), votes as (
        select n, answer, any_value(labels) as labels, count(*) as givers, sum({{weight}}) as votes,
               max(round) as round, max(received_at) as at,
               bool_and(blind or corrects) as blind, bool_or(corrects) as corrected,
               bool_and(source = 'bulk') as bulk, bool_and(from_file) as from_file,
               any_value(gold) as gold, any_value(audit) as audit, any_value(checked) as checked,
               any_value(recall) as recall
        from told {{weights}}
        where if(corrected, newest = 1, {{votes}})
        group by n, answer
    ), ranked as (
        select *, sum(givers) over (partition by n) as voters, max(votes) over (partition by n) as most from votes
    )
    select n, labels,
           case when corrected then 'adjudicated' when bulk then 'bulk' when voters = 1 then 'single'
                when from_file then 'majority' else '{{many}}' end as how,
           case when gold then 'gold' when recall then 'recall' when audit and blind then 'audit'
                when checked and blind then 'check' when from_file then 'file' else 'chosen' end as stratum,
           ranked.round, ranked.at, answer
    from ranked where votes > most - {NEAR} qualify count(*) over (partition by n) = 1
"""
_WEIGHTS = "left join (select annotator, max(weight) as weight from annotators group by annotator) using (annotator)"


def verdicts(query: str, settings: Settings) -> str:
    """The rows of `settled` that follow from the answers to the records of a query; binds `answer_parameters`."""
    rule = RULES[settings.settle]
    return _VERDICTS.format(
        ns=query,
        votes=rule.votes,
        weight="if(from_file, 1.0, coalesce(weight, 1.0))" if rule.weighed else "1.0",
        weights=_WEIGHTS if rule.weighed else "",
        many="weighted" if rule.weighed else "majority",
    )


def settle(cursor: duckdb.DuckDBPyConnection, query: str, settings: Settings) -> None:
    """Recomputes `settled` for the records of a query whose only column is n, in the caller's transaction."""
    cursor.execute(f"delete from settled where n in ({query})")
    cursor.execute(f"insert into settled {verdicts(query, settings)}", answer_parameters(settings))
    if task_of(settings).settle:
        _settle_by_task(cursor, query, settings)


def _settle_by_task(cursor: duckdb.DuckDBPyConnection, query: str, settings: Settings) -> None:
    """Again for those records whose answers differ, since SQL does not know what several of them come to."""
    several = f"""select n from ({ANSWERS.format(ns=query)}) where action = 'submit' and counts
                  group by n having count(distinct answer) > 1 order by n"""
    record_nos = [RecordNo(n) for (n,) in cursor.execute(several, answer_parameters(settings)).fetchall()]
    for begin in range(0, len(record_nos), FEW):
        settle_few(cursor, read_facts(cursor, record_nos[begin : begin + FEW]), settings)


def read_facts(cursor: duckdb.DuckDBPyConnection, record_nos: Sequence[RecordNo]) -> list[RecordFacts]:
    """Of a few records, in no order."""
    rows = cursor.execute(
        f"""select n, split is not distinct from 'test',
                   exists (select 1 from queue where queue.n = records.n and audit),
                   exists (select 1 from queue where queue.n = records.n and purpose = 'check'),
                   (select max(since) from queue where queue.n = records.n),
                   exists (select 1 from queue where queue.n = records.n and purpose = 'recall')
            from records where n in ({placeholders(record_nos)})""",
        list(record_nos),
    ).fetchall()
    return [RecordFacts(*row) for row in rows]


def settle_few(
    cursor: duckdb.DuckDBPyConnection, facts: Sequence[RecordFacts], settings: Settings
) -> list[AnswerInForce]:
    """The same for a few records; returns the current answers that it read."""
    record_nos = [fact.record_no for fact in facts]
    answers, rule = read_few_answers(cursor, record_nos, settings), RULES[settings.settle]
    weights = _read_weights(cursor, {answer.annotator for answer in answers}) if rule.weighed else {}
    combine = task_of(settings).settle
    rows = [row for fact in facts if (row := _verdict(answers, fact, (rule, combine), weights)) is not None]
    cursor.execute(f"delete from settled where n in ({placeholders(record_nos)})", record_nos)
    if rows:
        values_list = ", ".join([f"({placeholders(rows[0])})"] * len(rows))
        cursor.execute(f"insert into settled values {values_list}", [value for row in rows for value in row])
    return answers


def _read_weights(cursor: duckdb.DuckDBPyConnection, people: set[str]) -> dict[str, float]:
    return dict(
        cursor.execute(
            "select annotator, max(weight) from annotators where list_contains(?::varchar[], annotator) group by 1",
            [sorted(people)],
        ).fetchall()
    )


Combine = Callable[[Sequence[tuple[Answer, float]]], Answer | None] | None


def _verdict(
    answers: Sequence[AnswerInForce], fact: RecordFacts, by: tuple[Rule, Combine], weights: Mapping[str, float]
) -> list[object] | None:
    """A row of `settled`, or None where the answers settle nothing. by: whose answers count, and what several different
    ones come to."""
    rule, combine = by
    votes: dict[str, list[AnswerInForce]] = defaultdict(list)
    counted = [one for one in answers if one.record_no == fact.record_no and one.action == "submit" and one.counts]
    for answer in _voters(counted, fact, rule):
        votes[str(answer.answer)].append(answer)
    sums = {text: _weight(supplied, weights) for text, supplied in votes.items()}
    if combine and len(votes) > 1:
        combined = combine([(json.loads(text), weight) for text, weight in sums.items()])
        if combined is None:
            return None
        sums = {answer_text(combined): 1.0}
        votes = defaultdict(list, {answer_text(combined): [one for supplied in votes.values() for one in supplied]})
    winners = [text for text, weight in sums.items() if weight > max(sums.values()) - NEAR]
    if len(winners) != 1:
        return None
    supplied = votes[winners[0]]
    latest, received = max(answer.round for answer in supplied), max(answer.received_at for answer in supplied)
    how = _how(supplied, sum(map(len, votes.values())), rule)
    labels = labels_in(json.loads(winners[0]))
    return [fact.record_no, labels, how, _stratum(supplied, fact), latest, received, winners[0]]


def _weight(supplied: list[AnswerInForce], weights: Mapping[str, float]) -> float:
    return sum(1.0 if answer.from_file else weights.get(answer.annotator, 1.0) for answer in supplied)


def _voters(answers: list[AnswerInForce], fact: RecordFacts, rule: Rule) -> list[AnswerInForce]:
    """The newest correction alone, else of every person (else of the files) those whom the rule lets vote."""
    files = _from_files(answers)
    people = [answer for answer in answers if not answer.from_file]
    if fact.gold and files:
        people = [one for one in people if one.corrects or (fact.looked is not None and one.stamp > fact.looked)]
    received = people or files
    corrections = [answer for answer in received if answer.corrects]
    return _newest(corrections) if corrections else rule.voters(received)


def _how(supplied: list[AnswerInForce], voters: int, rule: Rule) -> str:
    if supplied[0].corrects:
        return "adjudicated"
    if all(answer.source == BULK for answer in supplied):
        return "bulk"
    if voters == 1:
        return "single"
    return "weighted" if rule.weighed and not supplied[0].from_file else "majority"


def _stratum(supplied: list[AnswerInForce], fact: RecordFacts) -> str:
    if fact.gold:
        return "gold"
    if fact.recall:
        return "recall"
    if (fact.audit or fact.check) and all(answer.blind or answer.corrects for answer in supplied):
        return "audit" if fact.audit else "check"
    return "file" if all(answer.from_file for answer in supplied) else "chosen"
