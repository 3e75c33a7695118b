"""A kind of job: its name, input and result. Each kind is declared in the package that uses it."""

from dataclasses import dataclass
from typing import Generic, TypeVar

Params = TypeVar("Params")
Result = TypeVar("Result")


@dataclass(frozen=True)
class JobKind(Generic[Params, Result]):
    """params and result: frozen dataclasses that are sent as JSON; arrays and tables are files of the bundle.

    Both sides use them: the package that writes the bundle and stores the result, and the work in `gpu_jobs/work/`.
    """

    name: str
    params: type[Params]
    result: type[Result]
