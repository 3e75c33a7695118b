"""Which languages texts are in, by a sample of them, and which encoder reads those. Knows no project."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from core.models.encoders.encoder import EMBEDDED, MULTILINGUAL

SAMPLED = 1_000
"""texts of a file by which its languages are told"""
FEWEST = 10
"""texts below which nothing is decided"""
TOGETHER, CHARACTERS = 10, 200
"""texts that are looked at at once, for one alone is often too short, and characters of each"""
ENOUGH = 0.5
"""share of the letters in languages that the default encoder does not read, from which the other one is better"""
OTHERS = {
    "ar": "Arabic",
    "de": "German",
    "es": "Spanish",
    "fr": "French",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "nl": "Dutch",
    "pl": "Polish",
    "pt": "Portuguese",
    "ru": "Russian",
    "th": "Thai",
    "tr": "Turkish",
    "zh": "Chinese",
    "zh-Hant": "Chinese",
}
"""ISO 639 codes of the languages beside English that the multilingual encoder was trained on"""


def languages_in(file: Path) -> dict[str, float]:
    """Language code -> share of the letters in it, of evenly spread texts of a Parquet file of records; {} for too few.

    For jobs: it reads the file and loads a library.
    """
    import pyarrow.parquet as parquet  # type: ignore[import-untyped]

    texts: list[str | None] = []
    with parquet.ParquetFile(file) as source:
        step, first = max(source.metadata.num_rows // SAMPLED, 1), 0
        if source.metadata.num_rows < FEWEST:
            return {}
        for batch in source.iter_batches(columns=["text"]):
            texts += batch.column("text")[-first % step :: step].to_pylist()
            first += batch.num_rows
    return language_shares([text for text in texts if text is not None])


def language_shares(texts: Sequence[str]) -> dict[str, float]:
    """Code -> share of all letters, the largest first; "un" where nothing can be said of a text."""
    shares: dict[str, float] = {}
    letters = 0
    for part in _parts(texts):
        size = sum(map(str.isalpha, part))
        letters += size
        for code, share in _detect(part):
            shares[code] = shares.get(code, 0.0) + size * share
    ordered = sorted(shares.items(), key=lambda one: -one[1])
    return {code: round(share / letters, 4) for code, share in ordered} if letters else {}


def _parts(texts: Sequence[str]) -> Iterator[str]:
    for start in range(0, len(texts), TOGETHER):
        cut = (text[:CHARACTERS] for text in texts[start : start + TOGETHER])
        yield "".join(char if char.isprintable() else " " for char in "\n".join(cut))


def _detect(text: str) -> list[tuple[str, float]]:
    """What CLD2 makes of it: its bytes are shared out to three languages at most."""
    import pycld2

    with suppress(pycld2.error):
        _, _, details = pycld2.detect(text)
        if parts := [(code, percent / 100) for _, code, percent, _ in details if percent]:
            return parts
    return [("un", 1.0)]


def encoder_for(languages: Mapping[str, float]) -> str:
    """The one that comes with Rondo and reads most of it."""
    return MULTILINGUAL if sum(languages.get(code, 0.0) for code in OTHERS) >= ENOUGH else EMBEDDED


def language_sentence(languages: Mapping[str, float]) -> str:
    """The languages that the choice rests on: "62 % Korean, 5 % German"."""
    by_name: dict[str, float] = {}
    for code, share in languages.items():
        if code in OTHERS:
            by_name[OTHERS[code]] = by_name.get(OTHERS[code], 0.0) + share
    ordered = sorted(by_name.items(), key=lambda one: -one[1])
    return ", ".join(f"{100 * share:.0f} % {name}" for name, share in ordered[:3])
