"""DuckDB's files as bytes: which pages, and which entries of the write-ahead file, are sound. Opens no database.

DuckDB refuses an entry whose checksum is wrong, but passes over everything behind an entry whose length is wrong, or
behind a header that it takes for another database's: whoever opens such a file loses acknowledged answers in silence.
So the file is read here first. The format is that of DuckDB 2.0 (`storage/write_ahead_log.cpp`,
`storage/single_file_block_manager.cpp`, `common/checksum.cpp`); of another format nothing is claimed.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PAGE_HEADERS = 3 * 4096
"""one for the file, two that checkpoints write in turn"""
_HEADER = 4096
_DATABASE_ID = 124
"""where the file's header holds the 16 bytes that its write-ahead file repeats"""
_VERSION = 98
_USE_TABLE, _INSERT, _CHECKPOINT, _FLUSH = 25, 26, 99, 100
_END = b"\xff\xff"
_WORD = (1 << 64) - 1


@dataclass(frozen=True)
class Entry:
    """One entry that is as it was written. start and end: its bytes in the file, length and checksum included."""

    kind: int
    start: int
    end: int


@dataclass(frozen=True)
class Wal:
    """What can be read of a write-ahead file. commits: transactions before the first damage.

    sound: bytes up to the end of the last of them. damage: what is wrong, or None; a torn end, as a kill leaves it,
    was never acknowledged and is no damage.
    """

    size: int
    commits: int
    sound: int
    damage: str | None


def checksum(data: bytes) -> int:
    """Of a page or an entry, as DuckDB calculates it."""
    import numpy as np

    words = len(data) // 8
    total = 5381
    if words:
        products = np.frombuffer(data, "<u8", words) * np.uint64(0xBF58476D1CE4E5B9)
        total ^= int(np.bitwise_xor.reduce(products))
    return total ^ _checksum_of_rest(data[words * 8 :]) if len(data) > words * 8 else total


def _checksum_of_rest(rest: bytes) -> int:
    """Of the last 1 to 7 bytes."""
    factor = 0xC6A4A7935BD1E995
    value = (0xE17A1465 ^ (len(rest) * factor)) & _WORD
    value = ((value ^ int.from_bytes(rest, "little")) * factor) & _WORD
    value = ((value ^ (value >> 47)) * factor) & _WORD
    return value ^ (value >> 47)


def is_checksummed(page: bytes) -> bool:
    """Whether a header or page begins with the checksum of what follows; one that was never written is all zeros."""
    return int.from_bytes(page[:8], "little") == checksum(page[8:]) or not any(page)


def damaged_pages(database: Path) -> Iterator[int]:
    """Where a page begins whose bytes are not what was written, the headers (at 0) among them.

    A file that is cut short is damaged where it ends. Reads everything; the file may be in use by another process.
    """
    size = database.stat().st_size
    with database.open("rb") as file:
        headers = file.read(PAGE_HEADERS)
        if len(headers) < PAGE_HEADERS or not is_checksummed(headers[:_HEADER]) or newest_header(headers) is None:
            yield 0
            return
        page_size = page_size_of(headers)
        for start in range(PAGE_HEADERS, size, page_size):
            page = file.read(page_size)
            if len(page) < page_size or not is_checksummed(page):
                yield start


def newest_header(headers: bytes) -> int | None:
    """How many checkpoints the file has seen; None where the header of the last one is damaged."""
    checkpoints: list[int] = []
    for start in (_HEADER, 2 * _HEADER):
        page = headers[start : start + _HEADER]
        if not is_checksummed(page):
            return None
        checkpoints.append(struct.unpack_from("<Q", page, 8)[0])
    return max(checkpoints)


def page_size_of(headers: bytes) -> int:
    """As the header says that is newest."""
    newest = max((_HEADER, 2 * _HEADER), key=lambda start: struct.unpack_from("<Q", headers, start + 8)[0])
    return int(struct.unpack_from("<Q", headers, newest + 40)[0]) or 262_144


def wal_header(database: Path) -> bytes | None:
    """How a write-ahead file of this database must begin; None where the database's own headers are damaged."""
    with database.open("rb") as file:
        headers = file.read(PAGE_HEADERS)
    if len(headers) < PAGE_HEADERS or not is_checksummed(headers[:_HEADER]):
        return None
    checkpoints = newest_header(headers)
    if checkpoints is None:
        return None
    identity = b"".join(map(_varint, headers[_DATABASE_ID : _DATABASE_ID + 16]))
    return (
        struct.pack("<HBHBHB", 100, _VERSION, 101, 2, 102, 16)
        + identity
        + struct.pack("<H", 103)
        + _varint(checkpoints)
        + _END
    )


def _varint(number: int) -> bytes:
    parts = []
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])


_FLUSH_PAYLOAD = struct.pack("<HB", 100, _FLUSH) + _END


def flush_entry() -> bytes:
    """What ends every transaction: the same bytes each time."""
    return struct.pack("<QQ", len(_FLUSH_PAYLOAD), checksum(_FLUSH_PAYLOAD)) + _FLUSH_PAYLOAD


def entries(data: bytes, start: int) -> Iterator[Entry]:
    """The entries from `start` on, up to the first that is not as it was written."""
    while start + 16 < len(data):
        size, expected = struct.unpack_from("<QQ", data, start)
        end = start + 16 + size
        if not size or end > len(data) or checksum(data[start + 16 : end]) != expected:
            return
        yield Entry(data[start + 18], start, end)
        start = end


def read_wal(path: Path, header: bytes) -> Wal:
    """header: how the file must begin. A file of another format is taken to be sound: DuckDB will say."""
    data = path.read_bytes()
    start = len(header)
    if not data:
        return Wal(0, 0, 0, None)
    if data[:start] != header:
        # one that was written before the last checkpoint, which a kill at its end leaves, has a checkpoint in it
        first = data.find(_END) + 2
        kinds = [entry.kind for entry in entries(data, first)] if first > 1 else []
        if _CHECKPOINT in kinds or (len(data) < len(header) and header.startswith(data)):
            return Wal(len(data), 0, 0, None)
        if flush_entry() not in data:  # nothing was committed
            return Wal(len(data), 0, 0, None)
        return Wal(len(data), 0, 0, "its beginning is damaged, or it belongs to another state of the database")
    commits, sound, reached = 0, start, start
    for entry in entries(data, start):
        reached = entry.end
        if entry.kind == _FLUSH:
            commits, sound = commits + 1, entry.end
    bad = flush_entry() in data[reached:] or _is_complete(data, reached)
    return Wal(len(data), commits, sound, f"it is damaged at byte {reached:,} of {len(data):,}" if bad else None)


def _is_complete(data: bytes, start: int) -> bool:
    """Whether what stands there, and is no sound entry, is as long as it says: not the torn end that a kill leaves."""
    size = struct.unpack_from("<Q", data, start)[0] if start + 16 < len(data) else 0
    return 0 < size <= len(data) - start - 16


def committed_inserts(data: bytes, table: str) -> Iterator[bytes]:
    """The entries, as bytes, by which committed transactions put rows into a table; those of damaged ones are left out.

    Behind damage the next transaction begins where the next end of one stands.
    """
    start, name = first_entry(data), table.encode()
    names_it = bytes([len(name)]) + name + _END
    while start < len(data):
        transaction: list[bytes] = []
        in_table, end, ended = False, start, False
        for entry in entries(data, start):
            end = entry.end
            if entry.kind == _FLUSH:
                ended = True
                break
            if entry.kind == _USE_TABLE:
                in_table = names_it in data[entry.start + 16 : entry.end]
            if in_table and entry.kind in (_USE_TABLE, _INSERT):
                transaction.append(data[entry.start : entry.end])
        if ended:
            yield from transaction
        else:
            behind = data.find(flush_entry(), end)
            if behind < 0:
                return
            end = behind + len(flush_entry())
        start = end


def first_entry(data: bytes) -> int:
    """Where the entries begin: behind the first end of an object, which ends the file's header."""
    for start in range(20, 64):
        if next(entries(data, start), None):
            return start
    return max(data.find(_END) + 2, 0)
