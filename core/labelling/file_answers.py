"""Labels that come with files: the file's own, which a person's answer overrides, and those of annotators it names.

Knows events and the store; not how the file was read.
"""

import secrets
from dataclasses import dataclass

import duckdb

from core.config.settings import Settings
from core.config.taxonomy import SEPARATOR
from core.labelling.responses import COLUMNS
from core.labelling.settling import settle
from core.store.answers import CROWD, FILE, ID_PREFIXES
from core.store.database import count, utc_now


@dataclass(frozen=True)
class FileAnswers:
    """query: id, annotator (null: the file itself), label (names, joined by |). stamp: the first that they get.

    by_people: the file's own labels are known answers.
    """

    query: str
    source: str
    by_people: bool
    stamp: int


def store_file_answers(cursor: duckdb.DuckDBPyConnection, answers: FileAnswers, settings: Settings) -> dict[str, int]:
    """Stores and settles what came with a file.

    A label is stored where it differs from the last file's label of the record (by the same annotator, where files name
    them): the same file again changes nothing, and the last file holds. `new`, `changed` and `same` count the labels of
    files; `contradicted` those that people's answers or corrections outweigh; `clashing` those of a text that stands in
    the project with another label of a file. A known answer makes the record gold, unless people were asked for it or a
    model may have learnt from it: then it is a label of the file's like others, and `not_gold` counts it.
    """
    source, by_people = answers.source, answers.by_people
    cursor.execute("create or replace temp table label_ids (name varchar, id varchar)")
    if settings.taxonomy.labels:
        cursor.executemany("insert into label_ids values (?, ?)", list(settings.taxonomy.spellings.items()))
    parts = f"string_split(label, '{SEPARATOR}')" if settings.multi else "[label]"
    about_import = {"source": source, "import": secrets.token_hex(8)}
    cursor.execute(_ANSWERED.format(answers=answers.query, parts=parts), about_import)
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


# "" is none of them. An earlier label counts even where its author took it back: that makes the file no newer.
_ANSWERED = f"""
    create or replace temp table answered as
    with named as (select id, annotator, unnest({{parts}}) as name from ({{answers}})),
    given as (
        select named.id, annotator, coalesce(list(distinct l.id order by l.id) filter (l.id is not null), []) as labels
        from named left join label_ids l using (name) group by named.id, annotator
    ),
    before as (
        select n, if(source = 'file', '', annotator) as author, source = 'file' as own, labels
        from responses where source in ('file', 'crowd')
        qualify row_number() over (
            partition by n, author, own order by stamp desc) = 1
    )
    select r.n, given.annotator, given.labels, before.labels as before,
           if(given.annotator is null, '{ID_PREFIXES[FILE]}' || $source || ':' || r.id || ':' || $import,
              '{ID_PREFIXES[CROWD]}' || md5(to_json([$import, r.id, given.annotator])::varchar)) as event_id
    from given join records r on r.id = given.id
    left join before on before.n = r.n and before.author = coalesce(given.annotator, '')
        and before.own = (given.annotator is null)
"""
_STATES = """
    select case when before is null then 'new' when before = labels then 'same' else 'changed' end, count(*)
    from answered
"""
_CONTRADICTED = """
    select count(*) from answered left join settled s using (n)
    where annotator is null and s.labels is distinct from answered.labels
      and n in (select n from responses where action = 'submit' and source <> 'file')
"""
_CLASHING = """
    with texts as (
        select n, coalesce(duplicate_of, n) as text from records
        where duplicate_of is not null or n in (select duplicate_of from records)
    ),
    said as (
        select text, n, labels from texts join responses using (n) where source = 'file'
        qualify row_number() over (partition by n order by stamp desc) = 1
    )
    select count(*) from answered join texts using (n)
    where annotator is null and exists (
        select 1 from said where said.text = texts.text and said.n <> answered.n and said.labels <> answered.labels)
"""
_STORE = f"""
    insert into responses ({COLUMNS})
    select event_id, n, coalesce(annotator, $source), 'submit', labels, answer_of(labels), null, null, $now, 0, $now, 0,
           $taxonomy::integer, null, if(annotator is null, 'file', 'crowd'), if(annotator is null, null, $source),
           annotator is null, $stamp - 1 + row_number() over (order by n, annotator nulls first)
    from answered where before is null or before <> labels
"""
# A job that began after an answer may train on it, though its model is not stored yet.
_MAKE_GOLD = """
    update records set split = 'test'
    where split is distinct from 'test' and n in (select n from answered where annotator is null)
      and n not in (select n from queue)
      and n not in (select a.n from responses a where a.action = 'submit' and a.received_at < (
          select max(made_at) from (
              select made_at from models union all select made_at from jobs where kind not in ('ingest', 'encode'))))
"""
