"""How records left the pool, read from the store: the input of the audit weights. Computes no figure."""

from collections.abc import Sequence

import duckdb
import numpy as np

from core.arrays import Ints
from core.evaluation.audit import PoolHistory
from core.ids import RecordNo

# Every batch is two draws: its own records, then the spare ones out of what was left. A record left the pool in the
# draw that queued it, or with its first answer, if that came before: then before the next batch that was made.
_ELIGIBLE = """
    select n from askable
    where n not in (select n from responses where source = 'file') and n not in (select n from left_out) order by n
"""
# How many records each batch could be drawn from: later ones were not imported yet, or had no vector.
_SEEN = """
    select coalesce(b.records, (select count(*) from records r where r.imported_at <= b.made_at))
    from batches b order by b.batch
"""
_LEFT = """
    with made as (select batch, made_at, row_number() over (order by batch) - 1 as place from batches),
    queued as (
        select q.n, min(2 * made.place + if(q.spare or q.purpose is not distinct from 'check', 1, 0)) as draw
        from queue q join made using (batch) group by q.n
    ),
    answered as (select n, min(received_at) as first from responses where action = 'submit' group by n)
    select s.n, least(queued.draw, 2 * (select count(*) from made where made.made_at < answered.first) - 1) as draw,
           s.stratum = 'audit' as audited
    from settled s join answered using (n) left join queued using (n)
    where s.n in (select unnest($ns::bigint[])) order by s.n
"""


def read_history(cursor: duckdb.DuckDBPyConnection, numbers: Sequence[RecordNo]) -> tuple[Ints, PoolHistory]:
    """(k,) the asked records that were ever in the pool, ascending, and how each of them left it.

    Left out: records that came with a label, which nobody was asked for.
    """
    eligible = np.asarray(cursor.execute(_ELIGIBLE).fetchnumpy()["n"], np.int64)
    records_before = np.array([records for (records,) in cursor.execute(_SEEN).fetchall()], np.int64)
    rows = cursor.execute(
        _LEFT, {"ns": _members(np.unique(np.asarray(numbers, np.int64)), eligible).tolist()}
    ).fetchall()
    record_nos = np.array([n for n, *_ in rows], np.int64)
    opens, sizes = _waves(records_before, eligible)
    first = 2 * np.searchsorted(records_before, record_nos, side="right")
    return record_nos, PoolHistory(
        wave_sizes=sizes.astype(np.int64),
        wave_opens=opens.astype(np.int64),
        wave=np.searchsorted(opens, first).astype(np.int64),
        left=np.maximum(np.array([draw for _, draw, _ in rows], np.int64), first - 1),
        audited=np.array([audited for *_, audited in rows], bool),
    )


def _members(numbers: Ints, eligible: Ints) -> Ints:
    """Those of some numbers that are among millions. Both ascending: sorting the millions once more took 14 s of 20."""
    if not len(eligible):
        return eligible
    positions = np.searchsorted(eligible, numbers)
    there: Ints = numbers[eligible[np.minimum(positions, len(eligible) - 1)] == numbers]
    return there


def _waves(records_before: Ints, eligible: Ints) -> tuple[Ints, Ints]:
    """(the first draw, how many numbers) of each wave that has any. A wave: those that the same batches could draw."""
    ends = np.append(np.searchsorted(eligible, records_before), len(eligible))
    sizes = np.diff(ends, prepend=0)
    waves = np.flatnonzero(sizes > 0)
    return 2 * waves, sizes[waves]
