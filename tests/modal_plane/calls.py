"""The plane's calls, as their owner sees them, and what becomes of their inputs. Starts containers by `containers`."""

import asyncio
import signal
from typing import Any

from grpclib import GRPCError, Status
from modal._utils.jwt_utils import DecodedJwt
from modal_proto import api_pb2

from tests.modal_plane import containers
from tests.modal_plane.state import Call, Function, Input, Result, State, Task


def spawn(asking: Any, request: Any) -> Any:
    state = asking.state
    function = state.functions[request.function_id]
    call = Call(state.new_id("fc"), function, request.function_call_invocation_type)
    state.calls[call.id] = call
    made = [_put(state, call, item.input) for item in request.pipelined_inputs]
    return api_pb2.FunctionMapResponse(
        function_call_id=call.id,
        pipelined_inputs=[_told(supplied) for supplied in made],
        retry_policy=function.definition.retry_policy,
        sync_client_retries_enabled=True,
        max_inputs_outstanding=1000,
        function_call_jwt=DecodedJwt.encode_without_signature({"function_call_id": call.id}),
    )


def _put(state: State, call: Call, item: Any) -> Input:
    result = Input(state.new_id("in"), call, item)
    call.inputs[result.id] = state.inputs[result.id] = result
    enqueue(state, result)
    return result


def _told(supplied: Input) -> Any:
    claims = {"idx": 0, "input_id": supplied.id, "function_call_id": supplied.call.id, "retry_count": supplied.retry}
    token = DecodedJwt.encode_without_signature(claims)
    return api_pb2.FunctionPutInputsResponseItem(idx=0, input_id=supplied.id, input_jwt=token)


def _known(asking: Any, request: Any) -> Call:
    call = asking.state.calls.get(request.function_call_id)
    if call is None:
        raise GRPCError(Status.NOT_FOUND, f"No Function call with id {request.function_call_id}")
    return call  # type: ignore[no-any-return]


async def outputs(asking: Any, request: Any) -> Any:
    call = _known(asking, request)

    def ready() -> list[Any]:
        return [
            supplied.output for supplied in call.inputs.values() if supplied.output is not None and not call.expired
        ]

    matches = await asking.state.wait_for(lambda: ready() or call.expired, request.timeout)
    result = matches if isinstance(matches, list) else []
    return api_pb2.FunctionGetOutputsResponse(
        outputs=result,
        idxs=[0] * len(result),
        last_entry_id="1-0" if result else "",
        num_unfinished_inputs=call.unfinished,
    )


def cancel(asking: Any, request: Any) -> None:
    """One that waits ends at once; one that runs is told through its container's next sign of life."""
    call = _known(asking, request)
    for supplied in call.inputs.values():
        if supplied.output is not None:
            continue
        supplied.cancelled = True
        if supplied.task is not None:
            supplied.task.to_cancel.put_nowait(supplied.id)
            continue
        if supplied in call.function.waiting:
            call.function.waiting.remove(supplied)
        finish(asking.state, supplied, Result(status=Result.GENERIC_STATUS_TERMINATED))


def enqueue(state: State, supplied: Input, first: bool = False) -> None:
    function = supplied.call.function
    function.waiting.insert(0 if first else len(function.waiting), supplied)
    state.go_on(state.tell())
    scale(state, function)


def scale(state: State, function: Function) -> None:
    """As many containers as inputs wait, since each serves one."""
    idle = sum(1 for task in function.tasks if task.lives and not task.running and not task.served)
    for _ in range(len(function.waiting) - idle - function.starting):
        function.starting += 1
        state.go_on(_start(state, function))


async def _start(state: State, function: Function) -> None:
    name = state.new_id("ta")
    task = Task(name, function, state.root / "tasks" / name)
    state.tasks[name] = task
    try:
        await containers.start(state, task)
    finally:
        function.starting -= 1
    function.tasks.append(task)
    status = await containers.watch(task)
    on_exit(state, task, status)


def take(state: State, task: Task) -> Input | None:
    """The next input for this container; its time runs from now."""
    if not task.function.waiting or task.draining:
        return None
    result = task.function.waiting.pop(0)
    result.task, task.served = task, task.served + 1
    task.running[result.id] = result
    seconds = task.function.definition.timeout_secs
    result.timer = asyncio.get_running_loop().call_later(seconds, too_long, state, result) if seconds else None
    return result


def too_long(state: State, supplied: Input) -> None:
    """As if its container had let the time run out, for which it is killed."""
    task = supplied.task
    if task is not None and supplied.output is None:
        text = f"Task's current input hit its timeout of {task.function.definition.timeout_secs}s"
        supplied.retry = task.function.definition.retry_policy.retries
        failed(state, supplied, Result(status=Result.GENERIC_STATUS_TIMEOUT, exception=text))
        containers.tell(task, signal.SIGKILL)


def failed(state: State, supplied: Input, result: Any) -> None:
    """Again, as often as the function says; what was cancelled is not."""
    policy = supplied.call.function.definition.retry_policy
    _detach(supplied)
    if supplied.cancelled or supplied.retry >= policy.retries:
        finish(state, supplied, result)
        return
    delay = policy.initial_delay_ms / 1000 * max(policy.backoff_coefficient, 1.0) ** supplied.retry
    supplied.retry += 1
    asyncio.get_running_loop().call_later(delay, enqueue, state, supplied)


def finish(state: State, supplied: Input, result: Any, data_format: Any = 0) -> None:
    if supplied.output is not None:
        return
    _detach(supplied)
    supplied.output = api_pb2.FunctionGetOutputsItem(
        result=result, idx=0, input_id=supplied.id, data_format=data_format, retry_count=supplied.retry
    )
    state.go_on(state.tell())


def _detach(supplied: Input) -> None:
    if supplied.timer:
        supplied.timer.cancel()
    if supplied.task:
        supplied.task.running.pop(supplied.id, None)
    supplied.task = supplied.timer = None


def on_exit(state: State, task: Task, status: int) -> None:
    """What it was doing is done again if it was preempted, fails if it broke, and ends if it never came up."""
    task.function.tasks.remove(task)
    for volume in state.volumes.values():
        volume.drop(task.id)
    for supplied in list(task.running.values()):
        if task.preempted:
            _detach(supplied)
            enqueue(state, supplied, first=True)
        else:
            text = f"Runner failed with exit code: {status} ({task.why})"
            failed(state, supplied, Result(status=Result.GENERIC_STATUS_FAILURE, exception=text))
    if task.result is not None:
        for supplied in task.function.waiting[:]:
            finish(state, supplied, task.result)
        task.function.waiting.clear()
    scale(state, task.function)


ANSWERS = {
    "FunctionMap": spawn,
    "FunctionGetOutputs": outputs,
    "FunctionCallCancel": cancel,
}
