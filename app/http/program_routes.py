"""Routes for programs: training jobs and models, behind a token. Knows shapes and status codes, no rules."""

import hmac
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from app.background import ProjectServer
from app.http.activation import activate, activating, known_model
from app.http.acts import Act, ApiReply, ApiRequest, quiet
from app.http.job_requests import (
    MOST_BYTES,
    MOST_BYTES_OF_TEXTS,
    MOST_LINES,
    Malformed,
    Unknown,
    read_activation,
    read_body,
    read_order,
    read_predict_texts,
    read_suggest,
    read_whole,
)
from app.http.messages import Job, JobInFull, Jobs, Models, Progress, Suggestions
from app.http.openapi import document
from app.http.openapi_page import page
from app.http.pair_routes import PAIR_ACTS
from core.errors import BadInput, Cancelled, Refused, RondoError
from core.ids import JobId
from core.jobs.bundle import Bundle
from core.registry.models import model as show_model
from core.registry.models import models
from core.suggestions.suggest import require_asking
from core.suggestions.worth import language_model_worth
from core.training.entries import TrainingJob, list_training_jobs, read_training_job, summarise_metrics
from core.typed_json import finite, from_json, to_json


def api_routes(opened: Callable[[], ProjectServer], token: str) -> list[Route]:
    """All routes of `document`. The document itself needs no token."""

    async def described(_: Request) -> Response:
        return JSONResponse(document())

    async def shown(_: Request) -> Response:
        return HTMLResponse(page(document()))

    return [
        *(
            Route(path, _guarded(act, opened, token, LARGE.get(path, MOST_BYTES)), methods=[method])
            for (method, path), act in ACTS.items()
        ),
        Route("/api/openapi.json", described, methods=["GET"]),
        Route("/api/docs", shown, methods=["GET"]),
    ]


def _guarded(act: Act, opened: Callable[[], ProjectServer], token: str, most: int) -> Callable[[Request], Any]:
    """most: bytes of a body."""

    async def endpoint(request: Request) -> Response:
        if (refusal := _refusal(request, token)) is not None:
            return refusal
        try:
            sent = ApiRequest(request.path_params, request.query_params, await read_body(request, most))
            answer = await run_in_threadpool(act, opened(), sent)
        except RondoError as error:
            return JSONResponse({"error": str(error)}, _status(error))
        except ClientDisconnect:
            return Response(status_code=204)
        if answer.media:
            return Response(str(answer.details), answer.status, dict(answer.headers), answer.media)
        return JSONResponse(finite(to_json(answer.details)), answer.status, dict(answer.headers))

    return endpoint


def _refusal(request: Request, token: str) -> Response | None:
    """None where the right token was shown. Compared in constant time, and never written anywhere."""
    scheme, _, supplied = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and hmac.compare_digest(supplied.strip().encode("latin-1"), token.encode()):
        return None
    result = (
        "The token is wrong."
        if supplied
        else "Show the token: `Authorization: Bearer TOKEN`. GET /api/docs says where it is."
    )
    challenge = 'Bearer realm="rondo"' + (', error="invalid_token"' if supplied else "")
    return JSONResponse({"error": result}, 401, {"WWW-Authenticate": challenge})


def _status(error: RondoError) -> int:
    if isinstance(error, Unknown):
        return 404
    if isinstance(error, Malformed):
        return 400
    if isinstance(error, BadInput):
        return 422
    return 409 if isinstance(error, Refused | Cancelled) else 500


def _launch(server: ProjectServer, sent: ApiRequest) -> ApiReply:
    """Returns when the job was started, not when it has ended."""
    options = read_order(sent.body)
    started = server.run(server.begin_task("train"), quiet, user="api", **options, detach=True)
    return ApiReply(_brief(started), 202, {"Location": f"jobs/{started.id}"})


def _list_jobs(server: ProjectServer, sent: ApiRequest) -> ApiReply:
    return ApiReply(Jobs([_brief(job) for job in list_training_jobs(server.project).jobs]))


def _show_job(server: ProjectServer, sent: ApiRequest) -> ApiReply:
    lines = read_whole(sent.query, "lines", 200, MOST_LINES)
    job = _find_job(server, JobId(sent.path["id"]))
    log_lines = Bundle(server.project.folder / "jobs" / job.id).log(lines) if lines else []
    return ApiReply(JobInFull(**vars(_brief(job)), events=job.events, log=log_lines))


def _cancel(server: ProjectServer, sent: ApiRequest) -> ApiReply:
    job = _find_job(server, JobId(sent.path["id"])).id
    return ApiReply(_brief(server.run(server.begin_task("job_cancel"), quiet, user="api", job=job)), 202)


def _list_models(server: ProjectServer, sent: ApiRequest) -> ApiReply:
    going_on, error_message = activating(server), server.error_message  # before the models
    listed = models(server.project, quiet)
    newest = (listed.decider, listed.warnings)
    return ApiReply(Models(listed.champion, listed.models, going_on, error_message, *newest))


def _show_model(server: ProjectServer, sent: ApiRequest) -> ApiReply:
    return ApiReply(show_model(server.project, quiet, model=known_model(server, sent.path["id"])))


def _activate(server: ProjectServer, sent: ApiRequest) -> ApiReply:
    return activate(server, sent.path["id"], read_activation(sent.body), sent.query)


def _show_suggestions(server: ProjectServer, sent: ApiRequest) -> ApiReply:
    going_on = server.activities.get("suggest")
    progress = Progress(going_on.what, going_on.done, going_on.total) if going_on else None
    return ApiReply(Suggestions(progress, server.error_message, language_model_worth(server.project)))


def _suggest(server: ProjectServer, sent: ApiRequest) -> ApiReply:
    """Returns when it was started; what cannot be asked at all is refused at once."""
    options = read_suggest(sent.body)
    require_asking(server.project)
    server.start("suggest", user="api", **options)
    return replace(_show_suggestions(server, sent), status=202)


def _predict(server: ProjectServer, sent: ApiRequest) -> ApiReply:
    options = read_predict_texts(sent.body)
    return ApiReply(server.run(server.begin_task("predict_texts"), quiet, user="api", **options))


LARGE = {"/api/predict": MOST_BYTES_OF_TEXTS}
"""paths whose bodies may be longer than others"""

ACTS: dict[tuple[str, str], Act] = {
    ("POST", "/api/jobs"): _launch,
    ("GET", "/api/jobs"): _list_jobs,
    ("GET", "/api/jobs/{id}"): _show_job,
    ("DELETE", "/api/jobs/{id}"): _cancel,
    ("GET", "/api/models"): _list_models,
    ("GET", "/api/models/{id}"): _show_model,
    ("POST", "/api/models/{id}/activate"): _activate,
    ("POST", "/api/predict"): _predict,
    ("GET", "/api/suggestions"): _show_suggestions,
    ("POST", "/api/suggestions"): _suggest,
    **PAIR_ACTS,
}


def _brief(job: TrainingJob) -> Job:
    """A job's entry with the newest figures in place of all of them."""
    newest = job.events[-1] if job.events else {}
    figures = {name: value for name, value in newest.items() if name not in ("done", "total", "at")}
    summary = {
        **vars(job),
        "metrics": summarise_metrics(job.metrics),
        "resources": to_json(job.resources),
        "figures": figures,
    }
    return from_json(Job, summary, "A job")


def _find_job(server: ProjectServer, job: JobId) -> TrainingJob:
    try:
        return read_training_job(server.project, job)
    except BadInput as error:
        raise Unknown(str(error)) from None
