"""Remote calls with timeouts: each in a thread of its own, never two of one name. Knows no runner."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from core.errors import RondoError


class TooSlow(RondoError):
    """There is no answer yet; the call goes on, and asking again returns its answer."""


class Broke(RondoError):
    """A bug ended the call; its traceback is in the log of this process."""


@dataclass
class TimedCalls:
    """Calls in daemon threads, which do not delay the end of the process."""

    _under_way: dict[str, "_TimedCall"] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, name: str, work: Callable[[], Any], seconds: float) -> Any:
        """Result or error of `work`, or of the call of this name that is still under way. Raises TooSlow, Broke."""
        with self._lock:
            timed_call = self._under_way.get(name)
            if timed_call is None:
                timed_call = self._under_way[name] = _TimedCall(work)
                threading.Thread(target=timed_call.run, name=f"call-{name}", daemon=True).start()
        if not timed_call.done.wait(seconds):
            raise TooSlow(f"No answer within {seconds:g} s.")
        with self._lock:
            if self._under_way.get(name) is timed_call:
                del self._under_way[name]
        return timed_call.answer()

    def forget(self, name: str) -> None:
        """Drops the call under way of this name: the next `ask` starts anew."""
        with self._lock:
            self._under_way.pop(name, None)


@dataclass
class _TimedCall:
    work: Callable[[], Any]
    done: threading.Event = field(default_factory=threading.Event)
    answers: list[Any] = field(default_factory=list)
    refusal: RondoError | None = None

    def run(self) -> None:
        try:
            self.answers.append(self.work())
        except RondoError as error:
            self.refusal = error
        finally:
            self.done.set()

    def answer(self) -> Any:
        if self.refusal is not None:
            raise self.refusal
        if not self.answers:
            raise Broke("Asking broke; the traceback is in the log of this process. Please report it.")
        return self.answers[0]
