"""Clusters as a pure function of the decisions in force, and what became of each between two states.

Whatever the order in which decisions arrive, and whatever is undone and done again, the same decisions give the same
clusters under the same ids. Knows ids and decisions; no texts, models or store.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

EQUAL = 1e-9
"""probabilities that differ by less are equal: they were summed in another order"""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether two records are the same. number: in the log, unique. probability: a model's; of a person's word 1.0."""

    left: str
    right: str
    same: bool
    by_person: bool
    number: int
    probability: float = 1.0


@dataclass(frozen=True)
class HeldMerge:
    """A merge that was not made: it would join `apart`, through `path`, which leads from the one to the other.

    one_source: they are of one source, of which a cluster may hold one; else somebody said that they are apart.
    """

    decision: Decision
    apart: tuple[str, str]
    path: tuple[str, ...]
    one_source: bool


@dataclass(frozen=True)
class Guard:
    """What a model's merge must not do: bring two records together that are the same with less than `least`.

    scores: (record, record), in alphabetical order -> probability that they are the same, where a model was asked. Of
    two records that nobody compared it is at least 1 minus the doubts about each merge on the way from one to the other
    (Boole's inequality: it holds however the errors hang together).
    """

    scores: Mapping[tuple[str, str], float]
    least: float


@dataclass(frozen=True)
class Clusters:
    """members: cluster id -> its records, oldest first, single ones too; the id is that of the oldest. unsupported:
    merges that a guard did not allow."""

    members: Mapping[str, tuple[str, ...]]
    held: tuple[HeldMerge, ...]
    unsupported: tuple[Decision, ...] = ()

    @property
    def of(self) -> dict[str, str]:
        """Record -> the id of its cluster."""
        return {record: cluster for cluster, records in self.members.items() for record in records}


def decisions_in_force(decisions: Iterable[Decision]) -> list[Decision]:
    """One for each pair: a person's before a model's, and of one kind the latest."""
    latest: dict[tuple[str, str], Decision] = {}
    for decision in sorted(decisions, key=lambda one: (one.by_person, one.number)):
        left, right = sorted((decision.left, decision.right))
        latest[left, right] = decision
    return list(latest.values())


def make_clusters(
    records: Sequence[str],
    decisions: Iterable[Decision],
    sources: Mapping[str, str] | None = None,
    guard: Guard | None = None,
) -> Clusters:
    """records: all ids, oldest first. sources: record -> where it is from; a cluster then holds one record of each.

    Merges are made in this order: people's before models', falling probability, number in the log. One that would join
    two records that a person said apart is held, and so is a model's that would join two that a model said apart. What
    the guard does not allow is not made, and not tried again. Decisions about records that are not there, or about a
    record and itself, count for nothing.
    """
    known = set(records)
    force = [
        one
        for one in decisions_in_force(decisions)
        if one.left in known and one.right in known and one.left != one.right
    ]
    joined = _Joined(records, sources or {}, guard)
    for by_person in (True, False):
        merges = [one for one in force if one.same and one.by_person == by_person]
        joined.keep_apart(one for one in force if not one.same and one.by_person == by_person)
        for decision in sorted(merges, key=lambda one: (-one.probability, one.number)):
            joined.merge(decision)
    return Clusters(joined.clusters(records), tuple(joined.held), tuple(joined.unsupported))


@dataclass
class _Joined:
    """Clusters as they grow: each has its records, and the records that it must not be joined with."""

    records: Sequence[str]
    sources: Mapping[str, str]
    guard: Guard | None = None
    cluster: dict[str, int] = field(default_factory=dict)
    members: list[list[str]] = field(default_factory=list)
    links: dict[str, list[str]] = field(default_factory=dict)
    apart: dict[str, list[str]] = field(default_factory=dict)
    held: list[HeldMerge] = field(default_factory=list)
    unsupported: list[Decision] = field(default_factory=list)
    doubts: dict[tuple[str, str], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.members = [[record] for record in self.records]
        self.cluster = {record: number for number, record in enumerate(self.records)}

    def keep_apart(self, decisions: Iterable[Decision]) -> None:
        for one in sorted(decisions, key=lambda one: one.number):
            self.apart.setdefault(one.left, []).append(one.right)
            self.apart.setdefault(one.right, []).append(one.left)

    def merge(self, decision: Decision) -> None:
        large, small = self.cluster[decision.left], self.cluster[decision.right]
        if large == small:
            return
        if len(self.members[large]) < len(self.members[small]):
            large, small = small, large
        if conflict := self._conflict(small, large):
            between, one_source = conflict
            self.held.append(HeldMerge(decision, between, self._path(between, decision), one_source))
            return
        if self.guard and not decision.by_person and self._support(decision, self.guard) < self.guard.least - EQUAL:
            self.unsupported.append(decision)
            return
        self.doubts[_key(decision.left, decision.right)] = 1 - decision.probability
        for record in self.members[small]:
            self.cluster[record] = large
        self.members[large] += self.members[small]
        self.members[small] = []
        self.links.setdefault(decision.left, []).append(decision.right)
        self.links.setdefault(decision.right, []).append(decision.left)

    def _support(self, decision: Decision, guard: Guard) -> float:
        """The least probability of two records that the merge would bring together."""
        ours, theirs = self._doubts_from(decision.left), self._doubts_from(decision.right)
        own = 1 - decision.probability
        return min(
            guard.scores.get(_key(one, other), 1 - one_doubt - own - other_doubt)
            for one, one_doubt in ours.items()
            for other, other_doubt in theirs.items()
        )

    def _doubts_from(self, start: str) -> dict[str, float]:
        """Of each record of the cluster the sum of the doubts about the merges that lead to it."""
        doubts, waiting = {start: 0.0}, deque([start])
        while waiting:
            record = waiting.popleft()
            for other in self.links.get(record, ()):
                if other not in doubts:
                    doubts[other] = doubts[record] + self.doubts[_key(record, other)]
                    waiting.append(other)
        return doubts

    def _conflict(self, small: int, large: int) -> tuple[tuple[str, str], bool] | None:
        """Two records that would come together and must not, and whether only because of their source."""
        for record in self.members[small]:
            for other in self.apart.get(record, ()):
                if self.cluster[other] == large:
                    return (record, other), False
        if self.sources:
            theirs = {self.sources.get(record): record for record in self.members[large]}
            for record in self.members[small]:
                if (source := self.sources.get(record)) is not None and source in theirs:
                    return (record, theirs[source]), True
        return None

    def _path(self, between: tuple[str, str], decision: Decision) -> tuple[str, ...]:
        """From the one to the other through merges that were made, and this one."""
        start, end = between
        near, far = decision.left, decision.right
        if self.cluster[start] != self.cluster[near]:
            near, far = far, near
        return (*self._way(start, near), *self._way(far, end))

    def _way(self, start: str, end: str) -> list[str]:
        """The shortest within one cluster, both ends in it."""
        before, waiting = {start: start}, deque([start])
        while end not in before:
            record = waiting.popleft()
            for other in self.links.get(record, ()):
                if other not in before:
                    before[other] = record
                    waiting.append(other)
        way = [end]
        while way[-1] != start:
            way.append(before[way[-1]])
        return way[::-1]

    def clusters(self, records: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """In the order of their oldest records."""
        grouped: dict[int, list[str]] = {}
        for record in records:
            grouped.setdefault(self.cluster[record], []).append(record)
        return {members[0]: tuple(members) for members in grouped.values()}


def _key(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one < other else (other, one)


Fate = Literal["formed", "grew", "merged", "split", "gone"]
"""what became of a cluster"""


@dataclass(frozen=True)
class ClusterChange:
    """cluster: its id before, or for a formed one its id now. now: where its records are now; without those that are
    single. gained, lost: records that came to it, records that left it or are not there any more."""

    cluster: str
    fate: Fate
    now: tuple[str, ...]
    gained: tuple[str, ...]
    lost: tuple[str, ...]


def cluster_changes(before: Clusters, after: Clusters) -> list[ClusterChange]:
    """What became of each cluster of two or more records, and which there were none of before; by id. Unchanged ones
    are left out.

    merged: with another cluster, into `now`. split: its records are no longer in one place, or some are gone or alone.
    gone: none of its records is in a cluster.
    """
    old, new = (
        {key: set(records) for key, records in one.members.items() if len(records) > 1} for one in (before, after)
    )
    old_of, new_of = ({record: key for key, records in one.items() for record in records} for one in (old, new))
    result = []
    for cluster, records in old.items():
        now = tuple(dict.fromkeys(new_of[record] for record in before.members[cluster] if record in new_of))
        together = set[str]().union(*(new[key] for key in now))
        gained, lost = tuple(sorted(together - records)), tuple(sorted(records - together))
        if fate := _fate(now, gained, lost, merged={old_of[record] for record in gained if record in old_of}):
            result.append(ClusterChange(cluster, fate, now, gained, lost))
    formed = [cluster for cluster, records in new.items() if not records & old_of.keys()]
    result += [ClusterChange(cluster, "formed", (cluster,), after.members[cluster], ()) for cluster in formed]
    return sorted(result, key=lambda change: change.cluster)


def _fate(now: tuple[str, ...], gained: tuple[str, ...], lost: tuple[str, ...], merged: set[str]) -> Fate | None:
    if not now:
        return "gone"
    if len(now) > 1 or lost:
        return "split"
    if merged:
        return "merged"
    return "grew" if gained else None
