"""Text as LaTeX and Markdown show it: names of labels and people are shown, and nothing in them is followed."""

import unicodedata
from collections.abc import Callable
from itertools import groupby

from core.reports.card_text import escaped

Markup = Callable[[object], str]
"""any value -> one line that shows it"""

_SPECIAL = {
    **{mark: f"\\{mark}" for mark in "{}$&#_%"},
    **{mark: f"{{{mark}}}" for mark in "[]*"},  # behind a line's end they would be its options
    "\\": "\\textbackslash{}",
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "<": "\\textless{}",
    ">": "\\textgreater{}",
    "|": "\\textbar{}",
    "`": "\\textasciigrave{}",
    '"': "{\\ttfamily\\char34}",
}
_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")
"""marks that turn the direction of writing, and could make a text read as another one"""
_HELD = frozenset("\u00a9\u00ae\u2122\u2116")
"""symbols that text fonts have"""
LATIN = 0x17F
"""code points up to here, and _TYPOGRAPHIC, are in the fonts of any TeX"""
_TYPOGRAPHIC = frozenset("–—‘’‚“”„†‡•…‰€™")

PREAMBLE = (
    "% Commands that hold where no package brings better ones: booktabs for the rules, bidi or babel for \\RL,",
    "% graphicx for tables wider than the page, lscape for long ones.",
    "\\providecommand{\\toprule}{\\hline}\\providecommand{\\midrule}{\\hline}\\providecommand{\\bottomrule}{\\hline}",
    "\\providecommand{\\RL}[1]{#1}\\providecommand{\\resizebox}[3]{#3}\\providecommand{\\landscape}{}",
    "\\providecommand{\\fitted}[1]{\\setbox0\\hbox{#1}\\leavevmode"
    "\\ifdim\\wd0>\\linewidth\\resizebox{\\linewidth}{!}{\\box0}\\else\\box0\\fi}",
)
UNICODE_HINT = (
    "% It holds letters that pdfLaTeX's fonts lack: use LuaLaTeX or XeLaTeX, with a font that has them (fontspec)."
)


def latex(text: object) -> str:
    """On one line: special characters escaped, words written from right to left in \\RL, symbols and emoji spelt by
    their names in brackets, since few fonts of TeX have them."""
    plain = "".join(_spelt(" ".join(str(text).split())))
    parts = []
    for right_to_left, run in groupby(_directions(plain), key=lambda pair: pair[1]):
        safe = _escaped("".join(mark for mark, _ in run))
        parts.append(f"\\RL{{{safe}}}" if right_to_left else safe)
    return "".join(parts)


def _escaped(text: str) -> str:
    """Two hyphens or commas would become one mark."""
    pairs = zip(" " + text, text, strict=False)
    return "".join("{}" * (mark == before and mark in "-,") + _SPECIAL.get(mark, mark) for before, mark in pairs)


def markdown(text: object) -> str:
    """On one line."""
    return escaped(text)


def needs_unicode(text: str) -> bool:
    """Has it letters that only LuaLaTeX and XeLaTeX can set?"""
    return any(ord(mark) > LATIN and mark not in _TYPOGRAPHIC for mark in text)


def _spelt(text: str) -> list[str]:
    result = []
    for position, mark in enumerate(text):
        kind = unicodedata.category(mark)
        if mark in _TURNS or kind in ("Co", "Cn", "Cs"):
            result.append(f"(U+{ord(mark):04X})")
        elif mark in "\ufe0e\ufe0f" or (mark == "\u200d" and _beside_symbol(text, position)) or kind == "Cc":
            continue
        elif kind in ("So", "Sk", "Sm") and ord(mark) >= 0x2000 and mark not in _HELD:
            result.append(f"({unicodedata.name(mark, f'U+{ord(mark):04X}').lower()})")
        else:
            result.append(mark)
    return result


def _beside_symbol(text: str, position: int) -> bool:
    """Does a joiner join parts of an emoji, not letters?"""
    before = text[:position].rstrip("\ufe0e\ufe0f")
    return bool(before) and unicodedata.category(before[-1]) in ("So", "Sk")


def _directions(text: str) -> list[tuple[str, bool]]:
    """(mark, is it in a run from right to left): marks between two such letters go with them."""
    strong = [unicodedata.bidirectional(mark) in ("R", "AL") for mark in text]
    inside, result = False, []
    for position, mark in enumerate(text):
        if strong[position]:
            inside = True
        elif inside and unicodedata.bidirectional(mark) not in ("NSM", "BN"):
            inside = _goes_on(text, position)
        result.append((mark, inside))
    return result


def _goes_on(text: str, position: int) -> bool:
    """Does a letter from right to left come before one from left to right?"""
    for mark in text[position:]:
        way = unicodedata.bidirectional(mark)
        if way in ("R", "AL", "L"):
            return way != "L"
    return False
