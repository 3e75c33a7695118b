"""The job that reads a folder, or a listing of paths, into the tables of a snapshot. Knows no project."""

from collections.abc import Callable
from pathlib import Path

from core.trees.listing import ListingLayout, read_listing
from core.trees.tree import write_tree
from core.trees.tree_jobs import GatheredTree, GatherParams
from core.trees.walk import walk


def gather(bundle: Path, params: GatherParams, report: Callable[[int, int], None]) -> GatheredTree:
    """Writes what `write_tree` does to out/."""
    source = Path(params.source)
    is_folder = source.is_dir()
    if is_folder:
        tree = walk(source, Path(params.own), report, follow_links=params.follow_links)
    else:
        tree = read_listing(source, ListingLayout(params.column, params.root, params.encoding), report)
    counts = write_tree(tree, bundle / "out")
    return GatheredTree("folder" if is_folder else "listing", **vars(counts), reasons=tree.reasons)
