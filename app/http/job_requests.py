"""Parses and checks the requests of programs: a training job, a promotion. Knows no route and no project."""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request

from app.http.messages import ACTIONS, Activation, FineTune, ModelAction, Order, PredictPairs, PredictTexts, Suggest
from app.request_body import read_at_most
from core.errors import BadInput

MOST_BYTES = 100_000
MOST_BYTES_OF_TEXTS = 4_000_000
"""where texts are sent to be predicted"""
MOST_LINES = 5_000
MOST_SECONDS = 60
"""that a promotion is waited for; the gate's no comes sooner"""

_KINDS = {
    "string_type": "a text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "dict_type": "an object",
    "list_type": "a list",
    "float_type": "a number",
    "greater_than_equal": "0 or more",
}
"""pydantic's word for a wrong type, to ours for the right one"""
Body = TypeVar("Body", Order, Activation, ModelAction, FineTune, PredictPairs, PredictTexts, Suggest)


class Unknown(BadInput):
    """There is no object of this id."""


class Malformed(BadInput):
    """The body is no JSON object, or too long."""


async def read_body(request: Request, most: int = MOST_BYTES) -> dict[str, Any]:
    """The JSON object that was sent, {} where nothing was. most: bytes. Raises Malformed before it is all in memory."""
    body = await read_at_most(request, most)
    if body is None:
        raise Malformed(f"The body has more than {most:,} bytes. Send less.")
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
    """The options of `train`; the verb checks them."""
    order = _chosen(_read(body, Order))
    values = [f"{name}={_text(name, value)}" for name, value in order.pop("set", {}).items()]
    return {**order, "values": values}


def read_activation(body: Mapping[str, Any]) -> dict[str, Any]:
    """The options of `promote` that a program may choose."""
    return _chosen(_read(body, Activation))


def read_model_action(body: Mapping[str, Any]) -> ModelAction:
    """What is to become of a hosted model. Raises BadInput for another action, or without the model to activate."""
    request = _read(body, ModelAction)
    if request.action not in ACTIONS:
        raise BadInput(f"`action` is {request.action[:20]!r}, but it must be {' or '.join(ACTIONS)}.")
    if request.action == "activate" and not request.model:
        raise BadInput("`model` is missing: the id of the model to activate. GET /api/pairs/models lists them.")
    return request


def read_fine_tune(body: Mapping[str, Any]) -> dict[str, Any]:
    """The options of `hosted_tune` that a program may choose; the verb checks them."""
    request = _read(body, FineTune)
    provider = "openai" if request.provider is None else request.provider
    return {"provider": provider, "base": request.base_model, "epochs": request.epochs}


def read_predict_pairs(body: Mapping[str, Any]) -> dict[str, Any]:
    """The options of `predict_pairs`; the verb checks them."""
    return _chosen(_read(body, PredictPairs))


def read_suggest(body: Mapping[str, Any]) -> dict[str, Any]:
    """The options of `suggest` that a program may choose: which model and where is the project's."""
    return _chosen(_read(body, Suggest))


def read_predict_texts(body: Mapping[str, Any]) -> dict[str, Any]:
    """The options of `predict_texts`; the verb checks them."""
    return _chosen(_read(body, PredictTexts))


def _chosen(body: Order | Activation | PredictPairs | PredictTexts | Suggest) -> dict[str, Any]:
    """null stands for not chosen."""
    return {name: value for name, value in vars(body).items() if value is not None}


def read_whole(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    """A whole number of the query. Raises BadInput."""
    text = query.get(name, str(default))
    if not text.isdecimal() or not text.isascii() or int(text[:9]) > most:
        raise BadInput(f"`{name}` is {text[:20]!r}, but it must be a whole number from 0 to {most:,}.")
    return int(text)


def _read(body: Mapping[str, Any], kind: type[Body]) -> Body:
    """Raises BadInput, naming the field, for a wrong type, a missing field or an unknown one."""
    sent = {name: value for name, value in body.items() if value is not None or name not in kind.__annotations__}
    try:
        result: Body = TypeAdapter(kind).validate_python(sent)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        name = str(fault["loc"][0])[:80]
        if name not in kind.__annotations__:
            fields = [known for known in kind.__annotations__ if not known.startswith("_")]
            raise BadInput(f"There is no field `{name}`; there are {', '.join(fields)}.") from None
        if fault["type"] == "missing":
            raise BadInput(f"`{name}` is missing. GET /api/docs says what it is.") from None
        raise BadInput(f"`{name}` must be {_KINDS[fault['type']]}.") from None
    return result


def _text(name: str, value: object) -> str:
    """As on the command line; a list is the values of a search."""
    if isinstance(value, list) and value and not any(isinstance(part, list) for part in value):
        return ",".join(_text(name, part) for part in value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise BadInput(f"`set.{name[:80]}` must be a number, a text, true or false, or a list of these.")
