"""The command `status`: where the project stands. Imports nothing heavy until it runs."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from app.cli.options import JsonOption, ProjectOption, folder_of, run_verb
from app.cli.terminal import present
from app.words import score_lines
from core.evaluation.metrics import Forecast, Savings

if TYPE_CHECKING:
    from core.reports.overview import Status


def status(context: typer.Context, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Where the project stands and what to do next."""
    from core.reports.overview import show_status

    present(run_verb(folder_of(context, project), show_status), status_lines, as_json=as_json)


def status_lines(now: "Status") -> Iterator[str]:
    """Counts, the model's scores, the forecast for 100 more labels, labels saved so far, and what to do next."""
    yield (
        f"{now.name}: {now.records:,} records, {now.labelled:,} labelled ({now.audit:,} audit), {now.gold:,} gold, "
        f"{now.queued:,} queued, round {now.round}."
    )
    if now.machine:
        yield f"  {now.machine:,} labelled by machine on a guarantee."
    if now.encoded < now.records:
        yield f"  {now.encoded:,} of {now.records:,} encoded."
    if now.left_out:
        yield f"  {now.left_out:,} left out of training by cleaning or balancing."
    if now.skipped or now.flagged or now.tied:
        yield f"  {now.skipped:,} skipped, {now.flagged:,} flagged, {now.tied:,} tied."
    if now.model:
        metrics = now.model.metrics
        yield f"Model of round {now.model.round}, from {now.model.labels:,} labels:"
        yield from score_lines(metrics)
        yield from (f"  {caveat}" for caveat in now.caveats)
        gains = metrics.forecast.gains if isinstance(metrics.forecast, Forecast) else ()
        yield from (f"  {gain.sentence}." for gain in gains if gain.more == 100)
        if isinstance(metrics.savings, Savings):
            yield f"  {metrics.savings.sentence}"
    yield from (f"Warning: {warning}" for warning in now.warnings)
    yield f"Next: {now.next}  {now.command}"
