"""Records in the store: taking in a file that a job has read, and who is in the pool. Knows no vectors, no models."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from core.config.settings import FILE as SETTINGS_FILE
from core.config.settings import Settings
from core.config.taxonomy import Taxonomy, add_label, in_order
from core.errors import BadInput
from core.labelling.crowd import FileAnswers, take_in_answers
from core.labelling.gold import ask_no_more, declare_gold
from core.labelling.resettling import adopt_rule, settle_all
from core.labelling.responses import FILE
from core.labelling.settling import settle
from core.store.database import count, note, utc_now

# Spare records that nobody holds or has answered: chosen behind a batch, they compete again in the next round.
HELD = "select l.n from leases l where l.until > now() at time zone 'UTC'"
FREE_SPARE = f"""
    q.spare and q.purpose is null and q.n not in ({HELD})
    and not exists (select 1 from responses a where a.n = q.n)
"""

# A record has the text of a gold one only where that one repeats it, or it is a duplicate itself: no need of hashes.
GOLD = """(
    r.split is not distinct from 'test' or r.n in (
        select g.duplicate_of from records g join settled z using (n)
        where z.stratum = 'gold' and g.duplicate_of is not null))
"""
"""has a known answer, or the text of one that has: a condition on a row `r` of records"""

ELIGIBLE = f"r.duplicate_of is null and not {GOLD}"
"""may be asked: neither a duplicate nor gold nor the twin of gold; a condition on a row `r` of records"""

# A person's newest answer that stands gives labels that there still are: whoever chose the record again would find
# it answered as often as is wanted. It waits for somebody to decide, or for more people where it is in the queue.
_UNSETTLED = f"""
    select n from (
        select * from responses a
        where action <> 'undo' and n not in (select n from settled) and not starts_with(event_id, '{FILE}')
          and not exists (select 1 from responses undo where undo.action = 'undo' and undo.undoes = a.event_id
                            and undo.annotator = a.annotator and undo.n = a.n)
        qualify row_number() over (partition by n, annotator order by stamp desc) = 1
    ) where action = 'submit' and (len(labels) = 0 or list_has_any(labels, (
        select list(label->>'$[0]') from (
            select unnest(labels::json[]) as label from (select labels from taxonomies order by version desc limit 1))
        where not (label->'$[3]')::boolean)))
"""

# Who can be drawn for the audit: everybody whom no person has labelled and nobody is asked about.
AUDIT_POOL = f"""
    select r.n from records r
    where {ELIGIBLE} and r.n not in (select n from settled) and r.n not in ({_UNSETTLED})
      and r.n not in (select q.n from queue q where not ({FREE_SPARE}))
"""

POOL = f"{AUDIT_POOL} and r.n not in (select m.n from machine_labels m)"
"""who can be chosen: not what a standing promise has labelled by machine"""


NUMBERS = "(select count(*) from records) + (select count(*) from erased)"
"""how many numbers records have or had; every n is smaller"""


def number_of(cursor: duckdb.DuckDBPyConnection, record: str) -> int:
    """n of a record id. Raises BadInput where there is none."""
    row = cursor.execute("select n from records where id = ?", [record]).fetchone()
    if row is None:
        raise BadInput(f"There is no record {record[:80]!r} in this project.")
    return int(row[0])


def learn_labels(report: dict[str, Any], settings: Settings, *, add: bool) -> Taxonomy:
    """The taxonomy with the file's labels, where it has none yet or `add` says so; else unknown ones are refused."""
    taxonomy = settings.taxonomy
    if report.get("fault"):
        raise BadInput(f"{report['fault']} Nothing was imported.")
    names, spellings = report.get("labels", {}), report.get("spellings", {})
    unknown = [name for name in names if name not in taxonomy.spellings]
    if unknown and taxonomy.labels and not add:
        shown = ", ".join(repr(name) for name in unknown[:5]) + (", …" if len(unknown) > 5 else "")
        raise BadInput(
            f"The file holds {len(unknown)} labels that the taxonomy does not: {shown}. "
            "Add them with --add-labels, or correct the file. Nothing was imported."
        )
    if (
        add or not taxonomy.labels
    ):  # what the file's metadata declare has an order, and is asked about though none has it
        declared = [name for name in report.get("declared", []) if name not in taxonomy.spellings]
        unknown = [*dict.fromkeys(declared), *in_order(name for name in unknown if name not in declared)]
    for name in unknown:
        written = spellings.get(name, [])
        taxonomy = add_label(taxonomy, written[0] if len(written) == 1 and "." not in written[0] else name)
    return taxonomy


@dataclass(frozen=True)
class Part:
    """Some of a file's rows. By place, from `first` to before `end`: new records stand before known ones.

    stamp: the first that its answers get.
    """

    first: int
    end: int
    stamp: int


def number_records(cursor: duckdb.DuckDBPyConnection, out: Path, source: str) -> tuple[int, int]:
    """Writes beside what the job has written the place of each row, and n of each new record; changes nothing else.

    Returns how many records are new, and how many rows there are. Raises BadInput where a known id comes with another
    text. Holds as long as no other file is taken in.
    """
    cursor.execute(f"create or replace temp view staged as select * from read_parquet('{_quoted(out / RECORDS)}')")
    _refuse_changed_texts(cursor, source)
    numbers = _quoted(out / PLACES)
    cursor.execute(_NUMBER_RECORDS.format(target=numbers, numbers=NUMBERS))
    return cursor.execute(f"select count(n), count(*) from read_parquet('{numbers}')").fetchall()[0]


def store_records(
    cursor: duckdb.DuckDBPyConnection, out: Path, source: str, settings: Settings, part: Part
) -> dict[str, int]:
    """Takes in these rows of what the job and `number_records` have written, inside the caller's transaction.

    The settings' taxonomy holds every label of the file. Returns counts.
    """
    cursor.execute(
        _STAGE.format(records=_quoted(out / RECORDS), numbers=_quoted(out / PLACES), first=part.first, end=part.end)
    )
    cursor.execute(_INSERT_RECORDS, [source, utc_now()])
    counted = "select count(*), count(n), count(duplicate_of) from staged"
    total, added, duplicates = cursor.execute(counted).fetchall()[0]
    result, by_people = "select id, null::varchar as annotator, label from staged where label is not null", False
    if (out / ANSWERS).exists():
        answers = f"select id, annotator, label from read_parquet('{_quoted(out / ANSWERS)}')"
        result, by_people = f"{answers} where id in (select id from staged)", True
    moved = declare_gold(cursor)
    answered = take_in_answers(cursor, FileAnswers(result, source, by_people, part.stamp), settings)
    ask_no_more(cursor, settings)
    cursor.execute("drop view staged")
    return {"rows": total, "added": added, "known": total - added, "duplicates": duplicates, **answered, **moved}


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
               nullif(firsts.n, new.n) as duplicate_of
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


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


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


# Somebody who has the record on the screen may still answer it: it is a label like any other then.
IDLE_CHECKS = f"""
    delete from queue where purpose = 'check' and n not in (select n from machine_labels)
        and n not in ({HELD}) and n not in (select n from responses)
"""
_END_EMPTY_PROMISES = """
    update promises set state = 'withdrawn', ended_at = ?, why = 'its labels were retired'
    where state = 'standing' and id not in (select promise from machine_labels)
"""


def adopt_taxonomy(cursor: duckdb.DuckDBPyConnection, settings: Settings) -> Settings:
    """Makes the database follow the taxonomy and the rule; returns the settings with the version from now on.

    Another rule settles every answer anew. Where the newest version has the same labels that is all; else they become
    a version of a number never used before, whatever the file says, and every answer is settled anew too, unless labels
    only came behind the others. Responses stay as they are. Raises BadInput for settings that would drop labels in use,
    which is what a shortened file does.
    """
    taxonomy = settings.taxonomy
    labels = [[x.id, x.name, x.description, x.retired] for x in taxonomy.labels]
    _refuse_dropped_labels(cursor, settings)
    if adopt_rule(cursor, settings):
        note(cursor, "rondo", "settled anew", {"rule": settings.settle, **settle_all(cursor, settings)})
    newest = cursor.execute("select version, labels from taxonomies order by version desc limit 1").fetchone()
    before = json.loads(newest[1]) if newest else []
    if newest and before == labels:
        return replace(settings, taxonomy=replace(taxonomy, version=newest[0]))
    version = max(taxonomy.version, newest[0] + 1 if newest else 1)
    came_back = _were_there(cursor, labels[len(before) :])
    cursor.execute("insert into taxonomies values (?, ?, ?)", [version, utc_now(), json.dumps(labels)])
    settings = replace(settings, taxonomy=replace(taxonomy, version=version))
    if labels[: len(before)] != before or came_back:  # else no answer can name the new ones
        settle(cursor, "select distinct n from responses", settings)
    cursor.execute("update queue set suggestion = null where n not in (select n from settled)")
    active = [label.id for label in taxonomy.active]
    cursor.execute("delete from machine_labels where not list_has_all(?::varchar[], labels)", [active])
    cursor.execute(IDLE_CHECKS)
    cursor.execute(_END_EMPTY_PROMISES, [utc_now()])
    return settings


def _were_there(cursor: duckdb.DuckDBPyConnection, labels: list[list[object]]) -> bool:
    """Whether an earlier taxonomy had one of these labels."""
    ids = [label[0] for label in labels]
    older = "select count(*) from (select unnest(labels->>'$[*][0]') as id from taxonomies) where list_contains(?, id)"
    return bool(ids) and count(cursor, older, [ids]) > 0


_USES = """
    select label, count(distinct n) from (
        select n, unnest(labels) as label from responses where action = 'submit'
        union all select n, unnest(labels) from settled union all select n, unnest(labels) from machine_labels
    ) group by 1 order by 2 desc, 1
"""


def _refuse_dropped_labels(cursor: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    names = settings.taxonomy.names
    newest = cursor.execute("select labels from taxonomies order by version desc limit 1").fetchone()
    before = {entry[0]: entry[1] for entry in json.loads(newest[0])} if newest else {}
    gone = before.keys() - names.keys()
    uses_of = cursor.execute(_USES).fetchall() if gone else []
    dropped = [(label, uses) for label, uses in uses_of if label in gone]
    if dropped:
        shown = ", ".join(f"{before[label]!r} ({uses:,} records)" for label, uses in dropped[:5])
        more = ", …" if len(dropped) > 5 else ""
        raise BadInput(
            f"{SETTINGS_FILE} has lost labels that are in use: {shown}{more}. Nothing was changed. "
            "Write them back, with `retired = true` where a label shall not be offered any more."
        )
    if before and not names:
        raise BadInput(
            f"{SETTINGS_FILE} has lost all {len(before)} labels. Nothing was changed. "
            "Write them back, with `retired = true` where a label shall not be offered any more."
        )
    several = 0 if settings.multi else count(cursor, "select count(*) from settled where len(labels) <> 1")
    if several:
        raise BadInput(
            f"{SETTINGS_FILE} says multi = false, but {several:,} records have several labels or none of them, and "
            "would lose them. Nothing was changed. Write multi = true."
        )
