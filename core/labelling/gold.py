"""Records asked beside a batch's own: those that a file declares to be test, gold from now on, and pairs that no search
found. Knows no file."""

import duckdb

from core.config.settings import Settings
from core.labelling.record_states import WITHIN
from core.labelling.settling import settle
from core.store.database import count

UNASKED_TEST = f"""
    select r.n from records r
    where r.split is not distinct from 'test' and r.duplicate_of is null {WITHIN}
      and r.n not in (select s.n from settled s where true {WITHIN})
      and r.n not in (select q.n from queue q where true {WITHIN}) and r.n not in (select n from vanished)
      and r.n not in (select a.n from responses a where a.source <> 'file' {WITHIN})
"""
"""test records without a label, which nobody was asked for yet: people's answers make them gold"""


def declare_gold(cursor: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Takes over the splits of the table `staged` for records that were there before, in the caller's transaction.

    Test records are gold from now on; gold stays gold, whatever a later file says, since a record that was scored on
    must not train. Returns how many records become gold, and how many of them were training records until now.
    `ask_no_more` ends it, when the labels of the file are settled.
    """
    cursor.execute(_DECLARED)
    counts = {
        "declared_gold": count(cursor, "select count(*) from declared"),
        "stopped_teaching": count(cursor, "select count(*) from declared join settled using (n)"),
    }
    cursor.execute(_ADOPT)
    return counts


def take_gold_off_queue(cursor: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Settles the records of `declare_gold` and updates the queue: known answers leave it, others are asked blind."""
    if count(cursor, "select count(*) from declared"):
        settle(cursor, "select n from declared", settings)
        for step in _FOLLOW:
            cursor.execute(step)
    cursor.execute("drop table declared")


_DECLARED = """
    create or replace temp table declared as
    select r.n from staged s join records r on r.id = s.id where s.split = 'test' and r.split is distinct from 'test'
"""
_ADOPT = """
    update records set split = s.split from staged s
    where s.id = records.id and s.split is not null and records.split is distinct from s.split
      and records.split is distinct from 'test'
"""
# Known answers are not asked, and gold is asked without a suggestion. Given answers stay.
_FOLLOW = (
    "delete from machine_labels where n in (select n from declared)",
    """delete from queue where n in (select n from declared) and is_labelled(n)
           and n not in (select n from responses where source <> 'file')
           and n not in (select n from leases)""",
    """update queue set purpose = 'test', audit = false, spare = false, suggestion = null
       where n in (select n from declared) and not is_labelled(n)""",
)


def ask_test_records(cursor: duckdb.DuckDBPyConnection, size: int, seed: int) -> int:
    """Queues up to `size` random test records that nobody was asked for, at random positions."""
    return _ask(cursor, UNASKED_TEST, "test", size, seed)


def ask_non_candidates(cursor: duckdb.DuckDBPyConnection, batch: int, seed: int) -> int:
    """Queues a part of the unasked pairs that no search found, at random places, blind; returns how many.

    As many as RECALL_SHARE of a batch of so many records; all of them where nothing else is left to ask.
    """
    left = count(cursor, "select count(*) from pool")
    size = int(batch * RECALL_SHARE) + 1 if left else count(cursor, f"select count(*) from ({_UNASKED_NON_CANDIDATES})")
    return _ask(cursor, _UNASKED_NON_CANDIDATES, "recall", size, seed)


RECALL_SHARE = 0.1
"""of a batch, how many pairs that no search found come beside it"""
_UNASKED_NON_CANDIDATES = """
    select p.n from pairs p join records r using (n)
    where p.beyond in ('near', 'far') and r.duplicate_of is null and not is_gold(r.n, r.split) and not is_labelled(p.n)
      and p.n not in (select n from queue)
      and p.n not in (select n from responses)
"""


def _ask(cursor: duckdb.DuckDBPyConnection, query: str, purpose: str, size: int, seed: int) -> int:
    parameters = {"seed": seed, "size": size, "purpose": purpose}
    return len(cursor.execute(_ASK.format(query=query), parameters).fetchall())


_ASK = """
    insert into queue
    select n, (select coalesce(max(batch), 0) from queue),
           first + (last - first) * (hash(n, $seed::bigint + 1) % 10000) / 10000.0,
           false, false, null, null, null, $purpose, null
    from (
        select n from ({query}) order by hash(n, $seed::bigint), n limit $size::bigint
    ), (
        select coalesce(min(position), (select max(position) + 1 from queue), 0) as first,
               coalesce(max(position), (select max(position) + 1 from queue), 0) + 1 as last
        from queue where not spare and not is_labelled(n) and n not in (select n from responses)
    )
    returning n
"""
