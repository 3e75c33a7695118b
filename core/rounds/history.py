"""How records left the pool, as the store remembers it: what the weights of the audit rest on. Computes no figure."""

from collections.abc import Sequence

import duckdb
import numpy as np
import numpy.typing as npt

from core.measuring.audit import History

Ints = npt.NDArray[np.int64]

# Every batch is two draws: its own records, then the spare ones out of what was left. A record left the pool in the
# draw that queued it; one that was answered without being queued left before the first batch that was made after.
_ELIGIBLE = """
    select n, imported_at from records r
    where r.duplicate_of is null and coalesce(r.split, '') <> 'test'
      and r.n not in (select n from settled where stratum in ('file', 'gold'))
      and r.hash not in (select g.hash from records g join settled z using (n) where z.stratum = 'gold')
"""
_WAVES = f"""
    select (select count(*) from batches b where b.made_at < imported_at) as before, sum(size)::bigint
    from (select imported_at, count(*) as size from ({_ELIGIBLE}) group by imported_at)
    group by before order by before
"""
_LEFT = f"""
    with asked as (select unnest($ns::bigint[]) as n),
    made as (select batch, made_at, row_number() over (order by batch) - 1 as place from batches),
    left_at as (
        select a.n, max(2 * made.place + if(q.spare, 1, 0)) as draw
        from asked a join queue q using (n) join made using (batch) group by a.n
    )
    select a.n, (select count(*) from made where made.made_at < r.imported_at) as before,
           coalesce(left_at.draw, 2 * (select count(*) from made where made.made_at < s.settled_at) - 1) as draw,
           s.stratum = 'audit' as audited
    from asked a join records r using (n) join settled s using (n) left join left_at using (n)
    where r.n in (select n from ({_ELIGIBLE}))
    order by a.n
"""


def read_history(cursor: duckdb.DuckDBPyConnection, asked: Sequence[int]) -> tuple[Ints, History]:
    """(k,) the asked records that were ever in the pool, ascending, and how each of them left it.

    Left out: labels that came with a file, which nobody was asked for.
    """
    waves = cursor.execute(_WAVES).fetchall()
    rows = cursor.execute(_LEFT, {"ns": list(asked)}).fetchall()
    place = {before: number for number, (before, _) in enumerate(waves)}
    return np.array([n for n, *_ in rows], np.int64), History(
        wave_sizes=np.array([size for _, size in waves], np.int64),
        wave_opens=np.array([2 * before for before, _ in waves], np.int64),
        wave=np.array([place[before] for _, before, *_ in rows], np.int64),
        left=np.array([max(draw, 2 * before - 1) for _, before, draw, _ in rows], np.int64),
        audited=np.array([audited for *_, audited in rows], bool),
    )
