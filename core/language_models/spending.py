"""What asking a language model may cost and has cost: tokens, prices, a hard budget, and a log of every call."""

import json
import threading
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from core.errors import RondoError
from core.language_models.requests import ChatRequest, Completion, Message

_MESSAGE_TOKENS = 4
_CHARACTERS = 4
"""of plain English in a token; other scripts take about a token a character"""


class BudgetSpent(RondoError):
    """The next call would go over the budget, so it was not made."""


def estimate_tokens(messages: Iterable[Message]) -> int:
    """About how many tokens a chat has; no tokenizer is asked."""
    total = 0
    for message in messages:
        plain = sum(character.isascii() for character in message.content)
        total += -(-plain // _CHARACTERS) + len(message.content) - plain + _MESSAGE_TOKENS
    return total


def most_tokens(messages: Iterable[Message]) -> int:
    """No tokenizer makes more: a token has at least a byte. Each turn's marks are counted generously."""
    return sum(len(message.content.encode()) + 8 * _MESSAGE_TOKENS for message in messages)


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens."""

    tokens_in: float
    tokens_out: float

    def of(self, tokens_in: int, tokens_out: int) -> float:
        """US dollars for so many."""
        return (tokens_in * self.tokens_in + tokens_out * self.tokens_out) / 1_000_000


FREE = Price(0.0, 0.0)


@dataclass(frozen=True)
class Estimate:
    """What asking would take. calls: of the model, without answers that are known. dollars: None where no price is
    known. sentence: for people.
    """

    calls: int
    known: int
    tokens_in: int
    tokens_out: int
    dollars: float | None
    sentence: str


def estimate(requests: Sequence[ChatRequest], known: int, longest: Sequence[int], price: Price | None) -> Estimate:
    """requests: that are still to be made. longest: tokens that the answer to each may have."""
    tokens_in = sum(estimate_tokens(request.messages) for request in requests)
    tokens_out = sum(longest)
    dollars = price.of(tokens_in, tokens_out) if price else None
    counted = f"{len(requests):,} calls of about {tokens_in:,} tokens, answers of at most {tokens_out:,}"
    counted += f" ({known:,} answers are known already)" if known else ""
    if dollars is None:
        cost = "the price is unknown here: set price_in and price_out in [language_model] of rondo.toml"
    elif price == FREE:
        cost = "free, because the model runs here"
    else:
        cost = f"at most about {dollars:,.4f} USD"
    return Estimate(len(requests), known, tokens_in, tokens_out, dollars, f"{counted}: {cost}.")


@dataclass
class Budget:
    """Calls and US dollars that may still be spent; it is never overdrawn, however many ask at a time.

    dollars: None: calls alone are limited. price: None where it is unknown; then dollars cannot be limited.
    """

    calls: int
    dollars: float | None = None
    price: Price | None = None
    made: int = 0
    cost: float = 0.0
    _reserved: dict[int, float] = field(default_factory=dict)
    _settled: threading.Condition = field(default_factory=threading.Condition)

    def reserve(self, request: ChatRequest, longest: int) -> int:
        """Takes one call, and the most that it can cost, out of the budget; its number, for `settle`.

        Waits where the calls under way may turn out cheap enough. Raises BudgetSpent, and then nothing was taken.
        """
        most = self.price.of(most_tokens(request.messages), longest) if self.price else 0.0
        with self._settled:
            if self.dollars is not None and self.price is None:
                raise BudgetSpent(
                    "The budget is in money, but the price of this model is unknown: set price_in and price_out in "
                    "[language_model] of rondo.toml."
                )
            while self.dollars is not None and self._reserved and self._open_dollars() < most:
                self._settled.wait()
            if self.made >= self.calls:
                raise BudgetSpent(f"The budget of {self.calls:,} calls is spent. Raise it to go on.")
            if self.dollars is not None and self._open_dollars() < most:
                raise BudgetSpent(
                    f"The next call may cost {most:,.4f} USD, and {self._open_dollars():,.4f} USD of the budget of "
                    f"{self.dollars:,.4f} are left. Raise it to go on."
                )
            self.made += 1
            self._reserved[self.made] = most
            return self.made

    def settle(self, number: int, tokens_in: int, tokens_out: int) -> float | None:
        """What a call has cost, None where the price is unknown."""
        cost = self.price.of(tokens_in, tokens_out) if self.price else None
        with self._settled:
            del self._reserved[number]
            self.cost += cost or 0.0
            self._settled.notify_all()
        return cost

    def _open_dollars(self) -> float:
        return (self.dollars or 0.0) - self.cost - sum(self._reserved.values())

    @property
    def left(self) -> int:
        """Calls."""
        return max(self.calls - self.made, 0)


@dataclass(frozen=True)
class LoggedCall:
    """A call as the log has it: no text, no key. at: ISO 8601, UTC. purpose: what it was for."""

    at: str
    model: str
    endpoint: str
    purpose: str
    state: str
    tokens_in: int
    tokens_out: int
    cost: float | None
    seconds: float


@dataclass
class CallLog:
    """A file of JSON lines that is only added to, or none."""

    path: Path | None = None
    purpose: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, completion: Completion, endpoint: str) -> None:
        """One call more."""
        if self.path is None:
            return
        call = LoggedCall(
            f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            completion.model,
            endpoint,
            self.purpose,
            completion.state,
            completion.tokens_in,
            completion.tokens_out,
            completion.cost,
            round(completion.seconds, 3),
        )
        with self._lock:
            append_line(self.path, json.dumps(asdict(call)))


def append_line(path: Path, line: str) -> None:
    """A line more; a last one that a kill cut short stays alone, so that it spoils no other."""
    with path.open("ab+") as file:
        if file.seek(0, 2):
            file.seek(-1, 2)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write(line.encode() + b"\n")


@dataclass(frozen=True)
class Spent:
    """By a log. unpriced: calls whose price was unknown."""

    calls: int = 0
    dollars: float = 0.0
    unpriced: int = 0
    seconds: float = 0.0


def read_spent(path: Path, purpose: str | None = None) -> Spent:
    """All of the log, or the calls for one purpose. Lines that were cut short do not count."""
    calls, dollars, unpriced, seconds = 0, 0.0, 0, 0.0
    for line in path.read_bytes().splitlines() if path.exists() else ():
        try:
            call = LoggedCall(**json.loads(line))
        except (ValueError, TypeError):
            continue
        if purpose is None or call.purpose == purpose:
            calls, seconds = calls + 1, seconds + call.seconds
            dollars, unpriced = dollars + (call.cost or 0.0), unpriced + (call.cost is None)
    return Spent(calls, dollars, unpriced, seconds)
