"""The state machine of jobs, and the one place that writes states. Knows no runner and no kind of work."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from core.errors import RondoError
from core.ids import JobId

if TYPE_CHECKING:  # a job's process needs the words alone
    import duckdb

UNDER_WAY = ("draft", "submitting", "queued", "running", "cancelling")
ENDED = ("succeeded", "failed", "cancelled", "timed_out")
LOST = "lost"
"""in neither: nobody could be asked how the job fares, or it vanished; it may come back"""
STATES = (*UNDER_WAY, *ENDED, LOST)
OPEN = (*UNDER_WAY, LOST)
"""whatever has not ended"""
PATIENCE_DAYS = 14
"""for which a job that is lost from sight is looked for"""

_WENT_ON = ("queued", "running", "cancelling", *ENDED, LOST)
TRANSITIONS: dict[str, tuple[str, ...]] = {
    "draft": ("submitting", "running", *ENDED, LOST),
    "submitting": ("submitting", *_WENT_ON),
    "queued": ("submitting", *_WENT_ON),
    "running": ("submitting", *_WENT_ON),  # a runner may queue it again; the server restarts one that has vanished
    LOST: ("submitting", *_WENT_ON),
    "cancelling": ("cancelling", "failed", "cancelled", LOST),  # a cancelled job never succeeds, whatever comes back
    "failed": ("submitting", "failed"),
    "cancelled": ("submitting", "cancelled"),
    "timed_out": ("submitting", "timed_out"),
    "succeeded": (),
}
"""state -> those that may follow it; what failed, was cancelled or timed out can be tried again"""


class WrongState(RondoError):
    """A job cannot go from its state to the requested one."""


def change_state(
    cursor: "duckdb.DuckDBPyConnection", job: JobId, to: str, before: Collection[str] = STATES, **columns: object
) -> bool:
    """Writes the state, and further columns of the row, in the caller's transaction.

    False, and nothing is written, where there is no such job or it is in none of `before`: another process was first.
    Raises WrongState where its state can never go to `to`.
    """
    row = cursor.execute("select state from jobs where id = ?", [job]).fetchone()
    if row is None or row[0] not in before:
        return False
    if to not in TRANSITIONS[row[0]]:
        raise WrongState(f"The job {job} is {row[0]}, so it cannot become {to}. Look again: `rondo jobs`.")
    changes = {"state": to, **columns}
    assignments = ", ".join(f"{name} = ?" for name in changes)
    cursor.execute(f"update jobs set {assignments} where id = ?", [*changes.values(), job])
    return True
