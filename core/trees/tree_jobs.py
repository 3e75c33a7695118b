"""Inputs and results of the jobs that gather a tree and describe its folders. Knows no store and no file system."""

from dataclasses import dataclass

from core.jobs.kinds import JobKind


@dataclass(frozen=True)
class GatherParams:
    """source: a folder, or a listing of paths. own: the project's folder, which is left out. column, root, encoding: of
    a listing, as `ListingLayout` has them."""

    source: str
    own: str
    follow_links: bool = False
    column: str | None = None
    root: str = ""
    encoding: str = "utf-8"


@dataclass(frozen=True)
class GatheredTree:
    """What the job wrote. kind: folder or listing. bytes: of all files whose size is known. reasons: why something was
    left out, and how often."""

    kind: str
    folders: int
    files: int
    bytes: int | None
    reasons: dict[str, int]


GATHER = JobKind("gather", GatherParams, GatheredTree)


@dataclass(frozen=True)
class FolderParams:
    """snapshot: its folder; number, tree: its own. batch_size: folders that are written at a time. previous: folder of
    the snapshot that the records are of, None where there are none. rules: that clean what models read."""

    snapshot: str
    number: int
    tree: str
    batch_size: int
    previous: str | None = None
    rules: tuple[str, ...] = ()


@dataclass(frozen=True)
class DescribedFolders:
    """Folders of a snapshot against the records that were there. changed: around or in which other things are than
    their record says; renewed: those of them whose record says it now; returned: that had vanished."""

    folders: int
    added: int
    known: int
    changed: int
    moved: int
    vanished: int
    returned: int
    renewed: int = 0


DESCRIBE_FOLDERS = JobKind("describe_folders", FolderParams, DescribedFolders)
