"""Dataclasses as JSON and back, by their annotations: what crosses a process, a file or HTTP. Knows no dataclass."""

from collections.abc import Callable
from functools import cache
from math import isfinite
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

from core.errors import BadInput

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")


def to_json(value: object) -> object:
    """The value as what `json.dumps` takes: dataclasses become objects, tuples arrays, times ISO 8601; NaN stays."""
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(value, inf_nan_mode="constants")


def from_json(kind: type[T], value: object, what: str) -> T:
    """The value as `kind` says it is. what: names it in the error. Raises BadInput, naming the field and the fault.

    A field that is missing gets its default; one that `kind` does not have is left out, unless `kind` forbids it.
    """
    from pydantic import ValidationError

    key: Any = kind
    try:
        result: T = _adapter(key).validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"{what}{': `' + field + '`' if field else ''}: {first['msg']}.") from None
    return result


def result_type(function: Callable[..., T]) -> type[T]:
    """What the function's annotation says that it returns."""
    kind: type[T] = get_type_hints(function)["return"]
    return kind


def finite(result: Any) -> Any:
    """The same value, at any depth, with None for NaN and infinity, which strict JSON does not have."""
    if isinstance(result, float):
        return result if isfinite(result) else None
    if isinstance(result, dict):
        return {name: finite(value) for name, value in result.items()}
    return [finite(value) for value in result] if isinstance(result, list | tuple) else result


@cache
def _adapter(kind: Any) -> "TypeAdapter[Any]":
    from pydantic import TypeAdapter  # a tenth of a second: `rondo --help` does without

    return TypeAdapter(kind)
