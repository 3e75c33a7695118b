"""A task that the app does not have: how many of something a text names, a number that may be off by a tolerance."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import norm

from core.arrays import Floats
from core.config.settings import Settings
from core.errors import BadInput
from core.tasks.task import Answer, AnswerSpace, Rows, Task

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MOST, TOLERANCE = 50, 2.0


def read(fields: Mapping[str, object]) -> Answer:
    if not isinstance(number := fields.get("number"), int | float) or isinstance(number, bool):
        raise BadInput("`number` must be a number.")
    return {"number": number}


def number_of(answer: Answer) -> float:
    return float(answer["number"]) if isinstance(answer, dict) else float("nan")


def refusal(answer: Answer, settings: Settings, cursor: "DuckDBPyConnection | None" = None) -> str | None:
    return None if 0 <= number_of(answer) <= MOST else f"A number from 0 to {MOST} is needed."


def confidence(outputs: Floats, answers: Rows) -> Floats:
    """outputs: (n, 2) mean and standard deviation."""
    return np.asarray(2 * norm.cdf(TOLERANCE / outputs[:, 1]) - 1)


def correct(truth: Rows, answers: Rows) -> Floats:
    difference = np.asarray(truth, np.float64) - np.asarray(answers, np.float64)
    return np.asarray(np.abs(difference[:, 0]) <= TOLERANCE, np.float64)


SPACE = AnswerSpace(
    task="number",
    decide=lambda outputs: outputs[:, :1],
    confidence=confidence,
    correct=correct,
    gradients=lambda outputs: outputs[:, 1:],
    acquisition={"spread": lambda outputs: outputs[:, 1]},
    cold=5,
)

NUMBER = Task(
    card=lambda settings: {"most": MOST},
    read=read,
    canonical=lambda answer: {"number": number_of(answer)},
    refusal=refusal,
    retired=lambda answer, settings: refusal(answer, settings),
    still_meant=lambda answer, settings: (answer, True),
    parameters=lambda settings: {"active": [], "multi": True},
    space=lambda settings: SPACE,
)
