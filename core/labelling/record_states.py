"""What state a record can be in, as SQL on its row of `records`: for filters and for figures. Runs no query."""

from core.labelling.settling import ANSWERS
from core.labelling.waiting import ASKED

_QUEUED = "select n from queue"
# Spare records come only after a batch and do not count as asked. One that was only skipped waits for somebody else,
# whom there may not be.
_WAITING = f"""
    select n from ({ASKED.format(ns=_QUEUED)})
    where open and (not spare or purpose is not null) and (skips = 0 or given > 0)
      and (purpose is not distinct from 'review' or n not in (select s.n from settled s))
"""
_TOLD = f"""
    select n, count(*) filter (action = 'submit') as given, count(*) filter (action = 'skip') as skips,
           count(*) filter (action = 'flag') as flags
    from ({ANSWERS}) where counts group by n
"""
_FLAGGED_ONCE = "select n from responses where action = 'flag'"
_UNSETTLED = "select n from responses where n not in (select s.n from settled s)"
_STILL_ASKED = f"select n from ({ASKED.format(ns=_UNSETTLED)}) where open"
_FOLDERS = "select m.n from records m where m.meta->>'state' = '{state}' and m.meta->>'tree' is not null"

STATES = {
    "labelled": "n in (select n from settled where stratum <> 'gold')",
    "unlabelled": "duplicate_of is null and n not in (select s.n from settled s)",
    "gold": "n in (select n from settled where stratum = 'gold')",
    "queued": f"n in ({_WAITING})",
    "flagged": f"n in (select n from ({_TOLD.format(ns=_FLAGGED_ONCE)}) where flags > 0)",
    "skipped": f"n in (select n from ({_TOLD.format(ns=_UNSETTLED)}) where skips > 0 and flags + given = 0)",
    "tied": f"""n in (select n from ({_TOLD.format(ns=_UNSETTLED)}) where given > 0 and flags = 0)
        and n not in ({_STILL_ASKED})""",
    "duplicate": "duplicate_of is not null",
    "left_out": "n in (select o.n from left_out o)",
    "moved": f"n in ({_FOLDERS.format(state='moved')})",
    "vanished": f"n in ({_FOLDERS.format(state='vanished')})",
}
"""state -> its condition, which binds `asked_parameters`. Flagged: by a person. Tied: answered, not settled. Left out:
of training, by cleaning or balancing. Moved, vanished: of folders, in a later snapshot of their tree."""
