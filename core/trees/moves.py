"""Which folders of a tree moved: gone from one path, and with the same contents at another. Knows paths, no records."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from core.trees.tree import SEPARATOR


@dataclass(frozen=True)
class Contents:
    """fingerprint: of all files below, "" where there are none."""

    path: str
    fingerprint: str

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition(SEPARATOR)[2]


def moved_folders(gone: Iterable[Contents], new: Iterable[Contents]) -> dict[str, str]:
    """Old path -> new path. gone: paths that are no more; new: paths that were not there before.

    A folder moved where exactly one new folder of its name has the same contents and no other one that is gone could be
    meant, or else exactly one of any name. What is in a moved folder moved with it. Empty folders have no contents to
    be known by: they move only with the folder that they are in.
    """
    gone = sorted(gone, key=lambda one: (one.path.count(SEPARATOR), one.path))
    new_paths = {one.path: one for one in new}
    candidates, rivals = _groups(new_paths.values()), _groups(gone)
    result: dict[str, str] = {}
    taken: set[str] = set()
    for one in gone:
        target = _with_parent(one, result, new_paths) or _only(one, candidates, rivals, taken)
        if target and target not in taken:
            result[one.path] = target
            taken.add(target)
    return result


def _with_parent(one: Contents, moves: Mapping[str, str], new: Mapping[str, Contents]) -> str | None:
    above, _, name = one.path.rpartition(SEPARATOR)
    target = f"{moves[above]}{SEPARATOR}{name}" if above in moves else None
    return target if target and target in new and new[target].fingerprint == one.fingerprint else None


_Groups = Mapping[tuple[str, ...], list[str]]


def _groups(folders: Iterable[Contents]) -> _Groups:
    """Paths by contents and name, and by contents alone."""
    result: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for one in folders:
        if one.fingerprint:
            result[one.fingerprint, one.name].append(one.path)
            result[one.fingerprint,].append(one.path)
    return result


def _only(one: Contents, candidates: _Groups, rivals: _Groups, taken: set[str]) -> str | None:
    for key in ((one.fingerprint, one.name), (one.fingerprint,)):
        if one.fingerprint and len(candidates.get(key, ())) == len(rivals[key]) == 1:
            [target] = candidates[key]
            return None if target in taken else target
    return None
