"""Storing the records of a file that a job has read. Knows no vectors and no models."""

from dataclasses import dataclass, fields, replace
from pathlib import Path

import duckdb

from core.config.settings import Settings
from core.data.suggested_answers import store_suggestions
from core.errors import BadInput
from core.labelling.file_answers import NOTHING, FileAnswers, store_file_answers
from core.labelling.gold import declare_gold, take_gold_off_queue
from core.store.database import utc_now
from core.store.record_numbers import NUMBERS
from core.store.tables import quoted


@dataclass(frozen=True)
class ImportCounts:
    """Of what came in. rows: all; added: new records; known: of records that were there; duplicates: of other texts.

    new, changed, same: answers of files, by what a file said before; labelled: all of them. contradicted: those that
    people's answers or corrections outweigh; clashing: those of a text that has another answer of a file. answers: of
    people whom the file names. made_gold: records with a known answer that are gold by it; not_gold: those that are
    not, since they were asked or taught. declared_gold: records that were there and are gold now; stopped_teaching:
    those of them that taught. suggestions: of models of other programs.
    """

    rows: int = 0
    added: int = 0
    known: int = 0
    duplicates: int = 0
    new: int = 0
    changed: int = 0
    same: int = 0
    contradicted: int = 0
    clashing: int = 0
    labelled: int = 0
    answers: int = 0
    made_gold: int = 0
    not_gold: int = 0
    declared_gold: int = 0
    stopped_teaching: int = 0
    suggestions: int = 0

    def plus(self, other: "ImportCounts") -> "ImportCounts":
        """The sums of all figures."""
        names = [field.name for field in fields(ImportCounts)]
        return ImportCounts(**{name: getattr(self, name) + getattr(other, name) for name in names})


@dataclass(frozen=True)
class ImportPart:
    """Some of a file's rows. By position, from `first` to before `end`: new records come before known ones. stamp: of
    the first of its answers.
    """

    first: int
    end: int
    stamp: int


def number_records(
    cursor: duckdb.DuckDBPyConnection, out: Path, source: str, *, distinct: bool = False
) -> tuple[int, int]:
    """Writes the position of each row, and n of each new record, beside the job's files; changes nothing else.

    distinct: none repeats another one. Returns how many records are new, and how many rows there are. Raises BadInput
    where a known id comes with another text. Valid until another file is imported.
    """
    cursor.execute(f"create or replace temp view staged as select * from read_parquet('{quoted(out / RECORDS)}')")
    _refuse_changed_texts(cursor, source)
    numbers = quoted(out / PLACES)
    first = "null::bigint" if distinct else "nullif(firsts.n, new.n)"
    cursor.execute(_NUMBER_RECORDS.format(target=numbers, numbers=NUMBERS, first=first))
    return cursor.execute(f"select count(n), count(*) from read_parquet('{numbers}')").fetchall()[0]


def store_records(
    cursor: duckdb.DuckDBPyConnection, out: Path, source: str, settings: Settings, part: ImportPart
) -> ImportCounts:
    """Stores these rows of what the job and `number_records` have written, in the caller's transaction.

    The settings' taxonomy holds every label of the file.
    """
    cursor.execute(
        _STAGE.format(records=quoted(out / RECORDS), numbers=quoted(out / PLACES), first=part.first, end=part.end)
    )
    cursor.execute(_INSERT_RECORDS, [source, utc_now()])
    counted = "select count(*), count(n), count(duplicate_of) from staged"
    total, added, duplicates = cursor.execute(counted).fetchall()[0]
    result, by_people, about = (
        "select id, null::varchar as annotator, label from staged where label is not null",
        False,
        NOTHING,
    )
    if (out / ANSWERS).exists():
        table = f"(select * from read_parquet('{quoted(out / ANSWERS)}') union all by name {NOTHING})"
        there = f"from {table} where id in (select id from staged)"
        result, by_people = f"select id, annotator, label {there}", True
        about = f"select id, annotator, note, made_at {there} and coalesce(note, made_at::varchar) is not null"
    moved = declare_gold(cursor)
    answered = store_file_answers(cursor, FileAnswers(result, source, by_people, part.stamp, about), settings)
    suggestions = store_suggestions(cursor, out, settings)
    take_gold_off_queue(cursor, settings)
    cursor.execute("drop view staged")
    counts = ImportCounts(total, added, total - added, duplicates, suggestions=suggestions)
    return replace(counts, **answered, **moved)


RECORDS, ANSWERS, PLACES = "records.parquet", "answers.parquet", "places.parquet"

# The small columns are numbered first and the texts joined to them straight from the file: no copy, no sort of texts.
_NUMBER_RECORDS = """
    copy (
        with new as (
            select position, hash::varchar as hash,
                   {numbers} - 1 + row_number() over (order by position) as n
            from staged s where not exists (select 1 from records r where r.id = s.id)
        ),
        firsts as (
            select hash, min(n) as n from (
                select hash, n from records where duplicate_of is null union all select hash, n from new
            ) group by hash
        )
        select position, row_number() over (order by new.n nulls last, position) - 1 as place, new.n,
               {first} as duplicate_of
        from staged left join new using (position) left join firsts on firsts.hash = new.hash
        order by place
    ) to '{target}' (format parquet)
"""
_STAGE = """
    create or replace temp view staged as
    select s.*, f.n, f.duplicate_of
    from read_parquet('{records}') s
    join (select * from read_parquet('{numbers}') where place >= {first} and place < {end}) f using (position)
"""
_INSERT_RECORDS = """
    insert into records
    select n, id, text, fields, meta, hash::varchar, duplicate_of, split, ?, ?
    from staged where n is not null order by n
"""


def _refuse_changed_texts(cursor: duckdb.DuckDBPyConnection, source: str) -> None:
    row = cursor.execute(
        """select s.position + 1, s.id, r.source from staged s join records r on r.id = s.id
           where r.text <> s.text order by s.position limit 1"""
    ).fetchone()
    if row:
        raise BadInput(
            f"{source}, row {row[0]}: the id {row[1]!r} is known from {row[2]} with another text. "
            "A record's text does not change: give the row an id of its own. Nothing was imported."
        )
