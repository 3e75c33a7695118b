"""The job that sets two encoders side by side on the same labelled records. Knows files and arrays, no store."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.measuring.encoder_quality import MOST, choose_records, measure
from core.models.encoders import load_encoder
from core.vectors import encoded_rows, open_vectors
from gpu_jobs.judging import Records, records_of_file, records_of_project
from gpu_jobs.subjects import Chunk
from gpu_jobs.teaching import Progress

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
PIECE = 256
"""texts between two reports"""


def compare_encoders(bundle: Path, params: Mapping[str, Any], report: Progress) -> dict[str, Any]:
    """One row of figures per encoder. params: `encoders`, each with name and place, and what `evaluate` has."""
    started = time.monotonic()
    if params["file"]:
        records = records_of_file(bundle, params["file"], report, multi=params["multi"])
    else:
        records = records_of_project(bundle, params["on"], multi=params["multi"])
    chosen, codes, notes = _chosen(records, params["seed"])
    total = len(chosen.texts) * len(params["encoders"])
    rows = []
    for number, one in enumerate(params["encoders"]):
        began = time.monotonic()
        vectors = _vectors(one, chosen, params, partial(_report, report, number * len(chosen.texts), total))
        seconds = round(time.monotonic() - began, 3)
        found = asdict(measure(vectors, codes, params["seed"]))
        rows.append({"encoder": one["name"], "dims": vectors.shape[1], "seconds": seconds, **_shown(found)})
    return {
        "rows": rows,
        "records": len(chosen.texts),
        "labels": int(codes.max()) + 1,
        "notes": notes,
        "seconds": round(time.monotonic() - started, 3),
    }


def _report(report: Progress, before: int, total: int, done: int) -> None:
    report(before + done, total)


def _chosen(records: Records, seed: int) -> tuple[Chunk, Ints, list[str]]:
    """The records with one label, or some of them; their labels as numbers; and what a reader must know.

    The file is read twice: only what is looked at stays in memory.
    """
    labels = [given[0] if given and len(given) == 1 else "" for chunk in records.chunks() for given in chunk.labels]
    one = np.flatnonzero([bool(label) for label in labels])
    codes = np.unique([labels[place] for place in one], return_inverse=True)[1]
    places = choose_records(codes, np.random.default_rng(seed))
    wanted, start = one[places], 0
    ids: list[str] = []
    texts: list[str] = []
    rows: list[int] = []
    for chunk in records.chunks():
        here = wanted[(wanted >= start) & (wanted < start + len(chunk.ids))] - start
        start += len(chunk.ids)
        ids += [chunk.ids[place] for place in here]
        texts += [chunk.texts[place] for place in here]
        rows += [] if chunk.rows is None else chunk.rows[here].tolist()
    notes = []
    if several := records.labelled - len(one):
        notes.append(f"{several:,} records with several labels, or with none of them, were left out.")
    if len(places) < len(one):
        drawn = f"{len(places):,} of {len(one):,} records were looked at" + (
            ", drawn at random" if len(places) == MOST else ""
        )
        notes.append(f"{drawn}; labels of a single record tell nothing.")
    codes = np.unique(codes[places], return_inverse=True)[1]
    return Chunk(ids, texts, [], np.array(rows, np.int64) if rows else None), codes, notes


def _vectors(one: Mapping[str, str], chosen: Chunk, params: Mapping[str, Any], report: Callable[[int], None]) -> Floats:
    """Those there are, where the project has encoded these records, else made now."""
    kept = Path(params["vectors"])
    if chosen.rows is not None and chosen.rows.max() < encoded_rows(kept, one["name"]):
        return np.asarray(open_vectors(kept, one["name"])[chosen.rows], np.float32)
    encoder, rows = load_encoder(one["place"], kept / "cache", params["threads"]), []
    for start in range(0, len(chosen.texts), PIECE):
        rows.append(encoder.encode(chosen.texts[start : start + PIECE]))
        report(min(start + PIECE, len(chosen.texts)))
    return np.concatenate(rows)


def _shown(found: Mapping[str, Any]) -> dict[str, Any]:
    few = [{"per_label": one["per_label"], **one["accuracy"]} for one in found["few"]]
    return {
        "knn_accuracy": found["neighbours"],
        "purity": found["purity"],
        "silhouette": found["silhouette"],
        "few_label_accuracy": few,
    }
