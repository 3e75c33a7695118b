"""The task `pairs`: are the two sides of a record the same? An encoded answer has a bool for each of CATEGORIES."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from core.arrays import Rows
from core.config.settings import Settings
from core.errors import BadInput
from core.models.heads.kind import FittedHead
from core.models.heads.pair_head import pair_heads
from core.models.heads.pair_prior import PairPrior
from core.tasks.choice import acquisition_scores, confidence, correct, decide, doubtful, gradients, likeliest
from core.tasks.language_form import Alternatives
from core.tasks.pair_context import pair_context
from core.tasks.questions import Option, Question, TeamForm, Value
from core.tasks.task import Answer, AnswerSpace, PoolFeatures, Setup, Task

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

DIFFERENT, SAME = "different", "same"
CATEGORIES = (DIFFERENT, SAME)
"""in the order of the columns"""
SPELLINGS = {
    SAME: ("same", "match", "duplicate", "merge", "1", "true", "yes"),
    DIFFERENT: ("different", "no-match", "no match", "nomatch", "mismatch", "distinct", "keep apart", "apart", "0"),
}
OTHER_SPELLINGS = {"false": DIFFERENT, "no": DIFFERENT, "unique": DIFFERENT, "not duplicate": DIFFERENT}
FEATURES = 1
"""version of what the features of a pair are"""
TITLE = "Are these two the same?"


def setup(settings: Settings) -> Setup:
    """The fields of a record and their roles; none where it is one plain text."""
    return {"fields": [{"name": field.name, "role": field.role} for field in settings.fields]}


def field_names(setup: Setup) -> tuple[str, ...]:
    """In their order."""
    fields = setup.get("fields")
    return tuple(str(field["name"]) for field in fields) if isinstance(fields, list) else ()


def decision(same: bool) -> dict[str, bool]:
    """As an answer."""
    return {"same": same}


def is_same(answer: Answer) -> bool:
    """Of an answer to this task."""
    return isinstance(answer, dict) and answer.get("same") is True


def read(fields: Mapping[str, object]) -> Answer:
    """Raises BadInput."""
    if not isinstance(same := fields.get("same"), bool):
        raise BadInput("`same` must be true or false.")
    return decision(same)


def read_text(text: str, setup: Setup) -> Answer:
    """As files say it, in any case. Raises BadInput."""
    word = text.strip().casefold()
    known = {spelling: category for category, words in SPELLINGS.items() for spelling in words} | OTHER_SPELLINGS
    if word not in known:
        raise BadInput(f"{text[:80]!r} says neither 'same' (match, duplicate, 1) nor 'different' (no-match, 0).")
    return decision(known[word] == SAME)


def text(answer: Answer) -> str:
    """One of CATEGORIES."""
    return SAME if is_same(answer) else DIFFERENT


def refusal(answer: Answer, settings: Settings, cursor: "DuckDBPyConnection | None" = None) -> str | None:
    """Whatever `read` lets pass can be stored."""
    if isinstance(answer, dict) and isinstance(answer.get("same"), bool):
        return None
    return "A decision on a pair is same or different."


def suggestion(alternatives: Alternatives, settings: Settings) -> dict[str, object] | None:
    """The likelier of both."""
    answer, probability = alternatives[0]
    return {"same": is_same(answer), "probability": probability}


def encode(answers: Sequence[Answer]) -> Rows:
    """(n, 2) bool."""
    same = np.array([is_same(answer) for answer in answers], np.bool_)
    return np.column_stack([~same, same])


def decode(rows: Rows) -> list[Answer]:
    """Back again."""
    return [decision(bool(row[1])) for row in np.asarray(rows, np.bool_)]


def space(setup: Setup) -> AnswerSpace:
    """Of a project's pairs."""
    return pairs_space(field_names(setup))


def pairs_space(fields: tuple[str, ...]) -> AnswerSpace:
    """fields: names of those that the features of a pair compare."""
    return AnswerSpace(
        task="pairs",
        encode=encode,
        decode=decode,
        decide=partial(decide, several=False),
        confidence=partial(confidence, several=False),
        correct=correct,
        doubtful=partial(doubtful, several=False),
        gradients=partial(gradients, several=False),
        alternatives=alternatives,
        acquisition=acquisition_scores(several=False),
        cold=0,
        heads=pair_heads(fields),
        of_head=lambda head: pairs_space(_fields_of(head)),
        categories=CATEGORIES,
        names=CATEGORIES,
        exclusive=True,
        prior=PairPrior(),
    )


def alternatives(outputs: Rows, most: int) -> list[list[tuple[Answer, float]]]:
    """Both answers with their probabilities, the likelier first."""
    ranked = likeliest(CATEGORIES, np.asarray(outputs, np.float32), most)
    return [[(decision(category == SAME), chance) for category, chance in row] for row in ranked]


def _fields_of(head: FittedHead) -> tuple[str, ...]:
    fields = head.about().get("fields")
    return tuple(map(str, fields)) if isinstance(fields, list) else ()


def describe(settings: Settings) -> Callable[[Answer], str]:
    """The same words in every project."""
    return text


def question(setup: Setup) -> Question:
    """Of two; who is unsure discards the record."""
    return Question("label_selection", TITLE, (Option(SAME, "Same"), Option(DIFFERENT, "Different")))


def from_value(value: Value, setup: Setup) -> Answer:
    """Raises BadInput."""
    return read_text(str(value), {})


def proposed(suggestion: Mapping[str, object], question: Question) -> tuple[Value, Value]:
    """What the card would show."""
    return text(suggestion), suggestion["probability"]


FEATURES_QUERY = """
    select n, coalesce(r.fields->>'left', '') as left_text, coalesce(r.fields->>'right', '') as right_text,
           coalesce(one.source = other.source, false) as within
    from (select n, fields from records union all select n, null from erased) r
    left join pairs using (n)
    left join sides one on one.side = left_side
    left join sides other on other.side = right_side
    order by n
"""
"""within: both sides are of one source, in which either may stand on either side"""


def features_version(setup: Setup) -> str:
    """Changes with the fields."""
    return hashlib.sha256(json.dumps([FEATURES, *field_names(setup)]).encode()).hexdigest()[:12]


PAIRS = Task(
    setup=setup,
    unready=lambda setup: None,
    read=read,
    fields=lambda answer: {"same": is_same(answer)},
    read_text=read_text,
    text=lambda answer, setup: text(answer),
    describe=describe,
    canonical=lambda answer: decision(is_same(answer)),
    refusal=refusal,
    retired=lambda answer, settings: refusal(answer, settings),
    still_meant=lambda answer, settings: (answer, True),
    parameters=lambda settings: {"active": [], "multi": True},
    space=space,
    suggestion=suggestion,
    noun="decision",
    team=TeamForm(question, lambda answer, question: text(answer), from_value, proposed),
    features=PoolFeatures("pair_features", FEATURES_QUERY, features_version),
    two_sides=True,
    context=pair_context,
)
