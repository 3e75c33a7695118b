"""The job that writes training data as text, by the chat template of a model's tokenizer. Knows no store."""

from dataclasses import dataclass

from core.jobs.kinds import JobKind

CHATS, TEXTS = "chats.jsonl", "texts.jsonl"
"""of `in/`, a prompt and its completion a line; of `out/`, {"id", "text"} a line"""


@dataclass(frozen=True)
class RenderParams:
    """base: a language model by name, or a folder; its weights are not read."""

    base: str


@dataclass(frozen=True)
class RenderResult:
    """template: what the tokenizer brings, or "plain" where it brings none."""

    examples: int
    template: str


RENDER_CHATS = JobKind("render_chats", RenderParams, RenderResult)
