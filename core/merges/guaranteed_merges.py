"""The verb that writes a project's clusters with merges that are guaranteed to be right. It decides nothing.

A merge by the model is made where the audit proves that merges of that probability are right often enough, and only if
no two records of the cluster that it makes are less probably the same than a pair must be to be merged by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from core.auto_label.accepting import offer_of
from core.auto_label.evidence import PART, UNASKED
from core.errors import BadInput, Refused
from core.evaluation.guarantee import GuaranteeTerms
from core.jobs.bundle import Report
from core.labelling.waiting import BLIND, MAY_BE_BLIND, asked_parameters
from core.merges.project_clusters import ProjectClusters, current_clusters, require_two_sides
from core.pairs.clusters import Clusters, Decision, Guard, make_clusters
from core.pairs.predict import SAME
from core.project import Project
from core.store.tables import FORMATS, write_table
from core.store.targets import refuse_target

EVEN = 0.5
"""probability below which a model says that two are different, whatever the audit proves"""


@dataclass(frozen=True)
class GuaranteedMerges:
    """rows were written to `out`. precision, confidence: what is guaranteed of the model's merges; audits, wrong: of
    the audit pairs that it rests on; threshold: the least probability of a merge. by_people, by_model: decisions that
    two are the same; unsupported: of the model's those that were not made, because two records of the cluster
    would have been the same with less than the threshold; held: merges that contradict what was said apart. clusters:
    of two and more records, `clustered` in all, `largest` at most."""

    out: str
    rows: int
    precision: float
    confidence: float
    threshold: float
    audits: int
    wrong: int
    by_people: int
    by_model: int
    unsupported: int
    held: int
    clusters: int
    clustered: int
    largest: int


@dataclass(frozen=True)
class ScoredPairs:
    """What the model in use says: of the pairs that may be merged, and of all that it was asked about."""

    merges: Sequence[tuple[int, int, float]]
    scores: dict[tuple[str, str], float]


def dedup_project(
    project: Project, report: Report, *, precision: float, out: str, confidence: float = 0.95
) -> GuaranteedMerges:
    """Writes source, id, cluster, records and joined_by of every record, single ones too, as .csv, .jsonl or .parquet.

    precision: share of the model's merges that is right at least, with this confidence, proven by the audit as for
    machine labels, of merges by themselves: that most pairs are apart makes none of them right. Raises Refused where
    the audit cannot prove it, with what is missing.
    """
    require_two_sides(project.settings())
    target = Path(out)
    if (file_format := target.suffix.removeprefix(".").lower()) not in FORMATS:
        raise BadInput(f"--out is {out}; it must end in {', '.join('.' + name for name in FORMATS)}.")
    refuse_target(project, out)
    report("Looking for what can be guaranteed", 0, 2)
    terms = GuaranteeTerms(precision, precision, confidence)
    evidence, _, offer = offer_of(project, terms)
    part = next((one for one in offer.labels if one.id == SAME), None)
    if part is None:
        raise Refused(offer.why or _NO_MERGES.format(precision=precision))
    threshold = max(part.threshold, EVEN)
    made = current_clusters(project)
    report("Joining", 1, 2)
    with project.store.reading() as cursor:
        scored = _read_scores(cursor, project, made, evidence.record_nos.tolist(), threshold)
        people = [row for row in made.rows if row[4]]
        clusters = join_guarded(made, people, scored, threshold, one_partner=project.settings().one_partner)
        rows = _write(cursor, made, clusters, people, target, file_format)
    sizes = [len(members) for members in _all_members(made, clusters).values() if len(members) > 1]
    report("Joining", 2, 2)
    return GuaranteedMerges(
        out=out,
        rows=rows,
        precision=precision,
        confidence=confidence,
        threshold=threshold,
        audits=part.audits,
        wrong=part.wrong,
        by_people=sum(same for _, _, _, same, *_ in people),
        by_model=len(scored.merges),
        unsupported=len(clusters.unsupported),
        held=len(clusters.held),
        clusters=len(sizes),
        clustered=sum(sizes),
        largest=max(sizes, default=0),
    )


_NO_MERGES = (
    "No merge by the model can be guaranteed to be right in {precision:.0%} of cases: the audit has too few pairs that "
    "it calls the same. Label more audit pairs (`rondo next --audit-share 1`), then `rondo fit`, or guarantee less."
)
_MERGES = f"""
    select p.left_side, p.right_side, s.probability
    from ({UNASKED}) join suggestions s using (n) join pairs p using (n)
    where {PART} = '{SAME}' and s.probability >= $threshold and n in (select unnest($ns::bigint[]))
      and n not in ({BLIND.format(ns=MAY_BE_BLIND)})
    order by n
"""
_SCORES = """
    select p.left_side, p.right_side, if((s.answer->>'same')::boolean, s.probability, 1 - s.probability)
    from pairs p join suggestions s using (n)
"""


def _read_scores(
    cursor: duckdb.DuckDBPyConnection, project: Project, made: ProjectClusters, numbers: list[int], threshold: float
) -> ScoredPairs:
    """What waits for a blind answer joins nothing."""
    names, firsts = made.names, made.firsts
    parameters = {"parts": [SAME], "threshold": threshold, "ns": numbers, **asked_parameters(project.settings())}
    merges = cursor.execute(_MERGES, parameters).fetchall()
    scores: dict[tuple[str, str], float] = {}
    for left, right, same in cursor.execute(_SCORES).fetchall():
        one, other = sorted((names[firsts[left]], names[firsts[right]]))
        scores[one, other] = same
    return ScoredPairs(merges, scores)


def join_guarded(
    made: ProjectClusters,
    people: Sequence[tuple[str, int, int, bool, bool, float]],
    scored: ScoredPairs,
    threshold: float,
    *,
    one_partner: bool,
) -> Clusters:
    """People's decisions, and behind them those merges of the model that `Guard` allows; equal texts are one record."""
    names, firsts = made.names, made.firsts
    scores = dict(scored.scores)
    decisions: list[Decision] = []
    for _, left, right, same, *_ in people:
        one, other = names[firsts[left]], names[firsts[right]]
        decisions.append(Decision(one, other, same, True, len(decisions)))
        scores[min(one, other), max(one, other)] = float(same)
    for left, right, probability in scored.merges:
        one, other = names[firsts[left]], names[firsts[right]]
        decisions.append(Decision(one, other, True, False, len(decisions), probability))
    alone = [names[side] for side, first in firsts.items() if side == first]
    several = made.several_sources and one_partner
    sources = {names[side]: source for side, source in made.sources.items()} if several else None
    return make_clusters(alone, decisions, sources, Guard(scores, threshold))


def _all_members(made: ProjectClusters, clusters: Clusters) -> dict[str, list[int]]:
    """Cluster -> sides, oldest first; equal texts of a source beside the first of them."""
    of = clusters.of
    members: dict[str, list[int]] = {}
    for side, first in made.firsts.items():
        members.setdefault(of[made.names[first]], []).append(side)
    return members


def _write(  # noqa: PLR0913 - what is written, and where
    cursor: duckdb.DuckDBPyConnection,
    made: ProjectClusters,
    clusters: Clusters,
    people: Sequence[tuple[str, int, int, bool, bool, float]],
    target: Path,
    file_format: str,
) -> int:
    """joined_by: people where they alone made the cluster, model where it had a part; null for single records."""
    by_people = make_clusters(
        [record for members in clusters.members.values() for record in members],
        [
            Decision(made.names[made.firsts[left]], made.names[made.firsts[right]], same, True, number)
            for number, (_, left, right, same, *_) in enumerate(people)
        ],
    ).of
    rows = []
    for cluster, sides in _all_members(made, clusters).items():
        parts = {by_people[made.names[made.firsts[side]]] for side in sides}
        joined_by = None if len(sides) == 1 else "people" if len(parts) == 1 else "model"
        rows += [(side, cluster, len(sides), joined_by) for side in sides]
    columns = list(zip(*sorted(rows), strict=True))
    query = """
        select s.source, s.id, c.cluster, c.records, c.joined_by
        from (select unnest($1::bigint[]) as side, unnest($2::varchar[]) as cluster, unnest($3::bigint[]) as records,
                     unnest($4::varchar[]) as joined_by) c
        join sides s using (side) order by side
    """
    write_table(cursor, query, [list(column) for column in columns], target, file_format)
    return len(rows)
