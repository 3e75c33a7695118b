"""Files that only their owner can read: secrets, keys, addresses. Knows not what is in them."""

import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

from core.store.whole_files import whole_file

FOLDER = ".rondo"
UPLOADS = ("uploads", "import")
"""folders in it with files that pages were given, and what was read of them: they go with the app"""


def private_folder(project: Path, *below: str) -> Path:
    """The project's folder for files that only the owner may read; made if it is missing."""
    folder = project / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    for name in below:
        folder /= name
        folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def drop_uploads(project: Path) -> None:
    """Deletes what pages were given."""
    for name in UPLOADS:
        shutil.rmtree(project / FOLDER / name, ignore_errors=True)


def made_once(path: Path, text: str) -> Path:
    """The file, which only the owner can read; it has the text unless the file existed before."""
    if not path.exists():
        mine = path.with_name(f"{path.name}-{secrets.token_hex(4)}.partial")
        with whole_file(mine, private=True) as partial:
            partial.write_text(text, encoding="utf-8")
        with suppress(FileExistsError):  # another process was first: its text holds
            os.link(mine, path)
        mine.unlink()
    return path


def written(path: Path, text: str) -> Path:
    """The file, which only the owner can read, now with this text; whole at every moment."""
    with whole_file(path, private=True) as partial:
        partial.write_text(text, encoding="utf-8")
    return path
