"""What a reviewer needs to choose the rounds again: settings, batches, and answers in the order in which they came."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import duckdb

from core.config.settings import Settings, write_settings
from core.config.steps import FILE as STEPS_FILE
from core.config.steps import steps_document
from core.models.encoders.encoder import BUNDLED
from core.paper.facts import PaperFacts
from core.project import Project
from core.registry.model_card import public_name
from core.store.tables import write_table
from core.tasks.tasks import describer, is_choice

ANSWERS = "answers"
BATCHES = "batches.jsonl"

_ANSWERS = """
    with numbered as (select *, row_number() over (order by stamp) as number from responses
                      where stamp <= (select stamp from paper_until))
    select a.number, r.id as record, p.shown as annotator, a.action,
           if(a.action = 'submit', t.text, null) as answer, a.round, s.stratum, a.source, a.blind, a.model,
           u.number as undoes, strftime(a.made_at, '%Y-%m-%dT%H:%M:%S.%fZ') as made_at,
           strftime(a.received_at, '%Y-%m-%dT%H:%M:%S.%fZ') as received_at{texts}
    from numbered a join records r using (n) left join paper_people p on p.annotator = a.annotator
    left join paper_answers t on t.answer = a.answer::varchar
    left join numbered u on u.event_id = a.undoes left join settled s on s.n = a.n
    order by a.number
"""
_TEXTS = ", r.text, a.note, a.answer::varchar as answer_json"
_BATCHES = """
    with drawn as (select batch, unnest(rows) as n, generate_subscripts(rows, 1) as position from batches),
         known as (select batch, list(r.id order by position) as records from drawn join records r using (n) group by 1)
    select b.batch as round, strftime(b.made_at, '%Y-%m-%dT%H:%M:%SZ') as made_at, b.strategy, b.seed, b.size, b.audit,
           b.pool, b.labelled as labelled_before, b.model, md5(array_to_string(b.rows, ',')) as rows_md5,
           k.records,
           (select list(r.id order by r.n) from queue q join records r using (n)
            where q.batch = b.batch and q.audit) as audit_records
    from batches b left join known k using (batch) order by b.batch
"""


def write_supplement(project: Project, facts: PaperFacts, folder: Path, *, texts: bool) -> int:
    """Into the folder; returns how many answers there are. texts: with those of the records and people's notes.

    Answers that came after the facts were read are not in it. Where answers quote the record, as values for a schema
    do, they stand as numbers unless the texts come along.
    """
    settings = project.settings()
    with project.store.reading() as cursor:
        _make_tables(cursor, facts, settings, texts=texts)
        query = _ANSWERS.format(texts=_TEXTS if texts else "")
        for form in ("parquet", "jsonl"):
            count = write_table(cursor, query, [], folder / f"{ANSWERS}.{form}", form)
        write_table(cursor, _BATCHES, [], folder / BATCHES, "jsonl")
        for name in ("paper_people", "paper_answers", "paper_until"):
            cursor.execute(f"drop table {name}")
    write_settings(folder, public_settings(settings))
    if settings.steps:
        (folder / STEPS_FILE).write_bytes(steps_document(settings.steps).encode())
    return count


def public_settings(settings: Settings) -> Settings:
    """Without addresses and folders of this machine, which no reviewer needs."""
    encoder = public_encoder(settings.encoder)
    llm_model = public_name(settings.llm_model) if settings.llm_model else ""
    train = tuple(
        replace(one, values=tuple((key, public_encoder(value)) for key, value in one.values)) for one in settings.train
    )
    own = replace(settings, encoder=encoder, llm_model=llm_model, train=train)
    return replace(own, ray_address="", ray_folder="", team_url="", llm_url="")


def public_encoder(name: str) -> str:
    """As settings name one that comes with Rondo; any other as it is published."""
    return name if name in BUNDLED else public_name(name)


def _make_tables(cursor: duckdb.DuckDBPyConnection, facts: PaperFacts, settings: Settings, *, texts: bool) -> None:
    """What people are called, and every answer once: in words, or numbered as they came."""
    query = "select answer::varchar from responses where answer is not null group by 1 order by min(stamp), 1"
    stored = [answer for (answer,) in cursor.execute(query).fetchall()]
    if texts or is_choice(settings):
        describe = describer(settings)
        words = [describe(answer) or json.dumps([]) for answer in stored]
    else:
        words = [f"answer {number}" for number, _ in enumerate(stored, 1)]
    _make_table(cursor, "paper_answers (answer varchar, text varchar)", dict(zip(stored, words, strict=True)))
    _make_table(cursor, "paper_people (annotator varchar, shown varchar)", facts.people)
    cursor.execute(f"create or replace temp table paper_until as select {facts.stamp:d}::bigint as stamp")


def _make_table(cursor: duckdb.DuckDBPyConnection, table: str, rows: Mapping[str, str]) -> None:
    name = table.partition(" ")[0]
    cursor.execute(f"create or replace temp table {table}")
    cursor.execute(
        f"insert into {name} select unnest(?::varchar[]), unnest(?::varchar[])", [list(rows), [*rows.values()]]
    )
