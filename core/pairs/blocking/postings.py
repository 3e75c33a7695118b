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
from core.store.tables import quoted

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
POSTINGS, NEIGHBOURS, TEXTS = "postings.parquet", "neighbours.parquet", "texts.parquet"
"""files of a word index"""

SCALE = 1_000_000
"""of inverse document frequencies, which are held as whole numbers"""

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
# Whole numbers: their sum is the same in whatever order it is taken, and so are the ties.
_POSTINGS = f"""
    create table postings as
    select term, row, round({SCALE} * ln(? / texts))::integer as idf from terms
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
    insert into neighbours
    select least(row, next), greatest(row, next)
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
    left, right = texts
    total, width = len(left) + len(right or ()), None if right is None else len(left)
    with _connected(folder, threads) as connection:
        _index_words(connection, texts, _Steps(report, 0, 400))
        return _partners(connection, range(total), width, ranks, _Steps(report, 400, 1000))


def write_word_index(
    texts: tuple[Sequence[str], Sequence[str] | None], out: Path, folder: Path, threads: int, report: Report
) -> None:
    """What `find_sharing_of` reads, as files in `out`; the rest as `find_sharing` has it."""
    with _connected(folder, threads) as connection:
        _index_words(connection, texts, report)
        for table in (POSTINGS, NEIGHBOURS, TEXTS):
            connection.execute(f"copy {Path(table).stem} to '{quoted(out / table)}'")


@dataclass(frozen=True)
class WordIndex:
    """Files that `write_word_index` wrote. width: texts of the left side; None within one source. spill: folder for
    what does not fit into MEMORY."""

    folder: Path
    width: int | None
    spill: Path
    threads: int

    def texts(self, rows: Ints) -> list[str]:
        """rows: of the left side, and behind those of the right."""
        import polars

        return polars.read_parquet(self.folder / TEXTS).sort("row")["text"].gather(rows).to_list()


def find_sharing_of(index: WordIndex, rows: range, ranks: tuple[int, int], report: Report) -> SharingPairs:
    """What these texts find. rows: of the left side, and behind those of the right."""
    with _connected(index.spill, index.threads) as connection:
        for table in (POSTINGS, NEIGHBOURS):
            query = f"create table {Path(table).stem} as from read_parquet('{quoted(index.folder / table)}')"
            connection.execute(query)
        return _partners(connection, rows, index.width, ranks, report)


def _connected(folder: Path, threads: int) -> "DuckDBPyConnection":
    import duckdb

    settings: dict[str, str | bool | int | float | list[str]] = {"memory_limit": MEMORY, "temp_directory": str(folder)}
    if threads:  # 0: all that there are
        settings["threads"] = threads
    return duckdb.connect(config=settings)


def _index_words(
    connection: "DuckDBPyConnection", texts: tuple[Sequence[str], Sequence[str] | None], report: Report
) -> None:
    """Tables texts, postings, and neighbours (one < other) in alphabetical order, forwards and backwards."""
    left, right = texts
    _load_terms(connection, (left, right or ()), _Steps(report, 0, 850))
    connection.execute(_POSTINGS, [len(left) + len(right or ())])
    connection.execute("drop table terms")
    report(950, 1000)
    connection.execute("create table neighbours (one integer, other integer)")
    apart = _apart("row", "next", None if right is None else len(left))
    for key in ("text", "reverse(text)"):
        connection.execute(_NEIGHBOURS.format(key=key, apart=apart))
    report(1000, 1000)


def _partners(
    connection: "DuckDBPyConnection", rows: range, width: int | None, ranks: tuple[int, int], report: Report
) -> SharingPairs:
    """Of these rows, from the tables of `_index_words`."""
    connection.execute("create table pairs (one integer, other integer, rank bigint)")
    query = _PARTNERS.format(apart=_apart("mine.row", "theirs.row", width), most=ranks[1])
    for start in range(rows.start, rows.stop, PIECE):
        stop = min(start + PIECE, rows.stop)
        connection.execute(query, [start, stop - 1])
        report(900 * (stop - rows.start) // len(rows), 1000)
    connection.execute(
        "insert into pairs select one, other, null from neighbours where one between ? and ?",
        [rows.start, rows.stop - 1],
    )
    columns = connection.execute(_ONCE, [ranks[0]]).fetchnumpy()
    report(1000, 1000)
    one, other, searches = (np.asarray(columns[name], np.int64) for name in ("one", "other", "searches"))
    other = other - (width or 0)
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
