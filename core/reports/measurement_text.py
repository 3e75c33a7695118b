"""docs/measurement.md by its paragraphs, for the page that figures link to. Knows no page."""

import re
from functools import cache
from pathlib import Path

_BESIDE = Path(__file__).parent / "measurement.md"  # where a wheel carries it
SOURCE = _BESIDE if _BESIDE.exists() else Path(__file__).parents[2] / "docs" / "measurement.md"
_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]*)\]\((?!https?:)[^)]*\)")
"""to another file of the documentation, which is not served"""


@cache
def measurement_parts() -> dict[str, str]:
    """Heading to text in Markdown, in the order of the document."""
    _, *parts = _HEADING.split(SOURCE.read_text(encoding="utf-8"))
    headings, texts = parts[::2], parts[1::2]
    return {heading.strip(): _LINK.sub(r"\1", text).strip() for heading, text in zip(headings, texts, strict=True)}
