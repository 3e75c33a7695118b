"""What the terminal says of the registry. Knows what its verbs returned, not what they did."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from app.rendering.score_text import interval, score_lines
from core.evaluation.reporting import judged_on
from core.registry.usage import PICKLE

if TYPE_CHECKING:
    from core.registry.model_export import ModelExport


def _models_lines(result: Mapping[str, Any]) -> list[str]:
    lines = [_model_line(model) for model in result["models"]]
    if not lines:
        return ["There is no model yet. The first one: rondo fit."]
    back = result["rollback"]
    return lines + ([f"Back to {back['to']}: rondo models rollback"] if back else [])


def _model_line(model: Mapping[str, Any]) -> str:
    """id, state, trainer, labels, and its score on whichever of audit and gold is told; or that its files are gone."""
    line = f"{model['id']}  {model['state']:<13} {model['trainer']}, {model['labels']:,} labels"
    if not model["files"]:
        line += f", removed {model['removed_at'][:10]}" if model["removed_at"] else ", its files are gone"
    if stratum := judged_on(model["metrics"]):
        matches = model["metrics"][stratum]
        line += f", macro F1 on {matches['n']:,} {stratum} records {interval(matches['macro_f1'], matches['n'])}"
    return line + (f". {model['notes']}" if model["notes"] else "")


def _model_lines(result: Mapping[str, Any]) -> list[str]:
    lines = [f"{result['id']}: {result['state']}", *score_lines(result["metrics"])]
    lines += [f"  {name}: {value}" for name, value in result["lineage"].items()]
    values = result["training_info"].get("values", {})
    lines += [f"  with {', '.join(f'{name}={value}' for name, value in values.items())}"] if values else []
    if result["gate"]:
        lines.append(f"  gate: {result['gate']['sentence']}")
    lines += [f"  {row['since']} {row['how']} by {row['who']}{_because(row['reason'])}" for row in result["history"]]
    return lines + ([f"Warning: {result['damaged']}"] if result["damaged"] else [])


def _because(reason: str | None) -> str:
    return f": {reason}" if reason else ""


def _promote_lines(result: Mapping[str, Any]) -> list[str]:
    back = ["Back again: rondo models rollback"] if result["rollback"] else []
    return [result["sentence"], result["gate"]["sentence"], *back]


def _rollback_lines(result: Mapping[str, Any]) -> list[str]:
    back = (
        [f"{result['restored']:,} records of the queue, spare ones too, stand where they stood."]
        if result["restored"]
        else []
    )
    return [result["sentence"], *back]


def _predictions_lines(result: Mapping[str, Any]) -> list[str]:
    from core.registry.predictions import joined  # loads the store

    lines = [result["sentence"]]
    by = "week" if any("week" in point for point in result["over_time"]) else "round"
    for point in joined(result["over_time"], by):
        span = f"round {point[by]}" if by == "round" else f"week of {point[by]}"
        lines.append(f"  {span}: right on {point['n']:,} audit records {interval(point['accuracy'], point['n'])}")
    misses = [
        f"  {miss['id']}: {miss['said']} ({miss['probability']:.0%}), is {miss['truth']}" for miss in result["worst"]
    ]
    return lines + (["Surest and wrong:", *misses] if misses else [])


def export_lines(result: "ModelExport") -> list[str]:
    """What was written, and what whoever gets it must know."""
    return [
        f"Wrote {result.model} to {result.path}: {result.files:,} files, {result.bytes / 1e6:,.1f} MB.",
        "Its README says how far to trust it, and how to use it without Rondo. Choose a licence before you pass it on.",
        *([PICKLE.replace("`", "")] if result.library == "setfit" else ()),
    ]


def _push_lines(result: Mapping[str, Any]) -> list[str]:
    places = [result, *([result["dataset"]] if "dataset" in result else [])]
    return [
        f"Pushed {one['url']} ({'private' if one['private'] else 'PUBLIC'}): {one['files']:,} files, "
        f"{one['bytes'] / 1e6:,.1f} MB, commit {one['commit'][:12]}."
        for one in places
    ]


LINES = {
    "models": _models_lines,
    "model": _model_lines,
    "model_note": lambda summary: [f"{summary['model']}: {summary['notes'] or 'no note'}"],
    "model_remove": lambda summary: [
        f"Removed {', '.join(summary['removed'])}: {summary['bytes'] / 1e6:,.1f} MB are "
        f"free. Their lines in the list stay."
    ],
    "promote": _promote_lines,
    "rollback": _rollback_lines,
    "retrain": lambda summary: [summary["sentence"]],
    "predictions": _predictions_lines,
    "push": _push_lines,
}
