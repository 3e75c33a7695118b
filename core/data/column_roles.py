"""What each column of a file probably is, by its name and its first values. Knows cells, no file."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FEW_VALUES = 60
DISTINCT = 0.97
SHORT = 60
"""characters of a label, at most"""
SMALL_FILE = 40
"""rows up to which one value that stands twice is enough for labels with a telling name"""
NAMES = {
    "text": "text body message content sentence comment review tweet title description document utterance post",
    "id": "id uuid guid key ticket number nr no ref reference",
    "label": "label labels class category categories kind topic sentiment intent target answer type rating same match",
    "split": "split set fold part partition subset",
    "annotator": "annotator worker coder rater annotators annotator_id worker_id user_id",
}
"""role -> words that such a column is called"""
SPLITS = {"train", "training", "test", "testing", "valid", "validation", "val", "dev", "eval"}
SIDES = re.compile(r"(?P<a>.*?)(?:[_ .-]?)(?P<side>a|b|1|2|left|right)", re.IGNORECASE)


@dataclass(frozen=True)
class ColumnSample:
    """values: of the first rows as text, None where there is nothing."""

    name: str
    values: tuple[str | None, ...]

    @property
    def filled(self) -> list[str]:
        """The values that say something."""
        return [value for value in self.values if value and not value.isspace()]

    @property
    def counts(self) -> Counter[str]:
        """How often each value stands there."""
        return Counter(self.filled)

    @property
    def mean_length(self) -> float:
        """In characters."""
        return sum(map(len, self.filled)) / len(self.filled) if self.filled else 0.0


def guess_roles(samples: Sequence[ColumnSample], *, two_sides: bool = False) -> dict[str, str]:
    """Each column's role. At most one is id, label, split, annotator; at least one is text where any has words."""
    roles = dict.fromkeys((one.name for one in samples), "context")
    free = {one.name: one for one in samples if one.filled}
    for name in [one.name for one in samples if not one.filled]:
        roles[name] = "none"
    if two_sides and (sides := _sides(list(free))):
        left, right = sides
        roles |= {left: "left", right: "right"}
        free = {name: one for name, one in free.items() if name not in sides}
    for role, fits in (("id", _is_id), ("split", _is_split), ("annotator", _is_annotator), ("label", _is_label)):
        candidates = [one for one in free.values() if fits(one)]
        if not candidates or (role == "annotator" and "id" not in roles.values()):
            continue
        best = max((_named(one.name, role), -position, one.name) for position, one in enumerate(candidates))[-1]
        roles[best] = role
        del free[best]
    if "left" not in roles.values() and free:
        text = max(free.values(), key=lambda one: one.mean_length * (2 if _named(one.name, "text") else 1))
        roles[text.name] = "text"
    return roles


def _named(name: str, role: str) -> int:
    """2 for a name of the role itself, 1 for one that holds it, 0 for others."""
    words = NAMES[role].split()
    parts = re.findall(r"[a-z]+", name.lower())
    return 2 if name.lower() in words else 1 if set(parts) & set(words) else 0


def _is_id(one: ColumnSample) -> bool:
    """Nearly all differ: a few that repeat are what a check will name."""
    distinct = len(one.counts) >= DISTINCT * len(one.values)
    return bool(_named(one.name, "id")) and distinct and one.mean_length <= SHORT


def _is_split(one: ColumnSample) -> bool:
    values = {value.strip().lower() for value in one.counts}
    return bool(values) and (values <= SPLITS or (bool(_named(one.name, "split")) and len(values & SPLITS) > 0))


def _is_annotator(one: ColumnSample) -> bool:
    return bool(_named(one.name, "annotator")) and len(one.counts) < len(one.filled)


def _is_label(one: ColumnSample) -> bool:
    """Few short values that repeat, with a telling name."""
    counts, rows = one.counts, len(one.filled)
    if not _named(one.name, "label") or len(counts) > FEW_VALUES or max(map(len, counts)) > SHORT or len(counts) < 2:
        return False
    return rows >= 2 * len(counts) or len(counts) < rows <= SMALL_FILE


def _sides(names: Sequence[str]) -> tuple[str, str] | None:
    """Two columns whose names differ by a and b, 1 and 2, or left and right alone."""
    stems: dict[tuple[str, str], str] = {}
    pairs: Mapping[str, str] = {"a": "b", "1": "2", "left": "right"}
    for name in names:
        if match := SIDES.fullmatch(name):
            stems[match["a"].lower().rstrip("_ .-"), match["side"].lower()] = name
    for (stem, side), name in stems.items():
        if side in pairs and (stem, pairs[side]) in stems:
            return name, stems[stem, pairs[side]]
    return None
