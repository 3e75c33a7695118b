"""The versioned set of labels. Knows nothing of responses or files."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace

from core.errors import BadInput

SEPARATOR = "|"
NONE_OF_THEM = "[]"
"""how files say that none of several labels holds; an empty cell says that nobody has looked"""


@dataclass(frozen=True)
class Label:
    """`id` never changes and is stored in every response; `name` is shown to people and may change."""

    id: str
    name: str
    description: str = ""
    retired: bool = False


@dataclass(frozen=True)
class Taxonomy:
    """Labels in the order of their keys. `version` grows by one with every change."""

    labels: tuple[Label, ...] = ()
    version: int = 1

    @property
    def active(self) -> tuple[Label, ...]:
        """The labels that can still be given."""
        return tuple(label for label in self.labels if not label.retired)

    @property
    def names(self) -> dict[str, str]:
        """Label id to name, the retired ones too."""
        return {label.id: label.name for label in self.labels}

    @property
    def ids(self) -> dict[str, str]:
        """Name to label id, the retired ones too."""
        return {label.name: label.id for label in self.labels}

    @property
    def spellings(self) -> dict[str, str]:
        """The same, and a name that is a number in its plainest form too."""
        return {number_key(label.name): label.id for label in self.labels} | self.ids


def clean_name(name: str) -> str:
    """A label's name in Unicode's composed form, without white space around it."""
    return unicodedata.normalize("NFC", name).strip()


def check_name(name: str) -> str:
    """The clean name, or one sentence on why it cannot be a label's."""
    name = clean_name(name)
    if not name:
        raise BadInput("A label needs a name, and this one is empty.")
    if SEPARATOR in name:
        raise BadInput(
            f"The label name {name!r} holds a {SEPARATOR!r}, which separates labels in files. Choose another."
        )
    if "\0" in name:
        raise BadInput(f"The label name {name!r} holds a NUL character. Choose another.")
    if len(name) > 200:
        raise BadInput(f"The label name {name[:40]!r}… is {len(name)} characters long; at most 200 fit on a button.")
    return name


def check_new_name(name: str) -> str:
    """The same for the name of a new label, which may also hold no control characters."""
    name = check_name(name)
    if any(unicodedata.category(mark) in ("Cc", "Zl", "Zp") for mark in name):
        raise BadInput(f"The label name {name!r} holds a control character, such as a line end or a tab. Remove it.")
    return name


_NUMBER = re.compile(r"(-?)0*([0-9]+)(?:\.([0-9]*?)0*)?")


def number_of(name: str) -> float | None:
    """The value of a name that is a number, such as 1, 1.0 or 01."""
    return float(name) if _NUMBER.fullmatch(name) else None


def number_key(name: str) -> str:
    """A number in its plainest form, so that 1, 1.0 and 01 are one; any other name as it is."""
    match = _NUMBER.fullmatch(name)
    if match is None:
        return name
    plain = match[2] + (f".{match[3]}" if match[3] else "")
    return plain if plain == "0" else match[1] + plain


def in_order(names: Iterable[str]) -> list[str]:
    """The default order of labels: numbers by value, then names alphabetically."""
    return sorted(names, key=lambda name: (number_of(name) is None, number_of(name) or 0.0, name.casefold(), name))


def look_alikes(names: Iterable[str]) -> list[list[str]]:
    """Names that differ only in case or in what no reader sees: invisible characters, forms of a letter, spaces."""
    groups: dict[str, list[str]] = {}
    for name in names:
        visible = "".join(
            mark for mark in name if unicodedata.category(mark) != "Cf" and not "\ufe00" <= mark <= "\ufe0f"
        )
        key = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", visible).casefold())
        groups.setdefault(" ".join(key.split()), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def make_taxonomy(names: Iterable[str]) -> Taxonomy:
    """Version 1 of a taxonomy with these label names, in this order. Repeats and empty names are refused."""
    taxonomy = Taxonomy()
    for name in names:
        taxonomy = add_label(taxonomy, name)
    return replace(taxonomy, version=1)


def add_label(taxonomy: Taxonomy, name: str, description: str = "") -> Taxonomy:
    """The name of a retired label brings that label back, with its responses."""
    name = check_name(name) if name in taxonomy.ids else check_new_name(name)
    for label in taxonomy.labels:
        if label.name == name and not label.retired:
            raise BadInput(f"There is already a label named {name!r}.")
        if label.name == name:
            return _changed(taxonomy, label.id, retired=False)
    slug = re.sub(r"\W+", "_", name.casefold()).strip("_") or "label"
    taken = {label.id for label in taxonomy.labels}
    number, candidate = 2, slug
    while candidate in taken:
        candidate, number = f"{slug}_{number}", number + 1
    return Taxonomy((*taxonomy.labels, Label(candidate, name, description)), taxonomy.version + 1)


def rename_label(taxonomy: Taxonomy, label_id: str, name: str) -> Taxonomy:
    """Same id, new name: every response keeps its meaning."""
    name = check_new_name(name)
    if any(label.name == name and label.id != label_id for label in taxonomy.labels):
        raise BadInput(f"There is already a label named {name!r}.")
    return _changed(taxonomy, label_id, name=name)


def retire_label(taxonomy: Taxonomy, label_id: str) -> Taxonomy:
    """Offers the label no longer; responses that gave it are kept and their records return to the pool."""
    return _changed(taxonomy, label_id, retired=True)


def _changed(taxonomy: Taxonomy, label_id: str, *, name: str | None = None, retired: bool | None = None) -> Taxonomy:
    if label_id not in taxonomy.names:
        raise BadInput(f"There is no label {label_id!r}; there are {', '.join(taxonomy.names) or 'none'}.")
    labels = tuple(
        replace(
            label,
            name=label.name if name is None else name,
            retired=label.retired if retired is None else retired,
        )
        if label.id == label_id
        else label
        for label in taxonomy.labels
    )
    return Taxonomy(labels, taxonomy.version + 1)


def spoken(name: str) -> str:
    """The name as words, for the encoder: 'playMusic_now' is 'play Music now'."""
    return " ".join(re.sub(r"(?<=[a-z])(?=[A-Z])|[_/-]+", " ", name).split())
