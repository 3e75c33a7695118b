"""Waiting for projects' servers without a thread for each request that waits."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from starlette.concurrency import run_in_threadpool

from app.home.engines import Engine, Engines


@dataclass
class Waking:
    """Requests for one project share a thread. Call it in the event loop."""

    engines: Engines
    _under_way: dict[object, "asyncio.Task[Any]"] = field(default_factory=dict)

    async def engine(self, key: str) -> Engine:
        """The project's server, started if it sleeps. Raises Refused, NotAProject."""
        if engine := self.engines.awake(key):
            return engine
        started: Engine = await self._once(key, partial(self.engines.wake, key))
        return started

    async def let_end(self, key: str, engine: Engine) -> None:
        """Returns when a server that takes no more requests has ended."""
        await self._once((key, engine.port), partial(self.engines.let_end, engine))

    async def _once(self, name: object, work: Callable[[], Any]) -> Any:
        task = self._under_way.get(name)
        if task is None:
            task = self._under_way[name] = asyncio.create_task(run_in_threadpool(work))
            task.add_done_callback(partial(self._ended, name))
        return await asyncio.shield(task)  # one browser that goes away stops it for nobody

    def _ended(self, name: object, task: "asyncio.Task[Any]") -> None:
        self._under_way.pop(name, None)
        if not task.cancelled():
            task.exception()  # whoever waited has it; perhaps nobody does any more
