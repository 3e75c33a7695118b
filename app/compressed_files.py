"""Streamlit's scripts and styles, compressed once and kept: it sends them as they are, three times as many bytes."""

import gzip
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import to_thread
from starlette.datastructures import Headers
from starlette.responses import Response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

TYPES = {".js": "text/javascript", ".css": "text/css"}
KEPT = "public, immutable, max-age=31536000"
"""a year, as Streamlit says: their names change with their content"""


class CompressedFiles:
    """Plain ASGI: answers for these files where the browser takes gzip, and passes on all else."""

    def __init__(self, app: "ASGIApp") -> None:
        import streamlit

        root = Path(streamlit.__file__).parent / "static"
        self._app = app
        self._files = {
            f"/{path.relative_to(root).as_posix()}": path for path in root.rglob("static/*/*") if path.suffix in TYPES
        }

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Only paths that were found when the server began are looked up."""
        path = self._files.get(scope.get("path", "")) if scope["type"] == "http" and scope["method"] == "GET" else None
        if path is None or "gzip" not in Headers(scope=scope).get("accept-encoding", ""):
            await self._app(scope, receive, send)
            return
        headers = {"content-encoding": "gzip", "cache-control": KEPT, "vary": "Accept-Encoding"}
        content = await to_thread.run_sync(_compressed, path)
        await Response(content, headers=headers, media_type=TYPES[path.suffix])(scope, receive, send)


@cache
def _compressed(path: Path) -> bytes:
    return gzip.compress(path.read_bytes(), 6, mtime=0)
