"""Rate limit for wrong passwords or codes, with growing delays. Knows no code, no request, and nothing else of ours.

A name is delayed per address, so that nobody can lock its owner out; codes are too long to try from hundreds of
addresses. An address is delayed a little for all names, since an office often shares one.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

FREE_TRIES = {"name and address": 5, "address": 20}
FIRST_WAIT = 2.0
LONGEST_WAIT = {"name and address": 900.0, "address": 30.0}
FORGET_AFTER = 3600.0
MOST_KEPT = 10_000

Key = tuple[str, str]
"""('name and address', who and where from) or ('address', where from)"""


@dataclass
class Throttle:
    """Seconds are of any clock that only goes forward."""

    _tries: OrderedDict[Key, tuple[int, float]] = field(default_factory=OrderedDict)
    """how many wrong tries, and when the last was"""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def admit(self, keys: tuple[Key, ...], now: float) -> float:
        """0.0 where an attempt may be made now, which counts as wrong until `forgive`; else the seconds to wait.

        Counting first keeps parallel attempts from bypassing the limit.
        """
        with self._lock:
            wait = max(self._wait(key, now) for key in keys)
            if wait <= 0:
                for key in keys:
                    tries, _ = self._recent(key, now)
                    self._tries[key] = (tries + 1, now)
                    self._tries.move_to_end(key)
                while len(self._tries) > MOST_KEPT:
                    self._tries.popitem(last=False)
            return max(wait, 0.0)

    def forgive(self, keys: tuple[Key, ...]) -> None:
        """The attempt was right: resets the name at that address, and takes this attempt off the address."""
        with self._lock:
            for key in keys:
                tries, last = self._tries.pop(key, (0, 0.0))
                if key[0] == "address" and tries > 1:
                    self._tries[key] = (tries - 1, last)

    def _wait(self, key: Key, now: float) -> float:
        tries, last = self._recent(key, now)
        over = tries - FREE_TRIES[key[0]]
        return last + min(FIRST_WAIT * 2 ** min(over, 20), LONGEST_WAIT[key[0]]) - now if over >= 0 else 0.0

    def _recent(self, key: Key, now: float) -> tuple[int, float]:
        tries, last = self._tries.get(key, (0, now))
        return (tries, last) if now - last < FORGET_AFTER else (0, now)
