"""The job that compares encoders on the same labelled records. Knows files and arrays, no store."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from core.arrays import Floats, Ints
from core.errors import Refused
from core.evaluation.encoder_quality import (
    EncoderDifferences,
    EncoderQuality,
    chance_purity,
    choose_records,
    compare_quality,
    measure_encoder,
    usual_clusters,
)
from core.evaluation.metrics import Estimate
from core.models.encoders.loading import load_encoder
from core.models.vectors import encoded_rows, open_vectors
from core.registry.evaluation_jobs import (
    Chance,
    CompareEncodersParams,
    CompareEncodersResult,
    EncoderFigures,
    EncoderRow,
    EncoderSource,
    FewLabelAccuracy,
    Setting,
)
from gpu_jobs.trainers.trainer_types import Progress
from gpu_jobs.work.registry.evaluated_model import Chunk
from gpu_jobs.work.registry.evaluation_data import Records, records_of_file, records_of_project

PIECE = 256
"""texts between two reports"""


def compare_encoders(bundle: Path, params: CompareEncodersParams, report: Progress) -> CompareEncodersResult:
    """One row of figures per encoder, with its difference to the first, and a verdict. Raises Refused for more
    clusters than records."""
    started, setting = time.monotonic(), params.setting
    if setting.file:
        records = records_of_file(bundle, setting.file, report, multi=setting.multi, rules=setting.rules)
    else:
        records = records_of_project(bundle, setting.on, multi=setting.multi)
    chosen, codes, notes = _chosen(records, setting.seed, params.sample)
    labels = int(codes.max()) + 1
    clusters = params.clusters or usual_clusters(len(codes), labels)
    if clusters > len(codes):
        raise Refused(f"There are {len(codes):,} records for {clusters:,} clusters. Take fewer clusters.")
    total = len(chosen.texts) * len(params.encoders)
    rows: list[EncoderRow] = []
    measured: list[EncoderQuality] = []
    for number, encoder in enumerate(params.encoders):
        began = time.monotonic()
        vectors = _vectors(encoder, chosen, setting, partial(_report, report, number * len(chosen.texts), total))
        seconds = round(time.monotonic() - began, 3)
        measured.append(measure_encoder(vectors, codes, setting.seed, clusters))
        ahead = (
            compare_quality(measured[0].per_record, measured[-1].per_record, len(params.encoders) - 1)
            if number
            else None
        )
        rows.append(_row(encoder.name, vectors.shape[1], seconds, measured[-1], ahead))
    return CompareEncodersResult(
        first=params.encoders[0].name,
        second=params.encoders[1].name,
        on=setting.on,
        rows=tuple(rows),
        records=len(chosen.texts),
        labels=labels,
        clusters=clusters,
        chance=Chance(chance_purity(codes)),
        verdict=verdict(rows),
        notes=tuple(notes),
        seconds=round(time.monotonic() - started, 3),
    )


def _report(report: Progress, before: int, total: int, done: int) -> None:
    report(before + done, total)


def verdict(rows: Sequence[EncoderRow]) -> str:
    """Which encoders are better or worse than the first, by their nearest neighbours: the only interval that
    generalizes to other records.
    """
    first = rows[0].encoder
    ahead = {row.encoder: row.difference.knn_accuracy for row in rows if row.difference}
    kinds = {
        f"better than {first}": [name for name, gap in ahead.items() if gap.low > 0],
        f"worse than {first}": [name for name, gap in ahead.items() if gap.high < 0],
        f"not distinguishable from {first}: chance may explain the difference": [
            name for name, gap in ahead.items() if gap.low <= 0 <= gap.high
        ],
    }
    parts = [
        f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} {kind}" for kind, names in kinds.items() if names
    ]
    return f"By nearest neighbours: {'; '.join(parts)}."


def _chosen(records: Records, seed: int, most: int) -> tuple[Chunk, Ints, list[str]]:
    """The records with one label, or some of them; their labels as numbers; and caveats.

    The file is read twice: only the records that are used stay in memory.
    """
    labels = [
        supplied[0] if supplied and len(supplied) == 1 else ""
        for chunk in records.chunks()
        for supplied in chunk.labels
    ]
    one = np.flatnonzero([bool(label) for label in labels])
    codes = np.unique([labels[row] for row in one], return_inverse=True)[1]
    drawn_rows = choose_records(codes, np.random.default_rng(seed), most)
    requested, start = one[drawn_rows], 0
    ids: list[str] = []
    texts: list[str] = []
    rows: list[int] = []
    for chunk in records.chunks():
        here = requested[(requested >= start) & (requested < start + len(chunk.ids))] - start
        start += len(chunk.ids)
        ids += [chunk.ids[row] for row in here]
        texts += [chunk.texts[row] for row in here]
        rows += [] if chunk.rows is None else chunk.rows[here].tolist()
    notes = []
    if several := records.labelled - len(one):
        notes.append(f"{several:,} records with several labels, or with none of them, were left out.")
    if len(drawn_rows) < len(one):
        drawn = f"{len(drawn_rows):,} of {len(one):,} records were looked at" + (
            ", drawn at random" if len(drawn_rows) == most else ""
        )
        notes.append(f"{drawn}; labels of a single record tell nothing.")
    codes = np.unique(codes[drawn_rows], return_inverse=True)[1]
    return Chunk(ids, texts, [], np.array(rows, np.int64) if rows else None), codes, notes


def _vectors(encoder: EncoderSource, chosen: Chunk, setting: Setting, report: Callable[[int], None]) -> Floats:
    """The stored ones where the project has encoded these records, else encoded now."""
    stored = Path(setting.vectors)
    if chosen.rows is not None and chosen.rows.max() < encoded_rows(stored, encoder.name):
        return np.asarray(open_vectors(stored, encoder.name)[chosen.rows], np.float32)
    loaded, rows = load_encoder(encoder.source, stored / "cache", setting.threads), []
    for start in range(0, len(chosen.texts), PIECE):
        rows.append(loaded.encode(chosen.texts[start : start + PIECE]))
        report(min(start + PIECE, len(chosen.texts)))
    return np.concatenate(rows)


def _row(name: str, dims: int, seconds: float, quality: EncoderQuality, ahead: EncoderDifferences | None) -> EncoderRow:
    few = {one.per_label: one.accuracy for one in quality.few}
    return EncoderRow(
        encoder=name,
        dims=dims,
        seconds=seconds,
        knn_accuracy=quality.neighbours,
        purity=quality.purity,
        silhouette=quality.silhouette,
        few_label_accuracy=_few(few),
        difference=EncoderFigures(ahead.neighbours, ahead.purity, ahead.silhouette, _few(ahead.few)) if ahead else None,
    )


def _few(estimates: Mapping[int, Estimate]) -> tuple[FewLabelAccuracy, ...]:
    return tuple(FewLabelAccuracy(per_label, **vars(one)) for per_label, one in estimates.items())
