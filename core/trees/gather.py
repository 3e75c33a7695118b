"""Gathering a tree of folders into a snapshot, by a job. Knows no records."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core.errors import BadInput, Cancelled, RondoError
from core.jobs.bundle import Report
from core.project import Project
from core.trees.snapshots import SkippedPath, snapshot, store_snapshot
from core.trees.tree import shown
from core.trees.tree_jobs import GATHER, GatherParams

LONGEST_NAME = 80


@dataclass(frozen=True)
class Gathered:
    """A snapshot that was made. snapshot: its number. folders: below the root. skipped: how much was left out, why and
    how often (reasons), and the first of it (examples)."""

    snapshot: int
    name: str
    kind: str
    folders: int
    files: int
    bytes: int | None
    skipped: int
    reasons: Mapping[str, int]
    examples: tuple[SkippedPath, ...]


def gather(  # noqa: PLR0913 - an option is an argument
    project: Project,
    report: Report,
    *,
    source: str,
    name: str | None = None,
    column: str | None = None,
    root: str = "",
    encoding: str = "utf-8",
    follow_links: bool = False,
) -> Gathered:
    """Takes a snapshot of a real folder, or of a listing of paths: text, CSV, JSON lines or Parquet.

    name: of the tree, else that of the folder or file; a later snapshot of the same tree has the same name. column,
    root, encoding: of a listing, as `ListingLayout` has them. What cannot be read is reported and left out. Raises
    BadInput.
    """
    path = Path(source)
    if not path.exists():
        raise BadInput(f"There is no folder and no file {source}; check its path.")
    is_folder = path.is_dir()
    if is_folder and (column or root):
        raise BadInput(f"{source} is a folder: --column and --root are for listings of paths. Leave them out.")
    tree = _tree_name(path, name)
    params = GatherParams(
        source=str(path.resolve()),
        own=str(project.folder.resolve()),
        follow_links=follow_links,
        column=column,
        root=root,
        encoding=encoding,
    )
    bundle = project.jobs.prepare(GATHER, params)
    what = f"Gathering {tree}, folders" if is_folder else f"Reading {path.name}"
    try:
        gathered = project.jobs.run(bundle, GATHER, report, what)
    except Cancelled:
        bundle.empty()
        raise Cancelled(f"Gathering {tree}: stopped. No snapshot was made.") from None
    except RondoError as error:
        project.jobs.refuse(bundle, error)
        raise
    made = store_snapshot(project, bundle.path / "out", gathered, name=tree, source=params.source)
    with project.store.transaction() as cursor:
        project.jobs.claim_result(bundle, cursor)
    bundle.empty()
    examples = snapshot(project, report, number=made.number).skipped if made.skipped else ()
    return Gathered(
        snapshot=made.number,
        name=made.name,
        kind=made.kind,
        folders=made.folders,
        files=made.files,
        bytes=made.bytes,
        skipped=made.skipped,
        reasons=made.reasons,
        examples=examples,
    )


def _tree_name(path: Path, name: str | None) -> str:
    """Raises BadInput for one that could not be shown."""
    result = (name if name is not None else shown(path.resolve().name if path.is_dir() else path.stem)).strip()
    if not result or len(result) > LONGEST_NAME or not result.isprintable():
        raise BadInput(f"A tree's name has 1 to {LONGEST_NAME} visible characters: --name NAME.")
    return result
