"""Commands as a person types them, run in this process: the same command line, without half a second of start."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli.root import app
from gpu_jobs.runners.choice import RUNNERS
from gpu_jobs.runners.local import InProcessRunner


def rondo(*words: object, code: int = 0) -> str:
    """Standard output of one command, or what it complains of where it fails; the exit code must be `code`.

    Not for `up`: Streamlit's log would keep the stream that ends with the command.
    """
    done = CliRunner().invoke(app, [str(word) for word in words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.stderr
    return done.stdout if code == 0 else done.stderr


@contextmanager
def jobs_here() -> Iterator[None]:
    """Within it commands run their jobs in this process, where it is about what they find: in one of its own each job
    loads its libraries anew, up to two seconds. tests/test_jobs.py holds both runners to the same laws."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RUNNERS, "local", lambda settings: InProcessRunner())
        yield


def rondo_json(folder: Path, *words: object) -> dict[str, Any]:
    """What a command says of this project with --json."""
    return dict(json.loads(rondo("--project", folder, *words, "--json")))


def figures(folder: Path) -> dict[str, Any]:
    """`rondo status --json`."""
    return rondo_json(folder, "status")
