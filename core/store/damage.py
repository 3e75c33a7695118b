"""DuckDB's errors about a damaged file or a full disk as sentences that tell what to do. Opens nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from core.errors import Damaged, Refused
from core.store.wal import Wal


def wal_of(path: Path) -> Path:
    """DuckDB's write-ahead log of the file."""
    return path.with_name(path.name + ".wal")


_SIGNS_OF_DAMAGE = (
    "Corrupt",
    "checksum",
    "Could not read enough bytes",
    "replaying WAL",
    "not a valid DuckDB",
    "invalidated",
)
_SIGNS_OF_A_FULL_DISK = ("No space left", "Could not write", "File too large", "Disk quota", "Could not truncate")


@contextmanager
def in_sentences(path: Path) -> Iterator[None]:
    """Turns DuckDB's errors about a damaged file or a full disk into errors that tell what to do; others pass."""
    try:
        yield
    except duckdb.Error as error:
        text = str(error)
        if any(sign in text for sign in _SIGNS_OF_A_FULL_DISK):
            raise Refused(f"{path} cannot be written: {_first(text)} Free space; what was saved is kept.") from None
        if is_damage(error):
            raise Damaged(damaged(path, text)) from None
        if "invalidated" in text:
            raise Refused(f"DuckDB has stopped: {_first(text)} Start Rondo again; what was saved is kept.") from None
        raise


def is_damage(error: duckdb.Error) -> bool:
    """Does DuckDB say that the file is not what was written?"""
    return any(sign in str(error) for sign in _SIGNS_OF_DAMAGE)


def is_lock(error: duckdb.Error) -> bool:
    """Does another process have the file open?"""
    return isinstance(error, duckdb.IOException) and "lock on file" in str(error)


def _first(text: str) -> str:
    """One line of DuckDB's, as a sentence."""
    return text.splitlines()[0].strip().rstrip(".!") + "."


def damaged(path: Path, text: str) -> str:
    return f"{path} is damaged: {_first(text)} Nothing was changed. {way_out(path.parent)}"


def damaged_wal(path: Path, wal: Wal) -> str:
    return (
        f"{wal_of(path)}, which holds the newest answers, cannot be trusted: {wal.damage}. Nothing was changed. "
        f"{way_out(path.parent)}"
    )


def way_out(project: Path) -> str:
    """A sentence on what to do about damage."""
    return (
        f"Leave the files where they are: `rondo check --project {project}` says what is damaged, and "
        "`rondo repair` saves all that can be read and takes the rest from the newest backup."
    )
