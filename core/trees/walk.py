"""Walking a real folder. Whatever cannot be read is noted and passed over. Knows the file system, not what a tree is
for.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import BadInput
from core.trees.tree import SEPARATOR, Tree, shown

Progress = Callable[[int, int], None]
"""(folders that were read, folders that were met so far)"""

LOOP = "a link to a folder that it is in itself"
ALREADY = "a link to a folder that is in the tree anyway"
NOT_FOLLOWED = "a link to a folder, which is not followed (--follow-links follows it)"
NOWHERE = "a link that leads nowhere"
NO_FILE = "neither folder nor file: a pipe, socket or device"
UNREADABLE = "may not be read"
OWN = "this project's own folder"


@dataclass
class Walk:
    """One walk. own: a folder that is left out. waiting: folders still to read, as (path, number). links: those to
    folders, looked at when all that stands in the tree itself is read. entered: (device, inode) of each folder.
    """

    tree: Tree
    own: str
    follow_links: bool
    waiting: list[tuple[str, int]] = field(default_factory=list)
    links: list[tuple[str, int, str, str]] = field(default_factory=list)
    entered: dict[tuple[int, int], str] = field(default_factory=dict)

    def run(self, root: str, report: Progress) -> None:
        """From the root on. Raises BadInput where that cannot be read at all."""
        try:
            os.scandir(root).close()
            stat = os.stat(root)
        except OSError as error:
            raise BadInput(f"The folder {root} cannot be read ({error.strerror}); change its permissions.") from None
        self.entered[stat.st_dev, stat.st_ino] = ""
        self.tree.folder_times[0] = stat.st_mtime
        self.waiting.append((root, 0))
        done = 0
        while self.waiting or self.links:
            if not self.waiting:
                self._follow(*self.links.pop())
                continue
            self._read(*self.waiting.pop())
            done += 1
            if done % 64 == 0:
                report(done, done + len(self.waiting))
        report(done, done)

    def _read(self, path: str, folder: int) -> None:
        above = self._path_of(folder)
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    self._enter(entry, folder, above)
        except OSError as error:
            self.tree.skip(above, UNREADABLE if isinstance(error, PermissionError) else _reason(error))

    def _path_of(self, folder: int) -> str:
        parts: list[str] = []
        while folder:
            parts.append(self.tree.names[folder])
            folder = self.tree.parents[folder]
        return SEPARATOR.join(reversed(parts))

    def _enter(self, entry: "os.DirEntry[str]", folder: int, above: str) -> None:
        name = shown(entry.name)
        path = f"{above}{SEPARATOR}{name}" if above else name
        try:
            if entry.is_symlink():
                self._enter_link(entry, folder, path)
            elif entry.is_dir():
                if entry.path == self.own:
                    self.tree.skip(path, OWN)
                    return
                stat = entry.stat(follow_symlinks=False)
                self.entered[stat.st_dev, stat.st_ino] = path
                self.waiting.append((entry.path, self.tree.add_folder(folder, path, name, stat.st_mtime)))
            elif entry.is_file():
                stat = entry.stat(follow_symlinks=False)
                self.tree.add_file(folder, name, stat.st_size, stat.st_mtime)
            else:
                self.tree.skip(path, NO_FILE)
        except OSError as error:
            self.tree.skip(path, _reason(error))

    def _enter_link(self, entry: "os.DirEntry[str]", folder: int, path: str) -> None:
        """A link to a file is a file. A circle of links raises OSError."""
        if entry.is_dir():
            if self.follow_links:
                self.links.append((entry.path, folder, path, shown(entry.name)))
            else:
                self.tree.skip(path, NOT_FOLLOWED)
        elif entry.is_file():
            stat = entry.stat()
            self.tree.add_file(folder, shown(entry.name), stat.st_size, stat.st_mtime)
        else:
            self.tree.skip(path, NOWHERE if not os.path.exists(entry.path) else NO_FILE)

    def _follow(self, target: str, folder: int, path: str, name: str) -> None:
        """Each folder is in the tree once, however many links lead to it, so that no loop has no end."""
        try:
            stat = os.stat(target)
        except OSError as error:
            self.tree.skip(path, _reason(error))
            return
        before = self.entered.get((stat.st_dev, stat.st_ino))
        if before is not None:
            inside = path.startswith(f"{before}{SEPARATOR}") or before == ""
            self.tree.skip(path, LOOP if inside else ALREADY)
            return
        self.entered[stat.st_dev, stat.st_ino] = path
        self.waiting.append((target, self.tree.add_folder(folder, path, name, stat.st_mtime)))


def _reason(error: OSError) -> str:
    return f"cannot be read: {error.strerror or error}"


def walk(root: Path, own: Path, report: Progress, *, follow_links: bool) -> Tree:
    """The tree below a folder, without the folder `own`."""
    tree = Tree()
    Walk(tree, str(own), follow_links).run(str(root), report)
    return tree
