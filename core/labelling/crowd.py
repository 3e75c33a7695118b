"""Labels that come with a file: the file's own, which a person's answer beats, and those of people whom it names.

Knows events and the store; not how the file was read.
"""

from dataclasses import dataclass

import duckdb

from core.labelling.responses import CROWD, FILE
from core.labelling.settling import settle
from core.settings import Settings
from core.store import count, utc_now
from core.taxonomy import SEPARATOR


@dataclass(frozen=True)
class FileAnswers:
    """query: id, annotator (null: the file itself), label (names, joined by |). stamp: the first that they get.

    by_people: what the file itself says is the known answer.
    """

    query: str
    source: str
    by_people: bool
    stamp: int


def take_in_answers(cursor: duckdb.DuckDBPyConnection, answers: FileAnswers, settings: Settings) -> dict[str, int]:
    """Stores and settles what came with a file.

    The id of an event follows from what it says, so the same file again changes nothing. A known answer makes the
    record gold, unless people were asked for it or a model may have learnt from it: then it is a label of the file's
    like others, and `not_gold` counts it.
    """
    source, by_people = answers.source, answers.by_people
    cursor.execute("create or replace temp table label_ids (name varchar, id varchar)")
    if settings.taxonomy.labels:
        cursor.executemany("insert into label_ids values (?, ?)", [[x.name, x.id] for x in settings.taxonomy.labels])
    parts = f"string_split(label, '{SEPARATOR}')" if settings.multi else "[label]"
    cursor.execute(_ANSWERED.format(told=answers.query, parts=parts), {"source": source})
    about = {"now": utc_now(), "source": source, "taxonomy": settings.taxonomy.version}
    cursor.execute(_STORE, about | {"stamp": answers.stamp})
    if by_people:
        cursor.execute(_MAKE_GOLD)
    settle(cursor, "select n from answered", settings)
    known = "select count(*) from answered join records using (n) where annotator is null and split {} 'test'"
    counts = {
        "labelled": count(cursor, "select count(*) from answered where annotator is null"),
        "answers": count(cursor, "select count(*) from answered where annotator is not null"),
        "annotators": count(cursor, "select count(distinct annotator) from answered"),
        "made_gold": count(cursor, known.format("is not distinct from")) if by_people else 0,
        "not_gold": count(cursor, known.format("is distinct from")) if by_people else 0,
    }
    cursor.execute("drop table answered")
    return counts


_ANSWERED = f"""
    create or replace temp table answered as
    with named as (select id, annotator, unnest({{parts}}) as name from ({{told}})),
    given as (
        select named.id, annotator, list(distinct l.id order by l.id) as labels
        from named join label_ids l using (name) group by named.id, annotator
    )
    select r.n, annotator, given.labels,
           array_to_string(given.labels, ',') as said,
           if(annotator is null, '{FILE}' || $source || ':' || r.id || ':' || said,
              '{CROWD}' || md5(to_json([$source, r.id, annotator, said])::varchar)) as event_id
    from given join records r on r.id = given.id
"""
_STORE = f"""
    insert into responses
    select event_id, n, coalesce(annotator, $source), 'submit', labels, null, null, $now, 0, $now, 0,
           $taxonomy::integer, null, if(annotator is null, null, '{CROWD}' || $source),
           $stamp - 1 + row_number() over (order by n, annotator nulls first)
    from answered on conflict (event_id) do nothing
"""
# A job that began after an answer may have learnt from it, though its model is not there yet.
_MAKE_GOLD = """
    update records set split = 'test'
    where split is distinct from 'test' and n in (select n from answered where annotator is null)
      and n not in (select n from queue)
      and n not in (select a.n from responses a where a.action = 'submit' and a.received_at < (
          select max(made_at) from (
              select made_at from models union all select made_at from jobs where kind not in ('ingest', 'encode'))))
"""
