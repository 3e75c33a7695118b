"""A Hugging Face Hub on this machine for the real client: repositories in memory, and no call that it does not know."""

import base64
import hashlib
import importlib
import json
import re
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

WRITER, READER = "hf_may_write_0123456789", "hf_may_read_0123456789"


@dataclass
class Repository:
    """One of the Hub's."""

    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    commits: list[dict[str, str]] = field(default_factory=list)

    @property
    def sha(self) -> str:
        """Of the newest commit."""
        return self.commits[-1]["oid"]


@dataclass
class Hub:
    """repositories: by (models or datasets, OWNER/NAME). unknown: calls that it does not implement. failures: part of a
    path to the status that calls there are answered with. heard: every request line, without headers."""

    url: str = ""
    repositories: dict[tuple[str, str], Repository] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    received: list[str] = field(default_factory=list)

    def add(self, repo: str, *, kind: str = "models", private: bool = True, **files: bytes) -> Repository:
        """A repository that is there already; `__` in a file's name stands for its dot."""
        made = Repository(private, {name.replace("__", "."): content for name, content in files.items()})
        made.commits.append({"oid": secrets.token_hex(20), "summary": "initial commit"})
        self.repositories[kind, repo] = made
        return made


class Answer(Exception):
    """A status and what goes with it."""

    def __init__(self, status: int, body: object = None) -> None:
        self.status, self.body = status, body


Call = Callable[[Hub, re.Match[str], bytes], object]


def _info(hub: Hub, path: re.Match[str], body: bytes) -> object:
    matches = _repository(hub, path)
    return {
        "id": path["repo"],
        "sha": matches.sha,
        "private": matches.private,
        "siblings": [{"rfilename": name} for name in matches.files],
    }


def _repository(hub: Hub, path: re.Match[str]) -> Repository:
    result = hub.repositories.get((path["kind"], path["repo"]))
    if result is None:
        raise Answer(404, {"error": "Repository not found"})
    return result


def _create(hub: Hub, path: re.Match[str], body: bytes) -> object:
    stored = json.loads(body)
    repo, kind = f"{stored['organization']}/{stored['name']}", f"{stored.get('type') or 'model'}s"
    if stored["organization"] != "me":
        raise Answer(403, {"error": f"You don't have the rights to create a {kind[:-1]} under this namespace"})
    hub.add(repo, kind=kind, private=stored.get("visibility") == "private" or bool(stored.get("private")))
    return {"url": f"{hub.url}/{repo}", "id": repo}


def _validate(hub: Hub, path: re.Match[str], body: bytes) -> object:
    yaml: Any = importlib.import_module("yaml")  # comes with the client, without types
    matches = re.match(r"---\n(.*?)\n---\n", json.loads(body)["content"], re.DOTALL)
    if matches is None or not isinstance(yaml.safe_load(matches[1]), dict):
        raise Answer(400, {"errors": [{"message": "no front matter"}], "warnings": []})
    return {"errors": [], "warnings": []}


def _preupload(hub: Hub, path: re.Match[str], body: bytes) -> object:
    _repository(hub, path)
    large = (".safetensors", ".parquet")
    return {
        "files": [
            {
                "path": one["path"],
                "uploadMode": "lfs" if one["path"].endswith(large) else "regular",
                "shouldIgnore": False,
            }
            for one in json.loads(body)["files"]
        ]
    }


def _batch(hub: Hub, path: re.Match[str], body: bytes) -> object:
    objects = []
    for one in json.loads(body)["objects"]:
        actions = {
            "upload": {"href": f"{hub.url}/blobs/{one['oid']}"},
            "verify": {"href": f"{hub.url}/verify/{one['oid']}"},
        }
        objects.append(one if one["oid"] in hub.blobs else {**one, "actions": actions})
    return {"transfer": "basic", "objects": objects}


def _blob(hub: Hub, path: re.Match[str], body: bytes) -> object:
    if hashlib.sha256(body).hexdigest() != path["oid"]:
        raise Answer(400, {"error": "not what was announced"})
    hub.blobs[path["oid"]] = body
    return {}


def _verify(hub: Hub, path: re.Match[str], body: bytes) -> object:
    if path["oid"] not in hub.blobs:
        raise Answer(404)
    return {}


def _commit(hub: Hub, path: re.Match[str], body: bytes) -> object:
    matches = _repository(hub, path)
    lines = [json.loads(line) for line in body.splitlines()]
    header, files = lines[0]["value"], dict(matches.files)
    if header.get("parentCommit", matches.sha) != matches.sha:
        raise Answer(412, {"error": "A commit has happened since. Please refresh and try again."})
    for line in lines[1:]:
        name, value = line["value"]["path"], line["value"]
        if line["key"] == "file":
            files[name] = base64.b64decode(value["content"])
        elif line["key"] == "lfsFile":
            files[name] = hub.blobs[value["oid"]]
        elif line["key"] == "deletedFile":
            del files[name]
        else:
            raise Answer(501)
    matches.files = files
    matches.commits.append({"oid": secrets.token_hex(20), "summary": header["summary"]})
    return {"commitUrl": f"{hub.url}/{path['repo']}/commit/{matches.sha}", "commitOid": matches.sha}


def _tree(hub: Hub, path: re.Match[str], body: bytes) -> object:
    files = _repository(hub, path).files
    return [
        {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
        for name, content in files.items()
    ]


def _resolve(hub: Hub, path: re.Match[str], body: bytes) -> object:
    stored = hub.repositories.get(("datasets", path["repo"]))
    if stored is None or path["file"] not in stored.files:
        raise Answer(404, {"error": "Entry not found"})
    return File(stored.files[path["file"]], stored.sha)


@dataclass(frozen=True)
class File:
    """What a call answers with that fetches one."""

    content: bytes
    commit: str


_NAME = r"(?P<repo>[\w.-]+/[\w.-]+)"
_API = rf"/api/(?P<kind>models|datasets)/{_NAME}"
CALLS: dict[tuple[str, str], Call] = {
    ("GET", _API): _info,
    ("GET", rf"{_API}/revision/\w+"): _info,
    ("GET", rf"{_API}/tree/\w+"): _tree,
    ("GET", rf"/datasets/{_NAME}/resolve/\w+/(?P<file>.+)"): _resolve,
    ("HEAD", rf"/datasets/{_NAME}/resolve/\w+/(?P<file>.+)"): _resolve,
    ("POST", "/api/repos/create"): _create,
    ("POST", "/api/validate-yaml"): _validate,
    ("POST", rf"{_API}/preupload/main"): _preupload,
    ("POST", rf"/(?:datasets/)?{_NAME}\.git/info/lfs/objects/batch"): _batch,
    ("PUT", r"/blobs/(?P<oid>\w+)"): _blob,
    ("POST", r"/verify/(?P<oid>\w+)"): _verify,
    ("POST", rf"{_API}/commit/main"): _commit,
}


def _answer(hub: Hub, request: BaseHTTPRequestHandler, body: bytes) -> object:
    path = request.path.split("?")[0]
    hub.received.append(f"{request.command} {request.path}")
    for part, status in hub.failures.items():
        if part in path:
            raise Answer(status, {"error": "so it was asked for"})
    for (method, pattern), call in CALLS.items():
        if request.command == method and (match := re.fullmatch(pattern, path)):
            if call is not _blob:  # storage elsewhere, by a signed address: the token must not go there
                _check_token(request.headers.get("authorization"), method, match)
            elif request.headers.get("authorization"):
                raise Answer(400, {"error": "the token was sent to the storage"})
            return call(hub, match, body)
    hub.unknown.append(f"{request.command} {request.path}")
    raise Answer(501)


def _check_token(supplied: str | None, method: str, matches: re.Match[str]) -> None:
    if supplied not in (f"Bearer {WRITER}", f"Bearer {READER}"):
        raise Answer(401, {"error": "Invalid username or password."})
    if supplied == f"Bearer {READER}" and method == "POST" and "validate" not in matches.string:
        raise Answer(403, {"error": "Forbidden: this token has read access only"})


@pytest.fixture
def hub() -> Iterator[Hub]:
    """Running, empty; at the end it must not have met a call that it does not know."""
    matches = Hub()

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            body = self._body()
            try:
                status, told = 200, _answer(matches, self, body)
            except Answer as answer:
                status, told = answer.status, answer.body
            sent = told.content if isinstance(told, File) else json.dumps(told).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            if isinstance(told, File):
                self.send_header("etag", f'"{hashlib.sha256(sent).hexdigest()}"')
                self.send_header("x-repo-commit", told.commit)
            if status == 404:
                self.send_header("x-error-code", "RepoNotFound")
            self.send_header("content-length", str(len(sent)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(sent)

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _any

        def _body(self) -> bytes:
            if self.headers.get("transfer-encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("content-length") or 0))
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def log_message(self, *told: Any) -> None:
            """Into `heard` instead."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    matches.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield matches
    server.shutdown()
    server.server_close()
    assert matches.unknown == []
