"""Commands that look at what was measured and done: suspicious labels, the map, past rounds. Knows no verb's work."""

from typing import Annotated

import typer

from app.options import JsonOption, ProjectOption, folder_of, run_verb
from app.terminal import show


def rechoose(
    context: typer.Context,
    batch: Annotated[int, typer.Argument(metavar="ROUND", help="Its number.")],
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Choose a past round's batch again by its seed, and say whether it is the same."""
    show("rechoose", run_verb(folder_of(context, project), "rechoose", batch=batch), as_json=as_json)


def inspect(context: typer.Context, project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Look for suspicious labels, hard records, near-duplicates with different labels, and outliers."""
    show("inspect", run_verb(folder_of(context, project), "inspect"), as_json=as_json)


def map_(
    context: typer.Context,
    again: Annotated[bool, typer.Option("--again", help="Lay all records out anew.")] = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lay the records out in the plane, for the Map page."""
    show("map", run_verb(folder_of(context, project), "map", again=again), as_json=as_json)
