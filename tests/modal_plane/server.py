"""The plane in a thread of its own: starts, can fall silent and come back, does harm on request, stops."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpclib.events
import grpclib.server
from aiohttp import web
from modal._utils.grpc_utils import custom_detail_codec

from tests.modal_plane import calls, containers, volumes
from tests.modal_plane.service import TOKEN, Asking, Service
from tests.modal_plane.state import Call, State
from tests.waiting import LATEST_SECONDS


class Plane:
    """A context manager; inside, the client of this process talks to it. root: its own folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._saved: dict[str, str | None] = {}
        self.state: Any = None
        self.port = 0

    def __enter__(self) -> "Plane":
        ready = threading.Event()
        self._thread = threading.Thread(target=asyncio.run, args=(self._serve(ready),), daemon=True)
        self._thread.start()
        assert ready.wait(LATEST_SECONDS)
        result = {
            "MODAL_SERVER_URL": f"http://127.0.0.1:{self.port}",
            "MODAL_TOKEN_ID": TOKEN[0],
            "MODAL_TOKEN_SECRET": TOKEN[1],
            "MODAL_CONFIG_PATH": str(self._root / "modal.toml"),
        }
        self._saved = {name: os.environ.get(name) for name in result}
        os.environ.update(result)
        forget_client()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(20)
        forget_client()
        for name, value in self._saved.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    async def _serve(self, ready: threading.Event) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        self.state = State(self._root)
        runner = web.AppRunner(_http(self.state), access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.state.http = f"http://127.0.0.1:{runner.addresses[0][1]}"
        await self._listen()
        ready.set()
        await self._over.wait()
        for task in self.state.tasks.values():
            containers.tell(task, signal.SIGKILL)
        await asyncio.gather(*(task.process.wait() for task in self.state.tasks.values() if task.process))
        self._server.close()
        await runner.cleanup()
        await self.state.end()

    async def _listen(self) -> None:
        service = Service(Asking(self.state))
        self._server = grpclib.server.Server([service], status_details_codec=custom_detail_codec)
        grpclib.events.listen(self._server, grpclib.events.RecvRequest, service.check)
        await self._server.start("127.0.0.1", 0)
        self.port = self._server._server.sockets[0].getsockname()[1]

    def _say(self, act: Callable[[], Any]) -> Any:
        async def acted() -> Any:
            return act()

        return asyncio.run_coroutine_threadsafe(acted(), self._loop).result(20)

    def fall_silent(self) -> None:
        """Owners wait for answers in vain; containers go on."""
        self._say(self.state.answering.clear)

    def come_back(self) -> None:
        """And answers what was asked meanwhile."""
        self._say(self.state.answering.set)

    def break_down(self, broken: bool) -> None:
        """Every request of an owner is answered with UNAVAILABLE, or no longer."""
        self.state.outage = broken

    def _call(self, call: str) -> Call:
        result: Call = self.state.calls[call]
        return result

    def preempt(self, call: str) -> None:
        """Takes the machine away from what runs, which begins again elsewhere: SIGINT, and SIGKILL after 30 s."""

        def act() -> None:
            for supplied in self._call(call).inputs.values():
                assert supplied.task
                supplied.task.preempted = supplied.task.draining = True
                containers.tell(supplied.task, signal.SIGINT)
                asyncio.get_running_loop().call_later(30, containers.tell, supplied.task, signal.SIGKILL)

        self._say(act)

    def kill(self, call: str, why: str = "container exited unexpectedly", last: bool = False) -> None:
        """The container dies without a word. last: no attempt is left."""

        def act() -> None:
            for supplied in self._call(call).inputs.values():
                assert supplied.task
                supplied.task.why = why
                supplied.retry = 99 if last else supplied.retry
                containers.tell(supplied.task, signal.SIGKILL)

        self._say(act)

    def run_out_of_time(self, call: str) -> None:
        """As if the function's timeout was over."""

        def act() -> None:
            for supplied in list(self._call(call).inputs.values()):
                calls.too_long(self.state, supplied)

        self._say(act)

    def expire(self, call: str) -> None:
        """As seven days after the end."""
        self._call(call).expired = True

    def definition(self, call: str) -> Any:
        """Of the function that the call was made of, its options included."""
        return self._call(call).function.definition

    def folder(self, volume: str) -> Path:
        """Where what is committed to the volume of that name lies."""
        folder: Path = self.state.volumes[self.state.names["Volume", volume]].folder
        return folder

    def log(self) -> str:
        """What containers have printed."""
        return "\n".join(file.read_text(errors="replace") for file in self._root.glob("tasks/*/log.txt"))


def forget_client() -> None:
    """The client keeps one connection for the process: the next one reads the environment anew."""
    from modal.client import _Client

    _Client._client_from_env = None


def _http(state: State) -> web.Application:
    """Where the client puts and gets what is too large for a message."""

    async def put_block(request: web.Request) -> web.Response:
        volumes.keep_block(state, await request.read())
        return web.Response(body=b"kept")

    async def get_piece(request: web.Request) -> web.Response:
        result = request.match_info
        with (state.volumes[result["volume"]].folder / result["path"]).open("rb") as file:
            file.seek(int(result["start"]))
            return web.Response(body=file.read(int(result["size"])))

    app = web.Application(client_max_size=2**31)
    app.add_routes(
        [
            web.put("/block", put_block),
            web.get("/volume/{volume}/{start}/{size}/{path:.*}", get_piece),
        ]
    )
    return app
