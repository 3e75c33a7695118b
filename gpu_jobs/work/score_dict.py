"""What was measured of a model in the shape that is stored and shown: by label ids, as JSON. Knows arrays, no files."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from core.arrays import Bools
from core.evaluation.audit import Weights, plain
from core.evaluation.known_truth import Cell, ScoredRecords, evaluate
from gpu_jobs.work.evaluated_model import EvaluatedModel
from gpu_jobs.work.judging import Collected, Columns
from gpu_jobs.work.measure import chances, score_dict

MOST_WORST = 20
NONE = "none of them"


def judged_of(subject: EvaluatedModel, columns: Columns, gathered: Collected, weights: Weights | None) -> ScoredRecords:
    """Of one model. Where only decisions are known of some records, certainty is what was kept of it, or nothing."""
    guesses = gathered.predicted[0]
    known = bool(guesses.known.all())
    own = columns.of(subject)
    stated = gathered.stated
    if known:
        stated = np.asarray(chances(guesses.probs[:, own], guesses.predicted[:, own], subject.multi), np.float64)
    return ScoredRecords(
        truth=gathered.truth,
        predicted=guesses.predicted,
        probs=guesses.probs if known else None,
        stated=None if np.isnan(stated).any() else stated,
        weights=weights or plain(len(gathered.truth)),
    )


def figures_of(judged: ScoredRecords, columns: Columns, gathered: Collected, top_k: int, seed: int) -> dict[str, Any]:
    """Scores as in a model's metrics, top, calibration, confusion and the worst misses."""
    matches = evaluate(judged, top_k, seed)
    return {
        **score_dict(matches.score, columns.labels),
        "top": [{"k": k, "accuracy": asdict(estimate)} for k, estimate in enumerate(matches.top, 1)],
        "calibration": asdict(matches.reliability) if matches.reliability else None,
        "confusion": [_cell(cell, columns) for cell in matches.confusion],
        "worst": list(_worst(judged, columns, gathered)),
        "sentences": list(_sentences(judged)),
    }


def _cell(cell: Cell, columns: Columns) -> dict[str, Any]:
    sides = {
        side: None if at is None else columns.labels[at]
        for side, at in (("truth", cell.truth), ("said", cell.predicted))
    }
    named = {side: NONE if label is None else columns.names[label] for side, label in sides.items()}
    ids = {f"{side}_id": label for side, label in sides.items()}
    return {**named, **ids, "records": cell.records, "share": cell.share}


def _worst(judged: ScoredRecords, columns: Columns, gathered: Collected) -> Iterator[dict[str, Any]]:
    """The misses of which the model was surest; where that is not known, the first."""
    wrong = np.flatnonzero(~judged.right & judged.weights.drawn)
    if judged.stated is not None:
        wrong = wrong[np.argsort(-judged.stated[wrong], kind="stable")]
    for row in wrong[:MOST_WORST].tolist():
        yield {
            "id": gathered.ids[row],
            "text": gathered.texts[row],
            "truth": named(judged.truth[row], columns),
            "said": named(judged.predicted[row], columns),
            "probability": None if judged.stated is None else float(judged.stated[row]),
        }


def named(row: Bools, columns: Columns) -> list[str]:
    """Names of the labels in one row."""
    return [columns.names[columns.labels[column]] for column in np.flatnonzero(row)]


def _sentences(judged: ScoredRecords) -> Iterator[str]:
    """What the figures cannot tell, and why."""
    if judged.probs is None:
        lost = "top-k accuracy" if judged.stated is not None else "top-k accuracy and calibration"
        yield (
            "The model learnt from some of these records. They are judged by what heads said that had not seen them; "
            f"only the decisions of those are kept: {lost} cannot be told. Gold records tell both."
        )
    if judged.truth.any(axis=0).sum() == 1 and (judged.truth.sum(axis=1) == 1).all():
        yield "All judged records have the same label, so nothing is said of how labels are told apart."


def unknown_label_notes(unknown: Mapping[str, int]) -> Iterator[str]:
    """The labels that a model cannot give, in words."""
    if unknown:
        shown = ", ".join(f"{name!r} ({count:,})" for name, count in list(unknown.items())[:5])
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        yield (
            f"The model does not know {len(unknown)} of the labels: {shown}{more}. Their records count as wrong, and "
            "each of these labels counts in macro F1."
        )


def leakage_notes(seen: int, labelled: int) -> Iterator[str]:
    """That models may have learnt from the records that judge them."""
    if seen:
        yield (
            f"{seen:,} of the {labelled:,} labelled records stand in the project with a label. A model that learnt "
            "from them is judged too well; gold, audit or a file of new records is fair."
        )
