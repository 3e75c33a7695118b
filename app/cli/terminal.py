"""How a terminal shows progress and figures. Knows no verb's meaning, only what each one returned."""

import json
import sys
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

import typer

from app.words import progress_line, stage_of
from core.typed_json import finite, to_json

if TYPE_CHECKING:
    from rich.console import RenderableType

Result = TypeVar("Result")


class Ticker:
    """A report that draws one line on a terminal, or a line every five seconds into a log, always on stderr.

    A sentence (it ends with a full stop, and there is nothing to count) is a line of its own, printed once.
    """

    def __init__(self) -> None:
        self._began: dict[str, float] = {}
        self._live = sys.stderr.isatty()
        self._shown = 0.0 if self._live else time.monotonic()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Shows share, rate and time to go."""
        now = time.monotonic()
        stage = what if what.endswith(".") else stage_of(what)
        new = stage not in self._began
        began = self._began.setdefault(stage, now)
        if not total and what.endswith("."):  # a sentence, not progress: it stays
            if new:
                typer.echo(f"\r{what:<79}" if self._live else what, err=True)
            return
        finished = total > 0 and done >= total
        if now - self._shown < (0.1 if self._live else 5.0) and not (finished and self._live):
            return
        self._shown = now
        line = progress_line(what, done, total, now - began)
        typer.echo(f"\r{line:<79}" if self._live else line, err=True, nl=finished or not self._live)


def say(text: str, *, error: bool = False) -> None:
    """One line to the person."""
    typer.echo(text, err=error)


def say_json(value: object) -> None:
    """Prints figures for a program; NaN and infinity are null."""
    typer.echo(json.dumps(finite(value), ensure_ascii=False, indent=1, default=str))


def present(result: Result, lines: Callable[[Result], Iterable["RenderableType"]], *, as_json: bool) -> None:
    """Prints a verb's result as JSON, or as `lines` renders it: sentences, and tables of rich."""
    if as_json:
        say_json(to_json(result))
        return
    for line in lines(result):
        if isinstance(line, str):
            say(line)
        else:
            from rich.console import Console  # most commands print sentences alone

            Console(highlight=False).print(line)
