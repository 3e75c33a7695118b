"""Labels as Argilla asks for them: one of them, or several, or none of these."""

from collections.abc import Mapping

from core.errors import Refused
from core.tasks.label_prompt import label_lines
from core.tasks.questions import NONE, Option, Question, TeamForm, Value

SEVERAL = "multi_label_selection"
LIKELY = 0.5
"""probability from which each of several labels is proposed"""


def question(setup: Mapping[str, object]) -> Question:
    """An option's value is the label's id, so that a rename touches no answer; people read where it stands."""
    several, labels = bool(setup["multi"]), setup["labels"]
    listed = labels if isinstance(labels, list) else []
    options = tuple(Option(x["id"], x.get("path", x["name"]), x["description"]) for x in listed)
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


def guide(setup: Mapping[str, object]) -> str:
    """The labels with what they mean, examples and counter-examples; empty where none says anything of itself."""
    labels = setup["labels"] if isinstance(setup["labels"], list) else []
    if not any(one["description"] or "examples" in one or "counter_examples" in one for one in labels):
        return ""
    return "\n".join(["Labels:", *label_lines(setup)])


def hint(suggestion: Mapping[str, object]) -> str:
    """The labels that it had when they were others."""
    return str(suggestion.get("was", ""))


LABEL_FORM = TeamForm(question, to_value, from_value, proposed, guide, hint)
