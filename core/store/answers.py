"""Columns of a stored answer: its source, whether it was given blind, the answer as JSON. Knows no rule."""

import json

APP, FILE, BULK, ARGILLA, CROWD, CORRECTION = "app", "file", "bulk", "argilla", "crowd", "correction"
"""`source` of a response. app: one by one in the app. file: a label of the file's own. bulk: one of many at once.
crowd: of a person that a file names. correction: settles its record whatever others said. `origin` says which bulk
answer, which of Argilla's datasets, which file of people's answers."""

ID_PREFIXES = {source: f"{source}:" for source in (FILE, BULK, ARGILLA, CROWD)}
"""how the ids of events begin that are made here, so that none from a browser is the same"""


def is_blind(source: str, model: str | None) -> bool:
    """Whether an answer counts as given without a suggestion in view. What the annotators of a file saw is unknown."""
    return model is None and source != CROWD


def answer_text(answer: object) -> str:
    """A canonical answer as it is stored: the same answer is the same text. Of labels it is `answer_of(labels)` in SQL.

    Raises ValueError for what is no JSON, NaN among it.
    """
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)


def as_given(labels: str, answer: str) -> str:
    """SQL of two columns of a row: what it says, as JSON; labels in the order in which they were given or proposed."""
    return f"if(len({labels}) > 0, to_json({labels}), {answer})"


def noted(answer: object) -> dict[str, object]:
    """As the history has it: under `labels` where it is a list of them."""
    return {"labels": labels_in(answer)} if isinstance(answer, list | tuple) else {"answer": answer}


def labels_in(answer: object) -> list[str]:
    """The value of the column `labels`: the answer itself where it is a list of texts, so that filters read no JSON."""
    several = answer if isinstance(answer, list | tuple) else ()
    return [label for label in several if isinstance(label, str)]
