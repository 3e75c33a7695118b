"""A round's metrics beyond scores: learning curve, forecast, savings, drift. Knows no store."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from core.arrays import Bools, Floats, Ints, Rows
from core.errors import Damaged, Refused
from core.evaluation.curve import FILE, MORE, fit_curve, forecast_of, lacking
from core.evaluation.drift import between_rounds, between_sources, mixes
from core.evaluation.held_out import HeldOutPredictions, score_of
from core.evaluation.metrics import CurvePoint, Drift, Forecast, Missing, Mix, ModelAgreement, Savings
from core.evaluation.savings import savings, simulate_random_arm
from core.evaluation.stopping import agreement
from core.jobs.bundle import write_json
from core.models.artifacts import load_fitted
from core.models.heads.head import FOLDS
from core.models.heads.kind import FittedHead, NeighbourGraph, TrainingRecords
from core.models.out_of_fold import VERDICTS, predict_unseen, read_stored
from core.rounds.round_job import PastModel
from core.sampling.subpool import LARGE
from core.tasks.task import Predictions
from gpu_jobs.work.choose import RoundInputs, ScoredPool
from gpu_jobs.work.held_out import read_history

COMPARED = 50_000
"""records of the pool on which two models are compared, at most"""
MOST_SHIFTS = 20
"""differences between rounds and sources that are kept, the surest"""
RESCORED = 30
"""earlier models that the learning curve shows, at most; evenly spread"""


def pool_sample(pool: Ints, seed: int) -> Ints:
    """A random sample of at most COMPARED of its records."""
    if len(pool) > COMPARED:
        return np.sort(np.random.default_rng(seed).choice(pool, COMPARED, replace=False))
    return pool


def agreement_with(before: FittedHead, inputs: RoundInputs, pool: Predictions) -> ModelAgreement | None:
    """Agreement of two successive heads on some records of the pool; None without records, where their labels differ,
    and where an answer is no choice among categories. pool: predictions of the new head for `pool_sample`.
    """
    space = inputs.space
    if not space.heads.fits(before) or not len(pool) or not space.categories:
        return None
    rows = pool_sample(inputs.arrays["pool_rows"], inputs.params.seed)
    decisions = [space.decide(outputs) for outputs in (before.predict(inputs.vectors, rows), pool.outputs)]
    return agreement(*(one.argmax(axis=1) if space.exclusive else one for one in decisions))


@dataclass(frozen=True)
class Rescored:
    """The models so far, oldest first, on the records answered so far. predicted: (models, k, width). learnt: (models,
    k) labels behind each prediction. unreadable: ids of models whose files are damaged, which are left out."""

    models: tuple[PastModel, ...]
    predicted: Rows
    learnt: Floats
    unreadable: tuple[str, ...]


def rescore_past_models(models: Sequence[PastModel], answered: HeldOutPredictions, vectors: Floats) -> Rescored:
    """Scores each earlier model on all asked records, by out-of-fold predictions where it trained on them.

    Models of another taxonomy, and those from before out-of-fold predictions were kept, are left out.
    """
    if len(models) > RESCORED:
        models = [models[index] for index in np.linspace(0, len(models) - 1, RESCORED).astype(int)]
    retained: list[PastModel] = []
    predicted: list[Rows] = []
    learnt: list[Floats] = []
    unreadable: list[str] = []
    for model in models:
        try:
            rescored = _rescore(model, answered, vectors)
        except Damaged:
            unreadable.append(model.id)
            continue
        if rescored is not None:
            retained.append(model)
            predicted.append(rescored[0])
            learnt.append(rescored[1])
    decisions = np.array(predicted, answered.predicted.dtype).reshape(-1, *answered.predicted.shape)
    return Rescored(tuple(retained), decisions, np.array(learnt).reshape(-1, len(answered.rows)), tuple(unreadable))


def _rescore(model: PastModel, answered: HeldOutPredictions, vectors: Floats) -> tuple[Rows, Floats] | None:
    """(decisions (k, width), labels behind each (k,)); None for a model without out-of-fold predictions or of other
    labels. Raises Damaged."""
    folder, space, rows = Path(model.path), answered.space, answered.rows
    if not (folder / VERDICTS).exists():
        return None
    head = load_fitted(folder, space.heads.restore)
    stored = read_stored(folder, space.encode(())) if space.heads.fits(head) else None
    if stored is None or stored.out_of_fold is None:
        return None
    predicted = predict_unseen(stored, rows, space.decide, lambda part: head.predict(vectors, rows[part])).predicted
    out_of_fold, learnt = stored.out_of_fold, np.full(len(rows), float(model.labels))
    seen = np.isin(rows, out_of_fold.rows)
    stored_rows = np.searchsorted(out_of_fold.rows, rows[seen])
    learnt[seen] = out_of_fold.labels[stored_rows] if len(out_of_fold.labels) else model.labels - seen.sum() / FOLDS
    return predicted, learnt


def learning_curve(rescored: Rescored, answered: HeldOutPredictions, seed: int) -> tuple[CurvePoint, ...]:
    """One point per model, with its score on the audit as it is now: no figures per label, and no sentences."""
    points = []
    for model, predicted in zip(rescored.models, rescored.predicted, strict=True):
        audit = replace(score_of(replace(answered, predicted=predicted), seed=seed), unsaid=())
        points.append(CurvePoint(model.id, model.round, model.labels, audit))
    return tuple(points)


def _on_audit(rescored: Rescored, answered: HeldOutPredictions) -> tuple[Bools, Floats, Floats]:
    """(models, audits) whether each model is right and how many labels it learnt from; (audits,) weights."""
    audit = answered.weights.drawn
    rows = [answered.space.right(answered.truth, predicted)[audit] for predicted in rescored.predicted]
    right = np.array(rows, np.bool_).reshape(-1, int(audit.sum()))
    return right, rescored.learnt[:, audit], answered.weights.weight[audit]


def forecast(rescored: Rescored, answered: HeldOutPredictions, folder: Path, seed: int) -> Forecast | Missing:
    """Expected gain from more labels; the fitted curve is stored beside the head."""
    right, labels, weight = _on_audit(rescored, answered)
    if missing := lacking(right, labels):
        return Missing(missing)
    rng = np.random.default_rng(seed)
    curve = fit_curve(right, labels, weight, rng, now=rescored.models[-1].labels)
    write_json(folder / FILE, curve.as_json())
    return forecast_of(curve, int(answered.weights.drawn.sum()), MORE, rng)


def count_savings(
    rescored: Rescored,
    answered: HeldOutPredictions,
    records: TrainingRecords,
    around: NeighbourGraph | None,
    seed: int,
) -> Savings | Missing:
    """Labels saved against random labelling. records: of the audit alone."""
    space, truth = answered.space, answered.truth[answered.weights.drawn]

    def fit_and_score(rows: Ints) -> Bools:
        head = space.heads.fit(replace(records, vectors=records.vectors[rows], answers=records.answers[rows]), around)
        return space.right(truth, space.decide(head.predict(records.vectors)))

    try:
        shadow = simulate_random_arm(len(truth), fit_and_score, np.random.default_rng(seed))
        return savings(*_on_audit(rescored, answered), shadow, rescored.models[-1].labels)
    except Refused as error:  # too few records
        return Missing(str(error))


def find_drift(inputs: RoundInputs, answered: HeldOutPredictions) -> Drift:
    """What differs between rounds and between sources, by the audit: sentences, and what has too few records."""
    arrays, names = inputs.arrays, inputs.space.names
    truth, predicted = answered.marks
    parts = []
    if len(answered.rows) == len(arrays["asked_rows"]):
        parts.append(between_rounds(read_history(arrays), truth, predicted, names))
    source_of = dict(zip(arrays["asked_rows"].tolist(), arrays["asked_sources"].tolist(), strict=True))
    sources = [inputs.params.sources[source_of[row]] for row in answered.rows.tolist()]
    parts.append(between_sources(answered.weights, sources, truth, predicted, names))
    return Drift(
        differences=tuple(one for part in parts for one in part.differences)[:MOST_SHIFTS],
        claims=tuple(claim for part in parts for claim in part.claims),
        unsaid=tuple(sentence for part in parts for sentence in part.unsaid),
    )


def mix_by_source(inputs: RoundInputs, scored: ScoredPool) -> tuple[Mix, ...]:
    """Label shares of the suggestions for the pool, per source; empty where answers are no choice among categories."""
    sources, space, pool = inputs.params.sources, inputs.space, inputs.arrays["pool_rows"]
    if len(sources) < 2 or not len(pool) or not space.categories:
        return ()
    codes = inputs.arrays["pool_sources"].astype(np.int64)
    if len(pool) > LARGE:  # a sample says it as well
        some = np.sort(np.random.default_rng(inputs.params.seed).choice(len(pool), COMPARED, replace=False))
        pool, codes = pool[some], codes[some]
    return mixes(scored.predictions.outputs[pool].argmax(axis=1), codes, sources, space.names)
