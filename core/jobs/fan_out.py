"""Many jobs of one kind at once on one runner, resumed one by one. Knows neither what they do nor any project."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic

from core.errors import Cancelled, Damaged, Refused, RondoError
from core.ids import JobId
from core.jobs.bundle import Bundle, Handle, JobBroke, Jobs, Report, Resources, manifest, read_handle
from core.jobs.job_states import UNDER_WAY, change_state
from core.jobs.kinds import JobKind, Params, Result
from core.typed_json import from_json, to_json

MOST_WORKERS = 1_000
AHEAD = 4
"""parts that may be begun before an earlier one was taken in, times the jobs at once: their files fill the disk"""
POLL_SECONDS = 0.2
NOTE_SECONDS = 2.0
"""between two lines of progress, and two looks whether somebody cancelled it"""
RETRY_SECONDS = 2.0
OUTAGE_SECONDS = 1_800.0
"""for which a runner that cannot be reached is asked again"""
MOST_LOSSES = 5
"""attempts at one part that may vanish one after the other without having done anything"""


@dataclass(frozen=True)
class Part(Generic[Params]):
    """One of the jobs. rows: what it counts in the progress. write: writes its input into an empty bundle."""

    params: Params
    rows: int
    write: Callable[[Bundle], object]


@dataclass(frozen=True)
class FanOut(Generic[Params, Result]):
    """job: id of the row that stands for all of them. workers: jobs at once. what: is done, for the progress."""

    job: JobId
    kind: JobKind[Params, Result]
    parts: Sequence[Part[Params]]
    workers: int
    resources: Resources
    what: str


Take = Callable[[int, Bundle, Result], None]
"""(number of the part, its bundle, its result): called in the order of the parts, whatever order they ended in"""


@dataclass
class _Attempt(Generic[Params]):
    """A part under way. handle: None while it is to be started (again) at `due`. lost_at: since when out of sight."""

    number: int
    part: Part[Params]
    bundle: Bundle
    handle: Handle | None = None
    due: float = 0.0
    losses: int = 0
    done: int = 0
    lost_at: float | None = None


@dataclass
class _Parts(Generic[Params, Result]):
    jobs: Jobs
    fan_out: FanOut[Params, Result]
    running: dict[int, _Attempt[Params]] = field(default_factory=dict)
    ended: dict[int, tuple[Bundle, Result]] = field(default_factory=dict)
    begun: int = 0
    taken: int = 0

    @property
    def rows_done(self) -> int:
        """Of all parts, those that go on among them."""
        parts = self.fan_out.parts
        whole: int = sum(parts[number].rows for number in (*range(self.taken), *self.ended))
        going_on: int = sum(min(one.bundle.progress[0], one.part.rows) for one in self.running.values())
        return whole + going_on

    def begin(self) -> None:
        """Starts parts, in their order, until there are enough at once."""
        parts = self.fan_out.parts
        last = min(len(parts), self.taken + AHEAD * self.fan_out.workers)
        while len(self.running) < self.fan_out.workers and self.begun < last:
            number, part = self.begun, parts[self.begun]
            bundle = self._known(part) or self._prepared(part)
            handle = self.jobs.attach(bundle)
            self.running[number] = _Attempt(number, part, bundle, handle)
            self.begun += 1

    def poll(self) -> None:
        """Asks the runner about every part under way; starts those that are due. Raises what a part failed with."""
        for attempt in list(self.running.values()):
            if attempt.handle is None:
                self._start(attempt)
                continue
            status = self.jobs.runner.poll(attempt.bundle.path, attempt.handle)
            if status.state in UNDER_WAY:
                attempt.lost_at = None
            elif status.state == "lost":
                self._lose(attempt, status.message)
            elif attempt.bundle.result is None:  # it ended before it could leave one
                self.require_wanted()
                self.jobs.end(attempt.bundle, status.state, status.message)
                raise JobBroke(f"{self.fan_out.what}: {status.message} See {attempt.bundle.path / 'log.txt'}.")
            else:
                self._finish(attempt)

    def require_wanted(self) -> None:
        """Raises Cancelled where somebody has cancelled all of them."""
        if self.jobs.store.one("select state from jobs where id = ?", [self.fan_out.job]) != "running":
            raise Cancelled("It was cancelled.")

    def take(self, take: Take[Result]) -> None:
        """What has ended and is next in order."""
        while self.taken in self.ended:
            bundle, result = self.ended.pop(self.taken)
            take(self.taken, bundle, result)
            with self.jobs.store.transaction() as cursor:
                self.jobs.claim_result(bundle, cursor)
            bundle.empty()
            self.taken += 1

    def cancel(self) -> None:
        """Stops every part under way; raises the runner's error, once all were told, where one could not be."""
        failures = []
        for attempt in self.running.values():
            try:
                if attempt.handle is not None:
                    self.jobs.runner.cancel(attempt.bundle.path, attempt.handle)
                self.jobs.end(attempt.bundle, "cancelled", None)
            except RondoError as error:  # its row stays `running`: who goes on finds it again
                failures.append(error)
        if failures:
            raise failures[0]

    def _start(self, attempt: _Attempt[Params]) -> None:
        if time.monotonic() < attempt.due:
            return
        try:
            attempt.handle = self.jobs.start(attempt.bundle, self.fan_out.resources)
        except Refused as error:
            if attempt.lost_at is None:  # not an outage: it was never under way
                raise
            self._lose(attempt, str(error), counts=False)

    def _lose(self, attempt: _Attempt[Params], message: str, *, counts: bool = True) -> None:
        """Lost is not failed: it is started again, which a runner that still works on it does not mind."""
        now, done = time.monotonic(), attempt.bundle.progress[0]
        attempt.losses = attempt.losses + 1 if counts and done <= attempt.done else int(counts)
        attempt.lost_at = attempt.lost_at or now
        if attempt.losses > MOST_LOSSES or now - attempt.lost_at > OUTAGE_SECONDS:
            self.jobs.end(attempt.bundle, "lost", message)
            raise JobBroke(f"{self.fan_out.what}: {message} Run it again to go on; what was finished is kept.")
        attempt.handle, attempt.done, attempt.due = None, done, now + RETRY_SECONDS * max(attempt.losses, 1)

    def _finish(self, attempt: _Attempt[Params]) -> None:
        """Files that did not come back as they were made are made again, by a new job."""
        bundle = attempt.bundle
        result = bundle.result or {}
        value = self.jobs.checked(bundle, result, self.fan_out.what)
        if manifest(bundle.path / "out") != result.get("manifest"):
            if attempt.losses > MOST_LOSSES:
                raise Damaged(f"{self.fan_out.what}: what came back is not what was made. Run it again.")
            self.jobs.lose(bundle)
            bundle.empty()
            fresh = self._prepared(attempt.part)
            self.running[attempt.number] = replace(attempt, bundle=fresh, handle=None, losses=attempt.losses + 1)
            return
        self.ended[attempt.number] = bundle, from_json(self.fan_out.kind.result, value, f"The result of {bundle.id}")
        del self.running[attempt.number]

    def _known(self, part: Part[Params]) -> Bundle | None:
        """The bundle of an earlier attempt at the same part whose input is whole."""
        rows = self.jobs.store.query(
            """select id from jobs where parent = ? and params::varchar = ? and state <> 'succeeded'
               order by made_at desc limit 1""",
            [self.fan_out.job, json.dumps(to_json(part.params))],
        )
        bundle = Bundle(self.jobs.folder / rows[0][0]) if rows else None
        return bundle if bundle and bundle.sealed else None

    def _prepared(self, part: Part[Params]) -> Bundle:
        bundle = self.jobs.prepare(self.fan_out.kind, part.params)
        with self.jobs.store.transaction() as cursor:
            cursor.execute("update jobs set parent = ? where id = ?", [self.fan_out.job, bundle.id])
        part.write(bundle)
        return bundle


def run_parts(jobs: Jobs, fan_out: FanOut[Params, Result], report: Report, take: Take[Result]) -> None:
    """Runs all parts, so many at once, and takes each in as soon as those before it were.

    A part that vanishes is started again; parts of an earlier run that go on or have ended are taken up. Raises what a
    part failed with, or Cancelled; then all others were stopped, and what was taken in stays. The row `fan_out.job`
    says how it ended, and is looked at: whoever cancels it stops this.
    """
    parts = fan_out.parts
    all_parts, total = _Parts(jobs, fan_out), sum(part.rows for part in parts)
    _set_state(jobs, fan_out.job, "running")
    noted = 0.0
    try:
        while all_parts.taken < len(parts):
            all_parts.begin()
            all_parts.poll()
            all_parts.take(take)
            done = all_parts.rows_done
            running = len(all_parts.running)
            report(f"{fan_out.what} ({running} job{'s' if running != 1 else ''} at once)", done, total)
            if time.monotonic() - noted > NOTE_SECONDS:
                noted = time.monotonic()
                all_parts.require_wanted()
                _note_progress(jobs, fan_out.job, done, total)
            if all_parts.taken < len(parts):
                time.sleep(POLL_SECONDS)
        report(fan_out.what, total, total)
    except (Cancelled, KeyboardInterrupt):
        _set_state(jobs, fan_out.job, "cancelled")
        all_parts.cancel()
        raise Cancelled(f"{fan_out.what}: stopped. Run it again to go on; what was finished is kept.") from None
    except (RondoError, OSError) as error:
        try:
            _set_state(jobs, fan_out.job, "failed", str(error))
        finally:
            all_parts.cancel()
        if isinstance(error, OSError):
            raise Refused(f"{fan_out.what}: {error}. Mend that, and run it again to go on.") from None
        raise
    _set_state(jobs, fan_out.job, "succeeded")


def parts_under_way(jobs: Jobs, job: JobId) -> Iterator[tuple[Bundle, Handle]]:
    """The parts of a fan-out that a runner works on, as they were last seen."""
    rows = jobs.store.query(
        "select id, handle from jobs where parent = ? and state = 'running' and handle is not null", [job]
    )
    for part, handle in rows:
        yield Bundle(jobs.folder / part), read_handle(handle)


def cancel_parts(jobs: Jobs, job: JobId) -> None:
    """Ends a fan-out whose owner may be gone: its row and every part. Raises the runner's error."""
    _set_state(jobs, job, "cancelled")
    stop_parts(jobs, job)


def stop_parts(jobs: Jobs, job: JobId) -> None:
    """The same without its row."""
    for bundle, handle in parts_under_way(jobs, job):
        jobs.runner.cancel(bundle.path, handle)
        jobs.end(bundle, "cancelled", None)


def _note_progress(jobs: Jobs, job: JobId, done: int, total: int) -> None:
    """Where `rondo jobs` and the pages look."""
    line = {"done": done, "total": total, "at": round(time.time(), 3)}
    with (jobs.folder / job / "events.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _set_state(jobs: Jobs, job: JobId, state: str, error: str = "") -> None:
    from core.store.database import utc_now

    with jobs.store.transaction() as cursor:
        if state == "running":
            change_state(cursor, job, "submitting", error=None, ended_at=None, started_at=utc_now())
            change_state(cursor, job, "running")
        else:
            change_state(cursor, job, state, ["running", "submitting"], ended_at=utc_now(), error=error or None)
