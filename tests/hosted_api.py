"""A provider on this machine for the real client: files, fine-tuning jobs, models and chats, as OpenAI's API has them.

A `Fault` says what goes wrong. Together's and Fireworks' forms are spoken, too, as their references have them.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

TOKEN = "sk-a-token-of-the-tests-0123456789"
Fields = dict[str, Any]
STEPS = ("validating_files", "queued", "running", "succeeded")


@dataclass(frozen=True)
class Fault:
    """What a request meets in place of its answer. body: JSON, or bytes as they are. hang: no answer at all.

    after: the request is carried out, and only its answer is lost.
    """

    status: int = 500
    body: object = field(default_factory=lambda: {"error": {"message": "it was asked for", "code": None}})
    headers: Mapping[str, str] = field(default_factory=dict)
    hang: bool = False
    after: bool = False


@dataclass
class HostedApi:
    """faults: part of a request line -> those that the next such requests meet, in turn. steps: the statuses that a job
    goes through, one a look; the last one stays. answer: of every chat, where `answers` has none for its model and the
    last message. looks: so far, by job.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    uploads: list[bytes] = field(default_factory=list)
    jobs: dict[str, Fields] = field(default_factory=dict)
    looks: dict[str, int] = field(default_factory=dict)
    steps: tuple[str, ...] = STEPS
    error: str = ""
    shutdown: str | None = None
    models: set[str] = field(default_factory=set)
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    received: list[str] = field(default_factory=list)
    bodies: list[Fields] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    answer: str = '{"same": true}'
    answers: dict[str, dict[str, str]] = field(default_factory=dict)
    logprobs: bool = True
    most_at_once: int = 0
    at_once: int = 0
    released: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, request: str) -> int:
        """How many requests there were whose line holds this."""
        return sum(request in line for line in self.received)


class Reply(Exception):
    """A refusal: its status and message."""

    def __init__(self, status: int, message: str) -> None:
        self.status, self.body = status, {"error": {"message": message, "code": None}}


Call = Callable[[HostedApi, re.Match[str], bytes], object]


def _upload(api: HostedApi, path: re.Match[str], body: bytes) -> object:
    file = f"file-{len(api.uploads) + 1}"
    content = re.search(rb'filename="[^"]+"\r\n(?:[^\r]+\r\n)*\r\n(.*?)\r\n--', body, re.DOTALL)
    if content is None or b"fine-tune" not in body:
        raise Reply(400, "a file and its purpose are needed")
    api.files[file] = content[1]
    api.uploads.append(content[1])
    return {"id": file, "object": "file", "bytes": len(content[1]), "filename": "train.jsonl", "purpose": "fine-tune"}


def _create(api: HostedApi, path: re.Match[str], body: bytes) -> object:
    order = json.loads(body)
    if order["training_file"] not in api.files:
        raise Reply(400, f"invalid training_file: {order['training_file']}")
    if order["model"] == "no-such-model":
        raise Reply(400, "model `no-such-model` does not exist")
    api.bodies.append(order)
    return _job(api, _new_job(api, order["model"], order["training_file"]))


def _new_job(api: HostedApi, model: str, file: str) -> str:
    job = f"ftjob-{len(api.jobs) + 1}"
    api.jobs[job] = {"id": job, "model": model, "training_file": file, "cancelled": False}
    api.looks[job] = 0
    return job


def _status(api: HostedApi, job: str) -> str:
    return "cancelled" if api.jobs[job]["cancelled"] else api.steps[min(api.looks[job], len(api.steps) - 1)]


def _job(api: HostedApi, job: str) -> Fields:
    status, stored = _status(api, job), api.jobs[job]
    model = f"ft:{stored['model']}:rondo::{job}" if status == "succeeded" else None
    return {
        "id": job,
        "object": "fine_tuning.job",
        "model": stored["model"],
        "training_file": stored["training_file"],
        "status": status,
        "fine_tuned_model": model,
        "trained_tokens": 1234 if model else None,
        "error": {"code": "bad", "message": api.error} if status == "failed" else None,
    }


def _retrieve(api: HostedApi, path: re.Match[str], body: bytes) -> object:
    if path["job"] not in api.jobs:
        raise Reply(404, "no such job")
    described = _job(api, path["job"])
    api.looks[path["job"]] += 1
    api.models |= {described["fine_tuned_model"]} - {None}
    return described


def _cancel(api: HostedApi, path: re.Match[str], body: bytes) -> object:
    api.jobs[path["job"]]["cancelled"] = True
    return _job(api, path["job"])


def _list(api: HostedApi, path: re.Match[str], body: bytes) -> object:
    return {"object": "list", "data": [_job(api, job) for job in reversed(api.jobs)], "has_more": False}


def _delete(api: HostedApi, path: re.Match[str], body: bytes) -> object:
    if api.files.pop(path["file"], None) is None:
        raise Reply(404, "no such file")
    return {"id": path["file"], "deleted": True}


def _model(api: HostedApi, path: re.Match[str], body: bytes) -> object:
    if path["model"] not in api.models:
        raise Reply(404, "no such model")
    return {"id": path["model"], "object": "model", "owned_by": "us", "shutdown_date": api.shutdown}


def _chat(api: HostedApi, path: re.Match[str], body: bytes) -> object:
    request = json.loads(body)
    api.bodies.append(request)
    if request.get("logprobs") and not api.logprobs:
        raise Reply(400, "logprobs are not supported with this model")
    answer = api.answers.get(request["model"], {}).get(request["messages"][-1]["content"], api.answer)
    choice: Fields = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": answer}}
    if request.get("logprobs"):
        word = "true" if "true" in answer else "false"
        top = [{"token": " true", "logprob": -0.1}, {"token": " false", "logprob": -2.35}]
        content = [
            {"token": '{"same":', "logprob": 0.0, "top_logprobs": []},
            {"token": f" {word}", "logprob": -0.1 if word == "true" else -2.35, "top_logprobs": top},
        ]
        choice["logprobs"] = {"content": content}
    return {"id": "chat-1", "object": "chat.completion", "model": request["model"], "choices": [choice]}


TOGETHER = {"validating_files": "pending", "succeeded": "completed", "failed": "error"}


def _together(described: Fields) -> Fields:
    status = described["status"]
    events = [{"message": described["error"]["message"]}] if described["error"] else []
    named = {"model_output_name": described["fine_tuned_model"], "token_count": described["trained_tokens"]}
    return {**described, **named, "status": TOGETHER.get(status, status), "events": events}


def _in_together(act: Call) -> Call:
    def call(api: HostedApi, path: re.Match[str], body: bytes) -> object:
        described: Any = act(api, path, body)
        return {"data": [_together(one) for one in described["data"]]} if "data" in described else _together(described)

    return call


FIREWORKS = {
    **{"validating_files": "JOB_STATE_VALIDATING", "queued": "JOB_STATE_PENDING", "running": "JOB_STATE_RUNNING"},
    **{"succeeded": "JOB_STATE_COMPLETED", "failed": "JOB_STATE_FAILED", "cancelled": "JOB_STATE_CANCELLED"},
}


def _fireworks(described: Fields) -> Fields:
    return {
        "name": f"accounts/me/supervisedFineTuningJobs/{described['id']}",
        "state": FIREWORKS[described["status"]],
        "status": {"code": "OK", "message": (described["error"] or {}).get("message", "")},
        "outputModel": described["fine_tuned_model"],
        "baseModel": described["model"],
        "dataset": f"accounts/me/datasets/{described['training_file']}",
    }


def _in_fireworks(act: Call) -> Call:
    def call(api: HostedApi, path: re.Match[str], body: bytes) -> object:
        described: Any = act(api, path, body)
        if "data" in described:
            return {"supervisedFineTuningJobs": [_fireworks(one) for one in described["data"]]}
        return _fireworks(described)

    return call


def _dataset(api: HostedApi, path: re.Match[str], body: bytes) -> object:
    api.files[json.loads(body)["datasetId"]] = b""
    return {"name": "accounts/me/datasets/x"}


def _fill_dataset(api: HostedApi, path: re.Match[str], body: bytes) -> object:
    if api.files.get(path["file"]) != b"":
        raise Reply(404, "no such dataset")
    api.files[path["file"]] = body
    return {}


def _fireworks_create(api: HostedApi, path: re.Match[str], body: bytes) -> object:
    order = json.loads(body)
    return _job(api, _new_job(api, order["baseModel"], order["dataset"].rpartition("/")[2]))


def _fireworks_cancel(api: HostedApi, path: re.Match[str], body: bytes) -> object:
    api.jobs[path["job"]]["cancelled"] = True
    return {}


_JOBS, _TOGETHER, _ACCOUNT = "/v1/fine_tuning/jobs", "/v1/fine-tunes", "/v1/accounts/me"
_FIREWORKS = f"{_ACCOUNT}/supervisedFineTuningJobs"
CALLS: dict[tuple[str, str], Call] = {
    ("POST", "/v1/files"): _upload,
    ("POST", "/v1/files/upload"): _upload,
    ("DELETE", "/v1/files/(?P<file>[^/]+)"): _delete,
    ("POST", _JOBS): _create,
    ("GET", _JOBS): _list,
    ("GET", f"{_JOBS}/(?P<job>[^/]+)"): _retrieve,
    ("POST", f"{_JOBS}/(?P<job>[^/]+)/cancel"): _cancel,
    ("POST", _TOGETHER): _in_together(_create),
    ("GET", _TOGETHER): _in_together(_list),
    ("GET", f"{_TOGETHER}/(?P<job>[^/]+)"): _in_together(_retrieve),
    ("POST", f"{_TOGETHER}/(?P<job>[^/]+)/cancel"): _in_together(_cancel),
    ("POST", f"{_ACCOUNT}/datasets"): _dataset,
    ("POST", f"{_ACCOUNT}/datasets/(?P<file>[^/]+):upload"): _fill_dataset,
    ("DELETE", f"{_ACCOUNT}/datasets/(?P<file>[^/]+)"): _delete,
    ("POST", _FIREWORKS): _in_fireworks(_fireworks_create),
    ("GET", _FIREWORKS): _in_fireworks(_list),
    ("GET", f"{_FIREWORKS}/(?P<job>[^/:]+)"): _in_fireworks(_retrieve),
    ("POST", f"{_FIREWORKS}/(?P<job>[^/]+):cancel"): _fireworks_cancel,
    ("GET", "/v1/models/(?P<model>.+)"): _model,
    ("POST", "/v1/chat/completions"): _chat,
}


def _act(api: HostedApi, line: str, path: str, body: bytes) -> object:
    method = line.partition(" ")[0]
    for (known, pattern), call in CALLS.items():
        if method == known and (match := re.fullmatch(pattern, path)):
            with api.lock:
                return call(api, match, body)
    api.unknown.append(line)
    raise Reply(501, "unknown")


def _fault(api: HostedApi, line: str) -> Fault | None:
    with api.lock:
        api.received.append(line)
        waiting = next((faults for part, faults in api.faults.items() if part in line and faults), None)
        return waiting.pop(0) if waiting else None


def _reply(api: HostedApi, line: str, path: str, token: str, body: bytes) -> tuple[int, object, Mapping[str, str]]:
    fault = _fault(api, line)
    if fault is not None and fault.hang:
        if fault.after:
            _act(api, line, path, body)
        api.released.wait(30)
    elif fault is not None:
        if fault.after:
            _act(api, line, path, body)
        return fault.status, fault.body, fault.headers
    if token != f"Bearer {TOKEN}":
        return 401, {"error": {"message": f"Incorrect API key provided: {token[7:]}", "code": "invalid_api_key"}}, {}
    try:
        return 200, _act(api, line, path, body), {}
    except Reply as reply:
        return reply.status, reply.body, {}


@pytest.fixture
def hosted_api() -> Iterator[HostedApi]:
    """Running; at the end it must not have met a call that it does not know."""
    api = HostedApi()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            body, path = self._body(), self.path.split("?")[0]
            with api.lock:
                api.at_once += 1
                api.most_at_once = max(api.most_at_once, api.at_once)
            line = f"{self.command} {self.path}"
            status, value, headers = _reply(api, line, path, self.headers.get("authorization", ""), body)
            with api.lock:
                api.at_once -= 1
            content = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            for name, header in {"content-type": "application/json", **headers}.items():
                self.send_header(name, header)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = _any

        def _body(self) -> bytes:
            if self.headers.get("transfer-encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("content-length") or 0))
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def log_message(self, *words: Any) -> None:
            """Into `received` instead."""

        def handle(self) -> None:
            try:
                super().handle()
            except (ConnectionError, BrokenPipeError):
                """The client gave up waiting: that is what some tests are about."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api.url = f"http://127.0.0.1:{server.server_port}/v1"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield api
    api.released.set()
    server.shutdown()
    server.server_close()
    assert api.unknown == []
