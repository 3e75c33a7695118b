"""Where a project stands, for `status` and the pages: figures, warnings, the one next thing. Changes nothing."""

from typing import Any

from core.auto_label.guarantees import announcements
from core.config.settings import with_changes
from core.labelling.gold import UNASKED_TEST
from core.labelling.resettling import change_sentence, compare
from core.labelling.settling import ANSWERS, RULES, answer_parameters
from core.labelling.states import STATES
from core.labelling.waiting import asked_parameters
from core.models.vectors import encoded_rows
from core.project import Project
from core.reports.batches import self_test_of
from core.reports.model_quality import caveats, newest_model, pool_exhausted, without_advice

_SHOWN = ("labelled", "gold", "queued", "flagged", "skipped", "tied")
_COUNTS = f"""
    select
        (select count(*) from records) as records,
        (select count(*) from records where {STATES["duplicate"]}) as duplicates,
        {" ".join(f"(select count(*) from records where {STATES[name]}) as {name}," for name in _SHOWN)}
        (select count(*) from settled where stratum = 'audit') as audit,
        (select count(*) from machine_labels where not is_labelled(n)) as machine,
        (select count(*) from (select n from pool union all {UNASKED_TEST})) as unqueued,
        (select count(*) from responses) as responses,
        (select coalesce(max(batch), 0) from batches) as round
"""


_LONG = ("curve", "mixes")
"""what a status leaves to the pages"""


def status(project: Project) -> dict[str, Any]:
    """JSON-able. Scores are those of the newest model, judged on audit and gold records only."""
    settings = project.settings()
    with project.store.reading() as cursor:
        cursor.execute(_COUNTS, asked_parameters(settings))
        names = [column[0] for column in cursor.description or ()]
        figures: dict[str, Any] = dict(zip(names, cursor.fetchone() or (), strict=True))
    figures["name"] = settings.name
    figures["labels"] = [label.name for label in settings.taxonomy.active]
    encoded = encoded_rows(project.vectors, settings.encoder)
    figures["encoded"] = project.store.one("select count(*) from records where n < ?", [encoded])
    model = newest_model(project)
    if model and not figures["queued"] and not figures["unqueued"]:
        model = without_advice(model)
    figures["model"] = model and {key: value for key, value in model.items() if key not in _LONG}
    figures["caveats"] = caveats(project)
    figures["warnings"] = warnings(project)
    figures["next"], figures["command"] = _next_thing(figures)
    return figures


def warnings(project: Project) -> list[str]:
    """Guarantees that broke, and what the newest batch's self-test warns of while there is another batch to choose."""
    newest = "select self_test from batches order by batch desc limit 1"
    written = None if pool_exhausted(project) else project.store.one(newest)
    return announcements(project) + list(self_test_of(written).warnings if written else ())


def label_counts(project: Project) -> list[dict[str, Any]]:
    """Per label of the taxonomy: records that people labelled, gold, and what is suggested for the rest of the pool."""
    counted = "select unnest(labels) as label, count(*) from settled where stratum {} 'gold' group by 1"
    settled, gold = (dict(project.store.query(counted.format(sign))) for sign in ("<>", "="))
    suggested = dict(
        project.store.query(
            "select label, count(*) from suggestions where label is not null and n in (from pool) group by 1"
        )
    )
    return [
        {
            "label": label.name,
            "labelled": settled.get(label.id, 0),
            "gold": gold.get(label.id, 0),
            "suggested": suggested.get(label.id, 0),
        }
        for label in project.settings().taxonomy.active
    ]


_PEOPLE = f"""
    with answers as ({ANSWERS.format(ns="select n from responses")}),
    seen as (select annotator, max(received_at) as last from responses group by 1)
    select annotator, count(*) filter (action = 'submit') as given, count(*) filter (action = 'skip'),
           count(*) filter (action = 'flag'), any_value(seen.last)
    from seen left join answers using (annotator) group by annotator order by given desc, annotator
"""


def people(project: Project) -> list[dict[str, Any]]:
    """Whose answers stand, the busiest first; files that brought labels count as annotators too."""
    with project.store.reading() as cursor:
        rows = cursor.execute(_PEOPLE, answer_parameters(project.settings())).fetchall()
    return [
        {"annotator": who, "labels": labels, "skipped": skips, "flagged": flags, "last": f"{last:%Y-%m-%d %H:%M}"}
        for who, labels, skips, flags, last in rows
    ]


def _next_thing(figures: dict[str, Any]) -> tuple[str, str]:
    """What to do now, in one sentence, and the command for it."""
    if not figures["records"]:
        return "Import records.", "rondo import FILE --text COLUMN"
    if not figures["labels"]:
        return "Add labels on the Settings page.", "rondo up"
    if figures["queued"]:
        return f"Label the {figures['queued']:,} records that wait in the queue.", "rondo up"
    if not figures["unqueued"]:
        return _all_asked(figures), "rondo export --format csv --out labels.csv"
    if figures["round"]:
        return "The batch is done: learn from it and choose the next.", "rondo round"
    return "Choose the first batch.", "rondo next"


def _all_asked(figures: dict[str, Any]) -> str:
    """Names what nobody has settled, so that "everything" is never said of less."""
    kinds = {"skipped": "skipped", "flagged": "flagged", "tied": "answered without settling a label"}
    left = [f"{figures[kind]:,} were {words}" for kind, words in kinds.items() if figures[kind]]
    return (
        f"All records were asked; {', '.join(left)}. Export the labels."
        if left
        else "Everything is labelled: export it."
    )


def strategies() -> dict[str, str]:
    """Name of each query strategy with the first sentence that says what it does."""
    from core.sampling.strategies import STRATEGIES

    return {name: f"{name}: {(function.__doc__ or '').split('.')[0].strip()}" for name, function in STRATEGIES.items()}


def settle_rules() -> dict[str, str]:
    """Name of each rule by which answers settle a label, with what it does."""
    return {name: f"{name}: {rule.caption}" for name, rule in RULES.items()}


def resettling(project: Project, rule: str) -> dict[str, Any]:
    """What another rule would change: `lost`, `gained`, `changed` (labels), and `sentence`, which says so."""
    settings = with_changes(project.settings(), settle=rule)
    with project.store.reading() as cursor:
        counts = compare(cursor, settings)
    return {**counts, "sentence": change_sentence(counts)}


def retiring(project: Project, label_id: str) -> str:
    """What retiring a label would do, in a sentence."""
    count = project.store.one("select count(*) from settled where list_contains(labels, ?)", [label_id])
    if not count:
        return "No record has this label. It is not offered any more; it can be brought back."
    also = " or keep their other labels" if project.settings().multi else ""
    predicted = f"{count:,} records have this label. They are asked again{also}"
    return f"{predicted}; no answer is deleted, and the label can be brought back."
