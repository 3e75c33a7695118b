"""The job that sets encoders side by side on the same labelled records. Knows files and arrays, no store."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from core.arrays import Floats, Ints
from core.errors import Refused
from core.evaluation.encoder_quality import (
    Differences,
    Quality,
    chance_purity,
    choose_records,
    differences,
    measure,
    usual_clusters,
)
from core.models.encoders.loading import load_encoder
from core.models.vectors import encoded_rows, open_vectors
from gpu_jobs.trainers.training import Progress
from gpu_jobs.work.evaluated_model import Chunk
from gpu_jobs.work.judging import Records, records_of_file, records_of_project

PIECE = 256
"""texts between two reports"""


def compare_encoders(bundle: Path, params: Mapping[str, Any], report: Progress) -> dict[str, Any]:
    """One row of figures per encoder, with what it has ahead of the first, and a verdict.

    params: `encoders`, each with name and place, `clusters` (0: as usual), `sample` (records at most), and what
    `evaluate` has. Raises Refused for more clusters than records.
    """
    started = time.monotonic()
    if params["file"]:
        records = records_of_file(bundle, params["file"], report, multi=params["multi"])
    else:
        records = records_of_project(bundle, params["on"], multi=params["multi"])
    chosen, codes, notes = _chosen(records, params["seed"], params["sample"])
    labels = int(codes.max()) + 1
    clusters = params["clusters"] or usual_clusters(len(codes), labels)
    if clusters > len(codes):
        raise Refused(f"There are {len(codes):,} records for {clusters:,} clusters. Take fewer clusters.")
    total = len(chosen.texts) * len(params["encoders"])
    rows: list[dict[str, Any]] = []
    matches: list[Quality] = []
    for number, one in enumerate(params["encoders"]):
        began = time.monotonic()
        vectors = _vectors(one, chosen, params, partial(_report, report, number * len(chosen.texts), total))
        seconds = round(time.monotonic() - began, 3)
        matches.append(measure(vectors, codes, params["seed"], clusters))
        result = {"encoder": one["name"], "dims": vectors.shape[1], "seconds": seconds, **_shown(matches[-1])}
        ahead = differences(matches[0].each, matches[-1].each, len(params["encoders"]) - 1) if number else None
        rows.append(result | {"difference": ahead and _named(ahead)})
    return {
        "rows": rows,
        "records": len(chosen.texts),
        "labels": labels,
        "clusters": clusters,
        "chance": {"purity": chance_purity(codes)},
        "verdict": verdict(rows),
        "notes": notes,
        "seconds": round(time.monotonic() - started, 3),
    }


def _report(report: Progress, before: int, total: int, done: int) -> None:
    report(before + done, total)


def verdict(rows: Sequence[Mapping[str, Any]]) -> str:
    """Which encoders are better or worse than the first, by their nearest neighbours: the only interval that says how
    other records would fare."""
    first, ahead = rows[0]["encoder"], {row["encoder"]: row["difference"]["knn_accuracy"] for row in rows[1:]}
    kinds = {
        f"better than {first}": [name for name, gap in ahead.items() if gap["low"] > 0],
        f"worse than {first}": [name for name, gap in ahead.items() if gap["high"] < 0],
        f"not to be told from {first}: chance may explain the difference": [
            name for name, gap in ahead.items() if gap["low"] <= 0 <= gap["high"]
        ],
    }
    parts = [
        f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} {kind}" for kind, names in kinds.items() if names
    ]
    return f"By nearest neighbours: {'; '.join(parts)}."


def _chosen(records: Records, seed: int, most: int) -> tuple[Chunk, Ints, list[str]]:
    """The records with one label, or some of them; their labels as numbers; and what a reader must know.

    The file is read twice: only what is looked at stays in memory.
    """
    labels = [
        supplied[0] if supplied and len(supplied) == 1 else ""
        for chunk in records.chunks()
        for supplied in chunk.labels
    ]
    one = np.flatnonzero([bool(label) for label in labels])
    codes = np.unique([labels[place] for place in one], return_inverse=True)[1]
    places = choose_records(codes, np.random.default_rng(seed), most)
    requested, start = one[places], 0
    ids: list[str] = []
    texts: list[str] = []
    rows: list[int] = []
    for chunk in records.chunks():
        here = requested[(requested >= start) & (requested < start + len(chunk.ids))] - start
        start += len(chunk.ids)
        ids += [chunk.ids[place] for place in here]
        texts += [chunk.texts[place] for place in here]
        rows += [] if chunk.rows is None else chunk.rows[here].tolist()
    notes = []
    if several := records.labelled - len(one):
        notes.append(f"{several:,} records with several labels, or with none of them, were left out.")
    if len(places) < len(one):
        drawn = f"{len(places):,} of {len(one):,} records were looked at" + (
            ", drawn at random" if len(places) == most else ""
        )
        notes.append(f"{drawn}; labels of a single record tell nothing.")
    codes = np.unique(codes[places], return_inverse=True)[1]
    return Chunk(ids, texts, [], np.array(rows, np.int64) if rows else None), codes, notes


def _vectors(one: Mapping[str, str], chosen: Chunk, params: Mapping[str, Any], report: Callable[[int], None]) -> Floats:
    """Those there are, where the project has encoded these records, else made now."""
    retained = Path(params["vectors"])
    if chosen.rows is not None and chosen.rows.max() < encoded_rows(retained, one["name"]):
        return np.asarray(open_vectors(retained, one["name"])[chosen.rows], np.float32)
    encoder, rows = load_encoder(one["place"], retained / "cache", params["threads"]), []
    for start in range(0, len(chosen.texts), PIECE):
        rows.append(encoder.encode(chosen.texts[start : start + PIECE]))
        report(min(start + PIECE, len(chosen.texts)))
    return np.concatenate(rows)


def _shown(quality: Quality) -> dict[str, Any]:
    return {
        "knn_accuracy": asdict(quality.neighbours),
        "purity": asdict(quality.purity),
        "silhouette": asdict(quality.silhouette),
        "few_label_accuracy": [{"per_label": one.per_label, **asdict(one.accuracy)} for one in quality.few],
    }


def _named(ahead: Differences) -> dict[str, Any]:
    return {
        "knn_accuracy": asdict(ahead.neighbours),
        "purity": asdict(ahead.purity),
        "silhouette": asdict(ahead.silhouette),
        "few_label_accuracy": [{"per_label": count, **asdict(one)} for count, one in ahead.few.items()],
    }
