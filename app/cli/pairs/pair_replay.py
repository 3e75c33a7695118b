"""`rondo replay --task pairs`: chosen decisions against random ones on a file of decided pairs, as a table."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from rich.console import RenderableType
from rich.table import Column, Table

from app.cli.pairs.pairs import file_jobs, job_threads
from app.cli.replay import CurveFigures, check_counts, check_picture, curve_figures, curve_lines, curve_points
from core.errors import BadInput
from core.jobs.bundle import Report
from core.pairs.pair_jobs import PAIR_REPLAY, PairReplayParams, PairReplayResult

SHOWN = (50, 100, 200, 500, 1000)
"""decisions at which the table has a column"""


@dataclass(frozen=True)
class PairReplayOptions:
    """What to replay, as the command line says it. budget: decisions. out: file of a chart."""

    file: Path
    left: str | None
    right: str | None
    label: str
    split: str | None
    positive: str
    budget: int
    seeds: int
    out: Path | None = None


@dataclass(frozen=True)
class PairScore:
    """Of the pairs that are the same, on the pairs that judge."""

    f1: float


@dataclass(frozen=True, kw_only=True)
class PairCurves(CurveFigures):
    """f1: a curve for each seed; `labels` are decisions."""

    f1: list[list[float]]


@dataclass(frozen=True)
class PairReplay:
    """full: with all decisions; mutual_best: without any, by "each is the other's best". records: decided pairs that
    can be asked; matches: of all pairs. blocking_recall: share of the matches among the candidates."""

    full: PairScore
    records: int
    strategies: dict[str, PairCurves]
    mutual_best: PairScore
    positive: str
    test: int
    matches: int
    left_out: int
    contradictions: int
    self_pairs: int
    blocking_recall: float
    candidates_per_record: float


def run_pair_replay(requested: PairReplayOptions, report: Report) -> PairReplay:
    """In a process of its own. Raises BadInput."""
    if not requested.left or not requested.right:
        raise BadInput("Which columns hold the two texts? --left COLUMN --right COLUMN.")
    check_counts(budget=requested.budget, seeds=requested.seeds)
    check_picture(requested.out)
    with file_jobs() as jobs:
        params = PairReplayParams(
            file=str(requested.file.resolve()),
            left=requested.left,
            right=requested.right,
            label=requested.label,
            split=requested.split,
            positive=requested.positive,
            budget=requested.budget,
            seeds=requested.seeds,
            threads=job_threads(),
            cache=str(jobs.folder),
        )
        answer = jobs.run(jobs.prepare(PAIR_REPLAY, params), PAIR_REPLAY, report, "Replaying decisions")
    result = summarise_pairs(answer)
    if requested.out is not None:
        write_chart(result, requested.out)
    return result


def write_chart(result: PairReplay, out: Path) -> None:
    """F1 over decisions: chosen and random ones, and as a line what no decision gives."""
    import altair as alt

    from app.charts.quality import replay_chart

    rows = curve_points(pair_curves(result), "F1")
    without = alt.Chart(alt.Data(values=[{"F1": result.mutual_best.f1, "what": "no decision"}]))
    line = without.mark_rule(color="gray").encode(y="F1:Q")
    words = without.mark_text(align="left", dx=4, dy=-6, color="gray").encode(y="F1:Q", x=alt.value(0), text="what:N")
    inline = {"inline": True} if out.suffix == ".html" else {}
    (replay_chart(rows, result.full.f1, "F1", "decisions") + line + words).save(str(out), **inline)


def summarise_pairs(result: PairReplayResult) -> PairReplay:
    """Curves per strategy, what they come to, and the gain over random with the same seed."""
    curves = {one.strategy: [list(curve) for curve in one.f1] for one in result.curves}
    decisions, random = list(result.decisions), curves.get("random")
    strategies = {
        name: PairCurves(f1=ours, **vars(curve_figures(decisions, ours, result.full, random)))
        for name, ours in curves.items()
    }
    return PairReplay(
        full=PairScore(result.full),
        records=result.pairs - result.test,
        strategies=strategies,
        mutual_best=PairScore(result.mutual_best),
        positive=result.positive,
        test=result.test,
        matches=result.matches,
        left_out=result.left_out,
        contradictions=result.contradictions,
        self_pairs=result.self_pairs,
        blocking_recall=result.blocking_recall,
        candidates_per_record=result.candidates_per_record,
    )


def pair_curves(result: PairReplay) -> dict[str, tuple[CurveFigures, list[list[float]]]]:
    """Strategy -> its figures, and its curves."""
    return {name: (one, one.f1) for name, one in result.strategies.items()}


def pair_replay_lines(result: PairReplay) -> Iterable[RenderableType]:
    """What there was, F1 at some numbers of decisions, and the curves as the labels' replay draws them."""
    yield from pair_sentences(result)
    yield f"All decisions: F1 {result.full.f1:.3f}. None, each the other's best: F1 {result.mutual_best.f1:.3f}."
    yield ""
    yield f1_table(result)
    yield ""
    yield from curve_lines(pair_curves(result), "decisions")


def pair_sentences(result: PairReplay) -> Iterable[str]:
    """What there was in the file."""
    yield (
        f"{result.records + result.test:,} pairs, {result.matches:,} are {result.positive!r}; {result.test:,} judge. "
        f"Candidates: {result.candidates_per_record:.1f} per record, with {result.blocking_recall:.1%} of the matches."
    )
    if result.left_out:
        yield f"{result.left_out:,} rows without two texts and a label were left out."
    if result.contradictions:
        yield (
            f"{result.contradictions:,} pairs are decided both ways in this file, whichever text stands left; all "
            "their decisions count, so that no model can be right on each."
        )
    if result.self_pairs:
        yield f"{result.self_pairs:,} pairs are of two equal texts; they count as any other."


def f1_table(result: PairReplay) -> Table:
    """Mean F1 over the seeds at SHOWN and at the end."""
    labels = next(iter(result.strategies.values())).labels
    shown = [count for count in labels if count in SHOWN or count == labels[-1]]
    columns = (Column(f"F1 at {count:,}", justify="right") for count in shown)
    table = Table("strategy", *columns, box=None, pad_edge=False)
    for name, one in result.strategies.items():
        at = (labels.index(count) for count in shown)
        table.add_row(name, *(f"{mean(curve[index] for curve in one.f1):.3f}" for index in at))
    return table
