"""A round's job: fit a head, score the pool, measure, choose the next batch. Knows arrays and a bundle, no store."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import BadInput
from core.measuring.scores import Score, score
from core.models.artifacts import load_head, save_head
from core.models.graph import Graph, neighbour_graph
from core.models.heads import Head, Lesson, Surroundings, fit_head, predict
from core.sampling.batch import Batch, compose
from core.sampling.pool import Floats, Ints, Pool
from core.sampling.selftest import Audited, examine
from core.sampling.strategies import STRATEGIES
from core.sampling.uncertainty import score_pool, small_margin
from core.vectors import encoder_folder, open_vectors

Arrays = Mapping[str, npt.NDArray[Any]]
TOP = 3
"""labels of a suggestion that are kept for the card"""


@dataclass(frozen=True)
class Scored:
    """Probabilities of every record, (records, labels), by the model that is active after this job."""

    head: Head
    probs: Floats


def play(bundle: Path, params: Mapping[str, Any], report: Callable[[int, int], None]) -> dict[str, Any]:
    """Learns, or loads the model as it is, then chooses if asked to; returns what the owner takes in."""
    import faiss  # noqa: F401 - the limit below holds for libraries that are loaded
    import scipy.optimize  # noqa: F401
    from threadpoolctl import threadpool_limits

    # These products are small: a second thread that waits for a busy core makes them ten times slower.
    with threadpool_limits(params["threads"] or 1):
        return _play(bundle, params, report)


def _play(bundle: Path, params: Mapping[str, Any], report: Callable[[int, int], None]) -> dict[str, Any]:
    started = time.monotonic()
    with np.load(bundle / "in" / "rows.npz", allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    vectors = open_vectors(Path(params["vectors"]), params["encoder"])
    report(0, 3)
    result: dict[str, Any] = {"seed": params["seed"]}
    head = _learn(bundle, params, arrays, vectors) if params["learn"] else _load(params)
    report(1, 3)
    scored = Scored(head, predict(head, vectors)) if head else None
    if params["learn"] and scored:
        result |= {"labels": len(arrays["train_rows"]), "metrics": _measure(scored, arrays, params)}
        _write_suggestions(bundle / "out" / "suggestions.parquet", scored)
        _write_ranked(bundle / "out" / "ranked.parquet", scored, arrays["waiting_rows"])
    report(2, 3)
    if params["choose"]:
        result["chosen"] = _choose(bundle, params, arrays, vectors, scored)
    report(3, 3)
    return result | {"seconds": round(time.monotonic() - started, 3)}


def _learn(bundle: Path, params: Mapping[str, Any], arrays: Arrays, vectors: Floats) -> Head:
    rows = arrays["train_rows"]
    names = _name_vectors(params) if params["use_names"] else None
    lesson = Lesson(
        vectors=np.asarray(vectors[rows], np.float32),
        targets=arrays["train_targets"].astype(np.float32),
        labels=tuple(params["labels"]),
        multi=params["multi"],
        names=names,
    )
    graph = _graph(params, vectors, np.random.default_rng(0))
    surroundings = Surroundings(graph, np.asarray(vectors[graph.rows], np.float32))
    head = fit_head(lesson, surroundings, np.random.default_rng(params["seed"]))
    facts = {"encoder": params["encoder"], "labels_learnt_from": len(rows), "seed": params["seed"]}
    save_head(bundle / "out" / "model", head, facts)
    return head


def _load(params: Mapping[str, Any]) -> Head | None:
    """The active model, if it still speaks of the same labels."""
    if params["model"] is None:
        return None
    head = load_head(Path(params["model"]))
    return head if head.labels == tuple(params["labels"]) and head.multi == params["multi"] else None


def _graph(params: Mapping[str, Any], vectors: Floats, rng: np.random.Generator) -> Graph:
    """Made once per state of the vectors and kept beside them, to go when they go."""
    path = encoder_folder(Path(params["vectors"]), params["encoder"]) / f"graph-{len(vectors)}.npz"
    if path.exists():
        with np.load(path, allow_pickle=False) as file:
            return Graph(file["rows"], file["neighbours"], file["cosines"])
    graph = neighbour_graph(vectors, np.arange(len(vectors)), rng)
    for old in path.parent.glob("graph-*.npz"):
        old.unlink(missing_ok=True)
    partial = path.with_suffix(".partial.npz")
    np.savez(partial, allow_pickle=False, rows=graph.rows, neighbours=graph.neighbours, cosines=graph.cosines)
    partial.replace(path)
    return graph


def _name_vectors(params: Mapping[str, Any]) -> Floats:
    """Encoded label names, (labels, dims); kept, since loading an encoder takes longer than a refit."""
    key = hashlib.sha256(json.dumps(params["names"]).encode()).hexdigest()[:16]
    path = encoder_folder(Path(params["vectors"]), params["encoder"]) / f"names-{key}.npy"
    if path.exists():
        return np.asarray(np.load(path, allow_pickle=False))
    from core.models.encoders import load_encoder

    encoder = load_encoder(params["encoder"], Path(params["vectors"]) / "cache", params["threads"])
    found = encoder.encode(params["names"])
    partial = path.with_suffix(".partial.npy")
    np.save(partial, found, allow_pickle=False)
    partial.replace(path)
    return np.asarray(found)


def _measure(scored: Scored, arrays: Arrays, params: Mapping[str, Any]) -> dict[str, Any]:
    """Scores on the strata that the head never learnt from; nothing is claimed from labels that were chosen."""
    told: dict[str, Any] = {"calibration_error": scored.head.calibration_error}
    for stratum in ("audit", "gold"):
        rows = arrays[f"{stratum}_rows"]
        if len(rows):
            truth = arrays[f"{stratum}_targets"]
            told[stratum] = _told(score(truth, _decide(scored, rows), params["seed"]), params["labels"])
    return told


def _told(found: Score, labels: list[str]) -> dict[str, Any]:
    entry = asdict(found)
    entry["per_label"] = {label: row for label, row in zip(labels, found.per_label, strict=True) if row[3]}
    return entry


def _decide(scored: Scored, rows: Ints | slice) -> npt.NDArray[np.bool_]:
    """The labels proposed: the likeliest, or in a multi-label project all from 0.5."""
    probs = scored.probs[rows]
    if scored.head.multi:
        return np.asarray(probs >= 0.5)
    best = np.zeros(probs.shape, np.bool_)
    best[np.arange(len(probs)), probs.argmax(axis=1)] = True
    return best


def _acquisition(scored: Scored, rows: Ints) -> Floats:
    empty = np.empty((len(scored.probs), 0), np.float32)
    return score_pool(Pool(empty, rows, np.empty(0, np.int64), scored.probs[rows], scored.head.multi), small_margin)


def _write_suggestions(path: Path, scored: Scored) -> None:
    """One row per record. probability: of the label, or where several may hold that all its yes and no are right."""
    import polars

    rows = np.arange(len(scored.probs), dtype=np.int64)
    best = scored.probs.argmax(axis=1)
    names = polars.Series("label", scored.head.labels)
    table = polars.DataFrame({"n": rows, "label": names.gather(polars.Series(best))})
    probability = scored.probs[rows, best]
    lists = polars.concat_list("label")
    if scored.head.multi:
        decided = _decide(scored, rows)
        kept = polars.Series("any", decided.any(axis=1))
        table = table.with_columns(label=polars.when(kept).then(polars.col("label")))
        probability = np.where(decided, scored.probs, 1 - scored.probs).prod(axis=1)
        found = [[scored.head.labels[column] for column in np.flatnonzero(row)] for row in decided]
        lists = polars.lit(polars.Series("labels", found, dtype=polars.List(polars.String)))
    table.with_columns(
        probability=polars.Series(probability.astype(np.float64)),
        score=polars.Series(_acquisition(scored, rows).astype(np.float64)),
        labels=lists,
    ).write_parquet(path)


def _write_ranked(path: Path, scored: Scored, rows: Ints) -> None:
    import polars

    scores = _acquisition(scored, rows).astype(np.float64)
    polars.DataFrame(
        {"n": rows, "score": scores, "suggestion": _tops(scored, rows)},
        schema={"n": polars.Int64, "score": polars.Float64, "suggestion": polars.String},
    ).write_parquet(path)


def _tops(scored: Scored | None, rows: Ints) -> list[str | None]:
    """[[label id, probability], ...] best first, as JSON, for each row."""
    if scored is None:
        return [None] * len(rows)
    probs = scored.probs[rows]
    order = np.argsort(-probs, axis=1, kind="stable")[:, :TOP]
    return [
        json.dumps([[scored.head.labels[column], round(float(line[column]), 4)] for column in columns])
        for line, columns in zip(probs, order, strict=True)
    ]


def _choose(
    bundle: Path, params: Mapping[str, Any], arrays: Arrays, vectors: Floats, scored: Scored | None
) -> dict[str, Any]:
    """The batch and, behind it, spare records chosen the same way out of what is left."""
    wanted = params["choose"]
    if wanted["strategy"] not in STRATEGIES:
        raise BadInput(f"There is no strategy {wanted['strategy']!r}; there are {', '.join(STRATEGIES)}.")
    strategy, rng = STRATEGIES[wanted["strategy"]], np.random.default_rng(wanted["seed"])
    labelled = np.concatenate([arrays["train_rows"], arrays["audit_rows"]])
    pool = _pool(arrays["pool_rows"], np.sort(labelled), vectors, scored)
    batch = compose(pool, wanted["size"], strategy, wanted["audit_share"], rng)
    targets = arrays["audit_targets"]
    audited = Audited(tuple(params["names"]), targets.sum(axis=0).astype(np.int64), len(targets))
    tested = examine(pool, batch, np.random.default_rng(wanted["seed"]), audited)
    left = np.setdiff1d(pool.rows, batch.rows)
    spare = compose(
        _pool(left, np.sort(np.concatenate([labelled, batch.rows])), vectors, scored),
        min(wanted["spare"], len(left)),
        strategy,
        wanted["audit_share"],
        rng,
    )
    _write_queue(bundle / "out" / "queue.parquet", batch, spare, scored)
    return {"pool": len(pool.rows), "labelled": len(labelled), "self_test": asdict(tested)}


def _pool(rows: Ints, labelled: Ints, vectors: Floats, scored: Scored | None) -> Pool:
    probs = None if scored is None else scored.probs[rows]
    return Pool(vectors, rows, labelled, probs, scored.head.multi if scored else False)


def _write_queue(path: Path, batch: Batch, spare: Batch, scored: Scored | None) -> None:
    import polars

    rows = np.concatenate([batch.rows, spare.rows])
    audit = np.concatenate([batch.audit, spare.audit])
    scores = np.concatenate([batch.scores, spare.scores]).astype(np.float64)
    polars.DataFrame(
        {
            "n": rows,
            "place": np.arange(1, len(rows) + 1),
            "audit": audit,
            "spare": np.arange(len(rows)) >= len(batch.rows),
            "score": [None if np.isnan(value) else value for value in scores.tolist()],
            "suggestion": _tops(scored, rows),
        },
        schema_overrides={"score": polars.Float64, "suggestion": polars.String},
    ).write_parquet(path)
