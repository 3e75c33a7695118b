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
        pipelined_inputs=[_told(given) for given in made],
        retry_policy=function.definition.retry_policy,
        sync_client_retries_enabled=True,
        max_inputs_outstanding=1000,
        function_call_jwt=DecodedJwt.encode_without_signature({"function_call_id": call.id}),
    )


def _put(state: State, call: Call, item: Any) -> Input:
    given = Input(state.new_id("in"), call, item)
    call.inputs[given.id] = state.inputs[given.id] = given
    enqueue(state, given)
    return given


def _told(given: Input) -> Any:
    claims = {"idx": 0, "input_id": given.id, "function_call_id": given.call.id, "retry_count": given.retry}
    token = DecodedJwt.encode_without_signature(claims)
    return api_pb2.FunctionPutInputsResponseItem(idx=0, input_id=given.id, input_jwt=token)


def _known(asking: Any, request: Any) -> Call:
    call = asking.state.calls.get(request.function_call_id)
    if call is None:
        raise GRPCError(Status.NOT_FOUND, f"No Function call with id {request.function_call_id}")
    return call  # type: ignore[no-any-return]


async def outputs(asking: Any, request: Any) -> Any:
    call = _known(asking, request)

    def ready() -> list[Any]:
        return [given.output for given in call.inputs.values() if given.output is not None and not call.expired]

    found = await asking.state.wait_for(lambda: ready() or call.expired, request.timeout)
    told = found if isinstance(found, list) else []
    return api_pb2.FunctionGetOutputsResponse(
        outputs=told, idxs=[0] * len(told), last_entry_id="1-0" if told else "", num_unfinished_inputs=call.unfinished
    )


def cancel(asking: Any, request: Any) -> None:
    """One that waits ends at once; one that runs is told through its container's next sign of life."""
    call = _known(asking, request)
    for given in call.inputs.values():
        if given.output is not None:
            continue
        given.cancelled = True
        if given.task is not None:
            given.task.to_cancel.put_nowait(given.id)
            continue
        if given in call.function.waiting:
            call.function.waiting.remove(given)
        finish(asking.state, given, Result(status=Result.GENERIC_STATUS_TERMINATED))


def enqueue(state: State, given: Input, first: bool = False) -> None:
    function = given.call.function
    function.waiting.insert(0 if first else len(function.waiting), given)
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
    given = task.function.waiting.pop(0)
    given.task, task.served = task, task.served + 1
    task.running[given.id] = given
    seconds = task.function.definition.timeout_secs
    given.timer = asyncio.get_running_loop().call_later(seconds, too_long, state, given) if seconds else None
    return given


def too_long(state: State, given: Input) -> None:
    """As if its container had let the time run out, for which it is killed."""
    task = given.task
    if task is not None and given.output is None:
        text = f"Task's current input hit its timeout of {task.function.definition.timeout_secs}s"
        given.retry = task.function.definition.retry_policy.retries
        failed(state, given, Result(status=Result.GENERIC_STATUS_TIMEOUT, exception=text))
        containers.tell(task, signal.SIGKILL)


def failed(state: State, given: Input, result: Any) -> None:
    """Again, as often as the function says; what was cancelled is not."""
    policy = given.call.function.definition.retry_policy
    _detach(given)
    if given.cancelled or given.retry >= policy.retries:
        finish(state, given, result)
        return
    delay = policy.initial_delay_ms / 1000 * max(policy.backoff_coefficient, 1.0) ** given.retry
    given.retry += 1
    asyncio.get_running_loop().call_later(delay, enqueue, state, given)


def finish(state: State, given: Input, result: Any, data_format: Any = 0) -> None:
    if given.output is not None:
        return
    _detach(given)
    given.output = api_pb2.FunctionGetOutputsItem(
        result=result, idx=0, input_id=given.id, data_format=data_format, retry_count=given.retry
    )
    state.go_on(state.tell())


def _detach(given: Input) -> None:
    if given.timer:
        given.timer.cancel()
    if given.task:
        given.task.running.pop(given.id, None)
    given.task = given.timer = None


def on_exit(state: State, task: Task, status: int) -> None:
    """What it was doing is done again if it was preempted, fails if it broke, and ends if it never came up."""
    task.function.tasks.remove(task)
    for volume in state.volumes.values():
        volume.drop(task.id)
    for given in list(task.running.values()):
        if task.preempted:
            _detach(given)
            enqueue(state, given, first=True)
        else:
            text = f"Runner failed with exit code: {status} ({task.why})"
            failed(state, given, Result(status=Result.GENERIC_STATUS_FAILURE, exception=text))
    if task.result is not None:
        for given in task.function.waiting[:]:
            finish(state, given, task.result)
        task.function.waiting.clear()
    scale(state, task.function)


ANSWERS = {
    "FunctionMap": spawn,
    "FunctionGetOutputs": outputs,
    "FunctionCallCancel": cancel,
}
