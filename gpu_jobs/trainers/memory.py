"""How much memory the process has taken, and a limit on it. Knows no trainer."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from core.errors import Refused

MB = 2**20
_REMEDY = "Lower batch_size or max_length, take a smaller base, or allow more."


def peak_memory_mb() -> int:
    """The most that the process has held at once so far, resident; without the memory of a GPU."""
    import psutil

    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset // MB)
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit // MB


def check_memory(most_mb: int) -> None:
    """Raises Refused for a process that holds more than that; 0: never."""
    import psutil

    held = psutil.Process().memory_info().rss // MB
    if most_mb and held > most_mb:
        raise Refused(f"The job holds {held} MB of memory, but max_memory_mb is {most_mb}. {_REMEDY}")


@contextmanager
def memory_limit(most_mb: int) -> Iterator[None]:
    """Inside, running out of memory is Refused. most_mb: what the whole process may hold, 0: what the machine has.

    Linux refuses the memory itself; elsewhere, and with a GPU, whose driver reserves far more than it takes, one asks
    `check_memory` after each step.
    """
    check_memory(most_mb)
    try:
        with _limit(most_mb):
            yield
    except (MemoryError, RuntimeError) as error:
        message = str(error)  # torch raises one kind of error for everything
        if not (isinstance(error, MemoryError) or "out of memory" in message or "can't allocate memory" in message):
            raise
        what = f"max_memory_mb={most_mb} is not enough" if most_mb else "The memory of the machine is not enough"
        raise Refused(f"{what}. {_REMEDY}") from error


@contextmanager
def _limit(most_mb: int) -> Iterator[None]:
    """Libraries reserve addresses that they never fill, so what may grow is counted from what is reserved now."""
    import torch

    if not most_mb or sys.platform != "linux" or torch.cuda.is_available():
        yield
        return
    import resource

    import psutil

    held = psutil.Process().memory_info()
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    room = held.data + max(most_mb * MB - held.rss, 0)
    resource.setrlimit(resource.RLIMIT_DATA, (room if hard == resource.RLIM_INFINITY else min(room, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
