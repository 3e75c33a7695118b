"""What a kind of job is: its name, what goes in, and what comes out. Each kind stands beside its room."""

from dataclasses import dataclass
from typing import Generic, TypeVar

Params = TypeVar("Params")
Result = TypeVar("Result")


@dataclass(frozen=True)
class JobKind(Generic[Params, Result]):
    """params and result: frozen dataclasses that cross as JSON; arrays and tables cross as files of the bundle.

    Both sides use them: the room that writes the bundle and takes the result in, and the work in `gpu_jobs/work/`.
    """

    name: str
    params: type[Params]
    result: type[Result]
