"""Figures in words, for terminal and page: a score never without its interval, a duration in the unit that reads best.

Knows no verb.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from core.evaluation.metrics import Estimate, Metrics
from core.evaluation.reporting import FEWEST, STRATA, TOO_FEW, figures, shown, too_few

if TYPE_CHECKING:
    from core.extract.prepare import Prepared
    from core.labelling.taxonomy_changes import TaxonomyChange
    from core.pairs.predict_file import PredictedPairFile
    from core.registry.rescue import Rescue, RescuePlan
    from core.registry.text_prediction_job import FilePredictions
    from core.sheets.apply import AppliedSheet
    from core.training.entries import TrainingJob
    from core.training.hosted import HostedEstimate, HostedModels, TrainingText
    from core.trees.features import Features
    from core.trees.snapshots import SnapshotDifference

PERCENT = "%d %%"
"""format of a column of `whole_percents`: 22 %, not 21.63 %"""


def score_lines(metrics: Metrics) -> list[str]:
    """Accuracy and, where there is one, macro F1 with their intervals, from audit and gold, or why there are none."""
    lines = []
    for stratum in STRATA:
        if score := metrics.on(stratum):
            words = ", ".join(f"{name} {interval(one)}" for name, one in figures(score).items() if name != "micro F1")
            lines.append(
                f"  {stratum} ({score.n:,} records): {too_few(score.n, stratum) if score.n < FEWEST else words}"
            )
    return lines or ["  No audit or gold labels yet, so nothing can be said about accuracy."]


def interval(estimate: Estimate | None, records: int = FEWEST) -> str:
    """records: how many it is from; too few give a sentence instead."""
    estimate = shown(estimate, records)
    if estimate is None:
        return TOO_FEW
    return f"{estimate.value:.1%} (95 %: {estimate.low:.1%} to {estimate.high:.1%})"


def duration(seconds: float) -> str:
    """'45 s', '12 min', '3.5 h'."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def size_in_words(count: int) -> str:
    """'312 bytes', '4.1 MB'."""
    size, units = float(count), ["bytes", "kB", "MB", "GB", "TB", "PB"]
    while size >= 1000 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:,.0f} {units[0]}" if units[0] == "bytes" else f"{size:,.1f} {units[0]}"


def stage_of(what: str) -> str:
    """What a report is about, without what is said of it in brackets: by which the time that it takes is counted."""
    return what.partition(" (")[0]


def progress_line(what: str, done: int, total: int, seconds: float) -> str:
    """'Encoding 1,024 of 5,000 (20 %), 512/s, 8 s to go'."""
    if total <= 3:  # steps, not units
        return f"{what} …"
    line = f"{what} {done:,} of {total:,} ({done / total:.0%})"
    if done and seconds > 0.5:
        rate = done / seconds
        line += f", {rate:,.{0 if rate >= 10 else 1}f}/s, {duration((total - done) / rate)} to go"
    return line


def ended_in(job: "TrainingJob") -> str:
    """When it ended and how long it took, in UTC."""
    end = job.ended_at or job.made_at
    if not end:
        return ""
    result = f"{datetime.fromisoformat(end):%d %b %H:%M} UTC"
    begun = job.started_at or job.made_at
    if not begun or not job.ended_at:
        return result
    seconds = (datetime.fromisoformat(end) - datetime.fromisoformat(begun)).total_seconds()
    return f"{result}, {duration(seconds)}"


def loss_lines(lost: Mapping[str, int], changes: Sequence[str]) -> list[str]:
    """What an export could not hold, by column with the rows that had something there, and what it changed."""
    lines = []
    if lost:
        columns = ", ".join(f"{name} ({rows:,})" for name, rows in lost.items())
        lines.append(f"Left out, for the format has no room for it: {columns} rows.")
    return lines + [f"{change[:1].upper()}{change[1:]}." for change in changes]


def change_sentences(result: "TaxonomyChange") -> list[str]:
    """What changes in the labels, and what of the answers is touched."""
    if not result.changes:
        return ["Nothing changes."]
    lines = list(result.changes)
    for one in result.touched:
        if one.answers or one.suggestions or one.machine_labels:
            counts = [f"{one.answers:,} answers to {one.records:,} records"]
            counts += [f"{one.suggestions:,} suggestions"] if one.suggestions else []
            counts += [f"{one.machine_labels:,} machine labels"] if one.machine_labels else []
            before, after = (name or "nothing" for name in (one.before, one.after))
            lines.append(f"  {one.taxonomy}:{one.label} counts as {after}, till now as {before}: {', '.join(counts)}")
    lines.append(
        f"Touched: {result.answers:,} answers to {result.records:,} records, {result.suggestions:,} suggestions, "
        f"{result.machine_labels:,} machine labels, {result.models:,} models. No answer is rewritten."
    )
    if result.machine_labels:
        lines.append("Machine labels that name a label which is not offered go; `rondo auto` makes them anew.")
    if result.switched:
        lines.append("No model of another taxonomy suggests here: the answers that count here teach one anew.")
    if result.queued:
        lines.append(f"{result.queued:,} records stand before the batch, to be asked again.")
    if result.applied:
        return [*lines, f"Done. Take it back: rondo taxonomy undo --version {result.version}"]
    return [*lines, "Nothing was changed."]


def difference_sentence(result: "SnapshotDifference") -> str:
    """What came, went and moved between two snapshots of a tree, in numbers."""
    return (
        f"From {result.older} to {result.newer}: {result.added:,} folders came, {result.vanished:,} vanished, "
        f"{result.moved:,} moved; of {result.changed:,} the own files changed. "
        f"Files: {result.files_added:,} came, {result.files_removed:,} went."
    )


def prediction_sentences(result: "FilePredictions") -> list[str]:
    """How much was predicted, and what of it was not, or by a run before."""
    lines = [f"{result.model} on {result.rows:,} rows, in {duration(result.seconds)}; wrote {result.out}."]
    if result.resumed:
        lines.append(f"  {result.resumed:,} of them were predicted by a run before, which was stopped.")
    if result.blank:
        lines.append(f"  {result.blank:,} have no text, and so no prediction.")
    return lines


def score_sentences(result: "FilePredictions") -> list[str]:
    """How many predictions are right where the file says what is, and what is to be minded."""
    lines = []
    if result.scored:
        lines = [
            f"Of {result.scored:,} rows with a label:",
            f"  accuracy   {interval(result.accuracy, result.scored)}",
            f"  macro F1   {interval(result.macro_f1, result.scored)}",
            *(f"  top {top.k:<6} {interval(top.accuracy, result.scored)}" for top in result.top),
        ]
    return lines + [f"  {note}" for note in result.notes]


def sheet_sentences(result: "AppliedSheet") -> list[str]:
    """How many labels of a spreadsheet are in, or would be, and what is to be minded."""
    taken = "labels taken" if result.applied else "labels would be taken"
    parts = [f"{result.taken:,} {taken}", f"{result.blank:,} without a label", f"{result.refusals:,} refused"]
    lines = [f"{result.rows:,} rows of {result.file}: {', '.join(parts)}."]
    if result.changed or result.same:
        lines.append(f"{result.new:,} new, {result.changed:,} changed, {result.same:,} as files said before.")
    if result.declared_gold:
        lines.append(f"{result.declared_gold:,} records are gold now: they judge, and never teach.")
    if result.contradicted:
        lines.append(f"Warning: {result.contradicted:,} contradict what people answered, which holds.")
    return lines


def pair_file_sentences(result: "PredictedPairFile") -> list[str]:
    """How many of each decision, and who decided."""
    counts = {name: result.decisions.get(name, 0) for name in ("merge", "apart", "unsure")}
    sources = result.sources
    several = ", ".join(f"{name} ({count:,})" for name, count in sources.items())
    lines = [
        f"{result.rows:,} pairs: {counts['merge']:,} to merge, {counts['apart']:,} to keep apart, "
        f"{counts['unsure']:,} for a person (from {result.apart_below:g} to {result.merge_from:g}).",
        f"Decided by {several if len(sources) > 1 else next(iter(sources), 'nobody')}."
        f"{f' {result.reason}' if result.reason else ''}",
    ]
    if result.requests:
        lines.append(f"The hosted model was sent {result.requests:,} requests.")
    if result.guarantee:
        lines.append(f"Of the merges at least {result.guarantee:.0%} are right, says the guarantee in force.")
    if result.new_records:
        lines.append(f"{result.new_records:,} unsure pairs came into the project.")
    return lines


def features_sentences(result: "Features") -> list[str]:
    """What became of a snapshot's folders: new records, and marks on those that were there."""
    lines = [
        f"Snapshot {result.snapshot} of {result.name}: {result.folders:,} folders, {result.added:,} new records, "
        f"{result.known:,} known already."
    ]
    if result.moved or result.vanished or result.returned:
        lines.append(
            f"Marked: {result.moved:,} moved, {result.vanished:,} vanished, {result.returned:,} came back; "
            "their answers stay."
        )
    if result.renewed:
        lines.append(
            f"{result.renewed:,} records follow what is in and around their folder; a round encodes them anew."
        )
    if still := result.changed - result.renewed:
        lines.append(f"{still:,} stay as they were, for answers name places in their text.")
    return lines


def whole_percents(row: Mapping[str, object], names: Collection[str]) -> dict[str, object]:
    """The row with these shares, 0..1, as whole per cents; None stays."""
    return {
        name: round(100 * value) if name in names and isinstance(value, float) else value for name, value in row.items()
    }


def estimate_sentences(result: "HostedEstimate") -> list[str]:
    """What is agreed to before a provider tunes a model, without the warnings."""
    counts = result.statistics
    if counts.rejected or counts.partial:
        examples = f"{counts.approved:,} approved, {counts.rejected:,} rejected and {counts.partial:,} partly approved "
        examples += "decisions"
    else:
        examples = f"{counts.approved:,} answers"
    return [f"{result.base} at {result.provider}, on {examples}. Their texts are sent there.", result.sentence]


def hosted_model_sentences(result: "HostedModels") -> list[str]:
    """A line for each model, then what providers announced, and who could not be asked."""
    lines = []
    for model in result.models:
        ends = f", answers until {model.shutdown}" if model.shutdown else ", no end announced"
        gone = ", is not there any more" if model.there is False else ends
        gone += ", answers programs" if model.in_use else ""
        lines.append(
            f"{model.model}  {model.base} at {model.provider}, {model.approved + model.partial:,} approved and "
            f"{model.rejected:,} rejected decisions, {model.made_at[:10]}{gone}."
        )
    return [*(lines or ["No hosted model yet."]), *result.notices, *result.errors]


def training_file_sentence(result: "TrainingText") -> str:
    """What was written of decided pairs."""
    counts = result.statistics
    return (
        f"{counts.positive + counts.rejected:,} examples: {counts.approved:,} approved, {counts.rejected:,} rejected, "
        f"{counts.partial:,} partly approved. {counts.held_back:,} decisions are kept for measuring."
    )


def rescue_plan_sentences(plan: "RescuePlan") -> list[str]:
    """When each tuned model ends, and what a rescue would do, without warnings of the price."""
    ends = [
        f"{one.model} at {one.provider}: "
        + ("not there any more" if one.there is False else f"answers until {one.shutdown or 'further notice'}")
        for one in plan.models
    ]
    steps = plan.sentence or "What it says is recorded already: it is asked nothing more."
    return [*ends, *plan.notices, *plan.errors, f"To rescue: {plan.name}. {steps}"]


def rescue_sentences(result: "Rescue") -> list[str]:
    """What was recorded, what was trained, how both compare, and who decides now."""
    pool = f", and of {result.pool:,} undecided ones" if result.pool else ""
    learnt = f", {result.borrowed:,} of its examples from {result.name}" if result.borrowed else ""
    return [
        f"Recorded what {result.name} says of {result.measured:,} of {result.measuring:,} gold and audit pairs{pool} "
        f"({result.requests:,} requests now).",
        f"In its place: {result.replacement}{learnt}. {result.gate.sentence}",
        result.sentence,
    ]


def prepared_sentences(result: "Prepared") -> list[str]:
    """A line for each step, then what could not be read."""
    lines = []
    for step in result.steps:
        none = " Nothing to train on." if not step.examples else ""
        lines.append(
            f"{step.step}: {step.examples:,} examples, {step.without:,} texts without an answer to it.{none} "
            f"{', '.join(Path(file).name for file in step.files)}"
        )
    return [*lines, *(f"Warning: {fault}" for fault in result.unread)]
