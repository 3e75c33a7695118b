"""A file on its way from a browser to the disk: streamed, within a limit, gone where it is not whole. Knows no page."""

import re
import secrets
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from core.errors import BadInput, Cancelled, Refused
from core.store.whole_files import is_full

MOST_BYTES = 20 << 30
"""of one file; what is larger is named by its path on the server"""
PIECE = 1 << 20
SPARE = 1 << 30
"""bytes of the disk that an upload leaves free: a full disk stops everything else"""
LONGEST_NAME = 200
"""bytes of a file's name that are kept, its ending among them; a disk takes 255"""
MOST_KEPT, KEPT_SECONDS = 20, 86_400.0
"""uploads that wait for a page to take them, and for how long each does"""
_IDENTIFIER = re.compile(r"[0-9a-f]{32}")


def plain_name(name: str) -> str:
    """The last part of what the browser calls a file, which is no path. Raises BadInput where nothing is left of it."""
    last = name.replace("\\", "/").rpartition("/")[2]
    letters = "".join(one for one in last if one.isprintable() and one not in '<>:"|?*').lstrip(". ")
    letters = letters.encode()[-LONGEST_NAME:].decode(errors="ignore").lstrip(". ")
    if not letters:
        raise BadInput("The file has no name.")
    return letters


def check_size(size: int, folder: Path) -> None:
    """Raises BadInput, Refused for a file of so many bytes that cannot be taken."""
    if size > MOST_BYTES:
        raise BadInput(
            f"The file has {size / 2**30:,.1f} GB; {MOST_BYTES >> 30} GB can be uploaded. Copy it to the server and "
            "name its path."
        )
    free = shutil.disk_usage(folder).free
    if size > free - SPARE:
        raise Refused(f"The file has {size / 2**30:,.1f} GB, and the disk has {free / 2**30:,.1f} GB free.")


async def save(request: Request, target: Path) -> int:
    """Streams the body to a file; returns its bytes. Raises BadInput, Refused, and Cancelled where the browser went."""
    declared = request.headers.get("content-length", "")
    check_size(int(declared) if declared.isdecimal() else 0, target.parent)
    size, waiting = 0, bytearray()
    try:
        with target.open("xb") as file:
            async for piece in request.stream():
                size += len(piece)
                check_size(size, target.parent) if size > MOST_BYTES else None
                waiting += piece
                if len(waiting) >= PIECE:
                    await run_in_threadpool(_write, file, bytes(waiting), target.parent)
                    waiting.clear()
            await run_in_threadpool(_write, file, bytes(waiting), target.parent)
    except ClientDisconnect:
        raise Cancelled("The upload was stopped. Nothing is kept of it.") from None
    except OSError as error:
        if is_full(error):
            raise Refused("The disk is full. Free space, and try again.") from None
        raise
    if declared.isdecimal() and size != int(declared):
        raise Cancelled("The upload was cut off. Nothing is kept of it.")
    return size


def _write(file: BinaryIO, piece: bytes, folder: Path) -> None:
    """Raises Refused where others have filled the disk meanwhile, or several uploads together do."""
    free = shutil.disk_usage(folder).free
    if len(piece) > free - SPARE:
        raise Refused(f"The disk has {free / 2**30:,.1f} GB free, too little for the file. Free space, and try again.")
    file.write(piece)


def make_room(folder: Path) -> None:
    """Deletes uploads that no page took within a day: tabs are closed. Raises Refused where many are left."""
    waiting = [own for own in folder.iterdir() if own.is_dir()]
    old = [own for own in waiting if time.time() - own.stat().st_mtime > KEPT_SECONDS]
    for own in old:
        shutil.rmtree(own, ignore_errors=True)
    if len(waiting) - len(old) >= MOST_KEPT:
        raise Refused(f"{MOST_KEPT} uploads wait for a page to take them. Take or remove one, or restart the app.")


async def keep(request: Request, folder: Path, name: str) -> str:
    """The body as a file of this name in a folder of its own, and the id by which `kept_file` finds it there. Raises as
    `make_room` and `save` do, and leaves nothing then."""
    await run_in_threadpool(make_room, folder)
    identifier = secrets.token_hex(16)
    own = folder / identifier
    own.mkdir(mode=0o700)
    try:
        await save(request, own / plain_name(name))
    except BaseException:
        await run_in_threadpool(shutil.rmtree, own, ignore_errors=True)
        raise
    return identifier


def kept_file(folder: Path, identifier: str) -> Path | None:
    """The file of this id; None where there is none any more, or no such id can be."""
    if not _IDENTIFIER.fullmatch(identifier) or not (folder / identifier).is_dir():
        return None
    return next((path for path in (folder / identifier).iterdir() if path.is_file()), None)


def drop_kept(folder: Path, identifier: str) -> None:
    """Deletes it, if it is there."""
    if _IDENTIFIER.fullmatch(identifier):
        shutil.rmtree(folder / identifier, ignore_errors=True)


@asynccontextmanager
async def receive(request: Request, folder: Path, name: str) -> AsyncIterator[Path]:
    """The body as a file of this name, for as long as the block lasts."""
    own = folder / secrets.token_hex(8)
    own.mkdir(mode=0o700)
    try:
        await save(request, own / name)
        yield own / name
    finally:
        shutil.rmtree(own, ignore_errors=True)
