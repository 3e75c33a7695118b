"""Rules that clean a text before a model reads it, and the sets that they come in. Knows one text at a time."""

import html
import re
from collections.abc import Callable, Mapping, Sequence

from core.errors import BadInput

LINK, NAME = "http", "@user"
"""what stands for a link and for a name: as the models of TweetEval were trained (Barbieri et al. 2020)"""
PASSES = 5
"""a rule may uncover what another one cleans; so often at most"""

_TAGS = (
    "a|abbr|address|article|aside|audio|b|big|blockquote|body|br|button|canvas|caption|center|cite|code|col|colgroup|"
    "dd|del|details|dfn|div|dl|dt|em|engl\\.|figcaption|figure|font|footer|form|h[1-6]|head|header|hr|html|i|iframe|"
    "img|inf|input|ins|jats:[\\w-]+|kbd|label|li|link|main|mark|math|meta|mi|mml:[\\w-]+|mn|mo|mrow|msub|msup|nav|"
    "noscript|ol|option|p|pre|q|s|script|section|select|small|source|span|strong|style|sub|summary|sup|svg|table|"
    "tbody|td|textarea|tfoot|th|thead|title|tr|tt|u|ul|var|video"
)
_HIDDEN = tuple(
    (re.compile(opens, re.IGNORECASE), re.compile(closes, re.IGNORECASE))
    for opens, closes in (
        ("<!--", "-->"),
        *((rf"<{name}(?:\s[^<>]*)?>", rf"</{name}\s*>") for name in ("script", "style", "noscript")),
    )
)
"""what stands between them is not shown on a page"""
_ATTRIBUTE = r"\s+[\w:-]+\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s<>\"']+)"
_TAG = re.compile(rf"</?(?:{_TAGS})(?:{_ATTRIBUTE})*\s*/?>", re.IGNORECASE)
_LINK = re.compile(r"(?:https?://|www\.)[^\s<>\"]+|\bt\.co/\w+", re.IGNORECASE)
_NAME = re.compile(r"(?<![\w@.])@(?!user\b)\w{1,50}")
_RETWEET = re.compile(r"^(?:[\s!\"'“”:.]*RT\s+@\w+)+[\s:]*")
_HASHTAG = re.compile(r"(?<!\w)#(\w*[^\W\d_]\w*)")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_LETTERS = re.compile(r"([^\W\d_])\1{3,}")
_MARKS = re.compile(r"([!?.,])\1{3,}")
_BLANKS = re.compile(r"[^\S\n]+")
_LINES = re.compile(r"\n{3,}")
_CREDIT = re.compile(
    r"[\s\"“”\-–—(\[]*(?:provided by (?:the )?publisher|(?:from )?(?:the )?publisher['’]?s?['’]? "
    r"(?:description|website|web site|note)|(?:from the )?back cover|verlagsinformation|verlagstext|klappentext)"
    r"[\s.)\]\"“”]*$",
    re.IGNORECASE,
)
_FURNITURE = re.compile(
    r"\b(?:accept (?:all )?cookies|cookie (?:policy|settings|preferences)|privacy policy|terms of (?:use|service)|"
    r"all rights reserved|skip to (?:main )?content|share (?:this|on)|sign (?:in|up)|log ?in|subscribe|read more|"
    r"copyright ?(?:©|\(c\)|\d)|newsletter|follow us)",
    re.IGNORECASE,
)
FURNITURE_CHARACTERS = 80
"""of a page's line; a longer one says something"""
CREDIT_CHARACTERS = 80
"""at the end of a text, where a credit stands"""


def unicode(text: str) -> str:
    """Repairs text that was decoded wrongly (KÃ¤hler), ligatures and control characters, by ftfy."""
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    from ftfy import TextFixerConfig, fix_text

    return fix_text(text, TextFixerConfig(unescape_html=False, uncurl_quotes=False, explain=False))


def entities(text: str) -> str:
    """Writes HTML's names of characters out: &amp; is &, &#128514; an emoji."""
    return html.unescape(text) if "&" in text else text


def markup(text: str) -> str:
    """Removes HTML tags, comments, scripts and styles; what only looks like a tag stays."""
    if "<" not in text:
        return text
    for opens, closes in _HIDDEN:
        text = _without(text, opens, closes)
    return _TAG.sub(" ", text)


def _without(text: str, opens: re.Pattern[str], closes: re.Pattern[str]) -> str:
    """A blank in place of everything from one to the other; one that is never closed stays."""
    parts, start = [], 0
    while (first := opens.search(text, start)) and (last := closes.search(text, first.end())):
        parts.append(text[start : first.start()])
        start = last.end()
    return " ".join([*parts, text[start:]])


def links(text: str) -> str:
    """Removes links."""
    return _LINK.sub(" ", text)


def link_words(text: str) -> str:
    """Writes every link as the one word http."""
    return _LINK.sub(LINK, text)


def names(text: str) -> str:
    """Writes every @name as @user."""
    return _NAME.sub(NAME, text) if "@" in text else text


def retweets(text: str) -> str:
    """Removes "RT @name:" from the beginning."""
    return _RETWEET.sub("", text)


def hashtags(text: str) -> str:
    """Writes #TwoWords as Two Words."""
    return _HASHTAG.sub(lambda tag: _HUMP.sub(" ", tag[1].replace("_", " ")), text) if "#" in text else text


def repeats(text: str) -> str:
    """Shortens runs of one letter or mark to three: soooooo, !!!!!!."""
    return _MARKS.sub(r"\1\1\1", _LETTERS.sub(r"\1\1\1", text))


def credits(text: str) -> str:
    """Removes who wrote a blurb from its end: "--Provided by publisher"."""
    return text[:-CREDIT_CHARACTERS] + _CREDIT.sub("", text[-CREDIT_CHARACTERS:])


def page_furniture(text: str) -> str:
    """Removes short lines of a page that are not its text: cookies, sign in, all rights reserved."""
    lines = text.split("\n")
    if len(lines) == 1:
        return text
    retained = [line for line in lines if len(line) > FURNITURE_CHARACTERS or not _FURNITURE.search(line)]
    return "\n".join(retained) if len(retained) < len(lines) else text


def blanks(text: str) -> str:
    """One blank where there are several, and one empty line where there are more."""
    lines = (_BLANKS.sub(" ", line).strip() for line in text.split("\n"))
    return _LINES.sub("\n\n", "\n".join(lines)).strip("\n")


Rule = Callable[[str], str]
RULES: Mapping[str, Rule] = {
    "entities": entities,
    "unicode": unicode,
    "markup": markup,
    "retweets": retweets,
    "links": links,
    "link_words": link_words,
    "names": names,
    "hashtags": hashtags,
    "repeats": repeats,
    "credits": credits,
    "page_furniture": page_furniture,
    "blanks": blanks,
}
"""in the order in which they are applied"""
RULE_SETS: Mapping[str, tuple[str, ...]] = {
    "tweets": ("entities", "unicode", "retweets", "link_words", "names", "hashtags", "repeats", "blanks"),
    "library": ("entities", "unicode", "markup", "links", "credits", "blanks"),
    "web": ("entities", "unicode", "markup", "links", "page_furniture", "repeats", "blanks"),
}


def read_rules(words: Sequence[str]) -> tuple[str, ...]:
    """The rules of these sets and names, each once, in the order in which they are applied. Raises BadInput."""
    chosen: set[str] = set()
    for word in (part.strip() for entry in words for part in entry.split(",") if part.strip()):
        if word not in RULES and word not in RULE_SETS:
            raise BadInput(
                f"There is no rule {word!r}. Sets of rules are {', '.join(RULE_SETS)}; single ones {', '.join(RULES)}."
            )
        chosen |= set(RULE_SETS.get(word, (word,)))
    if {"links", "link_words"} <= chosen:
        raise BadInput("The rules links and link_words exclude each other: links are removed, or written as one word.")
    return tuple(name for name in RULES if name in chosen)


def clean_text(text: str, rules: Sequence[str]) -> str:
    """The text as models read it. Cleaning what is clean changes nothing; "" where the rules leave nothing."""
    for _ in range(PASSES):
        before = text
        for name in rules:
            text = RULES[name](text)
        if text == before:
            return text
    return text
