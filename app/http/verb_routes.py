"""The command line's route into a running server: runs a verb and streams its progress. No logic."""

import hmac
import json
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from app.background import ProjectServer
from app.request_body import read_at_most
from core.errors import BadInput, RondoError
from core.typed_json import to_json
from core.verbs import VERBS, read_options

MOST_BYTES = 32_000_000
"""of options; the most are pairs of texts that a command read from a file"""
LINES = "application/x-ndjson"
STOP = "stop"
"""no verb: stops the run that the header x-rondo-run names, at its next report"""


def verb_routes(opened: Callable[[], ProjectServer], key: str) -> list[Route]:
    """`POST /api/verbs/{verb}` with the verb's options as JSON: lines of JSON, the last a result or an error."""

    async def verb(request: Request) -> Response:
        if not hmac.compare_digest(request.headers.get("x-rondo-key", "").encode(), key.encode()):
            return JSONResponse({"error": "The key is wrong."}, 401)
        name = request.path_params["verb"]
        if name == STOP:
            opened().stop_run(request.headers.get("x-rondo-run", ""))
            return JSONResponse({"ok": True})
        if name not in VERBS:
            return JSONResponse({"error": f"There is no verb {name!r}."}, 404)
        options = await _options(request)
        if isinstance(options, str):
            return JSONResponse({"error": options}, 400)
        try:
            read = await run_in_threadpool(read_options, name, options)  # the first time it imports the verb
        except BadInput as error:
            return Response(json.dumps(_failure(error)) + "\n", media_type=LINES)
        run = request.headers.get("x-rondo-run", "")
        return StreamingResponse(_stream(opened(), name, read, run), media_type=LINES)

    async def health(request: Request) -> Response:
        if not hmac.compare_digest(request.headers.get("x-rondo-key", key).encode(), key.encode()):
            return JSONResponse({"error": "Another project is served here."}, 401)
        if "x-rondo-key" not in request.headers:
            return JSONResponse({"ok": True})
        records = await run_in_threadpool(opened().project.store.one, "select count(*) from records")
        return JSONResponse({"ok": True, "records": records})

    return [Route("/api/verbs/{verb}", verb, methods=["POST"]), Route("/api/health", health)]


async def _options(request: Request) -> dict[str, object] | str:
    """The options of a verb, or why they are none."""
    body = await read_at_most(request, MOST_BYTES)
    if body is None:
        return (
            f"That is too much at once: an app that runs takes {MOST_BYTES:,} bytes. Do it in parts, or stop the app."
        )
    options = await run_in_threadpool(_json_object, body)
    return "The body must be a JSON object." if options is None else options


def _json_object(body: bytes) -> dict[str, object] | None:
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return sent if isinstance(sent, dict) else None


def _failure(error: RondoError) -> dict[str, object]:
    return {"error": str(error), "kind": type(error).__name__}


def _stream(server: ProjectServer, verb: str, options: dict[str, Any], run: str) -> Iterator[str]:
    """Yields a line per report that differs from the last. When the client disconnects, the verb is stopped."""
    lines: queue.Queue[dict[str, object]] = queue.Queue()
    background_task = server.begin_task(verb, run=run)

    def work() -> None:
        last: tuple[str, int, int] | None = None

        def report(what: str, done: int, total: int) -> None:
            nonlocal last
            if last != (what, done, total):
                last = (what, done, total)
                lines.put({"progress": last})

        try:
            lines.put({"result": to_json(server.run(background_task, report, **options))})
        except RondoError as error:
            lines.put(_failure(error))
        except Exception as error:
            lines.put({"error": f"{verb} broke: {type(error).__name__}: {error}", "kind": RondoError.__name__})
            raise

    threading.Thread(target=work, name=f"rondo-{verb}", daemon=True).start()
    finished = False
    try:
        while not finished:
            line = lines.get()
            finished = "progress" not in line
            yield json.dumps(line) + "\n"
    finally:
        if not finished:
            background_task.stop.set()
