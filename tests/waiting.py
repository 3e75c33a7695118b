"""Waiting for what another thread or process does: by its condition, with an end that only a fault reaches."""

import time
from collections.abc import Callable
from typing import TypeVar

import httpx

T = TypeVar("T")
LATEST_SECONDS = 300.0


def wait_for(holds: Callable[[], T | None]) -> T:
    """What it gives as soon as that is something. An HTTP error means that nobody listens yet."""
    end = time.monotonic() + LATEST_SECONDS
    while time.monotonic() < end:
        try:
            if result := holds():
                return result
        except httpx.HTTPError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"not within {LATEST_SECONDS:.0f} seconds")
