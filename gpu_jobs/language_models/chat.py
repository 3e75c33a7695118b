"""A model's tokenizer and its chat template: how messages become tokens, for training and for answering alike.

Training reads exactly the prompt's tokens that answering starts from. Knows no task and no weights.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import BadInput
from core.models.encoders.encoder import without_surrogates

Message = Mapping[str, str]
"""role: system, user or assistant; content"""

PLAIN = (
    "{% for message in messages %}### {{ message['role'] | capitalize }}:\n{{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}\n\n{% endfor %}"
    "{% if add_generation_prompt %}### Assistant:\n{% endif %}"
)
"""for a tokenizer that brings no template: headings of plain text, an answer ends with the end token"""


@dataclass(frozen=True)
class EncodedExample:
    """ids: prompt and answer. answer: index of the answer's first token; all before it is the prompt's."""

    ids: tuple[int, ...]
    answer: int


def load_tokenizer(folder: Path) -> Any:
    """The folder's tokenizer with a chat template and a padding token. Raises BadInput where there is none."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise BadInput(f"{folder} holds no tokenizer that transformers can load: {_first_line(error)}") from error
    if tokenizer.eos_token is None:
        raise BadInput(f"The tokenizer in {folder} has no end token, so no answer would ever end. Name another model.")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token  # labels come from the answer's position, never from the padding
    if not tokenizer.chat_template:
        tokenizer.chat_template = PLAIN
    return tokenizer


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def prompt_text(tokenizer: Any, prompt: Sequence[Message]) -> str:
    """The prompt as the model reads it, up to its answer. Raises BadInput where the template refuses the messages."""
    return _apply(tokenizer, prompt, add_generation_prompt=True)


def encode_prompt(tokenizer: Any, prompt: Sequence[Message]) -> list[int]:
    """Tokens of `prompt_text`; special tokens come from the template alone."""
    return list(tokenizer(prompt_text(tokenizer, prompt), add_special_tokens=False)["input_ids"])


def encode_example(tokenizer: Any, prompt: Sequence[Message], completion: Sequence[Message]) -> EncodedExample:
    """The prompt's tokens, those of `encode_prompt`, and the answer's, with what the template ends it with.

    What a template writes between the two (Qwen 3: an empty thought) is no part of the answer and is left out.
    """
    whole = _apply(tokenizer, [*prompt, *completion], add_generation_prompt=False)
    answer = without_surrogates("".join(message["content"] for message in completion))
    before, text, tail = whole.rpartition(answer) if answer else ("", "", "")
    ending = tail if text and before else tokenizer.eos_token
    ids = encode_prompt(tokenizer, prompt)
    return EncodedExample((*ids, *tokenizer(answer + ending, add_special_tokens=False)["input_ids"]), len(ids))


def end_tokens(tokenizer: Any, model: Any) -> list[int]:
    """Tokens that end an answer: the tokenizer's, and those that the model's generation settings name."""
    named = getattr(model.generation_config, "eos_token_id", None)
    named = named if isinstance(named, list) else [named]
    return sorted({int(token) for token in (tokenizer.eos_token_id, *named) if token is not None})


def _apply(tokenizer: Any, messages: Sequence[Message], *, add_generation_prompt: bool) -> str:
    from jinja2.exceptions import TemplateError

    def rendered(turns: list[dict[str, str]]) -> str:
        return str(
            tokenizer.apply_chat_template(
                turns,
                tokenize=False,
                add_generation_prompt=add_generation_prompt,
                enable_thinking=False,  # of Qwen 3 and its kind; other templates do not read it
            )
        )

    clean = [{"role": one["role"], "content": without_surrogates(one["content"])} for one in messages]
    try:
        return rendered(clean)
    except TemplateError as error:  # Gemma's takes no system message
        merged = _without_system(clean)
        if merged == clean:
            raise BadInput(f"The model's chat template refuses the messages: {error}") from error
        return rendered(merged)


def _without_system(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """The system message put before the first user's."""
    if len(messages) < 2 or messages[0]["role"] != "system":
        return messages
    first = {"role": messages[1]["role"], "content": f"{messages[0]['content']}\n\n{messages[1]['content']}"}
    return [first, *messages[2:]]
