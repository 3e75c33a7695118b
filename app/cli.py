"""The command line: reads options, calls a verb, prints what came of it. Imports nothing heavy until a command runs."""

import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from app.terminal import Ticker, say, show

app = typer.Typer(
    name="rondo",
    help="From unlabelled records to labels of known accuracy: import, label in the browser, learn, ask again.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

ProjectOption = Annotated[
    Path | None, typer.Option("--project", "-p", help="The project's folder. Default: the folder you stand in.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print figures as JSON.")]
SeedOption = Annotated[
    int | None, typer.Option("--seed", help="Makes the choice repeatable. Default: from rondo.toml.")
]
SizeOption = Annotated[int | None, typer.Option("--size", help="Records in the batch. Default: from rondo.toml.")]
StrategyOption = Annotated[
    str | None,
    typer.Option("--strategy", help="How to choose; the Settings page explains each. Default: from rondo.toml."),
]


@app.callback()
def root(context: typer.Context, project: ProjectOption = None) -> None:
    """What holds for every command."""
    context.obj = project


@app.command()
def init(
    path: Annotated[Path, typer.Argument(help="Folder to make.")],
    labels: Annotated[
        str, typer.Option(help="Label names, comma-separated. Can also come with the first import.")
    ] = "",
    multi: Annotated[bool, typer.Option("--multi", help="Several labels may hold for one record.")] = False,
) -> None:
    """Make a project."""
    with _errors():
        from core.loop import create_project

        names = [name.strip() for name in labels.split(",") if name.strip()]
        create_project(path, names, multi=multi)
        say(f"Made {path}. Next: rondo --project {path} import FILE --text COLUMN")


@app.command("import")
def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV, JSONL (.gz too), Parquet, or a folder of .txt files.")],
    text: Annotated[list[str] | None, typer.Option(help="Column with the text; repeat it for several fields.")] = None,
    label: Annotated[str | None, typer.Option(help="Column with labels; several in one cell are joined by |.")] = None,
    id_: Annotated[str | None, typer.Option("--id", help="Column with ids. Default: made from the text.")] = None,
    split: Annotated[str | None, typer.Option(help="Column with the split; rows that say 'test' become gold.")] = None,
    meta: Annotated[list[str] | None, typer.Option(help="Column to show beside the text; repeat it.")] = None,
    encoding: Annotated[str, typer.Option(help="Character encoding of CSV, JSONL and text files.")] = "utf-8",
    near_duplicates: Annotated[bool, typer.Option("--near-duplicates", help="Report near-duplicates too.")] = False,
    add_labels: Annotated[
        bool, typer.Option("--add-labels", help="Add labels that are not in the taxonomy yet.")
    ] = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring records into the project: all of the file or nothing of it."""
    told = _call(
        _folder(context, project),
        "import",
        file=str(file.resolve()),
        text=text or [],
        label=label,
        id=id_,
        split=split,
        meta=meta or [],
        encoding=encoding,
        near_duplicates=near_duplicates,
        add_labels=add_labels,
    )
    show("import", told, as_json=as_json)


@app.command()
def up(
    context: typer.Context,
    host: Annotated[
        str, typer.Option(help="Address to listen on; anything but loopback opens it to others.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8501,
    project: ProjectOption = None,
) -> None:
    """Start the app: pages to label and to see where you stand."""
    with _errors():
        from app.server import is_loopback, serve

        if not is_loopback(host):
            say(f"Warning: on {host} anyone who reaches this machine can label, under any name.", error=True)
        line = f"Rondo is at http://{host}:{port}/label (Ctrl-C stops it)."
        serve(_folder(context, project), host, port, lambda: say(line))


@app.command("next")
def next_(
    context: typer.Context,
    size: SizeOption = None,
    strategy: StrategyOption = None,
    seed: SeedOption = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Choose the next batch and queue it."""
    told = _call(_folder(context, project), "next", size=size, strategy=strategy, seed=seed)
    show("next", told, as_json=as_json)


@app.command()
def fit(context: typer.Context, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Learn from the labels so far, score the pool, measure."""
    show("fit", _call(_folder(context, project), "fit"), as_json=as_json)


@app.command("round")
def round_(
    context: typer.Context,
    size: SizeOption = None,
    strategy: StrategyOption = None,
    seed: SeedOption = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """fit, then next."""
    told = _call(_folder(context, project), "round", size=size, strategy=strategy, seed=seed)
    show("round", told, as_json=as_json)


@app.command()
def encode(context: typer.Context, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Encode records that have no vector yet; `next` and `round` do it by themselves."""
    show("encode", _call(_folder(context, project), "encode"), as_json=as_json)


@app.command()
def status(context: typer.Context, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Where the project stands and what to do next."""
    show("status", _call(_folder(context, project), "status"), as_json=as_json)


@app.command()
def export(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="File to write.")],
    file_format: Annotated[str, typer.Option("--format", help="csv, jsonl or parquet.")],
    what: Annotated[str, typer.Option(help="labels, suggestions, responses (one line per event) or all.")] = "labels",
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write labels, suggestions or responses to a file."""
    told = _call(_folder(context, project), "export", out=str(out.resolve()), file_format=file_format, what=what)
    show("export", told, as_json=as_json)


@app.command()
def backup(
    context: typer.Context,
    out: Annotated[Path | None, typer.Option(help="Folder to write to. Default: backups/ in the project.")] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy the database and the settings, also while the app is running."""
    told = _call(_folder(context, project), "backup", out=str(out.resolve()) if out else None)
    show("backup", told, as_json=as_json)


@app.command()
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
    with _errors():
        from app.replays import Wanted, run_replay

        wanted = Wanted(
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
        told = run_replay(wanted, Ticker())
        show("replay", told, as_json=as_json)


@app.command()
def demo(
    context: typer.Context,
    oracle: Annotated[bool, typer.Option("--oracle", help="Play the annotator too, and print the curve.")] = False,
    rounds: Annotated[int, typer.Option(help="Rounds that the oracle plays.")] = 10,
    port: Annotated[int, typer.Option(help="Port of the app.")] = 8501,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sort the docstrings of Python's standard library into the chapters of its reference."""
    with _errors():
        from app.demo import open_page, play_oracle, prepare

        folder = project or context.obj or Path("demo")
        prepare(folder, Ticker(), queue=not oracle)
        if oracle:
            show("demo", play_oracle(folder, rounds, Ticker()), as_json=as_json)
            return
        from app.server import serve

        url = f"http://127.0.0.1:{port}/label?annotator=me"
        open_page(url)
        serve(folder, "127.0.0.1", port, lambda: say(f"Label at {url} (Ctrl-C stops it)."))


def _folder(context: typer.Context, project: Path | None) -> Path:
    return (project or context.obj or Path()).resolve()


def _call(folder: Path, verb: str, **options: Any) -> dict[str, Any]:
    with _errors():
        from app.client import call

        return call(folder, verb, Ticker(), **options)


class _errors:
    """Turns what a person can mend into one line and an exit code; anything else is a bug and shows its traceback."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        from core.errors import RondoError

        if isinstance(error, RondoError):
            _end(str(error), error.exit_code)
        if isinstance(error, KeyboardInterrupt):
            _end("Stopped. What was saved is kept.", 130)


def _end(text: str, code: int) -> NoReturn:
    say(text, error=True)
    sys.exit(code)
