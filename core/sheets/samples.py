"""A sample of records for a spreadsheet, as diverse as a person wants it. Knows no card and no queue."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.arrays import Ints
from core.data.encode_elsewhere import encode_if_needed
from core.data.formats.file_format import Meaning
from core.data.formats.write_job import TABLE, WHOLE, WRITE_FORMAT, WriteParams
from core.errors import BadInput, Refused
from core.jobs.bundle import Bundle, Report
from core.models.vectors import encoded_rows
from core.project import Project
from core.reports.sheet_rows import sheet_query
from core.sheets.sheet_jobs import SAMPLE, SampleParams
from core.store.tables import EXCEL, FORMATS, quoted, write_table
from core.store.targets import refuse_target
from core.store.whole_files import disk_errors, whole_file
from core.trees.snapshots import check_snapshot, read_snapshot
from core.trees.tree import FOLDERS

XLSX = "xlsx"


@dataclass(frozen=True)
class WrittenSample:
    """rows: records in the file. pool: records without an answer that it was chosen from. seed: makes it repeatable."""

    rows: int
    file: str
    pool: int
    diversity: float
    seed: int


def samples(  # noqa: PLR0913 - an option is an argument
    project: Project,
    report: Report,
    *,
    out: str,
    snapshot: int | None = None,
    size: int = 800,
    min_depth: int | None = None,
    max_depth: int | None = None,
    diversity: float = 0.7,
    seed: int | None = None,
    excel: bool = False,
) -> WrittenSample:
    """Writes a sample of the pool with a column for labels, which `apply` takes back.

    snapshot: only folders that are in it, by their features. min_depth, max_depth: of folders, 1 being right below the
    root. diversity: share that is chosen farthest first, the rest is random. Raises BadInput and Refused.
    """
    refuse_target(project, out)
    file_format = Path(out).suffix.lower().removeprefix(".")
    if file_format not in (*FORMATS, XLSX):
        raise BadInput(f"{out} ends in no format that can be written; name a file .csv, .xlsx, .jsonl or .parquet.")
    if excel and file_format != "csv":
        raise BadInput(f"{file_format} has no other form for Excel. Name a file .csv, or leave --excel out.")
    if not 0 <= diversity <= 1 or size < 1:
        raise BadInput(f"Asked for {size} records with diversity {diversity}: at least 1, and between 0 and 1.")
    seed = project.settings().seed if seed is None else seed
    if seed < 0:
        raise BadInput(f"The seed is {seed}; it must be 0 or more.")
    encode_if_needed(project, report)
    rows = _pool(project, snapshot, (min_depth, max_depth))
    settings = project.settings()
    params = SampleParams(settings.encoder, str(project.vectors), settings.threads, size, diversity, seed)
    bundle = project.jobs.prepare(SAMPLE, params)
    np.savez(bundle.path / "in" / "rows.npz", allow_pickle=False, rows=rows)
    chosen = project.jobs.run(bundle, SAMPLE, report, "Sampling").rows
    if file_format == XLSX:
        written = _write_workbook(project, report, chosen, Path(out))
    else:
        written = _write(project, chosen, Path(out), EXCEL if excel else file_format)
    _finish(project, bundle)
    return WrittenSample(written, out, len(rows), diversity, seed)


def _write(project: Project, chosen: Sequence[int], target: Path, file_format: str) -> int:
    with project.store.reading() as cursor:
        ranked = f"select unnest({list(chosen)}::bigint[]) as n, unnest(range({len(chosen)})) as rank"
        return write_table(cursor, sheet_query(cursor, ranked), [], target, file_format)


def _write_workbook(project: Project, report: Report, chosen: Sequence[int], target: Path) -> int:
    """By a job: it takes a library."""
    if target.is_dir() or not target.parent.is_dir():
        raise BadInput(f"{target} is no file that can be written; name one in a folder that is there.")
    bundle = project.jobs.prepare(WRITE_FORMAT, WriteParams(XLSX, Meaning(title=project.settings().name)))
    rows = _write(project, chosen, bundle.path / "in" / TABLE, "parquet")
    project.jobs.run(bundle, WRITE_FORMAT, report, f"Writing {target.name}")
    with disk_errors(f"The sample {target}"), whole_file(target.resolve()) as partial:
        shutil.copyfile(bundle.path / "out" / WHOLE, partial)
    _finish(project, bundle)
    return rows


def _finish(project: Project, bundle: Bundle) -> None:
    with project.store.transaction() as cursor:
        project.jobs.claim_result(bundle, cursor)
    bundle.empty()


def _pool(project: Project, snapshot: int | None, depths: tuple[int | None, int | None]) -> Ints:
    """Records that have a vector, no answer yet, and are not in the queue."""
    stop = encoded_rows(project.vectors, project.settings().encoder)
    parts = [f"n < {stop}", "n in (select n from pool)"]
    if snapshot is not None:
        one = read_snapshot(project, snapshot)
        table = quoted(check_snapshot(project, one) / FOLDERS)
        parts.append(f"meta->>'tree' = '{quoted(one.name)}' and meta->>'path' in (select path from '{table}')")
    low, high = depths
    parts += [f"(meta->>'depth')::bigint >= {int(low)}"] if low is not None else []
    parts += [f"(meta->>'depth')::bigint <= {int(high)}"] if high is not None else []
    rows = project.store.query(f"select n from records where {' and '.join(parts)} order by n")
    if not rows:
        raise Refused(_why_none(project, snapshot, limited=low is not None or high is not None))
    return np.asarray([n for (n,) in rows], np.int64)


def _why_none(project: Project, snapshot: int | None, *, limited: bool) -> str:
    if not project.store.one("select count(*) from records"):
        remedy = f"rondo features --snapshot {snapshot}" if snapshot else "rondo import FILE --text COLUMN"
        return f"The project has no records yet, so there is nothing to sample. Make some: {remedy}"
    if snapshot is not None:
        return (
            f"No folder of snapshot {snapshot} is a record without an answer at these depths. "
            f"rondo features --snapshot {snapshot} makes records of its folders."
        )
    if limited:
        return "No record without an answer has such a depth. Leave --min-depth and --max-depth out, or make features."
    return "Every record is labelled or queued already. Import more records to go on."
