"""Candidates among a million texts, by words: which texts share rare ones, and which are neighbours in the alphabet.

Each text is looked up under its words and pairs of words, never held against all others. Knows texts, not what a match
is. DuckDB does the work, within a share of memory, and spills to a folder.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.arrays import Ints
from core.pairs.blocking.candidates import FIRST, SECOND, Pairs
from core.pairs.spaces import Report

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MOST_TEXTS_OF_A_TERM = 20
"""a term of more texts tells little, and the pairs among them grow with the square"""
PARTNERS = 10
"""of each text, those that share the greatest sum of inverse document frequencies"""
WORDS = 200
"""of a text that count"""
PIECE = 50_000
"""texts between two reports"""
MEMORY = "2GB"
"""of DuckDB; what is more goes to disk"""

_WORDS = r"regexp_extract_all(text, '[\p{L}\p{M}\p{N}_]+')[1:{words}]"
_TERMS = f"""
    with words as materialized (select row, {_WORDS.replace("{words}", str(WORDS))} as words from piece)
    select distinct row, hash(term) as term from (
        select row, unnest(words) as term from words
        union all
        select row, unnest(list_transform(range(1, len(words)), lambda i: words[i] || words[i + 1])) from words
        union all
        select row, unnest(list_transform(range(1, len(words) - 1), lambda i: words[i] || ' ' || words[i + 2]))
        from words
    )
"""
_POSTINGS = f"""
    create table postings as
    select term, row, ln(? / texts) as idf from terms
    join (
        select term, count(*) as texts from terms group by term having texts between 2 and {MOST_TEXTS_OF_A_TERM}
    ) using (term)
"""
_PARTNERS = """
    insert into pairs
    select least(one, other), greatest(one, other), row_number() over (partition by one order by common desc, other)
    from (
        select mine.row as one, theirs.row as other, sum(mine.idf) as common
        from postings mine join postings theirs using (term)
        where mine.row between ? and ? and {apart} group by all
    )
    qualify row_number() over (partition by one order by common desc, other) <= {most}
"""
_NEIGHBOURS = """
    insert into pairs
    select least(row, next), greatest(row, next), null
    from (select row, lead(row) over (order by {key}, row) as next from texts) where next is not null and {apart}
"""


_ONCE = f"""
    select one, other,
           if(coalesce(min(rank) <= ?, false), {FIRST}, 0) + if(bool_or(rank is null), {SECOND}, 0) as searches
    from pairs group by one, other order by one, other
"""


@dataclass(frozen=True)
class _Steps:
    """Progress over the stages, which take about so long: shares of 1,000."""

    report: Report
    start: int
    stop: int

    def __call__(self, done: int, total: int) -> None:
        self.report(self.start + (self.stop - self.start) * done // max(total, 1), 1000)


@dataclass(frozen=True)
class SharingPairs:
    """searches: (m,) FIRST where shared terms found the pair, SECOND where the order did. near: pairs that come next in
    rank by shared terms, as many for each text again."""

    pairs: Pairs
    searches: Ints
    near: Pairs


def find_sharing(
    texts: tuple[Sequence[str], Sequence[str] | None],
    folder: Path,
    threads: int,
    report: Report,
    ranks: tuple[int, int] = (PARTNERS, PARTNERS),
) -> SharingPairs:
    """Texts that share rare terms, and those next to each other in alphabetical order, forwards and backwards.

    texts: (left, right), distinct, in lower case; right None within one source. A term is a word, two neighbouring
    words run together (so that `AB-12` meets `ab12`), or two words with one between, and stands in 2 to
    MOST_TEXTS_OF_A_TERM texts; each text brings its best partners, to
    the first of the ranks; those to the second are near misses. The order catches those whose words are all frequent
    or all misspelt (sorted neighbourhood, Hernández & Stolfo 1995). folder: for what does not fit into MEMORY. Ordered
    by left, then right row.
    """
    import duckdb

    left, right = texts
    total, width = len(left) + len(right or ()), len(left)
    settings: dict[str, str | bool | int | float | list[str]] = {
        "threads": threads,
        "memory_limit": MEMORY,
        "temp_directory": str(folder),
    }
    with duckdb.connect(config=settings) as connection:
        _load_terms(connection, (left, right or ()), _Steps(report, 0, 350))
        connection.execute(_POSTINGS, [total])
        connection.execute("drop table terms")
        report(400, 1000)
        connection.execute("create table pairs (one integer, other integer, rank bigint)")
        query = _PARTNERS.format(
            apart=_apart("mine.row", "theirs.row", width if right is not None else None), most=ranks[1]
        )
        step = _Steps(report, 400, 900)
        for start in range(0, total, PIECE):
            connection.execute(query, [start, start + PIECE - 1])
            step(min(start + PIECE, total), total)
        apart = _apart("row", "next", width if right is not None else None)
        for key in ("text", "reverse(text)"):
            connection.execute(_NEIGHBOURS.format(key=key, apart=apart))
        report(950, 1000)
        rows = connection.execute(_ONCE, [ranks[0]]).fetchnumpy()
    report(1000, 1000)
    one, other, searches = (np.asarray(rows[name], np.int64) for name in ("one", "other", "searches"))
    other = other if right is None else other - width
    held = searches > 0
    return SharingPairs(Pairs(one[held], other[held]), searches[held], Pairs(one[~held], other[~held]))


def _load_terms(connection: "DuckDBPyConnection", sides: tuple[Sequence[str], Sequence[str]], report: Report) -> None:
    """Tables texts (row, text) and terms (row, term); the rows of the right side follow those of the left."""
    import pyarrow as pa  # type: ignore[import-untyped]

    connection.execute("create table texts (row integer, text varchar)")
    connection.execute("create table terms (row integer, term ubigint)")
    total, before = sum(map(len, sides)), 0
    for side in sides:
        for start in range(0, len(side), PIECE):
            part = list(side[start : start + PIECE])
            rows = pa.array(np.arange(before + start, before + start + len(part), dtype=np.int32))
            connection.register("piece", pa.table({"row": rows, "text": pa.array(part, pa.large_string())}))
            connection.execute("insert into texts select * from piece")
            connection.execute(f"insert into terms {_TERMS}")
            connection.unregister("piece")
            report(before + start + len(part), total)
        before += len(side)


def _apart(one: str, other: str, width: int | None) -> str:
    """SQL: not the same text, and of two sources one of each. width: rows of the left source."""
    return f"{one} <> {other}" if width is None else f"({one} < {width}) <> ({other} < {width})"


def join_pairs(parts: Sequence[Pairs], width: int) -> Pairs:
    """Each pair once, ordered by left, then right row. width: rows on the right."""
    codes: Ints = np.unique(np.concatenate([part.left * width + part.right for part in parts]))
    return Pairs(codes // width, codes % width)
