"""The plane's mounts and images. An image is this very interpreter: nothing is built."""

import asyncio
import hashlib
import re
from typing import Any

from modal_proto import api_pb2

from tests.modal_plane.state import Image, Result, State


def missing_files(asking: Any, request: Any) -> Any:
    requested = [digest for digest in request.sha256_hex_hashes if digest not in asking.state.files]
    return api_pb2.MountBatchedCheckExistenceResponse(missing_sha256_hex_hashes=requested)


def put_file(asking: Any, request: Any) -> Any:
    state, supplied = asking.state, request.WhichOneof("data_oneof")
    if supplied == "data":
        path = state.blob("file-" + request.sha256_hex)
        path.write_bytes(request.data)
        state.files[request.sha256_hex] = path
    return api_pb2.MountPutFileResponse(exists=request.sha256_hex in state.files)


def mount(asking: Any, request: Any) -> Any:
    made = asking.state.new_id("mo")
    asking.state.mounts[made] = list(request.files)
    digest = hashlib.sha256(made.encode()).hexdigest()
    metadata = api_pb2.MountHandleMetadata(content_checksum_sha256_hex=digest)
    return api_pb2.MountGetOrCreateResponse(mount_id=made, handle_metadata=metadata)


def image(asking: Any, request: Any) -> Any:
    state = asking.state
    key = ("Image", hashlib.sha256(request.image.SerializeToString(deterministic=True)).hexdigest())
    if key not in state.names:
        made = Image(state.new_id("im"), request.image)
        state.images[made.id], state.names[key] = made, made.id
    matches = state.images[state.names[key]]
    metadata = api_pb2.ImageMetadata(image_builder_version="2025.06")
    return api_pb2.ImageGetOrCreateResponse(image_id=matches.id, metadata=metadata, result=matches.result)


async def build(asking: Any, request: Any) -> Any:
    """What would be installed is what is installed here."""
    matches = asking.state.images[request.image_id]
    for command in commands(asking.state, matches):
        if summary := re.match(r"ENV\s+(\w+)=(.*)", command):
            matches.env[summary.group(1)] = summary.group(2).strip().strip("'\"")
    failed = asking.state.images_fail
    status = Result.GENERIC_STATUS_FAILURE if failed else Result.GENERIC_STATUS_SUCCESS
    told_result = Result(status=status, exception="No solution found when resolving dependencies" if failed else "")
    matches.result = None if failed else told_result  # the next one who asks tries again
    metadata = api_pb2.ImageMetadata(image_builder_version="2025.06")
    await asyncio.sleep(0)
    yield api_pb2.ImageJoinStreamingResponse(result=told_result, metadata=metadata, eof=True)


def commands(state: State, image: Image) -> list[str]:
    """What it is made by, its base first."""
    below = [line for base in image.proto.base_images for line in commands(state, state.images[base.image_id])]
    return [*below, *image.proto.dockerfile_commands]


ANSWERS = {
    "MountBatchedCheckExistence": missing_files,
    "MountPutFile": put_file,
    "MountGetOrCreate": mount,
    "ImageGetOrCreate": image,
    "ImageJoinStreaming": build,
}
