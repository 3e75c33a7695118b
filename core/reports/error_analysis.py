"""Errors of a model, as rows: confused labels, calibration, scores per label. Knows predictions, not their model."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.config.taxonomy import Taxonomy
from core.evaluation.known_truth import NONE_OF_THEM, reliability
from core.evaluation.metrics import Confusion, LabelScore, Metrics, Reliability
from core.evaluation.reporting import STRATA, in_words, shown, shown_label
from core.project import Project
from core.tasks.tasks import right_stored, space_of

MOST_LABELS = 12
"""labels that a matrix shows before it shows only those that are confused"""
LEAST = {"records": 1, "share": 0.0005}
"""below it a cell is left out of the picture"""

# A record with one true and one said label is one cell. Where several may hold, a label that is right is a cell of the
# diagonal, and each one missed is paired with each one wrongly said, or with none.
_CELLS = """
    with verdict as (
        select stratum, weight, truth, predicted,
               list_filter(truth, lambda x: not list_contains(predicted, x)) as missed,
               list_filter(predicted, lambda x: not list_contains(truth, x)) as wrong
        from held_out_predictions where (stratum = 'gold') = ($stratum = 'gold')
    ), halves as (
        select stratum, weight, wrong, unnest(if(len(missed) = 0, [null], missed)) as truth from verdict
        where len(missed) + len(wrong) > 0
    ), pairs as (
        select stratum, weight, label as truth, label as predicted
        from (select stratum, weight, unnest(list_intersect(truth, predicted)) as label from verdict)
        union all select stratum, weight, truth, unnest(if(len(wrong) = 0, [null], wrong)) from halves
        union all select stratum, weight, null, null from verdict where len(truth) + len(predicted) = 0
    )
    select truth, predicted, count(*) filter (stratum = $stratum) as records,
           if($stratum = 'gold', count(*) / (select count(*) from verdict),
              sum(weight) / (select sum(weight) from verdict)) as share
    from pairs group by truth, predicted having records > 0 or share > 0
    order by records desc, share desc, truth, predicted
"""


def predicted_strata(project: Project) -> list[str]:
    """Those of STRATA with held-out predictions of the newest model."""
    rows = {stratum for (stratum,) in project.store.query("select distinct stratum from held_out_predictions")}
    return [stratum for stratum in STRATA if stratum in rows]


def scored_strata(metrics: Metrics) -> list[str]:
    """Which of STRATA a model was scored on, the one with most records first."""
    entries = {stratum: score.n for stratum in STRATA if (score := metrics.on(stratum))}
    return sorted(entries, key=lambda stratum: -entries[stratum])


def confusion(project: Project, stratum: str) -> list[Confusion]:
    """One per pair of a true and a predicted label that occurs, the most frequent first; none without categories.

    records: of that stratum. share: of all records, for audit estimated from what each asked record stands for.
    """
    names, space = project.settings().taxonomy.names, space_of(project.settings())
    if not space.categories:
        return []
    with project.store.reading() as cursor:
        rows = cursor.execute(_CELLS, {"stratum": stratum}).fetchall()
    return [
        Confusion(
            truth=names.get(truth, truth or NONE_OF_THEM),
            predicted=names.get(predicted, predicted or NONE_OF_THEM),
            truth_id=truth,
            predicted_id=predicted,
            records=records,
            share=share or 0.0,
        )
        for truth, predicted, records, share in rows
    ]


def most_confused(cells: Sequence[Confusion]) -> list[Confusion]:
    """The cells off the diagonal that a record of the stratum is in, the most frequent first."""
    return [cell for cell in cells if cell.truth_id != cell.predicted_id and cell.records]


@dataclass(frozen=True)
class HeatCell:
    """A cell to be drawn. of_truth: its part of the true label."""

    pair: Confusion
    of_truth: float


def heat_cells(cells: Sequence[Confusion], measure: str, most: int = MOST_LABELS) -> list[HeatCell]:
    """The cells to be drawn. measure: `records` or `share`.

    Among at most so many labels: all, or those of the most confused pairs, filled up with the most frequent.
    """
    sizes = {cell: cell.records if measure == "records" else cell.share for cell in cells}
    there = [cell for cell in cells if sizes[cell] >= LEAST[measure]]
    sums: dict[str | None, float] = {}
    for cell in there:
        sums[cell.truth_id] = sums.get(cell.truth_id, 0.0) + sizes[cell]
    chosen: set[str | None] = set()
    for cell in [*most_confused(there), *there]:
        pair = {cell.truth_id, cell.predicted_id}
        if len(chosen | pair) <= most:
            chosen |= pair
    return [
        HeatCell(cell, sizes[cell] / sums[cell.truth_id])
        for cell in there
        if {cell.truth_id, cell.predicted_id} <= chosen
    ]


def label_order(taxonomy: Taxonomy, cells: Sequence[HeatCell]) -> list[str]:
    """Names in the order of the taxonomy, of the labels in these cells; none of them last."""
    present = {name for cell in cells for name in (cell.pair.truth, cell.pair.predicted)}
    known = [label.name for label in taxonomy.labels if label.name in present]
    return [*known, *sorted(present - set(known))]


def calibration(project: Project, stratum: str) -> Reliability | None:
    """Predicted probability against accuracy; None where too few predictions have a probability."""
    rows = project.store.query(
        """select probability, truth_answer::varchar, predicted_answer::varchar, if(stratum = 'gold', 1, weight)
           from held_out_predictions where stratum = ? and probability is not null order by probability, n""",
        [stratum],
    )
    if not rows:
        return None
    stated, truth, predicted, weight = zip(*rows, strict=True)
    right = right_stored(space_of(project.settings()), truth, predicted)
    return reliability(np.asarray(stated, np.float64), right, np.asarray(weight, np.float64))


def calibration_sentence(measured: Reliability, stratum: str) -> str:
    """The calibration in words."""
    result = (
        f"On {measured.records:,} {stratum} records the stated certainty is off by {measured.error:.1%} on average; "
        f"with so few records a perfectly calibrated model would show about {measured.by_chance:.1%}."
    )
    if measured.error > measured.at_most:
        return result + " So the probabilities are off by more than chance."
    return result


@dataclass(frozen=True)
class NamedScore:
    """One label by name and id, with its scores where there are enough records."""

    label: str
    id: str
    score: LabelScore


def label_scores(metrics: Metrics, stratum: str, taxonomy: Taxonomy) -> list[NamedScore]:
    """Per label of the taxonomy that was scored, less the figures for which its records are too few to say."""
    score = metrics.on(stratum)
    if score is None:
        return []
    return [
        NamedScore(label.name, label.id, shown_label(score.per_label[label.id], score.n))
        for label in taxonomy.active
        if label.id in score.per_label
    ]


def level_table(metrics: Metrics, stratum: str) -> list[dict[str, str | int]]:
    """A row for each level of labels that stand under others, in words; none where none does."""
    score = metrics.on(stratum)
    if score is None:
        return []
    return [
        {
            "level": one.level,
            "labels": one.labels,
            "accuracy": in_words(shown(one.score.accuracy, score.n)),
            "macro F1": in_words(shown(one.score.macro_f1, score.n)),
        }
        for one in score.levels
    ]


def label_table(rows: Sequence[NamedScore]) -> list[dict[str, str | int]]:
    """`label_scores` in words, a figure with its interval per cell."""
    return [
        {
            "label": row.label,
            "records": row.score.records,
            "precision": in_words(row.score.precision),
            "recall": in_words(row.score.recall),
            "f1": in_words(row.score.f1),
            "prevalence": in_words(row.score.prevalence),
        }
        for row in rows
    ]
