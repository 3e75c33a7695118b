"""Searching a million records: words, filters, similarity, a page at a time. Knows no screen."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import duckdb

from core.arrays import Ints
from core.config.settings import Settings
from core.errors import BadInput
from core.explore.filters import RecordSearch, conditions
from core.explore.nearest import nearest, nearest_in_lists, nearest_in_part
from core.ids import RecordNo
from core.labelling.waiting import BLIND, asked_parameters
from core.models.vectors import LISTS, encoded_rows, encoder_folder, lists_name, open_vectors
from core.project import Project
from core.sampling.subpool import LARGE
from core.sampling.vector_lists import VectorLists, read_lists
from core.store.answers import as_given
from core.store.database import count
from core.store.record_numbers import NUMBERS, number_of
from core.tasks.tasks import describer, task_of

PAGE = 50
ALIKE = 500
"""the nearest records that "more like this" looks among"""
AMONG = 1_000_000
"""vectors that they are looked for in, of very many, while there are no lists of like ones"""
LISTED = 2_000
"""the most suspicious records of a kind that are looked among"""
CUT, SIDE_CUT = 200, 30
"""characters of a text in a list; of either side, where records have two"""


@dataclass(frozen=True)
class Pace:
    """Texts are looked through `stretch` records at a time until the page is full or `seconds` are over; each stretch
    is so many times as long as the one before.

    A stretch is a third of the rows that DuckDB keeps together.
    """

    stretch: int = 40_960
    seconds: float = 0.15
    growth: int = 1


@dataclass(frozen=True)
class Line:
    """A record in a list. label, suggestion, machine, unseen: answers in words. text: its first CUT characters; of a
    record with two sides the beginning of each.

    how: as in `settled`, or 'duplicate' where label and suggestion are those of the first record with this text.
    hidden: it waits for a blind answer, so nothing that a model says of it is told. unseen: what a head that had not
    seen its label says of it, where the inspection doubts the label, else of the newest round.
    """

    record_no: RecordNo
    id: str
    text: str
    label: str | None
    how: str | None
    stratum: str | None
    suggestion: str | None
    probability: float | None
    machine: str | None
    flags: tuple[str, ...]
    hidden: bool
    unseen: str | None = None


@dataclass(frozen=True)
class RecordPage:
    """A page of records. next: the `start` of the page after it, None at the end.

    searched: how many records' texts were looked through when time was up, None when that is no matter.
    among: how many records were looked among for like ones, None for all, or all that are near.
    """

    lines: tuple[Line, ...]
    next: int | None = None
    searched: int | None = None
    among: int | None = None


def find(project: Project, search: RecordSearch, start: int = 0, pace: Pace | None = None) -> RecordPage:
    """The page that begins at `start`: 0, or the `next` of the page before. A record's id as words finds it too.

    Raises BadInput for a state that there is not, too many words, or likeness to a record without a vector.
    """
    settings = project.settings()
    with project.store.reading() as cursor:
        ranked, among = _ranked(project, cursor, search)
        if ranked is not None:
            record_nos, following = _pick(cursor, conditions(search, settings, _LISTED), ranked, start)
            return RecordPage(read_lines(cursor, record_nos, settings), following, among=among)
        where = conditions(search, settings, _STRETCH)
        pace = (pace or Pace()) if search.words.split() else _pace_without_words(search)
        record_nos, following, searched = _walk(cursor, where, start, pace)
        if search.words and not start:
            known = cursor.execute("select n from records where id = ?", [search.words.strip()]).fetchall()
            record_nos = [n for (n,) in known] + [n for n in record_nos if (n,) not in known]
        return RecordPage(read_lines(cursor, record_nos, settings), following, searched)


def _pace_without_words(search: RecordSearch) -> Pace:
    """Until the page is full. Some states are looked for in all records at once: quicker where none is in it."""
    return Pace(131_072, 2**62, growth=8) if search.state in _IN_STRETCHES else Pace(2**62, 2**62)


_IN_STRETCHES = (None, "", "queued", "skipped")


def _ranked(
    project: Project, cursor: duckdb.DuckDBPyConnection, search: RecordSearch
) -> tuple[list[int] | None, int | None]:
    """The candidates, best first, where the search has an order of its own; and `RecordPage.among`."""
    if search.rows:
        return list(dict.fromkeys(search.rows)), None
    if search.like:
        n = number_of(cursor, search.like)
        encoder = project.settings().encoder
        if encoded_rows(project.vectors, encoder) <= n:
            raise BadInput(f"The record {search.like[:80]!r} has no vector yet, so nothing is like it. Encode first.")
        rows, among = _alike(project, encoder, n)
        return rows.tolist(), among
    if search.kind:
        return [n for (n,) in cursor.execute(_SUSPICIOUS, {"kind": search.kind, "most": LISTED}).fetchall()], None
    return None, None


def _alike(project: Project, encoder: str, n: int) -> tuple[Ints, int | None]:
    """Of very many vectors by the lists that rounds made of them; before the first such round a part is looked at, and
    how many are in it is told, too."""
    vectors, folder = open_vectors(project.vectors, encoder), encoder_folder(project.vectors, encoder)
    if len(vectors) <= LARGE:
        return nearest(vectors, n, ALIKE)[0], None
    if (folder / LISTS).exists():
        lists = _lists(folder / LISTS, lists_name(folder), (folder / LISTS).stat().st_mtime_ns)
        if lists is not None and n < len(vectors):
            return nearest_in_lists(vectors, n, ALIKE, lists)[0], None
    rows, _, among = nearest_in_part(vectors, n, ALIKE, AMONG)
    return rows, among


@lru_cache(maxsize=1)
def _lists(path: Path, name: str, changed: int) -> VectorLists | None:
    """Read once: 60 MB for ten million records. changed: when the file was."""
    return read_lists(path, name)


_LISTED = "n in (select unnest($ns::bigint[]))"
_STRETCH = "n >= $start and n < $stop"

# The two ends of a pair stand together.
_SUSPICIOUS = """
    select n from (
        select n, score, n as pair from flags where kind = $kind
        union all select other, score, n from flags where kind = $kind and other is not null
    ) group by n order by max(score) desc, min(pair), n limit $most::bigint
"""


def _pick(
    cursor: duckdb.DuckDBPyConnection, where: tuple[str, dict[str, object]], ranked: Sequence[int], start: int
) -> tuple[list[int], int | None]:
    """Those of a ranked list that meet the conditions. Their texts are read first: else DuckDB reads every text."""
    condition, parameters = where
    text = ", text" if "word0" in parameters else ""
    rows = cursor.execute(
        f"""with listed as materialized (
                select n, duplicate_of, split{text} from records where {_LISTED}
            )
            select n from listed where {condition}""",
        parameters | {"ns": list(ranked)},
    ).fetchall()
    met = {n for (n,) in rows}
    retained = [n for n in ranked if n in met]
    return retained[start : start + PAGE], start + PAGE if len(retained) > start + PAGE else None


def _walk(
    cursor: duckdb.DuckDBPyConnection, where: tuple[str, dict[str, object]], start: int, pace: Pace
) -> tuple[list[int], int | None, int | None]:
    """In order of import from record number `start` on."""
    condition, parameters = where
    total = count(cursor, f"select {NUMBERS}")
    ends, matches, stretch = time.monotonic() + pace.seconds, list[int](), pace.stretch
    while start < total:
        stop, stretch = min(start + stretch, total), stretch * pace.growth
        rows = cursor.execute(
            f"select n from records where {_STRETCH} and {condition} order by n limit $most::bigint",
            parameters | {"start": start, "stop": stop, "most": PAGE + 1 - len(matches)},
        ).fetchall()
        matches += [n for (n,) in rows]
        start = stop
        if len(matches) > PAGE:
            return matches[:PAGE], matches[PAGE], None
        if time.monotonic() > ends and start < total:
            return matches, start, start
    return matches, None, None


# The name of the first field says nothing in a list, and would take a third of the room.
_SIDE = "left(if($named, regexp_replace(fields->>'{}', '^[^:\n]*: *', ''), fields->>'{}'), {})"
_BOTH_SIDES = " || ' ↔ ' || ".join(_SIDE.format(side, side, SIDE_CUT) for side in ("left", "right"))
# Numbers are bound, not joined: DuckDB then passes over the rows of other numbers, of millions unread.
_LINES = f"""
    with listed as (
        select n, id, coalesce(if($two_sides, {_BOTH_SIDES}, null), left(text, {CUT})) as text,
               coalesce(duplicate_of, n) as first
        from records where {_LISTED}
    ),
    own as (select * from settled where n in (select unnest($ns::bigint[] || $firsts::bigint[]))),
    suggested as (select * from suggestions where n in (select unnest($firsts::bigint[]))),
    blind as ({BLIND.format(ns="select unnest($firsts::bigint[])")}),
    machine as (select n, labels, answer from machine_labels where {_LISTED}),
    flagged as (
        select n, list(distinct kind order by kind) as kinds from (
            select n, kind from flags union all select other, kind from flags
        ) where {_LISTED} group by n
    ),
    doubted as (
        select n, to_json([any_value(label)]) as predicted from flags
        where kind = 'label_error' and label is not null and {_LISTED} group by n
    ),
    verdicts as (select n, predicted, predicted_answer from held_out_predictions where {_LISTED})
    select w.n, w.id, w.text, coalesce({as_given("s.labels", "s.answer")}, {as_given("f.labels", "f.answer")}),
           coalesce(s.how, if(f.n is null, null, 'duplicate')), coalesce(s.stratum, f.stratum),
           {as_given("g.labels", "g.answer")}, g.probability, {as_given("m.labels", "m.answer")}, k.kinds,
           w.first in (select n from blind), coalesce(d.predicted, {as_given("v.predicted", "v.predicted_answer")})
    from listed w left join own s on s.n = w.n left join own f on f.n = w.first left join suggested g on g.n = w.first
    left join machine m on m.n = w.n left join flagged k on k.n = w.n left join doubted d on d.n = w.n
    left join verdicts v on v.n = w.n
"""


def read_lines(cursor: duckdb.DuckDBPyConnection, record_nos: Sequence[int], settings: Settings) -> tuple[Line, ...]:
    """In the order of ns. A list bound as one value is thirty times as quick as one of literals."""
    if not record_nos:
        return ()
    firsts = cursor.execute(
        f"select distinct coalesce(duplicate_of, n) from records where {_LISTED}", {"ns": list(record_nos)}
    ).fetchall()
    parameters = {
        "ns": list(record_nos),
        "firsts": [n for (n,) in firsts],
        "two_sides": task_of(settings).two_sides,
        "named": len(settings.fields) > 1,
        **asked_parameters(settings),
    }
    rows = {row[0]: row for row in cursor.execute(_LINES, parameters).fetchall()}
    describe, lines = describer(settings), []
    for row in (rows[n] for n in record_nos if n in rows):
        n, id, text, settled, how, stratum, suggested, probability, machine, kinds, hidden, unseen = row
        if hidden:
            suggested = probability = machine = unseen = None
        label, suggestion, by_machine, predicted = map(describe, (settled, suggested, machine, unseen))
        flags = tuple(kinds or ())
        lines.append(
            Line(n, id, text, label, how, stratum, suggestion, probability, by_machine, flags, hidden, predicted)
        )
    return tuple(lines)


@dataclass(frozen=True)
class Choices:
    """The values of the filters."""

    records: int
    annotators: tuple[str, ...]
    batches: tuple[int, ...]
    strata: tuple[str, ...]


def choices(project: Project) -> Choices:
    """The people who answered, the batches, and the strata of labels."""
    query = project.store.query
    return Choices(
        records=project.store.one("select count(*) from records"),
        annotators=tuple(user for (user,) in query("select distinct annotator from responses order by 1")),
        batches=tuple(batch for (batch,) in query("select distinct batch from queue order by 1 desc")),
        strata=tuple(stratum for (stratum,) in query("select distinct stratum from settled order by 1")),
    )
