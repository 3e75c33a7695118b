"""Models in words and rows, as the Models page shows them. Draws nothing."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from core.evaluation.metrics import Metrics
from core.evaluation.reporting import best_score, headline, shown
from core.models.encoders.encoder import OWN
from core.registry.models import ModelEntry
from core.registry.predictions import ProvenPredictions, joined

Row = dict[str, str | float | None]
STATES = {
    "champion": (":material/crown:", "in use"),
    "challenger": (":material/swords:", "challenger"),
    "deciding": (":material/cloud_done:", "answers programs"),
    "former": (":material/history:", "was in use"),
    "outdated": (":material/label_off:", "other labels than now"),
    "evaluate-only": (":material/lab_research:", "to compare with only"),
    "adapter": (":material/tune:", "of a language model"),
    "ended": (":material/event_busy:", "has ended"),
    "removed": (":material/delete:", "removed"),
    "missing": (":material/broken_image:", "its files are gone"),
}
"""state of a model to the icon and the words for it"""
DRAWN = 12
"""versions in the picture; the table has all"""


def name_of(model: ModelEntry) -> str:
    """'setfit ab12cd of 21 Nov 10:11': the end of its id is what commands take, too."""
    return f"{model.trainer} {model.id[-6:]} of {datetime.fromisoformat(model.made_at):%d %b %H:%M}"


def option_of(model: ModelEntry) -> str:
    """For a menu: what it is and how it stands."""
    return f"{name_of(model)} ({STATES[model.state][1]})"


def version_rows(models: Sequence[ModelEntry]) -> list[Row]:
    """One row per version, in the order given."""
    measure = measure_of(models)
    return [
        {
            "version": name_of(model),
            "state": STATES[model.state][1],
            "learnt from": model.labels,
            **_score(model.metrics, measure),
            "encoder": f"at {model.hosting.provider}" if model.hosting else _encoder(model),
            "notes": model.notes or "",
            "made at": model.made_at,
            "id": model.id,
        }
        for model in models
    ]


def _encoder(model: ModelEntry) -> str:
    """A fine-tuned one goes by the end of its model's id, as models do."""
    name = model.encoder or "none"
    if not name.startswith(OWN):
        return name
    return "its own" if name == OWN + model.id else f"of model {name[-6:]}"


def measure_of(models: Sequence[ModelEntry]) -> str:
    """What they are compared by, in words."""
    scored = [best for model in models if (best := best_score(model.metrics))]
    return headline(scored[0][1])[0] if scored else "macro F1"


def _score(metrics: Metrics, measure: str) -> Row:
    best = best_score(metrics)
    if best is None:
        return {"judged on": "not judged", measure: None, "from": None, "to": None}
    stratum, score = best
    _, figure = headline(score)
    return {
        "judged on": f"{score.n:,} {stratum}",
        measure: round(figure.value, 3) if figure else None,
        "from": round(figure.low, 3) if figure else None,
        "to": round(figure.high, 3) if figure else None,
    }


def score_rows(rows: Sequence[Row], measure: str) -> list[Row]:
    """Of `version_rows` those with a figure, as `versions_chart` draws them: the newest and the champion."""
    result = [row for row in rows if row[measure] is not None]
    return [
        {
            "model": row["version"],
            "id": row["id"],
            "state": row["state"],
            "champion": row["state"] == STATES["champion"][1],
            "value": row[measure],
            "low": row["from"],
            "high": row["to"],
            "on": row["judged on"],
        }
        for index, row in enumerate(result)
        if index < DRAWN or row["state"] == STATES["champion"][1]
    ]


def flat_rows(values: Mapping[str, object]) -> list[dict[str, str]]:
    """Names and values as rows of a table; nothing is left out."""
    return [
        {"what": name.replace("_", " "), "is": "" if value is None else str(value)} for name, value in values.items()
    ]


def over_time_rows(result: ProvenPredictions) -> list[Row]:
    """Audit and chosen records over time, for a table. Only the audit's share estimates anything."""
    rows: list[Row] = []
    for point in joined(result.over_time):
        accuracy = shown(point.accuracy, point.n)
        rows.append(
            {
                result.by: point.when,
                "records": point.n,
                "stratum": "audit",
                "right": accuracy.value if accuracy else None,
                "low": accuracy.low if accuracy else None,
                "high": accuracy.high if accuracy else None,
            }
        )
    chosen: list[Row] = [
        {result.by: row.when, "records": row.n, "stratum": "chosen", "right": row.right} for row in result.chosen
    ]
    return rows + chosen


def what_promoting_does(model: ModelEntry, champion: ModelEntry | None) -> str:
    """Said before it is done."""
    if model.hosting:
        return (
            "It answers programs that ask about pairs, and each new pair is a request to its provider. Rounds, "
            "suggestions and the queue go on with the model in use here. Roll back, or take it out of use, at any time."
        )
    same = champion is not None and champion.encoder == model.encoder
    first = "" if same else "It brings its own vectors, so all records are encoded again first. "
    return (
        f"{first}It judges every record anew: suggestions change, and what waits in the queue is ordered again. "
        "Labels and answers stay. Roll back puts everything back as it was."
    )
