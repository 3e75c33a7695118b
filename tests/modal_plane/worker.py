"""What containers ask of the plane: something to do, a sign of life, where to put what came out."""

import asyncio
from typing import Any

from modal_proto import api_pb2

from tests.modal_plane import calls
from tests.modal_plane.state import Result

HEARTBEAT_SECONDS = 0.2
IDLE_SECONDS = 2.0


def hello(asking: Any, request: Any) -> None:
    """It is up."""


async def heartbeat(asking: Any, request: Any) -> Any:
    """Tells which inputs were cancelled meanwhile."""
    try:
        matches = [await asyncio.wait_for(asking.task.to_cancel.get(), HEARTBEAT_SECONDS)]
    except TimeoutError:
        return api_pb2.ContainerHeartbeatResponse()
    return api_pb2.ContainerHeartbeatResponse(cancel_input_event=api_pb2.CancelInputEvent(input_ids=matches))


async def inputs(asking: Any, request: Any) -> Any:
    """One input; a container that has had one, or waits in vain, is told to go."""
    state, task = asking.state, asking.task
    if not task.served:
        await state.wait_for(lambda: task.function.waiting or task.draining, IDLE_SECONDS)
    match = None if task.served else calls.take(state, task)
    if match is None:
        task.draining = True
        calls.scale(state, task.function)
        gone = api_pb2.FunctionGetInputsItem(kill_switch=True)
        return api_pb2.FunctionGetInputsResponse(inputs=[gone])
    item = api_pb2.FunctionGetInputsItem(
        input_id=match.id,
        input=match.item,
        function_call_id=match.call.id,
        retry_count=match.retry,
        function_call_invocation_type=match.call.invocation,
    )
    return api_pb2.FunctionGetInputsResponse(inputs=[item])


def results(asking: Any, request: Any) -> None:
    """Those of an attempt that another has replaced are not taken."""
    state = asking.state
    for summary in request.outputs:
        supplied = state.inputs.get(summary.input_id)
        if supplied is None or supplied.task is not asking.task or summary.retry_count != supplied.retry:
            continue
        if summary.result.status == Result.GENERIC_STATUS_FAILURE:
            calls.failed(state, supplied, summary.result)
        else:
            calls.finish(state, supplied, summary.result, summary.data_format)


def broke(asking: Any, request: Any) -> None:
    """It could not even import its function."""
    asking.task.result = request.result


ANSWERS = {
    "ContainerHello": hello,
    "ContainerHeartbeat": heartbeat,
    "FunctionGetInputs": inputs,
    "FunctionPutOutputs": results,
    "TaskResult": broke,
}
