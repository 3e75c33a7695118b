"""How a terminal shows progress and figures. Knows no verb's meaning, only what each one returned."""

import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import typer
from rich.console import Console, RenderableType

from app.cli import (
    backup_text,
    erase_text,
    people_text,
    team_text,
    training_text,
)
from app.cli.import_text import import_lines
from app.rendering.finite import finite
from app.rendering.progress import progress_line
from app.rendering.score_text import interval, score_lines
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


def _fit_lines(result: Mapping[str, Any]) -> list[str]:
    lines = [f"Learnt from {result['labels']:,} labels in {result['seconds']:.1f} s."] if "labels" in result else []
    if "labels" in result and result["labels"] == result["labels_before"]:
        lines.append("  As many as the model before learnt from, so nothing changes.")
    metrics = from_json(Metrics, result.get("metrics") or {}, "The metrics")
    lines += score_lines(metrics) if "labels" in result else []
    return lines + _batch_lines(result)


def _round_lines(result: Mapping[str, Any]) -> list[str]:
    nothing = "Nothing was queued: every record is labelled or queued already."
    return _fit_lines(result) + ([] if result["queued"] else [nothing])


def _batch_lines(result: Mapping[str, Any]) -> list[str]:
    if "batch" not in result:
        return [f"Queued {result['test']} test records: their answers are gold."] if result.get("test") else []
    test = f", {result['test']} test records" if result.get("test") else ""
    lines = [f"Queued {result['queued']} records as batch {result['batch']}, {result['audit']} of them audit{test}."]
    return lines + [f"Warning: {warning}" for warning in result["self_test"]["warnings"]]


def _rechoose_lines(result: Mapping[str, Any]) -> list[str]:
    if result["same"]:
        return [f"Round {result['round']}: the same {result['records']} records in the same order."]
    return [f"Round {result['round']}: NOT the same. {result['other_records']} of {result['records']} records differ."]


def _auto_lines(result: Mapping[str, Any]) -> list[str]:
    lines = [
        f"{result['covered']:,} of {result['pool']:,} records ({result['share']:.0%}) can be "
        f"labelled by machine with a "
        f"precision of at least {result['precision']:.1%}, {result['confidence']:.0%} sure.",
        f"It rests on {result['audits']:,} audit labels, {result['wrong']:,} of them wrong: "
        f"at least {result['bound']:.1%}.",
    ]
    if result["outside"]:
        lines.append(f"{result['outside']:,} records of later imports are left out: no audit speaks for them yet.")
    lines += [
        f"  {part['name']}: {part['covered']:,} records from a probability of {part['threshold']:.3f}"
        for part in result["labels"]
    ]
    if "guarantee" not in result:
        return [*lines, "Nothing was changed. To do it: the same with --accept."]
    return [
        *lines,
        f"Done: {result['accepted']:,} machine labels; {result['checks']} of them are queued for a blind check.",
    ]


def _inspect_lines(result: Mapping[str, Any]) -> list[str]:
    return [
        f"Looked at {result['labelled']:,} labelled records in {result['seconds']:.1f} s: "
        f"{result['label_error']:,} likely label errors, {result['ambiguous']:,} ambiguous, "
        f"{result['near_duplicate']:,} pairs of near-duplicates with different labels, {result['outlier']:,} outliers.",
        "See them on the Records page: rondo up",
    ]


def _quality_lines(result: Mapping[str, Any]) -> list[str]:
    lines = [f"{'annotator':<24}{'answers':>8}{'of gold right':>16}{'right':>8}{'informed':>10}{'weight':>8}"]
    for row in result["people"]:
        gold = f"{row['gold']['value']:.0%} of {row['gold']['n']}" if row["gold"] else "-"
        parts = ["-" if row[name] is None else f"{row[name]:.2f}" for name in ("right", "informed")]
        line = f"{row['annotator'][:23]:<24}{row['answers']:>8,}{gold:>16}{parts[0]:>8}{parts[1]:>10}"
        lines.append(f"{line}{row['weight']:>8.2f}")
    return [*lines, *result["sentences"]]


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
    "import": import_lines,
    "next": _batch_lines,
    "fit": _fit_lines,
    "round": _round_lines,
    "rechoose": _rechoose_lines,
    "calibrate": lambda summary: [
        f"{summary['queued']:,} gold records wait among the others, for everybody once; {summary['left']:,} more could."
    ],
    "inspect": _inspect_lines,
    "quality": _quality_lines,
    "map": lambda summary: [f"{summary['points']:,} records are on the map, {summary['added']:,} of them new."],
    "auto": _auto_lines,
    "withdraw": lambda summary: [f"{summary['withdrawn']:,} machine labels were taken back."],
    **backup_text.LINES,
    "replay": _replay_lines,
    "demo": _demo_lines,
    **erase_text.LINES,
    **training_text.LINES,
    **team_text.LINES,
    **people_text.LINES,
}
