"""Argilla's background jobs in threads of the server, in place of Redis and RQ's workers. Knows no job's meaning.

A job that has not run when the process ends is lost: the jobs are webhook deliveries, and reconciling finds the answers
of a lost one.
"""

import asyncio
import heapq
import inspect
import logging
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rq import Retry

KEPT = 1000
"""jobs whose state can be asked for"""
log = logging.getLogger("rondo.argilla.jobs")
_jobs: "OrderedDict[str, Job]" = OrderedDict()


@dataclass
class Job:
    """The part of RQ's Job that Argilla uses: an id and a state. waits: seconds before each new attempt."""

    work: Callable[[], object]
    name: str
    waits: list[int]
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = "queued"
    attempts: int = 0

    def get_status(self, refresh: bool = True) -> str:
        """One of RQ's words."""
        return self.status

    @classmethod
    def fetch(cls, job_id: str, connection: object = None) -> "Job":
        """Raises RQ's own error for a job that is not known (any more)."""
        from rq.exceptions import NoSuchJobError

        if job_id not in _jobs:
            raise NoSuchJobError(job_id)
        return _jobs[job_id]


class Queue:
    """Jobs in the order in which they are due, run one after the other by a thread."""

    def __init__(self, name: str = "default", connection: object = None, **_: object) -> None:
        self.name = name
        self._due: list[tuple[float, int, Job]] = []
        self._changed = threading.Condition()
        self._count = 0
        threading.Thread(target=self._run, name=f"argilla-jobs-{name}", daemon=True).start()

    def enqueue_call(
        self,
        func: Callable[..., object],
        args: Sequence[object] | None = None,
        kwargs: Mapping[str, object] | None = None,
        retry: "Retry | None" = None,
        **_: object,
    ) -> Job:
        """RQ's: the job, which will be run."""
        waits = list(retry.intervals) if retry else []
        count = int(retry.max) if retry else 0
        waits = [waits[min(number, len(waits) - 1)] if waits else 0 for number in range(count)]
        job = Job(lambda: func(*(args or ()), **(kwargs or {})), func.__name__, waits)
        _jobs[job.id] = job
        while len(_jobs) > KEPT:
            _jobs.popitem(last=False)
        self._put(job, 0)
        return job

    def _put(self, job: Job, wait: float) -> None:
        with self._changed:
            self._count += 1
            heapq.heappush(self._due, (time.monotonic() + wait, self._count, job))
            self._changed.notify()

    def _next(self) -> Job:
        with self._changed:
            while True:
                wait = self._due[0][0] - time.monotonic() if self._due else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._due)[2]
                self._changed.wait(wait)

    def _run(self) -> None:
        while True:
            job = self._next()
            job.status = "started"
            try:
                result = job.work()
                if inspect.iscoroutine(result):
                    asyncio.run(result)
                job.status = "finished"
            except Exception as error:  # noqa: BLE001 - whatever a receiver does, the next job runs
                job.status = "failed"
                if job.attempts < len(job.waits):
                    job.status = "scheduled"
                    self._put(job, job.waits[job.attempts])
                log.warning("%s, attempt %s: %r, now %s", job.name, job.attempts + 1, error, job.status)
                job.attempts += 1


class NoRedis:
    """Answers Argilla's question whether Redis is there."""

    def ping(self) -> bool:
        """Always."""
        return True


def install_jobs() -> Callable[[], None]:
    """Before argilla_server is imported; what it returns is called after."""
    import redis
    import rq

    redis.from_url = lambda *_, **__: NoRedis()
    rq.Queue = Queue

    def finish() -> None:
        from argilla_server.api.handlers.v1 import jobs

        jobs.Job = Job

    return finish
