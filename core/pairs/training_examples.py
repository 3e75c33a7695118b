"""Decided pairs as chats for a language model: the prompt, which training and inference share, and the examples."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import Refused
from core.hosted.training_data import Example, TrainingData, make_training_data
from core.language_models.requests import Message
from core.project import Project

TASK = "pairs"
LONGEST = 4_000
"""characters of a side that are shown to a model"""
INSTRUCTION = (
    "You are given two records. Decide whether they are about the same thing, so that they should be merged into one. "
    'Answer with JSON and nothing else: {"same": true} or {"same": false}.'
)
SAME, DIFFERENT = '{"same": true}', '{"same": false}'
MEASURING = ("gold", "audit")
"""strata that measure models, and so never train one"""


@dataclass(frozen=True)
class DecidedPair:
    """What people decided. partial: one of the two was kept apart from a third that the other two were compared with:
    part of a group was merged. stratum: as the settled answer has it."""

    left: str
    right: str
    same: bool
    partial: bool = False
    stratum: str = "chosen"


def prompt(left: str, right: str) -> tuple[Message, ...]:
    """The question. The same for (a, b) as for (b, a), and for texts of any length."""
    first, second = sorted((shorten(left), shorten(right)))
    return (Message("system", INSTRUCTION), Message("user", f"Record A:\n{first}\n\nRecord B:\n{second}"))


def shorten(text: str) -> str:
    """At most LONGEST characters, and a mark where there were more."""
    return text if len(text) <= LONGEST else text[: LONGEST - 2] + " …"


def training_examples(pairs: Sequence[DecidedPair]) -> TrainingData:
    """Those that may train; those that measure are counted as held back, and so are others of the same two texts."""
    measuring = {_texts(pair) for pair in pairs if pair.stratum in MEASURING}
    used = [pair for pair in pairs if _texts(pair) not in measuring]
    cut = sum(max(len(pair.left), len(pair.right)) > LONGEST for pair in used)
    return make_training_data(tuple(_example(pair) for pair in used), len(pairs) - len(used), cut)


def _texts(pair: DecidedPair) -> frozenset[str]:
    return frozenset((pair.left, pair.right))


def _example(pair: DecidedPair) -> Example:
    chat = (*prompt(pair.left, pair.right), Message("assistant", SAME if pair.same else DIFFERENT))
    fields = {"left": pair.left, "right": pair.right, "same": pair.same, "partial": pair.partial}
    return Example(chat, "rejected" if not pair.same else "partial" if pair.partial else "approved", fields)


def decided_pairs(project: Project) -> list[DecidedPair]:
    """The pairs that people have settled, in order of import. Raises Refused for a project of another task."""
    if project.settings().task != TASK:
        raise Refused(
            f"Tuning a hosted model learns from decisions on pairs; answers of the task {project.settings().task!r} "
            "are none. Make a project of pairs: rondo init --task pairs."
        )
    rows = project.store.query(
        """select r.fields->>'left', r.fields->>'right', s.answer, s.stratum
           from settled s join records r using (n) order by n"""
    )
    pairs = [
        DecidedPair(left or "", right or "", json.loads(answer).get("same") is True, stratum=stratum)
        for left, right, answer, stratum in rows
    ]
    return mark_partial(pairs)


def mark_partial(pairs: Sequence[DecidedPair]) -> list[DecidedPair]:
    """Marks a = b where some c was compared with both, and merged with neither or with one alone."""
    decided: dict[frozenset[str], bool] = {_texts(pair): pair.same for pair in pairs}
    partners: defaultdict[str, set[str]] = defaultdict(set)
    for pair in pairs:
        partners[pair.left].add(pair.right)
        partners[pair.right].add(pair.left)

    def is_partial(pair: DecidedPair) -> bool:
        thirds = (partners[pair.left] & partners[pair.right]) - {pair.left, pair.right}
        return pair.same and any(
            not (decided[frozenset((pair.left, third))] and decided[frozenset((pair.right, third))]) for third in thirds
        )

    return [
        DecidedPair(pair.left, pair.right, pair.same, is_partial(pair), pair.stratum) if pair.same else pair
        for pair in pairs
    ]
