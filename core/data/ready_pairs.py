"""Records that came as pairs get sides of their own, as those have that are paired here. Knows tables alone."""

import duckdb

from core.store.database import utc_now


def enter_ready_pairs(cursor: duckdb.DuckDBPyConnection) -> int:
    """Gives sides to records that came as pairs: equal texts of one file and side are one. Returns how many pairs.

    They are called by the file and the side, and by what their text begins with as a hash.
    """
    cursor.execute(_READY)
    if not cursor.execute("select count(*) from ready").fetchall()[0][0]:
        return 0
    cursor.execute(_NEW_SIDES, {"now": utc_now()})
    cursor.execute(_NEW_PAIRS)
    return int(cursor.execute("select count(*) from ready").fetchall()[0][0])


_READY = """
    create or replace temp table ready as
    select n, source || ' left' as left_source, source || ' right' as right_source,
           fields->>'left' as left_text, fields->>'right' as right_text
    from records r
    where fields->>'left' is not null and not exists (select 1 from pairs p where p.n = r.n)
"""
_NEW_SIDES = """
    insert into sides
    select (select coalesce(max(side) + 1, 0) from sides) - 1 + row_number() over (order by first, source, text),
           source, left(md5(text), 12), text, null, md5(text), $now
    from (select source, text, min(n) as first from (
              select left_source as source, left_text as text, n from ready union all
              select right_source, right_text, n from ready) group by source, text) as come
    where not exists (select 1 from sides s where s.source = come.source and s.id = left(md5(come.text), 12))
"""
_NEW_PAIRS = """
    insert into pairs (n, left_side, right_side, similarity)
    select r.n, one.side, other.side, null from ready r
    join sides one on one.source = r.left_source and one.text = r.left_text
    join sides other on other.source = r.right_source and other.text = r.right_text
"""
