"""A task that the app does not have: how many of something a text names, a number that may be off by a tolerance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from core.arrays import Bools, Floats, Ints, Rows
from core.config.settings import Settings
from core.errors import BadInput
from core.models.heads.kind import CrossFit, HeadKind, NeighbourGraph, TrainingRecords
from core.tasks.questions import Question, TeamForm
from core.tasks.task import Answer, AnswerSpace, Setup, Task

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MOST, TOLERANCE = 50, 2.0
FOLDS, FEWEST, RIDGE = 5, 10, 0.1


def number(value: object) -> Answer:
    return {"number": float(str(value))}


def read(fields: Mapping[str, object]) -> Answer:
    if not isinstance(value := fields.get("number"), int | float) or isinstance(value, bool):
        raise BadInput("`number` must be a number.")
    return number(value)


def read_text(cell: str, setup: Setup) -> Answer:
    try:
        answer = number(cell)
    except ValueError:
        raise BadInput(f"{cell[:80]!r} is not a number.") from None
    if reason := refusal(answer):
        raise BadInput(reason)
    return answer


def text(answer: Answer) -> str:
    return repr(number_of(answer)).removesuffix(".0")


def number_of(answer: Answer) -> float:
    return float(answer["number"]) if isinstance(answer, dict) else float("nan")


def refusal(answer: Answer, settings: Settings | None = None, cursor: "DuckDBPyConnection | None" = None) -> str | None:
    return None if 0 <= number_of(answer) <= MOST else f"A number from 0 to {MOST} is needed."


@dataclass(frozen=True)
class Line:
    """Ridge regression. weights: (dims + 1,). inverse: (dims + 1, dims + 1) of the regularised products."""

    weights: Floats
    inverse: Floats
    noise: float
    calibration_error: float | None = None

    def predict(self, vectors: Floats, rows: Ints | None = None) -> Floats:
        inputs = design(vectors if rows is None else vectors[rows])
        spread = self.noise * np.sqrt(1 + np.einsum("ij,jk,ik->i", inputs, self.inverse, inputs))
        return np.column_stack([inputs @ self.weights, spread])

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"weights": self.weights, "inverse": self.inverse, "noise": np.array([self.noise])}

    def about(self) -> dict[str, object]:
        return {"task": "number"}


def design(vectors: Floats) -> Floats:
    inputs = np.asarray(vectors, np.float64)
    return np.column_stack([inputs, np.ones(len(inputs))])


def fit(records: TrainingRecords, around: NeighbourGraph | None = None) -> Line:
    inputs, truth = design(records.vectors), np.asarray(records.answers, np.float64)[:, 0]
    inverse = np.linalg.inv(inputs.T @ inputs + RIDGE * np.eye(inputs.shape[1]))
    weights = inverse @ inputs.T @ truth
    left_out = (truth - inputs @ weights) / (1 - np.einsum("ij,jk,ik->i", inputs, inverse, inputs))
    return Line(weights, inverse, float(np.sqrt((left_out**2).mean())) + 1e-3 if len(truth) else 1.0)


def cross_fit(
    records: TrainingRecords, around: NeighbourGraph | None, judged: Bools, rng: np.random.Generator
) -> CrossFit[Line]:
    head, n = fit(records), len(records.vectors)
    fold = rng.permutation(np.arange(n) % FOLDS)
    outputs, learnt = np.zeros((n, 2)), np.zeros(n, np.int64)
    for out in (fold == number for number in range(FOLDS)):
        part = TrainingRecords(records.vectors[~out], records.answers[~out])
        outputs[out], learnt[out] = fit(part).predict(records.vectors[out]), (~out).sum()
    return CrossFit(head, outputs[judged] if n >= FEWEST else None, learnt[judged])


def restore(manifest: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> Line:
    if not {"weights", "inverse", "noise"} <= arrays.keys():
        raise ValueError("it is no model of numbers")
    return Line(arrays["weights"], arrays["inverse"], float(arrays["noise"][0]))


def unfit(manifest: Mapping[str, Any]) -> str | None:
    return None if manifest.get("task") == "number" else "knows no numbers"


def encode(answers: Sequence[Answer]) -> Rows:
    return np.array([number_of(answer) for answer in answers], np.float64).reshape(-1, 1)


def correct(truth: Rows, answers: Rows) -> Floats:
    difference = np.asarray(truth, np.float64) - np.asarray(answers, np.float64)
    return np.asarray(np.abs(difference[:, 0]) <= TOLERANCE, np.float64)


def confidence(outputs: Floats, answers: Rows) -> Floats:
    """outputs: (n, 2) mean and standard deviation."""
    from scipy.special import ndtr  # scipy.stats takes a second to load

    return np.asarray(2 * ndtr(TOLERANCE / outputs[:, 1]) - 1)


SPACE: AnswerSpace = AnswerSpace(
    task="number",
    encode=encode,
    decode=lambda rows: [number(value) for value in np.asarray(rows)[:, 0].tolist()],
    decide=lambda outputs: np.clip(outputs[:, :1], 0, MOST).round().astype(np.float64),
    confidence=confidence,
    correct=correct,
    doubtful=lambda outputs: outputs[:, 1] > TOLERANCE,
    gradients=lambda outputs: outputs[:, 1:],
    alternatives=lambda outputs, most: [[(round(float(mean)), round(float(spread), 2))] for mean, spread in outputs],
    acquisition={"spread": lambda outputs: outputs[:, 1]},
    cold=5,
    heads=HeadKind(cross_fit, fit, restore, unfit),
    of_head=lambda head: SPACE,
)

NUMBER = Task(
    setup=lambda settings: {"most": MOST},
    unready=lambda setup: None,
    read=read,
    fields=lambda answer: {"number": number_of(answer)},
    read_text=read_text,
    text=lambda answer, setup: text(answer),
    describe=lambda settings: text,
    canonical=lambda answer: number(number_of(answer)),
    refusal=refusal,
    retired=lambda answer, settings: refusal(answer, settings),
    still_meant=lambda answer, settings: (answer, True),
    parameters=lambda settings: {"active": [], "multi": True},
    space=lambda setup: SPACE,
    noun="number",
    suggestion=lambda alternatives, settings: {"number": alternatives[0][0]},
    team=TeamForm(
        question=lambda setup: Question("text", f"How many? (0 to {setup['most']})"),
        to_value=lambda answer, question: text(answer),
        from_value=lambda value, setup: read_text(str(value), setup),
        proposed=lambda suggestion, question: (text(suggestion), None),
    ),
)
