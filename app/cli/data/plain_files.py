"""What `rondo clean`, `balance` and `split` share where they are given a file and need no project."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.options import errors
from app.cli.pairs.pairs import file_jobs
from app.cli.terminal import Ticker, present, say, say_json
from core.typed_json import to_json

if TYPE_CHECKING:
    from core.data.prepare_file import PlainFile

FileArgument = Annotated[
    Path | None,
    typer.Argument(metavar="[FILE]", help="A file in place of the project, in any format that import takes."),
]
FileTextOption = Annotated[list[str] | None, typer.Option("--text", help="Of FILE: the text's column; again for more.")]
FileLabelOption = Annotated[str | None, typer.Option("--label", help="Of FILE: the column of labels.")]
SeveralOption = Annotated[
    bool, typer.Option("--multi", help="Of FILE: a cell holds any number of labels, with | between them, or a list.")
]
FileEncodingOption = Annotated[str, typer.Option("--encoding", help="Of FILE, where it is text and not UTF-8.")]
FileOutOption = Annotated[
    Path | None, typer.Option("--out", help="Of FILE: what to write; its ending says the format. Without it a preview.")
]


@dataclass(frozen=True)
class PlainOptions:
    """As they were typed."""

    text: list[str] | None
    label: str | None
    several: bool
    encoding: str
    out: Path | None


def plain_file(
    file: Path | None, options: PlainOptions, of_projects: Mapping[str, bool], *, out_alone: bool = False
) -> "PlainFile | None":
    """The file; None where the project is meant. of_projects: options that a file has not, and whether each was used.
    out_alone: --out may stand without a file."""
    with errors():
        from core.data.prepare_file import PlainFile
        from core.errors import BadInput

        if file is None:
            named: dict[str, object] = {"--text": options.text, "--label": options.label, "--multi": options.several}
            named |= {} if out_alone else {"--out": options.out}
            if used := [name for name, value in named.items() if value]:
                raise BadInput(f"{used[0]} is of a file. Name one, or leave it out: a project knows its own columns.")
            return None
        if used := [name for name, value in of_projects.items() if value]:
            raise BadInput(f"{used[0]} is of a project. A file stays as it is; --out writes what becomes of it.")
        out = None if options.out is None else str(options.out.resolve())
        text = tuple(options.text or ())
        return PlainFile(str(file.resolve()), text, options.label, options.several, options.encoding, out)


def on_file(
    verb: str,
    plain: "PlainFile",
    options: Mapping[str, Any],
    lines: Callable[[Any], Iterable[Any]],
    *,
    as_json: bool,
) -> None:
    """Runs it and prints what was found and written."""
    with errors(), file_jobs() as jobs:
        from app.cli.interrupts import stoppable
        from core.data import prepare_file

        act = getattr(prepare_file, verb)
        result, written = act(jobs, stoppable(Ticker()), plain, **options)
    if as_json:
        return say_json(to_json({**vars(result), "files": dict(written.files)}))
    present(result, lines, as_json=False)
    if plain.out is None:
        say("Nothing was written: name a file with --out.")
    for path, rows in written.files.items():
        say(f"Wrote {rows:,} rows to {path}.")
    for change in written.changes:
        say(f"  {change}.")
    return None
