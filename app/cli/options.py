"""What commands share: their common options, reaching a project, and how an error ends one. Knows no command."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Concatenate, NoReturn, ParamSpec, TypeVar

import typer

from app.cli.terminal import Ticker, say

if TYPE_CHECKING:
    from core.jobs.bundle import Report
    from core.project import Project

Options = ParamSpec("Options")
Result = TypeVar("Result")

ProjectOption = Annotated[
    Path | None, typer.Option("--project", "-p", help="The project's folder. Default: the folder you stand in.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print figures as JSON.")]
NoTokenOption = Annotated[
    bool,
    typer.Option(
        "--no-token",
        envvar="RONDO_NO_TOKEN",
        help="Let in whoever reaches the app on this machine, other users too, without the link that is printed.",
    ),
]
SeedOption = Annotated[
    int | None, typer.Option("--seed", help="Makes the choice repeatable. Default: from rondo.toml.")
]
SizeOption = Annotated[int | None, typer.Option("--size", help="Records in the batch. Default: from rondo.toml.")]
AuditOption = Annotated[
    float | None,
    typer.Option("--audit-share", help="Share drawn at random to measure with; 1 for all. Default: from rondo.toml."),
]
ModelArgument = Annotated[
    str, typer.Argument(metavar="MODEL", help="Its id, an end of it that no other has, or champion: the one in use.")
]
StrategyOption = Annotated[
    str | None,
    typer.Option("--strategy", help="How to choose; the Settings page explains each. Default: from rondo.toml."),
]

STOPPED = "Stopped. What was saved is kept."
GOES_ON = "A job that has begun goes on without you: `rondo jobs` shows it, `rondo jobs cancel JOB` stops it."
"""what Ctrl-C says"""


def folder_of(context: typer.Context, project: Path | None) -> Path:
    """The project of a command: by an option after it or before it, or the current folder."""
    return (project or context.obj or Path()).resolve()


def without_a_command(group: typer.Typer, command: Callable[[typer.Context, Path | None, bool], None]) -> None:
    """What a group of commands does where none of them is named."""

    @group.callback()
    def root(context: typer.Context, project: ProjectOption = None, as_json: JsonOption = False) -> None:
        context.obj = project or context.obj
        if context.invoked_subcommand is None:
            command(context, project, as_json)


def run_verb(
    folder: Path,
    verb: Callable[Concatenate["Project", "Report", Options], Result],
    *args: Options.args,
    **options: Options.kwargs,
) -> Result:
    """Runs the verb and returns its result; errors that a person can fix end the command in one line."""
    with errors(GOES_ON if verb.__name__ in ("train", "train_steps", "retrain", "hosted_tune") else STOPPED):
        from app.cli.interrupts import stoppable
        from app.client import call

        return call(folder, verb, stoppable(Ticker()), *args, **options)


class errors:
    """Turns errors that a person can fix into one line and an exit code; others are bugs and show a traceback.

    Ctrl-C is noted, and stops the work at its next report.
    """

    def __init__(self, stopped: str = STOPPED) -> None:
        from app.cli.interrupts import noted

        self._stopped = stopped
        self._noted = noted()

    def __enter__(self) -> None:
        self._noted.__enter__()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        from core.errors import RondoError
        from core.store.whole_files import is_full

        self._noted.__exit__(None, None, None)
        if isinstance(error, RondoError):
            _end(str(error), error.exit_code)
        if isinstance(error, OSError) and is_full(error):
            _end(f"The disk is full ({error.filename or error}). What was saved is kept; free space, and try again.", 1)
        if isinstance(error, KeyboardInterrupt):
            _end(self._stopped, 130)


def _end(text: str, code: int) -> NoReturn:
    say(text, error=True)
    sys.exit(code)
