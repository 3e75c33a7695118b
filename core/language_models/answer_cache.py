"""Answers by the hash of their request, in a file that is only added to. It holds no question."""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from core.errors import BadInput
from core.language_models.requests import ChatRequest, Completion
from core.language_models.spending import append_line
from core.typed_json import from_json, to_json


@dataclass
class AnswerCache:
    """In memory, and in a file of JSON lines where there is one. What failed is not cached."""

    path: Path | None = None
    _answers: dict[str, Completion] = field(default_factory=dict)
    _writing: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        lines = self.path.read_bytes().splitlines() if self.path is not None and self.path.exists() else ()
        for line in lines:
            try:
                stored = json.loads(line)
                self._answers[stored["key"]] = from_json(Completion, stored["answer"], "A cached answer")
            except (ValueError, KeyError, TypeError, BadInput):  # a kill cut it short, or it is of an older form
                continue

    def get(self, key: str, request_id: str) -> Completion | None:
        """As an answer to this request, free and at once; None where it was never answered."""
        answer = self._answers.get(key)
        return None if answer is None else replace(answer, id=request_id, seconds=0.0)

    def add(self, key: str, answer: Completion) -> None:
        """In memory and in the file."""
        if answer.state == "failed":
            return
        stored = replace(answer, id="")
        with self._writing:
            self._answers[key] = stored
            if self.path is not None:
                append_line(self.path, json.dumps({"key": key, "answer": to_json(stored)}))

    def missing(self, requests: Sequence[ChatRequest], key: Callable[[ChatRequest], str]) -> dict[str, ChatRequest]:
        """Those whose answers are not known, one of each, by key."""
        keyed = {key(request): request for request in requests}
        return {name: request for name, request in keyed.items() if name not in self._answers}

    def collect(
        self,
        requests: Sequence[ChatRequest],
        key: Callable[[ChatRequest], str],
        failures: Mapping[str, Completion],
    ) -> list[Completion]:
        """An answer for each request: a known one, or why there is none, by key."""
        return [self.get(key(one), one.id) or replace(failures[key(one)], id=one.id) for one in requests]
