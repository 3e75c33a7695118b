"""What a round's job can say of its model: scores, learning curve, savings. Knows arrays and heads, no store."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.arrays import Bools, Floats, Ints
from core.errors import Damaged, Refused
from core.evaluation.audit import History, Weights
from core.evaluation.curve import FILE, MORE, describe, fit_curve, lacking
from core.evaluation.drift import between_rounds, between_sources, mixes
from core.evaluation.savings import savings, shadow_arm
from core.evaluation.scores import Score, score
from core.evaluation.stopping import agreement, unsure
from core.jobs.bundle import write_json
from core.models.artifacts import load_head
from core.models.heads.head import FOLDS, Head, LabelledVectors, NeighbourGraph, decide, fit_uncalibrated, predict
from core.models.out_of_fold import VERDICTS, OutOfFold, read_crossed, write_crossed
from core.rounds.round_job import PastModel, RoundParams
from gpu_jobs.work.choose import Scored

COMPARED = 50_000
"""records of the pool on which two models are compared, at most"""
MOST_JUDGED = 5_000
"""asked records that are judged by heads that did not see them, at most: each costs its share of five refits"""
REJUDGED = 30
"""earlier models that the learning curve shows, at most; evenly spread"""


@dataclass(frozen=True)
class AnsweredRecords:
    """The records that people were asked for, each with what a head that did not see it says.

    rows: (k,) ascending. truth, said, probs: (k, labels). labels: (k,) how many records that head learnt from.
    weights: of the k records.
    """

    rows: Ints
    truth: Bools
    predicted: Bools
    probs: Floats
    labels: Ints
    weights: Weights

    @property
    def audited(self) -> Bools:
        """(k,) drawn at random."""
        return self.weights.drawn


@dataclass(frozen=True)
class Gold:
    """Known answers, which teach nobody. rows: (g,). truth: (g, labels)."""

    rows: Ints
    truth: Bools


def chances(probs: Floats, decided: npt.NDArray[np.bool_], multi: bool) -> Floats:
    """(n,) probability of the likeliest label, or where several may hold that all yes and no are right."""
    if not len(probs):
        return np.empty(0)
    if multi:
        return np.asarray(np.where(decided, probs, 1 - probs).prod(axis=1), np.float64)
    return np.asarray(probs.max(axis=1), np.float64)


def read_history(arrays: Mapping[str, npt.NDArray[Any]]) -> History:
    """As the owner wrote it, of `asked_rows`."""
    return History(**{field.name: arrays[f"history_{field.name}"] for field in fields(History)})


def subsample(rows: Ints, weights: Weights) -> tuple[Ints, Weights]:
    """All drawn records and some of the others, about MOST_JUDGED in all; those kept stand for those left out.

    Always the same others first, so that whatever a later round judges was judged before. The chance in leaving some
    out is not in the intervals: these records carry little weight.
    """
    others = np.flatnonzero(~weights.drawn)
    most = max(MOST_JUDGED - int(weights.drawn.sum()), MOST_JUDGED // 10)
    if len(others) <= most:
        return rows, weights
    order = np.argsort(rows[others] * 2_654_435_761 % 2**32, kind="stable")  # scattered, whatever the numbers are
    retained = np.zeros(len(rows), bool)
    retained[others[order[:most]]] = True
    scale = np.ones(len(rows))
    scale[retained] = weights.weight[others].sum() / max(weights.weight[retained].sum(), 1e-12)
    retained |= weights.drawn
    weight, known = (weights.weight * scale)[retained], (weights.known * scale)[retained]
    return rows[retained], replace(weights, weight=weight, known=known, drawn=weights.drawn[retained])


def save_out_of_fold(folder: Path, query: AnsweredRecords, multi: bool = False) -> None:
    """Beside the head."""
    likeliest, chance = query.probs.argmax(axis=1), chances(query.probs, query.predicted, multi)
    write_crossed(folder, OutOfFold(query.rows, query.predicted, likeliest, chance, query.weights.weight, query.labels))


def measure_gold(scored: Scored, gold: Gold, seed: int) -> dict[str, Any] | None:
    """A score on declared gold, or None without any."""
    if not len(gold.rows):
        return None
    predicted = decide(scored.probs[gold.rows], scored.head.multi)
    return score_dict(score(gold.truth, predicted, seed=seed), scored.head.labels)


def score_dict(matches: Score, labels: Sequence[str]) -> dict[str, Any]:
    """JSON-able, the figures per label by label id."""
    entry = asdict(matches)
    entry["per_label"] = dict(zip(labels, entry["per_label"], strict=True))
    return entry


def compare(before: Head | None, scored: Scored, vectors: Floats, pool: Ints, seed: int) -> dict[str, Any]:
    """Agreement of two successive heads on the pool, and the share of it that is still unsure."""
    if len(pool) > COMPARED:
        pool = np.sort(np.random.default_rng(seed).choice(pool, COMPARED, replace=False))
    head, after = scored.head, scored.probs[pool]
    entry: dict[str, Any] = {"unsure": unsure(after, head.multi), "agreement": None}
    if before is not None and before.labels == head.labels and len(pool):
        decisions = [decide(probs, head.multi) for probs in (predict(before, vectors, pool), after)]
        same = agreement(*(one if head.multi else one.argmax(axis=1) for one in decisions))
        entry["agreement"] = asdict(same) if same else None
    return entry


@dataclass(frozen=True)
class Rejudged:
    """The models so far on the records asked so far. said: (models, k, labels). labels: (models, k) that each learnt
    from where it judged. entries: what is known of each model, oldest first. unreadable: ids of models whose files are
    damaged, which are left out."""

    entries: list[PastModel]
    predicted: Bools
    labels: Floats
    unreadable: list[str]


def rescore_past_models(
    models: Sequence[PastModel], query: AnsweredRecords, vectors: Floats, labels: Sequence[str]
) -> Rejudged:
    """Each earlier model on all asked records: on those it learnt from by its stored verdicts, on the rest directly.

    Models of another taxonomy, and those from before verdicts were kept, are left out.
    """
    if len(models) > REJUDGED:
        models = [models[place] for place in np.linspace(0, len(models) - 1, REJUDGED).astype(int)]
    retained: list[PastModel] = []
    predicted: list[Bools] = []
    learnt: list[Floats] = []
    unreadable: list[str] = []
    for model in models:
        try:
            judged = _judge(model, query.rows, vectors, tuple(labels))
        except Damaged:
            unreadable.append(model.id)
            continue
        if judged is not None:
            retained.append(model)
            predicted.append(judged[0])
            learnt.append(judged[1])
    verdicts = np.array(predicted, bool).reshape(-1, len(query.rows), len(labels))
    return Rejudged(retained, verdicts, np.array(learnt).reshape(-1, len(query.rows)), unreadable)


def _judge(model: PastModel, rows: Ints, vectors: Floats, labels: tuple[str, ...]) -> tuple[Bools, Floats] | None:
    """(verdicts (k, labels), labels learnt from (k,)); None for a model without verdicts or of other labels. Raises
    Damaged."""
    folder = Path(model.path)
    if not (folder / VERDICTS).exists():
        return None
    head = load_head(folder)
    retained = read_crossed(folder, len(labels)) if head.labels == labels else None
    if retained is None:
        return None
    verdict, learnt = decide(predict(head, vectors, rows), head.multi), np.full(len(rows), float(model.labels))
    seen = np.isin(rows, retained.rows)
    place = np.searchsorted(retained.rows, rows[seen])
    verdict[seen] = retained.predicted[place]
    learnt[seen] = retained.labels[place] if len(retained.labels) else model.labels - seen.sum() / FOLDS
    return verdict, learnt


def curve_entries(judged: Rejudged, query: AnsweredRecords, seed: int) -> list[dict[str, Any]]:
    """One entry per model: id, round, labels, and its score on the audit as it is now."""
    return [
        {
            "id": entry.id,
            "round": entry.round,
            "labels": entry.labels,
            "audit": _short(score(query.truth, predicted, query.weights, seed)),
        }
        for entry, predicted in zip(judged.entries, judged.predicted, strict=True)
    ]


def _short(matches: Score) -> dict[str, Any]:
    entry = asdict(matches)
    return {key: entry[key] for key in ("n", "accuracy", "macro_f1", "micro_f1")}


def _on_audit(judged: Rejudged, query: AnsweredRecords) -> tuple[Bools, Floats, Floats]:
    """(models, audits) whether each model is right and how many labels it learnt from; (audits,) weights."""
    right = (judged.predicted == query.truth).all(axis=2)[:, query.audited]
    return right, judged.labels[:, query.audited], query.weights.weight[query.audited]


def forecast(judged: Rejudged, query: AnsweredRecords, folder: Path, seed: int) -> dict[str, Any]:
    """What more labels would buy, or a sentence on what is missing; the fitted curve goes beside the head."""
    right, labels, weight = _on_audit(judged, query)
    if missing := lacking(right, labels):
        return {"missing": missing}
    rng = np.random.default_rng(seed)
    curve = fit_curve(right, labels, weight, rng, now=judged.entries[-1].labels)
    write_json(folder / FILE, curve.as_json())
    return asdict(describe(curve, int(query.audited.sum()), MORE, rng))


def count_savings(
    judged: Rejudged, query: AnsweredRecords, lesson: LabelledVectors, around: NeighbourGraph | None, seed: int
) -> dict[str, Any]:
    """Labels saved against random labelling, or a sentence on what is missing. lesson: the audit records alone."""
    truth = query.truth[query.audited]

    def teach(rows: Ints) -> Bools:
        part = replace(lesson, vectors=lesson.vectors[rows], targets=lesson.targets[rows])
        head = fit_uncalibrated(part, around)
        return np.asarray((decide(predict(head, lesson.vectors), lesson.multi) == truth).all(axis=1))

    try:
        shadow = shadow_arm(len(truth), teach, np.random.default_rng(seed))
        return asdict(savings(*_on_audit(judged, query), shadow, judged.entries[-1].labels))
    except Refused as error:  # too little to tell
        return {"missing": str(error)}


def find_drift(arrays: Mapping[str, npt.NDArray[Any]], params: RoundParams, query: AnsweredRecords) -> dict[str, Any]:
    """What differs between rounds and between sources, by the audit: sentences, and what is too little to tell."""
    names = params.label_names
    parts = []
    if len(query.rows) == len(arrays["asked_rows"]):
        parts.append(between_rounds(read_history(arrays), query.truth, query.predicted, names))
    source_of = dict(zip(arrays["asked_rows"].tolist(), arrays["asked_sources"].tolist(), strict=True))
    sources = [params.sources[source_of[row]] for row in query.rows.tolist()]
    parts.append(between_sources(query.weights, sources, query.truth, query.predicted, names))
    return {
        "claims": [claim for part in parts for claim in part.claims],
        "unsaid": [sentence for part in parts for sentence in part.unsaid],
        "differences": [asdict(one) for part in parts for one in part.differences][:20],
    }


def mix_by_source(arrays: Mapping[str, npt.NDArray[Any]], params: RoundParams, probs: Floats) -> list[dict[str, Any]]:
    """What is suggested for the pool's records of each source. probs: (pool, labels)."""
    if len(params.sources) < 2 or not len(probs):
        return []
    codes = arrays["pool_sources"].astype(np.int64)
    return [asdict(one) for one in mixes(probs.argmax(axis=1), codes, params.sources, params.label_names)]
