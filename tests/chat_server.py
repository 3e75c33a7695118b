"""A server on this machine that speaks OpenAI's chats, for the real client: vLLM, llama.cpp, Ollama, as they behave."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.hosted_api import Fault

Fields = dict[str, Any]


def example(schema: Any) -> object:
    """The smallest value that fits a simple schema."""
    if "const" in schema or "enum" in schema:
        return schema.get("const", (schema.get("enum") or [None])[0])
    if "anyOf" in schema:
        return example(schema["anyOf"][0])
    kind = schema.get("type", "object")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return {name: example(part) for name, part in schema.get("properties", {}).items()}
    simple: Fields = {"array": [], "string": "a", "integer": schema.get("minimum", 0), "number": 0.5, "boolean": True}
    return simple.get(kind)


@dataclass
class ChatServer:
    """forms: kinds of response_format that it takes; ignores: those that it takes and does not hold to. answer: of a
    request, None for what fits its schema. faults: that the next requests meet, in turn. context: tokens of a prompt
    that it reads, without a word about the rest. refuses: parameters that it will not have.
    """

    url: str = ""
    forms: tuple[str, ...] = ("json_schema", "json_object")
    ignores: tuple[str, ...] = ()
    answer: Callable[[Fields], str | None] | None = None
    faults: list[Fault] = field(default_factory=list)
    finish: str = "stop"
    refusal: str | None = None
    usage: bool = True
    logprobs: bool = True
    context: int = 10**9
    refuses: tuple[str, ...] = ()
    bodies: list[Fields] = field(default_factory=list)
    most_at_once: int = 0
    at_once: int = 0
    released: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def questions(self) -> list[Fields]:
        """Bodies of all requests but the probes."""
        return [body for body in self.bodies if "vegetable" not in body["messages"][-1]["content"]]


def _refusal(server: ChatServer, body: Fields) -> str:
    for name in server.refuses:
        if name in body:
            return f"Unsupported parameter: '{name}' is not supported with this model."
    if (kind := body.get("response_format", {}).get("type")) and kind not in server.forms:
        return f"response_format {kind} is not supported"
    return "logprobs are not supported" if body.get("logprobs") and not server.logprobs else ""


def _text(server: ChatServer, body: Fields) -> str:
    scripted = server.answer(body) if server.answer else None
    shape = body.get("response_format", {})
    if scripted is not None and not (shape.get("type") == "json_schema" and "vegetable" in str(body["messages"])):
        return scripted
    if shape.get("type") in server.ignores or not shape:
        return "Well, let me see."
    if shape["type"] == "json_object":
        return '{"vegetable": "leek"}'
    return json.dumps(example(shape["json_schema"]["schema"]))


def reply(server: ChatServer, body: Fields) -> tuple[int, object]:
    """(status, JSON)."""
    if refusal := _refusal(server, body):
        return 400, {"error": {"message": refusal, "code": None}}
    text, finish = _text(server, body), server.finish
    most = 4 * (body.get("max_tokens") or body["max_completion_tokens"])
    if len(text) > most:
        text, finish = text[:most], "length"
    message: Fields = {"role": "assistant", "content": None if server.refusal else text, "refusal": server.refusal}
    choice: Fields = {"index": 0, "finish_reason": finish, "message": message}
    if body.get("logprobs"):
        choice["logprobs"] = {"content": [{"token": word, "logprob": -0.5} for word in text.split() or [""]]}
    length = sum(len(message["content"]) for message in body["messages"]) // 4 + 10
    usage = {"prompt_tokens": min(length, server.context), "completion_tokens": len(text) // 4 + 1}
    counted: Fields = {"usage": {**usage, "total_tokens": sum(usage.values())}} if server.usage else {}
    return 200, {"id": "c", "object": "chat.completion", "model": body["model"], "choices": [choice], **counted}


@pytest.fixture
def chat_server() -> Iterator[ChatServer]:
    """Running."""
    server = ChatServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)))
            with server.lock:
                server.at_once += 1
                server.most_at_once = max(server.most_at_once, server.at_once)
                server.bodies.append(body)
                fault = server.faults.pop(0) if server.faults else None
            if fault is not None and fault.hang:
                server.released.wait(30)
            status, value = (fault.status, fault.body) if fault is not None else reply(server, body)
            with server.lock:
                server.at_once -= 1
            self._send(status, value, fault.headers if fault is not None else {})

        def _send(self, status: int, value: object, headers: Mapping[str, str]) -> None:
            content = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            for name, header in {"content-type": "application/json", **headers}.items():
                self.send_header(name, header)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *words: Any) -> None:
            """Into `bodies` instead."""

        def handle(self) -> None:
            try:
                super().handle()
            except (ConnectionError, BrokenPipeError):
                """The client gave up waiting: that is what some tests are about."""

    serving = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{serving.server_port}/v1"
    threading.Thread(target=serving.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.released.set()
    serving.shutdown()
    serving.server_close()
