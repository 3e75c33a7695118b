"""The database follows the settings' taxonomy and settling rule, version by version. Knows no records' file."""

import json
from dataclasses import replace

import duckdb

from core.config.settings import FILE as SETTINGS_FILE
from core.config.settings import Settings
from core.errors import BadInput
from core.labelling.resettling import adopt_rule, settle_all
from core.labelling.settling import settle
from core.store.database import count, note, utc_now
from core.store.record_numbers import IDLE_CHECKS
from core.tasks.tasks import task_of

_END_EMPTY_GUARANTEES = """
    update guarantees set state = 'withdrawn', ended_at = ?, why = 'its labels were retired'
    where state = 'in_force' and id not in (select guarantee from machine_labels)
"""


def adopt_taxonomy(cursor: duckdb.DuckDBPyConnection, settings: Settings) -> Settings:
    """Updates the database to the taxonomy and the rule; returns the settings with the new version.

    Another rule settles every answer anew. Where the newest version has the same labels that is all; else they become
    a version of a number never used before, whatever the file says, and every answer is settled anew too, unless labels
    were only appended. Responses stay as they are. Raises BadInput for settings that would drop labels in use, which is
    what a shortened file does.
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
    cursor.execute("update queue set suggestion = null where not is_labelled(n)")
    active = [label.id for label in taxonomy.active]
    cursor.execute("delete from machine_labels where not list_has_all(?::varchar[], labels)", [active])
    cursor.execute(IDLE_CHECKS)
    cursor.execute(_END_EMPTY_GUARANTEES, [utc_now()])
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
    any_number = task_of(settings).parameters(settings)["multi"]
    several = 0 if any_number else count(cursor, "select count(*) from settled where len(labels) <> 1")
    if several:
        raise BadInput(
            f"{SETTINGS_FILE} says multi = false, but {several:,} records have several labels or none of them, and "
            "would lose them. Nothing was changed. Write multi = true."
        )


SHOWN_REASONS = 3
MISSING = "is missing."
"""end of the reason why an answer lacks a field that is required now"""
_ANSWERS_IN_USE = """
    select answer::varchar, count(*) from (
        select n, answer from responses where action = 'submit' union select n, answer from settled
    ) group by 1
"""


def lost_answers(cursor: duckdb.DuckDBPyConnection, settings: Settings) -> str | None:
    """Why answers that people gave cannot be given any more, or None. A new field that is required is no loss: what
    lacks it is asked again where somebody opens it."""
    task = task_of(settings)
    if not task.steps:
        return None
    lost, reasons = 0, dict[str, None]()
    for stored, times in cursor.execute(_ANSWERS_IN_USE).fetchall():
        reason = task.retired(json.loads(stored), settings)
        if reason and not reason.endswith(MISSING):
            lost += times
            reasons[reason] = None
    if not lost:
        return None
    return f"{lost:,} answers do not fit it: {' '.join(list(reasons)[:SHOWN_REASONS])}"
