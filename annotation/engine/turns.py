"""The order in which an annotator gets pending records. Knows the members of a workspace, not texts.

Upstream shuffles per annotator, so that people rarely get the same record; it loses which record is the most useful. A
dataset with an integer metadata property `queue_rank` is handed out by it, smaller first: records of equal rank are a
tier. Each annotator of the workspace owns every m-th record of a tier (with an overlap of k, k of m), in the order in
which they were logged, and gets the others' only when his own are done. Strict ranks would have all people label the
same record, so own records may be ranked up to ten records per annotator ahead of others'.
"""

from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from .clauses import Clauses

RANK = "queue_rank"
AHEAD = 10
"""records per annotator; Argilla's page loads ten at a time"""


def shuffled(user: UUID) -> str:
    """A stable order per person: ids are random, and each person sorts them from another digit on."""
    return f"substr(r.id, {1 + user.int % 24}, 8), r.id"


def in_turn(clauses: "Clauses", user: UUID, annotators: list[str], overlap: int) -> str:
    """ORDER BY for a dataset with ranks. annotators: their ids in hex; overlap: responses that a record needs."""
    count, rank = len(annotators), f"json_extract(r.metadata, '$.{RANK}') NULLS LAST"
    if user.hex not in annotators or count <= overlap:  # all see all, or this is no annotator
        return f"{rank}, {shuffled(user)}"
    seat = clauses.bind(annotators.index(user.hex))
    own = f"((({seat} - r.rowid) % {count} + {count}) % {count} < {overlap})"
    return (
        f"RANK() OVER (ORDER BY {rank}) - {AHEAD * count} * {own}, "
        f"{own} DESC, CASE WHEN {own} THEN r.rowid END, {shuffled(user)}"
    )
