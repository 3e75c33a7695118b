"""The texts or answers to be erased, and how much of them the database holds. Changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from core.config.settings import Settings
from core.errors import BadInput
from core.explore.filters import RecordSearch, conditions
from core.ids import RecordNo
from core.store.database import count
from core.store.record_numbers import number_of

SHOWN = 5
"""records that a preview shows"""
CUT = 60
"""characters of their texts"""


@dataclass(frozen=True)
class Request:
    """One of the three: records by id, a person's answers, or the records with these words in their text. Of tasks that
    pair records of sources, a record of a source too: by its id, or as SOURCE:ID."""

    records: tuple[str, ...] = ()
    annotator: str | None = None
    query: str | None = None

    def __post_init__(self) -> None:
        if sum((bool(self.records), bool(self.annotator), bool((self.query or "").strip()))) != 1:
            raise BadInput("Say what to erase: record ids, or --annotator NAME, or --query WORDS; one of the three.")


@dataclass(frozen=True)
class ErasureSelection:
    """record_nos: numbers of the records that go. ids, texts: theirs. annotator: whose answers go, or None.

    same_text: how many of the records were not named but have the text of one that was. sides: records of sources that
    go, with all pairs that they are in.
    """

    record_nos: tuple[RecordNo, ...]
    ids: tuple[str, ...]
    texts: tuple[str, ...]
    annotator: str | None = None
    same_text: int = 0
    sides: tuple[int, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """What no file may hold any more."""
        return (self.annotator,) if self.annotator else self.texts


def select(cursor: duckdb.DuckDBPyConnection, request: Request, settings: Settings) -> ErasureSelection:
    """Raises BadInput where there is no such record, person or text. Other records with the same text go, too."""
    if request.annotator:
        known = "select 1 from responses where annotator = $name union all select 1 from people where name = $name"
        if not cursor.execute(known, {"name": request.annotator}).fetchall():
            raise BadInput(f"Nobody called {request.annotator[:80]!r} has answered here. `rondo people` lists people.")
        return ErasureSelection((), (), (), request.annotator)
    sides, named = _with_words(cursor, request.query, settings) if request.query else _named(cursor, request.records)
    if not sides and not named:
        raise BadInput("No record's text has these words. Nothing was erased.")
    of_sides = cursor.execute(_SAME_SIDES, {"sides": sides}).fetchall()
    matches = cursor.execute(_SAME_RECORDS, {"ns": named, "sides": [side for side, _ in of_sides]}).fetchall()
    numbers = [n for n, *_ in matches]
    cleaned = [text for (text,) in cursor.execute(_CLEANED, {"ns": numbers, "least": CLEANED_CHARACTERS}).fetchall()]
    return ErasureSelection(
        record_nos=tuple(n for n, *_ in matches),
        ids=tuple(id for _, id, _ in matches),
        texts=tuple(dict.fromkeys([text for *_, text in matches] + [text for _, text in of_sides] + cleaned)),
        same_text=sum(n not in named for n, *_ in matches) if not sides else 0,
        sides=tuple(side for side, _ in of_sides),
    )


CLEANED_CHARACTERS = 20
"""of a text that cleaning changed, from which it is searched for in files: a shorter one may be anybody's"""
_CLEANED = """
    select distinct text from cleaned where n in (select unnest($ns::bigint[])) and length(text) >= $least order by 1
"""
_SAME_SIDES = """
    select side, text from sides
    where hash in (select hash from sides where side in (select unnest($sides::bigint[]))) order by side
"""
_SAME_RECORDS = """
    select n, id, text from records
    where hash in (select hash from records where n in (select unnest($ns::bigint[])))
       or n in (select n from pairs where left_side in (select unnest($sides::bigint[]))
                                       or right_side in (select unnest($sides::bigint[])))
    order by n
"""


def _with_words(cursor: duckdb.DuckDBPyConnection, words: str, settings: Settings) -> tuple[list[int], list[int]]:
    """Records of sources, and records, whose text has all of them."""
    condition, parameters = conditions(RecordSearch(words=words), settings)
    rows = cursor.execute(f"select n from records where {condition}", parameters).fetchall()
    sides = cursor.execute(f"select side from sides where {condition}", parameters).fetchall()
    return [side for (side,) in sides], [n for (n,) in rows]


def _named(cursor: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> tuple[list[int], list[int]]:
    """Records of sources, and records, of these ids. Raises BadInput where there is none of one, or more than one."""
    sides: list[int] = []
    named: list[int] = []
    for name in dict.fromkeys(ids):
        rows = cursor.execute("select side, source from sides where $id in (id, source || ':' || id)", {"id": name})
        matches = rows.fetchall()
        if len(matches) > 1:
            named_fully = ", ".join(f"{source}:{name}" for _, source in matches)
            raise BadInput(
                f"{len(matches)} sources have a record {name[:80]!r}. Which one? {named_fully}. Nothing was erased."
            )
        if matches:
            sides.append(matches[0][0])
        else:
            named.append(number_of(cursor, name))
    return sides, named


@dataclass(frozen=True)
class ShownRecord:
    """A record's id, and how its text begins."""

    id: str
    text: str


def shown_records(cursor: duckdb.DuckDBPyConnection, record_nos: Sequence[RecordNo]) -> list[ShownRecord]:
    """The first of them."""
    rows = cursor.execute(
        "select id, left(text, ?) from records where n in (select unnest(?::bigint[])) order by n limit ?",
        [CUT, list(record_nos), SHOWN],
    ).fetchall()
    return [ShownRecord(id, " ".join(text.split())) for id, text in rows]


_OF_RECORDS = {
    "answers": "select count(*) from responses where n in ({ns}) and source <> 'file'",
    "labels": "select count(*) from settled where n in ({ns})",
    "suggestions": "select count(*) from suggestions where n in ({ns})",
    "machine": "select count(*) from machine_labels where n in ({ns})",
    "queued": "select count(distinct n) from queue where n in ({ns})",
    "argilla": "select count(*) from team_records where n in ({ns})",
    "models": """select count(*) from models where made_at > (
                     select min(settled_at) from settled where n in ({ns}) and stratum <> 'gold')""",
}


def counts(cursor: duckdb.DuckDBPyConnection, record_nos: Sequence[RecordNo]) -> dict[str, int]:
    """Rows that refer to these records. models: made after one of them was labelled, so they may have trained on it."""
    numbers = "select unnest($ns::bigint[])"
    return {name: count(cursor, sql.format(ns=numbers), {"ns": list(record_nos)}) for name, sql in _OF_RECORDS.items()}


def sources(cursor: duckdb.DuckDBPyConnection, selection: ErasureSelection) -> list[str]:
    """Names of the files that the records were imported from: importing one again brings the records back."""
    query = """select distinct source from records where n in (select unnest($ns::bigint[]))
               union select distinct source from sides where side in (select unnest($sides::bigint[])) order by 1"""
    rows = cursor.execute(query, {"ns": list(selection.record_nos), "sides": list(selection.sides)}).fetchall()
    return [source for (source,) in rows]
