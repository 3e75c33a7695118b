"""The verbs that show clusters: all of them with what was held, and one with its members and what joins them."""

import json
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from core.errors import BadInput
from core.jobs.bundle import Report
from core.merges.golden import Version, field_rules, golden_record, read_version
from core.merges.project_clusters import PairDecision, ProjectClusters, current_clusters
from core.pairs.clusters import HeldMerge
from core.project import Project

MOST = 1_000
"""clusters in one answer"""
TEXT_LIMIT = 200
"""characters of a record that stand for it in a list"""


@dataclass(frozen=True)
class HeldLine:
    """A merge that was not made: `left` and `right` are the same, says a person or a model, yet `apart` are not, and
    `path` leads from the one to the other. one_source: they are apart because a cluster has one record of a source."""

    left: str
    right: str
    by_person: bool
    probability: float
    apart: tuple[str, str]
    path: tuple[str, ...]
    one_source: bool


@dataclass(frozen=True)
class ClusterLine:
    """least: the lowest probability of a decision that joins it, 1.0 where people decided them all; by_machine,
    by_people: how many there are. held: merges with others that were not made. text: of its first record."""

    cluster: str
    size: int
    least: float
    by_machine: int
    by_people: int
    held: int
    text: str


@dataclass(frozen=True)
class SizeCount:
    """So many clusters of this size."""

    size: int
    clusters: int


@dataclass(frozen=True)
class MergeList:
    """records: in all sources. clusters: of two and more records, `clustered` in all, the largest of `largest`.
    awaiting: models' decisions that wait for a blind answer and join nothing till then. lines: those of merges that are
    held, then by doubt; matching: how many there are. sizes: of clusters, single records too."""

    records: int
    clusters: int
    clustered: int
    largest: int
    awaiting: int
    matching: int
    lines: tuple[ClusterLine, ...]
    held: tuple[HeldLine, ...]
    sizes: tuple[SizeCount, ...]


def merges(  # noqa: PLR0913 - each is an option of the command
    project: Project, report: Report, *, held: bool = False, cluster: str | None = None, start: int = 0, most: int = 100
) -> MergeList:
    """The clusters, the doubtful ones first. held: only those that a held merge would join. cluster: only that of this
    record. start, most: which of them. Raises BadInput."""
    if start < 0 or not 0 <= most <= MOST:
        raise BadInput(f"Ask for 0 to {MOST:,} clusters, from 0 on; not for {most:,} from {start:,} on.")
    return list_merges(project, current_clusters(project), held=held, cluster=cluster, start=start, most=most)


def list_merges(  # noqa: PLR0913 - each is an option of the command
    project: Project,
    clusters: ProjectClusters,
    *,
    held: bool = False,
    cluster: str | None = None,
    start: int = 0,
    most: int = 100,
) -> MergeList:
    """The same of clusters that were read before."""
    held_in = Counter(side for one in clusters.clusters.held for side in _held_clusters(clusters, one))
    names = [clusters.find(cluster)] if cluster is not None else [*clusters.joined]
    if held:
        names = [name for name in names if held_in[name]]
        names += [name for name in held_in if name not in clusters.joined and cluster is None]
    members, within = clusters.clusters.members, clusters.decisions_in
    least = {name: min((one.probability for one in _merging(within.get(name, ()))), default=1.0) for name in names}
    names.sort(key=lambda name: (not held_in[name], least[name], -len(members[name]), name))
    page = names[start : start + most]
    texts = _texts(project, [clusters.sides[name] for name in page])
    sizes = Counter(map(len, members.values()))
    shown = [one for one in clusters.clusters.held if cluster is None or names[0] in _held_clusters(clusters, one)]
    return MergeList(
        records=len(clusters.names),
        clusters=len(clusters.joined),
        clustered=sum(map(len, clusters.joined.values())),
        largest=max(map(len, clusters.joined.values()), default=0),
        awaiting=clusters.awaiting,
        matching=len(names),
        lines=tuple(
            ClusterLine(
                cluster=name,
                size=len(members[name]),
                least=least[name],
                by_machine=sum(not one.by_person for one in _merging(within.get(name, ()))),
                by_people=sum(one.by_person for one in _merging(within.get(name, ()))),
                held=held_in[name],
                text=texts[clusters.sides[name]],
            )
            for name in page
        ),
        held=tuple(map(held_line, shown)),
        sizes=tuple(SizeCount(size, number) for size, number in sorted(sizes.items())),
    )


def _merging(decisions: Iterable[PairDecision]) -> list[PairDecision]:
    return [one for one in decisions if one.same]


def _held_clusters(clusters: ProjectClusters, held: HeldMerge) -> set[str]:
    return {clusters.cluster_of[held.decision.left], clusters.cluster_of[held.decision.right]}


def held_line(held: HeldMerge) -> HeldLine:
    """As a program reads it."""
    one = held.decision
    return HeldLine(one.left, one.right, one.by_person, one.probability, held.apart, held.path, held.one_source)


def _texts(project: Project, sides: Sequence[int]) -> dict[int, str]:
    """Side -> the beginning of its text, in one line."""
    rows = project.store.query(
        f"select side, left(text, {TEXT_LIMIT}) from sides where side in (select unnest(?::bigint[]))", [list(sides)]
    )
    return {side: " ".join(text.split()) for side, text in rows}


@dataclass(frozen=True)
class Member:
    """path: how it comes to the cluster's first record, by decisions that they are the same; a duplicate of another one
    of its source (duplicate_of) is there by its text."""

    name: str
    source: str
    id: str
    text: str
    fields: dict[str, str]
    path: tuple[str, ...]
    duplicate_of: str | None = None


@dataclass(frozen=True)
class ClusterEvent:
    """What became of a cluster, and when (UTC). now: clusters that its records were in after it; gained, lost: records
    that came to it and left it."""

    at: str
    cluster: str
    fate: str
    now: tuple[str, ...]
    gained: tuple[str, ...]
    lost: tuple[str, ...]


@dataclass(frozen=True)
class GoldenField:
    """member: whose value it is. rule: by which it was taken, `by_hand` where a person chose the record."""

    field: str
    value: str
    member: str | None
    rule: str


@dataclass(frozen=True)
class ClusterDetail:
    """members: oldest first, the first one gives the cluster its id. survivor: the record that stands for all, chosen
    by a person (chosen_by) or the oldest. decisions: on pairs inside it. history: newest first."""

    cluster: str
    members: tuple[Member, ...]
    survivor: str
    chosen_by: str | None
    golden: tuple[GoldenField, ...]
    decisions: tuple[PairDecision, ...]
    held: tuple[HeldLine, ...]
    history: tuple[ClusterEvent, ...]


def merge(project: Project, report: Report, *, cluster: str) -> ClusterDetail:
    """One cluster, named by any of its records. Raises BadInput where there is no such record."""
    return show_cluster(project, current_clusters(project), cluster)


def show_cluster(project: Project, clusters: ProjectClusters, name: str) -> ClusterDetail:
    """The same of clusters that were read before."""
    cluster = clusters.find(name)
    names = clusters.clusters.members[cluster]
    numbers = [clusters.sides[one] for one in names]
    with project.store.reading() as cursor:
        versions = read_versions(cursor, numbers, [*(rules := field_rules(project.settings()))])
        about = _about(cursor, numbers)
        survivors = read_survivors(cursor, numbers)
        history = _history(cursor, clusters, clusters.sides[cluster])
    chosen = max(survivors, key=lambda one: one[2], default=None)
    golden = golden_record(versions, rules, chosen[0] if chosen else None)
    decisions = tuple(clusters.decisions_in.get(cluster, ()))
    ways = _ways(cluster, decisions, clusters)
    return ClusterDetail(
        cluster=cluster,
        members=tuple(
            Member(
                name=clusters.names[version.side],
                source=about[version.side][0],
                id=about[version.side][1],
                text=about[version.side][2],
                fields=dict(version.fields),
                path=ways.get(clusters.names[version.side], ()),
                duplicate_of=_duplicate_of(clusters, version.side),
            )
            for version in versions
        ),
        survivor=clusters.names[chosen[0]] if chosen else cluster,
        chosen_by=chosen[1] if chosen else None,
        golden=tuple(
            GoldenField(field, one.value, None if one.side is None else clusters.names[one.side], one.rule)
            for field, one in golden.items()
        ),
        decisions=decisions,
        held=tuple(held_line(one) for one in clusters.clusters.held if cluster in _held_clusters(clusters, one)),
        history=history,
    )


def read_versions(cursor: duckdb.DuckDBPyConnection, sides: Sequence[int], names: Sequence[str]) -> list[Version]:
    """Of these sides, oldest first. names: of the fields."""
    rows = cursor.execute(
        """with places as (select source, row_number() over (order by min(side)) as place from sides group by source)
           select side, place, text, fields::varchar from sides join places using (source)
           where side in (select unnest(?::bigint[])) order by side""",
        [list(sides)],
    ).fetchall()
    return [read_version(side, position, text, _fields(fields), names) for side, position, text, fields in rows]


def _fields(document: str | None) -> Mapping[str, str] | None:
    return json.loads(document) if document else None


def read_survivors(cursor: duckdb.DuckDBPyConnection, sides: Sequence[int]) -> list[tuple[int, str, datetime]]:
    """Of these sides those that people chose: side, by whom, when."""
    query = "select side, user, chosen_at from survivors where side in (select unnest(?::bigint[]))"
    return cursor.execute(query, [list(sides)]).fetchall()


def _about(cursor: duckdb.DuckDBPyConnection, sides: Sequence[int]) -> dict[int, tuple[str, str, str]]:
    query = "select side, source, id, text from sides where side in (select unnest(?::bigint[]))"
    return {side: tuple(rest) for side, *rest in cursor.execute(query, [list(sides)]).fetchall()}


def _duplicate_of(clusters: ProjectClusters, side: int) -> str | None:
    first = clusters.firsts[side]
    return None if first == side else clusters.names[first]


def _ways(cluster: str, decisions: Sequence[PairDecision], clusters: ProjectClusters) -> dict[str, tuple[str, ...]]:
    """Member -> the shortest way to it from the cluster's first record, both included."""
    links: dict[str, list[str]] = {}
    for one in decisions:
        if one.same:
            links.setdefault(one.left, []).append(one.right)
            links.setdefault(one.right, []).append(one.left)
    for member in clusters.clusters.members[cluster]:
        if first := _duplicate_of(clusters, clusters.sides[member]):
            links.setdefault(first, []).append(member)
            links.setdefault(member, []).append(first)
    ways: dict[str, tuple[str, ...]] = {cluster: (cluster,)}
    waiting = deque([cluster])
    while waiting:
        record = waiting.popleft()
        for other in links.get(record, ()):
            if other not in ways:
                ways[other] = (*ways[record], other)
                waiting.append(other)
    return ways


def _history(
    cursor: duckdb.DuckDBPyConnection, clusters: ProjectClusters, side: int, most: int = 20
) -> tuple[ClusterEvent, ...]:
    rows = cursor.execute(
        f"""select strftime(logged_at, '%Y-%m-%dT%H:%M:%SZ'), cluster, fate, now, gained, lost from cluster_log
            where cluster = $side or list_contains(now, $side) order by number desc limit {most}""",
        {"side": side},
    ).fetchall()

    def named(sides: Sequence[int]) -> tuple[str, ...]:
        return tuple(clusters.names.get(one, "(erased)") for one in sides)

    return tuple(
        ClusterEvent(at, named([cluster])[0], fate, named(now), named(gained), named(lost))
        for at, cluster, fate, now, gained, lost in rows
    )
