"""`POST /api/uploads`: a file that a person brings to a page, streamed to the disk. Knows not what it is for."""

from collections.abc import Callable
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.background import ProjectServer
from app.uploads import drop_kept, keep
from core.errors import Cancelled, RondoError
from core.project import Project
from core.store.private_files import private_folder

GONE = 499
"""status of an answer that nobody waits for"""


def uploads(project: Project) -> Path:
    """The folder that they lie in, each in one of its own, until a page takes it, drops it, or the app ends."""
    return private_folder(project.folder, "uploads")


def upload_routes(opened: Callable[[], ProjectServer]) -> list[Route]:
    """The body is the file; `name` what it is called. The answer's id is what a page finds it by."""

    async def upload(request: Request) -> Response:
        try:
            folder = await run_in_threadpool(uploads, opened().project)
            return JSONResponse({"id": await keep(request, folder, request.query_params.get("name", "file"))})
        except (Cancelled, ClientDisconnect):
            return Response(status_code=GONE)
        except RondoError as error:
            return JSONResponse({"error": str(error)}, 400)

    async def drop(request: Request) -> Response:
        folder = await run_in_threadpool(uploads, opened().project)
        await run_in_threadpool(drop_kept, folder, request.path_params["id"])
        return JSONResponse({"ok": True})

    return [
        Route("/api/uploads", upload, methods=["POST"]),
        Route("/api/uploads/{id}", drop, methods=["DELETE"]),
    ]
