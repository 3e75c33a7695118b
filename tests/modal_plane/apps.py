"""The plane's apps, secrets and greetings. Knows no function's work."""

from typing import Any

from grpclib import GRPCError, Status
from modal_proto import api_pb2

from tests.modal_plane.state import App, State


def named(state: State, kind: str, request: Any, make: Any) -> str:
    """The id of the thing of that name; made where the request says so. Raises NOT_FOUND."""
    requested, key = request.object_creation_type, (kind, request.deployment_name)
    if requested in (api_pb2.OBJECT_CREATION_TYPE_EPHEMERAL, api_pb2.OBJECT_CREATION_TYPE_ANONYMOUS_OWNED_BY_APP):
        return str(make())
    if key not in state.names:
        if requested != api_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING:
            raise GRPCError(Status.NOT_FOUND, f"{kind} {request.deployment_name!r} not found")
        state.names[key] = make()
    return state.names[key]


def hello(asking: Any, request: Any) -> Any:
    return api_pb2.ClientHelloResponse()


def environment(asking: Any, request: Any) -> Any:
    settings = api_pb2.EnvironmentSettings(image_builder_version="2025.06")
    metadata = api_pb2.EnvironmentMetadata(name=request.deployment_name or "main", settings=settings)
    return api_pb2.EnvironmentGetOrCreateResponse(environment_id="en-main", metadata=metadata)


def app_by_name(asking: Any, request: Any) -> Any:
    return api_pb2.AppGetByDeploymentNameResponse(
        app_id=asking.state.deployed.get(request.name, ""), environment_name="main"
    )


def new_app(asking: Any, request: Any) -> Any:
    """It has a name, and can be found by it, once it is published."""
    made = App(asking.state.new_id("ap"), request.description)
    asking.state.apps[made.id] = made
    return api_pb2.AppCreateResponse(app_id=made.id, app_page_url=f"{asking.state.http}/apps/{made.id}")


def layout(state: State, app: App) -> Any:
    """What a container is told of the app that it belongs to."""
    matches = [
        api_pb2.Object(object_id=function, function_handle_metadata=state.functions[function].meta)
        for function in app.function_ids.values()
    ]
    return api_pb2.AppLayout(objects=matches, function_ids=app.function_ids)


def publish(asking: Any, request: Any) -> Any:
    app = asking.state.apps[request.app_id]
    app.function_ids, app.name = dict(request.function_ids), request.name or app.name
    asking.state.deployed[app.name] = app.id
    return api_pb2.AppPublishResponse(url=f"{asking.state.http}/apps/{request.app_id}")


def nothing(asking: Any, request: Any) -> None:
    """A sign of life, say."""


def secret(asking: Any, request: Any) -> Any:
    def make() -> str:
        made = asking.state.new_id("st")
        asking.state.secrets[made] = dict(request.env_dict)
        return str(made)

    matches = named(asking.state, "Secret", request, make)
    metadata = api_pb2.SecretMetadata(name=request.deployment_name)
    return api_pb2.SecretGetOrCreateResponse(secret_id=matches, metadata=metadata)


ANSWERS = {
    "ClientHello": hello,
    "EnvironmentGetOrCreate": environment,
    "AppGetByDeploymentName": app_by_name,
    "AppCreate": new_app,
    "AppPublish": publish,
    "AppHeartbeat": nothing,
    "AppClientDisconnect": nothing,
    "SecretGetOrCreate": secret,
}
