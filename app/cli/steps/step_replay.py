"""`rondo replay --task extract`: answers teach a language model, at several numbers of them, as a table and a chart."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from rich.console import RenderableType
from rich.table import Column, Table

from app.cli.pairs.pairs import file_jobs, job_threads
from app.cli.replay import CurveFigures, check_counts, check_picture, curve_figures, curve_lines, curve_points
from core.errors import BadInput
from core.extract.replay_job import (
    SETTINGS,
    STEP_REPLAY,
    STRATEGIES,
    Measured,
    StepCurve,
    StepReplayParams,
    StepReplayResult,
)
from core.jobs.bundle import Report
from core.training.trainers import LORA, read_values


@dataclass(frozen=True, kw_only=True)
class StepCurves(CurveFigures):
    """field_f1, validity: a curve for each seed; `labels` are answered records. steps: what each step reaches at the
    end, with the first seed."""

    field_f1: list[list[float]]
    validity: list[list[float]]
    steps: tuple[object, ...] = ()


@dataclass(frozen=True)
class StepReplay:
    """field_f1, validity: of the first strategy at the end, mean over the seeds. untuned: the base held to the schema;
    few_shot: with examples in the prompt. classifier: enumeration -> share right by encoder and head at each number of
    answers. The rest as the job's result has it."""

    field_f1: float
    validity: float
    records: int
    test: int
    strategies: dict[str, StepCurves]
    untuned: Measured
    few_shot: Measured | None
    classifier: Mapping[str, tuple[float, ...]]
    faults: int
    tuning: float
    answering: float
    memory_mb: int
    answers: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class StepReplayOptions:
    """What to replay, as the command line says it; see `StepReplayParams`."""

    file: Path
    steps: str
    names: tuple[str, ...]
    split: str | None
    text: str | None
    label: str
    strategies: tuple[str, ...]
    budget: int
    batch: int
    seeds: int
    test: int
    base: str = ""


def run_step_replay(
    requested: StepReplayOptions, settings: Sequence[str], few_shot: int, report: Report, out: Path | None = None
) -> StepReplay:
    """In a process of its own. settings: of the trainer, "key=value". out: file of a chart. Raises BadInput."""
    if not requested.steps:
        raise BadInput("Which steps are answered? --steps FILE, or the name of a template.")
    if unknown := [name for name in requested.strategies if name not in STRATEGIES]:
        raise BadInput(f"There is no strategy {unknown[0]!r} for steps; there are {', '.join(STRATEGIES)}.")
    check_counts(budget=requested.budget, batch=requested.batch, seeds=requested.seeds, test=requested.test)
    check_picture(out)
    values = vars(requested) | {"file": str(requested.file.resolve()), "label": requested.label or None}
    params = StepReplayParams(
        **values,
        values=read_values(LORA, [*SETTINGS, *settings]),
        fit=not any(one.startswith(("batch_size", "accumulation", "gradient_acc")) for one in settings),
        few_shot=few_shot,
        threads=job_threads(),
        cache=str(Path.home() / ".cache" / "rondo"),
    )
    with file_jobs() as jobs:
        answer = jobs.run(jobs.prepare(STEP_REPLAY, params), STEP_REPLAY, report, "Replaying answers")
    result = summarise_steps(answer)
    if out is not None:
        from app.charts.quality import replay_chart

        rows = curve_points(step_curves(result), "field F1")
        inline = {"inline": True} if out.suffix == ".html" else {}
        replay_chart(rows, result.untuned.field_f1, "field F1", "answers").save(str(out), **inline)
    return result


def summarise_steps(result: StepReplayResult) -> StepReplay:
    """Curves per strategy, what they come to, and the gain over random with the same seed. A curve begins with what
    the untuned base reaches."""
    answers = [0, *result.answers]
    random = next((_values(one, result.untuned)[0] for one in result.curves if one.strategy == "random"), None)
    strategies = {}
    for one in result.curves:
        f1, validity = _values(one, result.untuned)
        top = max(value for curve in f1 for value in curve)
        figures = vars(curve_figures(answers, f1, top, random))
        strategies[one.strategy] = StepCurves(
            field_f1=f1, validity=validity, steps=one.measured[0][-1].steps, **figures
        )
    first = next(iter(strategies.values()))
    return StepReplay(
        field_f1=fmean(curve[-1] for curve in first.field_f1),
        validity=fmean(curve[-1] for curve in first.validity),
        records=result.pool,
        test=result.test,
        strategies=strategies,
        untuned=result.untuned,
        few_shot=result.few_shot,
        classifier=result.classifier,
        faults=result.faults,
        tuning=result.tuning,
        answering=result.answering,
        memory_mb=result.memory_mb,
        answers=answers,
    )


def _values(one: StepCurve, untuned: Measured) -> tuple[list[list[float]], list[list[float]]]:
    """(field F1, validity), a curve for each seed."""
    curves = [(untuned, *curve) for curve in one.measured]
    return (
        [[point.field_f1 for point in curve] for curve in curves],
        [[point.validity for point in curve] for curve in curves],
    )


def step_curves(result: StepReplay) -> dict[str, tuple[CurveFigures, list[list[float]]]]:
    """Strategy -> its figures, and its curves of field F1."""
    return {name: (one, one.field_f1) for name, one in result.strategies.items()}


def step_replay_lines(result: StepReplay) -> Iterable[RenderableType]:
    """What there was, a table of models, what choosing gained, the curves, time and memory."""
    before, after, taken = step_sentences(result)
    yield from before
    heads = (Column(name, justify="right") for name in MODEL_COLUMNS[1:])
    table = Table(MODEL_COLUMNS[0], *heads, box=None, pad_edge=False)
    for row in model_rows(result):
        table.add_row(*row)
    yield table
    yield from after
    yield ""
    yield from curve_lines(step_curves(result), "answers")
    yield taken


def step_sentences(result: StepReplay) -> tuple[list[str], list[str], str]:
    """(what there was, how others do and what choosing gained, time and memory)."""
    before = [f"{result.records:,} answered records to learn from, {result.test:,} judge."]
    if result.faults:
        before.append(f"{result.faults:,} parts of the file do not fit the steps and were left out.")
    after = []
    for path, shares in result.classifier.items():
        listed = ", ".join(f"{share:.3f} at {n:,}" for n, share in zip(result.answers[1:], shares, strict=True))
        after.append(f"{path} by the plain classifier: {listed} right.")
    for name, one in result.strategies.items():
        if name != "random" and one.against_random:
            verdict = "better" if one.against_random.mean > 2 * one.against_random.sd else "no better"
            gain = one.against_random
            after.append(f"{name} is {verdict} than random: {gain.mean:+.3f} (sd {gain.sd:.3f}).")
    taken = f"Tuning {result.tuning:,.0f} s, answering {result.answering:,.0f} s, {result.memory_mb:,} MB."
    return before, after, taken


MODEL_COLUMNS = ("model", "step", "valid", "field F1")


def model_rows(result: StepReplay) -> Iterable[tuple[str, ...]]:
    """The untuned model, with and without examples, each also by step, and what each strategy's becomes."""
    yield from _rows("untuned, held to the schema", result.untuned)
    if result.few_shot:
        yield from _rows("the same with examples in the prompt", result.few_shot)
    for name, one in result.strategies.items():
        figures = [fmean(curve[-1] for curve in curves) for curves in (one.validity, one.field_f1)]
        yield f"tuned on {one.labels[-1]:,} answers, {name}", "", *(f"{value:.3f}" for value in figures)


def _rows(name: str, measured: Measured) -> Iterable[tuple[str, ...]]:
    yield name, "", f"{measured.validity:.3f}", f"{measured.field_f1:.3f}"
    for one in measured.steps if len(measured.steps) > 1 else ():
        yield "", one.step, f"{one.validity:.3f}", f"{one.field_f1:.3f}"
