"""A request to a Ray cluster's dashboard, and its errors. Knows HTTP, no job."""

import os
from typing import Any

from core.errors import BadInput, RondoError

ASK_SECONDS = 10.0


class NoAnswer(RondoError):
    """The cluster gave no usable answer: it may be down, or not be a cluster."""


def check_address(address: str) -> str:
    """The address without a slash at its end. Raises BadInput."""
    example = "the address of the cluster's dashboard, for example http://head:8265"
    if not address:
        raise BadInput(f"ray_address is not set: it is {example}.")
    if not address.startswith(("http://", "https://")):
        raise BadInput(f"ray_address is {address!r}, but it must be {example}.")
    return address.rstrip("/")


def ask(address: str, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any] | None:
    """The JSON object that it answers, None for 404. Raises NoAnswer, with a sentence."""
    import httpx

    token = os.environ.get("RAY_AUTH_TOKEN", "")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        response = httpx.request(method, address + path, json=body, headers=headers, timeout=ASK_SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NoAnswer(
            f"No Ray cluster answers at {address} ({_short(str(error))}). Is it up, with a dashboard?"
        ) from None
    if response.status_code == 404 and response.text.endswith("does not exist"):
        return None
    if response.status_code in (401, 403):
        raise NoAnswer(f"The Ray cluster at {address} wants another token: put it into RAY_AUTH_TOKEN.")
    try:
        result = response.json() if response.status_code == 200 else None
    except ValueError:
        result = None
    if isinstance(result, dict):
        return result
    lines = response.text.strip().splitlines()
    raise NoAnswer(
        f"{address} answered {response.status_code} "
        f"({_short(lines[-1] if lines else '')}), not as Ray's Jobs API does. "
        "Is ray_address right, and was the head started from ray[default]?"
    )


def _short(text: str) -> str:
    return text if len(text) <= 200 else text[:200] + " …"
