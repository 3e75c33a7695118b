"""Calibration: queues gold records among the others, to measure annotators. Knows no statistics and no page."""

from dataclasses import dataclass

import duckdb
import numpy as np

from core.errors import Refused
from core.jobs.bundle import Report
from core.project import Project
from core.store.database import count, note


@dataclass(frozen=True)
class Calibration:
    """queued: gold records in the queue now; left: those that could still be queued."""

    queued: int
    left: int


def calibrate(project: Project, report: Report, *, size: int, user: str = "local") -> Calibration:
    """Queues `size` gold records at random positions, blind, for every annotator once; returns how many gold are left.

    Answers to them never change the known answer, train no model and belong to no batch. Raises Refused where fewer are
    left.
    """
    with project.label_queue.changing() as cursor:
        unused = count(cursor, f"select count(*) from ({_UNUSED})")
        if size < 1:
            raise Refused(f"Asked for {size} calibration records; it takes at least 1.")
        if size > unused:
            raise Refused(
                f"Asked for {size:,} calibration records, but only {unused:,} records with a known answer were not "
                "slipped in yet. Ask for fewer, or bring more: `rondo import FILE --label COLUMN --split COLUMN`."
            )
        queued = insert_gold_checks(cursor, size, project.settings().seed)
        note(cursor, user, "calibrate", {"queued": queued})
    return Calibration(queued, unused - queued)


def share_of(batch: int, share: float, seed: int) -> int:
    """How many calibration records go with a batch of so many: the share on average, also where it is below one."""
    return int(batch * share + np.random.default_rng([seed, batch]).random()) if share else 0


def insert_gold_checks(cursor: duckdb.DuckDBPyConnection, size: int, seed: int) -> int:
    """Up to `size` of them at random positions, both by the seed, in a transaction of `LabelQueue.changing`."""
    cursor.execute(f"{_UNUSED} order by hash(n, $seed::bigint), n limit $size::bigint", {"seed": seed, "size": size})
    drawn = [n for (n,) in cursor.fetchall()]
    first, last = cursor.execute(_SPAN).fetchall()[0]
    before = count(cursor, "select count(*) from queue where purpose = 'calibration'")
    positions = np.random.default_rng([seed, before]).uniform(first, last, len(drawn))
    cursor.execute(_INSERT_GOLD_CHECKS, {"ns": drawn, "positions": positions.tolist()})
    return len(drawn)


# A known answer came with a file or was decided. Gold made from people's answers would change with others' answers.
_UNUSED = """
    select n from settled join records r using (n)
    where stratum = 'gold' and r.duplicate_of is null and n not in (select n from queue)
      and (how = 'adjudicated' or n in (select n from responses where source = 'file'))
"""
# Among unanswered records; at the end of the queue where there are none.
_SPAN = """
    select coalesce(min(position), (select max(position) + 1 from queue), 0),
           coalesce(max(position), (select max(position) + 1 from queue), 0) + 1
    from queue where not spare and not is_labelled(n) and n not in (select n from responses)
"""
_INSERT_GOLD_CHECKS = """
    insert into queue
    select n, (select coalesce(max(batch), 0) from queue), position, false, false, null, null, null, 'calibration', null
    from (select unnest($ns::bigint[]) as n, unnest($positions::double[]) as position)
"""
