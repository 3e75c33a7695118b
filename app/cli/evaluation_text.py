"""What the terminal says of an evaluation and of a comparison. Knows what the verbs return, not how it came about."""

from collections.abc import Iterator, Mapping
from typing import Any

from app.rendering.score_text import interval
from core.evaluation.reporting import TOO_FEW, shown_label

Told = Mapping[str, Any]
MOST = 12
"""labels, confused pairs or misses in a terminal; --json has all"""


def evaluate_lines(result: Told) -> list[str]:
    """Scores, labels, confusion, calibration, and what the figures cannot tell."""
    return list(_evaluation(result))


def _evaluation(result: Told) -> Iterator[str]:
    yield (
        f"{result['model']} on {result['on']}: {result['records']:,} records, {result['labelled']:,} "
        f"of them with a label."
    )
    if "accuracy" in result:
        yield from _scores(result)
        yield from _labels(result)
        yield from _confused(result)
        yield from _calibration(result)
    for note in [*result["notes"], *result.get("unsaid", ())]:
        yield f"  {note}"
    if result["out"]:
        yield f"One line per record in {result['out']}."
    if result["saved"]:
        yield "Kept: the Models page shows it with pictures."


def _scores(result: Told) -> Iterator[str]:
    for key, name in (("accuracy", "accuracy"), ("macro_f1", "macro F1"), ("micro_f1", "micro F1")):
        yield f"  {name:<10} {interval(result[key], result['n'])}"
    for top in result["top"] if result["multi"] else result["top"][1:]:  # else top 1 is accuracy
        yield f"  top {top['k']:<6} {interval(top['accuracy'], result['n'])}"


def _labels(result: Told) -> Iterator[str]:
    width = min(max((len(name) for name in result["labels"].values()), default=5), 30)
    entries = {label: shown_label(scores, result["n"]) for label, scores in result["per_label"].items()}
    rows = sorted(entries.items(), key=lambda row: row[1]["f1"]["value"] if row[1]["f1"] else 2)
    yield f"  {'label':<{width}}  records  {'precision':<14}  {'recall':<14}  F1 (95 %)"
    for label, scores in rows[:MOST]:
        precision, recall, f1 = (_span(scores[kind]) for kind in ("precision", "recall", "f1"))
        name, records = result["labels"][label][:width], scores["records"]
        yield f"  {name:<{width}}  {records:>7,}  {precision:<14}  {recall:<14}  {f1}"
    if len(rows) > MOST:
        yield f"  … and {len(rows) - MOST} labels more, all better; --json has them."


def _span(estimate: Told | None) -> str:
    """'91 % (85 to 95)', or that the records are too few."""
    if not estimate:
        return TOO_FEW
    value, low, high = (round(100 * estimate[name]) for name in ("value", "low", "high"))
    return f"{value} % ({low} to {high})"


def _confused(result: Told) -> Iterator[str]:
    wrong = [cell for cell in result["confusion"] if cell["truth_id"] != cell["said_id"] and cell["records"]]
    if wrong:
        yield "  Most often confused:"
    for cell in wrong[:MOST]:
        yield f"  {cell['records']:>9,}  {cell['truth']} taken for {cell['said']}"


def _calibration(result: Told) -> Iterator[str]:
    if calibration := result["calibration"]:
        yield (
            f"  Calibration: stated certainty is off by {calibration['error']:.1%} (chance "
            f"alone: {calibration['by_chance']:.1%}, "
            f"seldom over {calibration['at_most']:.1%})."
        )


def compare_lines(result: Told) -> list[str]:
    """Which is better and by how much, where, and what the records cannot tell."""
    return list(_encoders(result) if result.get("encoders") else _comparison(result))


def _comparison(result: Told) -> Iterator[str]:
    yield f"A: {result['first']}"
    yield f"B: {result['second']}"
    yield f"On {result['n']:,} {result['on']} records, B minus A:"
    for key, name in (("accuracy", "accuracy"), ("macro_f1", "macro F1")):
        yield f"  {name:<9} {_difference(result[key])}"
    yield f"  Only A is right on {result['only_first']:,}, only B on {result['only_second']:,}."
    rows = [row for row in result["per_label"] if row["low"] > 0 or row["high"] < 0]
    for row in rows[:MOST]:
        yield f"  {row['label'][:30]:<30}  F1 {_difference(row)}"
    yield result["verdict"]
    for note in [*result["notes"], *result["unsaid"]]:
        yield f"  {note}"


def _difference(row: Told) -> str:
    if row["high"] - row["low"] >= 2:
        return TOO_FEW
    value, low, high = (100 * row[name] for name in ("value", "low", "high"))
    return f"{row['first']:.1%} to {row['second']:.1%}: {value:+.1f} points (95 %: {low:+.1f} to {high:+.1f})"


def _ahead(difference: Told | None, measure: str, place: int | None = None) -> str:
    """', +2.1 points on the first (+0.4 to +3.8)'; nothing for the first itself."""
    if difference is None:
        return ""
    gap = difference[measure] if place is None else difference[measure][place]
    value, low, high = (100 * gap[name] for name in ("value", "low", "high"))
    return f", {value:+.1f} points on the first ({low:+.1f} to {high:+.1f})"


def _encoders(result: Told) -> Iterator[str]:
    yield f"On {result['records']:,} records of {result['labels']} labels ({result['on']}):"
    for row in result["rows"]:
        ahead = row["difference"]
        yield f"  {row['encoder']} ({row['dims']} numbers)"
        yield f"    nearest neighbours    {interval(row['knn_accuracy'])}{_ahead(ahead, 'knn_accuracy')}"
        yield f"    cluster purity        {interval(row['purity'])}{_ahead(ahead, 'purity')}"
        value, low, high = (row["silhouette"][name] for name in ("value", "low", "high"))
        yield f"    silhouette            {value:.3f} (95 %: {low:.3f} to {high:.3f})"
        for place, few in enumerate(row["few_label_accuracy"]):
            gap = _ahead(ahead, "few_label_accuracy", place)
            yield f"    from {few['per_label']:>2} of each label {interval(few)}{gap}"
    yield result["verdict"]
    chance = f"{result['chance']['purity']:.1%}"
    yield f"  Purity of {result['clusters']:,} clusters; chance alone gives {chance} or a little more."
    for note in result["notes"]:
        yield f"  {note}"


LINES = {"evaluate": evaluate_lines, "compare": compare_lines}
