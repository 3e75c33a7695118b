"""The verbs of the labels: what there is, what a step would touch, doing it, taking it back. Rewrites no response."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import duckdb

from core.config.settings import check
from core.config.taxonomy import Taxonomy, add_label, change_label, rename_label, retire_label
from core.config.taxonomy_differences import differences
from core.config.taxonomy_steps import (
    LabelDraft,
    add_taxonomies,
    arrange_labels,
    describe_label,
    find_label,
    load_taxonomies,
    map_labels,
    merge_labels,
    migrate_taxonomy,
    move_label,
    split_label,
    use_taxonomy,
)
from core.errors import BadInput, Refused
from core.jobs.bundle import Report
from core.labelling.reviews import send_again
from core.labelling.taxonomy_versions import adopt_taxonomy, read_version, used_labels
from core.project import Project
from core.store.database import count, note
from core.tasks.tasks import task_of

Step = Callable[[Taxonomy], Taxonomy]


@dataclass(frozen=True)
class TouchedLabel:
    """A label by which answers count otherwise. before, after: names of the label that they count as, "" for none.
    answers: of people and files that hold, to so many records. suggestions, machine_labels: with it."""

    label: str
    taxonomy: str
    before: str
    after: str
    answers: int
    records: int
    suggestions: int
    machine_labels: int


@dataclass(frozen=True)
class TaxonomyChange:
    """What a step does, or did where it was applied. version: before it. changes: sentences on the labels. touched:
    labels by which answers count otherwise, of which the other figures are the sums. models: that fit the labels before
    and not after. queued: records that were put before the batch, to be asked again. switched: another taxonomy is in
    use, of which the model that suggests knows nothing."""

    applied: bool
    version: int
    changes: tuple[str, ...]
    touched: tuple[TouchedLabel, ...] = ()
    answers: int = 0
    records: int = 0
    suggestions: int = 0
    machine_labels: int = 0
    models: int = 0
    queued: int = 0
    switched: bool = False


@dataclass(frozen=True)
class LabelEntry:
    """answers: that hold, whether they count now or not. counts_as, maps_to: TAXONOMY:NAME."""

    id: str
    name: str
    path: str
    description: str
    colour: str
    retired: bool
    answers: int
    counts_as: tuple[str, ...]
    maps_to: tuple[str, ...]


@dataclass(frozen=True)
class TaxonomyEntry:
    """One of those that live side by side."""

    name: str
    in_use: bool
    labels: tuple[LabelEntry, ...]


@dataclass(frozen=True)
class VersionEntry:
    """restores: the earlier version that it is again."""

    version: int
    made_at: str
    restores: int | None


@dataclass(frozen=True)
class TaxonomyList:
    """versions: newest first."""

    version: int
    in_use: str
    taxonomies: tuple[TaxonomyEntry, ...]
    versions: tuple[VersionEntry, ...] = field(default=())


# What each person, and the files together, say of a record now; whether it counts is another question.
_HELD = """
    select n, labels from responses_in_force
    qualify row_number() over (partition by n, if(source = 'file', '', annotator), source = 'file'
                               order by stamp desc) = 1 and action = 'submit'
"""
_ANSWERS = f"""
    select label, count(*), count(distinct n) from (select n, unnest(list_distinct(labels)) as label from ({_HELD}))
    group by 1
"""
_VERSIONS = """
    select version, strftime(made_at, '%Y-%m-%dT%H:%M:%SZ'), restores
    from taxonomies left join taxonomy_documents using (version) order by version desc limit 50
"""
_WITH_LABEL = "select label, count(*) from (select unnest(labels) as label from {table}) group by 1"
_FITTING = """
    select count(*) from models join taxonomies t on t.version = models.taxonomy where removed_at is null
    and list_sort(list_transform(list_filter(t.labels::json[], lambda x: not (x->>3)::boolean), lambda x: x->>0))
        = list_sort($labels::varchar[])
"""


def taxonomy_list(project: Project, report: Report) -> TaxonomyList:
    """Every taxonomy with its labels, how often each was given, and what it is mapped to."""
    taxonomy = _taxonomy(project)
    with project.store.reading() as cursor:
        answers = {label: times for label, times, _ in cursor.execute(_ANSWERS).fetchall()}
        versions = [VersionEntry(*row) for row in cursor.execute(_VERSIONS).fetchall()]

    def shown(ids: Sequence[str]) -> tuple[str, ...]:
        return tuple(f"{taxonomy.by_id[one].taxonomy}:{taxonomy.by_id[one].name}" for one in ids)

    entries = []
    for name in taxonomy.taxonomies:
        labels = tuple(
            LabelEntry(
                id=one.id,
                name=one.name,
                path=taxonomy.path(one.id),
                description=one.description,
                colour=one.colour,
                retired=one.retired,
                answers=answers.get(one.id, 0),
                counts_as=shown(one.counts_as),
                maps_to=shown(one.maps_to),
            )
            for one in taxonomy.labels
            if one.taxonomy == name
        )
        entries.append(TaxonomyEntry(name, name == taxonomy.in_use, labels))
    return TaxonomyList(taxonomy.version, taxonomy.in_use, tuple(entries), tuple(versions))


def taxonomy_diff(project: Project, report: Report, *, target: str) -> TaxonomyChange:
    """What would be touched if these labels were in force: a taxonomy's name, a version's number, or a TOML file."""
    before = _taxonomy(project)
    with project.store.reading() as cursor:
        if target in before.taxonomies:
            after = use_taxonomy(before, target)
        elif target.isdecimal():
            after = _restored(cursor, before, int(target))
        else:
            after = load_taxonomies(target)
        return _touched(cursor, before, after)


def taxonomy_use(
    project: Project, report: Report, *, name: str, preview: bool = False, user: str = "local"
) -> TaxonomyChange:
    """People answer with this taxonomy from now on."""
    return _change(project, user, preview, lambda now: use_taxonomy(now, name))


def taxonomy_load(
    project: Project, report: Report, *, source: str, preview: bool = False, user: str = "local"
) -> TaxonomyChange:
    """Adds the taxonomies of a TOML file or a template beside those that there are."""
    return _change(project, user, preview, lambda now: add_taxonomies(now, load_taxonomies(source, whole=False)))


def taxonomy_add(  # noqa: PLR0913 - an option is an argument
    project: Project,
    report: Report,
    *,
    name: str,
    description: str = "",
    under: str = "",
    preview: bool = False,
    user: str = "local",
) -> TaxonomyChange:
    """One more label, or a retired one again."""

    def step(now: Taxonomy) -> Taxonomy:
        grown = add_label(now, name, description)
        label = next(one for one in grown.current if now.by_id.get(one.id) != one)
        return change_label(grown, label.id, parent=find_label(now, under).id) if under else grown

    return _change(project, user, preview, step)


def taxonomy_rename(  # noqa: PLR0913 - an option is an argument
    project: Project, report: Report, *, label: str, name: str, preview: bool = False, user: str = "local"
) -> TaxonomyChange:
    """Another name for the same label: every answer stays."""
    return _change(project, user, preview, lambda now: rename_label(now, find_label(now, label).id, name))


def taxonomy_retire(
    project: Project, report: Report, *, label: str, preview: bool = False, user: str = "local"
) -> TaxonomyChange:
    """Offers the label no longer; records that have it are asked again."""
    return _change(project, user, preview, lambda now: retire_label(now, find_label(now, label).id))


def taxonomy_merge(  # noqa: PLR0913 - an option is an argument
    project: Project, report: Report, *, labels: list[str], into: str, preview: bool = False, user: str = "local"
) -> TaxonomyChange:
    """Answers with these labels count as answers with that one."""
    return _change(project, user, preview, lambda now: merge_labels(now, labels, into))


def taxonomy_split(  # noqa: PLR0913 - an option is an argument
    project: Project, report: Report, *, label: str, into: list[str], preview: bool = False, user: str = "local"
) -> TaxonomyChange:
    """Asks for one of several labels where this one was given, which people see as a hint."""
    old = find_label(_taxonomy(project), label).id
    with project.store.reading() as cursor:
        affected = [
            n
            for (n,) in cursor.execute(
                f"select distinct n from ({_HELD}) where list_contains(labels, ?) order by n", [old]
            ).fetchall()
        ]
    change = _change(project, user, preview, lambda now: split_label(now, label, into))
    if preview or not affected:
        return change
    return replace(change, queued=send_again(project, affected, user)["queued"])


def taxonomy_move(  # noqa: PLR0913 - an option is an argument
    project: Project,
    report: Report,
    *,
    label: str,
    under: str = "",
    before: str = "",
    preview: bool = False,
    user: str = "local",
) -> TaxonomyChange:
    """Under another label, to the top where none is named, and before one of its neighbours."""
    return _change(project, user, preview, lambda now: move_label(now, label, under, before))


def taxonomy_describe(  # noqa: PLR0913 - an option is an argument
    project: Project,
    report: Report,
    *,
    label: str,
    description: str | None = None,
    colour: str | None = None,
    examples: list[str] | None = None,
    counter_examples: list[str] | None = None,
    preview: bool = False,
    user: str = "local",
) -> TaxonomyChange:
    """What a label says of itself; what is not named stays."""
    fields: dict[str, Any] = {
        "description": description,
        "colour": colour,
        "examples": None if examples is None else tuple(examples),
        "counter_examples": None if counter_examples is None else tuple(counter_examples),
    }
    return _change(project, user, preview, lambda now: describe_label(now, label, **fields))


def taxonomy_arrange(
    project: Project, report: Report, *, labels: list[LabelDraft], preview: bool = False, user: str = "local"
) -> TaxonomyChange:
    """These labels in this order, each with what it says of itself."""
    return _change(project, user, preview, lambda now: arrange_labels(now, labels))


def taxonomy_map(  # noqa: PLR0913 - an option is an argument
    project: Project, report: Report, *, label: str, to: list[str], preview: bool = False, user: str = "local"
) -> TaxonomyChange:
    """Shows answers with the label as hints at labels of other taxonomies; none: takes its mappings back."""
    return _change(project, user, preview, lambda now: map_labels(now, label, to))


def taxonomy_migrate(  # noqa: PLR0913 - an option is an argument
    project: Project, report: Report, *, source: str, to: str = "", preview: bool = False, user: str = "local"
) -> TaxonomyChange:
    """Answers of one taxonomy count as answers of another, where their label is mapped to one label of it."""
    return _change(project, user, preview, lambda now: migrate_taxonomy(now, source, to or now.in_use))


def taxonomy_undo(
    project: Project, report: Report, *, version: int = 0, preview: bool = False, user: str = "local"
) -> TaxonomyChange:
    """The labels as they were before the newest step, or as a version had them; again takes back the step before it."""
    with project.store.reading() as cursor:
        version = version or _version_before(cursor)
    return _change(project, user, preview, lambda now: now, version)


def _version_before(cursor: duckdb.DuckDBPyConnection) -> int:
    """What the labels were before the newest step that holds: what was restored stands for the version it restores."""
    rows: dict[int, int | None] = {number: restores for number, _, restores in cursor.execute(_VERSIONS).fetchall()}
    newest = max(rows)
    earlier = [version for version in rows if version < (rows[newest] or newest)]
    if not earlier:
        raise Refused("There is no earlier version of the labels to go back to.")
    return rows[max(earlier)] or max(earlier)


def _restored(cursor: duckdb.DuckDBPyConnection, now: Taxonomy, version: int) -> Taxonomy:
    """Labels that came later go, or are retired where an answer names them."""
    past = read_version(cursor, version)
    used = used_labels(cursor)
    later = [replace(one, retired=True, counts_as=(), maps_to=(), parent="") for one in now.labels]
    later = [one for one in later if one.id not in past.by_id and one.id in used]
    names = {(one.taxonomy, one.name) for one in past.labels}
    later = [replace(one, name=f"{one.name} ({one.id})") if (one.taxonomy, one.name) in names else one for one in later]
    return replace(past, labels=(*past.labels, *later), version=now.version + 1)


def _taxonomy(project: Project) -> Taxonomy:
    settings = project.settings()
    if not task_of(settings).taxonomy:
        raise BadInput(f"The answers of this project are no labels of a taxonomy: its task is {settings.task}.")
    return settings.taxonomy


def _change(project: Project, user: str, preview: bool, step: Step, restores: int | None = None) -> TaxonomyChange:
    """One new version, or what it would touch. Raises BadInput with nothing changed."""
    _taxonomy(project)
    if preview:
        before = project.settings().taxonomy
        with project.store.reading() as cursor:
            return _touched(cursor, before, _stepped(cursor, before, step, restores))
    with project.changing_settings() as (settings, cursor):
        before = settings.taxonomy
        after = _stepped(cursor, before, step, restores)
        if (after.labels, after.in_use) == (before.labels, before.in_use):
            return TaxonomyChange(True, before.version, ())
        change = _touched(cursor, before, after)
        adopt_taxonomy(cursor, settings)  # a person may have edited the file
        requested = adopt_taxonomy(cursor, check(replace(settings, taxonomy=after)), restores)
        note(cursor, user, "taxonomy", {"changes": list(change.changes), "restores": restores})
        project.save_settings(requested)
    project.label_queue.reload()
    return replace(change, applied=True)


def _stepped(cursor: duckdb.DuckDBPyConnection, now: Taxonomy, step: Step, restores: int | None) -> Taxonomy:
    """The next version, whatever number of small steps it takes."""
    after = _restored(cursor, now, restores) if restores else step(now)
    return replace(after, version=now.version + 1)


def _touched(cursor: duckdb.DuckDBPyConnection, before: Taxonomy, after: Taxonomy) -> TaxonomyChange:
    labels = dict.fromkeys((*before.by_id, *after.by_id))
    other = [one for one in labels if before.meanings.get(one) != after.meanings.get(one)]
    answers = {label: (times, records) for label, times, records in cursor.execute(_ANSWERS).fetchall()}
    suggestions, machine_labels = (
        dict(cursor.execute(_WITH_LABEL.format(table=table)).fetchall()) for table in ("suggestions", "machine_labels")
    )

    def row(label: str) -> TouchedLabel:
        known = after.by_id.get(label) or before.by_id[label]
        times, records = answers.get(label, (0, 0))
        meant = _name(before, label), _name(after, label)
        return TouchedLabel(
            known.name, known.taxonomy, *meant, times, records, suggestions.get(label, 0), machine_labels.get(label, 0)
        )

    touched = tuple(row(label) for label in other)
    offered = [[one.id for one in taxonomy.active] for taxonomy in (before, after)]
    models = count(cursor, _FITTING, {"labels": offered[0]}) if sorted(offered[0]) != sorted(offered[1]) else 0
    records = count(
        cursor,
        f"select count(distinct n) from ({_HELD}) where list_has_any(labels, $labels::varchar[])",
        {"labels": other},
    )
    return TaxonomyChange(
        applied=False,
        version=before.version,
        changes=tuple(differences(before, after)),
        touched=touched,
        answers=sum(one.answers for one in touched),
        records=records,
        suggestions=sum(one.suggestions for one in touched),
        machine_labels=sum(one.machine_labels for one in touched),
        models=models,
        switched=before.in_use != after.in_use,
    )


def _name(taxonomy: Taxonomy, label: str) -> str:
    meant = taxonomy.meanings.get(label)
    return taxonomy.by_id[meant].name if meant else ""


STEPS: Mapping[str, Callable[..., TaxonomyChange]] = {
    "use": taxonomy_use,
    "load": taxonomy_load,
    "add": taxonomy_add,
    "rename": taxonomy_rename,
    "retire": taxonomy_retire,
    "merge": taxonomy_merge,
    "split": taxonomy_split,
    "move": taxonomy_move,
    "describe": taxonomy_describe,
    "arrange": taxonomy_arrange,
    "map": taxonomy_map,
    "migrate": taxonomy_migrate,
    "undo": taxonomy_undo,
}
"""each a new version of the labels"""
