"""The kinds of task there are. Adding one is a file beside this and a line here."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from core.arrays import Bools, Rows
from core.config.settings import FILE, Settings
from core.errors import BadInput, Refused
from core.store.answers import answer_text
from core.tasks.columns import CellReader, CellRules, ColumnReader, ColumnSummary
from core.tasks.extract import EXTRACT
from core.tasks.labels import LABELS
from core.tasks.pairs import PAIRS
from core.tasks.task import Answer, AnswerSpace, Task

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TASKS: dict[str, Task] = {"labels": LABELS, "pairs": PAIRS, "extract": EXTRACT}
"""`task` of the settings, and the name of the card's module -> what an answer is"""


def task_of(settings: Settings) -> Task:
    """The project's. Raises BadInput where there is none of that name."""
    if settings.task not in TASKS:
        raise BadInput(f"{FILE}: task is {settings.task!r}, but it must be one of {', '.join(TASKS)}.")
    return TASKS[settings.task]


def space_of(settings: Settings) -> AnswerSpace:
    """The project's answers as numbers. Raises BadInput as `task_of`."""
    task = task_of(settings)
    return task.space(task.setup(settings))


def unready(settings: Settings) -> str | None:
    """Why nothing can be asked or learnt yet, or None."""
    task = task_of(settings)
    return task.unready(task.setup(settings))


def is_choice(settings: Settings) -> bool:
    """Whether an answer is a choice among categories, though there may be none yet."""
    return task_of(settings).taxonomy or bool(space_of(settings).categories)


def lacks_labels(settings: Settings, what: str) -> str | None:
    """Why there cannot be what only labels can have, or None. what: begins the sentence, in the singular."""
    if task_of(settings).taxonomy:
        return None
    return f"{what} needs labels to choose from, and answers of the task {settings.task!r} have none."


def require_labels(settings: Settings, what: str) -> None:
    """Raises Refused in these words."""
    if reason := lacks_labels(settings, what):
        raise Refused(reason)


def describer(settings: Settings) -> Callable[[str | None], str | None]:
    """Says stored answers in words, None of None; the same text is read once."""
    describe = task_of(settings).describe(settings)
    return cache(lambda stored: None if stored is None else describe(json.loads(stored)))


def about_columns(settings: Settings) -> Mapping[str, object]:
    """What must be known of a project to read columns of answers in a file."""
    task = task_of(settings)
    return task.columns.about(settings) if task.columns else task.setup(settings)


def about_plain_columns(*, several: bool) -> Mapping[str, object]:
    """The same where there is no project: labels of any names, `several` of which a cell may hold."""
    return about_columns(Settings(name="file", multi=several))


def reader_of(name: str, about: Mapping[str, object], rules: CellRules) -> ColumnReader:
    """What reads the answers of one file. about: as `about_columns` has it."""
    task = TASKS[name]
    if task.columns:
        return task.columns.reader(about, rules)
    return CellReader(
        meaning=lambda cell: task.canonical(task.read_text(cell, about)),
        text=lambda answer: task.text(answer, about),
        noun=task.noun,
        keep_missing=rules.keep_missing,
    )


def learn_from(summary: ColumnSummary, about: Mapping[str, object], settings: Settings, *, add: bool) -> Settings:
    """The settings with what a file's column of answers teaches. about: by which it was read.

    Raises BadInput for answers that cannot be, Refused where the settings have changed since.
    """
    task = task_of(settings)
    if task.columns:
        return task.columns.learn(summary, about, settings, add)
    if about != task.setup(settings):
        raise Refused(f"What {summary.noun}s there may be was changed meanwhile. Import the file again.")
    return settings


def stored_query(cursor: "DuckDBPyConnection", query: str, settings: Settings) -> str:
    """SQL of id, annotator, labels and answer from a query of id, annotator and label, the text that a reader gave.

    May make temporary tables.
    """
    columns = task_of(settings).columns
    if columns:
        return columns.stored(cursor, query, settings)
    return f"select id, annotator, []::varchar[] as labels, label::json as answer from ({query})"


def encode_stored(space: AnswerSpace, stored: Sequence[str]) -> Rows:
    """(n, width) of answers as the store has them: the same text is read once."""
    if not len(stored):
        return space.encode(())
    distinct: dict[str, int] = {}
    rows = [distinct.setdefault(text, len(distinct)) for text in stored]
    answers: list[Answer] = [json.loads(text) for text in distinct]
    return np.asarray(space.encode(answers)[rows])


def right_stored(space: AnswerSpace, truth: Sequence[str], answers: Sequence[str]) -> Bools:
    """(n,) are the answers wholly right? Both as the store has them.

    Of categories equal texts are equal answers, also where they name one that is retired and cannot be encoded.
    """
    if space.categories:
        return np.array([one == other for one, other in zip(truth, answers, strict=True)], np.bool_)
    return space.right(encode_stored(space, truth), encode_stored(space, answers))


def by_language_models(settings: Settings) -> bool:
    """Whether machine labels come from language models, because the head predicts only parts of an answer."""
    return task_of(settings).composed is not None and not space_of(settings).whole


def right_machine_labels(settings: Settings, truth: Sequence[str], answers: Sequence[str]) -> Bools:
    """(n,) are these machine labels right? Both as the store has them."""
    right = task_of(settings).right
    if right is None or not by_language_models(settings):
        return right_stored(space_of(settings), truth, answers)
    pairs = zip(map(json.loads, truth), map(json.loads, answers), strict=True)
    return np.array([right(one, other, settings) for one, other in pairs], np.bool_)


def parts_of_stored(space: AnswerSpace) -> dict[str, str]:
    """What is stored of an answer -> the part of the project that it is in; none where all stand or fall together."""
    if not space.exclusive:
        return {}
    each = np.eye(len(space.categories), dtype=np.bool_)
    return {answer_text(answer): part for answer, part in zip(space.decode(each), space.parts, strict=True)}
