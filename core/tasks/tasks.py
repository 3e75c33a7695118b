"""The kinds of task there are. Adding one is a file beside this and a line here."""

import json
from collections.abc import Sequence

import numpy as np

from core.arrays import Rows
from core.config.settings import FILE, Settings
from core.errors import BadInput
from core.tasks.labels import LABELS
from core.tasks.task import Answer, AnswerSpace, Task

TASKS: dict[str, Task] = {"labels": LABELS}
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


def encode_stored(space: AnswerSpace, stored: Sequence[str]) -> Rows:
    """(n, width) of answers as the store has them: the same text is read once."""
    if not len(stored):
        return space.encode(())
    distinct: dict[str, int] = {}
    places = [distinct.setdefault(text, len(distinct)) for text in stored]
    answers: list[Answer] = [json.loads(text) for text in distinct]
    return np.asarray(space.encode(answers)[places])
