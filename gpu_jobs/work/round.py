"""A round's job: fit a head, score the pool, measure, choose the next batch. Knows arrays and a bundle, no store."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.arrays import Floats
from core.errors import Damaged
from core.evaluation.audit import Weights, drawn_only, weigh
from core.evaluation.scores import score
from core.ids import ModelId
from core.models.artifacts import load_head, save_head
from core.models.encoders.encoder import OWN
from core.models.heads.head import CrossFit, Head, LabelledVectors, NeighbourGraph, cross_fit, decide, predict
from core.models.vectors import encoder_folder, open_vectors
from core.rounds.round_job import PastModel, RoundParams, RoundResult
from core.store.whole_files import whole_file
from gpu_jobs.work.choose import Scored, Task, choose
from gpu_jobs.work.graphs import keep_graph, make_graph
from gpu_jobs.work.measure import (
    AnsweredRecords,
    Gold,
    compare,
    count_savings,
    curve_entries,
    find_drift,
    forecast,
    measure_gold,
    mix_by_source,
    read_history,
    rescore_past_models,
    save_out_of_fold,
    score_dict,
    subsample,
)
from gpu_jobs.work.round_tables import joined, verdicts_of, write_held_out_predictions, write_ranked, write_suggestions

Arrays = Mapping[str, npt.NDArray[Any]]
Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Learnt:
    """What learning gave: the head, its lesson and surroundings, and held-out probabilities of the judged records.

    judged: (n,) mask over the lesson's records, weights: of these.
    """

    fitted: CrossFit
    lesson: LabelledVectors
    around: NeighbourGraph
    judged: npt.NDArray[np.bool_]
    weights: Weights


def play(bundle: Path, params: RoundParams, report: Report) -> RoundResult:
    """Learns, or loads the model as it is, then chooses if asked to; returns what the owner takes in."""
    import faiss  # noqa: F401 - the limit below holds for libraries that are loaded
    import scipy.optimize  # noqa: F401
    from threadpoolctl import threadpool_limits

    # These products are small: a second thread that waits for a busy core makes them ten times slower.
    with threadpool_limits(params.threads or 1):
        return _play(bundle, params, report)


def _play(bundle: Path, params: RoundParams, report: Report) -> RoundResult:
    started = time.monotonic()
    with np.load(bundle / "in" / "rows.npz", allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    vectors = open_vectors(Path(params.vectors), params.encoder)
    task = Task(bundle, params, arrays, vectors)
    report(0, 3)
    learnt = _learn(task) if params.learn else None
    head = learnt.fitted.head if learnt else _load(params)
    report(1, 3)
    scored = Scored(head, predict(head, vectors)) if head else None
    metrics = None
    if learnt and scored:
        metrics = _measure(task, learnt, scored)
        metrics["mixes"] = mix_by_source(arrays, params, scored.probs[arrays["pool_rows"]])
        write_suggestions(bundle / "out" / "suggestions.parquet", scored)
        write_ranked(bundle / "out" / "ranked.parquet", scored, arrays["waiting_rows"])
    report(2, 3)
    chosen = choose(task, params.choose, scored) if params.choose else None
    report(3, 3)
    labels = len(arrays["train_rows"]) if learnt else None
    return RoundResult(params.seed, round(time.monotonic() - started, 3), labels, metrics, chosen)


def _learn(task: Task) -> Learnt:
    params, arrays, vectors = task.params, task.arrays, task.vectors
    rows = arrays["train_rows"]
    names = _name_vectors(params) if params.use_names else None
    lesson = LabelledVectors(
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
    judged = np.isin(rows, query)
    fitted = cross_fit(lesson, around, judged, rng)
    facts = {"encoder": params.encoder, "labels_learnt_from": len(rows), "seed": params.seed}
    save_head(task.bundle / "out" / "model", fitted.head, facts)
    return Learnt(fitted, lesson, around, judged, weights)


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


def _measure(task: Task, learnt: Learnt, scored: Scored) -> dict[str, Any]:
    """Claims rest on what a head did not see: gold, and asked records judged by heads that were fitted without them."""
    params, arrays, vectors = task.params, task.arrays, task.vectors
    head, seed = scored.head, params.seed
    gold = Gold(arrays["gold_rows"], arrays["gold_targets"])
    metrics: dict[str, Any] = {"calibration_error": head.calibration_error}
    if matches := measure_gold(scored, gold, seed):
        metrics["gold"] = matches
    before = _taught_less(params.models, len(learnt.lesson.vectors))
    metrics |= compare(before, scored, vectors, arrays["pool_rows"], seed)
    match = None if learnt.fitted.probs is None else _asked(arrays, learnt, learnt.fitted.probs)
    if match is not None:
        metrics |= _measure_asked(task, learnt, match)
    _write_predictions(task.bundle / "out" / "held_out_predictions.parquet", scored, match, gold)
    return metrics


def _taught_less(models: Sequence[PastModel], labels: int) -> Head | None:
    """The newest model from fewer labels: a refit on the same ones agrees with itself, which says nothing."""
    for model in reversed(models):
        if model.labels < labels:
            with suppress(Damaged):  # the one before will do
                return load_head(Path(model.path))
    return None


def _asked(arrays: Arrays, learnt: Learnt, held_out: Floats) -> AnsweredRecords:
    return AnsweredRecords(
        rows=arrays["train_rows"][learnt.judged],
        truth=arrays["train_targets"][learnt.judged],
        predicted=decide(held_out, learnt.fitted.head.multi),
        probs=held_out,
        labels=learnt.fitted.labels,
        weights=learnt.weights,
    )


def _measure_asked(task: Task, learnt: Learnt, query: AnsweredRecords) -> dict[str, Any]:
    """The score on the audit, every earlier model on the same records, and what follows from the curve."""
    params, folder = task.params, task.bundle / "out" / "model"
    labels, seed = learnt.lesson.labels, params.seed
    save_out_of_fold(folder, query, learnt.fitted.head.multi)
    if not query.audited.any():
        return {}
    now = PastModel(ModelId(task.bundle.name), str(folder), len(learnt.lesson.vectors), params.round)
    judged = rescore_past_models([*params.models, now], query, task.vectors, labels)
    entries: dict[str, Any] = {
        "audit": score_dict(score(query.truth, query.predicted, query.weights, seed), labels),
        "curve": curve_entries(judged, query, seed),
        "forecast": forecast(judged, query, folder, seed),
        "drift": find_drift(task.arrays, params, query),
        "unreadable": judged.unreadable,
    }
    audits = learnt.judged.copy()
    audits[learnt.judged] = query.audited
    part = replace(learnt.lesson, vectors=learnt.lesson.vectors[audits], targets=learnt.lesson.targets[audits])
    return entries | {"savings": count_savings(judged, query, part, learnt.around, seed)}


def _write_predictions(path: Path, scored: Scored, query: AnsweredRecords | None, gold: Gold) -> None:
    """What heads that had not seen the asked records say of them, and the head itself of gold."""
    multi = scored.head.multi
    matches = verdicts_of(gold.rows, gold.truth, scored.probs[gold.rows], np.zeros(len(gold.rows)), multi=multi)
    if query is not None:
        by_others = verdicts_of(query.rows, query.truth, query.probs, query.weights.weight, multi=multi)
        matches = joined(by_others, matches)
    write_held_out_predictions(path, matches, scored.head.labels)
