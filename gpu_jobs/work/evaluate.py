"""The job that judges one model on records whose truth is known, or only lets it guess. Knows files, no store."""

import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from core.arrays import Bools
from core.errors import Refused
from core.evaluation.audit import Weights, weigh
from gpu_jobs.trainers.training import Progress
from gpu_jobs.work.evaluated_model import BASELINE, EvaluatedModel, Place, open_subject, part_of, some_of
from gpu_jobs.work.judging import (
    Collector,
    Columns,
    Records,
    columns_of,
    draw,
    records_of_file,
    records_of_project,
    taught,
)
from gpu_jobs.work.measure import read_history, subsample
from gpu_jobs.work.prediction_lines import writing_lines
from gpu_jobs.work.score_dict import figures_of, judged_of, leakage_notes, unknown_label_notes
from gpu_jobs.work.train import audit_weights


def evaluate(bundle: Path, params: Mapping[str, Any], report: Progress) -> dict[str, Any]:
    """Figures of one model, and one line per record in `out` if asked. params: as `core.registry.evaluate` makes
    them.

    Raises BadInput for a file that cannot be read or whose labels are strange to the model, Refused where nothing can
    be judged, Damaged for a model that was tampered with.
    """
    started = time.monotonic()
    place = place_of(bundle, params)
    (subject,), records = open_all(bundle, params, place, report)
    if not records.labelled and not params["write"]:
        raise Refused("No record has a label, so there is nothing to judge by. Name the column with --label.")
    columns = columns_of([subject], records, place.names)
    retained, weights = who_judges(bundle, params, records, columns, crossed=subject.crossed)
    gathered, done = Collector(columns, [subject], retained), 0
    lines = params["write"] and writing_lines(bundle / "out" / params["write"], columns, subject, params["top_k"])
    with lines or nullcontext() as write:
        report(0, records.total)
        for chunk in records.chunks():
            done += len(chunk.texts)
            if params["labeled_only"]:
                chunk = part_of(chunk, np.array([labels is not None for labels in chunk.labels], np.bool_))
            guesses = subject.guess(chunk)
            picked = gathered.pick(chunk)
            gathered.keep(part_of(chunk, picked), [some_of(guesses, picked)])
            if write is not None:
                write(chunk, guesses)
            report(done, records.total)
    matches = _figures(params, gathered, weights) if records.labelled else {}
    notes = [*matches.pop("sentences", ()), *_notes(params, records, columns, retained)]
    if subject.name != BASELINE:
        notes += leakage_notes(taught(bundle, records), records.labelled)
    return matches | {
        "trainer": subject.trainer,
        "multi": subject.multi,
        "records": records.labelled if params["labeled_only"] else records.total,
        "labelled": records.labelled,
        "unknown": dict(columns.unknown),
        "labels": dict(columns.names),
        "notes": notes,
        "seconds": round(time.monotonic() - started, 3),
    }


def place_of(bundle: Path, params: Mapping[str, Any]) -> Place:
    """What the models find around them."""
    return Place(
        vectors=Path(params["vectors"]),
        cache=Path(params["vectors"]) / "cache",
        threads=params["threads"],
        encoder=params["encoder"],
        names=params["names"],
        descriptions=params["descriptions"],
        multi=params["multi"],
        work=bundle / "ckpt" / "work",
        bases={one["name"]: one["base"] for one in params["subjects"] if one["base"]},
    )


def open_all(
    bundle: Path, params: Mapping[str, Any], place: Place, report: Progress
) -> tuple[list[EvaluatedModel], Records]:
    """The models, and the records that judge them. Where nobody named labels the baseline takes those of the file."""
    subjects = params["subjects"]
    models = {one["name"]: open_subject(one["name"], one["folder"], place) for one in subjects if one["folder"]}
    multi = next((model.multi for model in models.values()), place.multi)
    if params["file"]:
        known = {
            name for names in (place.names, *(model.names for model in models.values())) for name in names.values()
        }
        records = records_of_file(bundle, params["file"] | {"known": sorted(known)}, report, multi=multi)
    else:
        records = records_of_project(bundle, params["on"], multi=multi)
    if not place.names:
        place = replace(place, names={label: label for label in sorted(records.counts)})
    if len(models) < len(subjects) and len(place.names) < (1 if multi else 2):
        raise Refused(
            f"The baseline chooses among labels by their names, and there {'is one' if place.names else 'is none'}. "
            "Name the column with --label, or add labels to the project."
        )
    return [models.get(one["name"]) or open_subject(BASELINE, None, place) for one in subjects], records


def who_judges(
    bundle: Path, params: Mapping[str, Any], records: Records, columns: Columns, *, crossed: bool
) -> tuple[Bools, Weights | None]:
    """(labelled records,) those that figures rest on, and what each stands for; None: a plain random sample.

    crossed: all that were asked can judge, as on the Rounds page; else the audit alone, for the model learnt the rest.
    """
    if params["on"] != "audit":
        return draw(records, columns, len(params["subjects"]), params["seed"]), None
    rows, path = records.rows(), bundle / "in" / "history.npz"
    if not crossed:
        weights, retained = audit_weights(path, rows)
        return retained, weights
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    judging, weights = subsample(arrays["asked_rows"], weigh(read_history(arrays)))
    return np.isin(rows, judging), weights


def _notes(params: Mapping[str, Any], records: Records, columns: Columns, retained: Bools) -> Iterator[str]:
    """What a reader must know about the records."""
    if not records.labelled:
        yield "No record has a label: nothing is judged, the model only guessed. Name the column with --label."
    elif records.labelled < records.total and not params["labeled_only"]:
        yield f"{records.total - records.labelled:,} records have no label: they are guessed, but judge nothing."
    if params["on"] != "audit" and retained.sum() < len(retained):
        yield f"The figures rest on {retained.sum():,} of {len(retained):,} records, drawn at random; all were guessed."
    yield from unknown_label_notes(columns.unknown)
    if params["on"] == "split":
        yield (
            "These records were held out of training, but they chose when it stopped, and they were picked to be "
            "learnt from: they say how training went, nothing about the pool."
        )


def _figures(params: Mapping[str, Any], gathered: Collector, weights: Weights | None) -> dict[str, Any]:
    (subject,), columns, collected = gathered.subjects, gathered.columns, gathered.collected()
    judged = judged_of(subject, columns, collected, weights)
    return figures_of(judged, columns, collected, params["top_k"], params["seed"])
