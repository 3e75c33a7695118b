"""Containers of the plane: Modal's own entry point in a process with its files, variables and mounts."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import grpclib.server
from modal_proto import api_pb2

from tests.modal_plane import apps
from tests.modal_plane.state import State, Task

KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "OMP_NUM_THREADS", "COVERAGE_PROCESS_START")


@cache
def own_mounts() -> list[str] | None:
    """The command that gives a process mounts of its own; None where the machine has none such."""
    for command in (["unshare", "-m"], ["unshare", "-r", "-m"]):
        try:
            tried = subprocess.run([*command, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, timeout=10)
        except (OSError, subprocess.TimeoutExpired):
            return None
        if tried.returncode == 0:
            return command
    return None


async def start(state: State, task: Task) -> None:
    """Returns when its process has begun."""
    from tests.modal_plane.service import Asking, Service

    (task.folder / "root").mkdir(parents=True)
    _lay_out(state, task)
    task.socket = grpclib.server.Server([Service(Asking(state, task))])
    await task.socket.start(path=str(task.folder / "w.sock"))
    with (task.folder / "log.txt").open("wb") as log:
        task.process = await asyncio.create_subprocess_exec(
            *_mounting(state, task),
            *(sys.executable, "-m", "modal._container_entrypoint"),
            cwd=str(task.folder / "root"),
            env=_environment(state, task),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _lay_out(state: State, task: Task) -> None:
    """The mounted files, and what it has to know."""
    definition = task.function.definition
    for mount in definition.mount_ids:
        for file in state.mounts[mount]:
            target = task.folder / file.filename.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(state.files[file.sha256_hex], target)
            _share_compiled(state, task, target.parent)
    app = state.apps[task.function.app_id]
    arguments = api_pb2.ContainerArguments(
        task_id=task.id,
        function_id=task.function.id,
        app_id=app.id,
        function_def=definition,
        environment_name="main",
        app_layout=apps.layout(state, app),
    )
    (task.folder / "arguments").write_bytes(arguments.SerializeToString())


def _share_compiled(state: State, task: Task, folder: Path) -> None:
    """Containers compile into one folder: their files are links to the same, so that what one has compiled is whole
    for the next. Compiling is most of what a small job would cost."""
    compiled = state.root / "compiled" / folder.relative_to(task.folder)
    compiled.mkdir(parents=True, exist_ok=True)
    if not (folder / "__pycache__").is_symlink():
        (folder / "__pycache__").symlink_to(compiled)


def _environment(state: State, task: Task) -> dict[str, str]:
    definition = task.function.definition
    result = {name: os.environ[name] for name in KEPT if name in os.environ}
    result |= state.images[definition.image_id].env
    for secret in definition.secret_ids:
        result |= state.secrets[secret]
    return result | {
        "HOME": str(task.folder),
        "PYTHONPATH": str(task.folder / "root"),
        "MODAL_IS_REMOTE": "1",
        "MODAL_SERVER_URL": f"unix://{task.folder}/w.sock",
        "MODAL_CONTAINER_ARGUMENTS_PATH": str(task.folder / "arguments"),
        "MODAL_TASK_ID": task.id,
        "MODAL_IMAGE_ID": definition.image_id,
        "MODAL_ENVIRONMENT": "main",
        "MODAL_CLOUD_PROVIDER": "CLOUD_PROVIDER_LOCAL",
        "MODAL_REGION": "here",
        "MODAL_HEARTBEAT_INTERVAL": "1",
    }


def _mounting(state: State, task: Task) -> list[str]:
    """The command before the command: the function's volumes where it looks for them, for this process alone."""
    lines = ["set -e", "mount -t tmpfs none /mnt"]
    for mount in task.function.definition.volume_mounts:
        source = state.volumes[mount.volume_id].check_out(task.id)
        lines += [f"mkdir -p '{mount.mount_path}'", f"mount --bind '{source}' '{mount.mount_path}'"]
    return [*(own_mounts() or []), "sh", "-c", "\n".join([*lines, 'exec "$@"']), "sh"]


def tell(task: Task, signal_number: int) -> None:
    """To the container's first process and those of its session, as a machine that goes away does."""
    if task.process and task.process.returncode is None:
        try:
            os.killpg(task.process.pid, signal_number)
        except ProcessLookupError:
            return


def end_family(task: Task) -> None:
    """A container's end is the end of all its processes, whatever session they are in."""
    for process in _family(task):
        try:
            os.kill(int(process.name), signal.SIGKILL)
        except ProcessLookupError:
            continue


def open_files(task: Task) -> list[str]:
    """What its processes have open on a volume."""
    mounts = tuple(mount.mount_path.rstrip("/") + "/" for mount in task.function.definition.volume_mounts)
    matches = []
    for file in (file for process in _family(task) for file in process.glob("fd/*")):
        try:
            matches.append(os.readlink(file))
        except OSError:
            continue
    return [path for path in matches if path.startswith(mounts)]


def _family(task: Task) -> list[Path]:
    matches = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            result = (process / "environ").read_bytes()
        except OSError:
            continue
        if f"MODAL_TASK_ID={task.id}".encode() in result.split(b"\0"):
            matches.append(process)
    return matches


async def watch(task: Task) -> int:
    """Waits for its end, which is that of all it has started; its exit status."""
    process: Any = task.process
    status = int(await process.wait())
    await asyncio.to_thread(end_family, task)
    task.socket.close()
    await asyncio.to_thread(shutil.rmtree, task.folder / "root", ignore_errors=True)
    return status
