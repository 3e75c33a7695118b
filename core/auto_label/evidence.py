"""The stored data that a guarantee about machine labels may use. Computes no guarantee, changes nothing."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

from core.arrays import Bools, Ints
from core.errors import Refused
from core.evaluation.guarantee import GuaranteeTerms, fewest
from core.evaluation.regions import CheckedRecords, Evidence
from core.models.artifacts import read_manifest
from core.models.in_use import active_model
from core.project import Project
from core.tasks.task import EVERYTHING
from core.tasks.tasks import right_stored, space_of, task_of

Columns = dict[str, npt.NDArray[Any]]
"""a query's columns by name"""


@dataclass(frozen=True)
class AuditEvidence:
    """evidence.pool_label belongs to the records ns, (N,). model: whose suggestions they are. outside: records that
    came with an import after which too few audit records were drawn. late: audit labels given after the fit. answers:
    of those records, as they are stored, where they are no head's suggestions. compared: as `GuaranteeOffer` has it."""

    evidence: Evidence
    record_nos: Ints
    model: str
    outside: int
    late: int
    answers: tuple[str, ...] = ()
    compared: int = 1


def read_evidence(project: Project, cursor: duckdb.DuckDBPyConnection, terms: GuaranteeTerms) -> AuditEvidence:
    """Raises Refused where `trusted_model` does."""
    model, space = trusted_model(project, cursor), space_of(project.settings())
    pool, scored = (_columns(cursor, query, space.parts) for query in (_POOL, _JUDGED))
    scored["is_right"] = right_stored(space, scored["truth"].tolist(), scored["predicted"].tolist())
    by_chance = scored["stratum"] == "audit"
    audit, guide = ({name: column[rows] for name, column in scored.items()} for rows in (by_chance, ~by_chance))
    row = cursor.execute(_LATE).fetchone()
    evidence, retained = evidence_from(space.parts, pool, audit, guide, fewest(terms))
    return AuditEvidence(evidence, pool["n"][retained], model, int((~retained).sum()), row[0] if row else 0)


def evidence_from(
    parts: Sequence[str], pool: Columns, audit: Columns, guide: Columns, enough: int
) -> tuple[Evidence, Bools]:
    """And which records of the pool it says something of.

    pool: n ascending, place (of its part), probability. audit, guide: n, place, probability, is_right; of audits also
    seen, of how many records it was drawn. enough: audit records with which something could be proved.
    """
    end = _covered(pool["n"], audit, enough)
    retained, used = np.asarray(pool["n"] < end), _counts(audit, end)
    checked, guiding = _checked(audit, used), _checked(guide, np.ones(len(guide["n"]), bool))
    return Evidence(tuple(parts), checked, guiding, pool["place"][retained], pool["probability"][retained]), retained


# The unasked, labelled by machine before or not, and what waits to check machine labels: a new guarantee replaces it.
# None is both: of the first nobody is asked.
UNASKED = """
    select n from audit_pool union all
    select distinct q.n from queue q where q.purpose = 'check' and q.n not in (select n from leased)
        and q.n not in (select n from responses) and not is_labelled(q.n)
"""
PART = f"if($parts::varchar[] = ['{EVERYTHING}'], '{EVERYTHING}', label)"
"""of a suggestion: the part of the project that it is in"""
_PLACE = f"coalesce(list_position($parts::varchar[], {PART}), 0)::bigint - 1"
_POOL = f"""
    select n, {_PLACE} as place, probability from ({UNASKED}) join suggestions using (n)
    where place >= 0 order by n
"""
# A person may have corrected a label since: what counts is what stands now. `seen`: of how many records, the first
# ones, it was drawn; batches from before this was written down say only when they were made.
AUDITED = """
    with drawn as (
        select b.batch, coalesce(b.records, (select count(*) from records r where r.imported_at <= b.made_at)) as seen
        from batches b
    ), audited as (select q.n, max(seen) as seen from queue q join drawn using (batch) where q.audit group by q.n)
"""
_JUDGED = f"""
    {AUDITED}
    select j.n, {_PLACE} as place, probability, s.answer::varchar as truth, j.predicted_answer::varchar as predicted,
           coalesce(a.seen, 0) as seen, s.stratum
    from held_out_predictions j join settled s using (n) left join audited a using (n)
    where place >= 0 order by j.n
"""
_LATE = "select count(*) from settled where stratum = 'audit' and n not in (select n from held_out_predictions)"


def _columns(cursor: duckdb.DuckDBPyConnection, query: str, parts: Sequence[str]) -> Columns:
    return dict(cursor.execute(query, {"parts": list(parts)}).fetchnumpy())


def _checked(rows: Columns, retained: Bools) -> CheckedRecords:
    return CheckedRecords(rows["place"][retained], rows["probability"][retained], rows["is_right"][retained])


def _counts(audit: Columns, end: float) -> Bools:
    """Of the audit records, those drawn from the first `end` records or more, and that are among these."""
    return np.asarray((audit["n"] < end) & (audit["seen"] >= end), bool)


def _covered(pool: Ints, audit: Columns, enough: int) -> float:
    """How many records, the first ones, can be covered: an audit says nothing of records that came after it was drawn.

    Decided by the number of audit records alone, never by their answers; all records where none was audited.
    """
    ends = np.unique(audit["seen"])
    covered, first = np.unique(np.searchsorted(pool, ends), return_index=True)  # more audits with no more of the pool
    ends = ends[first[covered > 0]][::-1].tolist()
    counts = [int(_counts(audit, end).sum()) for end in ends]
    if not counts:
        return np.inf
    met = [index for index, count in enumerate(counts) if count >= enough]
    return float(ends[met[0] if met else int(np.argmax(counts))])


def trusted_model(project: Project, cursor: duckdb.DuckDBPyConnection) -> str:
    """The model whose suggestions may be accepted.

    Raises Refused where there is none, where it has other labels or other vectors than the project now, and where a
    guarantee on it broke: the audit by which it was made would allow the same one again.
    """
    model = active_model(project)
    scored = cursor.execute("select any_value(model) from suggestions").fetchone()
    if model is None or not scored or scored[0] is None:
        raise Refused("There is no model yet, so nothing can be labelled by machine. Label some records, `rondo fit`.")
    if scored[0] != model or not _answers_what_is_asked(project, cursor, model):
        raise Refused(
            "The newest model has other labels or another encoder than the project has now. "
            "Fit a new one first: `rondo fit`."
        )
    refuse_broken(cursor, model, "rondo fit")
    return model


def refuse_broken(cursor: duckdb.DuckDBPyConnection, model: str, remedy: str) -> None:
    """Raises Refused where a guarantee on this model broke. remedy: the command that makes another one."""
    broke = cursor.execute("select max(ended_at) from guarantees where state = 'broken' and model = ?", [model])
    if (row := broke.fetchone()) and row[0]:
        raise Refused(
            f"The guarantee on this model broke on {row[0]:%Y-%m-%d}. The answers of its check train the next "
            f"one: `{remedy}`, then look again."
        )


def _answers_what_is_asked(project: Project, cursor: duckdb.DuckDBPyConnection, model: str) -> bool:
    """Whether the model fits the present task: by the version of the taxonomy where there is one (reads no file), else
    by the manifest.
    """
    settings = project.settings()
    if not task_of(settings).taxonomy:
        return space_of(settings).heads.unfit(read_manifest(project.models / model)) is None
    row = cursor.execute(
        "select t.labels from models m join taxonomies t on t.version = m.taxonomy where m.id = ?", [model]
    ).fetchone()
    known = {id for id, _, _, retired in json.loads(row[0]) if not retired} if row else set()
    return known == {label.id for label in settings.taxonomy.active}
