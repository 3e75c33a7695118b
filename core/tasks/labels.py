"""The task `labels`: one label of a taxonomy for a record, or several. An encoded answer has a bool for each label."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from core.arrays import Floats, label_matrix
from core.config.colours import label_colours
from core.config.settings import Settings
from core.config.taxonomy import NONE_OF_THEM, PATH, SEPARATOR, spoken
from core.errors import BadInput
from core.models.heads.head import Head, linear_heads
from core.models.heads.kind import FittedHead
from core.tasks.choice import acquisition_scores, confidence, correct, decide, doubtful, gradients, likeliest
from core.tasks.label_columns import LABEL_COLUMNS, NOUN
from core.tasks.label_prompt import LABEL_PROMPT
from core.tasks.label_question import LABEL_FORM
from core.tasks.language_form import Alternatives
from core.tasks.task import Answer, AnswerSpace, GeneratedAnswer, Predictions, Setup, Task

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

COLD_PER_LABEL = 3


def setup(settings: Settings) -> Setup:
    """The labels that can be given, with what helps to choose among them, and whether several may hold."""
    taxonomy = settings.taxonomy
    colours = label_colours(taxonomy)
    labels = [
        {"id": x.id, "name": x.name, "description": x.description, "colour": colours[x.id]}
        | ({"path": taxonomy.path(x.id)} if x.parent else {})
        | ({"examples": list(x.examples)} if x.examples else {})
        | ({"counter_examples": list(x.counter_examples)} if x.counter_examples else {})
        for x in taxonomy.active
    ]
    return {"labels": labels, "multi": settings.multi}


def names_in(setup: Setup) -> dict[str, str]:
    """id -> name, in their order."""
    labels = setup["labels"]
    return {label["id"]: label["name"] for label in labels} if isinstance(labels, list) else {}


def unready(setup: Setup) -> str | None:
    """A choice needs something to choose from."""
    if names_in(setup):
        return None
    return "The project has no labels to choose from. Add some on the Settings page or with `rondo init --labels`."


def read_text(text: str, setup: Setup) -> tuple[str, ...]:
    """Names joined by the separator, as `text` writes them. Raises BadInput for a name that no label has."""
    if text.strip() == NONE_OF_THEM:
        return ()
    ids = {name: label for label, name in names_in(setup).items()}
    names = [name.strip() for name in (text.split(SEPARATOR) if setup["multi"] else [text])]
    if unknown := [name for name in names if name not in ids]:
        raise BadInput(f"There is no label {unknown[0][:80]!r}; there are {', '.join(ids) or 'none yet'}.")
    return tuple(ids[name] for name in names)


def text(answer: Answer, setup: Setup) -> str:
    """Names joined by the separator; a retired label stands there as its id."""
    names = names_in(setup)
    return SEPARATOR.join(names.get(label, label) for label in label_ids(answer)) or NONE_OF_THEM


def describe(settings: Settings) -> Callable[[Answer], str]:
    """Names joined by the separator, those of retired labels too."""
    names = settings.taxonomy.names
    return lambda answer: SEPARATOR.join(names.get(label, label) for label in label_ids(answer)) or "none of them"


def read(fields: Mapping[str, object]) -> tuple[str, ...]:
    """Ids. Raises BadInput."""
    labels = fields.get("labels")
    labels = [] if labels is None else labels
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise BadInput("`labels` must be a list of ids.")
    return tuple(labels)


def fields(answer: Answer) -> dict[str, object]:
    """Its ids."""
    return {"labels": list(label_ids(answer))}


def label_ids(answer: Answer) -> tuple[str, ...]:
    """An answer to this task, as what it is."""
    return tuple(answer) if isinstance(answer, list | tuple) else ()


def canonical(answer: Answer) -> list[str]:
    """Each once, sorted: their order does not count."""
    return sorted(set(label_ids(answer)))


def refusal(answer: Answer, settings: Settings, cursor: "DuckDBPyConnection") -> str | None:
    """Older versions of the taxonomy are looked at only where an answer names a label that this one has not."""
    labels, known = label_ids(answer), settings.taxonomy.names
    if strange := [label for label in labels if label not in known]:
        rows = cursor.execute("select distinct unnest(labels->>'$[*][0]') from taxonomies").fetchall()
        older = {label for (label,) in rows}
        if unknown := [label for label in strange if label not in older]:
            return f"There is no label {unknown[0][:80]!r}."
    if not settings.multi and len(set(labels)) != 1:
        return f"Exactly one label is needed, and this answer has {len(set(labels))}."
    return None


def retired(answer: Answer, settings: Settings) -> str | None:
    """An answer from a browser may name a label that was retired meanwhile; a correction may not."""
    active = [label.id for label in settings.taxonomy.active]
    if wrong := [label for label in label_ids(answer) if label not in active]:
        return f"There is no label {wrong[0][:80]!r} to give; there are {', '.join(active) or 'none yet'}."
    return None


def still_meant(answer: Answer, settings: Settings) -> tuple[list[str], bool]:
    """What its labels count as now; the answer does not count when it has lost its last one."""
    meanings = settings.taxonomy.meanings
    labels = canonical(answer)
    left = sorted({meanings[label] for label in labels if label in meanings})
    return left, (not labels or bool(left)) if settings.multi else len(left) == len(labels) == 1


def parameters(settings: Settings) -> dict[str, object]:
    """What SQL on the column `labels` binds."""
    meanings = settings.taxonomy.meanings
    meant = list(meanings.values())
    return {"active": list(meanings), "meant": [] if meant == list(meanings) else meant, "multi": settings.multi}


def suggestion(alternatives: Alternatives, settings: Settings) -> dict[str, object] | None:
    """What the labels count as now, best first; of several that count as one the chances add up."""
    chances: dict[str, float | None] = {}
    for label, chance in alternatives:
        meant = settings.taxonomy.meanings.get(str(label))
        if meant is not None:
            before = chances.get(meant)
            chances[meant] = chance if before is None or chance is None else before + chance
    best_first = sorted(chances.items(), key=lambda pair: -(pair[1] or 0.0))
    return {"labels": [{"id": id, "probability": chance} for id, chance in best_first]} if chances else None


def generated(
    proposed: dict[str, object] | None, answers: Sequence[GeneratedAnswer], settings: Settings
) -> dict[str, object] | None:
    """The language model's where the head proposes nothing or does no better."""
    one = answers[-1]
    if proposed and one.outdone:
        return proposed
    shown = suggestion(LABEL_PROMPT.alternatives(one.answer, one.confidence), settings)
    return {**shown, "model": one.model} if shown else proposed


EARLIER = "an earlier answer"
"""stands for the model of a suggestion that comes from what people answered before"""


def hinted(proposed: dict[str, object] | None, answer: Answer, settings: Settings) -> dict[str, object] | None:
    """What its labels are mapped to; of several it could be now the likeliest is first, where a model knows them."""
    taxonomy = settings.taxonomy
    labels = [label for label in label_ids(answer) if label not in taxonomy.meanings]
    targets = list(dict.fromkeys(target for label in labels for target in taxonomy.hints(label)))
    if not targets:
        return proposed
    listed = proposed["labels"] if proposed else []
    chances = {one["id"]: one["probability"] for one in listed} if isinstance(listed, list) else {}
    targets.sort(key=lambda target: -(chances.get(target) or 0.0))
    shown = [{"id": target, "probability": None if len(targets) == 1 else chances.get(target)} for target in targets]
    was = ", ".join(taxonomy.names.get(label, label) for label in labels)
    return {"labels": shown, "was": was, "model": EARLIER}


def space(setup: Setup) -> AnswerSpace:
    """Of a project's labels."""
    names = names_in(setup)
    labels = setup["labels"] if isinstance(setup["labels"], list) else []
    texts = tuple(spoken(f"{label.get('path', label['name'])} {label['description']}") for label in labels)
    space = labels_space(tuple(names), several=bool(setup["multi"]), names=tuple(names.values()), texts=texts)
    return replace(space, lines=_lines(labels))


def _lines(labels: Sequence[Mapping[str, str]]) -> dict[str, tuple[str, ...]]:
    """Label id -> the paths above it from the top, and its own; nothing where no label stands under another."""
    if not any("path" in label for label in labels):
        return {}
    paths = {label["id"]: label.get("path", label["name"]).split(PATH) for label in labels}
    return {one: tuple(PATH.join(path[: depth + 1]) for depth in range(len(path))) for one, path in paths.items()}


def labels_space(
    labels: Sequence[str], *, several: bool, names: tuple[str, ...] = (), texts: tuple[str, ...] = ()
) -> AnswerSpace:
    """labels: ids of all that may hold. several: may more than one, or none, hold for a record?"""
    ids = tuple(labels)
    return AnswerSpace(
        task="labels",
        encode=lambda answers: label_matrix([label_ids(answer) for answer in answers], ids),
        decode=lambda rows: [[ids[column] for column in np.flatnonzero(row)] for row in rows],
        decide=partial(decide, several=several),
        confidence=partial(confidence, several=several),
        correct=correct,
        doubtful=partial(doubtful, several=several),
        gradients=partial(gradients, several=several),
        alternatives=partial(likeliest, ids),
        acquisition=acquisition_scores(several=several),
        cold=COLD_PER_LABEL * len(ids),
        heads=linear_heads(ids, multi=several),
        of_head=labels_of_head,
        categories=ids,
        names=names or ids,
        texts=texts,
        exclusive=not several,
    )


def labels_of_head(head: FittedHead) -> AnswerSpace:
    """Of the labels that there were when it was fitted."""
    if not isinstance(head, Head):
        raise TypeError(f"{type(head).__name__} is no head of labels")
    return labels_space(head.labels, several=head.multi)


def label_predictions(probs: Floats, *, several: bool = False) -> Predictions:
    """What a model of labels says that are called 0, 1, 2 ... probs: (n, labels)."""
    return Predictions(labels_space([str(column) for column in range(probs.shape[1])], several=several), probs)


LABELS = Task(
    setup=setup,
    unready=unready,
    read=read,
    fields=fields,
    read_text=read_text,
    text=text,
    describe=describe,
    canonical=canonical,
    refusal=refusal,
    retired=retired,
    still_meant=still_meant,
    parameters=parameters,
    space=space,
    taxonomy=True,
    suggestion=suggestion,
    generated=generated,
    hinted=hinted,
    noun=NOUN,
    columns=LABEL_COLUMNS,
    team=LABEL_FORM,
    language=LABEL_PROMPT,
)
