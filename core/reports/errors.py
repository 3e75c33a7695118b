"""Where a model errs, as rows: confused labels, calibration, scores per label. Knows predictions, not who made them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from core.config.taxonomy import Taxonomy
from core.evaluation.known_truth import reliability
from core.evaluation.reporting import KINDS, STRATA, in_words, shown_label
from core.project import Project

Row = dict[str, Any]

NONE = "none of them"
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


def judged_strata(project: Project) -> list[str]:
    """Which of STRATA have verdicts of the newest model."""
    rows = {stratum for (stratum,) in project.store.query("select distinct stratum from held_out_predictions")}
    return [stratum for stratum in STRATA if stratum in rows]


def scored_strata(metrics: Mapping[str, Any]) -> list[str]:
    """Which of STRATA a model was scored on, the one with most records first."""
    entries = {stratum: score["n"] for stratum in STRATA if (score := score_of(metrics, stratum))}
    return sorted(entries, key=lambda stratum: -entries[stratum])


def confusion(project: Project, stratum: str) -> list[Row]:
    """One row per pair of a true and a said label that occurs, the most frequent first.

    records: of that stratum. share: of all records, for audit estimated from what each asked record stands for.
    truth_id and said_id are None for none of them.
    """
    names = project.settings().taxonomy.names
    with project.store.reading() as cursor:
        rows = cursor.execute(_CELLS, {"stratum": stratum}).fetchall()
    return [
        {
            "truth": names.get(truth, truth or NONE),
            "said": names.get(predicted, predicted or NONE),
            "truth_id": truth,
            "said_id": predicted,
            "records": records,
            "share": share or 0.0,
        }
        for truth, predicted, records, share in rows
    ]


def confused(cells: Sequence[Row]) -> list[Row]:
    """The cells off the diagonal that a record of the stratum is in, the most frequent first."""
    return [cell for cell in cells if cell["truth_id"] != cell["said_id"] and cell["records"]]


def heat(cells: Sequence[Row], measure: str, most: int = MOST_LABELS) -> list[Row]:
    """The cells to be drawn, with `of_truth`, their part of the true label. measure: `records` or `share`.

    Among at most so many labels: all, or those of the most confused pairs, filled up with the most frequent.
    """
    there = [cell for cell in cells if cell[measure] >= LEAST[measure]]
    sums: dict[str | None, float] = {}
    for cell in there:
        sums[cell["truth_id"]] = sums.get(cell["truth_id"], 0.0) + cell[measure]
    chosen: set[str | None] = set()
    for cell in [*confused(there), *there]:
        pair = {cell["truth_id"], cell["said_id"]}
        if len(chosen | pair) <= most:
            chosen |= pair
    return [
        {**cell, "of_truth": cell[measure] / sums[cell["truth_id"]]}
        for cell in there
        if {cell["truth_id"], cell["said_id"]} <= chosen
    ]


def label_order(taxonomy: Taxonomy, cells: Sequence[Row]) -> list[str]:
    """Names in the order of the taxonomy, of the labels in these cells; none of them last."""
    present = {cell[side] for cell in cells for side in ("truth", "said")}
    known = [label.name for label in taxonomy.labels if label.name in present]
    return [*known, *sorted(present - set(known))]


def calibration(project: Project, stratum: str) -> Row | None:
    """Stated against actual certainty in bins of equally many records; None where verdicts are too few.

    bins: stated (mean probability), right (share with all labels right), low and high (95 %, Wilson 1927), records.
    error: expected calibration error, the mean distance between stated and right, in bins of equal mass (Nguyen &
    O'Connor 2015). by_chance: what a perfectly calibrated model would show with as few records; it is never 0, and
    above at_most in one case of twenty.
    """
    rows = project.store.query(
        """select probability, list_sort(truth) = list_sort(predicted), if(stratum = 'gold', 1, weight) as weight
           from held_out_predictions where stratum = ? and probability is not null order by probability, n""",
        [stratum],
    )
    if not rows:
        return None
    stated, right, weight = (np.asarray(column) for column in zip(*rows, strict=True))
    matches = reliability(stated.astype(np.float64), right.astype(np.bool_), weight.astype(np.float64))
    return asdict(matches) if matches else None


def calibration_sentence(matches: Mapping[str, Any], stratum: str) -> str:
    """What the picture says, in words."""
    result = (
        f"On {matches['records']:,} {stratum} records the stated certainty is off by "
        f"{matches['error']:.1%} on average; "
        f"with so few records a perfectly calibrated model would show about {matches['by_chance']:.1%}."
    )
    if matches["error"] > matches["at_most"]:
        return result + " So the probabilities are off by more than chance."
    return result


def score_of(metrics: Mapping[str, Any], stratum: str) -> Row | None:
    """The score of one stratum as it stands in a model's metrics, today's shape or the first one's; None without."""
    matches = metrics.get(stratum)
    return dict(matches) if isinstance(matches, Mapping) and matches.get("n") else None


def label_scores(metrics: Mapping[str, Any], stratum: str, taxonomy: Taxonomy) -> list[Row]:
    """Per label of the taxonomy: records of the stratum that have it, and precision, recall, f1, prevalence, each
    {value, low, high} or None where its records are too few to say. Metrics of the first shape have no intervals and
    no prevalence.
    """
    matches = score_of(metrics, stratum)
    if not matches:
        return []
    per_label = matches.get("per_label") or {}
    return [
        {"label": label.name, "id": label.id, **shown_label(_label_score(per_label[label.id]), matches["n"])}
        for label in taxonomy.active
        if label.id in per_label
    ]


def _label_score(entry: Any) -> Row:
    if isinstance(entry, Mapping):
        return dict(entry)
    values = dict(zip(KINDS[:3], entry, strict=False))
    result = {kind: {"value": value, "low": None, "high": None} for kind, value in values.items()}
    return {"records": entry[3], **result}


def label_table(rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """`label_scores` in words, a figure with its interval per cell."""
    return [
        {
            "label": row["label"],
            "records": row["records"],
            **{kind: in_words(row[kind]) for kind in KINDS if kind in row},
        }
        for row in rows
    ]
