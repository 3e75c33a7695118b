"""The token that programs show: made once per project, or named by a variable. Knows no route."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from app.state import private_folder
from core.errors import BadInput

VARIABLE = "RONDO_API_TOKEN"
FILE = "api-token"
LEAST = 16


def read_token(project: Path) -> str:
    """From the variable, or else from a file that only the owner can read. Raises BadInput for a short one."""
    token, source = os.environ.get(VARIABLE, "").strip(), VARIABLE
    if not token:
        path = private_folder(project) / FILE
        if not path.exists():
            _make(path)
        token, source = path.read_text(encoding="utf-8", errors="replace").strip(), str(path)
    if len(token) < LEAST or not token.isascii() or not token.isprintable() or " " in token:
        raise BadInput(f"{source} must hold a token of at least {LEAST} letters, digits and signs, without spaces.")
    return token


def _make(path: Path) -> None:
    partial = path.with_name(f"{FILE}-{secrets.token_hex(4)}.partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(secrets.token_urlsafe(32) + "\n")
    with suppress(FileExistsError):  # another process was first: its token is the one
        os.link(partial, path)
    partial.unlink()
