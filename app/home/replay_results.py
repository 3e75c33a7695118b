"""What a replay comes to, in words, as a table and as points: the same for every task. Knows results, no file."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.cli.pairs.pair_replay import PairReplay, PairReplayOptions, pair_curves, pair_sentences
from app.cli.replay import (
    CurveFigures,
    Replay,
    ReplayOptions,
    curve_points,
    figure_cells,
    model_lines,
    points_of,
    tuning_lines,
)
from app.cli.steps.step_replay import (
    MODEL_COLUMNS,
    StepReplay,
    StepReplayOptions,
    model_rows,
    step_curves,
    step_sentences,
)

Points = list[dict[str, str | int | float]]


@dataclass(frozen=True)
class ReplaySummary:
    """records: that could be asked. sentence: what came of it; setting: what was played; details: a sentence each, on
    the file and on what played along. columns, rows: the table."""

    records: int
    sentence: str
    setting: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class Played:
    """result: as the command's JSON has it. points: a row for each strategy, seed and number of answers."""

    result: Replay | PairReplay | StepReplay
    summary: ReplaySummary
    points: Points


def labels_played(options: ReplayOptions, result: Replay) -> Played:
    """Of labels."""
    batches = f"{options.budget:,} labels in batches of {options.batch:,}"
    tuned = "with" if options.tuning else "without"
    summary = ReplaySummary(
        result.records,
        labels_sentence(result),
        f"{result.records:,} records, {batches}, {_seeds(options.seeds)}, {tuned} tuning of the encoder",
        _columns(result.measure, "labels"),
        _rows(result.strategies),
        tuple([*model_lines(result), *(" ".join(line.split()) + "." for line in tuning_lines(result))]),
    )
    return Played(result, summary, points_of(result))


def labels_sentence(result: Replay) -> str:
    """How many labels each strategy needed, and what the best one saved against random."""
    lead = f"All labels reach {result.measure} {result.full.macro_f1:.3f}."
    return f"{lead} {_saved('Labels', result.strategies)}"


def pairs_played(options: PairReplayOptions, result: PairReplay) -> Played:
    """Of decisions on pairs."""
    lead = f"All decisions reach F1 {result.full.f1:.3f}; none, each the other's best, {result.mutual_best.f1:.3f}."
    decisions = next(iter(result.strategies.values())).labels[-1]
    summary = ReplaySummary(
        result.records,
        f"{lead} {_saved('Decisions', result.strategies)}",
        f"{result.records:,} pairs, {decisions:,} decisions, {_seeds(options.seeds)}",
        _columns("F1", "decisions"),
        _rows(result.strategies),
        tuple(pair_sentences(result)),
    )
    return Played(result, summary, curve_points(pair_curves(result), "F1", "decisions"))


def steps_played(options: StepReplayOptions, result: StepReplay) -> Played:
    """Of structured answers."""
    before, after, taken = step_sentences(result)
    name, first = next(iter(result.strategies.items()))
    sentence = (
        f"Tuned on {first.labels[-1]:,} answers, {name}, the model reaches field F1 {result.field_f1:.3f}; untuned, "
        f"held to the schema, {result.untuned.field_f1:.3f}."
    )
    summary = ReplaySummary(
        result.records,
        sentence,
        f"{result.records:,} answered records, {first.labels[-1]:,} answers in batches of {options.batch:,}, "
        f"{_seeds(options.seeds)}",
        MODEL_COLUMNS,
        tuple(model_rows(result)),
        (*before, *after, taken),
    )
    return Played(result, summary, curve_points(step_curves(result), "field F1", "answers"))


def _saved(unit: str, strategies: Mapping[str, CurveFigures]) -> str:
    """What each needed, and what the best saved against random. unit: "Labels"."""
    needed = {name: one.to95 for name, one in strategies.items()}
    parts = [f"{name} with {labels:,}" if labels else f"{name} not within them" for name, labels in needed.items()]
    sentence = f"{unit} to 95 % of that: {', '.join(parts)}."
    reached = {name: labels for name, labels in needed.items() if labels and name != "random"}
    if reached and (random := needed.get("random")):
        best = min(reached, key=lambda name: reached[name])
        saved = random - reached[best]
        more = f"would have saved {saved:,} of {random:,}" if saved > 0 else "would have saved none"
        sentence += f" Choosing by {best} {more}."
    return sentence


def _columns(measure: str, unit: str) -> tuple[str, ...]:
    """Of a table of `figure_cells`."""
    return "strategy", f"mean {measure} (AULC)", "±", f"{unit} to 90 %", "to 95 %", "against random"


def _rows(strategies: Mapping[str, CurveFigures]) -> tuple[tuple[str, ...], ...]:
    return tuple((name, *figure_cells(one)) for name, one in strategies.items())


def _seeds(count: int) -> str:
    return f"{count} {'seed' if count == 1 else 'seeds'}"
