"""What the terminal says of the registry. Knows what its verbs returned, not what they did."""

from collections.abc import Mapping
from typing import Any

from app.cli.score_text import interval, score_lines
from core.evaluation.reporting import judged_on


def _models_lines(told: Mapping[str, Any]) -> list[str]:
    lines = [_model_line(model) for model in told["models"]]
    if not lines:
        return ["There is no model yet. The first one: rondo fit."]
    back = told["rollback"]
    return lines + ([f"Back to {back['to']}: rondo models rollback"] if back else [])


def _model_line(model: Mapping[str, Any]) -> str:
    """id, state, trainer, labels, and its score on whichever of audit and gold is told; or that its files are gone."""
    line = f"{model['id']}  {model['state']:<13} {model['trainer']}, {model['labels']:,} labels"
    if not model["files"]:
        line += f", removed {model['removed_at'][:10]}" if model["removed_at"] else ", its files are gone"
    if stratum := judged_on(model["metrics"]):
        found = model["metrics"][stratum]
        line += f", macro F1 on {found['n']:,} {stratum} records {interval(found['macro_f1'], found['n'])}"
    return line + (f". {model['notes']}" if model["notes"] else "")


def _model_lines(told: Mapping[str, Any]) -> list[str]:
    lines = [f"{told['id']}: {told['state']}", *score_lines(told["metrics"])]
    lines += [f"  {name}: {value}" for name, value in told["lineage"].items()]
    values = told["training_info"].get("values", {})
    lines += [f"  with {', '.join(f'{name}={value}' for name, value in values.items())}"] if values else []
    if told["gate"]:
        lines.append(f"  gate: {told['gate']['sentence']}")
    lines += [f"  {row['since']} {row['how']} by {row['who']}{_because(row['reason'])}" for row in told["history"]]
    return lines + ([f"Warning: {told['damaged']}"] if told["damaged"] else [])


def _because(reason: str | None) -> str:
    return f": {reason}" if reason else ""


def _promote_lines(told: Mapping[str, Any]) -> list[str]:
    back = ["Back again: rondo models rollback"] if told["rollback"] else []
    return [told["sentence"], told["gate"]["sentence"], *back]


def _rollback_lines(told: Mapping[str, Any]) -> list[str]:
    back = (
        [f"{told['restored']:,} records of the queue, spare ones too, stand where they stood."]
        if told["restored"]
        else []
    )
    return [told["sentence"], *back]


def _predictions_lines(told: Mapping[str, Any]) -> list[str]:
    from core.registry.predictions import joined  # loads the store

    lines = [told["sentence"]]
    by = "week" if any("week" in point for point in told["over_time"]) else "round"
    for point in joined(told["over_time"], by):
        span = f"round {point[by]}" if by == "round" else f"week of {point[by]}"
        lines.append(f"  {span}: right on {point['n']:,} audit records {interval(point['accuracy'], point['n'])}")
    misses = [
        f"  {miss['id']}: {miss['said']} ({miss['probability']:.0%}), is {miss['truth']}" for miss in told["worst"]
    ]
    return lines + (["Surest and wrong:", *misses] if misses else [])


LINES = {
    "models": _models_lines,
    "model": _model_lines,
    "model_note": lambda told: [f"{told['model']}: {told['notes'] or 'no note'}"],
    "model_remove": lambda told: [
        f"Removed {', '.join(told['removed'])}: {told['bytes'] / 1e6:,.1f} MB are free. Their lines in the list stay."
    ],
    "promote": _promote_lines,
    "rollback": _rollback_lines,
    "retrain": lambda told: [told["sentence"]],
    "predictions": _predictions_lines,
}
