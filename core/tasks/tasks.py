"""The kinds of task there are. Adding one is a file beside this and a line here."""

from core.config.settings import FILE, Settings
from core.errors import BadInput
from core.tasks.labels import LABELS
from core.tasks.task import Task

TASKS: dict[str, Task] = {"labels": LABELS}
"""`task` of the settings, and the name of the card's module -> what an answer is"""


def task_of(settings: Settings) -> Task:
    """The project's. Raises BadInput where there is none of that name."""
    if settings.task not in TASKS:
        raise BadInput(f"{FILE}: task is {settings.task!r}, but it must be one of {', '.join(TASKS)}.")
    return TASKS[settings.task]
