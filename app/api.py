"""The command line's door into a running server: a route that runs a verb and streams its progress. No logic."""

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

from app.state import Office
from core.errors import BadInput, RondoError
from core.loop import VERBS


def verb_routes(opened: Callable[[], Office], key: str) -> list[Route]:
    """`POST /api/verbs/{verb}` with the verb's options as JSON: lines of JSON, the last a result or an error."""

    async def verb(request: Request) -> Response:
        if not hmac.compare_digest(request.headers.get("x-rondo-key", ""), key):
            return JSONResponse({"error": "The key is wrong."}, 401)
        name = request.path_params["verb"]
        if name not in VERBS:
            return JSONResponse({"error": f"There is no verb {name!r}."}, 404)
        options = await request.json()
        return StreamingResponse(_stream(opened(), name, options), media_type="application/x-ndjson")

    async def health(_: Request) -> Response:
        records = await run_in_threadpool(opened().project.store.one, "select count(*) from records")
        return JSONResponse({"ok": True, "records": records})

    return [Route("/api/verbs/{verb}", verb, methods=["POST"]), Route("/api/health", health)]


def _stream(office: Office, verb: str, options: dict[str, Any]) -> Iterator[str]:
    """Yields a line per report. When the asker hangs up, the verb is cancelled."""
    lines: queue.Queue[dict[str, Any] | None] = queue.Queue()

    def work() -> None:
        try:
            lines.put({"result": office.run(verb, lambda *told: lines.put({"progress": told}), **options)})
        except RondoError as error:
            lines.put({"error": str(error), "kind": type(error).__name__})
        except TypeError as error:
            lines.put({"error": f"{verb}: {error}", "kind": BadInput.__name__})
        finally:
            lines.put(None)

    threading.Thread(target=work, name=f"rondo-{verb}", daemon=True).start()
    finished = False
    try:
        while (line := lines.get()) is not None:
            yield json.dumps(line) + "\n"
        finished = True
    finally:
        if not finished:
            office.cancel(verb)
