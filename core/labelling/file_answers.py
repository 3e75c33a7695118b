"""Answers that come with files: their own, all of one source, which a person's answer beats, and those of people named.

Knows events and the store; not how the file was read.
"""

import secrets
from dataclasses import dataclass

import duckdb

from core.config.settings import Settings
from core.labelling.responses import COLUMNS
from core.labelling.settling import settle
from core.store.answers import CROWD, FILE, ID_PREFIXES
from core.store.database import count, utc_now
from core.tasks.tasks import stored_query

NOTHING = """
    select null::varchar as id, null::varchar as annotator, null::varchar as note, null::timestamp as made_at
    where false
"""
"""no notes and no times"""


@dataclass(frozen=True)
class FileAnswers:
    """query: id, annotator (null: the file itself), label (as the task's reader gave it). stamp: the first that
    they get. about: query of id, annotator, note, made_at, where a person wrote a note or the file says when.

    by_people: the file's own labels are known answers.
    """

    query: str
    source: str
    by_people: bool
    stamp: int
    about: str = NOTHING


def store_file_answers(cursor: duckdb.DuckDBPyConnection, answers: FileAnswers, settings: Settings) -> dict[str, int]:
    """Stores and settles what came with a file.

    An answer is stored where a file said nothing of the record before, or another thing (of the same person, where it
    names people): the same file again changes nothing, and the last file holds. `new`, `changed` and `same` count the
    answers of files; `contradicted` those that people's answers or corrections outweigh; `clashing` those of a text
    that stands in the project with another answer of a file. A known answer makes the record gold, unless people were
    asked for it or a model may have learnt from it: then it is an answer of the file's like others, and `not_gold`
    counts it.
    """
    source, by_people = answers.source, answers.by_people
    rows = stored_query(cursor, answers.query, settings)
    about_import = {"source": source, "import": secrets.token_hex(8)}
    cursor.execute(_ANSWERED.format(rows=rows, about=answers.about), about_import)
    about = {"now": utc_now(), "source": source, "taxonomy": settings.taxonomy.version}
    cursor.execute(_STORE, about | {"stamp": answers.stamp})
    if by_people:
        cursor.execute(_MAKE_GOLD)
    settle(cursor, "select n from answered", settings)
    known = "select count(*) from answered join records using (n) where annotator is null and split {} 'test'"
    state = dict(cursor.execute(f"{_STATES} where annotator is null group by 1").fetchall())
    counts = {
        **{name: state.get(name, 0) for name in ("new", "changed", "same")},
        "contradicted": count(cursor, _CONTRADICTED),
        "clashing": count(cursor, _CLASHING),
        "labelled": count(cursor, "select count(*) from answered where annotator is null"),
        "answers": count(cursor, "select count(*) from answered where annotator is not null"),
        "made_gold": count(cursor, known.format("is not distinct from")) if by_people else 0,
        "not_gold": count(cursor, known.format("is distinct from")) if by_people else 0,
    }
    cursor.execute("drop table answered")
    return counts


# What was said before counts even where its author took it back: the file is none the newer for it.
_ANSWERED = f"""
    create or replace temp table answered as
    with given as ({{rows}}),
    described as ({{about}}),
    before as (
        select n, if(source = 'file', '', annotator) as author, source = 'file' as own, answer
        from responses where source in ('file', 'crowd')
        qualify row_number() over (
            partition by n, author, own order by stamp desc) = 1
    )
    select r.n, given.annotator, given.labels, given.answer, before.answer as before,
           described.note, described.made_at,
           if(given.annotator is null, '{ID_PREFIXES[FILE]}' || $source || ':' || r.id || ':' || $import,
              '{ID_PREFIXES[CROWD]}' || md5(to_json([$import, r.id, given.annotator])::varchar)) as event_id
    from given join records r on r.id = given.id
    left join described on described.id = given.id and described.annotator = given.annotator
    left join before on before.n = r.n and before.author = coalesce(given.annotator, '')
        and before.own = (given.annotator is null)
"""
_STATES = """
    select case when before is null then 'new' when before = answer then 'same' else 'changed' end, count(*)
    from answered
"""
_CONTRADICTED = """
    select count(*) from answered left join settled s using (n)
    where annotator is null and s.answer is distinct from answered.answer
      and n in (select n from responses where action = 'submit' and source <> 'file')
"""
_CLASHING = """
    with texts as (
        select n, coalesce(duplicate_of, n) as text from records
        where duplicate_of is not null or n in (select duplicate_of from records)
    ),
    said as (
        select text, n, answer from texts join responses using (n) where source = 'file'
        qualify row_number() over (partition by n order by stamp desc) = 1
    )
    select count(*) from answered join texts using (n)
    where annotator is null and exists (
        select 1 from said where said.text = texts.text and said.n <> answered.n and said.answer <> answered.answer)
"""
_STORE = f"""
    insert into responses ({COLUMNS})
    select event_id, n, coalesce(annotator, $source), 'submit', labels, answer, note, null,
           least(coalesce(made_at, $now), $now), 0, $now, 0,
           $taxonomy::integer, null, if(annotator is null, 'file', 'crowd'), if(annotator is null, null, $source),
           annotator is null, $stamp - 1 + row_number() over (order by n, annotator nulls first)
    from answered where before is null or before <> answer
"""
# A job that began after an answer may train on it, though its model is not stored yet.
_MAKE_GOLD = """
    update records set split = 'test'
    where split is distinct from 'test' and n in (select n from answered where annotator is null)
      and n not in (select n from queue)
      and n not in (select a.n from responses a where a.action = 'submit' and a.received_at < (
          select max(made_at) from (
              select made_at from models union all
              select made_at from jobs
              where kind not in ('ingest', 'encode', 'encode_pool', 'encode_sample', 'renew', 'clean', 'split',
                                 'cut_texts', 'predict_piece', 'predict_pieces', 'cut_candidates', 'encode_piece',
                                 'encode_pieces', 'place_vectors', 'search_part', 'search_pieces'))))
"""
