"""Waiting for what another thread or process does: by its condition, with an end that only a fault reaches."""

import time
from collections.abc import Callable
from typing import TypeVar

import httpx

T = TypeVar("T")
LATEST_SECONDS = 300.0
LONGEST_PAUSE = 0.1
"""between two looks: each may draw a page, which on a busy machine takes time from what is waited for"""


def wait_for(holds: Callable[[], T | None]) -> T:
    """What it gives as soon as that is something. An HTTP error means that nobody listens yet."""
    end, pause = time.monotonic() + LATEST_SECONDS, 0.02
    while time.monotonic() < end:
        try:
            if result := holds():
                return result
        except httpx.HTTPError:
            pass
        time.sleep(pause)
        pause = min(1.2 * pause, LONGEST_PAUSE)
    raise AssertionError(f"not within {LATEST_SECONDS:.0f} seconds")
