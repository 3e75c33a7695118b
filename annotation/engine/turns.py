"""In which order an annotator gets the records that wait. Knows who belongs to a workspace, not what a record says.

Upstream shuffles per annotator, so that people meet less often; it throws away which record is the most useful. A
dataset with an integer metadata property `queue_rank` is handed out by it, smaller first: records of equal rank are a
tier. Each annotator of the workspace owns every m-th record of a tier (with an overlap of k, k of m), in the order in
which they were logged, and gets the others' only when his own are done. Strict ranks would have all people label the
same record, so what is one's own may be ten records per annotator ahead of what is not.
"""

from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from .clauses import Clauses

RANK = "queue_rank"
AHEAD = 10
"""records per annotator; Argilla's page loads ten at a time"""


def shuffled(user: UUID) -> str:
    """A stable order of this person's own: ids are random, and everybody reads them from another digit on."""
    return f"substr(r.id, {1 + user.int % 24}, 8), r.id"


def in_turn(clauses: "Clauses", user: UUID, annotators: list[str], overlap: int) -> str:
    """ORDER BY for a dataset with ranks. annotators: their ids in hex; overlap: responses that a record needs."""
    count, rank = len(annotators), f"json_extract(r.metadata, '$.{RANK}') NULLS LAST"
    if user.hex not in annotators or count <= overlap:  # everybody has to see everything, or nothing is his
        return f"{rank}, {shuffled(user)}"
    place = clauses.bind(annotators.index(user.hex))
    own = f"((({place} - r.rowid) % {count} + {count}) % {count} < {overlap})"
    return (
        f"RANK() OVER (ORDER BY {rank}) - {AHEAD * count} * {own}, "
        f"{own} DESC, CASE WHEN {own} THEN r.rowid END, {shuffled(user)}"
    )
