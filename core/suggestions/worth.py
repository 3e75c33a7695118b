"""What a language model's suggestions are worth: precision, labels that they stand for, and how they sway people.

Everything rests on audit records and on a random share of records that are shown without a suggestion.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf, sqrt

import duckdb
import numpy as np

from core.config.settings import Settings
from core.evaluation.curve import FILE, Curve, read_curve
from core.evaluation.metrics import Estimate
from core.evaluation.reporting import FEW, FEWEST, with_minus
from core.evaluation.scores import share
from core.labelling.generated_answers import (
    VALID,
    WHOLE,
    Comparison,
    compare_with_head,
    is_withheld,
    newest_language_model,
)
from core.language_models.generation import spent
from core.language_models.spending import Spent
from core.models.in_use import active_model
from core.project import Project
from core.rounds.weak_labels import MeasuredAnswers, measure_answers
from core.tasks.tasks import space_of, task_of

FAR = 20.0
"""times the labels so far; beyond it no number of labels is given"""


@dataclass(frozen=True)
class PartPrecision:
    """Of the audit records that the model gave this label, the share that has it; None for fewer than FEW of them."""

    name: str
    records: int
    precision: Estimate | None


@dataclass(frozen=True)
class LabelsWorth:
    """With how many labels the head is as good as the language model on the audit; None: no number can be named."""

    labels: float | None
    low: float
    high: float | None
    sentence: str


@dataclass(frozen=True)
class Pull:
    """How often people's answers agree with the language model's, with its suggestion in view and without. difference:
    shown - hidden, with a 95 % interval; None for fewer than FEWEST of either.
    """

    shown: int
    hidden: int
    agree_shown: Estimate
    agree_hidden: Estimate
    difference: Estimate | None
    sentence: str


@dataclass(frozen=True)
class LanguageModelWorth:
    """model: that answered last. states: how many answers are in each. audit: measured records; accuracy: None for
    fewer than FEWEST. comparison: with the head in use. spent: in all. sentences: all of it, for people.
    """

    model: str
    states: Mapping[str, int]
    audit: int
    accuracy: Estimate | None
    parts: tuple[PartPrecision, ...]
    comparison: Comparison
    labels: LabelsWorth | None
    pull: Pull
    spent: Spent
    sentences: tuple[str, ...] = field(default=())


def language_model_worth(project: Project) -> LanguageModelWorth | None:
    """None where no language model has answered yet, or the project's task is not asked in this way."""
    settings = project.settings()
    if task_of(settings).language is None:
        return None
    with project.store.reading() as cursor:
        model = newest_language_model(cursor)
        if model is None:
            return None
        rows = cursor.execute(
            "select state, count(*) from generated_answers where step = ? and model = ? group by 1 order by 1",
            [WHOLE, model],
        ).fetchall()
        measured = measure_answers(cursor, settings, model)
        comparison = compare_with_head(cursor, model)
        pull = measure_pull(cursor, settings, model)
    accuracy = measured.accuracy if measured.enough else None
    worth = LanguageModelWorth(
        model=model,
        states=dict(rows),
        audit=len(measured.rows),
        accuracy=accuracy,
        parts=tuple(_parts(measured, settings)),
        comparison=comparison,
        labels=_labels_worth(project, accuracy) if accuracy else None,
        pull=pull,
        spent=spent(project),
    )
    return LanguageModelWorth(**{**vars(worth), "sentences": tuple(_sentences(worth))})


def _parts(measured: MeasuredAnswers, settings: Settings) -> list[PartPrecision]:
    """Of each category that it named, in their order."""
    space, result = space_of(settings), []
    for column, name in enumerate(space.names if space.categories else ()):
        among = np.asarray(measured.predicted[:, column], np.bool_) & measured.valid
        if records := int(among.sum()):
            one = MeasuredAnswers(**{**vars(measured), "right": np.asarray(measured.truth[:, column], np.bool_)})
            result.append(PartPrecision(name, records, one.share(among) if records >= FEW else None))
    return result


def _labels_worth(project: Project, accuracy: Estimate) -> LabelsWorth | None:
    """None before a learning curve was fitted."""
    champion = active_model(project)
    try:
        curve = read_curve(json.loads((project.models / str(champion) / FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return labels_worth(curve, accuracy, np.random.default_rng(0))


def labels_worth(curve: Curve, accuracy: Estimate, rng: np.random.Generator) -> LabelsWorth:
    """From draws of the head's curve and of the language model's error, which is normal on the logit of its interval.

    The curve's error at L labels is floor + b * L ** -c; where a draw's floor is above the model's error no number of
    labels reaches it.
    """
    lows, middle, highs = (_logit(value) for value in (accuracy.low, accuracy.value, accuracy.high))
    error = 1 - 1 / (1 + np.exp(-(middle + rng.normal(size=len(curve.error)) * (highs - lows) / 3.92)))
    left = (error / curve.error - 1 + curve.share) / curve.share
    with np.errstate(divide="ignore", over="ignore"):
        needed = np.where(left > 0, curve.labels * np.power(np.maximum(left, 1e-12), -1 / curve.exponent), inf)
    low, mean, high = (float(value) for value in np.quantile(needed, [0.025, 0.5, 0.975], method="nearest"))
    most = FAR * curve.labels
    named = None if mean > most else mean
    limit = None if high > most else high
    if named is None:
        sentence = f"Worth more than {low:,.0f} of your labels: the head's curve does not reach it within {most:,.0f}."
    elif limit is None:
        sentence = f"Worth about {named:,.0f} of your labels, 95 % from {low:,.0f} up."
    else:
        sentence = f"Worth about {named:,.0f} of your labels, 95 % between {low:,.0f} and {limit:,.0f}."
    return LabelsWorth(named, min(low, most), limit, sentence)


def _logit(value: float) -> float:
    value = min(max(value, 0.005), 0.995)
    return float(np.log(value / (1 - value)))


def measure_pull(cursor: duckdb.DuckDBPyConnection, settings: Settings, model: str) -> Pull:
    """People's first answers in the app to records that the model had answered before, apart from audits and checks.

    Which of them were shown without a suggestion was drawn at random (`is_withheld`), so that the two differ in nothing
    else; rounds in which none of its suggestions was seen do not count. The interval of the difference is Newcombe's
    (1998, method 10).
    """
    rows = cursor.execute(
        """select rec.id, r.model is not null, r.answer::varchar = json(g.answer)::varchar
           from responses r join generated_answers g using (n) join records rec using (n)
           where g.step = $1 and g.model = $2 and g.state = $3 and r.action = 'submit' and r.source = 'app'
             and r.received_at > g.made_at and (r.model = g.model or r.model is null)
             and r.n not in (select n from queue where audit or purpose is not null)
             and r.round in (select round from responses where model = $2)
           qualify row_number() over (partition by r.n order by r.stamp) = 1""",
        [WHOLE, model, VALID],
    ).fetchall()
    groups = {
        True: [agrees for id, with_view, agrees in rows if with_view and not is_withheld(id, settings)],
        False: [agrees for id, with_view, agrees in rows if not with_view and is_withheld(id, settings)],
    }
    shown, hidden = (share(sum(groups[kind]), len(groups[kind])) for kind in (True, False))
    few = min(len(groups[True]), len(groups[False])) < FEWEST
    difference = None if few else newcombe(shown, hidden)
    return Pull(
        len(groups[True]), len(groups[False]), shown, hidden, difference, _pull_sentence(groups, difference, settings)
    )


def newcombe(first: Estimate, second: Estimate) -> Estimate:
    """first - second of two independent shares, from their Wilson intervals."""
    value = first.value - second.value
    low = sqrt((first.value - first.low) ** 2 + (second.high - second.value) ** 2)
    high = sqrt((first.high - first.value) ** 2 + (second.value - second.low) ** 2)
    return Estimate(value, value - low, value + high)


def _pull_sentence(groups: Mapping[bool, list[bool]], difference: Estimate | None, settings: Settings) -> str:
    counts = f"{len(groups[True]):,} answers with its suggestion in view, {len(groups[False]):,} without"
    if difference is None:
        if not settings.unassisted_share:
            return "How suggestions sway people is not measured: unassisted_share is 0."
        return f"How suggestions sway people: too few to say ({counts}; {FEWEST} of either are needed)."
    low, value, high = (round(100 * part, 1) for part in (difference.low, difference.value, difference.high))
    return with_minus(
        f"People agree with it {value:+.1f} points more often when they see its suggestion, 95 % between {low:+.1f} "
        f"and {high:+.1f} ({counts})."
    )


def _sentences(worth: LanguageModelWorth) -> list[str]:
    counts = ", ".join(f"{count:,} {state}" for state, count in worth.states.items())
    result = [f"{worth.model}: {counts}."]
    if worth.accuracy is None:
        result.append(f"Too few audit records yet ({worth.audit} of {FEWEST}) to say how often it is right.")
    else:
        one = worth.accuracy
        result.append(
            f"Right on {one.value:.0%} of all records (95 % between {one.low:.0%} and {one.high:.0%}, {worth.audit} "
            "audit records)."
        )
    if worth.labels:
        result.append(worth.labels.sentence)
    compared = worth.comparison
    if compared.records >= FEWEST:
        verdict = {
            "head": "so the head's suggestions are shown, and it is asked no more",
            "model": "so its suggestions are shown",
            None: "so the head's suggestions are shown",
        }[compared.better]
        result.append(
            f"On {compared.records} audit records: head {compared.head:.0%}, it {compared.model:.0%}, {verdict}."
        )
    return [*result, worth.pull.sentence]
