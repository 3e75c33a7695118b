"""What would come of a pair if its sides are the same: the cluster that people's decisions on other pairs lead to.

Knows no model: what one says of a pair, or has merged by itself, is not in it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from core.arrays import Bools, Ints
from core.store.answers import answer_text
from core.store.views import NOT_TAKEN_BACK

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MOST_MEMBERS, MOST_WARNINGS = 12, 3
"""that are named on a card"""
_SAME, _DIFFERENT = answer_text({"same": True}), answer_text({"same": False})
_SHOWN = 2
_PAIRS = f"""
    select n, left_side, right_side, settled_at, verdict from pairs join (
        select n, settled_at, (answer::varchar = $same)::tinyint as verdict from settled union all
        select unnest($ns::bigint[]), null, {_SHOWN}) using (n)
"""
"""all that people have decided (0, 1), and those on the cards: both at once, for a pass over the pairs costs most"""
_SAID_APART = f"""
    select n, annotator from (
        select n, annotator, answer, stamp from (
            select * from responses where n in (select unnest($ns::bigint[])) and action <> 'undo') {NOT_TAKEN_BACK}
        qualify row_number() over (partition by n, annotator order by stamp desc) = 1)
    where answer::varchar = $different order by stamp
"""


class Decided(NamedTuple):
    """A pair that people have decided. position: in the order in which pairs were; record_no: of the pair."""

    position: int
    record_no: int
    left: int
    right: int
    same: bool


@dataclass(frozen=True)
class DecidedPairs:
    """In the order in which they were settled; all (n,)."""

    record_nos: Ints
    left: Ints
    right: Ints
    same: Bools

    def take(self, rows: Bools) -> "DecidedPairs":
        """Those of a mask."""
        return DecidedPairs(self.record_nos[rows], self.left[rows], self.right[rows], self.same[rows])

    def near(self, sides: Ints) -> "DecidedPairs":
        """Those between these and all that they are said to be the same as, however far the way."""
        same, reached = self.take(self.same), np.unique(sides)
        while True:
            touching = np.isin(same.left, reached) | np.isin(same.right, reached)
            grown = np.unique(np.concatenate([reached, same.left[touching], same.right[touching]]))
            if len(grown) == len(reached):
                return self.take(np.isin(self.left, reached) & np.isin(self.right, reached))
            reached = grown

    def by_side(self) -> dict[int, list[Decided]]:
        """Side -> those that it is in."""
        result: dict[int, list[Decided]] = {}
        columns = (self.record_nos, self.left, self.right, self.same)
        for position, row in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
            pair = Decided(position, *row)
            for side in (pair.left, pair.right):
                result.setdefault(side, []).append(pair)
        return result


@dataclass(frozen=True)
class Outcome:
    """members: sides of the cluster that would be, oldest first. joined: it is there already. apart: decisions that two
    of them, which are not together yet, are different."""

    members: tuple[int, ...]
    joined: bool
    apart: tuple[Decided, ...]


def pair_context(cursor: "DuckDBPyConnection", record_nos: Sequence[int]) -> dict[int, dict[str, object]]:
    """For the card: {cluster, members: [{title, here}], more, joined, apart: [{one, other, by}]}. Titles are ids, with
    their source where there are several. Records of which nothing is to be said beyond their two sides are left out.

    here: whether it is one of the pair's own sides. more: members that are not named. by: who said it.
    """
    sides, decided_pairs = _read_pairs(cursor, record_nos)
    decided = decided_pairs.near(np.array(list(sides.values()), np.int64).ravel()).by_side()
    outcomes = {n: outcome(n, *pair, decided) for n, pair in sides.items()}
    outcomes = {n: one for n, one in outcomes.items() if len(one.members) > 2 or one.joined}
    if not outcomes:
        return {}
    titles = _titles(cursor, {side for one in outcomes.values() for side in one.members})
    authors = _authors(cursor, {pair.record_no for one in outcomes.values() for pair in one.apart[:MOST_WARNINGS]})
    return {n: _as_json(one, sides[n], titles, authors) for n, one in outcomes.items()}


def outcome(record_no: int, left: int, right: int, decided: Mapping[int, Sequence[Decided]]) -> Outcome:
    """decided: by side. A merge that would join two that were said apart is not made, as in the project's clusters.

    What the pair itself was said to be does not count: others may have to decide without knowing.
    """
    own = {left, right}
    others = [one for one in _reachable(own, decided) if one.record_no != record_no and {one.left, one.right} != own]
    differ = [one for one in others if not one.same]
    groups: dict[int, set[int]] = {}
    for one in others:
        ours, theirs = (groups.setdefault(side, {side}) for side in (one.left, one.right))
        if one.same and ours is not theirs and not _between(ours, theirs, differ):
            groups.update(dict.fromkeys(ours | theirs, ours | theirs))
    ours, theirs = groups.get(left, {left}), groups.get(right, {right})
    joined = ours is theirs
    return Outcome(tuple(sorted(ours | theirs)), joined, () if joined else tuple(_between(ours, theirs, differ)))


def _reachable(sides: Iterable[int], decided: Mapping[int, Sequence[Decided]]) -> list[Decided]:
    """Those with sides that these are said to be the same as, however far the way, in the order of decision."""
    reached, waiting = set(sides), list(sides)
    pairs: set[Decided] = set()
    while waiting:
        for one in decided.get(waiting.pop(), ()):
            pairs.add(one)
            if one.same:
                fresh = {one.left, one.right} - reached
                reached |= fresh
                waiting += fresh
    return sorted(pairs)


def _between(ours: set[int], theirs: set[int], differ: Iterable[Decided]) -> list[Decided]:
    """Decisions that keep the one group from the other."""
    return [
        one
        for one in differ
        if (one.left in ours and one.right in theirs) or (one.left in theirs and one.right in ours)
    ]


def _read_pairs(
    cursor: "DuckDBPyConnection", record_nos: Sequence[int]
) -> tuple[dict[int, tuple[int, int]], DecidedPairs]:
    """The sides of these records, and all that people have decided."""
    rows = cursor.execute(_PAIRS, {"ns": list(record_nos), "same": _SAME}).fetchnumpy()
    n, left, right, verdict = (np.asarray(rows[name], np.int64) for name in ("n", "left_side", "right_side", "verdict"))
    shown, decided = np.flatnonzero(verdict == _SHOWN), np.flatnonzero(verdict != _SHOWN)
    sides = dict(zip(n[shown].tolist(), zip(left[shown].tolist(), right[shown].tolist(), strict=True), strict=True))
    order = decided[np.lexsort((n[decided], np.ma.getdata(rows["settled_at"])[decided]))]
    return sides, DecidedPairs(n[order], left[order], right[order], verdict[order] == 1)


def _titles(cursor: "DuckDBPyConnection", sides: Iterable[int]) -> dict[int, str]:
    """As clusters are called."""
    query = "select side, source, id from sides where side in (select unnest($sides::bigint[]))"
    rows = cursor.execute(query, {"sides": sorted(sides)}).fetchall()
    sources = {source for _, source, _ in rows}
    if len(sources) == 1:
        other = "select source from sides where source <> $source limit 1"
        sources.update(source for (source,) in cursor.execute(other, {"source": min(sources)}).fetchall())
    return {side: f"{source}:{id}" if len(sources) > 1 else id for side, source, id in rows}


def _authors(cursor: "DuckDBPyConnection", record_nos: Iterable[int]) -> dict[int, list[str]]:
    """Whose newest answer to these is that they are different, in the order of the answers."""
    if not (numbers := sorted(record_nos)):
        return {}
    rows = cursor.execute(_SAID_APART, {"ns": numbers, "different": _DIFFERENT}).fetchall()
    authors: dict[int, list[str]] = {}
    for n, annotator in rows:
        authors.setdefault(n, []).append(annotator)
    return authors


def _as_json(
    one: Outcome, pair: tuple[int, int], titles: Mapping[int, str], authors: Mapping[int, list[str]]
) -> dict[str, object]:
    """Both sides of the pair are named, however many members there are; what was erased has no title."""
    named = [side for side in one.members if side in titles]
    shown = sorted({*(side for side in pair if side in titles), *named[:MOST_MEMBERS]})
    return {
        "cluster": titles[named[0]] if named else "",
        "members": [{"title": titles[side], "here": side in pair} for side in shown],
        "more": len(named) - len(shown),
        "joined": one.joined,
        "apart": [
            {
                "one": titles.get(decision.left, "?"),
                "other": titles.get(decision.right, "?"),
                "by": authors.get(decision.record_no, []),
            }
            for decision in one.apart[:MOST_WARNINGS]
        ],
    }
