"""A language model in this process: a folder that transformers loads, perhaps with an adapter. Knows no task.

With a JSON Schema llguidance lets only tokens through that can still become a valid answer, so what ends is valid; what
meets the limit of tokens is cut, and nothing is repaired.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import BadInput
from core.language_models.answer_cache import AnswerCache
from core.language_models.remote_model import longest_answer, validated
from core.language_models.requests import Advance, ChatRequest, Completion, State, failed
from core.language_models.schemas import SEPARATORS, bounded, strip_answer
from core.language_models.spending import FREE, CallLog, Estimate, estimate
from core.models.encoders.torch_encoder import fingerprint_of
from gpu_jobs.language_models.causal import load_causal
from gpu_jobs.language_models.chat import encode_prompt, end_tokens

if TYPE_CHECKING:
    import torch
    from llguidance import LLMatcher, LLTokenizer

ENDPOINT = "local"


@dataclass
class _Row:
    """An answer in the making. matcher: of its schema. probabilities: of its tokens where there was a choice."""

    request: ChatRequest
    prompt: list[int]
    longest: int
    matcher: "LLMatcher | None"
    random: "torch.Generator | None"
    tokens: list[int] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)
    ended: bool = False
    state: State = "valid"
    message: str = ""


@dataclass
class LocalModel:
    """Made by `load_model`. name: in answers. version: of the weights, which a cached answer is of. batch: rows at a
    time. context: tokens that it reads and writes together.
    """

    name: str
    version: str
    model: Any
    tokenizer: Any
    context: int
    cache: AnswerCache
    log: CallLog = field(default_factory=CallLog)
    batch: int = 8
    calls: int = 0
    _guide: "LLTokenizer | None" = None

    def __post_init__(self) -> None:
        self._ends = frozenset(end_tokens(self.tokenizer, self.model))

    def complete(self, requests: Sequence[ChatRequest], report: Advance) -> list[Completion]:
        """Equal requests are answered once, known answers not at all. Prompts of a length go together."""
        missing = self.cache.missing(requests, self._key)
        done = len(requests) - len(missing)
        report(done, len(requests))
        failures: dict[str, Completion] = {}
        rows: list[tuple[str, _Row]] = []
        for key, request in missing.items():
            row = self._row(request)
            if isinstance(row, Completion):
                failures[key] = row
                done += 1
            else:
                rows.append((key, row))
        rows.sort(key=lambda pair: (-len(pair[1].prompt), pair[0]))
        for begin in range(0, len(rows), self.batch):
            piece = rows[begin : begin + self.batch]
            started = time.monotonic()
            self._generate([row for _, row in piece])
            seconds = (time.monotonic() - started) / len(piece)
            for key, row in piece:
                completion = self._completion(row, seconds)
                self.cache.add(key, completion)
                self.log.add(completion, ENDPOINT)
            self.calls += len(piece)
            done += len(piece)
            report(done, len(requests))
        return self.cache.collect(requests, self._key, failures)

    def dry_run(self, requests: Sequence[ChatRequest]) -> Estimate:
        """What answering would take."""
        missing = list(self.cache.missing(requests, self._key).values())
        known = len({self._key(request) for request in requests}) - len(missing)
        return estimate(missing, known, [longest_answer(request) for request in missing], FREE)

    def _key(self, request: ChatRequest) -> str:
        return request.key(self.version, ENDPOINT)

    def _row(self, request: ChatRequest) -> _Row | Completion:
        """Failed where the prompt and the longest answer do not fit, or the schema cannot be held to."""
        import torch

        prompt = encode_prompt(self.tokenizer, [vars(message) for message in request.messages])
        longest = longest_answer(request)
        if len(prompt) + 1 >= self.context:
            message = f"The prompt has {len(prompt):,} tokens, and the model reads {self.context:,}. Shorten the text."
            return failed(request, self.name, message)
        longest = min(longest, self.context - len(prompt))
        matcher = None
        if request.json_schema is not None:
            matcher = self._matcher(request)
            if matcher.is_error():
                return failed(request, self.name, f"The schema cannot be held to: {matcher.get_error()[:200]}")
        random = None
        if request.temperature > 0:
            random = torch.Generator(device="cpu").manual_seed(request.seed)
        return _Row(request, list(prompt), longest, matcher, random)

    def _matcher(self, request: ChatRequest) -> "LLMatcher":
        from llguidance import LLMatcher
        from llguidance.hf import from_tokenizer

        if self._guide is None:
            size = int(self.model.get_output_embeddings().weight.shape[0])
            self._guide = from_tokenizer(self.tokenizer, n_vocab=size, eos_token=self.tokenizer.eos_token_id)
        between, after = SEPARATORS
        grammar = LLMatcher.grammar_from_json_schema(
            json.dumps(bounded(request.json_schema)),
            overrides={"whitespace_flexible": False, "item_separator": between, "key_separator": after},
        )
        return LLMatcher(self._guide, grammar, log_level=0)

    def _generate(self, rows: Sequence[_Row]) -> None:
        """Padded on the left; a row that has ended is fed its end token until all have."""
        import torch

        end = self.tokenizer.eos_token_id
        widest = max(len(row.prompt) for row in rows)
        ids = torch.tensor([[end] * (widest - len(row.prompt)) + row.prompt for row in rows])
        mask = torch.tensor([[0] * (widest - len(row.prompt)) + [1] * len(row.prompt) for row in rows])
        device = self.model.device
        ids, mask, past = ids.to(device), mask.to(device), None
        with torch.inference_mode():
            while True:
                positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
                output = self.model(
                    input_ids=ids,
                    attention_mask=mask,
                    position_ids=positions,
                    past_key_values=past,
                    use_cache=True,
                    logits_to_keep=1,
                )
                past = output.past_key_values
                logits = output.logits[:, -1].float().cpu()
                chosen = [end if row.ended else self._choose(row, logits[index]) for index, row in enumerate(rows)]
                if all(row.ended for row in rows):
                    return
                ids = torch.tensor([[token] for token in chosen], device=device)
                mask = torch.cat([mask, torch.ones((len(rows), 1), dtype=mask.dtype, device=device)], 1)

    def _choose(self, row: _Row, logits: "torch.Tensor") -> int:
        """The next token of a row, and whether it has ended by it. logits: (vocabulary,)."""
        import torch

        end = int(self.tokenizer.eos_token_id)
        if row.matcher is not None:
            if row.matcher.is_stopped():  # complete: only the end may follow
                row.ended = True
                if row.matcher.is_error():
                    row.state, row.message = "invalid", row.matcher.get_error()[:200]
                return end
            bits = np_bits(row.matcher.compute_bitmask(), len(logits))
            logits = logits.masked_fill(~torch.from_numpy(bits), float("-inf"))
        if len(row.tokens) >= row.longest:
            row.ended, row.state, row.message = True, "cut", "The answer reached the limit of tokens."
            return end
        probabilities = torch.softmax(logits / (row.request.temperature or 1.0), -1)
        if row.random is None:
            token = int(logits.argmax())
        else:
            token = int(torch.multinomial(probabilities, 1, generator=row.random))
        if row.matcher is None or int((logits > float("-inf")).sum()) > 1:
            row.probabilities.append(float(probabilities[token]))
        if token in self._ends:
            row.ended = True
            return end
        row.tokens.append(token)
        if row.matcher is not None:
            row.matcher.consume_token(token)
        return token

    def _completion(self, row: _Row, seconds: float) -> Completion:
        text = self.tokenizer.decode(row.tokens, skip_special_tokens=True)
        values = row.probabilities
        joint = 1.0
        for value in values:
            joint *= value
        completion = Completion(
            id=row.request.id,
            state=row.state,
            text=text.strip() if row.matcher is not None else strip_answer(text),
            confidence=sum(values) / len(values) if values else 1.0,
            joint=joint,
            tokens_in=len(row.prompt),
            tokens_out=len(row.tokens),
            cost=0.0,
            seconds=seconds,
            model=self.name,
            message=row.message,
        )
        return completion if row.message else validated(completion, row.request.json_schema)


def np_bits(mask: bytes, size: int) -> Any:
    """(size,) bools from one bit a token, the lowest first."""
    import numpy as np

    bits = np.unpackbits(np.frombuffer(mask, np.uint8), bitorder="little")[:size]
    return np.pad(bits, (0, size - len(bits))).astype(bool)


def load_model(
    folder: Path, adapter: Path | None, cache: AnswerCache, *, name: str = "", threads: int = 0
) -> LocalModel:
    """Raises BadInput for a folder that holds no such model, or an adapter of another one."""
    causal = load_causal(folder, threads=threads)
    model = causal.model
    if adapter is not None:
        from peft import PeftModel

        try:
            model = PeftModel.from_pretrained(model, str(adapter), local_files_only=True)
        except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
            first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
            raise BadInput(f"{adapter} is no adapter of {folder} that can be loaded: {first[:300]}") from error
    limits = (causal.longest, int(causal.tokenizer.model_max_length))
    context = min(limit for limit in limits if limit > 0)
    version = fingerprint_of(folder) + (fingerprint_of(adapter) if adapter else "")
    return LocalModel(name or folder.name, version, model.eval(), causal.tokenizer, context, cache)
