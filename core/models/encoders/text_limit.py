"""How much of a text an encoder reads, by its tokenizer alone. Knows files of models; no weights, no records."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.errors import BadInput, Damaged
from core.models.encoders.encoder import EMBEDDED, FEATURES, JOINED, MULTILINGUAL, embedded_folder, without_surrogates
from core.models.encoders.loading import encoder_source
from core.models.encoders.multilingual import CHARACTERS

CUT = 5
"""characters per token looked at first, more only where these hold too few tokens: a book would take a second"""


@dataclass(frozen=True)
class TextLimit:
    """longest: tokens that count, those at both ends that the tokenizer adds among them."""

    tokenizer: Any
    longest: int

    def read(self, text: str) -> int:
        """How many characters of the text count, as browsers count them (an emoji is two)."""
        text = without_surrogates(text)
        cut = CUT * self.longest
        while (end := self._end(text[:cut])) == min(cut, len(text)) < len(text):
            cut *= 2
        return _units(text[:end])

    def _end(self, text: str) -> int:
        """Where the last token that counts ends; the whole text where all do."""
        if len(text.encode()) < self.longest - 1:  # no token has less than a byte, two stand at the ends
            return len(text)
        encoding = self.tokenizer.encode(text)
        return max((end for _, end in encoding.offsets), default=0) if encoding.overflowing else len(text)


def _units(text: str) -> int:
    return len(without_surrogates(text).encode("utf-16-le")) // 2


def characters_read(models: Path, cache: Path, encoder: str, texts: Sequence[str]) -> list[int | None]:
    """Of each text; None where the encoder's tokenizer is not on this machine or of an unknown kind.

    models: a folder of models; cache: where fetched encoders are kept.
    """
    if encoder in (MULTILINGUAL, JOINED):  # of both together the one that reads on
        return [_units(text[: len(text) - len(text.lstrip()) + CHARACTERS]) for text in texts]
    try:
        folder = embedded_folder() if encoder == EMBEDDED else _folder(encoder_source(models, encoder), cache)
    except (BadInput, Damaged):
        folder = None
    limit = _limit(folder) if folder else None
    return [limit.read(text) if limit else None for text in texts]


def _folder(source: str, cache: Path) -> Path | None:
    """The encoder's own folder, or where a fetched one lies."""
    if Path(source).is_dir():
        return Path(source)
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    name = source if "/" in source else f"sentence-transformers/{source}"
    with suppress(HFValidationError):
        for cache_dir in (None, cache):
            file = try_to_load_from_cache(name, "tokenizer.json", cache_dir)
            if isinstance(file, str):
                return Path(file).parent
    return None


@lru_cache(maxsize=4)
def _limit(folder: Path) -> TextLimit | None:
    from tokenizers import Tokenizer

    longest = _longest(folder)
    if not longest or not (folder / "tokenizer.json").is_file():
        return None
    try:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception:  # noqa: BLE001 - it raises nothing narrower, and labelling goes on without the sentence
        return None
    tokenizer.no_padding()
    tokenizer.enable_truncation(longest)
    return TextLimit(tokenizer, longest)


def _longest(folder: Path) -> int | None:
    """Tokens, from the first file that has it: a classifier's mark, sentence-transformers' own, the tokenizer's."""
    for file, key in (
        (FEATURES, "longest"),
        ("sentence_bert_config.json", "max_seq_length"),
        ("tokenizer_config.json", "model_max_length"),
    ):
        try:
            value = json.loads((folder / file).read_text(encoding="utf-8")).get(key)
        except (OSError, ValueError, AttributeError):
            continue
        if isinstance(value, int) and 2 < value < 1_000_000:
            return value
    return None
