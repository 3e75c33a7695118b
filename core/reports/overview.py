"""The state of a project, for `status` and the pages: figures, warnings, the next step. Changes nothing."""

from dataclasses import dataclass, replace

from core.auto_label.guarantees import announcements
from core.config.settings import with_changes
from core.jobs.bundle import Report
from core.labelling.record_states import count_of
from core.labelling.resettling import change_sentence, compare
from core.labelling.settling import RULES
from core.models.vectors import encoded_rows
from core.project import Project
from core.reports.batches import self_test_of
from core.reports.model_quality import (
    MeasuredModel,
    caveats,
    newest_model,
    pool_exhausted,
    without_advice,
)
from core.reports.record_counts import cached_figure, record_counts, suggested_counts
from core.tasks.tasks import unready
from core.typed_json import from_json

_SHOWN = ("records", "labelled", "gold", "queued", "flagged", "skipped", "tied", "left_out", "audit", "machine")
_OTHERS = f"""
    select ({count_of("duplicate")}), (select count(*) from responses), (select coalesce(max(batch), 0) from batches)
"""


@dataclass(frozen=True)
class Status:
    """Where a project stands. Records: labelled (by people), gold, audit, machine (labelled by it), queued, unqueued,
    flagged, skipped, tied (answered without settling a label), encoded, left_out (of training, by cleaning or
    balancing). labels: names. model: the champion, as it was
    measured. caveats: what its figures cannot say. next, command: the one thing to do now.
    """

    name: str
    labels: tuple[str, ...]
    records: int
    duplicates: int
    labelled: int
    gold: int
    queued: int
    flagged: int
    skipped: int
    tied: int
    audit: int
    machine: int
    unqueued: int
    responses: int
    round: int
    encoded: int
    left_out: int = 0
    model: MeasuredModel | None = None
    caveats: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    next: str = ""
    command: str = ""


def show_status(project: Project, report: Report) -> Status:
    """Figures, warnings, and the one next thing to do."""
    return status(project)


def status(project: Project) -> Status:
    """Scores are those of the champion, on audit and gold records only; curve and mixes are left to the pages."""
    settings = project.settings()
    counts = _counts(project)
    labels = [label.name for label in settings.taxonomy.active]
    encoded = project.store.one(
        "select count(*) from records where n < ?", [encoded_rows(project.vectors, settings.encoder)]
    )
    now = from_json(Status, {**counts, "name": settings.name, "labels": labels, "encoded": encoded}, "The status")
    model = newest_model(project)
    if model:
        metrics = model.metrics if now.queued or now.unqueued else without_advice(model.metrics)
        model = replace(model, metrics=replace(metrics, curve=(), mixes=()))
    step, command = _next_thing(now, unready=unready(settings) is not None)
    return replace(
        now,
        model=model,
        caveats=tuple(caveats(project)),
        warnings=tuple(warnings(project)),
        next=step,
        command=command,
    )


def _counts(project: Project) -> dict[str, int]:
    """Those of `Status`."""
    counts = record_counts(project)
    [(duplicates, responses, batch)] = project.store.query(_OTHERS)
    others = {"duplicates": duplicates, "responses": responses, "round": batch}
    unqueued = counts["pool"] + counts["unasked_test"]
    return {name: counts[name] for name in _SHOWN} | others | {"unqueued": unqueued}


def warnings(project: Project) -> list[str]:
    """Broken guarantees, warnings of the newest batch's self-test while there is another batch to choose, and records
    that came after the last cleaning.
    """
    newest = "select self_test from batches order by batch desc limit 1"
    written = None if pool_exhausted(project) else project.store.one(newest)
    sentences = announcements(project) + list(self_test_of(written).warnings if written else ())
    if uncleaned := project.store.one(_UNCLEANED):
        sentences.append(f"{uncleaned:,} records came after the texts were cleaned, and are not: `rondo clean` again.")
    return sentences


_UNCLEANED = """
    select count(*) from records, (from cleanings order by run desc limit 1) c
    where len(c.rules) > 0 and records.imported_at > make_timestamp(c.run * 1000)
"""


@dataclass(frozen=True)
class LabelCount:
    """A label of the taxonomy by name: records that people labelled so, gold, and what is suggested for the rest of the
    pool."""

    label: str
    labelled: int
    gold: int
    suggested: int


def label_counts(project: Project) -> list[LabelCount]:
    """In the order of the taxonomy."""
    suggested = suggested_counts(project)
    settled, gold = cached_figure(
        project, "labels", lambda cursor: tuple(dict(cursor.execute(query).fetchall()) for query in _BY_LABEL)
    )
    return [
        LabelCount(label.name, settled.get(label.id, 0), gold.get(label.id, 0), suggested.get(label.id, 0))
        for label in project.settings().taxonomy.active
    ]


_SETTLED = "select unnest(labels) as label, count(*) from settled where stratum {} 'gold' group by 1"
_BY_LABEL = (_SETTLED.format("<>"), _SETTLED.format("="))


def _next_thing(now: Status, *, unready: bool) -> tuple[str, str]:
    """The next step in one sentence, and the command for it."""
    if not now.records:
        return "Import records.", "rondo import FILE --text COLUMN"
    if unready:
        return "Add labels on the Settings page.", "rondo up"
    if now.queued:
        return f"Label the {now.queued:,} records that wait in the queue.", "rondo up"
    if not now.unqueued:
        return _all_asked(now), "rondo export --format csv --out labels.csv"
    if now.round:
        return "The batch is done: learn from it and choose the next.", "rondo round"
    return "Choose the first batch.", "rondo next"


def _all_asked(now: Status) -> str:
    """Names the records without a settled answer, so that "everything" is never said of less."""
    kinds = {"skipped": now.skipped, "flagged": now.flagged, "answered without settling a label": now.tied}
    left = [f"{count:,} were {words}" for words, count in kinds.items() if count]
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


@dataclass(frozen=True)
class Resettling:
    """What another rule would change: records that lose their label, gain one, get another; and it in words."""

    lost: int
    gained: int
    changed: int
    sentence: str


def preview_resettling(project: Project, rule: str) -> Resettling:
    """Of the answers there are now."""
    settings = with_changes(project.settings(), settle=rule)
    with project.store.reading() as cursor:
        counts = compare(cursor, settings)
    return Resettling(counts["lost"], counts["gained"], counts["changed"], change_sentence(counts))


def retiring_sentence(project: Project, label_id: str) -> str:
    """The effect of retiring a label, in a sentence."""
    count = project.store.one("select count(*) from settled where list_contains(labels, ?)", [label_id])
    if not count:
        return "No record has this label. It is not offered any more; it can be brought back."
    also = " or keep their other labels" if project.settings().multi else ""
    sentence = f"{count:,} records have this label. They are asked again{also}"
    return f"{sentence}; no answer is deleted, and the label can be brought back."
