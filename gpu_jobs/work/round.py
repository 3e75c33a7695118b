"""A round's job: fit a head, score the pool, measure, choose the next batch. Knows arrays and a bundle, no store."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.arrays import Floats
from core.errors import Damaged
from core.evaluation.audit import Weights, drawn_only, weigh
from core.evaluation.held_out import HeldOutPredictions, decided, score_of
from core.evaluation.metrics import Metrics
from core.evaluation.stopping import unsure
from core.ids import ModelId
from core.models.artifacts import load_head, save_head
from core.models.encoders.encoder import OWN
from core.models.heads.head import CrossFit, Head, LabelledVectors, NeighbourGraph, cross_fit, predict
from core.models.vectors import encoder_folder, open_vectors
from core.rounds.round_job import PastModel, RoundParams, RoundResult
from core.store.whole_files import whole_file
from core.tasks.labels import label_predictions
from gpu_jobs.work.choose import RoundInput, ScoredPool, choose
from gpu_jobs.work.graphs import keep_graph, make_graph
from gpu_jobs.work.held_out import (
    Arrays,
    load_arrays,
    read_history,
    save_out_of_fold,
    subsample,
    write_held_out_predictions,
)
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
    """What learning gave: the head, the vectors that taught it, and held-out probabilities of the judged records.

    evaluated: (n,) mask over the records that train_rows, weights: of these.
    """

    fitted: CrossFit
    labelled_vectors: LabelledVectors
    around: NeighbourGraph
    evaluated: npt.NDArray[np.bool_]
    weights: Weights


def run_round(bundle: Path, params: RoundParams, report: Report) -> RoundResult:
    """Learns, or loads the model as it is, then chooses if asked to; returns what the owner takes in."""
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
    task = RoundInput(bundle, params, arrays, vectors)
    report(0, 3)
    learnt = _learn(task) if params.learn else None
    head = learnt.fitted.head if learnt else _load(params)
    report(1, 3)
    scored = ScoredPool(head, predict(head, vectors)) if head else None
    metrics = None
    if learnt and scored:
        metrics = _measure(task, learnt, scored)
        write_suggestions(bundle / "out" / "suggestions.parquet", scored)
        write_ranked(bundle / "out" / "ranked.parquet", scored, arrays["waiting_rows"])
    report(2, 3)
    chosen = choose(task, params.choose, scored) if params.choose else None
    report(3, 3)
    labels = len(arrays["train_rows"]) if learnt else None
    return RoundResult(params.seed, round(time.monotonic() - started, 3), labels, metrics, chosen)


def _learn(task: RoundInput) -> FittedRound:
    params, arrays, vectors = task.params, task.arrays, task.vectors
    rows = arrays["train_rows"]
    names = _name_vectors(params) if params.use_names else None
    labelled_vectors = LabelledVectors(
        vectors=np.asarray(vectors[rows], np.float32),
        targets=arrays["train_targets"].astype(np.float32),
        labels=params.labels,
        multi=params.multi,
        names=names,
    )
    folder = encoder_folder(Path(params.vectors), params.encoder)
    graph = make_graph(folder, vectors)
    keep_graph(folder, vectors, graph)
    around = NeighbourGraph(graph, np.asarray(vectors[graph.rows], np.float32))
    rng = np.random.default_rng(params.seed)
    query, weights = subsample(arrays["asked_rows"], weigh(read_history(arrays)))
    if params.encoder.startswith(OWN):  # it learnt from the others: no head can judge them as if unseen
        query, weights = query[weights.drawn], drawn_only(weights)
    evaluated = np.isin(rows, query)
    fitted = cross_fit(labelled_vectors, around, evaluated, rng)
    facts = {"encoder": params.encoder, "labels_learnt_from": len(rows), "seed": params.seed}
    save_head(task.bundle / "out" / "model", fitted.head, facts)
    return FittedRound(fitted, labelled_vectors, around, evaluated, weights)


def _load(params: RoundParams) -> Head | None:
    """The active model, if it still speaks of the same labels."""
    if params.model is None:
        return None
    head = load_head(Path(params.model))
    return head if head.labels == params.labels and head.multi == params.multi else None


def _name_vectors(params: RoundParams) -> Floats:
    """Encoded label names, (labels, dims); kept, since loading an encoder takes longer than a refit."""
    key = hashlib.sha256(json.dumps(params.names).encode()).hexdigest()[:16]
    path = encoder_folder(Path(params.vectors), params.encoder) / f"names-{key}.npy"
    with suppress(OSError, ValueError, EOFError):  # not there, or not whole: encoded anew
        return np.asarray(np.load(path, allow_pickle=False))
    from core.models.encoders.loading import load_encoder

    encoder = load_encoder(params.encoder_source, Path(params.vectors) / "cache", params.threads)
    matches = encoder.encode(params.names)
    with whole_file(path, alone=True) as partial, partial.open("wb") as file:
        np.save(file, matches, allow_pickle=False)
    return np.asarray(matches)


def _measure(task: RoundInput, learnt: FittedRound, scored: ScoredPool) -> Metrics:
    """Claims rest on what a head did not see: gold, and asked records judged by heads that were fitted without them."""
    params, arrays, vectors = task.params, task.arrays, task.vectors
    head, seed = scored.head, params.seed
    gold = decided(arrays["gold_rows"], arrays["gold_targets"], scored.predictions.take(arrays["gold_rows"]))
    before, pool = (
        _earlier_head(params.models, len(learnt.labelled_vectors.vectors)),
        pool_sample(arrays["pool_rows"], seed),
    )
    metrics = Metrics(
        gold=score_of(gold, head.labels, seed) if len(gold.rows) else None,
        calibration_error=head.calibration_error,
        unsure=unsure(scored.probs[pool], head.multi),
        agreement=agreement_with(before, scored, vectors, pool) if before else None,
        mixes=mix_by_source(arrays, params, scored.probs[arrays["pool_rows"]]),
    )
    answered = None if learnt.fitted.probs is None else _answered(arrays, learnt, learnt.fitted.probs)
    if answered is not None:
        save_out_of_fold(task.bundle / "out" / "model", answered)
        metrics = _measure_answered(task, learnt, answered, metrics)
    write_held_out_predictions(task.bundle / "out" / "held_out_predictions.parquet", gold, answered, head.labels)
    return metrics


def _earlier_head(models: Sequence[PastModel], labels: int) -> Head | None:
    """The newest model from fewer labels: a refit on the same ones agrees with itself, which says nothing."""
    for model in reversed(models):
        if model.labels < labels:
            with suppress(Damaged):  # the one before will do
                return load_head(Path(model.path))
    return None


def _answered(arrays: Arrays, learnt: FittedRound, held_out: Floats) -> HeldOutPredictions:
    rows, truth = arrays["train_rows"][learnt.evaluated], arrays["train_targets"][learnt.evaluated]
    predictions = decided(rows, truth, label_predictions(held_out, several=learnt.fitted.head.multi), learnt.weights)
    return replace(predictions, learnt=learnt.fitted.labels)


def _measure_answered(task: RoundInput, learnt: FittedRound, answered: HeldOutPredictions, metrics: Metrics) -> Metrics:
    """With the score on the audit, every earlier model on the same records, and what follows from the curve."""
    params, folder = task.params, task.bundle / "out" / "model"
    labels, seed = learnt.labelled_vectors.labels, params.seed
    if not answered.weights.drawn.any():
        return metrics
    now = PastModel(ModelId(task.bundle.name), str(folder), len(learnt.labelled_vectors.vectors), params.round)
    rescored = rescore_past_models([*params.models, now], answered, task.vectors, labels)
    audits = learnt.evaluated.copy()
    audits[learnt.evaluated] = answered.weights.drawn
    part = replace(
        learnt.labelled_vectors,
        vectors=learnt.labelled_vectors.vectors[audits],
        targets=learnt.labelled_vectors.targets[audits],
    )
    return replace(
        metrics,
        audit=score_of(answered, labels, seed),
        curve=learning_curve(rescored, answered, seed),
        forecast=forecast(rescored, answered, folder, seed),
        drift=find_drift(task.arrays, params, answered),
        unreadable=rescored.unreadable,
        savings=count_savings(rescored, answered, part, learnt.around, seed),
    )
