"""Commands that play the loop on known answers: replay and demo. Imports nothing heavy until one runs."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.interrupts import stoppable
from app.cli.options import JsonOption, NoTokenOption, ProjectOption, errors
from app.cli.terminal import Ticker, present, say


def replay(
    file: Annotated[Path, typer.Argument(help="A labelled file, in any format that import takes.")],
    label: Annotated[str, typer.Option(help="Column with the true labels; for pairs, with the decisions.")],
    text: Annotated[list[str] | None, typer.Option(help="Column with the text; repeat it for several fields.")] = None,
    task: Annotated[
        str, typer.Option(help="What is answered: labels, or pairs (are two records the same?).")
    ] = "labels",
    left: Annotated[str | None, typer.Option(help="Pairs: column with the text of the one record.")] = None,
    right: Annotated[str | None, typer.Option(help="Pairs: column with the text of the other.")] = None,
    positive: Annotated[
        str,
        typer.Option(help="Pairs: the label of two that are the same. Default: 1, match, duplicate, same, true, yes."),
    ] = "",
    split: Annotated[
        str | None, typer.Option(help="Column with the split; 'test' rows judge. Default: a fifth.")
    ] = None,
    strategies: Annotated[str, typer.Option(help="Labels: comma-separated. Pairs: always ours and random.")] = (
        "default,margin,random"
    ),
    budget: Annotated[int, typer.Option(help="Labels, or decisions, to spend.")] = 400,
    batch: Annotated[int, typer.Option(help="Labels per round. Of pairs 10 at first, and up to 125.")] = 20,
    seeds: Annotated[int, typer.Option(help="Repetitions, the same seeds for every strategy.")] = 3,
    multi: Annotated[bool, typer.Option("--multi", help="Labels in a cell are joined by |.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write the chart here (.html, .svg or .png).")] = None,
    llm: Annotated[
        Path | None,
        typer.Option(help="Recorded answers of a language model: id, label[, probability] (.csv, .jsonl, .parquet)."),
    ] = None,
    id_column: Annotated[
        str | None, typer.Option("--id", help="Column with the ids, by which --llm knows them.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Play the loop with a file's answers as oracle: what would each strategy have cost?"""
    with errors():
        from core.errors import BadInput

        if task == "pairs":
            from app.cli.pair_replay import PairReplayOptions, pair_replay_lines, run_pair_replay

            if multi or llm:
                raise BadInput("--multi and --llm are for labels; two records are the same, or they are not.")
            pairs = PairReplayOptions(file, left, right, label, split, positive, budget, seeds, out)
            return present(run_pair_replay(pairs, stoppable(Ticker())), pair_replay_lines, as_json=as_json)
        from app.cli.replay import ReplayOptions, replay_lines, run_replay
        from core.tasks.tasks import TASKS

        if task not in TASKS:
            raise BadInput(f"--task is {task!r}; it must be one of {', '.join(sorted({*TASKS, 'pairs'}))}.")
        if left or right or positive:
            raise BadInput("--left, --right and --positive are for pairs: --task pairs.")
        if not text:
            raise BadInput("Which column holds the text? --text COLUMN; for pairs --task pairs --left --right.")
        names = tuple(name.strip() for name in strategies.split(","))
        counts, more = (budget, batch, seeds), {"multi": multi, "out": out, "task": task, "llm": llm, "id": id_column}
        requested = ReplayOptions(file, tuple(text), label, split, names, *counts, **more)  # type: ignore[arg-type]
        present(run_replay(requested, stoppable(Ticker())), replay_lines, as_json=as_json)


def demo(
    context: typer.Context,
    oracle: Annotated[bool, typer.Option("--oracle", help="Play the annotator too, and print the curve.")] = False,
    rounds: Annotated[int, typer.Option(help="Rounds that the oracle plays.")] = 10,
    task: Annotated[str, typer.Option(help="labels: docstrings by chapter; pairs: docstrings of the same.")] = "labels",
    port: Annotated[int, typer.Option(help="Port of the app.")] = 8501,
    no_token: NoTokenOption = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sort the docstrings of Python's standard library into the chapters of its reference, or find those (--task
    pairs) that a module in C and its twin in Python have of the same function."""
    with errors():
        from app.cli.demo import LABEL_DEMO, open_page
        from app.cli.pair_demo import PAIR_DEMO
        from core.errors import BadInput

        demos = {"labels": LABEL_DEMO, "pairs": PAIR_DEMO}
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
