"""What a language model said, measured on the audit, and as examples for the head. Knows no prompt and no server."""

from dataclasses import dataclass

import duckdb
import numpy as np

from core.arrays import Bools, Floats, Ints, Rows
from core.config.settings import Settings
from core.evaluation.audit import Weights, drawn_only, weigh
from core.evaluation.metrics import Estimate
from core.evaluation.reporting import FEW, FEWEST
from core.evaluation.scores import drawn_among, interval
from core.labelling.generated_answers import VALID, WHOLE, compare_with_head
from core.rounds.draws import read_history
from core.store.database import count
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
    is measured, and none unless it is better than the head. leaking: SQL of hashes of texts that must not train.

    The weight is WEAK_WEIGHT times the square of how far the lower end of the label's precision is above chance. All of
    them together weigh no more than people's answers.
    """
    space = space_of(settings)
    none = WeakLabels(np.empty(0, np.int64), space.encode(()), np.empty(0))
    if model is None or task_of(settings).language is None or not space.categories:
        return none
    measured = measure_answers(cursor, settings, model)
    if not measured.enough or compare_with_head(cursor, model).better != "model":
        return none
    rows = cursor.execute(
        f"""select n, g.answer from generated_answers g join records r using (n)
            where n < ? and g.step = ? and g.model = ? and g.state = ? and g.answer is not null
              and r.duplicate_of is null and r.split is distinct from 'test' and not is_labelled(n)
              and r.hash not in ({leaking}) order by n""",
        [stop, WHOLE, model, VALID],
    ).fetchall()
    targets = encode_stored(space, [answer for _, answer in rows])
    skill = _skill(measured, np.asarray(targets, np.float64), exclusive=space.exclusive)
    weight = WEAK_WEIGHT * skill**2
    people = count(cursor, "select count(*) from settled where stratum <> 'gold'")
    weight *= min(1.0, people / max(float(weight.sum()), 1e-12))
    useful = weight > 0
    return WeakLabels(np.array([n for n, _ in rows], np.int64)[useful], targets[useful], weight[useful])


def _skill(measured: MeasuredAnswers, targets: Floats, *, exclusive: bool) -> Floats:
    """(m,) how far the lower end of each answer's precision is above chance, 0..1. targets: (m, width).

    A label that FEW audit records were given has a precision of its own. Another one has that of all, less where the
    model gives it more often than people do: then many of these answers must be wrong.
    """
    width = targets.shape[1]
    overall = measured.accuracy.low
    if not exclusive:
        return np.full(len(targets), max(2 * overall - 1, 0.0))
    truth = np.asarray(measured.truth, np.float64)
    of_people = (truth.sum(axis=0) + 1) / (len(truth) + width)
    of_model = (targets.sum(axis=0) + 1) / (len(targets) + width)
    low = overall * np.minimum(of_people / of_model, 1.0)
    for column in range(width):
        among = np.asarray(measured.predicted[:, column], np.bool_) & measured.valid
        if among.sum() >= FEW:
            low[column] = measured.share(among).low
    return np.asarray(targets @ np.clip((low - 1 / width) / (1 - 1 / width), 0.0, 1.0))
