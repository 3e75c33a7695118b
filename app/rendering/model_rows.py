"""Models in words and rows, as the Models page shows them. Draws nothing."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from core.evaluation.reporting import judged_on, shown, shown_scores
from core.models.encoders.encoder import OWN
from core.registry.predictions import joined

Model = Mapping[str, Any]
STATES = {
    "champion": (":material/crown:", "in use"),
    "challenger": (":material/swords:", "challenger"),
    "former": (":material/history:", "was in use"),
    "outdated": (":material/label_off:", "other labels than now"),
    "evaluate-only": (":material/lab_research:", "to compare with only"),
    "removed": (":material/delete:", "removed"),
    "missing": (":material/broken_image:", "its files are gone"),
}
"""state of a model to the icon and the words for it"""
DRAWN = 12
"""versions in the picture; the table has all"""


def name_of(model: Model) -> str:
    """'setfit ab12cd of 21 Nov 10:11': the end of its id is what commands take, too."""
    return f"{model['trainer']} {model['id'][-6:]} of {datetime.fromisoformat(model['made_at']):%d %b %H:%M}"


def option_of(model: Model) -> str:
    """For a menu: what it is and how it stands."""
    return f"{name_of(model)} ({STATES[model['state']][1]})"


def version_rows(models: Sequence[Model]) -> list[dict[str, Any]]:
    """One row per version, in the order given."""
    return [
        {
            "version": name_of(model),
            "state": STATES[model["state"]][1],
            "learnt from": model.get("labels"),
            **_score(model),
            "encoder": _encoder(model),
            "notes": model.get("notes") or "",
            "made at": model["made_at"],
            "id": model["id"],
        }
        for model in models
    ]


def _encoder(model: Model) -> str:
    """A fine-tuned one goes by the end of its model's id, as models do."""
    name = model.get("encoder") or "none"
    if not name.startswith(OWN):
        return str(name)
    return "its own" if name == OWN + model["id"] else f"of model {name[-6:]}"


def _score(model: Model) -> dict[str, Any]:
    stratum = judged_on(model.get("metrics"))
    if stratum is None:
        return {"judged on": "not judged", "macro F1": None, "from": None, "to": None}
    matches = model["metrics"][stratum]
    score = shown_scores(matches)["macro_f1"]
    names = {"macro F1": "value", "from": "low", "to": "high"}
    figures = {name: round(score[key], 3) if score else None for name, key in names.items()}
    return {"judged on": f"{matches['n']:,} {stratum}", **figures}


def score_rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Of `version_rows` those with a figure, as `versions_chart` draws them: the newest and the champion."""
    result = [row for row in rows if row["macro F1"] is not None]
    return [
        {
            "model": row["version"],
            "id": row["id"],
            "state": row["state"],
            "champion": row["state"] == STATES["champion"][1],
            "value": row["macro F1"],
            "low": row["from"],
            "high": row["to"],
            "on": row["judged on"],
        }
        for place, row in enumerate(result)
        if place < DRAWN or row["state"] == STATES["champion"][1]
    ]


def flat_rows(result: Mapping[str, Any]) -> list[dict[str, str]]:
    """Names and values as rows of a table; nothing is left out."""
    return [
        {"what": name.replace("_", " "), "is": "" if value is None else str(value)} for name, value in result.items()
    ]


def over_time_rows(result: Mapping[str, Any], by: str) -> list[dict[str, Any]]:
    """Audit and chosen records over time, for a table. Only the audit's share estimates anything."""
    audit = [
        {by: str(row[by]), "records": row["n"], "stratum": "audit", "right": accuracy.get("value")}
        | {name: accuracy.get(name) for name in ("low", "high")}
        for row in joined(result["over_time"], by)
        for accuracy in [shown(row["accuracy"], row["n"]) or {}]
    ]
    chosen = [
        {by: str(row[by]), "records": row["n"], "stratum": "chosen", "right": row["right"]} for row in result["chosen"]
    ]
    return audit + chosen


def what_promoting_does(model: Model, champion: Model | None) -> str:
    """Said before it is done."""
    same = champion is not None and champion.get("encoder") == model.get("encoder")
    first = "" if same else "It brings its own vectors, so all records are encoded again first. "
    return (
        f"{first}It judges every record anew: suggestions change, and what waits in the queue is ordered again. "
        "Labels and answers stay. Roll back puts everything back as it was."
    )
