"""Commands that play the loop on known answers: replay and demo. Imports nothing heavy until one runs."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.interrupts import stoppable
from app.cli.options import JsonOption, NoTokenOption, ProjectOption, errors
from app.cli.terminal import Ticker, present, say


def replay(
    file: Annotated[Path, typer.Argument(help="A labelled file, in any format that import takes.")],
    text: Annotated[list[str], typer.Option(help="Column with the text; repeat it for several fields.")],
    label: Annotated[str, typer.Option(help="Column with the true labels.")],
    split: Annotated[str | None, typer.Option(help="Column with the split; 'test' rows judge.")] = None,
    strategies: Annotated[str, typer.Option(help="Comma-separated.")] = "default,margin,random",
    budget: Annotated[int, typer.Option(help="Labels to spend.")] = 400,
    batch: Annotated[int, typer.Option(help="Labels per round.")] = 20,
    seeds: Annotated[int, typer.Option(help="Repetitions, the same seeds for every strategy.")] = 3,
    multi: Annotated[bool, typer.Option("--multi", help="Labels in a cell are joined by |.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write the chart here (.html or .svg).")] = None,
    as_json: JsonOption = False,
) -> None:
    """Play the loop with a file's labels as oracle: what would each strategy have cost?"""
    with errors():
        from app.cli.replay import ReplayOptions, replay_lines, run_replay

        requested = ReplayOptions(
            file,
            tuple(text),
            label,
            split,
            tuple(name.strip() for name in strategies.split(",")),
            budget,
            batch,
            seeds,
            multi,
            out,
        )
        result = run_replay(requested, stoppable(Ticker()))
        present(result, replay_lines, as_json=as_json)


def demo(
    context: typer.Context,
    oracle: Annotated[bool, typer.Option("--oracle", help="Play the annotator too, and print the curve.")] = False,
    rounds: Annotated[int, typer.Option(help="Rounds that the oracle plays.")] = 10,
    port: Annotated[int, typer.Option(help="Port of the app.")] = 8501,
    no_token: NoTokenOption = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sort the docstrings of Python's standard library into the chapters of its reference."""
    with errors():
        from app.cli.demo import open_page, oracle_lines, play_oracle, prepare

        folder = project or context.obj or Path("demo")
        prepare(folder, stoppable(Ticker()), queue=not oracle)
        if oracle:
            present(play_oracle(folder, rounds, stoppable(Ticker())), oracle_lines, as_json=as_json)
            return
        from app.server import Listening, serve

        def announce(link: str) -> None:
            say(f"Label at {link} (Ctrl-C stops it).")
            open_page(link)

        serve(folder, Listening(port=port, no_token=no_token, page="/label?annotator=me"), announce)
