"""Talking to a provider through OpenAI's client: patience with what may pass, one clear error for what may not."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeVar

from core.errors import BadInput, Refused, Unreachable
from core.language_models.providers import Provider, token_of

if TYPE_CHECKING:
    from openai import APIStatusError, OpenAI

T = TypeVar("T")
PASSING = (408, 409, 425, 429, 500, 502, 503, 504, 529)
"""statuses that a later try may not meet"""
SPENT = ("insufficient_quota", "billing_hard_limit_reached")
"""codes that come with 429, and that no waiting helps against"""
MOST_MESSAGE = 500


@dataclass(frozen=True)
class Patience:
    """Seconds. first, most: between two tries, doubled each time; what the provider asks for in Retry-After holds up to
    `longest`. timeout: of one request.
    """

    tries: int = 6
    first: float = 1.0
    most: float = 60.0
    longest: float = 300.0
    timeout: float = 120.0


@dataclass(frozen=True)
class Connection:
    """An open client. client: with the token, of `base_url`; its own retries are off. sleep: waits between tries."""

    client: "OpenAI"
    provider: Provider
    patience: Patience
    token: str
    sleep: Callable[[float], None]


def connect(
    provider: Provider, patience: Patience, *, chat: bool = False, sleep: Callable[[float], None] = time.sleep
) -> Connection:
    """Reads the token from the environment; nothing is sent yet. chat: to where models answer. Raises Refused."""
    from openai import OpenAI

    token = token_of(provider)
    client = OpenAI(
        api_key=token,
        base_url=provider.chat_url if chat else provider.base_url,
        timeout=patience.timeout,
        max_retries=0,  # theirs would try again where a quota is spent, and create a second job after a time-out
    )
    return Connection(client, provider, patience, token, sleep)


def call(connection: Connection, what: str, act: Callable[[], T]) -> T:
    """The answer of `act`, tried again while a reason may pass. what: begins the error.

    Raises Unreachable where it stays so, BadInput for a request that is wrong, Refused for what the provider will not
    do, and for an answer that makes no sense.
    """
    import openai

    patience, where = connection.patience, f"{what} at {connection.provider.name}"
    reason, delay = "", patience.first
    for attempt in range(1, patience.tries + 1):
        wait = delay
        try:
            return act()
        except openai.APIStatusError as error:
            if error.status_code not in PASSING or error_code(error) in SPENT:
                raise _refusal(connection, where, error) from None
            reason = f"answered {error.status_code}: {error_text(connection, error)}"
            wait = max(delay, _retry_after(error))
        except openai.APITimeoutError:
            reason = f"did not answer within {patience.timeout:g} s"
        except openai.APIConnectionError as error:
            reason = f"could not be reached ({connection.client.base_url}: {error.__cause__ or error})"
        except (openai.APIResponseValidationError, ValueError, RecursionError) as error:
            raise malformed(where, error) from None
        if wait > patience.longest:
            raise Unreachable(f"{where}: it {reason}. It asks to wait {wait:,.0f} s. Try again then.")
        if attempt == patience.tries:
            break
        connection.sleep(wait)
        delay = min(delay * 2, patience.most)
    raise Unreachable(f"{where}: it {reason} ({patience.tries} tries). Try again later.")


def call_or_none(connection: Connection, what: str, act: Callable[[], T]) -> T | None:
    """The same; None where the provider knows nothing of that name (404)."""
    import openai

    def tolerant() -> T | None:
        try:
            return act()
        except openai.NotFoundError:
            return None

    return call(connection, what, tolerant)


def malformed(where: str, reason: object) -> Refused:
    """For an answer that is no JSON, or not of the form that was agreed."""
    shown = str(reason).strip().replace("\n", " ")[:200]
    return Refused(f"{where}: the answer makes no sense ({shown}). Is the address right? It must speak OpenAI's API.")


def fields_of(answer: object) -> dict[str, object]:
    """A JSON object that came back, as a dict. Raises ValueError, which `call` turns into the one clear error."""
    shown = getattr(answer, "to_dict", None)
    value = shown(warnings=False) if callable(shown) else answer
    if not isinstance(value, dict):
        raise ValueError(f"a JSON object was expected, not {str(value)[:80]!r}")
    return value


def text_at(fields: dict[str, object], *names: str) -> str:
    """The first of these fields that is a text, else empty."""
    return next((value for name in names if isinstance(value := fields.get(name), str)), "")


def required_text(fields: dict[str, object], *names: str) -> str:
    """The same. Raises ValueError where there is none."""
    if value := text_at(fields, *names):
        return value
    raise ValueError(f"it has no {' or '.join(names)}")


def _refusal(connection: Connection, where: str, error: "APIStatusError") -> BadInput | Refused:
    status, message = error.status_code, error_text(connection, error)
    if status == 401:
        return Refused(f"{where}: the token in {connection.provider.token} was refused: {message}")
    if status == 403:
        return Refused(f"{where}: not allowed: {message}")
    if error_code(error) in SPENT:
        return Refused(f"{where}: the account's quota is spent: {message}")
    return BadInput(f"{where}: refused with {status}: {message}")


def error_code(error: "APIStatusError") -> str:
    body = error.body
    code = body.get("code") if isinstance(body, dict) else None
    return code if isinstance(code, str) else ""


def error_text(connection: Connection, error: "APIStatusError") -> str:
    """The provider's own, whatever form its error has, without the token."""
    body = error.body
    message: object = body.get("message") or body.get("error") if isinstance(body, dict) else body
    if isinstance(message, dict):
        message = message.get("message")
    text = message if isinstance(message, str) and message.strip() else f"no reason given (status {error.status_code})"
    return " ".join(text.split())[:MOST_MESSAGE].replace(connection.token, "***")


def _retry_after(error: "APIStatusError") -> float:
    """Seconds that the answer asks to wait; 0 where it does not say."""
    headers = error.response.headers
    try:
        if milliseconds := headers.get("retry-after-ms"):
            return max(float(milliseconds) / 1000, 0.0)
        value = headers.get("retry-after", "").strip()
        if not value:
            return 0.0
        if value.replace(".", "", 1).isdecimal():
            return float(value)
        return max(parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return 0.0
