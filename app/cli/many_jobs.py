"""Options of commands that can be done by many jobs at once, and agreeing to their price. Knows no command."""

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from app.cli.options import errors, run_verb
from app.cli.terminal import say
from core.errors import BadInput

if TYPE_CHECKING:
    from core.jobs.many_jobs import PoolEstimate

Result = TypeVar("Result")
Command = Callable[..., None]


@dataclass(frozen=True)
class ManyJobs:
    """What a person asked for. on: empty where the work is to be done here, by one job. workers, job_records: 0 for as
    many as the verb takes by itself."""

    on: str = ""
    gpu: str | None = None
    workers: int = 0
    job_records: int = 0
    yes: bool = False

    def __post_init__(self) -> None:
        if not self.on and (self.gpu or self.workers or self.yes or self.job_records):
            with errors():
                raise BadInput("--gpu, --workers, --job-records and --yes are for --on local, modal or ray.")

    def run(
        self,
        folder: Path,
        verb: Callable[..., Result],
        estimate: Callable[..., "PoolEstimate"],
        options: dict[str, Any],
    ) -> Result:
        """The verb, once the price was agreed to where there is one and somebody can be asked."""
        request = {"on": self.on, "gpu": self.gpu, "workers": self.workers, **options}
        if self.job_records:
            request["job_records"] = self.job_records
        yes = self.yes
        if not yes and sys.stdin.isatty() and self.on == "modal":
            costs = run_verb(folder, estimate, **request)
            if costs.dollars is not None:
                say(costs.sentence, error=True)
                yes = typer.confirm("Start?", err=True)
        return run_verb(folder, verb, **request, yes=yes)


HERE = ManyJobs()


def _asked(
    *,
    on: Annotated[
        str, typer.Option("--on", help="Many jobs at once: local, modal or ray. Default: here, one after the other.")
    ] = "",
    gpu: Annotated[str | None, typer.Option("--gpu", help="GPU of each job, as L4. Default: none.")] = None,
    workers: Annotated[
        int, typer.Option("--workers", help="Jobs at once. Default: 2 here, 8 elsewhere.", min=0, show_default=False)
    ] = 0,
    job_records: Annotated[
        int,
        typer.Option(
            "--job-records",
            help="Records of each job. Default: 131,072; 8,192 where each is held against all others.",
            min=0,
            show_default=False,
        ),
    ] = 0,
    yes: Annotated[bool, typer.Option("--yes", help="Agree to the price without being asked.")] = False,
) -> ManyJobs:
    return ManyJobs(on, gpu, workers, job_records, yes)


def with_many_jobs(command: Command) -> Command:
    """The command with these options in the place of its parameter `many`, which they become."""
    signature, options = inspect.signature(command), inspect.signature(_asked).parameters
    parameters = [
        one
        for name, parameter in signature.parameters.items()
        for one in (options.values() if name == "many" else [parameter])
    ]

    @wraps(command)
    def with_options(**values: Any) -> None:
        many = _asked(**{name: values.pop(name) for name in options})
        command(**values, many=many)

    keyword = inspect.Parameter.KEYWORD_ONLY
    with_options.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[parameter.replace(kind=keyword) for parameter in parameters]
    )
    return with_options
