"""What a language model said, measured on the audit, and as examples for the head. Knows no prompt and no server."""

from collections.abc import Callable
from dataclasses import dataclass

import duckdb
import numpy as np

from core.arrays import Bools, Floats, Ints, Rows
from core.config.settings import Settings
from core.evaluation.audit import Weights, drawn_only, weigh
from core.evaluation.metrics import Estimate
from core.evaluation.reporting import FEW, FEWEST
from core.evaluation.scores import drawn_among, interval
from core.labelling.generated_answers import VALID, WHOLE
from core.rounds.draws import read_history
from core.tasks.tasks import encode_stored, space_of, task_of

WEAK_WEIGHT = 0.4
"""of an answer that is always right; a person's has 1. As that of a pseudo-label"""


@dataclass(frozen=True)
class MeasuredAnswers:
    """A language model's answers to k audit records. rows: (k,) ascending. truth, predicted: (k, width). valid: (k,)
    False where there is no answer to read, which is wrong. weights: sampling weights.
    """

    model: str
    rows: Ints
    truth: Rows
    predicted: Rows
    valid: Bools
    right: Bools
    weights: Weights

    @property
    def enough(self) -> bool:
        """Whether there are so many that a figure may be shown."""
        return len(self.rows) >= FEWEST

    @property
    def accuracy(self) -> Estimate:
        """Share of all records of which its answer is right."""
        return self.share(np.ones(len(self.rows), np.bool_))

    def share(self, among: Bools) -> Estimate:
        """Share of right answers among some of them, with Wilson's interval at the effective sample size."""
        weight = self.weights.weight[among]
        if weight.sum() <= 0:
            return Estimate(0.0, 0.0, 1.0)
        value = min(float(weight[self.right[among]].sum() / weight.sum()), 1.0)
        return interval(value, drawn_among(among, self.weights))


def measure_answers(cursor: duckdb.DuckDBPyConnection, settings: Settings, model: str) -> MeasuredAnswers:
    """No audit record was an example in a prompt, so none of them taught what it measures."""
    space = space_of(settings)
    rows = cursor.execute(
        """select n, s.answer, g.answer from generated_answers g join settled s using (n)
           where s.stratum = 'audit' and g.step = ? and g.model = ? order by n""",
        [WHOLE, model],
    ).fetchall()
    others = cursor.execute("select n from settled where stratum not in ('gold', 'audit') order by n").fetchnumpy()["n"]
    left_pool, history = read_history(cursor, np.union1d(others, np.array([n for n, *_ in rows], np.int64)).tolist())
    weights = weigh(history)
    drawn = left_pool[weights.drawn].tolist()  # an audit record that a file answered was never drawn
    by_number = {n: (truth, answer) for n, truth, answer in rows}
    retained = [by_number[n] for n in drawn]
    truth = encode_stored(space, [truth for truth, _ in retained])
    valid = np.array([answer is not None for _, answer in retained], np.bool_)
    predicted = truth.copy()
    if valid.any():
        predicted[valid] = encode_stored(space, [answer for _, answer in retained if answer is not None])
    right = space.right(truth, predicted) & valid
    return MeasuredAnswers(model, np.array(drawn, np.int64), truth, predicted, valid, right, drawn_only(weights))


@dataclass(frozen=True)
class WeakLabels:
    """For a round's job. rows: (m,) records. targets: (m, width). weight: (m,)."""

    rows: Ints
    targets: Rows
    weight: Floats


def weak_labels(
    cursor: duckdb.DuckDBPyConnection, settings: Settings, model: str | None, stop: int, leaking: str
) -> WeakLabels:
    """What the model said of records that nobody has answered, weighted by what the audit says of it; none until that
    is measured. leaking: SQL of hashes of texts that must not train.

    The weight is WEAK_WEIGHT times how far the lower end of the precision's interval is above chance, squared: half
    as good an answer is worth a quarter.
    """
    space = space_of(settings)
    none = WeakLabels(np.empty(0, np.int64), space.encode(()), np.empty(0))
    if model is None or task_of(settings).language is None or not space.categories:
        return none
    measured = measure_answers(cursor, settings, model)
    if not measured.enough:
        return none
    rows = cursor.execute(
        f"""select n, g.answer from generated_answers g join records r using (n)
            where n < ? and g.step = ? and g.model = ? and g.state = ? and g.answer is not null
              and r.duplicate_of is null and r.split is distinct from 'test' and not is_labelled(n)
              and r.hash not in ({leaking}) order by n""",
        [stop, WHOLE, model, VALID],
    ).fetchall()
    targets = encode_stored(space, [answer for _, answer in rows])
    weight = _weigh(measured, exclusive=space.exclusive)(targets)
    useful = weight > 0
    return WeakLabels(np.array([n for n, _ in rows], np.int64)[useful], targets[useful], weight[useful])


def _weigh(measured: MeasuredAnswers, *, exclusive: bool) -> Callable[[Rows], Floats]:
    """(m, width) answers -> (m,) weights. A label's own precision counts from FEW of its audit records on."""
    width = measured.truth.shape[1]
    chance = 1 / width if exclusive else 0.5
    overall = measured.accuracy.low
    low = np.full(width, overall)
    if exclusive:
        for column in range(width):
            among = np.asarray(measured.predicted[:, column], np.bool_) & measured.valid
            if among.sum() >= FEW:
                low[column] = min(measured.share(among).low, 1.0)
    skill = np.clip((low - chance) / (1 - chance), 0.0, 1.0) ** 2

    def weight(targets: Rows) -> Floats:
        if not exclusive:
            return np.full(len(targets), WEAK_WEIGHT * float(skill.mean()))
        return np.asarray(WEAK_WEIGHT * (np.asarray(targets, np.float64) @ skill))

    return weight
