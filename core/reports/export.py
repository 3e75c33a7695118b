"""What can be exported, as SQL: people's labels, suggestions, machine labels, responses. Knows no file format."""

import json
import os
import re
import secrets
from pathlib import Path
from typing import Any

import duckdb

from core.config.settings import Settings
from core.config.taxonomy import SEPARATOR
from core.data.balance import OVERSAMPLED
from core.errors import BadInput, Refused
from core.labelling.settling import ANSWERS, answer_parameters
from core.merges.project_clusters import current_clusters
from core.project import Project
from core.reports.card_text import as_markdown
from core.reports.datacard import read_card
from core.reports.pair_export import DEDUPE, PAIR_CAPTIONS, pair_query, write_dedupe
from core.reports.sheet_rows import QUEUE, sheet_query
from core.store.tables import quoted, write_table
from core.tasks.tasks import task_of
from core.typed_json import to_json

RESPONSES = "responses"
CAPTIONS = {
    "labels": "labels that people gave, with who gave them and when they were settled, and gold (stratum gold)",
    "complete": "one label per record, people's where there is one, else the machine's; the column `by` says which",
    "machine": "labels accepted on a guarantee in force, for records that nobody labelled",
    "suggestions": "what the newest model proposes for records that nobody labelled; no guarantee",
    "train": "what models train on: texts as models read them (original: as they came), without what was left out",
    "validation": "the same of the validation split, which chooses checkpoints",
    "test": "the same of gold, on which models are scored and never train",
    "queue": "records that wait to be answered, in their order, with an empty column label for `rondo apply`",
    "answers": "each person's answer in force, one row each, with the record's text and its known answer",
    RESPONSES: "every answer that was ever given, one row each, undone ones too",
    "all": "every record with its label, its machine label and its suggestion, in columns of their own",
}

# {text:s} stands for what the answer of s says as people read it, {json:a} for the answer itself in a column of its own
# where that says less, {column} for where an answer stands, {active}, {meant} and {multi} for the task's parameters,
# {offered} for the labels that can be given. A duplicate has what the first record with its text has, and says so.
_STANDING = re.sub(r"\$(active|meant|multi)", r"{\1}", ANSWERS.format(ns="select n from settled"))
# Names are joined only where a record has several: ordering inside an aggregate takes as long as all the rest.
_GIVEN = f"""
    with given as (
        select a.n, a.annotator
        from ({_STANDING}) a
        join settled s on s.n = a.n and s.{{column}} = a.{{column}} where a.action = 'submit' and a.counts
    ), counted as (select n, min(annotator) as annotators, count(*) as givers from given group by n)
    select n, annotators from counted where givers = 1
    union all
    select n, string_agg(annotator, '{SEPARATOR}' order by annotator) from given
    where n in (select n from counted where givers > 1) group by n
"""
_SETTLED = """
    select r.n, s.n as first, s.labels, s.answer,
           if(r.duplicate_of is null or own.n is not null, s.how, 'duplicate') as how, s.stratum,
           strftime(s.settled_at, '%Y-%m-%dT%H:%M:%S.%fZ') as settled_at
    from records r left join settled own on own.n = r.n
    join settled s on s.n = coalesce(own.n, r.duplicate_of, r.n)
"""
_SUGGESTED = """
    select r.n, g.labels, g.answer, g.probability, g.model
    from records r join suggestions g on g.n = coalesce(r.duplicate_of, r.n)
    where list_has_all({offered}, g.labels)
"""
_MACHINE = f"""
    select r.n, m.labels, m.answer, if(r.duplicate_of is null, 'machine', 'duplicate') as how, m.probability,
           m.threshold, m.guarantee, p.precision, p.confidence, m.model
    from records r join machine_labels m on m.n = coalesce(r.duplicate_of, r.n) join guarantees p on p.id = m.guarantee
    where p.state = 'in_force' and list_has_all({{offered}}, m.labels) and r.n not in (select n from ({_SETTLED}))
"""
_PREPARED = """
    select r.id, m.text, r.text as original, {text:s} as label, r.split
    from settled s join records r using (n) join model_texts m using (n)
"""
_TRAINING = f"""{_PREPARED}
    where s.stratum in ('chosen', 'file') and r.n not in (select n from left_out)
      and r.hash not in (select t.hash from records t join settled z using (n) where z.stratum in ('gold', 'audit'))
"""
_IN_FORCE = f"""
    select * from ({_STANDING.replace("select n from settled", "select n from responses")})
    where not from_file and (action <> 'submit' or counts)
"""
_LABELLED = f"({_SETTLED}) s left join ({_GIVEN}) a on a.n = s.first"
_ORIGIN = "r.split, r.source, r.meta::varchar as meta"

_QUERIES = {
    "labels": f"""
        select r.id, r.text, {{text:s}} as label, s.how, s.stratum, a.annotators, s.settled_at, {_ORIGIN}
        from {_LABELLED} join records r on r.n = s.n order by r.n""",
    "complete": f"""
        select r.id, r.text, if(s.n is null, {{text:m}}, {{text:s}}) as label,
               if(s.n is null, 'machine', 'person') as by, coalesce(s.how, m.how) as how, s.stratum, a.annotators,
               s.settled_at, m.model, m.probability, m.threshold, m.guarantee, {_ORIGIN}
        from records r left join ({_LABELLED}) on s.n = r.n left join ({_MACHINE}) m on m.n = r.n
        where s.n is not null or m.n is not null order by r.n""",
    "machine": f"""
        select r.id, r.text, {{text:m}} as label, m.how, m.probability, m.threshold, m.guarantee,
               m.precision as guaranteed_precision, m.confidence, m.model, {_ORIGIN}
        from ({_MACHINE}) m join records r using (n) order by r.n""",
    "suggestions": f"""
        select r.id, r.text, {{text:g}} as label, g.probability, g.model
        from ({_SUGGESTED}) g join records r using (n)
        where r.n not in (select n from ({_SETTLED})) order by r.n""",
    "train": f"{_TRAINING} and r.split is distinct from 'validation' order by r.n",
    "validation": f"{_TRAINING} and r.split = 'validation' order by r.n",
    "test": f"{_PREPARED} where s.stratum = 'gold' order by r.n",
    "answers": f"""
        select r.id, r.text, a.annotator, if(a.action = 'submit', {{text:a}}, null) as label, a.action, p.note,
               strftime(p.made_at, '%Y-%m-%dT%H:%M:%S.%fZ') as answered_at,
               if(s.stratum = 'gold', {{text:s}}, null) as gold, {_ORIGIN}
        from records r left join ({_IN_FORCE}) a on a.n = r.n left join responses p on p.stamp = a.stamp
        left join settled s on s.n = r.n
        where a.n is not null or s.stratum = 'gold' order by r.n, a.annotator""",
    RESPONSES: """
        select a.event_id, r.id as record_id, a.annotator, a.action,
               if(a.action = 'submit', {text:a}, null) as label,{json:a}
               strftime(a.made_at, '%Y-%m-%dT%H:%M:%S.%fZ') as made_at,
               strftime(a.received_at, '%Y-%m-%dT%H:%M:%S.%fZ') as received_at, a.round, a.note, a.undoes,
               a.model, a.source, a.origin, a.blind, a.difference
        from responses a join records r using (n) order by a.stamp""",
    "all": f"""
        select r.id, r.text, {{text:s}} as label, s.how, s.stratum, a.annotators, s.settled_at,
               {{text:m}} as machine_label, m.probability as machine_probability,
               m.threshold as machine_threshold, m.model as machine_model, m.guarantee,
               {{text:g}} as suggestion, g.probability, {_ORIGIN}
        from records r left join ({_LABELLED}) on s.n = r.n left join ({_MACHINE}) m on m.n = r.n
        left join ({_SUGGESTED}) g on g.n = r.n order by r.n""",
}


def captions(settings: Settings) -> dict[str, str]:
    """What a project has to export, and what it is."""
    return CAPTIONS | (PAIR_CAPTIONS if task_of(settings).two_sides else {})


def write_export(  # noqa: PLR0913 - of a file and its card
    project: Project, target: Path, file_format: str, what: str, *, card: bool = False, name: str = ""
) -> int:
    """Rows written, in a format of the database. Answers are written as the task does: labels are names, several joined
    by `|`, none of them is `[]`. Times are UTC.

    card: FILE.card.md and FILE.card.json beside it say what the data are, of the same moment; all three or none.
    name: what the card calls the file, if not by its name.
    """
    settings = project.settings()
    _make_clusters(project, what)
    if what == DEDUPE and what in captions(settings):
        return _write_dedupe(project, target, file_format, card=card)
    with project.store.reading() as cursor:
        query = _query(project, cursor, what)
        if not card:
            return write_table(cursor, query, [], target, file_format)
        row = cursor.execute(f"select count(*) from ({query})").fetchone()
        result = read_card(project, cursor)
        result["export"] = {
            "file": name or target.name,
            "what": what,
            "is": captions(settings)[what],
            "rows": row[0] if row else 0,
        }
        texts = {".md": as_markdown(result), ".json": json.dumps(to_json(result), ensure_ascii=False, indent=1) + "\n"}
        partials = _write_beside(target, texts)
        try:
            rows = write_table(cursor, query, [], target, file_format)
            for partial, final in partials:
                partial.replace(final)
        finally:
            for partial, _ in partials:
                partial.unlink(missing_ok=True)
    return rows


def _make_clusters(project: Project, what: str) -> None:
    """Pairs that came ready get their sides, and what became of clusters is logged."""
    if what in PAIR_CAPTIONS and what in captions(project.settings()):
        current_clusters(project)


def _write_dedupe(project: Project, target: Path, file_format: str, *, card: bool) -> int:
    if file_format != "json" or card:
        raise BadInput(f"{DEDUPE} is a JSON document without a data card: --format json, no --card.")
    if target.is_dir() or not target.parent.is_dir():
        raise BadInput(f"{target} is no file that can be written; name one in a folder that is there.")
    with project.store.reading() as cursor:
        return write_dedupe(project, cursor, target)


def stamp(project: Project) -> str:
    """A text that changes whenever an export or the card may have changed; takes no time."""
    counts = project.store.query(
        """select (select count(*) from records), (select count(*) from responses), (select count(*) from batches),
                  (select count(*) from models), (select count(*) from machine_labels),
                  (select count(*) from guarantees), (select count(*) from guarantees where state = 'in_force'),
                  (select count(*) from audit_log), (select stamp from clock), (select count(*) from pairs),
                  (select max(made_at) from generated_answers), (select max(since) from step_models)"""
    )
    return repr((project.folder, counts, project.settings()))


def count_rows(project: Project, what: str) -> tuple[int, int]:
    """How many rows an export has, and how many of them are gold: known answers, not given by a person here."""
    _make_clusters(project, what)
    gold = "count(*) filter (stratum = 'gold')" if what in ("labels", "complete", "all") else "0"
    with project.store.reading() as cursor:
        query = _query(project, cursor, what)
        [(rows, known)] = cursor.execute(f"select count(*), {gold} from ({query})").fetchall()
    return int(rows), int(known)


def first_rows(project: Project, what: str, count: int = 20) -> list[dict[str, Any]]:
    """The first rows of an export, to look at."""
    _make_clusters(project, what)
    with project.store.reading() as cursor:
        cursor.execute(f"{_query(project, cursor, what)} limit {int(count)}")
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _write_beside(target: Path, texts: dict[str, str]) -> list[tuple[Path, Path]]:
    """Safely on the disk under names that nobody reads, each with the name that it gets when the table is there."""
    if not target.parent.is_dir():
        raise BadInput(f"There is no folder {target.parent}; make it first or choose another.")
    made: list[tuple[Path, Path]] = []
    try:
        for suffix, text in texts.items():
            final = target.with_name(f"{target.name}.card{suffix}")
            if final.is_dir():
                raise IsADirectoryError(f"{final} is a folder")
            made.append((target.with_name(f".{final.name[:200]}.{secrets.token_hex(4)}.partial"), final))
            with made[-1][0].open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
    except OSError as error:
        for partial, _ in made:
            partial.unlink(missing_ok=True)
        raise Refused(f"The card of {target} could not be written ({error}). Nothing was exported.") from error
    return made


def _query(project: Project, cursor: duckdb.DuckDBPyConnection, what: str) -> str:
    """Filled in in one pass, so that nothing in a label's name is ever taken for a name to fill in.

    May make a temporary table.
    """
    settings = project.settings()
    if what not in captions(settings):
        raise BadInput(f"Cannot export {what!r}; there are {', '.join(captions(settings))}.")
    task = task_of(settings)
    parameters, columns = answer_parameters(settings), task.columns
    fillings = {"multi": str(parameters["multi"]).lower()}
    lists = {name: parameters[name] for name in ("active", "meant")}
    for name, labels in (lists | {"offered": [label.id for label in settings.taxonomy.active]}).items():
        listed = ", ".join(f"'{quoted(label)}'" for label in (labels if isinstance(labels, list) else ()))
        fillings[name] = f"[{listed}]::varchar[]"
    fillings["column"] = "labels" if columns else "answer"  # reading the shorter of two takes a twentieth less
    if columns is None:
        _write_texts(cursor, settings)
    if what == "queue":
        return sheet_query(cursor, QUEUE)
    query = _QUERIES[what] if what in _QUERIES else pair_query(project, cursor, what, _GIVEN)

    def fill(match: re.Match[str]) -> str:
        name, table = match["name"], match["table"]
        if table is None:
            return fillings[name]
        if name == "json":
            return "" if columns else f" {table}.answer::varchar as answer,"
        if columns:
            return columns.written(settings, f"{table}.labels")
        return f"(select text from answer_texts where answer_texts.answer = {table}.answer::varchar)"

    if what == "train" and settings.oversample and columns and not parameters["multi"]:
        query = OVERSAMPLED.format(query=query, order="id")
    return re.sub(r"\{(?P<name>active|meant|offered|multi|column|text|json)(:(?P<table>[a-z]))?\}", fill, query)


def _write_texts(cursor: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Every stored answer once, in the words of the task."""
    tables = ("responses", "settled", "suggestions", "machine_labels")
    union = " union ".join(f"select answer::varchar from {table} where answer is not null" for table in tables)
    answers = [answer for (answer,) in cursor.execute(union).fetchall()]
    task, setup = task_of(settings), task_of(settings).setup(settings)
    texts = [task.text(json.loads(answer), setup) for answer in answers]
    cursor.execute("create or replace temp table answer_texts (answer varchar, text varchar)")
    cursor.execute("insert into answer_texts select unnest(?::varchar[]), unnest(?::varchar[])", [answers, texts])
