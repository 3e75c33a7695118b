"""Blocking recall of a project: of all pairs that are the same, what share is among its candidates? Changes nothing.

Measured where decisions came with a file, estimated from the audit and from pairs drawn among the others elsewhere.
"""

from dataclasses import dataclass

import duckdb
import numpy as np

from core.arrays import Bools
from core.config.settings import Settings
from core.errors import Refused
from core.evaluation.audit import Weights, weigh
from core.evaluation.metrics import Estimate
from core.evaluation.missed_matches import (
    ERROR,
    Bounds,
    DrawnStratum,
    SearchOverlap,
    capture_recapture,
    count_matches,
    overlap_of,
    recall_of,
)
from core.evaluation.reporting import FEWEST, in_words
from core.evaluation.scores import exact
from core.jobs.bundle import Report
from core.pairs.blocking.candidate_job import ENCODED, LARGE
from core.project import Project
from core.rounds.draws import read_history
from core.tasks.tasks import task_of

TRAINING = "('chosen', 'file', 'audit', 'check')"
"""strata of candidates that people were asked about"""


@dataclass(frozen=True)
class BlockingRecall:
    """Of pairs of different texts. candidates: that are asked about; audits: of them drawn at random and decided;
    matches: among them, estimated. near, far: pairs that no search found, next in rank and all others.

    against_near: share of the matches among candidates and near misses that are candidates. overall: of all matches,
    None where the far pairs bound nothing. overlap, by_search: what follows from which search found each match.
    known_matches: that came with a file, and `measured` the share of them that the search found. sentence: what is to
    be said first; notes: the rest. Estimates are None where there is too little to say.
    """

    candidates: int
    audits: int
    matches: Bounds
    near: DrawnStratum
    far: DrawnStratum
    against_near: Estimate | None
    overall: Estimate | None
    overlap: SearchOverlap
    by_search: Estimate | None
    known_matches: int
    measured: Estimate | None
    sentence: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class DecidedCandidates:
    """Candidates that were asked and answered, (k,) each: the same, though their texts differ; found by the one search,
    by the other. weights: of them, in a mean over all candidates."""

    is_match: Bools
    first: Bools
    second: Bools
    weights: Weights


def require_paired(settings: Settings) -> None:
    """Raises Refused for a project whose records have one side."""
    if not task_of(settings).two_sides:
        raise Refused(f"Records of the task {settings.task!r} are not paired.")


def recall_if_sought(project: Project) -> BlockingRecall | None:
    """None where candidates were never sought."""
    sought = project.store.one("select count(*) from candidate_searches")
    return blocking_recall(project, lambda *_: None) if sought else None


def blocking_recall(project: Project, report: Report) -> BlockingRecall:
    """By the decisions that there are. Raises Refused where candidates were never sought."""
    require_paired(project.settings())
    with project.store.reading() as cursor:
        sizes = cursor.execute("select near, far from candidate_searches order by searched_at desc limit 1").fetchone()
        if sizes is None:
            raise Refused("Candidates were not sought here yet, so there is no recall of it: `rondo candidates`.")
        decided = dict(_read_drawn(cursor))
        near, far = (
            DrawnStratum(int(size), *decided.get(name, (0, 0)))
            for name, size in zip(("near", "far"), sizes, strict=True)
        )
        sample, known = _read_sample(cursor), cursor.execute(_CAME_DECIDED).fetchall()[0]
    return estimate_recall(sample, near, far, (int(known[0]), int(known[1])))


def estimate_recall(
    sample: DecidedCandidates, near: DrawnStratum, far: DrawnStratum, known: tuple[int, int] = (0, 0)
) -> BlockingRecall:
    """known: matches that came with a file, and how many of them the search found."""
    weights, audits = sample.weights, int(sample.weights.drawn.sum())
    matches = count_matches(sample.is_match, weights)
    enough = audits >= FEWEST and matches.value > 0
    two, three = ERROR / 2, ERROR / 3
    against_near = overall = by_search = None
    overlap = overlap_of(sample.is_match, sample.first, sample.second, weights)
    if enough and (near.decided or not near.population):
        against_near = recall_of(count_matches(sample.is_match, weights, two), (near.missed(two),))
        if far.matches or far.missed().high <= matches.value:
            ours = count_matches(sample.is_match, weights, three)
            overall = recall_of(ours, (near.missed(three), far.missed(three)))
    if overlap.total >= FEWEST:
        by_search = capture_recapture(overlap)
    measured = exact(known[1] / known[0], known[0], ERROR) if known[0] >= FEWEST else None
    lines = _sentences(audits, near, far, against_near, overall, by_search, measured, known)
    return BlockingRecall(
        candidates=weights.population or 0,
        audits=audits,
        matches=matches,
        near=near,
        far=far,
        against_near=against_near,
        overall=overall,
        overlap=overlap,
        by_search=by_search,
        known_matches=known[0],
        measured=measured,
        sentence=lines[0],
        notes=tuple(lines[1:]),
    )


def _sentences(  # noqa: PLR0913 - what there is to say
    audits: int,
    near: DrawnStratum,
    far: DrawnStratum,
    against_near: Estimate | None,
    overall: Estimate | None,
    by_search: Estimate | None,
    measured: Estimate | None,
    known: tuple[int, int],
) -> list[str]:
    """The first is the headline: what was measured, else estimated, else bounded, else what is missing."""
    lines = []
    if measured:
        lines.append(
            f"Blocking recall, measured: the search found {known[1]:,} of {known[0]:,} matches that came with a file, "
            f"{in_words(measured)}."
        )
    if overall:
        lines.append(f"Blocking recall, estimated from pairs drawn at random: {in_words(overall)}.")
    elif against_near:
        lines.append(
            f"Blocking recall against near misses, which come next in rank: {in_words(against_near)}; at least "
            f"{against_near.low:.0%}. It says nothing of matches further away."
        )
    if by_search:
        lines.append(
            f"By which of the two searches found each match (capture and recapture): {in_words(by_search)}. Too high "
            "where both fail on the same pairs."
        )
    if not lines:
        lines.append(_lacking(audits, near, far))
    lines += [_stratum_sentence("next in rank", near)] if near.decided else []
    if far.decided:
        lines.append(_stratum_sentence("further away", far) + ("" if overall else " That bounds no recall."))
    return lines


def _stratum_sentence(name: str, one: DrawnStratum) -> str:
    high = one.missed().high / one.population
    return (
        f"Of {one.population:,} pairs {name} {one.decided:,} were drawn and decided, {one.matches:,} are matches: at "
        f"most {high:.1%} of them, {one.missed().high:,.0f} pairs."
    )


def _lacking(audits: int, near: DrawnStratum, far: DrawnStratum) -> str:
    if not near.population + far.population:
        return "Blocking recall: every pair is a candidate, so no match is missed."
    return (
        f"Blocking recall: too few decisions to say ({audits:,} of {FEWEST} audit pairs, of pairs that no search found "
        f"{near.decided + far.decided:,})."
    )


# Pairs of equal texts are joined without a search, so they say nothing of it.
_DIFFERENT = """
    (select hash from sides where side = p.left_side)
        is distinct from (select hash from sides where side = p.right_side)
"""
_DRAWN = """
    select p.beyond, count(*), count(*) filter ((s.answer->>'same')::boolean)
    from pairs p join settled s using (n) where p.beyond in ('near', 'far') group by 1
"""


def _read_drawn(cursor: duckdb.DuckDBPyConnection) -> list[tuple[str, tuple[int, int]]]:
    return [(name, (decided, matches)) for name, decided, matches in cursor.execute(_DRAWN).fetchall()]


# A pair that came ready has no search of its own: what the search found is then a second record of the same sides, or
# none.
_CAME_DECIDED = f"""
    with came as (
        select distinct least(p.left_side, p.right_side) as one, greatest(p.left_side, p.right_side) as other
        from pairs p join settled s using (n)
        where n in (select n from responses where source = 'file') and (s.answer->>'same')::boolean and {_DIFFERENT}
    ), hit as (
        select distinct least(left_side, right_side) as one, greatest(left_side, right_side) as other
        from pairs where len(searches) > 0 and beyond is null
    )
    select count(*), count(hit.one) from came left join hit using (one, other)
"""


def _read_sample(cursor: duckdb.DuckDBPyConnection) -> DecidedCandidates:
    numbers = cursor.execute(f"select n from settled where stratum in {TRAINING}").fetchnumpy()["n"]
    record_nos, history = read_history(cursor, numbers.tolist())
    rows = cursor.execute(
        f"""select n, coalesce((s.answer->>'same')::boolean, false) and {_DIFFERENT},
                   coalesce(list_has_any(p.searches, $first), false), coalesce(list_has_any(p.searches, $second), false)
            from pairs p join settled s using (n) where n in (select unnest($ns::bigint[])) order by n""",
        {"ns": record_nos.tolist(), "first": [ENCODED[0], LARGE[0]], "second": [ENCODED[1], LARGE[1]]},
    ).fetchall()
    table = {n: flags for n, *flags in rows}
    flags = np.array([table.get(n, [False] * 3) for n in record_nos.tolist()], np.bool_).reshape(-1, 3)
    return DecidedCandidates(flags[:, 0], flags[:, 1], flags[:, 2], weigh(history))
