"""How often each label trains, and leaving out what trains too often. Gold and audit records are never touched."""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from core.config.settings import Settings, with_changes
from core.errors import BadInput, Refused
from core.jobs.bundle import Report
from core.project import Project
from core.store.database import Store, count
from core.tasks.tasks import require_labels

_TRAINING = """
    select s.n, s.labels from settled s join records r using (n)
    where s.stratum in ('chosen', 'file') and len(s.labels) > 0
      and s.n not in (select n from left_out where step = 'clean')
      and r.hash not in (select t.hash from records t join settled z using (n) where z.stratum in ('gold', 'audit'))
"""


OVERSAMPLED = """
    with once as ({query}), sizes as (
        select label, count(*) as size from once where label is not null group by label
    )
    select once.*, unnest(range(greatest(round((select max(size) from sizes) / size), 1)::bigint)) + 1 as repeat
    from once left join sizes using (label) order by repeat, {order}
"""
"""of training records with one label, as often as it takes to have all labels about as frequent"""


@dataclass(frozen=True)
class LabelBalance:
    """Records with a label. training: that could train; after: that do; gold, audit: that measure."""

    name: str
    training: int
    after: int
    gold: int
    audit: int


@dataclass(frozen=True)
class Balance:
    """applied: False for a preview. training: records that could train; left_out: of them; labels: most frequent first.

    oversample: whether trainers repeat or weigh rare labels, which leaves the records as they are.
    """

    applied: bool
    training: int
    left_out: int
    oversample: bool
    labels: tuple[LabelBalance, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """How uneven it is, in sentences."""
        sizes = [label.after for label in self.labels if label.after]
        notes = []
        if len(sizes) > 1:
            times = max(sizes) / min(sizes)
            notes.append(f"The most frequent label trains {times:.1f} times as often as the rarest.")
        if only_gold := [label.name for label in self.labels if label.gold and not label.after]:
            names = ", ".join(only_gold[:5])
            notes.append(f"Gold has {names}, which does not train: scores on it will be low for that alone.")
        return tuple(notes)


def left_out_by_balancing(store: Store) -> int:
    """Records that the balance in force leaves out of training."""
    return int(store.one("select count(*) from left_out where step = 'balance'"))


def balance(  # noqa: PLR0913 - an option is an argument
    project: Project,
    report: Report,
    *,
    labels_to_filter: Sequence[str] | None = None,
    reduce_majority_to: int | None = None,
    oversample: bool | None = None,
    seed: int | None = None,
    apply: bool = False,
    undo: bool = False,
) -> Balance:
    """A preview; with `apply` it holds in place of every balance before, with `undo` there is none.

    labels_to_filter: names; records with no other label are left out of training. reduce_majority_to: at most so many
    records of a label train, drawn by the seed; of several labels each counts, so one that comes with rarer ones can
    train more often. Raises BadInput for a name or number that cannot be meant.
    """
    settings = project.settings()
    require_labels(settings, "Balancing")
    if undo and (labels_to_filter or reduce_majority_to is not None or oversample is not None or apply):
        raise BadInput("--undo brings back every record, and takes no other option.")
    check_majority(reduce_majority_to)
    filtered = _label_ids(settings, labels_to_filter or ())
    seed = settings.seed if seed is None else seed
    report("Balancing", 0, 1)
    if not (apply or undo):
        with project.store.reading() as cursor:
            stage(cursor, filtered, reduce_majority_to, seed)
            return _read(cursor, settings, applied=False, oversample=oversample)
    with project.changing_settings() as (current, cursor):
        if undo and not count(cursor, "select count(*) from left_out where step = 'balance'") + current.oversample:
            raise Refused("Nothing was balanced yet, so there is nothing to undo.")
        stage(cursor, filtered, reduce_majority_to, seed)
        cursor.execute("delete from left_out where step = 'balance'")
        cursor.execute("insert into left_out select n, 'balance', reason, null from staged_balance where reason <> ''")
        requested = with_changes(current, oversample=_oversample(current, oversample, undo=undo))
        result = _read(cursor, requested, applied=True, oversample=None)
        if requested != current:
            project.save_settings(requested)
    return result


def _oversample(settings: Settings, requested: bool | None, *, undo: bool) -> bool:
    if undo:
        return False
    return settings.oversample if requested is None else requested


def _label_ids(settings: Settings, names: Sequence[str]) -> list[str]:
    known = settings.taxonomy.ids
    requested = [part.strip() for name in names for part in ([name] if name in known else name.split(","))]
    if unknown := [name for name in requested if name and name not in known]:
        raise BadInput(f"There is no label {unknown[0]!r}; there are {', '.join(known)}.")
    return [known[name] for name in requested if name]


def check_majority(most: int | None) -> None:
    """Raises BadInput for no number of records."""
    if most is not None and most < 1:
        raise BadInput(f"A label cannot be reduced to {most:,} records; take 1 or more.")


def stage(
    cursor: duckdb.DuckDBPyConnection, filtered: list[str], most: int | None, seed: int, training: str = _TRAINING
) -> None:
    """The table `staged_balance`: n, labels, reason ('': it trains) of what could train. training: SQL of n, labels."""
    cursor.execute(
        f"""create or replace temp table staged_balance as
            with remaining as (
                select n, labels from ({training}) where not list_has_all($filtered::varchar[], labels)
            ), ranked as (
                select n, row_number() over (partition by label order by hash(n, $seed::bigint), n) as rank
                from (select n, unnest(labels) as label from remaining)
            ), surplus as (select n from ranked group by n having min(rank) > coalesce($most::bigint, max(rank)))
            select n, labels, case when list_has_all($filtered::varchar[], labels) then 'label'
                                   when n in (select n from surplus) then 'majority' else '' end as reason
            from ({training})""",
        {"filtered": filtered, "most": most, "seed": seed},
    )


def _read(cursor: duckdb.DuckDBPyConnection, settings: Settings, *, applied: bool, oversample: bool | None) -> Balance:
    rows = cursor.execute(
        """select label, count(*) filter (kind in ('', 'label', 'majority')), count(*) filter (kind = ''),
                  count(*) filter (kind = 'gold'), count(*) filter (kind = 'audit')
           from (
               select unnest(labels) as label, reason as kind from staged_balance union all
               select unnest(labels), stratum from settled where stratum in ('gold', 'audit')
           ) group by label"""
    ).fetchall()
    sizes = {label: (training, after, gold, audit) for label, training, after, gold, audit in rows}
    labels = [LabelBalance(label.name, *sizes.get(label.id, (0, 0, 0, 0))) for label in settings.taxonomy.active]
    training = count(cursor, "select count(*) from staged_balance")
    left_out = count(cursor, "select count(*) from staged_balance where reason <> ''")
    cursor.execute("drop table staged_balance")
    return Balance(
        applied=applied,
        training=training,
        left_out=left_out,
        oversample=settings.oversample if oversample is None else oversample,
        labels=tuple(sorted(labels, key=lambda label: -label.training)),
    )
