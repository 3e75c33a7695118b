"""What programs send, read and checked: an order for a training job, a promotion. Knows no route and no project."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from app.request_body import read_at_most
from core.errors import BadInput

MOST_BYTES = 100_000
MOST_LINES = 5_000
MOST_SECONDS = 60
"""that a promotion is waited for; the gate's no comes sooner"""

ORDER = {"trainer": str, "on": str, "gpu": str, "seed": int, "note": str, "set": dict}
ACTIVATION = {"reason": str, "force": bool}
_SAID = {str: "a text", int: "a whole number", bool: "true or false", dict: "an object"}


class Unknown(BadInput):
    """There is nothing of this id."""


class Malformed(BadInput):
    """The body is no JSON object, or too long."""


async def read_body(request: Request) -> dict[str, Any]:
    """The JSON object that was sent, {} where nothing was. Raises Malformed before it is all in memory."""
    body = await read_at_most(request, MOST_BYTES)
    if body is None:
        raise Malformed(f"The body has more than {MOST_BYTES:,} bytes. Send less.")
    try:
        result = json.loads(body) if body else {}
        json.dumps(result, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise Malformed("The body holds half a character (a lone surrogate). Send text that UTF-8 can hold.") from None
    except (ValueError, RecursionError):
        raise Malformed("The body is not JSON.") from None
    if not isinstance(result, dict):
        raise Malformed("The body must be a JSON object.")
    return result


def read_order(body: Mapping[str, Any]) -> dict[str, Any]:
    """The options of `train`; whether they make sense is for the verb to say."""
    order = _read(body, ORDER)
    if "trainer" not in order:
        raise BadInput("`trainer` is missing: it names what shall be trained. GET /api/docs lists them.")
    values = [f"{name}={_text(name, value)}" for name, value in order.pop("set", {}).items()]
    return {**order, "values": values}


def read_activation(body: Mapping[str, Any]) -> dict[str, Any]:
    """The options of `promote` that a program may choose."""
    return _read(body, ACTIVATION)


def read_whole(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    """A whole number of the query. Raises BadInput."""
    text = query.get(name, str(default))
    if not text.isdecimal() or not text.isascii() or int(text[:9]) > most:
        raise BadInput(f"`{name}` is {text[:20]!r}, but it must be a whole number from 0 to {most:,}.")
    return int(text)


def _read(body: Mapping[str, Any], fields: Mapping[str, type]) -> dict[str, Any]:
    """The fields that were given. null stands for not given; unknown ones are refused, since they would do nothing."""
    for name, value in body.items():
        if name not in fields:
            raise BadInput(f"There is no field `{name[:80]}`; there are {', '.join(fields)}.")
        if value is not None and type(value) is not fields[name]:
            raise BadInput(f"`{name}` must be {_SAID[fields[name]]}.")
    return {name: value for name, value in body.items() if value is not None}


def _text(name: str, value: object) -> str:
    """As a person would write it on the command line; a list is what a search goes through."""
    if isinstance(value, list) and value and not any(isinstance(part, list) for part in value):
        return ",".join(_text(name, part) for part in value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise BadInput(f"`set.{name[:80]}` must be a number, a text, true or false, or a list of these.")
