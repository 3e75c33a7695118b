"""Commands that look at what was measured and done: suspicious labels, the map. Knows no verb's work."""

from typing import Annotated

import typer

from app.cli.options import JsonOption, ProjectOption, folder_of, run_verb
from app.cli.terminal import present


def inspect_(context: typer.Context, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Look for suspicious labels, hard records, near-duplicates with different labels, and outliers."""
    from core.explore.explore_jobs import Inspection
    from core.explore.label_errors import inspect

    def lines(result: Inspection) -> list[str]:
        return [
            f"Looked at {result.labelled:,} labelled records in {result.seconds:.1f} s: "
            f"{result.label_error:,} likely label errors, {result.ambiguous:,} ambiguous, "
            f"{result.near_duplicate:,} pairs of near-duplicates with different labels, {result.outlier:,} outliers.",
            "See them on the Records page: rondo up",
        ]

    present(run_verb(folder_of(context, project), inspect), lines, as_json=as_json)


def calibrate(
    context: typer.Context,
    size: Annotated[int, typer.Option(help="How many records with a known answer.")] = 10,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Slip gold records in among what waits, so that everybody is measured by known answers."""
    from core.labelling.calibrating import Calibration
    from core.labelling.calibrating import calibrate as verb

    def lines(result: Calibration) -> list[str]:
        waits = f"{result.queued:,} gold records wait among the others, for everybody once"
        return [f"{waits}; {result.left:,} more could."]

    present(run_verb(folder_of(context, project), verb, size=size), lines, as_json=as_json)


def quality_(context: typer.Context, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Measure how good people's answers are: by known answers and by each other's."""
    from rich.markup import escape
    from rich.table import Table

    from core.agreement.annotator_quality import MeasuredQuality, quality

    def lines(result: MeasuredQuality) -> list[Table | str]:
        table = Table(box=None, pad_edge=False)
        table.add_column("annotator")
        for name in ("answers", "of gold right", "right", "informed", "weight"):
            table.add_column(name, justify="right")
        for one in result.people:
            gold = f"{one.gold.value:.0%} of {one.gold.n}" if one.gold else "-"
            figures = ("-" if value is None else f"{value:.2f}" for value in (one.right, one.informed, one.weight))
            table.add_row(escape(one.annotator), f"{one.answers:,}", gold, *figures)
        return [table, *result.sentences]

    present(run_verb(folder_of(context, project), quality), lines, as_json=as_json)


def map_(
    context: typer.Context,
    again: Annotated[bool, typer.Option("--again", help="Lay all records out anew.")] = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lay the records out in the plane, for the Map page."""
    from core.explore.maps import CompletedMap, project_map

    def lines(result: CompletedMap) -> list[str]:
        return [f"{result.points:,} records are on the map, {result.added:,} of them new."]

    present(run_verb(folder_of(context, project), project_map, again=again), lines, as_json=as_json)


def auto_(
    context: typer.Context,
    precision: Annotated[float, typer.Option(help="Share of the machine labels that must be right.")] = 0.95,
    per_label: Annotated[
        float | None, typer.Option(help="Share that must be right of each label's machine labels too.")
    ] = None,
    confidence: Annotated[float, typer.Option(help="How sure the guarantee must be.")] = 0.95,
    accept: Annotated[bool, typer.Option("--accept", help="Do it; without this it is only shown.")] = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Label by machine what can be guaranteed to be right, with a blind check of it."""
    from core.auto_label.accepting import auto
    from core.auto_label.guarantee_sentences import among_how_many
    from core.auto_label.guarantees import GuaranteeOffer

    def lines(offer: GuaranteeOffer) -> list[str]:
        lines = [
            f"{offer.covered:,} of {offer.pool:,} records ({offer.share:.0%}) can be labelled by machine with a "
            f"precision of at least {offer.precision:.1%}, {offer.confidence:.0%} sure.",
            f"It rests on {offer.audits:,} audit labels, {offer.wrong:,} of them wrong: at least {offer.bound:.1%}.",
        ]
        if offer.outside:
            lines.append(f"{offer.outside:,} records of later imports are left out: no audit speaks for them yet.")
        lines += [shared] if (shared := among_how_many(offer)) else []
        lines += [
            f"  {part.name}: {part.covered:,} records from a probability of {part.threshold:.3f}"
            for part in offer.labels
        ]
        if offer.guarantee is None:
            return [*lines, "Nothing was changed. To do it: the same with --accept."]
        done = f"Done: {offer.accepted:,} machine labels; {offer.checks} of them are queued for a blind check."
        return [*lines, done]

    result = run_verb(
        folder_of(context, project),
        auto,
        precision=precision,
        per_label=per_label,
        confidence=confidence,
        accept=accept,
    )
    present(result, lines, as_json=as_json)


def withdraw_(context: typer.Context, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Take all machine labels back."""
    from core.auto_label.accepting import Withdrawn, withdraw

    def lines(result: Withdrawn) -> list[str]:
        return [f"{result.withdrawn:,} machine labels were taken back."]

    present(run_verb(folder_of(context, project), withdraw), lines, as_json=as_json)
