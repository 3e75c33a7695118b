"""What makes one taxonomy of another, in sentences. Knows no answers."""

from collections.abc import Iterator

from core.config.taxonomy import Label, Taxonomy

WORDS = {
    "description": "description",
    "examples": "examples",
    "counter_examples": "counter-examples",
    "colour": "colour",
    "taxonomy": "taxonomy",
}
JOINS = {"counts_as": "counts as", "maps_to": "is a hint at"}


def differences(before: Taxonomy, after: Taxonomy) -> list[str]:
    """A sentence each; none for two that say the same."""
    lines = []
    if before.in_use != after.in_use:
        lines.append(f"{after.in_use!r} is in use in place of {before.in_use!r}.")
    for label in after.labels:
        old = before.by_id.get(label.id)
        if old is None:
            lines.append(f"{shown(label, after)} is new{', and retired' if label.retired else ''}.")
        else:
            lines += _changes(old, label, after)
    lines += [f"{shown(label, before)} is gone." for label in before.labels if label.id not in after.by_id]
    order = [label.id for label in before.labels if label.id in after.by_id]
    if order != [label.id for label in after.labels if label.id in before.by_id]:
        lines.append("The labels stand in another order.")
    return lines


def shown(label: Label, taxonomy: Taxonomy) -> str:
    """Its name, quoted, with its taxonomy where that is not in use."""
    return repr(label.name if label.taxonomy == taxonomy.in_use else f"{label.taxonomy}:{label.name}")


def _changes(old: Label, new: Label, after: Taxonomy) -> Iterator[str]:
    name = shown(new, after)
    if old.name != new.name:
        yield f"{old.name!r} is called {new.name!r}."
    if old.retired != new.retired:
        yield f"{name} is {'not offered any more' if new.retired else 'offered again'}."
    if old.parent != new.parent:
        yield f"{name} stands {'under ' + repr(after.path(new.parent)) if new.parent else 'at the top'}."
    for field, words in WORDS.items():
        if getattr(old, field) != getattr(new, field):
            yield f"{name} has {'other' if getattr(new, field) else 'no'} {words}."
    for field, words in JOINS.items():
        if getattr(old, field) != getattr(new, field):
            targets = ", ".join(shown(after.by_id[one], after) for one in getattr(new, field))
            yield f"{name} {words} {targets or 'nothing'}."
