"""Labels as Argilla asks for them: one of them, or several, or none of these."""

from collections.abc import Mapping

from core.errors import Refused
from core.tasks.questions import Option, Question, TeamForm, Value

NONE = "(none)"
"""value of the option that says none of the labels, since Argilla wants at least one"""
SEVERAL = "multi_label_selection"
LIKELY = 0.5
"""probability from which each of several labels is proposed"""


def question(setup: Mapping[str, object]) -> Question:
    """An option's value is the label's id, so that a rename touches no answer."""
    several, labels = bool(setup["multi"]), setup["labels"]
    options = tuple(Option(x["id"], x["name"], x["description"]) for x in labels) if isinstance(labels, list) else ()
    if len(options) < (1 if several else 2):
        raise Refused("Argilla asks for one of at least two labels. Add labels on the Settings page, then push again.")
    if several:
        return Question(SEVERAL, "Which labels fit?", (*options, Option(NONE, "None of these")))
    return Question("label_selection", "Which label fits?", options)


def to_value(answer: object, question: Question) -> Value:
    """A list where several may hold, else the only one."""
    labels = [label for label in answer if isinstance(label, str)] if isinstance(answer, list | tuple) else []
    if question.kind == SEVERAL:
        return labels or [NONE]
    return labels[0] if labels else None


def from_value(value: Value, setup: Mapping[str, object]) -> list[str]:
    """Ids, sorted. Of 'none of these' beside labels the labels count."""
    values = value if isinstance(value, list) else [] if value is None else [value]
    return sorted({str(one) for one in values} - {NONE})


def proposed(suggestion: Mapping[str, object], question: Question) -> tuple[Value, Value] | None:
    """The likeliest label; where several may hold, all that are likelier than not, or whose probability is unknown."""
    labels = suggestion["labels"]
    pairs = [(one["id"], one["probability"]) for one in labels] if isinstance(labels, list) else []
    several = question.kind == SEVERAL
    retained = [pair for pair in pairs if pair[1] is None or pair[1] >= LIKELY] if several else pairs[:1]
    retained = [pair for pair in retained if pair[0] in question.values]
    if not retained:
        return None
    values, scores = [value for value, _ in retained], [score for _, score in retained]
    known = scores if None not in scores else None
    return (values, known) if several else (values[0], scores[0])


LABEL_FORM = TeamForm(question, to_value, from_value, proposed)
