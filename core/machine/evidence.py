"""What a promise about machine labels may rest on, as the store holds it. Computes no promise, changes nothing."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

from core.errors import Refused
from core.measuring.promises import Wanted, fewest
from core.measuring.regions import Bools, Evidence, Ints, Judged
from core.project import Project
from core.records import AUDIT_POOL, HELD
from core.rounds.plans import active_model
from core.settings import Settings

EVERYTHING = "*"
"""the one threshold of a project where several labels may hold: all of a record's labels stand or fall together"""


@dataclass(frozen=True)
class Found:
    """evidence.pool_label belongs to the records ns, (N,). model: whose suggestions they are. outside: records that
    came with an import after which too few audit records were drawn: after newest. late: audit labels given after the
    fit."""

    evidence: Evidence
    ns: Ints
    model: str
    newest: datetime
    outside: int
    late: int


def read_evidence(project: Project, cursor: duckdb.DuckDBPyConnection, wanted: Wanted) -> Found:
    """Raises Refused where there is no model, or one that speaks of other labels or other vectors."""
    settings = project.settings()
    model = _refuse(project, cursor, settings)
    labels = (EVERYTHING,) if settings.multi else tuple(label.id for label in settings.taxonomy.active)
    pool, audit, guide = (
        _columns(cursor, query, labels) for query in (_POOL, _JUDGED.format("="), _JUDGED.format("<>"))
    )
    newest = _covered_imports(pool["imported_at"], audit, fewest(wanted))
    kept, used = pool["imported_at"] <= newest, _counts(audit, newest)
    row = cursor.execute(_LATE).fetchone()
    return Found(
        Evidence(
            labels,
            _judged(audit, used),
            _judged(guide, np.ones(len(guide["n"]), bool)),
            pool["place"][kept],
            pool["probability"][kept],
        ),
        pool["n"][kept],
        model,
        newest.astype(datetime),
        int((~kept).sum()),
        row[0] if row else 0,
    )


# The unasked, labelled by machine before or not, and what waits to check machine labels: a new promise replaces it.
UNASKED = f"""
    {AUDIT_POOL} union
    select q.n from queue q where q.purpose = 'check' and q.n not in ({HELD})
        and q.n not in (select n from responses) and q.n not in (select n from settled)
"""
_PLACE = f"coalesce(list_position($labels::varchar[], if($multi, '{EVERYTHING}', label)), 0)::bigint - 1"
_POOL = f"""
    select n, imported_at, {_PLACE} as place, probability
    from ({UNASKED}) join suggestions using (n) join records using (n)
    where place >= 0 order by n
"""
# A person may have corrected a label since: what counts is what stands now.
_JUDGED = f"""
    select j.n, r.imported_at, {_PLACE} as place,
           probability, list_sort(j.said) = list_sort(s.labels) as is_right,
           coalesce((select max(b.made_at) from queue q join batches b using (batch) where q.n = j.n and q.audit),
               timestamp '1970-01-01') as drawn_at
    from judged j join settled s using (n) join records r using (n)
    where (s.stratum {{}} 'audit') and place >= 0 order by j.n
"""
_LATE = "select count(*) from settled where stratum = 'audit' and n not in (select n from judged)"


def _columns(cursor: duckdb.DuckDBPyConnection, query: str, labels: tuple[str, ...]) -> dict[str, npt.NDArray[Any]]:
    return dict(cursor.execute(query, {"labels": list(labels), "multi": labels == (EVERYTHING,)}).fetchnumpy())


def _judged(rows: dict[str, npt.NDArray[Any]], kept: Bools) -> Judged:
    return Judged(rows["place"][kept], rows["probability"][kept], rows["is_right"][kept].astype(bool))


def _counts(audit: dict[str, npt.NDArray[Any]], newest: np.datetime64) -> Bools:
    """Of the audit records, those drawn from all that was imported until then, and that are part of it."""
    return np.asarray((audit["imported_at"] <= newest) & (audit["drawn_at"] >= newest), bool)


def _covered_imports(
    imported_at: npt.NDArray[np.datetime64], audit: dict[str, npt.NDArray[Any]], enough: int
) -> np.datetime64:
    """The newest import that can be covered: an audit says nothing of what was imported after it was drawn.

    Decided by the number of audit records alone, never by what they say.
    """
    times = np.unique(imported_at)[::-1]
    counts = [int(_counts(audit, time).sum()) for time in times]
    if not counts:
        return np.datetime64("1970-01-01")
    met = [place for place, count in enumerate(counts) if count >= enough]
    return np.datetime64(times[met[0] if met else int(np.argmax(counts))])


def _refuse(project: Project, cursor: duckdb.DuckDBPyConnection, settings: Settings) -> str:
    """The model whose suggestions may be accepted."""
    model = active_model(project)
    scored = cursor.execute("select any_value(model) from suggestions").fetchone()
    if model is None or not scored or scored[0] is None:
        raise Refused("There is no model yet, so nothing can be labelled by machine. Label some records, `rondo fit`.")
    row = cursor.execute(
        "select t.labels from models m join taxonomies t on t.version = m.taxonomy where m.id = ?", [model]
    ).fetchone()
    known = {id for id, _, _, retired in json.loads(row[0]) if not retired} if row else set()
    if scored[0] != model or known != {label.id for label in settings.taxonomy.active}:
        raise Refused(
            "The newest model speaks of other labels or another encoder than the project now. "
            "Learn anew first: `rondo fit`."
        )
    return model
