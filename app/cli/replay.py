"""`rondo replay`: strategies against each other on a labelled file, with paired seeds, a table and a chart."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean, stdev

from rich.console import RenderableType
from rich.table import Column, Table

from core import loop, simulate
from core.config.settings import read_settings, with_changes, write_settings
from core.data.encoding import encode
from core.data.file_import import ImportOptions, import_file
from core.errors import BadInput
from core.jobs.bundle import Report
from core.project import Project, open_project
from core.rounds.run_round import can_learn
from core.suggestions.recorded import load_recorded
from core.tasks.tasks import space_of, task_of
from gpu_jobs.runners.local import InProcessRunner

CHARTS = (".html", ".svg", ".png")
MACRO_F1, ACCURACY = "macro F1", "accuracy"
WITH_LLM = "+llm"
AUDIT_SHARE = 0.1
"""of each batch but the first, which is all audit, where a language model plays along: it teaches by its measured
precision"""
HELD_OUT = 0.2
"""share of records that judge where the file has no test split"""


@dataclass(frozen=True)
class ReplayOptions:
    """What to replay. `budget` and `batch` count labels. llm: recorded answers of a language model; id: column of the
    ids by which they are known. tuning: of the encoder, when there are enough labels. encoding, form, leave_out: how
    the file is read, as `ImportOptions` has it."""

    file: Path
    text: tuple[str, ...]
    label: str
    split: str | None
    strategies: tuple[str, ...]
    budget: int
    batch: int
    seeds: int
    multi: bool = False
    out: Path | None = None
    task: str = "labels"
    llm: Path | None = None
    id: str | None = None
    tuning: bool = True
    encoding: str = "utf-8"
    form: str = ""
    leave_out: tuple[int, ...] = ()

    @property
    def arms(self) -> tuple[str, ...]:
        """The strategies, each also with the language model where there is one."""
        return tuple(f"{name}{end}" for name in self.strategies for end in (("", WITH_LLM) if self.llm else ("",)))

    @property
    def rounds(self) -> int:
        """Batches that the budget pays for, at least one."""
        return max(1, self.budget // self.batch)


@dataclass(frozen=True)
class FullScore:
    """What a model reaches that learnt from all labels: macro F1, or what the replay measures instead."""

    macro_f1: float


@dataclass(frozen=True)
class Gain:
    """Mean score over the curve minus that of random labelling with the same seed."""

    mean: float
    sd: float
    per_seed: list[float]


@dataclass(frozen=True, kw_only=True)
class CurveFigures:
    """One strategy at so many `labels`. aulc: mean of its curves (area under the learning curve). to90, to95: labels
    until the mean over seeds has that share of the full score, None: never."""

    labels: list[int]
    aulc: float
    aulc_sd: float
    to90: int | None
    to95: int | None
    to90_per_seed: list[int | None]
    to95_per_seed: list[int | None]
    against_random: Gain | None


@dataclass(frozen=True)
class TuningPoint:
    """The encoder was tuned at so many labels. promoted: by the gate, whose verdict and difference (points of macro F1
    on the labels so far, as `low` and `high` have its interval) these are. before, after: the measured score at the
    last fit before it and the first after it, which has learnt from one more batch; None where there is none."""

    labels: int
    promoted: bool
    verdict: str
    before: float
    after: float | None
    difference: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class StrategyCurves(CurveFigures):
    """macro_f1: a curve for each seed, of what the replay measures. tunings: of each seed, in order."""

    macro_f1: list[list[float]]
    tunings: list[list[TuningPoint]] = field(default_factory=list)


@dataclass(frozen=True)
class ReplayedModel:
    """Recorded answers. right: share of the records that can be asked of which its answer is right."""

    model: str
    answers: int
    invalid: int
    unknown: int
    right: float


@dataclass(frozen=True)
class Replay:
    """The learning curves of all strategies. measure: macro F1, accuracy where answers are no choice among
    categories. llm: the language model that plays along in those that end with "+llm".
    """

    full: FullScore
    records: int
    strategies: dict[str, StrategyCurves]
    measure: str = MACRO_F1
    llm: ReplayedModel | None = None


def run_replay(requested: ReplayOptions, report: Report) -> Replay:
    """Every strategy from every seed; the chart goes to its `out`."""
    _check(requested)
    folder = Path(tempfile.mkdtemp(prefix="rondo-replay-"))
    try:
        template, truth, full = _template(requested, report, folder / "template")
        llm = _load_model(template, truth, requested.llm) if requested.llm else None
        curves: dict[str, list[list[simulate.Point]]] = {name: [] for name in requested.arms}
        total = requested.seeds * len(requested.arms) * requested.rounds
        played = 0

        def report_step(point: simulate.Point | None) -> None:
            nonlocal played
            played += point is not None
            report("Replaying rounds", played, total)

        for seed in range(requested.seeds):
            for name in requested.arms:
                curves[name].append(_one_run(template, truth, requested, (name, seed), report_step))
        measure, random = measure_of(template), curves.get("random")
        template.close()
        strategies = {name: summarise(curves[name], full, random, measure) for name in requested.arms}
        result = Replay(FullScore(full), len(truth), strategies, measure, llm)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if requested.out is not None:
        from app.charts.quality import replay_chart

        inline = (
            {"inline": True} if requested.out.suffix == ".html" else {}
        )  # else the page loads its code from another host
        replay_chart(points_of(result), result.full.macro_f1, result.measure).save(str(requested.out), **inline)
    return result


def _check(requested: ReplayOptions) -> None:
    from core.sampling.strategies import STRATEGIES

    if unknown := [name for name in requested.strategies if name not in STRATEGIES]:
        raise BadInput(f"There is no strategy {unknown[0]!r}; there are {', '.join(STRATEGIES)}.")
    check_picture(requested.out)
    check_counts(budget=requested.budget, batch=requested.batch, seeds=requested.seeds)


def check_picture(out: Path | None) -> None:
    """Raises BadInput for a file that no chart can be written to."""
    if out is not None and (out.suffix not in CHARTS or not out.resolve().parent.is_dir()):
        raise BadInput(f"--out is {out}; it must be a file in a folder that is there, ending in {', '.join(CHARTS)}.")


def check_counts(**counts: int) -> None:
    """Raises BadInput, naming the option, for one below 1."""
    for name, value in counts.items():
        if value < 1:
            raise BadInput(f"--{name} is {value}; it must be at least 1.")


def _template(requested: ReplayOptions, report: Report, folder: Path) -> tuple[Project, simulate.Truth, float]:
    """A project, imported and encoded once, scored once with all labels; then the labels are withheld."""
    from core.evaluation.metrics import Metrics

    loop.create_project(folder, [], multi=requested.multi)
    audit = AUDIT_SHARE if requested.llm else 0.0
    write_settings(folder, replace(read_settings(folder), task=requested.task, audit_share=audit, automatic=False))
    project = open_project(folder, InProcessRunner())
    columns = ImportOptions(text=list(requested.text), label=requested.label, split=requested.split, id=requested.id)
    columns |= {"encoding": requested.encoding, "form": requested.form, "leave_out": [*requested.leave_out]}
    import_file(project, report, file=str(requested.file), **columns)
    if not project.store.one("select count(*) from settled where stratum = 'gold'"):
        simulate.hold_out(project, HELD_OUT, seed=0)
    if not can_learn(project):
        raise BadInput(f"{requested.file}: no row outside the test split has a label in {requested.label!r}.")
    if project.store.one("select count(distinct answer::varchar) from settled") == 1:
        raise BadInput(
            f"{requested.file}: all labels in {requested.label!r} are the same; two different ones are needed. Name "
            "another column: --label."
        )
    encode(project, report)
    full = _score(simulate.Point(0, loop.fit(project, lambda *_: None).metrics or Metrics()), measure_of(project))
    return project, simulate.withhold_answers(project), full


def _load_model(template: Project, truth: simulate.Truth, file: Path) -> ReplayedModel:
    """Into the template, of which every run is a copy."""
    loaded = load_recorded(template, file)
    rows = template.store.query("select id, answer::varchar from generated_answers join records using (n)")
    task = task_of(template.settings())
    known = [(json.loads(answer) if answer else None, truth[id]) for id, answer in rows if id in truth]
    right = [answer == task.canonical(true) for answer, true in known]
    return ReplayedModel(**vars(loaded), right=mean(right) if right else 0.0)


def _one_run(
    template: Project,
    truth: simulate.Truth,
    requested: ReplayOptions,
    run: tuple[str, int],
    result: Callable[[simulate.Point | None], None],
) -> list[simulate.Point]:
    """One strategy with one seed, in a project of its own that shares the template's vectors. result: gets each point,
    and None while one is being made, when it may stop all."""
    arm, seed = run
    strategy = arm.removesuffix(WITH_LLM)
    folder = template.folder.parent / f"{arm}-{seed}"
    simulate.copy_project(template, folder)
    project = open_project(folder, InProcessRunner(), {"local": lambda _: InProcessRunner()})
    try:
        if arm == strategy:
            with project.store.transaction() as cursor:
                cursor.execute("delete from generated_answers")
        threads = max(1, (os.cpu_count() or 2) // 2)  # as a job of its own has them
        write_settings(folder, with_changes(project.settings(), seed=1000 * (seed + 1), threads=threads))
        budget = simulate.Budget(
            requested.rounds, requested.batch, strategy, audit_first=requested.llm is not None, tune=requested.tuning
        )
        return simulate.simulate_rounds(project, truth, budget, lambda *_: result(None), result)
    finally:
        project.close()
        shutil.rmtree(folder, ignore_errors=True)


def summarise(
    runs: list[list[simulate.Point]], full: float, random: list[list[simulate.Point]] | None, measure: str = MACRO_F1
) -> StrategyCurves:
    """Curve per seed, and what they come to."""
    curves = [[_score(point, measure) for point in run] for run in runs]
    baseline = None if random is None else [[_score(point, measure) for point in run] for run in random]
    figures = curve_figures([point.labels for point in runs[0]], curves, full, baseline)
    return StrategyCurves(macro_f1=curves, tunings=[_tunings(run, measure) for run in runs], **vars(figures))


def _tunings(run: list[simulate.Point], measure: str) -> list[TuningPoint]:
    result = []
    for point, later in zip(run, [*run[1:], None], strict=True):
        if (tuned := point.tuned) is None:
            continue
        difference = tuned.gate.difference if tuned.gate else None
        after = _score(later, measure) if later else None
        entry = TuningPoint(point.labels, tuned.promoted, tuned.sentence, _score(point, measure), after)
        if difference:
            entry = replace(entry, difference=difference.value, low=difference.low, high=difference.high)
        result.append(entry)
    return result


def curve_figures(
    labels: list[int], curves: list[list[float]], full: float, random: list[list[float]] | None
) -> CurveFigures:
    """Their mean (AULC), labels to 90 and 95 % of the full-data score, the paired gain over random."""
    areas = [mean(curve) for curve in curves]
    to90, to95 = (_reached(labels, curves, share * full) for share in (0.9, 0.95))
    gain = None
    if random is not None:
        gains = [area - mean(other) for area, other in zip(areas, random, strict=True)]
        gain = Gain(mean(gains), stdev(gains) if len(gains) > 1 else 0.0, gains)
    return CurveFigures(
        labels=labels,
        aulc=mean(areas),
        aulc_sd=stdev(areas) if len(areas) > 1 else 0.0,
        to90=to90,
        to95=to95,
        to90_per_seed=[_reached(labels, [curve], 0.9 * full) for curve in curves],
        to95_per_seed=[_reached(labels, [curve], 0.95 * full) for curve in curves],
        against_random=gain,
    )


def measure_of(project: Project) -> str:
    """What models are compared by."""
    return MACRO_F1 if space_of(project.settings()).categories else ACCURACY


def _score(point: simulate.Point, measure: str) -> float:
    if not (gold := point.metrics.gold):
        return 0.0
    figure = gold.macro_f1 if measure == MACRO_F1 else gold.accuracy
    return figure.value if figure else 0.0


def _reached(labels: list[int], curves: list[list[float]], target: float) -> int | None:
    """The first number of labels at which the mean over seeds is at the target."""
    for position, result in enumerate(labels):
        at = [curve[position] for curve in curves if position < len(curve)]
        if at and mean(at) >= target:
            return result
    return None


def points_of(result: Replay) -> list[dict[str, str | int | float]]:
    """A row for each strategy, seed and number of labels."""
    return curve_points({name: (one, one.macro_f1) for name, one in result.strategies.items()}, result.measure)


def curve_points(
    shown: Mapping[str, tuple[CurveFigures, list[list[float]]]], measure: str, unit: str = "labels"
) -> list[dict[str, str | int | float]]:
    """shown: strategy -> its figures, and its curves. A row for each of their values."""
    return [
        {"strategy": name, unit: labels, measure: value}
        for name, (one, curves) in shown.items()
        for curve in curves
        for labels, value in zip(one.labels, curve, strict=False)
    ]


def replay_lines(result: Replay) -> list[RenderableType]:
    """A table of the strategies, and their mean curves as bars of eight heights, all on one scale from 0 to 1."""
    shown = {name: (one, one.macro_f1) for name, one in result.strategies.items()}
    before = [f"All labels: {result.measure} {result.full.macro_f1:.3f}", *model_lines(result), ""]
    return [*before, *curve_lines(shown, "labels"), *tuning_lines(result)]


def model_lines(result: Replay) -> list[str]:
    """On the language model that plays along, if one does."""
    if not (one := result.llm):
        return []
    return [
        f"{one.model}: {one.answers:,} recorded answers, {one.invalid:,} of them invalid, right on "
        f"{one.right:.1%}; it teaches by the precision that the audit measures."
    ]


def tuning_lines(result: Replay) -> Iterator[str]:
    """Of each strategy: how often the encoder was tuned, how often the gate let it in, and what that brought."""
    for name, one in result.strategies.items():
        tried = [tuning for run in one.tunings for tuning in run]
        gains = [tuning.after - tuning.before for tuning in tried if tuning.promoted and tuning.after is not None]
        if tried:
            gained = f", {mean(gains):+.3f} {result.measure} by the next round" if gains else ""
            promoted = sum(tuning.promoted for tuning in tried)
            yield f"{name:<18}encoder tuned {_times(len(tried))}, put to use {_times(promoted)}{gained}"


def _times(count: int) -> str:
    return {0: "never", 1: "once"}.get(count, f"{count} times")


def curve_lines(shown: Mapping[str, tuple[CurveFigures, list[list[float]]]], unit: str) -> list[RenderableType]:
    """shown: strategy -> its figures, and its curves. unit: what is counted, "labels"."""
    table = Table("strategy", *(Column(name, justify="right") for name in COLUMNS), box=None, pad_edge=False)
    for name, (one, _) in shown.items():
        table.add_row(name, *figure_cells(one))
    return [table, "", *_bars(shown, unit)]


def figure_cells(one: CurveFigures) -> tuple[str, ...]:
    """A strategy's figures, one for each of COLUMNS."""
    gain = f"{one.against_random.mean:+.3f}" if one.against_random else ""
    return f"{one.aulc:.3f}", f"{one.aulc_sd:.3f}", _count(one.to90), _count(one.to95), gain


COLUMNS = ("AULC", "±", "to 90 %", "to 95 %", "vs random")


def _bars(shown: Mapping[str, tuple[CurveFigures, list[list[float]]]], unit: str) -> Iterator[str]:
    heights = "▁▂▃▄▅▆▇█"
    for name, (one, curves) in shown.items():
        means = [mean(values) for values in zip(*curves, strict=False)]
        drawn = "".join(heights[min(int(value * 8), 7)] for value in means)
        yield f"{name:<18}{drawn}  {means[0]:.2f} to {means[-1]:.2f} at {one.labels[-1]} {unit}"


def _count(labels: int | None) -> str:
    return "never" if labels is None else str(labels)
