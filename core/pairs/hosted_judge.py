"""A hosted language model that decides on pairs. Knows prompts, not HTTP."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

import numpy as np

from core.arrays import Floats
from core.language_models.remote_model import ModelUnavailable, RemoteModel
from core.language_models.requests import ChatRequest, Completion
from core.pairs.training_examples import prompt

ALTERNATIVES = 10
LONGEST_ANSWER = 32
"""tokens"""


@dataclass
class HostedJudge:
    """Answers are cached by model and prompt, so a pair costs once, whichever side is left."""

    hosted: RemoteModel

    def predict(self, pairs: Sequence[tuple[str, str]]) -> Floats:
        """(n,) probability that the two are the same; NaN where the model answered what is no decision.

        From log probabilities where they are offered, else 1 or 0. Raises ModelUnavailable, and over the budget nothing
        is asked; what was answered is kept.
        """
        requests = chat_requests(pairs)
        self.hosted.require_budget(requests)
        answers = self.hosted.complete(requests, lambda done, total: None)
        for answer in answers:
            if answer.state == "failed":
                raise ModelUnavailable(answer.message)
        return np.array([probability(answer) for answer in answers], np.float64)


def chat_requests(pairs: Sequence[tuple[str, str]]) -> list[ChatRequest]:
    """One for each pair, named by its index."""
    return [
        ChatRequest(str(number), prompt(left, right), max_tokens=LONGEST_ANSWER, alternatives=ALTERNATIVES)
        for number, (left, right) in enumerate(pairs)
    ]


def probability(answer: Completion) -> float:
    """That the two are the same, NaN for what is no decision. Code fences around the JSON are tolerated."""
    decided = _decision(answer.text)
    if decided is None:
        return float("nan")
    shares = _shares(answer)
    return shares if shares is not None and (shares > 0.5) == decided else float(decided)


def _decision(text: str) -> bool | None:
    begin, end = text.find("{"), text.rfind("}")
    try:
        value = json.loads(text[begin : end + 1]) if 0 <= begin < end else None
    except (ValueError, RecursionError):
        return None
    same = value.get("same") if isinstance(value, dict) else None
    return same if isinstance(same, bool) else None


def _shares(answer: Completion) -> float | None:
    """At the first token where both decisions might have stood, the share of `true`; None where there is none."""
    for alternatives in answer.tokens:
        true = sum(exp(value) for token, value in alternatives.items() if _begins(token, "true"))
        false = sum(exp(value) for token, value in alternatives.items() if _begins(token, "false"))
        if true + false > 0.5:
            return true / (true + false)
    return None


def _begins(token: str, word: str) -> bool:
    """Whether the token begins this word: `true`, ` tr`, `:true`."""
    plain = token.strip().lstrip(':"').strip().rstrip("}").strip().lower()
    return bool(plain) and word.startswith(plain)
