"""What the routes for programs are, as an OpenAPI 3.1 document. Knows no request and no project."""

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from app.http.job_requests import MOST_LINES, MOST_SECONDS
from app.http.messages import (
    Activating,
    Activation,
    Error,
    FineTune,
    FineTuning,
    Job,
    JobInFull,
    Jobs,
    ModelAction,
    Models,
    Order,
    PredictPairs,
    PredictTexts,
    Suggest,
    Suggestions,
    TrainingExamples,
)
from core.hosted.training_data import FORMATS
from core.merges.merges import MOST as MOST_CLUSTERS
from core.merges.merges import MergeList
from core.pairs.predict import PairPredictions
from core.registry.activation import Activated
from core.registry.hosted_promotion import Deactivated
from core.registry.models import ModelDetail
from core.registry.text_prediction_job import TextPredictions
from core.training.hosted import HostedJob, HostedModels

Value = dict[str, Any]

ABOUT = (
    "Training jobs, models and what they predict, decided pairs and clusters of the project that this server has open. "
    "Every route but GET /api/openapi.json and GET /api/docs needs the token: `Authorization: Bearer TOKEN`. It stands "
    "in the file `.rondo/api-token` of the project's folder, or is what the variable RONDO_API_TOKEN held when the "
    "server was started."
)
REFUSALS = {
    "400": "The body is not a JSON object, is too long, or holds text that UTF-8 cannot.",
    "401": "The token is missing or wrong.",
    "404": "There is nothing of this id.",
    "409": "It is understood but cannot be done now; the sentence says what to do.",
    "422": "A value cannot be used; the sentence names it.",
}


def document() -> Value:
    """The whole of it, ready for JSON."""
    sent: list[type] = [Order, Activation, ModelAction, FineTune, PredictPairs, PredictTexts, Suggest]
    answers: list[type] = [Error, Job, JobInFull, Jobs, Models, Activating, ModelDetail, Activated, Deactivated]
    answers += [FineTuning, HostedJob, HostedModels, MergeList, PairPredictions, TrainingExamples, Suggestions]
    answers += [TextPredictions]
    adapters: list[tuple[str, JsonSchemaMode, TypeAdapter[Any]]] = [
        *((kind.__name__, "validation", TypeAdapter(kind)) for kind in sent),
        *((kind.__name__, "serialization", TypeAdapter(kind)) for kind in answers),
    ]
    _, schemas = TypeAdapter.json_schemas(adapters, ref_template="#/components/schemas/{model}")
    return {
        "openapi": "3.1.0",
        "info": {"title": "Rondo", "version": _version(), "description": ABOUT},
        "servers": [{"url": ".."}],
        "security": [{"token": []}],
        "paths": _paths(),
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": schemas["$defs"],
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
            "get": _route("See a model: metrics, lineage, files", "The model.", "ModelDetail", "200 404"),
        },
        "/api/models/{id}/activate": {
            "parameters": [model],
            "post": _with_later(
                _sends(_route("Put a model into use", activated, "Activated", "200 404 409 422"), "Activation")
            )
            | {"parameters": [_wait()]},
        },
        "/api/suggestions": {
            "get": _route("See what the language model is worth", "As measured so far.", "Suggestions", "200"),
            "post": _sends(
                _route("Have the language model suggest labels", "It goes on.", "Suggestions", "202 409 422"), "Suggest"
            ),
        },
        "/api/predict": {
            "post": _sends(
                _route("Predict the labels of texts", "In their order.", "TextPredictions", "200 409 422"),
                "PredictTexts",
            ),
        },
        **_pair_paths(),
        "/api/pairs/clusters": {
            "get": _route(
                "List clusters of records that are the same", "The doubtful ones first.", "MergeList", "200 409 422"
            )
            | {
                "parameters": [
                    _in_query("start", "Clusters to pass over.", 0, 10**9),
                    _in_query("most", "Clusters in the answer.", 100, MOST_CLUSTERS),
                    _in_query("held", "1: only those that a held merge would join.", 0, 1),
                    {**_in_path("cluster", "Only the cluster of this record."), "in": "query", "required": False},
                ]
            },
        },
        "/api/openapi.json": {"get": _open("This document", "application/json")},
        "/api/docs": {"get": _open("This document, to be read", "text/html")},
    }


def _pair_paths() -> Value:
    stats = _in_query_choice("stats", "Whether `json` has the counts.", "false", ["true", "false"])
    form = _in_query_choice("format", "Form of the file.", FORMATS[0], list(FORMATS))
    job = {**_in_path("job", "The job's id, ours or the provider's."), "in": "query"}
    data = _route("Download decided pairs as training data", "The file.", "TrainingExamples", "200 409 422")
    others = {media: {"schema": {"type": "string"}} for media in ("application/jsonl", "text/csv")}
    data["responses"]["200"]["content"].update(others)
    started = "The job, handed over, and its likely price. Ask for it again to see how it fares."
    return {
        "/api/pairs/training-data": {"get": data | {"parameters": [form, stats]}},
        "/api/pairs/fine-tune": {
            "post": _sends(
                _route("Tune a hosted model on decided pairs", started, "FineTuning", "202 409 422"), "FineTune"
            ),
            "get": _route("See a tuning job, here and at the provider", "The job.", "HostedJob", "200 404 422")
            | {"parameters": [job]},
        },
        "/api/pairs/predict": {
            "post": _sends(
                _route("Say of pairs whether they are the same", "In their order.", "PairPredictions", "200 409 422"),
                "PredictPairs",
            ),
        },
        "/api/pairs/models": {
            "get": _route("List tuned models, as last known", "Newest first.", "HostedModels", "200"),
            "post": _with_later(_sends(_act_on_model(), "ModelAction")) | {"parameters": [_wait()]},
        },
    }


def _act_on_model() -> Value:
    """What activating answers, or deactivating."""
    summary = "Let a hosted model answer programs, or no more"
    route = _route(summary, "Who decides now, and what the gate saw.", "Activated", "200 404 409 422")
    kinds = [{"$ref": f"#/components/schemas/{name}"} for name in ("Activated", "Deactivated")]
    route["responses"]["200"]["content"] = {"application/json": {"schema": {"anyOf": kinds}}}
    return route


def _wait() -> Value:
    return _in_query("wait", "Seconds to wait before 202 is the answer.", 10, MOST_SECONDS)


def _route(summary: str, result: str, schema: str, statuses: str) -> Value:
    """statuses: of success first, then those that are refusals, besides the ones that every route may give."""
    good, *bad = statuses.split()
    answers = {good: {"description": result, "content": _json(schema)}}
    for status in ("400", "401", *bad):
        answers[status] = {"description": REFUSALS[status], "content": _json("Error")}
    return {"summary": summary, "responses": answers}


def _sends(route: Value, schema: str) -> Value:
    return {**route, "requestBody": {"required": schema != "Activation", "content": _json(schema)}}


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
    return {"name": name, "in": "path", "required": True, "description": description, "schema": {"type": "string"}}


def _in_query(name: str, description: str, default: int, most: int) -> Value:
    schema = {"type": "integer", "minimum": 0, "maximum": most, "default": default}
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _in_query_choice(name: str, description: str, default: str, choices: list[str]) -> Value:
    schema = {"type": "string", "enum": choices, "default": default}
    return {"name": name, "in": "query", "description": description, "schema": schema}
