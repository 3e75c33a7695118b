"""How good the model is and what the last round brought, as it stands beside the labelling card. Changes nothing."""

from dataclasses import dataclass

from core.evaluation.reporting import best_score, figures
from core.project import Project
from core.reports.model_quality import learning_curve, newest_model

MOST = 12
"""of the curve's newest points"""


@dataclass(frozen=True)
class CurvePoint:
    """A model by the answers that it learnt from, and its accuracy with a 95 % interval, 0..1."""

    answers: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class QualityNews:
    """key: changes with the model. basis: what the figure rests on, in words. points: accuracy minus that of the model
    before, in whole points; right: how many more records are right by that. Both None where there is no model before.
    """

    key: str
    value: float
    low: float
    high: float
    basis: str
    curve: tuple[CurvePoint, ...]
    points: int | None = None
    right: int | None = None


def quality_news(project: Project) -> QualityNews | None:
    """None before the first model, and while too few records judge it."""
    model = newest_model(project)
    best = best_score(model.metrics) if model else None
    if model is None or best is None or (now := figures(best[1])["accuracy"]) is None:
        return None
    stratum, score = best
    curve = []
    for one in learning_curve(project):
        measured = one.metrics.on(stratum)
        if measured and (estimate := figures(measured)["accuracy"]):
            curve.append(CurvePoint(one.labels, estimate.value, estimate.low, estimate.high))
    news = QualityNews(model.id, now.value, now.low, now.high, f"{score.n:,} {stratum} records", tuple(curve[-MOST:]))
    if len(curve) < 2:
        return news
    gain = curve[-1].value - curve[-2].value
    right = round(gain * project.store.one("select count(*) from records"))
    return QualityNews(**{**vars(news), "points": round(100 * gain), "right": right})
