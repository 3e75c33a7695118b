"""What a round's job says of its model beyond its scores: learning curve, forecast, savings, drift. Knows no store."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from core.arrays import Bools, Floats, Ints
from core.errors import Damaged, Refused
from core.evaluation.curve import FILE, MORE, fit_curve, forecast_of, lacking
from core.evaluation.drift import between_rounds, between_sources, mixes
from core.evaluation.held_out import HeldOutPredictions, score_of
from core.evaluation.metrics import CurvePoint, Drift, Forecast, Missing, Mix, ModelAgreement, Savings
from core.evaluation.savings import savings, simulate_random_arm
from core.evaluation.stopping import agreement
from core.jobs.bundle import write_json
from core.models.artifacts import load_head
from core.models.heads.head import FOLDS, Head, LabelledVectors, NeighbourGraph, fit_uncalibrated, predict
from core.models.out_of_fold import VERDICTS, predict_unseen, read_stored
from core.rounds.round_job import PastModel, RoundParams
from core.tasks.labels import decide
from gpu_jobs.work.choose import ScoredPool
from gpu_jobs.work.held_out import Arrays, read_history

COMPARED = 50_000
"""records of the pool on which two models are compared, at most"""
MOST_SHIFTS = 20
"""differences between rounds and sources that are kept, the surest"""
RESCORED = 30
"""earlier models that the learning curve shows, at most; evenly spread"""


def pool_sample(pool: Ints, seed: int) -> Ints:
    """COMPARED of its records, at most."""
    if len(pool) > COMPARED:
        return np.sort(np.random.default_rng(seed).choice(pool, COMPARED, replace=False))
    return pool


def agreement_with(before: Head, scored: ScoredPool, vectors: Floats, rows: Ints) -> ModelAgreement | None:
    """Of two successive heads on some records; None without records, or where they speak of other labels."""
    head = scored.head
    if before.labels != head.labels or not len(rows):
        return None
    decisions = [decide(probs, head.multi) for probs in (predict(before, vectors, rows), scored.probs[rows])]
    return agreement(*(one if head.multi else one.argmax(axis=1) for one in decisions))


@dataclass(frozen=True)
class Rescored:
    """The models so far, oldest first, on the records answered so far. predicted: (models, k, labels). learnt: (models,
    k) labels that each learnt from where it judged. unreadable: ids of models whose files are damaged, which are left
    out."""

    models: tuple[PastModel, ...]
    predicted: Bools
    learnt: Floats
    unreadable: tuple[str, ...]


def rescore_past_models(
    models: Sequence[PastModel], answered: HeldOutPredictions, vectors: Floats, labels: Sequence[str]
) -> Rescored:
    """Each earlier model on all asked records, as if it had not learnt from them.

    Models of another taxonomy, and those from before out-of-fold predictions were kept, are left out.
    """
    if len(models) > RESCORED:
        models = [models[place] for place in np.linspace(0, len(models) - 1, RESCORED).astype(int)]
    retained: list[PastModel] = []
    predicted: list[Bools] = []
    learnt: list[Floats] = []
    unreadable: list[str] = []
    for model in models:
        try:
            rescored = _rescore(model, answered.rows, vectors, tuple(labels))
        except Damaged:
            unreadable.append(model.id)
            continue
        if rescored is not None:
            retained.append(model)
            predicted.append(rescored[0])
            learnt.append(rescored[1])
    decisions = np.array(predicted, bool).reshape(-1, len(answered.rows), len(labels))
    return Rescored(tuple(retained), decisions, np.array(learnt).reshape(-1, len(answered.rows)), tuple(unreadable))


def _rescore(model: PastModel, rows: Ints, vectors: Floats, labels: tuple[str, ...]) -> tuple[Bools, Floats] | None:
    """(decisions (k, labels), labels learnt from (k,)); None for a model without out-of-fold predictions or of other
    labels. Raises Damaged."""
    folder = Path(model.path)
    if not (folder / VERDICTS).exists():
        return None
    head = load_head(folder)
    stored = read_stored(folder, len(labels)) if head.labels == labels else None
    if stored is None or stored.out_of_fold is None:
        return None
    predicted = predict_unseen(
        stored, rows, len(labels), head.multi, lambda part: predict(head, vectors, rows[part])
    ).predicted
    out_of_fold, learnt = stored.out_of_fold, np.full(len(rows), float(model.labels))
    seen = np.isin(rows, out_of_fold.rows)
    place = np.searchsorted(out_of_fold.rows, rows[seen])
    learnt[seen] = out_of_fold.labels[place] if len(out_of_fold.labels) else model.labels - seen.sum() / FOLDS
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
    right = (rescored.predicted == answered.truth).all(axis=2)[:, audit]
    return right, rescored.learnt[:, audit], answered.weights.weight[audit]


def forecast(rescored: Rescored, answered: HeldOutPredictions, folder: Path, seed: int) -> Forecast | Missing:
    """What more labels would buy; the fitted curve goes beside the head."""
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
    labelled_vectors: LabelledVectors,
    around: NeighbourGraph | None,
    seed: int,
) -> Savings | Missing:
    """Labels saved against random labelling. labelled_vectors: of the audit records alone."""
    truth = answered.truth[answered.weights.drawn]

    def fit_and_score(rows: Ints) -> Bools:
        part = replace(labelled_vectors, vectors=labelled_vectors.vectors[rows], targets=labelled_vectors.targets[rows])
        head = fit_uncalibrated(part, around)
        return np.asarray(
            (decide(predict(head, labelled_vectors.vectors), labelled_vectors.multi) == truth).all(axis=1)
        )

    try:
        shadow = simulate_random_arm(len(truth), fit_and_score, np.random.default_rng(seed))
        return savings(*_on_audit(rescored, answered), shadow, rescored.models[-1].labels)
    except Refused as error:  # too little to tell
        return Missing(str(error))


def find_drift(arrays: Arrays, params: RoundParams, answered: HeldOutPredictions) -> Drift:
    """What differs between rounds and between sources, by the audit: sentences, and what is too little to tell."""
    names = params.label_names
    parts = []
    if len(answered.rows) == len(arrays["asked_rows"]):
        parts.append(between_rounds(read_history(arrays), answered.truth, answered.predicted, names))
    source_of = dict(zip(arrays["asked_rows"].tolist(), arrays["asked_sources"].tolist(), strict=True))
    sources = [params.sources[source_of[row]] for row in answered.rows.tolist()]
    parts.append(between_sources(answered.weights, sources, answered.truth, answered.predicted, names))
    return Drift(
        differences=tuple(one for part in parts for one in part.differences)[:MOST_SHIFTS],
        claims=tuple(claim for part in parts for claim in part.claims),
        unsaid=tuple(sentence for part in parts for sentence in part.unsaid),
    )


def mix_by_source(arrays: Arrays, params: RoundParams, probs: Floats) -> tuple[Mix, ...]:
    """What is suggested for the pool's records of each source. probs: (pool, labels)."""
    if len(params.sources) < 2 or not len(probs):
        return ()
    codes = arrays["pool_sources"].astype(np.int64)
    return mixes(probs.argmax(axis=1), codes, params.sources, params.label_names)
