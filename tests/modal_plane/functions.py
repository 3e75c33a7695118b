"""The plane's functions: made, found by name, varied with options. Runs none."""

from typing import Any

from grpclib import GRPCError, Status
from modal_proto import api_pb2

from tests.modal_plane.state import Function

OPTIONS = ("concurrency_limit", "timeout_secs", "task_idle_timeout_secs", "max_concurrent_inputs")


def _meta(function: str, app: str, source: Any) -> Any:
    return api_pb2.FunctionHandleMetadata(
        function_name=source.function_name,
        function_type=source.function_type,
        definition_id="de-" + function[3:],
        function_schema=source.function_schema,
        supported_input_formats=source.supported_input_formats,
        supported_output_formats=source.supported_output_formats,
        app_id=app,
    )


def _data(definition: Any) -> Any:
    data = api_pb2.FunctionData(function_name=definition.function_name, timeout_secs=definition.timeout_secs)
    data.ranked_functions.add(rank=0).function.CopyFrom(definition)
    return data


def precreate(asking: Any, request: Any) -> Any:
    made = request.existing_function_id or asking.state.new_id("fu")
    metadata = _meta(made, request.app_id, request)
    return api_pb2.FunctionPrecreateResponse(function_id=made, handle_metadata=metadata)


def create(asking: Any, request: Any) -> Any:
    if request.HasField("function_data"):
        raise GRPCError(Status.UNIMPLEMENTED, "the plane knows no list of GPUs to choose from")
    made = request.existing_function_id or asking.state.new_id("fu")
    function = Function(made, request.app_id, request.function, _meta(made, request.app_id, request.function))
    asking.state.functions[made] = function
    return api_pb2.FunctionCreateResponse(
        function_id=made,
        function=request.function,
        handle_metadata=function.meta,
        function_data=_data(request.function),
    )


def find(asking: Any, request: Any) -> Any:
    state = asking.state
    app = state.apps.get(state.deployed.get(request.app_name, ""))
    if app is None or request.object_tag not in app.function_ids:
        raise GRPCError(Status.NOT_FOUND, f"{request.object_tag!r} of app {request.app_name!r} not found")
    function = state.functions[app.function_ids[request.object_tag]]
    return api_pb2.FunctionGetResponse(
        function_id=function.id, handle_metadata=function.meta, function=_data(function.definition)
    )


def bind(asking: Any, request: Any) -> Any:
    """A variant with other options; the same options give the same one."""
    state, key = asking.state, ("Bound", request.SerializeToString(deterministic=True).hex())
    if key not in state.names:
        base = state.functions[request.function_id]
        made = Function(state.new_id("fu"), base.app_id, api_pb2.Function(), api_pb2.FunctionHandleMetadata())
        made.definition.CopyFrom(base.definition)
        _apply(made.definition, request.function_options)
        made.meta.CopyFrom(base.meta)
        made.meta.base_function_id = base.id
        state.functions[made.id], state.names[key] = made, made.id
    function = state.functions[state.names[key]]
    return api_pb2.FunctionBindParamsResponse(bound_function_id=function.id, handle_metadata=function.meta)


def _apply(definition: Any, options: Any) -> None:
    if options.HasField("resources"):
        definition.resources.MergeFrom(options.resources)
    if options.HasField("retry_policy"):
        definition.retry_policy.CopyFrom(options.retry_policy)
    for name in OPTIONS:
        if options.HasField(name):
            setattr(definition, name, getattr(options, name))
    if options.replace_secret_ids:
        definition.secret_ids[:] = list(options.secret_ids)
    if options.replace_volume_mounts:
        raise GRPCError(Status.UNIMPLEMENTED, "the plane mounts no other volumes than the function's own")


ANSWERS = {
    "FunctionPrecreate": precreate,
    "FunctionCreate": create,
    "FunctionGet": find,
    "FunctionBindParams": bind,
}
