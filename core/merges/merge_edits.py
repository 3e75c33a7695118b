"""The verbs by which a person changes clusters: decisions on pairs, given together and taken back together.

They are answers to records like any other, stored as corrections: what follows for clusters is not written here.
"""

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import duckdb

from core.errors import BadInput, Refused
from core.jobs.bundle import Report
from core.labelling.corrections import correct_all, withdraw_all
from core.labelling.waiting import BLIND, asked_parameters
from core.merges.project_clusters import ProjectClusters, current_clusters
from core.project import Project
from core.store.database import note, utc_now
from core.tasks.pairs import decision, is_same

EDIT, TAKEN_BACK, SURVIVOR = "merge edit", "merge edit taken back", "survivor"
"""lines of the history"""

Verdicts = Mapping[tuple[str, str], bool]
"""two records' names -> are they the same?"""


@dataclass(frozen=True)
class NewCluster:
    """A cluster that one of the records is in now; a single record is its own."""

    cluster: str
    size: int


@dataclass(frozen=True)
class MergeEdit:
    """edit: by which it is taken back, None where nothing was decided. decided: decisions stored, `same` of them that
    two are the same. unchanged: people had decided so already. missing: pairs that no record of this project asks
    about, so nothing can be decided on them. waiting: pairs that wait for a blind answer, left out. clusters: where
    the records are now."""

    edit: str | None
    decided: int
    same: int
    unchanged: int
    missing: int
    waiting: int
    clusters: tuple[NewCluster, ...]


def merges_decide(  # noqa: PLR0913 - each is an option of the command
    project: Project, report: Report, *, left: str, right: str, same: bool, user: str = "local"
) -> MergeEdit:
    """A person's decision on two records, whatever was decided before. Raises BadInput, Refused."""
    clusters = current_clusters(project)
    between = clusters.find(left), clusters.find(right)
    if left == right:
        raise BadInput(f"{left!r} is one record; name two.")
    if clusters.firsts[clusters.sides[left]] == clusters.firsts[clusters.sides[right]]:
        raise Refused(f"{left} and {right} have the same text, and are of one source: they are always together.")
    edit = _apply(project, clusters, {(left, right): same}, user)
    if edit.missing:
        raise Refused(_no_pair(left, right, together=between[0] == between[1]))
    if edit.waiting:
        raise Refused(
            f"The pair of {left} and {right} waits for a blind answer, by which models are measured: decide it where "
            "it is asked (Label). Nothing was changed."
        )
    return edit


def merges_undo(  # noqa: PLR0913 - each is an option of the command
    project: Project,
    report: Report,
    *,
    cluster: str | None = None,
    member: str | None = None,
    left: str | None = None,
    right: str | None = None,
    user: str = "local",
) -> MergeEdit:
    """Sets apart: two records (left, right), one record from its cluster (member), or all of a cluster from each other.

    Only pairs that stand in a record of the project are decided; `missing` counts the others. Raises BadInput, Refused.
    """
    if left is not None and right is not None:
        return merges_decide(project, report, left=left, right=right, same=False, user=user)
    if (name := cluster or member) is None:
        raise BadInput("Name a cluster, or two records.")
    clusters = current_clusters(project)
    members = _joined(clusters, name)
    if member is not None and member not in members:
        raise BadInput(f"{member!r} is not in the cluster {clusters.find(name)!r}; it has {', '.join(members[:20])}.")
    pairs = [pair for pair in combinations(members, 2) if member is None or member in pair]
    return _apply(project, clusters, dict.fromkeys(pairs, False), user)


def merges_pick(
    project: Project, report: Report, *, cluster: str, together: Sequence[str] | None = None, user: str = "local"
) -> MergeEdit:
    """Of a cluster's records these belong together, and apart from its others; all of them (None): it is approved.

    Nothing is said of the others among themselves. Raises BadInput, Refused.
    """
    clusters = current_clusters(project)
    members = _joined(clusters, cluster)
    together = members if together is None else together
    if unknown := [name for name in together if name not in members]:
        raise BadInput(f"{unknown[0]!r} is not in the cluster {cluster!r}; it has {', '.join(members[:20])}.")
    picked = set(together)
    if len(picked) < 2:
        raise BadInput("Pick two records or more that belong together; to set all apart, undo the cluster.")
    pairs = combinations(members, 2)
    verdicts = {(one, other): {one, other} <= picked for one, other in pairs if picked & {one, other}}
    return _apply(project, clusters, verdicts, user)


@dataclass(frozen=True)
class EditTakenBack:
    """decisions: answers that were taken back. clusters: where their records are now."""

    edit: str
    decisions: int
    clusters: tuple[NewCluster, ...]


def merges_redo(  # noqa: PLR0913 - each is an option of the command
    project: Project,
    report: Report,
    *,
    edit: str | None = None,
    cluster: str | None = None,
    left: str | None = None,
    right: str | None = None,
    user: str = "local",
) -> EditTakenBack:
    """Takes an edit back: that of this id, the newest about this cluster or these two records, or the newest of all.

    What was decided before holds again, and clusters have the ids that they had. Raises BadInput, Refused.
    """
    clusters = current_clusters(project)
    names = [name for name in (cluster, left, right) if name is not None]
    for name in names:
        clusters.find(name)
    chosen = next(
        (
            one
            for one in _edits(project)
            if (edit is None and not names) or one["edit"] == edit or (names and set(names) <= set(one["records"]))
        ),
        None,
    )
    if chosen is None:
        about = edit or " and ".join(names)
        raise BadInput(f"There is no edit of clusters{f' about {about}' if about else ''} that still holds.")
    count = withdraw_all(project, _origin(chosen["edit"]), user)
    with project.store.transaction() as cursor:
        note(cursor, user, TAKEN_BACK, {"edit": chosen["edit"], "decisions": count})
    return EditTakenBack(chosen["edit"], count, _clusters_of(current_clusters(project), chosen["records"]))


@dataclass(frozen=True)
class Survivor:
    """chosen: by a person; else the oldest record stands for the cluster."""

    cluster: str
    survivor: str
    chosen: bool


def merges_survivor(
    project: Project, report: Report, *, cluster: str, record: str | None = None, user: str = "local"
) -> Survivor:
    """Which record stands for its cluster and gives the golden record its fields; None: by the rules again.

    The choice stays with the record, whatever becomes of the cluster. Raises BadInput.
    """
    clusters = current_clusters(project)
    members = _joined(clusters, cluster)
    if record is not None and record not in members:
        raise BadInput(f"{record!r} is not in the cluster {cluster!r}; it has {', '.join(members[:20])}.")
    sides = [clusters.sides[name] for name in members]
    with project.store.transaction() as cursor:
        cursor.execute("delete from survivors where side in (select unnest(?::bigint[]))", [sides])
        if record is not None:
            cursor.execute("insert into survivors values (?, ?, ?)", [clusters.sides[record], user, utc_now()])
        note(cursor, user, SURVIVOR, {"cluster": members[0], "record": record})
    return Survivor(members[0], record or members[0], record is not None)


def _joined(clusters: ProjectClusters, name: str) -> tuple[str, ...]:
    members = clusters.clusters.members[clusters.find(name)]
    if len(members) < 2:
        raise Refused(f"{name} is in no cluster: it is joined with nothing.")
    return members


def _no_pair(left: str, right: str, *, together: bool) -> str:
    line = f"There is no pair of {left} and {right} in this project, so nothing can be decided on it."
    if together:
        return f"{line} They are together through others: `rondo merges show {left}` shows by which; undo one of these."
    return f"{line} Pairs are made by `rondo candidates`."


# Of a record about a pair, the one that is asked in its place: the first with its text.
_RECORDS = """
    with firsts as (select side, min(side) over (partition by source, hash) as first from sides),
    those as (select * from firsts where first in (select first from firsts where side in (select unnest(?::bigint[]))))
    select one.first, other.first, asked.n, asked.id, s.answer::varchar
    from pairs p join those one on one.side = p.left_side join those other on other.side = p.right_side
    join records r using (n) join records asked on asked.n = coalesce(r.duplicate_of, r.n)
    left join settled s on s.n = asked.n
    order by p.n
"""
_BLIND = BLIND.format(ns="select unnest($ns::bigint[])")


def _apply(project: Project, clusters: ProjectClusters, verdicts: Verdicts, user: str) -> MergeEdit:
    """Stores what people have not decided so already, in one transaction."""
    names = list(dict.fromkeys(name for pair in verdicts for name in pair))
    with project.store.reading() as cursor:
        there = _read_pairs(cursor, [clusters.sides[name] for name in names])
        numbers = [record_no for rows in there.values() for record_no, *_ in rows]
        parameters = asked_parameters(project.settings()) | {"ns": numbers}
        blind = {record_no for (record_no,) in cursor.execute(_BLIND, parameters).fetchall()}
    answers: dict[str, bool] = {}
    unchanged = missing = waiting = 0
    for (one, other), same in _by_first(clusters, verdicts).items():
        rows = there.get((one, other), [])
        missing += not rows
        for record_no, record, settled in rows:
            if settled is None and record_no in blind:
                waiting += 1
            elif settled is not None and is_same(json.loads(settled)) == same:
                unchanged += 1
            else:
                answers[record] = same
    edit = f"{utc_now():%Y%m%d-%H%M%S}-{secrets.token_hex(4)}" if answers else None
    if edit:
        correct_all(project, {record: decision(same) for record, same in answers.items()}, user, _origin(edit))
        detail = {"edit": edit, "decided": len(answers), "same": sum(answers.values()), "records": names}
        with project.store.transaction() as cursor:
            note(cursor, user, EDIT, detail)
    return MergeEdit(
        edit=edit,
        decided=len(answers),
        same=sum(answers.values()),
        unchanged=unchanged,
        missing=missing,
        waiting=waiting,
        clusters=_clusters_of(current_clusters(project) if edit else clusters, names),
    )


def _origin(edit: str) -> str:
    return f"merges:{edit}"


def _by_first(clusters: ProjectClusters, verdicts: Verdicts) -> dict[tuple[int, int], bool]:
    """The same of the sides that stand for them; duplicates of each other are left out."""
    result = {}
    for pair, same in verdicts.items():
        one, other = sorted(clusters.firsts[clusters.sides[name]] for name in pair)
        if one != other:
            result[one, other] = same
    return result


_PairRecords = dict[tuple[int, int], list[tuple[int, str, str]]]
"""two sides, the smaller first -> the records about them: number, id, people's answer as JSON"""


def _read_pairs(cursor: duckdb.DuckDBPyConnection, sides: list[int]) -> _PairRecords:
    result: _PairRecords = {}
    for left, right, record_no, record, settled in cursor.execute(_RECORDS, [sides]).fetchall():
        rows = result.setdefault((min(left, right), max(left, right)), [])
        if record_no not in [known for known, *_ in rows]:
            rows.append((record_no, record, settled))
    return result


def _clusters_of(clusters: ProjectClusters, names: Iterable[str]) -> tuple[NewCluster, ...]:
    there = dict.fromkeys(clusters.cluster_of[name] for name in names if name in clusters.cluster_of)
    return tuple(NewCluster(one, len(clusters.clusters.members[one])) for one in there)


def _edits(project: Project) -> list[dict[str, Any]]:
    """Those that were not taken back, the newest first."""
    rows = project.store.query(
        """select detail::varchar from audit_log where what = ? and detail->>'edit' not in (
               select detail->>'edit' from audit_log where what = ?) order by logged_at desc, rowid desc""",
        [EDIT, TAKEN_BACK],
    )
    return [json.loads(detail) for (detail,) in rows]
