"""What a language model is asked and what it answers, and their files. Knows no model, no task and no store."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from core.errors import Damaged
from core.store.whole_files import whole_file
from core.typed_json import from_json, to_json

Schema = Mapping[str, object]
Tokens = tuple[Mapping[str, float], ...]
"""for each token of an answer those that might have stood there, with their log probabilities"""
State = Literal["valid", "invalid", "cut", "refused", "failed"]
STATES: tuple[State, ...] = ("valid", "invalid", "cut", "refused", "failed")
Advance = Callable[[int, int], None]
"""(done, total) after each answer"""


@dataclass(frozen=True)
class Message:
    """One turn of a chat. role: system, user or assistant."""

    role: str
    content: str


@dataclass(frozen=True)
class ChatRequest:
    """id: the caller's. json_schema: that the answer must fit. max_tokens: of the answer, 0: as many as the longest
    answer of the schema may have. temperature: 0 for the likeliest answer; seed: of another one. logprobs: with the
    tokens' probabilities, where they are offered; alternatives: and of so many others at each token.
    """

    id: str
    messages: tuple[Message, ...]
    json_schema: Schema | None = None
    max_tokens: int = 0
    temperature: float = 0.0
    seed: int = 0
    logprobs: bool = False
    alternatives: int = 0

    def key(self, model: str, endpoint: str) -> str:
        """Hash of all that the answer depends on; the id is not among it."""
        values = to_json(self)
        if not isinstance(values, dict):
            raise TypeError("a request is an object")
        text = json.dumps([endpoint, model, {**values, "id": ""}], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Completion:
    """An answer. id: of its request. text: as it came, without thoughts and code fences. value: its JSON, where a
    schema was requested and it is valid.

    state: valid; invalid: no JSON, or not of the schema; cut: at the limit of tokens, or the prompt was; refused: the
    model would not; failed: there is no answer. message: why it is not valid. confidence: mean probability of its
    tokens, joint: of the whole answer, of tokens between which there was a choice; None where they are not offered.
    cost: US dollars, None where the price is unknown. seconds: that it took, 0 from the cache. tokens: see `Tokens`.
    """

    id: str
    state: State
    text: str = ""
    value: object = None
    confidence: float | None = None
    joint: float | None = None
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float | None = None
    seconds: float = 0.0
    model: str = ""
    message: str = ""
    tokens: Tokens = ()


class LanguageModel(Protocol):
    """A model that answers chats: at a server, or in this process."""

    def complete(self, requests: Sequence[ChatRequest], report: Advance) -> list[Completion]:
        """An answer for each request, in their order; raises nothing for a single one that fails."""


def failed(request: ChatRequest, model: str, message: str) -> Completion:
    """No answer, and why."""
    return Completion(request.id, "failed", model=model, message=message)


@dataclass(frozen=True)
class AnswerCounts:
    """Of some completions. states: how many are in each. cost: of those whose price is known; None: of none."""

    states: Mapping[str, int] = field(default_factory=dict)
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float | None = None
    failure: str = ""
    """of the first that failed"""


def count_answers(completions: Iterable[Completion]) -> AnswerCounts:
    """Their states, tokens and cost."""
    completions = list(completions)
    states = [one.state for one in completions]
    costs = [one.cost for one in completions if one.cost is not None]
    return AnswerCounts(
        {state: states.count(state) for state in STATES},
        sum(one.tokens_in for one in completions),
        sum(one.tokens_out for one in completions),
        sum(costs) if costs else None,
        next((one.message for one in completions if one.state == "failed"), ""),
    )


def write_requests(path: Path, requests: Iterable[ChatRequest]) -> None:
    """A JSON object a line."""
    _write(path, (to_json(request) for request in requests))


def read_requests(path: Path) -> list[ChatRequest]:
    """Raises Damaged."""
    return [from_json(ChatRequest, value, f"A request in {path.name}") for value in _read(path)]


def write_completions(path: Path, completions: Iterable[Completion]) -> None:
    """A JSON object a line, in the order of the requests."""
    _write(path, (to_json(one) for one in completions))


def read_completions(path: Path) -> list[Completion]:
    """Raises Damaged."""
    return [from_json(Completion, value, f"An answer in {path.name}") for value in _read(path)]


def _write(path: Path, values: Iterable[object]) -> None:
    with whole_file(path) as partial, partial.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(value) + "\n" for value in values)


def _read(path: Path) -> list[object]:
    try:
        return [json.loads(line) for line in path.read_bytes().splitlines() if line]
    except (OSError, ValueError) as error:
        raise Damaged(f"{path} cannot be read ({error}). Run the job again.") from None
