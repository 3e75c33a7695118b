"""The database follows the settings' taxonomy and settling rule, version by version. Knows no records' file."""

import json
from dataclasses import replace

import duckdb

from core.config.settings import FILE as SETTINGS_FILE
from core.config.settings import Settings, label_fields, read_taxonomy
from core.config.taxonomy import Label, Taxonomy
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


_FORGET_SUGGESTIONS = (
    "insert into predictions select * from predictions_of_champion",
    "delete from suggestions",
    "delete from held_out_predictions",
)
"""what a model of another taxonomy said of records before they were answered stays in the log"""


def adopt_taxonomy(cursor: duckdb.DuckDBPyConnection, settings: Settings, restores: int | None = None) -> Settings:
    """Updates the database to the taxonomy and the rule; returns the settings with the new version.

    Another rule settles every answer anew. Where the newest version has the same labels that is all; else they become
    a version of a number never used before, whatever the file says, and every answer is settled anew too, unless each
    label counts as before. Responses stay as they are. Of another taxonomy no model suggests anything. restores: the
    version that these labels are again. Raises BadInput for settings that would drop labels in use, which is what a
    shortened file does.
    """
    taxonomy = settings.taxonomy
    offered = {label.id for label in taxonomy.active}
    labels = [[x.id, x.name, x.description, x.id not in offered] for x in taxonomy.labels]
    _refuse_dropped_labels(cursor, settings)
    if adopt_rule(cursor, settings):
        note(cursor, "rondo", "settled anew", {"rule": settings.settle, **settle_all(cursor, settings)})
    newest = cursor.execute("select version, labels from taxonomies order by version desc limit 1").fetchone()
    before = json.loads(newest[1]) if newest else []
    past = read_version(cursor, newest[0]) if newest else Taxonomy()
    if newest and (taxonomy.labels, taxonomy.in_use) == (past.labels, past.in_use):
        return replace(settings, taxonomy=replace(taxonomy, version=newest[0]))
    version = max(taxonomy.version, newest[0] + 1 if newest else 1)
    known = {id for (id,) in cursor.execute("select distinct unnest(labels->>'$[*][0]') from taxonomies").fetchall()}
    cursor.execute("insert into taxonomies values (?, ?, ?)", [version, utc_now(), json.dumps(labels)])
    cursor.execute("insert into taxonomy_documents values (?, ?, ?)", [version, _document(taxonomy), restores])
    settings = replace(settings, taxonomy=replace(taxonomy, version=version))
    if any(taxonomy.meanings.get(label) != past.meanings.get(label) for label in known):
        settle(cursor, "select distinct n from responses", settings)
    if labels != before:
        cursor.execute("update queue set suggestion = null where not is_labelled(n)")
    if taxonomy.in_use != past.in_use:
        for step in _FORGET_SUGGESTIONS:
            cursor.execute(step)
    cursor.execute("delete from machine_labels where not list_has_all(?::varchar[], labels)", [sorted(offered)])
    cursor.execute(IDLE_CHECKS)
    cursor.execute(_END_EMPTY_GUARANTEES, [utc_now()])
    return settings


def _document(taxonomy: Taxonomy) -> str:
    labels = [label_fields(label) for label in taxonomy.labels]
    return json.dumps({"use": taxonomy.in_use, "labels": labels, "counting": list(taxonomy.meanings)})


def read_version(cursor: duckdb.DuckDBPyConnection, version: int) -> Taxonomy:
    """The taxonomy of that version. Raises BadInput where there is none."""
    row = cursor.execute(
        "select labels, document from taxonomies left join taxonomy_documents using (version) where version = ?",
        [version],
    ).fetchone()
    if row is None:
        raise BadInput(f"There is no version {version} of the taxonomy.")
    if row[1] is None:  # from before labels had more than these four fields
        return Taxonomy(tuple(Label(*fields) for fields in json.loads(row[0])), version)
    document = json.loads(row[1])
    return read_taxonomy({"version": version, "use": document["use"], "labels": document["labels"]})


_USES = """
    select label, count(distinct n) from (
        select n, unnest(labels) as label from responses where action = 'submit'
        union all select n, unnest(labels) from settled union all select n, unnest(labels) from machine_labels
    ) group by 1 order by 2 desc, 1
"""


def used_labels(cursor: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Label id to how many records name it anywhere, the most used first."""
    return dict(cursor.execute(_USES).fetchall())


def _refuse_dropped_labels(cursor: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    names = settings.taxonomy.names
    newest = cursor.execute("select labels from taxonomies order by version desc limit 1").fetchone()
    before = {entry[0]: entry[1] for entry in json.loads(newest[0])} if newest else {}
    gone = before.keys() - names.keys()
    uses_of = used_labels(cursor).items() if gone else []
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
