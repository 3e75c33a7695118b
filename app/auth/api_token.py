"""The token that programs show: made once per project, or named by a variable. Knows no route."""

import os
import secrets
from pathlib import Path

from core.errors import BadInput
from core.store.private_files import made_once, private_folder

VARIABLE = "RONDO_API_TOKEN"
FILE = "api-token"
LEAST = 16


def read_token(project: Path) -> str:
    """From the variable, or else from a file that only the owner can read. Raises BadInput for a short one."""
    token, source = os.environ.get(VARIABLE, "").strip(), VARIABLE
    if not token:
        path = made_once(private_folder(project) / FILE, secrets.token_urlsafe(32) + "\n")
        token, source = path.read_text(encoding="utf-8", errors="replace").strip(), str(path)
    if len(token) < LEAST or not token.isascii() or not token.isprintable() or " " in token:
        raise BadInput(f"{source} must hold a token of at least {LEAST} letters, digits and signs, without spaces.")
    return token
