"""What the plane remembers: apps, images, functions, calls and their inputs, tasks, volumes. Serves nothing."""

import asyncio
import os
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modal_proto import api_pb2

Result = api_pb2.GenericResult


@dataclass(eq=False)
class App:
    """function_ids: by name, once it is published."""

    id: str
    name: str
    function_ids: dict[str, str] = field(default_factory=dict)


@dataclass(eq=False)
class Image:
    """id of an image, and what it was asked to be made of."""

    id: str
    proto: Any
    env: dict[str, str] = field(default_factory=dict)
    result: Any = None


@dataclass(eq=False)
class Function:
    """What was deployed, or a variant of it with other options; `waiting` inputs go to its `tasks`."""

    id: str
    app_id: str
    definition: Any
    meta: Any
    waiting: list["Input"] = field(default_factory=list)
    tasks: list["Task"] = field(default_factory=list)
    starting: int = 0


@dataclass(eq=False)
class Input:
    """One thing to do; begun again after a failed attempt (`retry`) or a preemption."""

    id: str
    call: "Call"
    item: Any
    retry: int = 0
    output: Any = None
    task: "Task | None" = None
    timer: asyncio.TimerHandle | None = None
    cancelled: bool = False


@dataclass(eq=False)
class Call:
    """A spawned call: it has one input."""

    id: str
    function: Function
    invocation: Any
    inputs: dict[str, Input] = field(default_factory=dict)
    expired: bool = False

    @property
    def unfinished(self) -> int:
        return sum(1 for supplied in self.inputs.values() if supplied.output is None)


@dataclass(eq=False)
class Task:
    """A container: a process of its own in its own session."""

    id: str
    function: Function
    folder: Path
    process: asyncio.subprocess.Process | None = None
    running: dict[str, Input] = field(default_factory=dict)
    to_cancel: "asyncio.Queue[str]" = field(default_factory=asyncio.Queue)
    served: int = 0
    draining: bool = False
    preempted: bool = False
    why: str = "container exited unexpectedly"
    socket: Any = None
    result: Any = None

    @property
    def lives(self) -> bool:
        return not self.draining and (self.process is None or self.process.returncode is None)


class State:
    """One workspace. root: a folder of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.numbers = 0
        self.apps: dict[str, App] = {}
        self.deployed: dict[str, str] = {}
        self.functions: dict[str, Function] = {}
        self.mounts: dict[str, list[Any]] = {}
        self.files: dict[str, Path] = {}
        self.images: dict[str, Image] = {}
        self.secrets: dict[str, dict[str, str]] = {}
        self.volumes: dict[str, Any] = {}
        self.names: dict[tuple[str, str], str] = {}
        self.calls: dict[str, Call] = {}
        self.inputs: dict[str, Input] = {}
        self.tasks: dict[str, Task] = {}
        self.unknown: list[str] = []
        self.held_open: list[str] = []
        self.requested: dict[str, int] = {}
        self.outage = False
        self.images_fail = False
        self.http = ""
        self.changed = asyncio.Condition()
        self.answering = asyncio.Event()
        self.answering.set()
        self._going_on: set[asyncio.Task[Any]] = set()
        (root / "blobs").mkdir(parents=True, exist_ok=True)

    def new_id(self, prefix: str) -> str:
        self.numbers += 1
        return f"{prefix}-{self.numbers:06d}{os.urandom(4).hex()}"

    def go_on(self, work: Coroutine[Any, Any, Any]) -> None:
        """Does it beside; kept, so that it is not collected."""
        task = asyncio.ensure_future(work)
        self._going_on.add(task)
        task.add_done_callback(self._going_on.discard)

    async def tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def wait_for(self, matches: Callable[[], Any], seconds: float) -> Any:
        """What `found` gives as soon as it gives anything, or at the end."""
        end = time.monotonic() + seconds
        while not (value := matches()) and (left := end - time.monotonic()) > 0:
            async with self.changed:
                try:
                    await asyncio.wait_for(self.changed.wait(), min(left, 1.0))
                except TimeoutError:
                    continue
        return value

    def blob(self, name: str) -> Path:
        return self.root / "blobs" / name

    async def end(self) -> None:
        for task in self._going_on:
            task.cancel()
        await asyncio.gather(*self._going_on, return_exceptions=True)
