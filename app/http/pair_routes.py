"""Routes for programs about decided pairs: training data, tuning a hosted model, what became of it. Knows no rules."""

from app.background import ProjectServer
from app.http.activation import activate
from app.http.acts import Act, ApiReply, ApiRequest, quiet
from app.http.job_requests import Unknown, read_fine_tune, read_model_action, read_predict_pairs, read_whole
from app.http.messages import FineTuning
from core.errors import BadInput
from core.merges.merges import MOST as MOST_CLUSTERS
from core.merges.merges import merges
from core.training.hosted import HostedJob

CLUSTER_PAGE = (("start", 0, 10**9), ("most", 100, MOST_CLUSTERS))
"""option, default, most"""
MEDIA = {"openai_jsonl": "application/jsonl", "json": "application/json", "csv": "text/csv; charset=utf-8"}
YES_NO = {"true": True, "1": True, "false": False, "0": False}


def _training_data(server: ProjectServer, sent: ApiRequest) -> ApiReply:
    file_format, stats = sent.query.get("format", "openai_jsonl"), sent.query.get("stats", "false").lower()
    if stats not in YES_NO:
        raise BadInput(f"`stats` is {stats[:20]!r}, but it must be true or false.")
    result = server.run(
        server.begin_task("training_data"), quiet, user="api", file_format=file_format, statistics=YES_NO[stats]
    )
    name = "training-data." + {"openai_jsonl": "jsonl"}.get(file_format, file_format)
    disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
    return ApiReply(result.content, headers=disposition, media=MEDIA[file_format])


def _fine_tune(server: ProjectServer, sent: ApiRequest) -> ApiReply:
    """Returns when the job was started. Sending this is to agree to the price."""
    options = read_fine_tune(sent.body)
    estimate = server.run(server.begin_task("hosted_estimate"), quiet, user="api", **options)
    started = server.run(server.begin_task("hosted_tune"), quiet, user="api", **options, yes=True, detach=True)
    return ApiReply(FineTuning(started, estimate), 202, {"Location": f"fine-tune?job={started.id}"})


def _job(server: ProjectServer, sent: ApiRequest) -> ApiReply:
    job = sent.query.get("job", "")
    if not job:
        raise BadInput("`job` is missing: GET /api/pairs/fine-tune?job=ID. POST said the id.")
    try:
        result: HostedJob = server.run(server.begin_task("hosted_job"), quiet, user="api", job=job)
    except BadInput as error:
        raise Unknown(str(error)) from None
    return ApiReply(result)


def _models(server: ProjectServer, sent: ApiRequest) -> ApiReply:
    """As they were last known: nobody is asked."""
    return ApiReply(server.run(server.begin_task("hosted_models"), quiet, user="api", ask=False))


def _act_on_model(server: ProjectServer, sent: ApiRequest) -> ApiReply:
    """To activate is to agree to what asking the model about gold and audit pairs costs."""
    request = read_model_action(sent.body)
    if request.action == "deactivate":
        return ApiReply(server.run(server.begin_task("deactivate"), quiet, user="api", reason=request.reason))
    chosen = {name: getattr(request, name) for name in ("reason", "force", "budget")}
    options = {name: value for name, value in chosen.items() if value is not None}
    return activate(server, request.model or "", options, sent.query)


def _predict(server: ProjectServer, sent: ApiRequest) -> ApiReply:
    options = read_predict_pairs(sent.body)
    return ApiReply(server.run(server.begin_task("predict_pairs"), quiet, user="api", **options))


def _list_clusters(server: ProjectServer, sent: ApiRequest) -> ApiReply:
    options = {name: read_whole(sent.query, name, default, most) for name, default, most in CLUSTER_PAGE}
    held, cluster = read_whole(sent.query, "held", 0, 1), sent.query.get("cluster")
    return ApiReply(merges(server.project, quiet, held=bool(held), cluster=cluster, **options))


PAIR_ACTS: dict[tuple[str, str], Act] = {
    ("GET", "/api/pairs/training-data"): _training_data,
    ("POST", "/api/pairs/fine-tune"): _fine_tune,
    ("GET", "/api/pairs/fine-tune"): _job,
    ("GET", "/api/pairs/models"): _models,
    ("POST", "/api/pairs/models"): _act_on_model,
    ("POST", "/api/pairs/predict"): _predict,
    ("GET", "/api/pairs/clusters"): _list_clusters,
}
