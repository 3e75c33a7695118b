"""What state a record can be in, as SQL on its row of `records`: for filters and for figures. Runs no query."""

from core.labelling.settling import ANSWERS
from core.labelling.waiting import ASKED

WITHIN = "/* within */"
"""where a table is cut down to the records that are looked at, `and` a condition on n: of millions it has as many"""
# Spare records come only after a batch and do not count as asked. One that was only skipped waits for somebody else,
# whom there may not be. Of those with a label only reviews can wait.
_SETTLED = f"select s.n from settled s where true {WITHIN}"
_MAY_WAIT = f"select n from queue where (purpose = 'review' or n not in ({_SETTLED})) {WITHIN}"
_WAITING = f"""
    select n from ({ASKED.format(ns=_MAY_WAIT)})
    where open and (not spare or purpose is not null) and (skips = 0 or given > 0)
      and (purpose is not distinct from 'review' or n not in ({_SETTLED}))
"""
_TOLD = f"""
    select n, count(*) filter (action = 'submit') as given, count(*) filter (action = 'skip') as skips,
           count(*) filter (action = 'flag') as flags
    from ({ANSWERS}) where counts group by n
"""
_FLAGGED_ONCE = f"select n from responses where action = 'flag' {WITHIN}"
_UNSETTLED = f"select n from responses where n not in ({_SETTLED}) {WITHIN}"
_STILL_ASKED = f"select n from ({ASKED.format(ns=_UNSETTLED)}) where open"
_FOLDERS = "select m.n from records m where m.meta->>'state' = '{state}' and m.meta->>'tree' is not null"

_NUMBERS = {
    "labelled": f"select n from settled where stratum <> 'gold' {WITHIN}",
    "gold": f"select n from settled where stratum = 'gold' {WITHIN}",
    "queued": _WAITING,
    "flagged": f"select n from ({_TOLD.format(ns=_FLAGGED_ONCE)}) where flags > 0",
    "skipped": f"select n from ({_TOLD.format(ns=_UNSETTLED)}) where skips > 0 and flags + given = 0",
    "tied": f"""select n from ({_TOLD.format(ns=_UNSETTLED)}) where given > 0 and flags = 0
        and n not in ({_STILL_ASKED})""",
    "left_out": f"select o.n from left_out o where true {WITHIN}",
    "moved": _FOLDERS.format(state="moved"),
    "vanished": _FOLDERS.format(state="vanished"),
}
_CONDITIONS = {
    "unlabelled": "duplicate_of is null and n not in (select s.n from settled s)",
    "duplicate": "duplicate_of is not null",
}
_ORDER = ("labelled", "unlabelled", "gold", "queued", "flagged", "skipped", "tied", "duplicate", "left_out", "moved")
STATES = {name: _CONDITIONS.get(name) or f"n in ({_NUMBERS[name]})" for name in (*_ORDER, "vanished")}
"""state -> its condition, which binds `asked_parameters`. Flagged: by a person. Tied: answered, not settled. Left out:
of training, by cleaning or balancing. Moved, vanished: of folders, in a later snapshot of their tree."""


def numbers_of(state: str) -> str:
    """A query for the numbers of the records in a state that a smaller table knows; some may come twice."""
    return _NUMBERS[state]


def count_of(state: str) -> str:
    """A query for how many records are in a state; without a look at all of them where a smaller table knows them."""
    if query := _NUMBERS.get(state):
        return f"select count(distinct n) from ({query})"
    return f"select count(*) from records where {STATES[state]}"
