"""Secrets from a project's `.streamlit/secrets.toml`, for libraries that look in the environment. Logs none."""

import os
import sys
import tomllib
from pathlib import Path

from core.errors import BadInput

NAMES = (
    *("HF_TOKEN", "MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET", "RONDO_API_TOKEN"),
    *("RONDO_TEAM_API_KEY", "RONDO_TEAM_PASSWORD", "WANDB_API_KEY"),
    *("OPENAI_API_KEY", "TOGETHER_API_KEY", "FIREWORKS_API_KEY", "RONDO_HOSTED_TOKEN"),
)
"""the only names that are read: whatever else the file holds is for others"""


_POINTED_OUT: set[Path] = set()
SHARED = "RONDO_ACCESS_CODE"
"""the code that a small team shares; it is taken out of the environment, so that no job inherits it"""


def read_secret_table(project: Path) -> dict[str, object]:
    """All of the file, {} where there is none. Raises BadInput."""
    path = project / ".streamlit" / "secrets.toml"
    if not path.exists():
        return {}
    if path.stat().st_mode & 0o077 and path not in _POINTED_OUT:
        _POINTED_OUT.add(path)
        sys.stderr.write(f"{path} holds secrets, and other users of this machine can read it: chmod 600 {path}\n")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):  # without the text of the error, which may quote a secret
        raise BadInput(f'{path} is not valid TOML. Mend it: one line per secret, NAME = "value".') from None


def load_secrets(project: Path) -> None:
    """Sets the file's values as environment variables, unless they are set already."""
    secret_table = read_secret_table(project)
    for name in NAMES:
        if isinstance(value := secret_table.get(name), str):
            os.environ.setdefault(name, value)


def take_shared_code(project: Path) -> str:
    """From the environment, or else from the file; empty where there is none."""
    code = os.environ.pop(SHARED, "") or read_secret_table(project).get(SHARED, "")
    return code.strip() if isinstance(code, str) else ""
