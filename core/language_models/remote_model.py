"""A language model behind any server that speaks OpenAI's API: vLLM, llama.cpp, Ollama, a provider. Knows no task.

What comes back is validated here, whatever a server promised about structure.
"""

import json
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from math import exp
from typing import Literal, TypeVar

from core.errors import RondoError
from core.language_models.answer_cache import AnswerCache
from core.language_models.client import Connection, call, error_text, fields_of
from core.language_models.requests import Advance, ChatRequest, Completion, Message, Schema, Tokens, failed
from core.language_models.schemas import answer_tokens, bounded, is_strict, read_value, strip_answer
from core.language_models.spending import Budget, BudgetSpent, CallLog, Estimate, estimate, estimate_tokens

Form = Literal["json_schema", "json_object", "text"]
"""how a server is asked for JSON of a schema"""
FORMS: tuple[Form, ...] = ("json_schema", "json_object", "text")
FREE_TEXT_TOKENS = 512
"""of an answer without a schema and a limit of its own"""
REJECTED = (400, 413, 422)
"""statuses that are about this one request: too long a prompt, a text that a filter refuses"""
REJECTED_IN_A_ROW = 5
"""from which, where none was ever answered, no more are made"""
LONG_PROMPT = 1_024
"""tokens from which a prompt may be cut: the smallest context that servers set by themselves is twice as long"""
CUT_SHARE = 0.75
"""of the tokens that short prompts let expect: with fewer a prompt counts as cut"""
CONTEXTS = tuple(2**power for power in range(11, 18))
"""tokens that servers cut at: a prompt of exactly so many, where about so many or more were expected, counts as cut"""
OPTIONAL = ("top_logprobs", "logprobs", "seed", "temperature", "max_tokens")
"""parameters that some models refuse"""
PROBE_SCHEMA: Schema = {
    "type": "object",
    "properties": {"fruit": {"type": "string", "enum": ["quince", "medlar"]}},
    "required": ["fruit"],
    "additionalProperties": False,
}

T = TypeVar("T")


class ModelUnavailable(RondoError):
    """A language model gave no answers: unreachable, refused, or over the budget. The caller does without it."""


@dataclass(frozen=True)
class _Rejection:
    """message: why a server would not take one request."""

    message: str


@dataclass
class RemoteModel:
    """A model at a server, and what asking it may take. workers: requests at a time. form: how it is asked for JSON,
    None until it was probed.

    The address is part of what a cached answer is of: the same name elsewhere is another model.
    """

    model: str
    connection: Connection
    cache: AnswerCache
    budget: Budget
    log: CallLog = field(default_factory=CallLog)
    workers: int = 4
    form: Form | None = None
    _unsupported: set[str] = field(default_factory=set)
    _failure: str = ""
    _rejected: int = 0
    _ratios: list[float] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def endpoint(self) -> str:
        """The server's address."""
        return str(self.connection.client.base_url)

    @property
    def logprobs(self) -> bool:
        """Whether the server gives probabilities of tokens, as far as it is known."""
        return "logprobs" not in self._unsupported

    def complete(self, requests: Sequence[ChatRequest], report: Advance) -> list[Completion]:
        """Equal requests are made once, known answers not at all. Where the server is unreachable, will not, or the
        budget is spent, the rest is `failed` with that reason; what was answered before stays in the cache.
        """
        missing = self.cache.missing(requests, self._key)
        failures: dict[str, Completion] = {}
        done = len(requests) - len(missing)
        report(done, len(requests))
        self._failure = ""
        if any(request.json_schema is not None for request in missing.values()):
            self._probe()
        with ThreadPoolExecutor(self.workers, "language-model") as pool:
            futures = [pool.submit(self._complete_one, key, request) for key, request in missing.items()]
            try:
                for future in as_completed(futures):
                    key, completion = future.result()
                    if completion.state == "failed":
                        failures[key] = completion
                    done += 1
                    report(done, len(requests))
            except BaseException:
                self._failure = "It was stopped."
                raise
        return self.cache.collect(requests, self._key, failures)

    def require_budget(self, requests: Sequence[ChatRequest]) -> None:
        """Raises ModelUnavailable where they are more than may be made."""
        missing = self.cache.missing(requests, self._key)
        if len(missing) > self.budget.left:
            raise ModelUnavailable(
                f"{len(missing):,} questions to {self.model} are new, and {self.budget.left:,} of the budget of "
                f"{self.budget.calls:,} are left. Ask for fewer, or raise the budget."
            )

    def dry_run(self, requests: Sequence[ChatRequest]) -> Estimate:
        """What asking would take; nothing is sent."""
        missing = list(self.cache.missing(requests, self._key).values())
        known = len({self._key(request) for request in requests}) - len(missing)
        return estimate(missing, known, [longest_answer(request) for request in missing], self.budget.price)

    def _key(self, request: ChatRequest) -> str:
        return request.key(self.model, self.endpoint)

    def _probe(self) -> None:
        """Tries how the server takes a schema, once: some refuse it, others accept and ignore it."""
        if self.form is not None or self._failure:
            return
        messages = (Message("user", "Name any vegetable. Answer in JSON."),)
        request = ChatRequest("probe", messages, PROBE_SCHEMA, max_tokens=64)
        for form in FORMS[:-1]:
            completion = self._ask(request, form)
            if self._failure:
                return
            enforced = completion.state == "valid" if form == "json_schema" else _is_object(completion.text)
            if enforced:
                self.form = form
                return
        self.form, self._rejected = "text", 0

    def _complete_one(self, key: str, request: ChatRequest) -> tuple[str, Completion]:
        completion = self._ask(request, self.form or "text")
        self.cache.add(key, completion)
        return key, completion

    def _ask(self, request: ChatRequest, form: Form) -> Completion:
        """One call, and its line in the log. What ends all further ones is kept in `_failure`."""
        if self._failure:
            return failed(request, self.model, self._failure)
        longest = longest_answer(request)
        try:
            reserved = self.budget.reserve(request, longest)
        except BudgetSpent as error:
            self._failure = str(error)
            return failed(request, self.model, self._failure)
        started = time.monotonic()
        completion = failed(request, self.model, "It was stopped.")
        try:
            body = self._body(request, form, longest)
            reply = call(self.connection, f"Asking {self.model}", lambda: self._send(body, request))
            completion = self._rejection(request, reply) if isinstance(reply, _Rejection) else reply
        except RondoError as error:
            self._failure = str(error)
            completion = failed(request, self.model, self._failure)
        finally:  # whatever happens, others wait for what was reserved
            cost = self.budget.settle(reserved, completion.tokens_in, completion.tokens_out)
            completion = replace(completion, cost=cost, seconds=time.monotonic() - started)
            self.log.add(completion, self.endpoint)
        self._rejected = self._rejected if completion.state == "failed" else 0
        return completion

    def _rejection(self, request: ChatRequest, rejection: _Rejection) -> Completion:
        with self._lock:
            self._rejected += 1
            if self._rejected >= REJECTED_IN_A_ROW:
                self._failure = f"Asking {self.model}: it rejects one request after the other: {rejection.message}"
        return failed(request, self.model, rejection.message)

    def _body(self, request: ChatRequest, form: Form, longest: int) -> dict[str, object]:
        messages = [vars(message) for message in _with_schema(request, form)]
        body: dict[str, object] = {"messages": messages, "max_tokens": longest}
        body |= {"temperature": request.temperature}
        body |= {"seed": request.seed} if request.temperature else {}
        if request.logprobs or request.alternatives:
            body |= {"logprobs": True}
            body |= {"top_logprobs": request.alternatives} if request.alternatives else {}
        if request.json_schema is not None and form == "json_schema":
            schema = bounded(request.json_schema)
            described = {"name": "answer", "schema": schema, "strict": is_strict(schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": described}
        elif request.json_schema is not None and form == "json_object":
            body["response_format"] = {"type": "json_object"}
        return body

    def _send(self, body: Mapping[str, object], request: ChatRequest) -> Completion | _Rejection:
        """Parameters that the model refuses are left out from then on."""
        import openai

        client = self.connection.client
        messages = body["messages"]
        while True:
            extra = {name: value for name, value in body.items() if name not in {*self._unsupported, "messages"}}
            if "max_tokens" in self._unsupported:
                extra["max_completion_tokens"] = body["max_tokens"]
            try:
                reply = client.chat.completions.create(model=self.model, messages=messages, extra_body=extra)
                return self._read(reply, request)
            except openai.APIStatusError as error:
                refused = self._refused_parameter(str(error).lower(), extra)
                if error.status_code == 400 and refused:
                    self._unsupported |= refused
                elif error.status_code in REJECTED:
                    return _Rejection(error_text(self.connection, error))
                else:
                    raise

    def _refused_parameter(self, message: str, sent: Mapping[str, object]) -> set[str]:
        for name in OPTIONAL:
            if name in sent and (name in message or (name == "logprobs" and "logprob" in message)):
                return {"logprobs", "top_logprobs"} if name == "logprobs" else {name}
        return set()

    def _read(self, reply: object, request: ChatRequest) -> Completion:
        """Raises ValueError for a reply without an answer, which `call` turns into the one clear error."""
        fields = fields_of(reply)
        choices = fields.get("choices")
        if not isinstance(choices, list) or not choices:
            raise ValueError("it has no choices")
        choice = fields_of(choices[0])
        message = fields_of(choice.get("message"))
        content, refusal = message.get("content"), message.get("refusal")
        text = strip_answer(content) if isinstance(content, str) else ""
        tokens = _tokens(choice.get("logprobs"))
        completion = Completion(
            id=request.id,
            state="valid",
            text=text,
            confidence=_mean_probability(choice.get("logprobs")),
            joint=_joint_probability(choice.get("logprobs")),
            tokens_in=_usage(fields, "prompt_tokens") or estimate_tokens(request.messages),
            tokens_out=_usage(fields, "completion_tokens") or estimate_tokens((Message("", text),)),
            model=self.model,
            tokens=tokens if request.alternatives else (),
        )
        if self._prompt_cut(request, _usage(fields, "prompt_tokens")):
            return replace(completion, state="cut", message=self._cut_sentence(request, completion.tokens_in))
        if choice.get("finish_reason") == "length":
            return replace(completion, state="cut", message="The answer reached the limit of tokens.")
        if isinstance(refusal, str) and refusal:
            return replace(completion, state="refused", message=refusal[:200])
        if not text:
            return replace(completion, state="refused", message="The answer is empty.")
        return validated(completion, request.json_schema)

    def _prompt_cut(self, request: ChatRequest, read: int | None) -> bool:
        """Whether the server read clearly fewer tokens than the prompt has, as short prompts let expect: Ollama cuts
        at its context without a word."""
        if not read:
            return False
        expected = estimate_tokens(request.messages)
        with self._lock:
            if expected < LONG_PROMPT:
                self._ratios.append(read / expected)
                return False
            ratio = min(1.0, *self._ratios) if len(self._ratios) >= 3 else 0.5
        return read / expected < CUT_SHARE * ratio or (read in CONTEXTS and expected * ratio > 0.95 * read)

    def _cut_sentence(self, request: ChatRequest, read: int) -> str:
        return (
            f"The server read {read:,} tokens of a prompt of about {estimate_tokens(request.messages):,}: it cuts "
            "prompts. Raise its context (Ollama: OLLAMA_CONTEXT_LENGTH), or shorten the texts."
        )


def longest_answer(request: ChatRequest) -> int:
    """Tokens that the answer may have."""
    if request.max_tokens:
        return request.max_tokens
    if request.json_schema is None:
        return FREE_TEXT_TOKENS
    schema = bounded(request.json_schema)
    return answer_tokens(schema) if isinstance(schema, Mapping) else FREE_TEXT_TOKENS


def validated(completion: Completion, schema: Schema | None) -> Completion:
    """With its value, or invalid and why; without a schema any text is valid."""
    if schema is None:
        return completion
    value, message = read_value(completion.text, schema)
    return replace(completion, state="invalid" if message else "valid", value=value, message=message)


def _with_schema(request: ChatRequest, form: Form) -> tuple[Message, ...]:
    """Where the server does not hold to a schema it stands in the prompt."""
    if request.json_schema is None or form == "json_schema":
        return request.messages
    schema = json.dumps(request.json_schema, ensure_ascii=False)
    last = request.messages[-1]
    addition = f"\n\nAnswer with JSON alone, which fits this JSON Schema: {schema}"
    return (*request.messages[:-1], Message(last.role, last.content + addition))


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _usage(fields: Mapping[str, object], name: str) -> int | None:
    usage = fields.get("usage")
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and value >= 0 else None


def _content(logprobs: object) -> list[dict[str, object]]:
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    return [token for token in content if isinstance(token, dict)] if isinstance(content, list) else []


def _logprobs(logprobs: object) -> list[float]:
    values = [token.get("logprob") for token in _content(logprobs)]
    return [min(float(value), 0.0) for value in values if isinstance(value, int | float)]


def _mean_probability(logprobs: object) -> float | None:
    values = _logprobs(logprobs)
    return sum(exp(value) for value in values) / len(values) if values else None


def _joint_probability(logprobs: object) -> float | None:
    values = _logprobs(logprobs)
    return exp(sum(values)) if values else None


def _tokens(logprobs: object) -> Tokens:
    """Empty for what is missing or of another form: the text still counts."""
    result: list[dict[str, float]] = []
    for token in _content(logprobs):
        top = token.get("top_logprobs")
        pairs = [one for one in [token, *(top if isinstance(top, list) else ())] if isinstance(one, dict)]
        result.append(
            {
                str(one["token"]): float(one["logprob"])
                for one in reversed(pairs)
                if isinstance(one.get("token"), str) and isinstance(one.get("logprob"), int | float)
            }
        )
    return tuple(result)
