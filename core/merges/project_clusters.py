"""The clusters of a project as its decisions in force make them, and the log of what became of each. Knows no verb."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from weakref import WeakKeyDictionary

import duckdb

from core.config.settings import Settings
from core.data.ready_pairs import enter_ready_pairs
from core.errors import BadInput, Refused
from core.labelling.waiting import BLIND, MAY_BE_BLIND, asked_parameters
from core.pairs.clusters import ClusterChange, Clusters, Decision, cluster_changes, make_clusters
from core.project import Project
from core.store.database import Store, count, utc_now
from core.tasks.tasks import task_of

ATTEMPTS = 3
"""to write the log while others write it, too"""


@dataclass(frozen=True, slots=True)
class PairDecision:
    """What holds of two records. left, right: their names. record: id of the record that asks about them. probability:
    of what a model says; of a person's word 1.0."""

    record: str
    left: str
    right: str
    same: bool
    by_person: bool
    probability: float


@dataclass(frozen=True)
class ProjectClusters:
    """names: side -> name, oldest first. sources: side -> source. firsts: side -> the first one of its source with its
    text; such duplicates are always together. awaiting: models' decisions that wait for a blind answer of a person, and
    till then join nothing."""

    names: Mapping[int, str]
    sources: Mapping[int, str]
    firsts: Mapping[int, int]
    clusters: Clusters
    awaiting: int
    rows: Sequence[tuple[str, int, int, bool, bool, float]]
    """of each decision in force: record, left and right side, and as in `PairDecision`"""

    @cached_property
    def decisions(self) -> tuple[PairDecision, ...]:
        """In force, in the order of their records."""
        names = self.names
        return tuple(
            PairDecision(record, names[left], names[right], same, person, probability)
            for record, left, right, same, person, probability in self.rows
        )

    @cached_property
    def sides(self) -> dict[str, int]:
        """Name -> side."""
        return {name: side for side, name in self.names.items()}

    @cached_property
    def cluster_of(self) -> dict[str, str]:
        """Name -> cluster."""
        return self.clusters.of

    @cached_property
    def joined(self) -> dict[str, tuple[str, ...]]:
        """Clusters of two and more."""
        return {cluster: members for cluster, members in self.clusters.members.items() if len(members) > 1}

    @cached_property
    def decisions_in(self) -> dict[str, list[PairDecision]]:
        """Cluster -> the decisions on pairs inside it."""
        result: dict[str, list[PairDecision]] = {}
        for one in self.decisions:
            if (cluster := self.cluster_of[one.left]) == self.cluster_of[one.right]:
                result.setdefault(cluster, []).append(one)
        return result

    @cached_property
    def several_sources(self) -> bool:
        """Then names say which, too."""
        return len(set(self.sources.values())) > 1

    def find(self, name: str) -> str:
        """The cluster that has this record; a record that is alone is its own. Raises BadInput."""
        if (cluster := self.cluster_of.get(name)) is None:
            form = "SOURCE:ID" if self.several_sources else "its ID"
            raise BadInput(
                f"There is no record {name[:120]!r} in a source of this project. A record is named by {form}."
            )
        return cluster


def require_two_sides(settings: Settings) -> None:
    """Raises Refused for a project whose records are not pairs."""
    if not task_of(settings).two_sides:
        raise Refused(f"Records of the task {settings.task!r} are not paired, so there are no clusters.")


# A side with the text of an earlier one of its source stands for it; of two records about the same sides the one that
# was decided last counts. Their order is that of the records, whenever each was decided: an answer that is taken back
# and given again changes nothing. What a model says of a record that waits for a blind answer is shown nowhere.
_DECISIONS = f"""
    with firsts as (select side, min(side) over (partition by source, hash) as first from sides),
    stamps as (select n, max(stamp) as stamp from responses group by n),
    decided as (
        select p.n, p.left_side, p.right_side, (s.answer->>'same')::boolean as same, true as by_person,
               1.0::double as probability, stamp
        from pairs p join records r using (n)
        left join settled own on own.n = r.n
        join settled s on s.n = coalesce(own.n, r.duplicate_of, r.n)
        left join stamps on stamps.n = s.n
        union all
        select p.n, p.left_side, p.right_side, (m.answer->>'same')::boolean, false, m.probability, null
        from pairs p join records r using (n)
        join machine_labels m on m.n = coalesce(r.duplicate_of, r.n)
        join guarantees g on g.id = m.guarantee and g.state = 'in_force'
        where not is_labelled(r.n) and not is_labelled(m.n) and m.n not in ({BLIND.format(ns=MAY_BE_BLIND)})
    )
    select d.n, r.id, d.left_side, d.right_side, one.first, other.first, d.same, d.by_person, d.probability
    from decided d join records r using (n)
    join firsts one on one.side = d.left_side join firsts other on other.side = d.right_side
    where one.first <> other.first
    qualify row_number() over (
        partition by least(one.first, other.first), greatest(one.first, other.first)
        order by d.by_person desc, d.stamp desc nulls last, d.n desc) = 1
    order by d.n
"""
_AWAITING = f"""
    select count(*) from pairs join machine_labels m using (n) join guarantees g on g.id = m.guarantee
    where g.state = 'in_force' and not is_labelled(n) and n in ({BLIND.format(ns=MAY_BE_BLIND)})
"""


_MADE: WeakKeyDictionary[Store, tuple[str, ProjectClusters]] = WeakKeyDictionary()
"""the clusters of each open project as they were made last, with their stamp"""


def read_clusters(project: Project, cursor: duckdb.DuckDBPyConnection) -> ProjectClusters:
    """From the decisions as they are; changes nothing."""
    stamp = _stamp(project, cursor)
    made = _MADE.get(project.store)
    if made is None or made[0] != stamp:
        made = _MADE[project.store] = stamp, _make(cursor, project.settings())
    return made[1]


def _make(cursor: duckdb.DuckDBPyConnection, settings: Settings) -> ProjectClusters:
    rows = cursor.execute(
        """select side, source, id, min(side) over (partition by source, hash) from sides order by side"""
    ).fetchall()
    sources = {side: source for side, source, *_ in rows}
    several = len(set(sources.values())) > 1
    names = {side: f"{source}:{id}" if several else str(id) for side, source, id, _ in rows}
    firsts = {side: first for side, *_, first in rows}
    decided = cursor.execute(_DECISIONS, asked_parameters(settings)).fetchall()
    numbered = [
        Decision(names[one], names[other], same, person, n, probability)
        for n, _, _, _, one, other, same, person, probability in decided
    ]
    alone = [names[side] for side, first in firsts.items() if side == first]
    of_source = {names[side]: source for side, source in sources.items()} if several and settings.one_partner else None
    clusters = make_clusters(alone, numbered, of_source)
    return ProjectClusters(
        names=names,
        sources=sources,
        firsts=firsts,
        clusters=_with_duplicates(clusters, names, firsts),
        awaiting=count(cursor, _AWAITING, asked_parameters(settings)),
        rows=[(record, left, right, *rest) for _, record, left, right, _, _, *rest in decided],
    )


def _with_duplicates(clusters: Clusters, names: Mapping[int, str], firsts: Mapping[int, int]) -> Clusters:
    """Each beside its first; members stay in the order of their age."""
    followers: dict[str, list[str]] = {}
    for side, first in firsts.items():
        if side != first:
            followers.setdefault(names[first], []).append(names[side])
    if not followers:
        return clusters
    ages = {name: side for side, name in names.items()}
    members = {
        cluster: tuple(
            sorted((one for member in group for one in (member, *followers.get(member, ()))), key=ages.__getitem__)
        )
        for cluster, group in clusters.members.items()
    }
    return Clusters(members, clusters.held)


def clusters_stamp(project: Project) -> str:
    """Another text whenever the clusters, or who survives in them, may have become others; takes no time."""
    with project.store.reading() as cursor:
        chosen = cursor.execute("select list(survivors) from survivors").fetchall()
        return repr((project.folder, _stamp(project, cursor), chosen))


def _stamp(project: Project, cursor: duckdb.DuckDBPyConnection) -> str:
    counts = cursor.execute(
        """select (select stamp from clock), (select bit_xor(hash(n, answer::varchar)) from settled),
                  (select count(*) from machine_labels),
                  (select list(id order by id) from guarantees where state = 'in_force'),
                  (select count(*) from sides), (select count(*) from pairs), (select count(*) from records),
                  (select bit_xor(hash(n, audit, purpose, since)) from queue)"""
    ).fetchall()
    return repr((counts, project.settings()))


def current_clusters(project: Project) -> ProjectClusters:
    """The clusters now; what has become of those that were made last is logged. Raises Refused where there are none."""
    require_two_sides(project.settings())
    writable = not project.store.why_read_only
    if writable and project.store.one(_UNENTERED):
        with project.store.transaction() as cursor:
            enter_ready_pairs(cursor)
    for _ in range(ATTEMPTS):
        with project.store.reading() as cursor:
            number = count(cursor, _LAST)
            clusters = read_clusters(project, cursor)
            stored = cursor.execute("select side, cluster from cluster_members order by cluster, side").fetchall()
        members = _members(clusters)
        if not writable or sorted(members) == sorted(stored):
            break
        changes = cluster_changes(_numbered(stored), _numbered(members))
        with project.store.transaction() as cursor:
            if count(cursor, _LAST) == number:
                _write(cursor, number, members, changes)
                break
    return clusters


_UNENTERED = "select count(*) from records where fields->>'left' is not null and n not in (select n from pairs)"
_LAST = "select coalesce(max(number), 0) from cluster_log"
Members = Sequence[tuple[int, int]]
"""(side, cluster) of clusters of two and more"""


def _members(clusters: ProjectClusters) -> list[tuple[int, int]]:
    sides = clusters.sides
    return [(sides[name], sides[cluster]) for cluster, members in clusters.joined.items() for name in members]


def _numbered(members: Members) -> Clusters:
    """With sides for names: a name may change when a second source comes."""
    groups: dict[str, list[int]] = {}
    for side, cluster in members:
        groups.setdefault(str(cluster), []).append(side)
    return Clusters({cluster: tuple(map(str, sorted(sides))) for cluster, sides in groups.items()}, ())


def _write(cursor: duckdb.DuckDBPyConnection, number: int, members: Members, changes: Sequence[ClusterChange]) -> None:
    cursor.execute(
        "create or replace temp table fresh as select unnest(?::bigint[]) as side, unnest(?::bigint[]) as cluster",
        [[side for side, _ in members], [cluster for _, cluster in members]],
    )
    cursor.execute("delete from cluster_members where (side, cluster) not in (select (side, cluster) from fresh)")
    cursor.execute(
        "insert into cluster_members select * from fresh where side not in (select side from cluster_members)"
    )
    columns: list[Callable[[ClusterChange], object]] = [
        lambda one: int(one.cluster),
        lambda one: one.fate,
        lambda one: _sides(one.now),
        lambda one: _sides(one.gained),
        lambda one: _sides(one.lost),
    ]
    cursor.execute(
        """insert into cluster_log
           select $number + row_number() over (), $now, * from (
               select unnest($cluster::bigint[]), unnest($fate::varchar[]), unnest($moved::bigint[][]),
                      unnest($gained::bigint[][]), unnest($lost::bigint[][]))""",
        {"number": number, "now": utc_now()}
        | {
            name: [column(one) for one in changes]
            for name, column in zip(("cluster", "fate", "moved", "gained", "lost"), columns, strict=True)
        },
    )


def _sides(names: Iterable[str]) -> list[int]:
    return [int(name) for name in names]
