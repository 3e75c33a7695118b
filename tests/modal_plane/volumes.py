"""The plane's volumes: a container sees a copy of its own until it commits or reloads, as on Modal."""

import asyncio
import hashlib
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grpclib import GRPCError, Status
from modal_proto import api_pb2

from tests.modal_plane.apps import named
from tests.modal_plane.containers import open_files
from tests.modal_plane.state import State

BLOCK = 8 * 2**20
Stamps = dict[str, tuple[int, int]]


@dataclass(eq=False)
class Volume:
    """What is committed, and what each container has."""

    id: str
    name: str
    folder: Path
    copies: dict[str, tuple[Path, Stamps]] = field(default_factory=dict)
    commits: int = 0

    def check_out(self, task: str) -> Path:
        copy = self.folder.parent / f"{self.id}@{task}"
        shutil.copytree(self.folder, copy)
        self.copies[task] = (copy, _stamps(copy))
        return copy

    def commit(self, task: str) -> None:
        """What changed in the copy since it was like the original goes there, but not what vanishes meanwhile."""
        copy, known = self.copies[task]
        now = _stamps(copy)
        for name in [name for name, stamp in now.items() if known.get(name) != stamp]:
            _copy(copy / name, self.folder / name)
        for name in known.keys() - now.keys():
            (self.folder / name).unlink(missing_ok=True)
        self.copies[task], self.commits = (copy, now), self.commits + 1

    def reload(self, task: str) -> None:
        copy, _ = self.copies[task]
        theirs, ours = _stamps(self.folder), _stamps(copy)
        for name in [name for name, stamp in theirs.items() if ours.get(name) != stamp]:
            _copy(self.folder / name, copy / name)
        for name in ours.keys() - theirs.keys():
            (copy / name).unlink(missing_ok=True)
        self.copies[task] = (copy, _stamps(copy))

    def drop(self, task: str) -> None:
        if task in self.copies:
            shutil.rmtree(self.copies.pop(task)[0], ignore_errors=True)


def _stamps(folder: Path) -> Stamps:
    matches: Stamps = {}
    for path in folder.rglob("*"):
        try:
            result = path.stat()
        except FileNotFoundError:
            continue
        if path.is_file():
            matches[path.relative_to(folder).as_posix()] = (result.st_mtime_ns, result.st_size)
    return matches


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copy2(source, target)
    except FileNotFoundError:
        return


def volume(asking: Any, request: Any) -> Any:
    state = asking.state

    def make() -> str:
        made = state.new_id("vo")
        state.volumes[made] = Volume(made, request.deployment_name, state.root / "volumes" / made)
        state.volumes[made].folder.mkdir(parents=True)
        return str(made)

    matches = state.volumes[named(state, "Volume", request, make)]
    version = api_pb2.VOLUME_FS_VERSION_V2
    metadata = api_pb2.VolumeMetadata(version=version, name=matches.name)
    return api_pb2.VolumeGetOrCreateResponse(volume_id=matches.id, version=version, metadata=metadata)


def alive(asking: Any, request: Any) -> None:
    """A sign of life."""


async def commit(asking: Any, request: Any) -> Any:
    """On Modal a commit reloads what lies there: whoever has a file open would lose it."""
    asking.state.held_open += await asyncio.to_thread(open_files, asking.task)
    await asyncio.to_thread(_own(asking, request).commit, asking.task.id)
    return api_pb2.VolumeCommitResponse(skip_reload=True)


async def reload(asking: Any, request: Any) -> None:
    await asyncio.to_thread(_own(asking, request).reload, asking.task.id)


def _own(asking: Any, request: Any) -> Volume:
    if asking.task is None:
        raise GRPCError(Status.FAILED_PRECONDITION, "only a container may do that")
    return asking.state.volumes[request.volume_id]  # type: ignore[no-any-return]


def _path(state: State, volume: str, name: str) -> Path:
    folder = state.volumes[volume].folder.resolve()
    path = (folder / name.lstrip("/")).resolve()
    if not path.is_relative_to(folder):
        raise GRPCError(Status.INVALID_ARGUMENT, "the path leads out of the volume")
    return path  # type: ignore[no-any-return]


def put(asking: Any, request: Any) -> Any:
    """Blocks that are not here yet are asked for; then all files are written, or none where one stands already."""
    state, missing = asking.state, []
    for file_index, file in enumerate(request.files):
        for block_index, block in enumerate(file.blocks):
            if not state.blob("block-" + block.contents_sha256.hex()).exists():
                missing.append(
                    api_pb2.VolumePutFiles2Response.MissingBlock(
                        file_index=file_index, block_index=block_index, put_url=f"{state.http}/block"
                    )
                )
    if not missing:
        targets = [_path(state, request.volume_id, file.path) for file in request.files]
        if request.disallow_overwrite_existing_files and any(target.exists() for target in targets):
            raise GRPCError(Status.ALREADY_EXISTS, "a file of this name is there already")
        for target, file in zip(targets, request.files, strict=True):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(_whole(state, file))
    return api_pb2.VolumePutFiles2Response(missing_blocks=missing)


def _whole(state: State, file: Any) -> bytes:
    """The client leaves out the zeros at the end of a block."""
    parts = []
    for number, block in enumerate(file.blocks):
        raw = state.blob("block-" + block.contents_sha256.hex()).read_bytes()
        parts.append(raw.ljust(min(BLOCK, file.size - number * BLOCK), b"\0"))
    return b"".join(parts)


def get(asking: Any, request: Any) -> Any:
    path = _path(asking.state, request.volume_id, request.path)
    if not path.is_file():
        raise GRPCError(Status.NOT_FOUND, f"No such file: {request.path}")
    size = path.stat().st_size
    base = f"{asking.state.http}/volume/{request.volume_id}"
    urls = [f"{base}/{start}/{min(BLOCK, size - start)}/{request.path.lstrip('/')}" for start in range(0, size, BLOCK)]
    return api_pb2.VolumeGetFile2Response(get_urls=urls, size=size, start=0, len=size)


async def listing(asking: Any, request: Any) -> Any:
    path = _path(asking.state, request.volume_id, request.path)
    if not path.exists():
        raise GRPCError(Status.NOT_FOUND, f"No such file or directory: {request.path}")
    root = asking.state.volumes[request.volume_id].folder.resolve()
    entry = api_pb2.FileEntry
    matches = [
        entry(
            path=str(file.relative_to(root)),
            type=entry.DIRECTORY if file.is_dir() else entry.FILE,
            mtime=int(file.stat().st_mtime),
            size=file.stat().st_size,
        )
        for file in sorted(path.rglob("*") if request.recursive else path.iterdir())
    ]
    yield api_pb2.VolumeListFiles2Response(entries=matches)


def remove(asking: Any, request: Any) -> None:
    path = _path(asking.state, request.volume_id, request.path)
    if not path.exists():
        raise GRPCError(Status.NOT_FOUND, f"No such file: {request.path}")
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def keep_block(state: State, data: bytes) -> None:
    state.blob("block-" + hashlib.sha256(data).hexdigest()).write_bytes(data)


ANSWERS = {
    "VolumeGetOrCreate": volume,
    "VolumeHeartbeat": alive,
    "VolumeCommit": commit,
    "VolumeReload": reload,
    "VolumePutFiles2": put,
    "VolumeGetFile2": get,
    "VolumeListFiles2": listing,
    "VolumeRemoveFile2": remove,
}
