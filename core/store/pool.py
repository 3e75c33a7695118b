"""Who is in the pool and who may be asked, as SQL on the tables of the store."""

import duckdb

from core.errors import BadInput
from core.store.event_ids import FILE

# Spare records that nobody holds or has answered: chosen behind a batch, they compete again in the next round.
HELD = "select l.n from leases l where l.until > now() at time zone 'UTC'"
FREE_SPARE = f"""
    q.spare and q.purpose is null and q.n not in ({HELD})
    and not exists (select 1 from responses a where a.n = q.n)
"""

# A record has the text of a gold one only where that one repeats it, or it is a duplicate itself: no need of hashes.
GOLD = """(
    r.split is not distinct from 'test' or r.n in (
        select g.duplicate_of from records g join settled z using (n)
        where z.stratum = 'gold' and g.duplicate_of is not null))
"""
"""has a known answer, or the text of one that has: a condition on a row `r` of records"""

ELIGIBLE = f"r.duplicate_of is null and not {GOLD}"
"""may be asked: neither a duplicate nor gold nor the twin of gold; a condition on a row `r` of records"""

# A person's newest answer that stands gives labels that there still are: whoever chose the record again would find
# it answered as often as is wanted. It waits for somebody to decide, or for more people where it is in the queue.
_UNSETTLED = f"""
    select n from (
        select * from responses a
        where action <> 'undo' and n not in (select n from settled) and not starts_with(event_id, '{FILE}')
          and not exists (select 1 from responses undo where undo.action = 'undo' and undo.undoes = a.event_id
                            and undo.annotator = a.annotator and undo.n = a.n)
        qualify row_number() over (partition by n, annotator order by stamp desc) = 1
    ) where action = 'submit' and (len(labels) = 0 or list_has_any(labels, (
        select list(label->>'$[0]') from (
            select unnest(labels::json[]) as label from (select labels from taxonomies order by version desc limit 1))
        where not (label->'$[3]')::boolean)))
"""

# Who can be drawn for the audit: everybody whom no person has labelled and nobody is asked about.
AUDIT_POOL = f"""
    select r.n from records r
    where {ELIGIBLE} and r.n not in (select n from settled) and r.n not in ({_UNSETTLED})
      and r.n not in (select q.n from queue q where not ({FREE_SPARE}))
"""

POOL = f"{AUDIT_POOL} and r.n not in (select m.n from machine_labels m)"
"""who can be chosen: not what a guarantee in force has labelled by machine"""


NUMBERS = "(select count(*) from records) + (select count(*) from erased)"
"""how many numbers records have or had; every n is smaller"""


def number_of(cursor: duckdb.DuckDBPyConnection, record: str) -> int:
    """n of a record id. Raises BadInput where there is none."""
    row = cursor.execute("select n from records where id = ?", [record]).fetchone()
    if row is None:
        raise BadInput(f"There is no record {record[:80]!r} in this project.")
    return int(row[0])


# Somebody who has the record on the screen may still answer it: it is a label like any other then.
IDLE_CHECKS = f"""
    delete from queue where purpose = 'check' and n not in (select n from machine_labels)
        and n not in ({HELD}) and n not in (select n from responses)
"""
