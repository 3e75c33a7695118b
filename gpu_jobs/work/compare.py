"""The job that judges two models on the same records. Knows files and arrays, no store."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import Refused
from core.evaluation.audit import Weights, plain
from core.evaluation.paired import Paired, paired
from core.evaluation.scores import score
from gpu_jobs.trainers.training import Progress
from gpu_jobs.work.evaluate import open_all, place_of, who_judges
from gpu_jobs.work.evaluated_model import part_of
from gpu_jobs.work.judging import Collected, Collector, Columns, Records, columns_of, taught
from gpu_jobs.work.score_dict import leakage_notes, named, unknown_label_notes

MOST_EXAMPLES = 20
"""records of each kind that only one model gets right, to show"""
MOST_LABELS = 100
"""labels whose difference has an interval: the most frequent"""


def compare(bundle: Path, params: Mapping[str, Any], report: Progress) -> dict[str, Any]:
    """Differences with intervals, per label too, and records that only one gets right. params: as for `evaluate`."""
    started = time.monotonic()
    place = place_of(bundle, params)
    subjects, records = open_all(bundle, params, place, report)
    if subjects[0].multi != subjects[1].multi:
        several = subjects[0 if subjects[0].multi else 1]
        raise Refused(f"{several.name} gives several labels, the other one. They cannot be compared.")
    if not records.labelled:
        raise Refused("No record has a label, so there is nothing to judge by. Name the column with --label.")
    columns = columns_of(subjects, records, place.names)
    retained, weights = who_judges(bundle, params, records, columns, crossed=False)
    gathered, done = Collector(columns, subjects, retained), 0
    report(0, records.total)
    for chunk in records.chunks():
        done += len(chunk.texts)
        part = part_of(chunk, gathered.pick(chunk))
        gathered.keep(part, [subject.guess(part) for subject in subjects])
        report(done, records.total)
    matches = _figures(gathered, weights or plain(int(retained.sum())), params["seed"])
    return matches | {
        "records": records.total,
        "labels": dict(columns.names),
        "multi": subjects[0].multi,
        "notes": [
            *_notes(gathered, records, params["on"]),
            *leakage_notes(taught(bundle, records), records.labelled),
        ],
        "seconds": round(time.monotonic() - started, 3),
    }


def _figures(gathered: Collector, weights: Weights, seed: int) -> dict[str, Any]:
    matches = gathered.collected()
    truth, (first, second) = matches.truth, [one.predicted for one in matches.predicted]
    scores = {
        side: score(truth, predicted, weights, seed) for side, predicted in (("first", first), ("second", second))
    }
    differ = paired(truth, first, second, weights, seed)
    return {
        **asdict(differ),
        "scores": {
            side: {"accuracy": asdict(one.accuracy), "macro_f1": asdict(one.macro_f1)} for side, one in scores.items()
        },
        "per_label": list(_per_label(matches, gathered.columns, weights, seed)),
        "examples": list(_examples(matches, gathered.columns, weights)),
        "verdict": verdict(differ, *(subject.name for subject in gathered.subjects)),
    }


def _per_label(collected: Collected, columns: Columns, weights: Weights, seed: int) -> Iterator[dict[str, Any]]:
    """F1 of each label, the most frequent first."""
    truth, (first, second) = collected.truth, [one.predicted for one in collected.predicted]
    there = np.flatnonzero((truth | first | second).any(axis=0))
    frequent = there[np.argsort(-truth.sum(axis=0)[there], kind="stable")]
    for column in frequent[:MOST_LABELS].tolist():
        of_one = paired(truth[:, [column]], first[:, [column]], second[:, [column]], weights, seed)
        label = columns.labels[column]
        yield {
            "label": columns.names[label],
            "id": label,
            "records": int(truth[weights.drawn, column].sum()),
            **asdict(of_one.macro_f1),
        }


def _examples(collected: Collected, columns: Columns, weights: Weights) -> Iterator[dict[str, Any]]:
    """Records that only one gets right; those first of which the other was surest."""
    first, second = collected.predicted
    right = [(collected.truth == one.predicted).all(axis=1) & weights.drawn for one in (first, second)]
    for side, mine, theirs, wrong in (("first", *right, second), ("second", *right[::-1], first)):
        places = np.flatnonzero(mine & ~theirs)
        sure = np.where(wrong.predicted, wrong.probs, 0).max(axis=1)[places] * wrong.known[places]
        for row in places[np.argsort(-sure, kind="stable")][:MOST_EXAMPLES].tolist():
            predicted = {
                name: named(one.predicted[row], columns) for name, one in (("first", first), ("second", second))
            }
            truth = named(collected.truth[row], columns)
            yield {"id": collected.ids[row], "text": collected.texts[row], "truth": truth, **predicted, "right": side}


def verdict(matches: Paired, first: str, second: str) -> str:
    """Which is better, in a sentence; by both measures, or by the one that can tell."""
    result = {one.better for one in (matches.accuracy, matches.macro_f1)}
    if result == {"first", "second"}:
        better = "second" if matches.accuracy.better == "second" else "first"
        winner, other = (second, first) if better == "second" else (first, second)
        return f"{winner} is right more often, {other} has the better macro F1: it does better on rare labels."
    for side, winner, other in (("second", second, first), ("first", first, second)):
        if side in result:
            return f"{winner} is better than {other}; chance does not explain it."
    return f"Chance may explain what tells {first} and {second} apart here."


def _notes(gathered: Collector, records: Records, on: str) -> Iterator[str]:
    """What a reader must know about the records and the labels."""
    columns, retained = gathered.columns, gathered.retained
    if records.labelled < records.total:
        yield f"{records.total - records.labelled:,} records have no label and judge nothing."
    if on == "audit":
        yield "Audit records judge: no model learnt from them, or what heads say that had not seen them counts."
    elif retained.sum() < len(retained):
        yield f"The figures rest on {retained.sum():,} of {len(retained):,} records, drawn at random."
    for subject in gathered.subjects:
        own = set(columns.of(subject))
        strange = [label for label in records.counts if columns.place[label] not in own]
        unknown = {columns.names[columns.labels[columns.place[label]]]: records.counts[label] for label in strange}
        yield from (f"{subject.name}: {sentence}" for sentence in unknown_label_notes(unknown))
