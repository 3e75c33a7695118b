"""What can be done to the labels, each step a new version. Knows no answers."""

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.config.settings import FILE, read_taxonomy
from core.config.taxonomy import Label, Taxonomy, add_label, change_label, check_taxonomy
from core.errors import BadInput

TEMPLATES = {"folders": "folders.toml"}
"""name -> a file of this folder's templates: taxonomies that can be had by name"""


def load_taxonomies(source: str, *, whole: bool = True) -> Taxonomy:
    """The section [taxonomy] of a TOML file, or a template's; of several without a `use` the first is in use.

    whole: its labels name no others. Raises BadInput.
    """
    path = Path(__file__).parent / "templates" / TEMPLATES[source] if source in TEMPLATES else Path(source)
    if not path.is_file():
        raise BadInput(f"There is no file {source!r} and no template of this name; there are {', '.join(TEMPLATES)}.")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig")).get("taxonomy")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read: {str(error).rstrip('.')}.") from None
    if not isinstance(table, dict):
        raise BadInput(f"{path} has no section [taxonomy]; its labels stand under [[taxonomy.labels]], as in {FILE}.")
    read = read_taxonomy(table, path, whole=False)
    if "use" not in table:
        read = replace(read, in_use=read.taxonomies[0])
    return check_taxonomy(read) if whole else read


def find_label(taxonomy: Taxonomy, word: str) -> Label:
    """By its name in the taxonomy in use, by TAXONOMY:NAME, by its path, or by its id. Raises BadInput."""
    other, _, name = word.rpartition(":")
    readings: tuple[Callable[[Label], bool], ...] = (
        lambda one: one.taxonomy == taxonomy.in_use and one.name == word,
        lambda one: bool(other) and (one.taxonomy, one.name) == (other, name),
        lambda one: one.taxonomy == taxonomy.in_use and taxonomy.path(one.id) == word,
        lambda one: one.id == word,
    )
    for reading in readings:
        if matches := [label for label in taxonomy.labels if reading(label)]:
            return matches[0]
    known = ", ".join(label.name for label in taxonomy.current) or "none"
    raise BadInput(f"There is no label {word[:80]!r}; there are {known}. One of another taxonomy: TAXONOMY:NAME.")


def use_taxonomy(taxonomy: Taxonomy, name: str) -> Taxonomy:
    """People answer with this one from now on; what they answered with others stays, and counts where it is mapped."""
    if name not in taxonomy.taxonomies:
        raise BadInput(f"There is no taxonomy {name!r}; there are {', '.join(taxonomy.taxonomies)}.")
    return replace(taxonomy, in_use=name, version=taxonomy.version + 1)


def add_taxonomies(taxonomy: Taxonomy, others: Taxonomy) -> Taxonomy:
    """With the labels of others beside its own. Raises BadInput for a taxonomy or an id that is there already."""
    if twice := [name for name in others.taxonomies if taxonomy.labels and name in taxonomy.taxonomies]:
        raise BadInput(f"There is a taxonomy {twice[0]!r} already; give the labels in the file another `taxonomy`.")
    if same := [label.id for label in others.labels if label.id in taxonomy.by_id]:
        raise BadInput(f"There is a label with the id {same[0]!r} already; give the one in the file another id.")
    in_use = taxonomy.in_use if taxonomy.labels else others.in_use
    return check_taxonomy(Taxonomy((*taxonomy.labels, *others.labels), taxonomy.version + 1, in_use))


def merge_labels(taxonomy: Taxonomy, labels: Sequence[str], into: str) -> Taxonomy:
    """Answers with these labels count as answers with that one; they are not offered any more."""
    target = find_label(taxonomy, into)
    if target.retired:
        raise BadInput(f"The label {target.name!r} is retired. Bring it back first: rondo taxonomy add {target.name!r}")
    for label in [find_label(taxonomy, word) for word in labels]:
        if label.id == target.id:
            raise BadInput(f"The label {label.name!r} cannot be merged into itself.")
        if label.taxonomy != target.taxonomy:
            raise BadInput(
                f"{label.name!r} is of another taxonomy than {target.name!r}: `rondo taxonomy map` joins them."
            )
        others = [one for one in label.counts_as if taxonomy.by_id[one].taxonomy != label.taxonomy]
        for child in [one for one in taxonomy.labels if one.parent == label.id]:
            taxonomy = change_label(taxonomy, child.id, parent=target.id if target.id != child.id else label.parent)
        taxonomy = change_label(taxonomy, label.id, retired=True, counts_as=(target.id, *others))
    return taxonomy


def split_label(taxonomy: Taxonomy, label: str, parts: Sequence[str]) -> Taxonomy:
    """The label is not offered any more; where it was given people are asked for one of the parts; it is a hint.

    parts: names of labels, which are added where they are not there yet.
    """
    old = find_label(taxonomy, label)
    if len(set(parts)) < 2:
        raise BadInput(f"Name at least two labels that {old.name!r} is split into.")
    if old.taxonomy != taxonomy.in_use:
        raise BadInput(f"{old.name!r} is of a taxonomy that is not in use: rondo taxonomy use {old.taxonomy}")
    targets = []
    if old.name in parts:
        raise BadInput(f"{old.name!r} is split, so none of its parts can have its name. Rename it first.")
    for name in parts:
        if name not in taxonomy.ids or taxonomy.by_id[taxonomy.ids[name]].retired:
            taxonomy = add_label(taxonomy, name)
            taxonomy = change_label(taxonomy, taxonomy.ids[name], parent=old.parent)
        targets.append(taxonomy.ids[name])
    maps_to = tuple(dict.fromkeys((*targets, *old.maps_to)))
    return change_label(taxonomy, old.id, retired=True, counts_as=(), maps_to=maps_to)


def move_label(taxonomy: Taxonomy, label: str, under: str, before: str = "") -> Taxonomy:
    """Under another label, or to the top where `under` is empty. before: the label that it comes to stand before."""
    moved = find_label(taxonomy, label)
    parent = find_label(taxonomy, under).id if under else ""
    taxonomy = change_label(taxonomy, moved.id, parent=parent)
    if before:
        target = find_label(taxonomy, before)
        if target.id == moved.id:
            raise BadInput(f"The label {moved.name!r} cannot stand before itself.")
        if target.taxonomy != moved.taxonomy:
            raise BadInput(f"{moved.name!r} is of another taxonomy than {target.name!r}, and cannot stand before it.")
        rest = [one for one in taxonomy.labels if one.id != moved.id]
        position = next(index for index, one in enumerate(rest) if one.id == target.id)
        order = (*rest[:position], taxonomy.by_id[moved.id], *rest[position:])
        taxonomy = replace(taxonomy, labels=order)
    return taxonomy


def map_labels(taxonomy: Taxonomy, label: str, to: Sequence[str]) -> Taxonomy:
    """Answers with the label are hints at these of other taxonomies; an empty `to` takes all its mappings back."""
    source, targets = find_label(taxonomy, label), [find_label(taxonomy, word) for word in to]
    if same := [one.name for one in targets if one.taxonomy == source.taxonomy]:
        raise BadInput(f"{source.name!r} and {same[0]!r} are of one taxonomy: merge or split them.")
    if not targets:
        inside = [one for one in source.counts_as if taxonomy.by_id[one].taxonomy == source.taxonomy]
        parts = [one for one in source.maps_to if taxonomy.by_id[one].taxonomy == source.taxonomy]
        return change_label(taxonomy, source.id, counts_as=tuple(inside), maps_to=tuple(parts))
    named = {one.taxonomy for one in targets}
    others = [one for one in source.maps_to if taxonomy.by_id[one].taxonomy not in named]
    return change_label(taxonomy, source.id, maps_to=(*others, *(one.id for one in targets)))


def migrate_taxonomy(taxonomy: Taxonomy, source: str, target: str) -> Taxonomy:
    """Answers with labels of one taxonomy count as answers with those of another that they are mapped to, where that is
    one label; where it is several they stay hints."""
    for name in (source, target):
        use_taxonomy(taxonomy, name)
    if source == target:
        raise BadInput("A taxonomy cannot be migrated to itself.")
    migrated = taxonomy
    for label in [one for one in taxonomy.labels if one.taxonomy == source]:
        reached = [one for one in label.maps_to if taxonomy.by_id[one].taxonomy == target]
        if len(reached) == 1 and reached[0] not in label.counts_as:
            migrated = change_label(migrated, label.id, counts_as=(*label.counts_as, reached[0]))
    if migrated is taxonomy:
        raise BadInput(
            f"No label of {source!r} that is mapped to one label of {target!r} is left to migrate. "
            f"Map one: rondo taxonomy map {source}:LABEL {target}:LABEL"
        )
    return replace(migrated, version=taxonomy.version + 1)


def describe_label(taxonomy: Taxonomy, label: str, **fields: object) -> Taxonomy:
    """With another description, colour, examples or counter-examples; what is None stays."""
    changes = {name: value for name, value in fields.items() if value is not None}
    return change_label(taxonomy, find_label(taxonomy, label).id, **changes)


@dataclass(frozen=True)
class LabelDraft:
    """What a label shall say of itself. parent: id of the label above it, or empty."""

    id: str
    description: str = ""
    colour: str = ""
    parent: str = ""
    examples: tuple[str, ...] = ()
    counter_examples: tuple[str, ...] = ()


def arrange_labels(taxonomy: Taxonomy, drafts: Sequence[LabelDraft]) -> Taxonomy:
    """These labels of the taxonomy in use, in this order and as they are drafted; its others stand behind them."""
    for draft in drafts:
        if draft.id not in {label.id for label in taxonomy.current}:
            raise BadInput(f"There is no label {draft.id!r} in the taxonomy in use.")
    arranged = [replace(taxonomy.by_id[draft.id], **vars(draft)) for draft in drafts]
    here = {draft.id for draft in drafts}
    others = [label for label in taxonomy.labels if label.id not in here]
    first = next((index for index, label in enumerate(taxonomy.labels) if label.id in here), 0)
    before = sum(label.id not in here for label in taxonomy.labels[:first])
    labels = (*others[:before], *arranged, *others[before:])
    return check_taxonomy(replace(taxonomy, labels=labels, version=taxonomy.version + 1))
