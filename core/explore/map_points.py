"""Data of a map for a page: points with a colour group each, those inside a drawn shape, and their summary. Knows the
store and a map's arrays; no chart and no page.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.arrays import Floats, Ints
from core.config.settings import Settings
from core.explore.maps import MOST, Map
from core.ids import RecordNo
from core.labelling.waiting import BLIND, MAY_BE_BLIND, asked_parameters
from core.project import Project
from core.store.answers import as_given
from core.tasks.tasks import describer, is_choice

COLOURS = 10
"""groups that get a colour of their own: more cannot be told apart"""

SHOWN = 90
"""characters of a text that are shown at its point"""

READ = 500
"""characters of a text in the table of a selection"""

Polygon = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class MappedRecord:
    """A record on the map. answer: settled, JSON; suggestion: the same, None where it is hidden."""

    record_no: RecordNo
    answer: str | None
    suggestion: str | None
    probability: float | None
    round: int | None
    state: int
    text: str
    id: str


@dataclass(frozen=True)
class MapPoints:
    """k points: n ascending, xy (k, 2), group (k,) an index into `groups`, and what each record is.

    The first `coloured` groups have colours, the others are told as the rest. ordered: the coloured ones run from
    little to much, else they are of no order, the most frequent first.
    """

    record_nos: Ints
    xy: Floats
    group: Ints
    groups: tuple[str, ...]
    coloured: int
    ordered: bool
    records: tuple[MappedRecord, ...]


@dataclass(frozen=True)
class SelectedRecord:
    """A record of a selection, its answers in words; '' where there is none."""

    record: str
    text: str
    label: str
    suggestion: str
    probability: float | None


@dataclass(frozen=True)
class MapSelection:
    """labels, suggestions: (in words, how many), the most frequent first. nearest: the records nearest the middle."""

    count: int
    labels: list[tuple[str, int]]
    suggestions: list[tuple[str, int]]
    nearest: list[SelectedRecord]


NO_LABEL, NO_SUGGESTION = "not labelled", "no suggestion"
MANY_LABELS, MANY_ROUNDS = "other labels", "earlier rounds"
STATES = ("labelled by people", "in the queue", "labelled by machine", "gold", "nobody asked yet")
CHANCES = ("below 50 %", "50 to 70 %", "70 to 90 %", "90 to 97 %", "97 % and more")
_BOUNDS = (0.5, 0.7, 0.9, 0.97)

# What each record is. Who shall answer without a suggestion in view must not find it here either.
_DRAWN = f"select n from asked where n in ({MAY_BE_BLIND})"
_RECORDS = f"""
    with asked as (select unnest($ns::bigint[]) as n),
    visible as (select * from suggestions where n not in ({BLIND.format(ns=_DRAWN)}))
    select asked.n, {as_given("z.labels", "z.answer")},
           if(len(s.labels) = 0 and s.label is not null, to_json([s.label]), {as_given("s.labels", "s.answer")}),
           s.probability, z.round,
           case when z.stratum = 'gold' or r.split = 'test' then 3 when z.n is not null then 0
                when asked.n in (select n from queue) then 1
                when asked.n in (select n from machine_labels) then 2 else 4 end,
           left(r.text, {SHOWN}), r.id
    from asked join records r using (n) left join settled z using (n) left join visible s using (n)
    order by asked.n
"""


def points(project: Project, record_map: Map, colour: str) -> MapPoints:
    """At most MOST points of the map, those with a label first; colour: a key of COLOURINGS."""
    records = _read(project, record_map.record_nos.tolist())
    if len(records) > MOST:
        lot = np.random.default_rng(0).permutation(len(records))
        first = sorted(lot, key=lambda index: records[index].answer is None)[:MOST]
        records = [records[index] for index in sorted(first)]
    names, ranked, ordered = COLOURINGS[colour](records, project.settings())
    groups, coloured = ranked
    index = {name: index for index, name in enumerate(groups)}
    record_nos = np.array([record.record_no for record in records], np.int64)
    return MapPoints(
        record_nos=record_nos,
        xy=record_map.xy[np.searchsorted(record_map.record_nos, record_nos)],
        group=np.array([index.get(name, len(groups) - 1) for name in names], np.int64),
        groups=groups,
        coloured=coloured,
        ordered=ordered,
        records=tuple(records),
    )


def point_captions(shown: MapPoints, settings: Settings) -> list[str]:
    """Of each point in words: its label, else what is suggested and how sure that is."""
    describe = describer(settings)

    def caption(record: MappedRecord) -> str:
        if label := describe(record.answer):
            return label
        if not (suggestion := describe(record.suggestion)):
            return NO_LABEL
        sure = "" if record.probability is None else f", {record.probability:.0%} sure".replace("%", " %")
        return f"{NO_LABEL}; suggested: {suggestion}{sure}"

    return [caption(record) for record in shown.records]


def points_inside(shown: MapPoints, shapes: Iterable[Polygon]) -> Ints:
    """The n of points that lie in any of the polygons, ascending. A polygon that crosses itself has holes (even-odd).

    A rectangle is a polygon of four corners. Points on an edge fall to one side or the other.
    """
    hit = np.zeros(len(shown.record_nos), np.bool_)
    for shape in shapes:
        corners = np.asarray(shape, np.float64).reshape(-1, 2)
        if len(corners) > 2:
            hit |= _within(np.asarray(shown.xy, np.float64), corners)
    return shown.record_nos[hit]


def _within(xy: npt.NDArray[np.float64], corners: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Whether a ray to the right crosses an odd number of edges; only points in the bounding box are tested."""
    near = ((xy >= corners.min(axis=0)) & (xy <= corners.max(axis=0))).all(axis=1)
    x, y = xy[near].T
    odd = np.zeros(len(x), np.bool_)
    for (x1, y1), (x2, y2) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        spans = (y1 > y) != (y2 > y)
        odd[spans] ^= x[spans] < x1 + (y[spans] - y1) * (x2 - x1) / (y2 - y1)
    within = np.zeros(len(xy), np.bool_)
    within[near] = odd
    return within


def summarise_selection(project: Project, shown: MapPoints, record_nos: Ints, most: int = 200) -> MapSelection:
    """Counts of a selection, and the `most` records nearest its middle, nearest first."""
    rows = np.searchsorted(shown.record_nos, record_nos).tolist()
    selected = {n: shown.records[row] for n, row in zip(record_nos.tolist(), rows, strict=True)}
    describe = describer(project.settings())
    counts = Counter(describe(record.answer) or NO_LABEL for record in selected.values())
    suggested = Counter(describe(record.suggestion) or NO_SUGGESTION for record in selected.values())
    texts = project.store.query(_TEXTS, [_nearest_middle(shown, record_nos, most).tolist()])
    nearest = [
        SelectedRecord(
            record=selected[n].id,
            text=text,
            label=describe(selected[n].answer) or "",
            suggestion=describe(selected[n].suggestion) or "",
            probability=selected[n].probability,
        )
        for n, text in texts
    ]
    return MapSelection(len(record_nos), counts.most_common(), suggested.most_common(), nearest)


_TEXTS = f"""
    with asked as (select n, row_number() over () as place from (select unnest(?::bigint[]) as n))
    select n, left(text, {READ}) from asked join records using (n) order by place
"""


def _nearest_middle(shown: MapPoints, record_nos: Ints, most: int) -> Ints:
    """The middle is the median: a lasso with a tail still has it among most of its points."""
    xy = shown.xy[np.searchsorted(shown.record_nos, record_nos)]
    away = ((xy - np.median(xy, axis=0)) ** 2).sum(axis=1) if len(record_nos) else np.empty(0)
    return record_nos[np.argsort(away, kind="stable")[:most]]


def _read(project: Project, record_nos: list[RecordNo]) -> list[MappedRecord]:
    with project.store.reading() as cursor:
        rows = cursor.execute(_RECORDS, {"ns": record_nos, **asked_parameters(project.settings())}).fetchall()
    return [MappedRecord(*row) for row in rows]


Coloured = tuple[list[str], tuple[tuple[str, ...], int], bool]


def by_label(records: list[MappedRecord], settings: Settings) -> Coloured:
    """The settled label; several are one group of their own."""
    describe = describer(settings)
    return _frequent([describe(record.answer) or NO_LABEL for record in records], NO_LABEL)


def by_suggestion(records: list[MappedRecord], settings: Settings) -> Coloured:
    """What the newest model suggests; only records that wait or are in the pool have it."""
    describe = describer(settings)
    return _frequent([describe(record.suggestion) or NO_SUGGESTION for record in records], NO_SUGGESTION)


def by_confidence(records: list[MappedRecord], _: Settings) -> Coloured:
    """The probability of that suggestion."""
    chances = [record.probability for record in records]
    result = [
        NO_SUGGESTION if chance is None else CHANCES[int(np.searchsorted(_BOUNDS, chance, "right"))]
        for chance in chances
    ]
    return result, _present(result, CHANCES, (NO_SUGGESTION,)), True


def by_round(records: list[MappedRecord], _: Settings) -> Coloured:
    """The round in which it was labelled; 0 is what came with a file or before the first batch."""
    rounds = sorted({record.round for record in records if record.round is not None})[-COLOURS:]
    called = {number: f"round {number}" if number else "before round 1" for number in rounds}
    result = [NO_LABEL if record.round is None else called.get(record.round, MANY_ROUNDS) for record in records]
    return result, _present(result, list(called.values()), (MANY_ROUNDS, NO_LABEL)), True


def by_state(records: list[MappedRecord], _: Settings) -> Coloured:
    """By whom it is labelled, or whether it is queued."""
    result = [STATES[record.state] for record in records]
    return result, _present(result, STATES[:-1], STATES[-1:]), False


def _frequent(result: list[str], missing: str) -> Coloured:
    """The COLOURS most frequent ones, then the others together, then those without."""
    counts = Counter(result)
    without = counts.pop(missing, 0)
    common = [name for name, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))]
    retained, others = common[:COLOURS], set(common[COLOURS:])
    many = f"{len(others)} {MANY_LABELS}"
    result = [many if name in others else name for name in result]
    rest = ((many,) if others else ()) + ((missing,) if without else ())
    return result, ((*retained, *rest), len(retained)), False


def _present(result: list[str], coloured: Sequence[str], rest: Sequence[str]) -> tuple[tuple[str, ...], int]:
    """Every coloured group is kept, so that its colour is the same every day; of the others only those with points."""
    return (*coloured, *(name for name in rest if name in result)), len(coloured)


COLOURINGS: dict[str, Callable[[list[MappedRecord], Settings], Coloured]] = {
    "label": by_label,
    "suggestion": by_suggestion,
    "confidence": by_confidence,
    "round": by_round,
    "state": by_state,
}
"""what the points can be coloured by"""


def colourings(settings: Settings) -> list[str]:
    """Those of a project, the default first: answers that are no choice among categories make no groups."""
    return list(COLOURINGS) if is_choice(settings) else ["state", "confidence", "round"]
