"""Columns of a stored answer: where it came from, whether it was given blind, what it says as JSON. Knows no rule."""

import json
from collections.abc import Iterable

APP, FILE, BULK, ARGILLA, CROWD, CORRECTION = "app", "file", "bulk", "argilla", "crowd", "correction"
"""`source` of a response. app: one by one in the app. file: a label of the file's own. bulk: one of many at once.
crowd: of a person that a file names. correction: settles its record whatever others said. `origin` says which bulk
answer, which of Argilla's datasets, which file of people's answers."""

ID_PREFIXES = {source: f"{source}:" for source in (FILE, BULK, ARGILLA, CROWD)}
"""how the ids of events begin that are made here, so that none from a browser is the same"""


def is_blind(source: str, model: str | None) -> bool:
    """Whether an answer counts as given without a suggestion in view. Nobody knows what the people of a file saw."""
    return model is None and source != CROWD


def answer_json(labels: Iterable[str]) -> str:
    """An answer to the task of labels: the JSON list of its label ids, sorted. In SQL it is `answer_of(labels)`."""
    return json.dumps(sorted(labels), ensure_ascii=False, separators=(",", ":"))
