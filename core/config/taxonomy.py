"""The versioned set of labels. Knows nothing of responses or files."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from core.errors import BadInput

SEPARATOR = "|"
NONE_OF_THEM = "[]"
"""how files say that none of several labels holds; an empty cell says that nobody has looked"""


MAIN = "main"
"""the taxonomy of labels that name no other"""
PATH = " / "
"""between the labels of a path"""


@dataclass(frozen=True)
class Label:
    """`id` never changes and is stored in every response; `name` is shown to people and may change.

    examples, counter_examples: texts that have it, and that only look so. colour: #rrggbb or empty. parent: id of the
    label above it. taxonomy: name of the one that it belongs to. counts_as: ids of labels; where this one cannot be
    given an answer that names it counts as the first of them that can. maps_to: ids of labels that it is only hinted
    as.
    """

    id: str
    name: str
    description: str = ""
    retired: bool = False
    examples: tuple[str, ...] = ()
    counter_examples: tuple[str, ...] = ()
    colour: str = ""
    parent: str = ""
    taxonomy: str = MAIN
    counts_as: tuple[str, ...] = ()
    maps_to: tuple[str, ...] = ()


@dataclass(frozen=True)
class Taxonomy:
    """Labels in the order of their keys, of all taxonomies of a project, of which people answer with one.

    `version` grows by one with every change. in_use: name of the one that people answer with.
    """

    labels: tuple[Label, ...] = ()
    version: int = 1
    in_use: str = MAIN

    @cached_property
    def active(self) -> tuple[Label, ...]:
        """The labels that can be given now."""
        return tuple(label for label in self.labels if not label.retired and label.taxonomy == self.in_use)

    @cached_property
    def current(self) -> tuple[Label, ...]:
        """The labels of the taxonomy in use, the retired ones too."""
        return tuple(label for label in self.labels if label.taxonomy == self.in_use)

    @property
    def taxonomies(self) -> tuple[str, ...]:
        """Their names, in the order of their first labels."""
        return tuple(dict.fromkeys(label.taxonomy for label in self.labels)) or (self.in_use,)

    @cached_property
    def by_id(self) -> dict[str, Label]:
        """Label id to label, of all taxonomies."""
        return {label.id: label for label in self.labels}

    @property
    def names(self) -> dict[str, str]:
        """Label id to name, of all taxonomies, the retired ones too."""
        return {label.id: label.name for label in self.labels}

    @property
    def ids(self) -> dict[str, str]:
        """Name to label id in the taxonomy in use, the retired ones too."""
        return {label.name: label.id for label in self.current}

    @property
    def spellings(self) -> dict[str, str]:
        """The same, and a name that is a number in its plainest form too."""
        return {number_key(label.name): label.id for label in self.current} | self.ids

    @cached_property
    def meanings(self) -> dict[str, str]:
        """Label id to the id of the label that an answer with it counts as now; without those that count as none."""
        active = {label.id for label in self.active}
        meanings = {}
        for label in self.labels:
            reached, passed = [label.id], set[str]()
            while reached and reached[0] not in active:
                one = reached.pop(0)
                passed.add(one)
                reached += [target for target in self.by_id[one].counts_as if target not in passed]
            if reached:
                meanings[label.id] = reached[0]
        return meanings

    def hints(self, label_id: str) -> tuple[str, ...]:
        """Ids of the labels that can be given now which an answer with this label is a hint at."""
        if label_id in self.meanings:
            return (self.meanings[label_id],)
        targets = (
            [self.meanings.get(target) for target in self.by_id[label_id].maps_to] if label_id in self.by_id else []
        )
        return tuple(dict.fromkeys(target for target in targets if target))

    def line(self, label_id: str) -> tuple[str, ...]:
        """Ids from the root to this label."""
        line = [label_id]
        while parent := self.by_id[line[0]].parent:
            line.insert(0, parent)
        return tuple(line)

    def path(self, label_id: str) -> str:
        """Names from the root to this label."""
        return PATH.join(self.by_id[one].name for one in self.line(label_id))

    @property
    def depth(self) -> int:
        """Levels of the labels that can be given, 1 where none is below another."""
        return max((len(self.line(label.id)) for label in self.active), default=1)

    def ancestor(self, label_id: str, level: int) -> str:
        """The label at this level, from 1, on the way to the label; a label that is higher stands for itself."""
        line = self.line(label_id)
        return line[min(level, len(line)) - 1]


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
    for label in taxonomy.current:
        if label.name == name and not label.retired:
            raise BadInput(f"There is already a label named {name!r}.")
        if label.name == name:  # what it was merged into keeps its own answers only
            elsewhere = [one for one in label.counts_as if taxonomy.by_id[one].taxonomy != label.taxonomy]
            return change_label(taxonomy, label.id, retired=False, counts_as=tuple(elsewhere))
    slug = re.sub(r"\W+", "_", name.casefold()).strip("_") or "label"
    number, candidate = 2, slug
    while candidate in taxonomy.by_id:
        candidate, number = f"{slug}_{number}", number + 1
    label = Label(candidate, name, description, taxonomy=taxonomy.in_use)
    return replace(taxonomy, labels=(*taxonomy.labels, label), version=taxonomy.version + 1)


def rename_label(taxonomy: Taxonomy, label_id: str, name: str) -> Taxonomy:
    """Same id, new name: every response keeps its meaning."""
    name = check_new_name(name)
    own = taxonomy.by_id[label_id].taxonomy if label_id in taxonomy.by_id else ""
    if any(label.name == name and label.id != label_id and label.taxonomy == own for label in taxonomy.labels):
        raise BadInput(f"There is already a label named {name!r}.")
    return change_label(taxonomy, label_id, name=name)


def retire_label(taxonomy: Taxonomy, label_id: str) -> Taxonomy:
    """Offers the label no longer; responses that gave it are kept and their records return to the pool."""
    return change_label(taxonomy, label_id, retired=True)


def change_label(taxonomy: Taxonomy, label_id: str, **fields: Any) -> Taxonomy:
    """The next version, with these fields of a label. Raises BadInput for an unknown id."""
    if label_id not in taxonomy.by_id:
        raise BadInput(f"There is no label {label_id!r}; there are {', '.join(taxonomy.names) or 'none'}.")
    labels = tuple(replace(label, **fields) if label.id == label_id else label for label in taxonomy.labels)
    return check_taxonomy(replace(taxonomy, labels=labels, version=taxonomy.version + 1))


_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


def check_taxonomy(taxonomy: Taxonomy) -> Taxonomy:
    """The same taxonomy. Raises BadInput for labels that name others which are not there, or themselves from above."""
    known = taxonomy.by_id
    if taxonomy.labels and taxonomy.in_use not in taxonomy.taxonomies:
        raise BadInput(f"There is no taxonomy {taxonomy.in_use!r}; there are {', '.join(taxonomy.taxonomies)}.")
    for label in taxonomy.labels:
        for target in (*label.counts_as, *label.maps_to, *([label.parent] if label.parent else [])):
            if target not in known:
                raise BadInput(f"The label {label.id!r} names {target!r}, but there is no label of this id.")
        if label.colour and not _COLOUR.fullmatch(label.colour):
            raise BadInput(f"The colour of {label.id!r} is {label.colour!r}; write it as #rrggbb, such as #3b82f6.")
        above, passed = label, {label.id}
        while above.parent:
            above = known[above.parent]
            if above.taxonomy != label.taxonomy:
                raise BadInput(f"The label {label.id!r} stands under {above.id!r}, which is of another taxonomy.")
            if above.id in passed:
                raise BadInput(f"The label {label.id!r} stands under itself: {' > '.join(sorted(passed))}.")
            passed.add(above.id)
    return taxonomy


def spoken(name: str) -> str:
    """The name as words, for the encoder: 'playMusic_now' is 'play Music now'."""
    return " ".join(re.sub(r"(?<=[a-z])(?=[A-Z])|[_/-]+", " ", name).split())
