"""A verb that goes on in an open project while a test does something else."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.background import BackgroundTask, ProjectServer


@contextmanager
def running(server: ProjectServer, verb: str) -> Iterator[BackgroundTask]:
    """Ended with the block: a server that closes waits 20 s for a task that nobody ends."""
    background_task = server.begin_task(verb)
    try:
        yield background_task
    finally:
        server.end_task(background_task)
