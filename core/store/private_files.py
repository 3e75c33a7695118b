"""Files that only their owner can read: secrets, keys, addresses. Knows not what is in them."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

FOLDER = ".rondo"


def private_folder(project: Path, *below: str) -> Path:
    """Where a project keeps what is for the owner's eyes only; made where it is not there."""
    folder = project / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    for name in below:
        folder /= name
        folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def made_once(path: Path, text: str) -> Path:
    """The file, which only the owner can read; it holds the text unless it, or another process, was there before."""
    if not path.exists():
        partial = _partial(path, text)
        with suppress(FileExistsError):  # another process was first: what it wrote is it
            os.link(partial, path)
        partial.unlink()
    return path


def written(path: Path, text: str) -> Path:
    """The file, which only the owner can read, now with this text; whole at every moment."""
    os.replace(_partial(path, text), path)
    return path


def _partial(path: Path, text: str) -> Path:
    partial = path.with_name(f"{path.name}-{secrets.token_hex(4)}.partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(text.encode())
    return partial
