"""Files and folders that are whole or absent, also after a power cut. Knows not what is in them."""

import errno
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from core.errors import Refused

_COPY = "import shutil, sys; shutil.copyfile(sys.argv[1], sys.argv[2])"


def write_whole(path: Path, content: bytes) -> None:
    """Beside it, on the disk, and renamed into place: at every moment the file is the old one or the new one."""
    partial = path.with_name(f"{path.name}-{secrets.token_hex(4)}.partial")
    try:
        with partial.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """A rename is durable once its folder is."""
    with suppress(OSError):  # some file systems, and Windows, have no such thing
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def sync_tree(folder: Path) -> None:
    """Every file below it, and every folder, on the disk."""
    for path in folder.rglob("*"):
        if path.is_dir():
            sync_folder(path)
        elif path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    sync_folder(folder)


def copy_elsewhere(source: Path, target: Path) -> None:
    """Copies a database that this process has open, in a process of its own.

    Whoever closes a file gives up all locks that its process holds on it (POSIX): a copy made here would let another
    process open the database beside us.
    """
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _COPY, str(source), str(target)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        full = "No space left" in done.stderr or "File too large" in done.stderr or "quota" in done.stderr
        raise OSError(errno.ENOSPC if full else errno.EIO, lines[-1] if lines else "the copy was killed", str(target))


def is_full(error: OSError) -> bool:
    """Whether no space is left, or none for us."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """Turns a full disk, or one that cannot be written, into a sentence. what: 'The backup in /some/folder'."""
    try:
        yield
    except OSError as error:
        reason = "the disk is full" if is_full(error) else f"{error.strerror or error}"
        remedy = "Free space or choose another place; nothing is left of it."
        raise Refused(f"{what} cannot be written: {reason}. {remedy}") from None
