"""Commands that look at what was measured and done: suspicious labels, the map. Knows no verb's work."""

from typing import Annotated

import typer

from app.cli.options import JsonOption, ProjectOption, folder_of, run_verb
from app.cli.terminal import show


def inspect(context: typer.Context, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Look for suspicious labels, hard records, near-duplicates with different labels, and outliers."""
    show("inspect", run_verb(folder_of(context, project), "inspect"), as_json=as_json)


def calibrate(
    context: typer.Context,
    size: Annotated[int, typer.Option(help="How many records with a known answer.")] = 10,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Slip gold records in among what waits, so that everybody is measured by known answers."""
    show("calibrate", run_verb(folder_of(context, project), "calibrate", size=size), as_json=as_json)


def quality(context: typer.Context, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Measure how good people's answers are: by known answers and by each other's."""
    show("quality", run_verb(folder_of(context, project), "quality"), as_json=as_json)


def map_(
    context: typer.Context,
    again: Annotated[bool, typer.Option("--again", help="Lay all records out anew.")] = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lay the records out in the plane, for the Map page."""
    show("map", run_verb(folder_of(context, project), "map", again=again), as_json=as_json)


def auto(
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
    options = {"precision": precision, "per_label": per_label, "confidence": confidence, "accept": accept}
    show("auto", run_verb(folder_of(context, project), "auto", **options), as_json=as_json)


def withdraw(context: typer.Context, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Take all machine labels back."""
    show("withdraw", run_verb(folder_of(context, project), "withdraw"), as_json=as_json)
