"""The gRPC side of the plane: who may ask, and what answers. A call that is not implemented is noted and refused."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.empty_pb2 import Empty  # type: ignore[import-untyped]
from grpclib import GRPCError, Status
from modal_proto import api_grpc

from tests.modal_plane import apps, calls, functions, images, volumes, worker
from tests.modal_plane.state import State, Task

TOKEN = ("ak-here", "as-here")


@dataclass(frozen=True)
class Asking:
    """Who asks: the owner (task is None) or a container."""

    state: State
    task: Task | None = None


Answer = Callable[[Asking, Any], Any]
ANSWERS: dict[str, Answer] = {
    **apps.ANSWERS,
    **images.ANSWERS,
    **functions.ANSWERS,
    **calls.ANSWERS,
    **volumes.ANSWERS,
    **worker.ANSWERS,
}
"""by the name of the call; one that is an async generator answers with a stream"""


class Service:
    """What grpclib serves. Looks up a method for each of the protocol's calls, known or not."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    def __mapping__(self) -> dict[str, Any]:
        mapping: dict[str, Any] = api_grpc.ModalClientBase.__mapping__(self)
        return mapping

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        answer = ANSWERS.get(name)
        if answer is None:
            return self._unknown(name)
        return self._stream(name, answer) if inspect.isasyncgenfunction(answer) else self._single(name, answer)

    async def check(self, event: Any) -> None:
        """grpclib's event for each request of an owner."""
        await self._asking.state.answering.wait()
        token = (event.metadata.get("x-modal-token-id"), event.metadata.get("x-modal-token-secret"))
        if token != TOKEN:
            raise GRPCError(Status.UNAUTHENTICATED, f"Token validation failed for token id {token[0]!r}")

    async def _read(self, name: str, stream: Any) -> Any:
        state = self._asking.state
        request = await stream.recv_message()
        state.requested[name] = state.requested.get(name, 0) + 1
        if state.outage and self._asking.task is None:
            raise GRPCError(Status.UNAVAILABLE, "the plane is told to be out of order")
        return request

    def _single(self, name: str, answer: Answer) -> Any:
        async def method(stream: Any) -> None:
            request = await self._read(name, stream)
            result = answer(self._asking, request)
            result = await result if inspect.isawaitable(result) else result
            await stream.send_message(Empty() if result is None else result)

        return method

    def _stream(self, name: str, answer: Answer) -> Any:
        async def method(stream: Any) -> None:
            request = await self._read(name, stream)
            async for result in answer(self._asking, request):
                await stream.send_message(result)

        return method

    def _unknown(self, name: str) -> Any:
        async def method(stream: Any) -> None:
            self._asking.state.unknown.append(name)
            raise GRPCError(Status.UNIMPLEMENTED, f"the plane does not implement {name}")

        return method
