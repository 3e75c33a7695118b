"""`rondo dedup`, and how a job on files runs without a project. Imports nothing heavy until it runs."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.interrupts import stoppable
from app.cli.options import JsonOption, ProjectOption, errors, folder_of, run_verb
from app.cli.terminal import Ticker, present

if TYPE_CHECKING:
    from core.jobs.bundle import Jobs
    from core.pairs.find_candidates import Candidates
    from core.pairs.pair_jobs import DedupResult

ONE_FILE, TWO_FILES = 0.9, 0.5
"""similarity to join at, unless told: within one file most records have no partner, and each still has a nearest"""


def dedup(
    file: Annotated[Path, typer.Argument(help="Records, in any format that import takes.")],
    text: Annotated[list[str], typer.Option(help="Column to compare; repeat it for several fields.")],
    out: Annotated[Path, typer.Option(help="File to write: .csv, .jsonl or .parquet.")],
    id_column: Annotated[str | None, typer.Option("--id", help="Column with ids. Default: the row's number.")] = None,
    other: Annotated[
        Path | None, typer.Option("--with", help="A second file with the same columns: finds partners across the two.")
    ] = None,
    at_least: Annotated[
        float | None,
        typer.Option(help=f"Similarity to join at, 0 to 1. Default: {ONE_FILE}; between two files {TWO_FILES}."),
    ] = None,
    one_partner: Annotated[
        bool, typer.Option("--one-partner", help="With two files: at most one record of each in a cluster.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Find records that are the same: join those that are each other's best, and write which cluster each is in.

    No model and no decision is in it yet: look through what was joined.
    """
    with errors():
        from core.errors import BadInput
        from core.pairs.pair_jobs import DEDUP, DedupParams
        from core.store.tables import FORMATS

        file_format = out.suffix.removeprefix(".").lower()
        if file_format not in FORMATS:
            raise BadInput(f"--out is {out}; it must end in {', '.join('.' + name for name in FORMATS)}.")
        if not out.resolve().parent.is_dir():
            raise BadInput(f"There is no folder {out.resolve().parent}; make it first or choose another.")
        if out.resolve() in [path.resolve() for path in (file, other) if path]:
            raise BadInput(f"--out is {out}, which would be written over; name another file.")
        if at_least is None:
            at_least = TWO_FILES if other else ONE_FILE
        if not 0 <= at_least <= 1:
            raise BadInput(f"--at-least is {at_least}; it must be between 0 and 1.")
        if one_partner and not other:
            raise BadInput("--one-partner is for two files; name the second: --with FILE.")
        second = str(other.resolve()) if other else None
        with file_jobs() as jobs:
            params = DedupParams(
                str(file.resolve()),
                second,
                tuple(text),
                id_column,
                at_least,
                one_partner,
                job_threads(),
                str(jobs.folder),
            )
            bundle = jobs.prepare(DEDUP, params)
            result = jobs.run(bundle, DEDUP, stoppable(Ticker()), "Finding duplicates")
            _write(bundle.path / "out" / "clusters.parquet", out, file_format)
        present(result, lambda result: dedup_lines(result, out), as_json=as_json)


def candidates_(
    context: typer.Context,
    per_record: Annotated[int, typer.Option(help="Nearest records to look at, by characters and by encoder each.")] = 5,
    most: Annotated[int, typer.Option(help="Pairs to keep at most, the most alike.")] = 200_000,
    within: Annotated[
        bool | None,
        typer.Option(
            "--within/--across",
            help="Pair records of one source too, or only of different ones. Default: across where there are two.",
        ),
    ] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Pair the records of sources with those nearest to them: the pairs that people are asked about."""
    from core.pairs.find_candidates import candidates

    result = run_verb(folder_of(context, project), candidates, per_record=per_record, most=most, within=within)
    present(result, candidate_lines, as_json=as_json)


def candidate_lines(result: "Candidates") -> list[str]:
    """What was compared and what came of it."""
    sources = ", ".join(f"{name} {count:,}" for name, count in result.sources.items())
    how = "with each other" if result.within else "with those of the other source"
    lines = [
        f"Compared the records of {sources} {how}: {result.distinct:,} different texts.",
        f"{result.candidates:,} candidate pairs ({result.per_record:g} per record), {result.added:,} of them new.",
    ]
    if result.left_out:
        lines.append(f"{result.left_out:,} less alike ones were left out; --most keeps more.")
    return [*lines, "Next: rondo next (choose the first batch), rondo up (decide on it)."]


@contextmanager
def file_jobs() -> Iterator["Jobs"]:
    """Jobs in a folder of their own, which goes when they have ended."""
    from core.jobs.bundle import Jobs
    from core.store.database import Store
    from gpu_jobs.runners.local import LocalRunner

    with tempfile.TemporaryDirectory(prefix="rondo-pairs-") as folder:
        store = Store(Path(folder))
        try:
            yield Jobs(store, LocalRunner(), Path(folder) / "jobs")
        finally:
            store.close()


def job_threads() -> int:
    """Half of the cores: spinning threads on a busy machine cost ten times as much."""
    return max(1, (os.cpu_count() or 2) // 2)


def _write(clusters: Path, out: Path, file_format: str) -> None:
    import duckdb

    from core.store.tables import quoted, write_table

    with duckdb.connect() as connection:
        write_table(connection, f"select * from read_parquet('{quoted(clusters)}')", [], out, file_format)


def dedup_lines(result: "DedupResult", out: Path) -> list[str]:
    """What was found, and what it is worth."""
    records = " and ".join(f"{count:,}" for count in result.records)
    lines = [
        f"{records} records, {result.distinct:,} different texts, {result.blank:,} without text. "
        f"Looked at {result.candidates:,} candidate pairs.",
        f"Joined {result.joined:,} pairs ({result.identical:,} of identical texts) at a similarity of "
        f"{result.at_least:g} or more. Clusters: {result.clusters:,}, of {result.clustered:,} records, "
        f"the largest of {result.largest:,}.",
    ]
    if result.below:
        lines.append(
            f"Left {result.below:,} pairs apart that are each other's best but less similar; --at-least joins them."
        )
    if result.held:
        lines.append(f"Held {result.held:,} merges that would have put two records of one file into a cluster.")
    lines.append(f"Wrote {sum(result.records):,} rows to {out}: cluster, similarity, joined_by.")
    lines.append(
        "No model decided: joined are identical texts, and pairs of which each is the other's best. Records that have "
        "no partner can be joined with a look-alike; check the least similar first."
    )
    return lines
