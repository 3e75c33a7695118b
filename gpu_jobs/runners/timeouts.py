"""Calls to far places that may hang: done beside, waited for only so long, never two of one name. Knows no place."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from core.errors import RondoError


class TooSlow(RondoError):
    """There is no answer yet; the errand goes on, and whoever asks again gets its answer."""


class Broke(RondoError):
    """A bug ended the errand; its traceback is in the log of this process."""


@dataclass
class TimedCalls:
    """An errand that nobody waits for ends with the process: its threads hold nothing up."""

    _under_way: dict[str, "_Errand"] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, name: str, work: Callable[[], Any], seconds: float) -> Any:
        """What `work` gives or refuses, or the one of this name that is still under way. Raises TooSlow, Broke."""
        with self._lock:
            errand = self._under_way.get(name)
            if errand is None:
                errand = self._under_way[name] = _Errand(work)
                threading.Thread(target=errand.run, name=f"errand-{name}", daemon=True).start()
        if not errand.done.wait(seconds):
            raise TooSlow(f"No answer within {seconds:g} s.")
        with self._lock:
            if self._under_way.get(name) is errand:
                del self._under_way[name]
        return errand.answer()

    def forget(self, name: str) -> None:
        """What is under way by this name is of no interest any more: the next one asks anew."""
        with self._lock:
            self._under_way.pop(name, None)


@dataclass
class _Errand:
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
