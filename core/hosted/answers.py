"""Asking a hosted model many questions: few at a time, each once, within a budget. Knows chats, no task."""

import hashlib
import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import RondoError
from core.hosted.client import Connection, call, fields_of
from core.hosted.training_data import Message

if TYPE_CHECKING:
    from openai import OpenAI

Chat = tuple[Message, ...]
Tokens = tuple[Mapping[str, float], ...]
"""for each token of an answer those that might have stood there, with their log probabilities"""
ALTERNATIVES = 10
LONGEST_ANSWER = 32
"""tokens"""


class HostedUnavailable(RondoError):
    """A hosted model gave no answers: unreachable, refused, or over the budget. The caller does without it."""


@dataclass(frozen=True)
class ChatAnswer:
    """text: empty where the model refused. tokens: empty where the provider gives no log probabilities."""

    text: str
    tokens: Tokens = ()


@dataclass
class AnswerCache:
    """Answers by the hash of model and chat, in a file of JSON lines that is only added to. It holds no question."""

    path: Path | None = None
    _answers: dict[str, ChatAnswer] = field(default_factory=dict)
    _writing: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        for line in self._lines():
            try:
                stored = json.loads(line)
                self._answers[stored["key"]] = ChatAnswer(stored["text"], tuple(stored["tokens"]))
            except (ValueError, KeyError, TypeError):  # a kill cut it short: it is asked again
                continue

    def get(self, key: str) -> ChatAnswer | None:
        """None where it was never asked."""
        return self._answers.get(key)

    def add(self, key: str, answer: ChatAnswer) -> None:
        """In memory and in the file."""
        line = json.dumps({"key": key, "text": answer.text, "tokens": answer.tokens}, ensure_ascii=False)
        with self._writing:
            self._answers[key] = answer
            if self.path is not None:
                with self.path.open("ab") as file:
                    if file.tell() and not self._ends_whole():
                        file.write(b"\n")
                    file.write(line.encode() + b"\n")

    def _lines(self) -> Iterable[bytes]:
        return self.path.read_bytes().splitlines() if self.path is not None and self.path.exists() else ()

    def _ends_whole(self) -> bool:
        if self.path is None:
            return True
        with self.path.open("rb") as file:
            file.seek(-1, 2)
            return file.read(1) == b"\n"


@dataclass
class HostedModel:
    """A model and what asking it may take. budget: requests that may still be made. workers: at a time.

    base_url is part of what a cached answer is of: the same name elsewhere is another model.
    """

    model: str
    connection: Connection
    cache: AnswerCache
    budget: int
    workers: int = 4
    logprobs: bool = True
    requests: int = 0
    _counting: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, chats: Sequence[Chat]) -> list[ChatAnswer]:
        """An answer for each chat, equal ones asked once. Raises HostedUnavailable; what was answered is kept."""
        missing = self.require_budget(chats)
        if missing:
            self._ask_all(missing)
        answers = [self.cache.get(self._key(chat)) for chat in chats]
        return [answer for answer in answers if answer is not None]

    def require_budget(self, chats: Sequence[Chat]) -> Mapping[str, Chat]:
        """Those that are not in the cache, by key. Raises HostedUnavailable where they are more than may be asked."""
        missing = {key: chat for chat in chats if self.cache.get(key := self._key(chat)) is None}
        if len(missing) > self.budget - self.requests:
            left = max(self.budget - self.requests, 0)
            raise HostedUnavailable(
                f"{len(missing):,} questions to {self.model} are new, and {left:,} of the budget of {self.budget:,} "
                "are left. Ask for fewer, or raise the budget."
            )
        return missing

    def _key(self, chat: Chat) -> str:
        asked_of = [str(self.connection.client.base_url), self.model, [vars(message) for message in chat]]
        return hashlib.sha256(json.dumps(asked_of).encode()).hexdigest()

    def _ask_all(self, missing: Mapping[str, Chat]) -> None:
        with ThreadPoolExecutor(self.workers, "hosted") as pool:
            futures = [pool.submit(self._ask_one, key, chat) for key, chat in missing.items()]
            ended, waiting = wait(futures, return_when=FIRST_EXCEPTION)
            for future in waiting:
                future.cancel()
        for future in ended:
            try:
                future.result()
            except RondoError as error:
                raise HostedUnavailable(str(error)) from None

    def _ask_one(self, key: str, chat: Chat) -> None:
        with self._counting:
            self.requests += 1
        self.cache.add(key, call(self.connection, f"Asking {self.model}", lambda: self._request(chat)))

    def _request(self, chat: Chat) -> ChatAnswer:
        import openai

        if self.logprobs:
            try:
                return _read(_complete(self.connection.client, self.model, chat, ALTERNATIVES))
            except openai.BadRequestError as error:
                if "logprob" not in str(error).lower():
                    raise
                self.logprobs = False  # for good: this model, or this server, gives none
        return _read(_complete(self.connection.client, self.model, chat, 0))


def _complete(client: "OpenAI", model: str, chat: Chat, alternatives: int) -> object:
    extra: dict[str, object] = {"logprobs": True, "top_logprobs": alternatives} if alternatives else {}
    return client.chat.completions.create(
        model=model,
        messages=[vars(message) for message in chat],
        temperature=0,
        max_tokens=LONGEST_ANSWER,
        extra_body=extra,
    )


def _read(completion: object) -> ChatAnswer:
    choices = fields_of(completion).get("choices")
    if not isinstance(choices, list) or not choices:
        raise ValueError("it has no choices")
    choice = fields_of(choices[0])
    content = fields_of(choice.get("message")).get("content")
    return ChatAnswer(content if isinstance(content, str) else "", _tokens(choice.get("logprobs")))


def _tokens(logprobs: object) -> Tokens:
    """Empty for what is missing or of another form: the text still counts."""
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not isinstance(content, list):
        return ()
    result: list[dict[str, float]] = []
    for token in content:
        top = token.get("top_logprobs") if isinstance(token, dict) else None
        pairs = [one for one in [token, *(top or ())] if isinstance(one, dict)]
        result.append(
            {
                str(one["token"]): float(one["logprob"])
                for one in reversed(pairs)
                if isinstance(one.get("token"), str) and isinstance(one.get("logprob"), int | float)
            }
        )
    return tuple(result)
