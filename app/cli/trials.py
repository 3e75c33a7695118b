"""Commands that play the loop on known answers: replay and demo. Imports nothing heavy until one runs."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.interrupts import stoppable
from app.cli.options import JsonOption, NoTokenOption, ProjectOption, errors
from app.cli.terminal import Ticker, present, say

STRATEGIES = "default,margin,random"


def _names(listed: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in listed.split(",") if name.strip())


LabelOption = Annotated[
    str,
    typer.Option(help="Column with the true labels; for pairs, the decisions; of steps, an only field."),
]
TaskOption = Annotated[
    str, typer.Option(help="What is answered: labels, pairs (are two records the same?), extract (steps).")
]
PositiveOption = Annotated[
    str,
    typer.Option(help="Pairs: the label of two that are the same. Default: 1, match, duplicate, same, true, yes."),
]
SplitOption = Annotated[str | None, typer.Option(help="Column with the split; 'test' rows judge. Default: a fifth.")]
BatchOption = Annotated[
    int | None, typer.Option(help="Labels per round (20). Of pairs 10 at first, and up to 125. Of steps half.")
]
SeedsOption = Annotated[
    int | None, typer.Option(help="Repetitions, the same seeds for every strategy (3; of steps 1).")
]
StrategiesOption = Annotated[str, typer.Option(help="Labels: comma-separated. Pairs: always ours and random.")]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="Extract: a setting of the trainer, KEY=VALUE.")]
RecordedOption = Annotated[
    Path | None,
    typer.Option(help="Recorded answers of a language model: id, label[, probability] (.csv, .jsonl, .parquet)."),
]
IdOption = Annotated[str | None, typer.Option("--id", help="Column with the ids, by which --llm knows them.")]
TuningOption = Annotated[bool, typer.Option(help="Tune the encoder when there are enough labels, as the app does.")]


def replay(
    file: Annotated[Path, typer.Argument(help="A labelled file, in any format that import takes.")],
    label: LabelOption = "",
    text: Annotated[list[str] | None, typer.Option(help="Column with the text; repeat it for several fields.")] = None,
    task: TaskOption = "labels",
    left: Annotated[str | None, typer.Option(help="Pairs: column with the text of the one record.")] = None,
    right: Annotated[str | None, typer.Option(help="Pairs: column with the text of the other.")] = None,
    positive: PositiveOption = "",
    split: SplitOption = None,
    strategies: StrategiesOption = STRATEGIES,
    budget: Annotated[int, typer.Option(help="Labels, or decisions, to spend.")] = 400,
    batch: BatchOption = None,
    seeds: SeedsOption = None,
    multi: Annotated[bool, typer.Option("--multi", help="Labels in a cell are joined by |.")] = False,
    steps: Annotated[str, typer.Option(help="Extract: file of steps, or a template's name.")] = "",
    step: Annotated[str, typer.Option(help="Extract: names of steps, comma-separated. Default: all.")] = "",
    base: Annotated[str, typer.Option(help="Extract: language model to tune. Default: SmolLM2-135M-Instruct.")] = "",
    few_shot: Annotated[int, typer.Option(help="Extract: examples in the untuned model's prompt.", min=0)] = 0,
    test: Annotated[int, typer.Option(help="Extract: records that judge, at most.")] = 100,
    set_: SetOption = None,
    out: Annotated[Path | None, typer.Option(help="Write the chart here (.html, .svg or .png).")] = None,
    llm: RecordedOption = None,
    id_column: IdOption = None,
    tuning: TuningOption = True,
    as_json: JsonOption = False,
) -> None:
    """Play the loop with a file's answers as oracle: what would each strategy have cost?"""
    with errors():
        from core.errors import BadInput

        if not label and task != "extract":
            raise BadInput("Which column holds the true answers? --label COLUMN.")
        if task == "pairs":
            from app.cli.pairs.pair_replay import PairReplayOptions, pair_replay_lines, run_pair_replay

            if multi or llm:
                raise BadInput("--multi and --llm are for labels; two records are the same, or they are not.")
            pairs = PairReplayOptions(file, left, right, label, split, positive, budget, seeds or 3, out)
            return present(run_pair_replay(pairs, stoppable(Ticker())), pair_replay_lines, as_json=as_json)
        if task == "extract":
            from app.cli.steps.step_replay import StepReplayOptions, run_step_replay, step_replay_lines

            strategies = "random" if strategies == STRATEGIES else strategies
            counts = budget, batch or max(1, budget // 2), seeds or 1
            ways = _names(step), split, text[0] if text else None, label, _names(strategies)
            extract = StepReplayOptions(file, steps, *ways, *counts, test, base)
            result = run_step_replay(extract, set_ or [], few_shot, stoppable(Ticker()), out)
            return present(result, step_replay_lines, as_json=as_json)
        from app.cli.replay import ReplayOptions, replay_lines, run_replay
        from core.tasks.tasks import TASKS

        if task not in TASKS:
            raise BadInput(f"--task is {task!r}; it must be one of {', '.join(sorted({*TASKS, 'pairs'}))}.")
        if left or right or positive:
            raise BadInput("--left, --right and --positive are for pairs: --task pairs.")
        if not text:
            raise BadInput("Which column holds the text? --text COLUMN; for pairs --task pairs --left --right.")
        rest = (budget, batch or 20, seeds or 3, multi, out, task, llm, id_column, tuning)
        requested = ReplayOptions(file, tuple(text), label, split, _names(strategies), *rest)
        present(run_replay(requested, stoppable(Ticker())), replay_lines, as_json=as_json)


def demo(
    context: typer.Context,
    oracle: Annotated[bool, typer.Option("--oracle", help="Play the annotator too, and print the curve.")] = False,
    rounds: Annotated[int, typer.Option(help="Rounds that the oracle plays.")] = 10,
    task: Annotated[
        str, typer.Option(help="labels: docstrings by chapter; pairs: docstrings of the same; extract: tales.")
    ] = "labels",
    port: Annotated[int, typer.Option(help="Port of the app.")] = 8501,
    no_token: NoTokenOption = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sort the docstrings of Python's standard library into the chapters of its reference, find those (--task pairs)
    that a module in C and its twin in Python have of the same function, or take tales apart (--task extract)."""
    with errors():
        from app.cli.demo import LABEL_DEMO, open_page
        from app.cli.pairs.pair_demo import PAIR_DEMO
        from app.cli.steps.step_demo import STEP_DEMO
        from core.errors import BadInput

        demos = {"labels": LABEL_DEMO, "pairs": PAIR_DEMO, "extract": STEP_DEMO}
        if task not in demos:
            raise BadInput(f"There is no demo of the task {task!r}; there are {', '.join(demos)}.")
        sample = demos[task]
        folder = project or context.obj or Path(sample.folder)
        sample.prepare(folder, stoppable(Ticker()), queue=not oracle)
        if oracle:
            present(sample.play(folder, rounds, stoppable(Ticker())), sample.lines, as_json=as_json)
            return
        from app.server import Listening, serve

        def announce(link: str) -> None:
            say(f"Label at {link} (Ctrl-C stops it).")
            open_page(link)

        serve(folder, Listening(port=port, no_token=no_token, page="/label?annotator=me"), announce)
