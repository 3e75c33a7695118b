"""A round's job: fit a head, score the pool, measure, choose the next batch. Knows arrays and a bundle, no store."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from core.arrays import Bools, Floats
from core.errors import Damaged
from core.evaluation.audit import Weights, drawn_only, weigh
from core.evaluation.held_out import HeldOutPredictions, decided, score_of
from core.evaluation.metrics import Metrics
from core.ids import ModelId
from core.models.artifacts import load_fitted, save_head
from core.models.encoders.encoder import OWN
from core.models.heads.kind import CrossFit, FittedHead, NeighbourGraph, TrainingRecords, WeakRecords
from core.models.vectors import encoder_folder, names_path, open_vectors, read_names
from core.rounds.round_job import PastModel, RoundParams, RoundResult
from core.store.whole_files import whole_file
from core.tasks.task import Predictions
from core.tasks.tasks import TASKS
from gpu_jobs.work.choose import RoundInputs, ScoredPool, choose
from gpu_jobs.work.compare_features import check_features
from gpu_jobs.work.graphs import keep_graph, make_graph
from gpu_jobs.work.held_out import (
    load_arrays,
    read_history,
    save_out_of_fold,
    subsample,
    write_held_out_predictions,
)
from gpu_jobs.work.large_pools import predict_pool
from gpu_jobs.work.measure import (
    agreement_with,
    count_savings,
    find_drift,
    forecast,
    learning_curve,
    mix_by_source,
    pool_sample,
    rescore_past_models,
)
from gpu_jobs.work.round_tables import write_ranked, write_suggestions

Report = Callable[[int, int], None]


@dataclass(frozen=True)
class FittedRound:
    """A fitted head, its training records, and out-of-fold outputs of the evaluated ones.

    evaluated: (n,) mask over the training records, weights: of these.
    """

    fitted: CrossFit[FittedHead]
    records: TrainingRecords
    around: NeighbourGraph
    evaluated: Bools
    weights: Weights


def run_round(bundle: Path, params: RoundParams, report: Report) -> RoundResult:
    """Fits a head, or loads the model in use, then chooses a batch if asked to."""
    import faiss  # noqa: F401 - the limit below holds for libraries that are loaded
    import scipy.optimize  # noqa: F401
    from threadpoolctl import threadpool_limits

    # These products are small: a second thread that waits for a busy core makes them ten times slower.
    with threadpool_limits(params.threads or 1):
        return _run_round(bundle, params, report)


def _run_round(bundle: Path, params: RoundParams, report: Report) -> RoundResult:
    started = time.monotonic()
    arrays = load_arrays(bundle / "in" / "rows.npz")
    vectors = open_vectors(Path(params.vectors), params.encoder)
    inputs = RoundInputs(bundle, params, TASKS[params.task].space(params.setup), arrays, vectors)
    report(0, 3)
    learnt = _learn(inputs) if params.learn else None
    head = learnt.fitted.head if learnt else _load(inputs)
    report(1, 3)
    scored = ScoredPool(head, predict_pool(inputs.space, head, vectors)) if head else None
    metrics = None
    if learnt and scored:
        metrics = _measure(inputs, learnt, scored)
        with suppress(Damaged, ImportError, OSError):  # a comparison of encoders is worth no round
            metrics = replace(metrics, features=check_features(inputs))
        write_suggestions(bundle / "out" / "suggestions.parquet", scored)
        write_ranked(bundle / "out" / "ranked.parquet", scored, arrays["waiting_rows"])
    report(2, 3)
    chosen = choose(inputs, params.choose, scored) if params.choose else None
    report(3, 3)
    labels = len(arrays["train_rows"]) if learnt else None
    return RoundResult(params.seed, round(time.monotonic() - started, 3), labels, metrics, chosen)


def _learn(inputs: RoundInputs) -> FittedRound:
    params, arrays, vectors = inputs.params, inputs.arrays, inputs.vectors
    rows = arrays["train_rows"]
    texts = _encoded_texts(inputs) if params.use_names and inputs.space.texts else None
    seen = params.encoder.startswith(OWN)  # it trained on these records: no head is out of fold
    records = TrainingRecords(
        np.asarray(vectors[rows], np.float32), arrays["train_targets"], texts, _weak(inputs), seen=seen
    )
    folder = encoder_folder(Path(params.vectors), params.encoder)
    graph = make_graph(folder, vectors)
    keep_graph(folder, vectors, graph)
    around = NeighbourGraph(graph, np.asarray(vectors[graph.rows], np.float32))
    rng = np.random.default_rng(params.seed)
    scored_rows, weights = subsample(arrays["asked_rows"], weigh(read_history(arrays)))
    if seen:
        scored_rows, weights = scored_rows[weights.drawn], drawn_only(weights)
    evaluated = np.isin(rows, scored_rows)
    fitted = inputs.space.heads.cross_fit(records, around, evaluated, rng)
    facts = {"encoder": params.encoder, "labels_learnt_from": len(rows), "seed": params.seed}
    save_head(inputs.bundle / "out" / "model", fitted.head, facts)
    return FittedRound(fitted, records, around, evaluated, weights)


def _weak(inputs: RoundInputs) -> WeakRecords | None:
    arrays = inputs.arrays
    if not len(arrays.get("weak_rows", ())):
        return None
    vectors = np.asarray(inputs.vectors[arrays["weak_rows"]], np.float32)
    return WeakRecords(vectors, arrays["weak_targets"], arrays["weak_weight"])


def _load(inputs: RoundInputs) -> FittedHead | None:
    """The active model, if it still answers what the project asks; else the task's prior, if it has one."""
    if inputs.params.model is None:
        return inputs.space.prior
    heads = inputs.space.heads
    head = load_fitted(Path(inputs.params.model), heads.restore)
    return head if heads.fits(head) else inputs.space.prior


def _encoded_texts(inputs: RoundInputs) -> Floats:
    """Encoded names of the categories, (categories, dims); cached, since loading an encoder is slower than a refit."""
    params, texts = inputs.params, inputs.space.texts
    path = names_path(Path(params.vectors), params.encoder, texts)
    if (stored := read_names(Path(params.vectors), params.encoder, texts)) is not None:
        return stored
    from core.models.encoders.loading import load_encoder

    encoder = load_encoder(params.encoder_source, Path(params.vectors) / "cache", params.threads)
    vectors = encoder.encode(texts)
    with whole_file(path, alone=True) as partial, partial.open("wb") as file:
        np.save(file, vectors, allow_pickle=False)
    return np.asarray(vectors)


def _measure(inputs: RoundInputs, learnt: FittedRound, scored: ScoredPool) -> Metrics:
    """Scores rest on gold, and on out-of-fold predictions of asked records."""
    params, arrays, space = inputs.params, inputs.arrays, inputs.space
    gold = decided(arrays["gold_rows"], arrays["gold_targets"], scored.predictions.take(arrays["gold_rows"]))
    before = _earlier_head(inputs, len(learnt.records.vectors))
    pool = scored.predictions.take(pool_sample(arrays["pool_rows"], params.seed))
    metrics = Metrics(
        gold=score_of(gold, space.categories, params.seed) if len(gold.rows) else None,
        calibration_error=scored.head.calibration_error,
        unsure=float(space.doubtful(pool.outputs).mean()) if len(pool) else None,
        agreement=agreement_with(before, inputs, pool) if before else None,
        mixes=mix_by_source(inputs, scored),
    )
    answered = None if learnt.fitted.outputs is None else _answered(inputs, learnt, learnt.fitted.outputs)
    if answered is not None:
        save_out_of_fold(inputs.bundle / "out" / "model", answered)
        metrics = _measure_answered(inputs, learnt, answered, metrics)
    write_held_out_predictions(inputs.bundle / "out" / "held_out_predictions.parquet", gold, answered)
    return metrics


def _earlier_head(inputs: RoundInputs, labels: int) -> FittedHead | None:
    """The newest model from fewer labels: agreement with a refit on the same ones is meaningless."""
    for model in reversed(inputs.params.models):
        if model.labels < labels:
            with suppress(Damaged):  # take the one before it
                return load_fitted(Path(model.path), inputs.space.heads.restore)
    return None


def _answered(inputs: RoundInputs, learnt: FittedRound, held_out: Floats) -> HeldOutPredictions:
    arrays = inputs.arrays
    rows, truth = arrays["train_rows"][learnt.evaluated], arrays["train_targets"][learnt.evaluated]
    predictions = decided(rows, truth, Predictions(inputs.space, held_out), learnt.weights)
    return replace(predictions, learnt=learnt.fitted.records)


def _measure_answered(
    inputs: RoundInputs, learnt: FittedRound, answered: HeldOutPredictions, metrics: Metrics
) -> Metrics:
    """Adds the score on the audit, the learning curve of all models on the same records, and what derives from it."""
    params, folder = inputs.params, inputs.bundle / "out" / "model"
    if not answered.weights.drawn.any():
        return metrics
    now = PastModel(ModelId(inputs.bundle.name), str(folder), len(learnt.records.vectors), params.round)
    rescored = rescore_past_models([*params.models, now], answered, inputs.vectors)
    audits = learnt.evaluated.copy()
    audits[learnt.evaluated] = answered.weights.drawn
    records = learnt.records
    part = replace(records, vectors=records.vectors[audits], answers=records.answers[audits])
    return replace(
        metrics,
        audit=score_of(answered, inputs.space.categories, params.seed),
        curve=learning_curve(rescored, answered, params.seed),
        forecast=forecast(rescored, answered, folder, params.seed),
        drift=find_drift(inputs, answered),
        unreadable=rescored.unreadable,
        savings=count_savings(rescored, answered, part, learnt.around, params.seed),
    )
