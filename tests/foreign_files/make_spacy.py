"""Makes spacy.spacy beside it with the real library: `pip install spacy==3.8.18`, then run it. No test runs it."""

from pathlib import Path

import spacy
from spacy.tokens import Doc, DocBin

TEXTS = {
    "The parcel never came, and nobody answers.": {"complaint": 1.0, "praise": 0.0},
    "Ünïcode „quotes“ and 😀 emoji": {"complaint": 0.0, "praise": 1.0},
    "two  blanks\nand a line": {"complaint": 1.0, "praise": 1.0},
    " begins with a blank": {"complaint": 0.0, "praise": 0.0},
    "nobody looked at this one": {},
}


def main() -> None:
    """One bin by spaCy's tokenizer with all its attributes, one of words and blanks with their forms alone."""
    english = spacy.blank("en")
    rich, plain = DocBin(), DocBin(attrs=["ORTH"])
    for text, cats in TEXTS.items():
        doc = english(text)
        doc.cats = dict(cats)
        rich.add(doc)
    for words, spaces, cats in WORDS:
        doc = Doc(english.vocab, words=list(words), spaces=list(spaces))
        doc.cats = dict(cats)
        plain.add(doc)
    folder = Path(__file__).parent
    rich.to_disk(folder / "spacy.spacy")
    plain.to_disk(folder / "spacy_words.spacy")


WORDS = [
    (
        ("The", "parcel", "never", "came,", "\n\n", "sorry"),
        (True, True, True, True, False, False),
        {"a": 1.0, "b": 0.0},
    ),
    (("one",), (False,), {}),
]

if __name__ == "__main__":
    main()
