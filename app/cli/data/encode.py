"""`rondo encode`: vectors for all records, on this machine one after the other, or by many jobs at once."""

from typing import TYPE_CHECKING

import typer

from app.cli.many_jobs import HERE, ManyJobs, with_many_jobs
from app.cli.options import JsonOption, ProjectOption, folder_of, run_verb
from app.cli.terminal import present

if TYPE_CHECKING:
    from core.data.encoding import Encoded


@with_many_jobs
def encode_(
    context: typer.Context,
    many: ManyJobs = HERE,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Encode records that have no vector yet; `next` and `round` do it by themselves.

    With --on the pool is cut into jobs of 131,072 records, price and time are said first, and a run that was stopped or
    killed goes on with what is not there yet.
    """
    from core.data.encode_elsewhere import encode_elsewhere, encode_elsewhere_estimate
    from core.data.encoding import encode

    folder = folder_of(context, project)
    result = many.run(folder, encode_elsewhere, encode_elsewhere_estimate, {}) if many.on else run_verb(folder, encode)

    def lines(result: "Encoded") -> list[str]:
        return [f"Encoded {result.encoded:,} records in {result.seconds:.1f} s."]

    present(result, lines, as_json=as_json)
