"""Files and folders that are whole or absent, also after a power cut. Knows not what is in them."""

import errno
import hashlib
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from core.errors import Refused

_COPY = "import shutil, sys; shutil.copyfile(sys.argv[1], sys.argv[2])"


@contextmanager
def whole_file(path: Path, *, alone: bool = False, private: bool = False) -> Iterator[Path]:
    """Where to write what is then put in the place of `path`: at every moment there is the old one or the new one.

    Written beside it, on the disk, and renamed; where the block raises nothing is left. It may be a folder that is not
    there yet. alone: nobody else writes this file, so that a killed attempt's partial file is overwritten. private:
    only its owner can read it, from the first byte on.
    """
    mark = "" if alone else f"-{secrets.token_hex(4)}"
    partial = path.with_name(f".{path.name[:200]}{mark}.partial")
    try:
        if private:
            os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        yield partial
        if partial.is_dir():
            sync_tree(partial)
        else:
            _sync(partial)
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            shutil.rmtree(partial) if partial.is_dir() else partial.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_whole(path: Path, content: bytes, *, alone: bool = False) -> None:
    """The file now has this content, as `whole_file` writes it."""
    with whole_file(path, alone=alone) as partial:
        partial.write_bytes(content)


def _sync(path: Path) -> None:
    """A rename may reach the disk before the content does, and a power cut between them would leave an empty file."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sha256_of(path: Path) -> str:
    """Of the file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
            _sync(path)
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
    """Is it an error of a full disk or an exceeded quota?"""
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
