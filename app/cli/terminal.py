"""How a terminal shows progress and figures. Knows no verb's meaning, only what each one returned."""

import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import typer
from rich.console import Console, RenderableType

from app.rendering.finite import finite
from app.rendering.progress import progress_line
from app.rendering.score_text import interval
from core.evaluation.metrics import Metrics
from core.typed_json import from_json, to_json

Result = TypeVar("Result")


class Ticker:
    """A report that draws one line on a terminal, or a line every five seconds into a log, always on stderr.

    A sentence (it ends with a full stop, and there is nothing to count) is a line of its own, told once.
    """

    def __init__(self) -> None:
        self._began: dict[str, float] = {}
        self._live = sys.stderr.isatty()
        self._shown = 0.0 if self._live else time.monotonic()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Shows share, rate and time to go."""
        now = time.monotonic()
        new = what not in self._began
        began = self._began.setdefault(what, now)
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
    """Figures for a program; what is no number is null."""
    typer.echo(json.dumps(finite(value), ensure_ascii=False, indent=1, default=str))


def present(result: Result, lines: Callable[[Result], Iterable[RenderableType]], *, as_json: bool) -> None:
    """What a verb returned, as JSON or as `lines` tells it: sentences, and tables of rich."""
    if as_json:
        say_json(to_json(result))
        return
    for line in lines(result):
        if isinstance(line, str):
            say(line)
        else:
            Console(highlight=False).print(line)


def show(verb: str, result: Mapping[str, Any], *, as_json: bool) -> None:
    """What a verb returned, as JSON or in a few lines."""
    if as_json:
        say_json(dict(result))
        return
    for line in _LINES[verb](result):
        say(line)


def _replay_lines(result: Mapping[str, Any]) -> list[str]:
    lines = [f"All labels: macro F1 {result['full']['macro_f1']:.3f}", ""]
    lines.append(f"{'strategy':<18}{'AULC':>8}{'±':>7}{'to 90 %':>9}{'to 95 %':>9}{'vs random':>11}")
    for name, one in result["strategies"].items():
        gain = one.get("against_random")
        lines.append(
            f"{name:<18}{one['aulc']:>8.3f}{one['aulc_sd']:>7.3f}{_count(one['to90']):>9}{_count(one['to95']):>9}"
            + (f"{gain['mean']:>+11.3f}" if gain else f"{'':>11}")
        )
    return [*lines, "", *_curve_lines(result["strategies"])]


def _curve_lines(strategies: Mapping[str, Any]) -> list[str]:
    """The mean curves as bars of eight heights, all on one scale from 0 to 1."""
    bars = "▁▂▃▄▅▆▇█"
    lines = []
    for name, one in strategies.items():
        means = [sum(values) / len(values) for values in zip(*one["macro_f1"], strict=False)]
        drawn = "".join(bars[min(int(value * 8), 7)] for value in means)
        lines.append(f"{name:<18}{drawn}  {means[0]:.2f} to {means[-1]:.2f} at {one['labels'][-1]} labels")
    return lines


def _count(labels: int | None) -> str:
    return "never" if labels is None else str(labels)


def _demo_lines(result: Mapping[str, Any]) -> list[str]:
    lines = [f"{'labels':>7} {'gold accuracy':>30} {'macro F1':>30}"]
    lines += [
        f"{point['labels']:>7} {interval(score.accuracy, score.n):>30} {interval(score.macro_f1, score.n):>30}"
        for point in result["curve"]
        if (score := from_json(Metrics, point, "A point of the curve").on("gold"))
    ]
    return [*lines, f"The project is in {result['project']}. Look at it: rondo --project {result['project']} up"]


_LINES = {
    "calibrate": lambda summary: [
        f"{summary['queued']:,} gold records wait among the others, for everybody once; {summary['left']:,} more could."
    ],
    "replay": _replay_lines,
    "demo": _demo_lines,
}
