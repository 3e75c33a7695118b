"""What the routes for programs are, as an OpenAPI 3.1 document. Knows no request and no project."""

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from app.http.job_requests import MOST_LINES, MOST_SECONDS
from core.jobs.states import ENDED, UNDER_WAY
from core.training.trainers import TRAINERS
from gpu_jobs.runners.choice import RUNNERS

Value = dict[str, Any]

ABOUT = (
    "Training jobs and models of the project that this server has open. Every route but GET /api/openapi.json and "
    "GET /api/docs needs the token: `Authorization: Bearer TOKEN`. It stands in the file `.rondo/api-token` of the "
    "project's folder, or is what the variable RONDO_API_TOKEN held when the server was started."
)
TEXT, WHOLE, NUMBER, FLAG = {"type": "string"}, {"type": "integer"}, {"type": "number"}, {"type": "boolean"}
STATES = [*UNDER_WAY, *ENDED, "lost"]
REFUSALS = {
    "400": "The body is not a JSON object, is too long, or holds text that UTF-8 cannot.",
    "401": "The token is missing or wrong.",
    "404": "There is nothing of this id.",
    "409": "It is understood but cannot be done now; the sentence says what to do.",
    "422": "A value cannot be used; the sentence names it.",
}


def document() -> Value:
    """The whole of it, ready for JSON."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Rondo", "version": _version(), "description": ABOUT},
        "servers": [{"url": ".."}],
        "security": [{"token": []}],
        "paths": _paths(),
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(),
        },
    }


def _version() -> str:
    try:
        return version("rondo")
    except PackageNotFoundError:
        return "0"


def _paths() -> Value:
    job, model = _in_path("id", "The job's id."), _in_path("id", "The model's id, its unique end, or `champion`.")
    lines = _in_query("lines", "Lines of the log, from its end.", 200, MOST_LINES)
    wait = _in_query("wait", "Seconds to wait before 202 is the answer.", 10, MOST_SECONDS)
    started, activated = (
        "The job, handed over. Ask for it again to see how it fares.",
        "It is in use; what the gate saw.",
    )
    return {
        "/api/jobs": {
            "post": _sends(_route("Start a training job", started, "Job", "202 409 422"), "Order"),
            "get": _route("List training jobs", "The newest 100, newest first.", "Jobs", "200"),
        },
        "/api/jobs/{id}": {
            "parameters": [job],
            "get": _route("See a job: state, progress, figures, log", "The job.", "JobInFull", "200 404 422")
            | {"parameters": [lines]},
            "delete": _route("Cancel a job", "The job. It may take a moment to stop.", "Job", "202 404 409"),
        },
        "/api/models": {"get": _route("List models", "All of them, newest first.", "Models", "200")},
        "/api/models/{id}": {
            "parameters": [model],
            "get": _route("See a model: metrics, lineage, files", "The model.", "Model", "200 404"),
        },
        "/api/models/{id}/activate": {
            "parameters": [model],
            "post": _with_later(
                _sends(_route("Put a model into use", activated, "Activated", "200 404 409 422"), "Activation")
            )
            | {"parameters": [wait]},
        },
        "/api/openapi.json": {"get": _open("This document", "application/json")},
        "/api/docs": {"get": _open("This document, to be read", "text/html")},
    }


def _route(summary: str, result: str, schema: str, statuses: str) -> Value:
    """statuses: of success first, then those that are refusals, besides the ones that every route may give."""
    good, *bad = statuses.split()
    answers = {good: {"description": result, "content": _json(schema)}}
    for status in ("400", "401", *bad):
        answers[status] = {"description": REFUSALS[status], "content": _json("Error")}
    return {"summary": summary, "responses": answers}


def _sends(route: Value, schema: str) -> Value:
    return {**route, "requestBody": {"required": schema == "Order", "content": _json(schema)}}


def _with_later(route: Value) -> Value:
    """Activating all records of a large project takes longer than anybody waits."""
    why = "The gate has not said no, and the work goes on. GET /api/models says when `activating` is over."
    later = {"202": {"description": why, "content": _json("Activating")}}
    return {**route, "responses": {"200": route["responses"]["200"], **later, **route["responses"]}}


def _open(summary: str, kind: str) -> Value:
    return {
        "summary": summary,
        "security": [],
        "responses": {"200": {"description": summary + ".", "content": {kind: {"schema": {}}}}},
    }


def _json(schema: str) -> Value:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def _in_path(name: str, description: str) -> Value:
    return {"name": name, "in": "path", "required": True, "description": description, "schema": TEXT}


def _in_query(name: str, description: str, default: int, most: int) -> Value:
    schema = {"type": "integer", "minimum": 0, "maximum": most, "default": default}
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _object(properties: Value, *required: str, **more: Any) -> Value:
    return {"type": "object", "properties": properties, "required": list(required), **more}


def _said(schema: Value, description: str) -> Value:
    return {**schema, "description": description}


def _maybe(schema: Value, description: str) -> Value:
    return {"type": [schema["type"], "null"], "description": description}


def _list(schema: Value) -> Value:
    return {"type": "array", "items": schema}


def _schemas() -> Value:
    job, model, anything = _job(), _model(), {"type": "object"}
    progress = _object({"what": TEXT, "done": WHOLE, "total": WHOLE}, "what", "done", "total")
    in_full = {"events": _said(_list(anything), "Figures over time."), "log": _said(_list(TEXT), "Its last lines.")}
    return {
        "Error": _object({"error": _said(TEXT, "What was wrong and what to do, in a sentence or two.")}, "error"),
        "Order": _order(),
        "Job": _object(job, *job),
        "JobInFull": _object(job | in_full, *job, *in_full),
        "Jobs": _object({"jobs": _list({"$ref": "#/components/schemas/Job"})}, "jobs"),
        "Model": _object(model, "id", "state", "metrics"),
        "Models": _object(
            {
                "champion": _maybe(TEXT, "The model in use."),
                "models": _list({"$ref": "#/components/schemas/Model"}),
                "activating": {"oneOf": [progress, {"type": "null"}], "description": "How far the one under way is."},
                "trouble": _maybe(TEXT, "What the last work in the background ended with, if not well."),
            },
            *("champion", "models", "activating", "trouble"),
        ),
        "Activation": _object(
            {
                "reason": _said(TEXT, "Why, for the log; needed with `force`."),
                "force": _said({**FLAG, "default": False}, "Although the gate says no."),
            },
            additionalProperties=False,
        ),
        "Activated": _object(
            {"promoted": FLAG, "model": TEXT, "sentence": TEXT, "gate": anything}, "promoted", "model"
        ),
        "Activating": _object({"promoted": FLAG, "model": TEXT}, "promoted", "model"),
    }


def _order() -> Value:
    return _object(
        {
            "trainer": {"type": "string", "enum": [*TRAINERS, "grid"], "description": "How the model comes about."},
            "on": {"type": "string", "enum": [*RUNNERS], "default": "local", "description": "Where it runs."},
            "gpu": _said(TEXT, "The kind of GPU, where one is rented; `L4:2` is two of them. Default: settings."),
            "seed": _said(WHOLE, "Default: settings."),
            "note": _said(TEXT, "For people."),
            "set": _said({"type": "object"}, "Parameters of the trainer; the table of trainers has them."),
        },
        "trainer",
        additionalProperties=False,
        example={"trainer": "setfit", "on": "local", "set": {"epochs": 3, "loss": "contrastive"}},
    )


def _job() -> Value:
    return {
        "id": TEXT,
        "trainer": TEXT,
        "runner": _said(TEXT, "Where it runs."),
        "state": {"type": "string", "enum": STATES, "description": "`lost` is not `failed`: it may come back."},
        "made_at": _said(TEXT, "Times are UTC."),
        "started_at": _maybe(TEXT, "When it was handed over."),
        "ended_at": _maybe(TEXT, "When it ended."),
        "done": _said(WHOLE, "Steps done."),
        "total": _said(WHOLE, "Steps in all; 0: not known yet."),
        "figures": _said({"type": "object"}, "The newest, as loss. Empty in the list; GET /api/jobs/{id} has them."),
        "message": _said(TEXT, "Why it stands so, and what to do; or empty."),
        "model": _maybe(TEXT, "The id of what came out."),
        "metrics": _said({"type": "object"}, "By gold and by audit, each with its interval."),
    }


def _model() -> Value:
    return {
        "id": TEXT,
        "made_at": TEXT,
        "trainer": _maybe(TEXT, "null: a round's head."),
        "state": _said(TEXT, "champion, challenger, former, outdated, evaluate-only, removed or missing."),
        "encoder": TEXT,
        "labels": _said(WHOLE, "Labels that it learnt from."),
        "metrics": _said({"type": "object"}, "By gold and by audit, each with its interval."),
    }
