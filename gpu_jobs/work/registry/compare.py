"""The job that compares two models on the same records. Knows files and arrays, no store."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from core.errors import Refused
from core.evaluation.audit import Weights, equal_weights
from core.evaluation.held_out import HeldOutPredictions
from core.evaluation.paired import Paired, paired
from core.evaluation.scores import score
from core.registry.evaluation_jobs import CompareParams, CompareResult, Example, LabelDifference, SideScore
from gpu_jobs.trainers.trainer_types import Progress
from gpu_jobs.work.registry.evaluate import choose_scored, leakage_notes, named, open_all, unknown_label_notes
from gpu_jobs.work.registry.evaluated_model import part_of
from gpu_jobs.work.registry.evaluation_data import (
    Collected,
    Collector,
    Columns,
    Records,
    columns_of,
    count_training_texts,
)

MOST_EXAMPLES = 20
"""records of each kind that only one model gets right, to show"""
MOST_LABELS = 100
"""labels whose difference has an interval: the most frequent"""


def compare(bundle: Path, params: CompareParams, report: Progress) -> CompareResult:
    """Differences with intervals, per label too, and records that only one gets right."""
    started = time.monotonic()
    setting = params.setting
    evaluated_models, records = open_all(bundle, setting, params.models, report)
    if evaluated_models[0].multi != evaluated_models[1].multi:
        several = evaluated_models[0 if evaluated_models[0].multi else 1]
        raise Refused(f"{several.name} gives several labels, the other one. They cannot be compared.")
    if not records.labelled:
        raise Refused("No record has a label, so there is nothing to judge by. Name the column with --label.")
    columns = columns_of(evaluated_models, records, setting.names)
    retained, weights = choose_scored(bundle, setting, records, columns, evaluated_models)
    gathered, done = Collector(columns, evaluated_models, retained), 0
    report(0, records.total)
    for chunk in records.chunks():
        done += len(chunk.texts)
        part = part_of(chunk, gathered.pick(chunk))
        gathered.keep(part, [evaluated.predict(part) for evaluated in evaluated_models])
        report(done, records.total)
    collected, weights = gathered.collected(), weights or equal_weights(int(retained.sum()))
    first, second = (collected.held_out(which, weights) for which in (0, 1))
    (truth, one_says), (_, other_says) = first.marks, second.marks
    differ = paired(truth, one_says, other_says, weights, setting.seed)
    scores = {
        name: score(*one.marks, one.weights, setting.seed) for name, one in (("first", first), ("second", second))
    }
    notes = [
        *_notes(gathered, records, setting.on),
        *leakage_notes(count_training_texts(bundle, records), records.labelled),
    ]
    return CompareResult(
        first=evaluated_models[0].name,
        second=evaluated_models[1].name,
        on=setting.on,
        **vars(differ),
        scores={name: SideScore(one.accuracy, one.macro_f1) for name, one in scores.items()},
        per_label=tuple(_per_label(first, second, columns, setting.seed)),
        examples=tuple(_examples(collected, columns, weights)),
        verdict=verdict(differ, *(evaluated.name for evaluated in evaluated_models)),
        records=records.total,
        labels=columns.names,
        multi=evaluated_models[0].multi,
        notes=tuple(notes),
        seconds=round(time.monotonic() - started, 3),
    )


def _per_label(
    first: HeldOutPredictions, second: HeldOutPredictions, columns: Columns, seed: int
) -> Iterator[LabelDifference]:
    """F1 of each label, the most frequent first."""
    (truth, one_says), (_, other_says), weights = first.marks, second.marks, first.weights
    there = np.flatnonzero((truth | one_says | other_says).any(axis=0))
    frequent = there[np.argsort(-truth.sum(axis=0)[there], kind="stable")]
    for column in frequent[:MOST_LABELS].tolist():
        true, one, other = (part[:, [column]] for part in (truth, one_says, other_says))
        of_one = paired(true, one, other, weights, seed)
        label = columns.labels[column]
        yield LabelDifference(
            label=columns.names[label],
            id=label,
            records=int(truth[weights.drawn, column].sum()),
            **vars(of_one.macro_f1),
        )


def _examples(collected: Collected, columns: Columns, weights: Weights) -> Iterator[Example]:
    """Records that only one gets right; those first of which the wrong model was most confident."""
    first, second = collected.predicted
    right = [(collected.truth == one.predicted).all(axis=1) & weights.drawn for one in (first, second)]
    for side, mine, theirs, wrong in (("first", *right, second), ("second", *right[::-1], first)):
        rows = np.flatnonzero(mine & ~theirs)
        sure = np.where(wrong.predicted, wrong.outputs, 0).max(axis=1)[rows] * wrong.known[rows]
        for row in rows[np.argsort(-sure, kind="stable")][:MOST_EXAMPLES].tolist():
            yield Example(
                id=collected.ids[row],
                text=collected.texts[row],
                truth=named(collected.truth[row], columns),
                first=named(first.predicted[row], columns),
                second=named(second.predicted[row], columns),
                right=side,
            )


def verdict(differ: Paired, first: str, second: str) -> str:
    """Which is better, in a sentence; by both measures, or by the one whose interval excludes 0."""
    result = {one.better for one in (differ.accuracy, differ.macro_f1)}
    if result == {"first", "second"}:
        better = "second" if differ.accuracy.better == "second" else "first"
        winner, other = (second, first) if better == "second" else (first, second)
        return f"{winner} is right more often, {other} has the better macro F1: it does better on rare labels."
    for side, winner, other in (("second", second, first), ("first", first, second)):
        if side in result:
            return f"{winner} is better than {other}; chance does not explain it."
    return f"Chance may explain what tells {first} and {second} apart here."


def _notes(gathered: Collector, records: Records, on: str) -> Iterator[str]:
    """Caveats about the records and the labels, as sentences."""
    columns, retained = gathered.columns, gathered.retained
    if records.labelled < records.total:
        yield f"{records.total - records.labelled:,} records have no label and are not scored."
    if on == "audit":
        yield "Scored on audit records: no model was trained on them, or out-of-fold predictions are used."
    elif retained.sum() < len(retained):
        yield f"The figures rest on {retained.sum():,} of {len(retained):,} records, drawn at random."
    for evaluated in gathered.evaluated_models:
        own = set(columns.of(evaluated))
        strange = [label for label in records.counts if columns.column_of[label] not in own]
        unknown = {columns.names[columns.labels[columns.column_of[label]]]: records.counts[label] for label in strange}
        yield from (f"{evaluated.name}: {sentence}" for sentence in unknown_label_notes(unknown))
