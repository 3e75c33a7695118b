"""Models in words and rows, as the Models page shows them. Draws nothing."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from app.charts.axes import zoomed
from app.charts.intervals import interval_image
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
BAR = "95 %"
"""the column with the drawn interval"""


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
            "version": f"{model.trainer} {model.id[-6:]}",
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


def interval_rows(rows: Sequence[Row], measure: str) -> list[Row]:
    """`version_rows` with the drawn interval in the column BAR, None where there is no figure; a version that is judged
    on other records than the one in use is drawn apart."""
    span, in_use = _span(rows), STATES["champion"][1]
    common = next((row["judged on"] for row in rows if row["state"] == in_use), None)
    return [
        {**row, BAR: _bar(row, measure, span, apart=common is not None and row["judged on"] != common)} for row in rows
    ]


def bar_title(rows: Sequence[Row], measure: str) -> str:
    """The head of that column: what its left and right ends are."""
    low, high = _span(rows)
    return f"{low:.0%} to {high:.0%}"


def _bar(row: Row, measure: str, span: tuple[float, float], *, apart: bool) -> str | None:
    value, start, end = row[measure], row["from"], row["to"]
    if not (isinstance(value, float) and isinstance(start, float) and isinstance(end, float)):
        return None
    return interval_image((value, start, end), span, special=row["state"] == STATES["champion"][1], apart=apart)


def _span(rows: Sequence[Row]) -> tuple[float, float]:
    lows, highs = ([float(one) for row in rows if (one := row[name]) is not None] for name in ("from", "to"))
    low, high = zoomed(lows, highs).domain if lows else (0.0, 1.0)
    return float(low), float(high)


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
