"""Files of commands that lie at an address (s3:// and others): fetched before a verb, sent after it. Knows no verb."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.cli.options import errors
from app.cli.terminal import Ticker

CACHE = Path.home() / ".cache" / "rondo" / "outgoing"


@contextmanager
def outgoing(out: str) -> Iterator[Path]:
    """Where to write what `out` names. What belongs at an address lies here until it is sent, also after a stop: so a
    command goes on where it was."""
    from core.data.remote_files import is_remote, name_of

    if not is_remote(out):
        yield Path(out).resolve()
        return
    from gpu_jobs.work.data.fetch import require_writable, send

    with errors():
        require_writable(out)
    folder = CACHE / hashlib.sha256(out.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    yield folder / name_of(out)
    with errors():
        send(folder, out)
    shutil.rmtree(folder)


@contextmanager
def incoming(file: str) -> Iterator[Path]:
    """The file's absolute path; of one at an address that of a copy, which goes at the end."""
    from core.data.remote_files import HUB, is_remote

    if file.startswith(HUB) or not is_remote(file):
        yield Path(file).resolve()
        return
    from gpu_jobs.work.data.fetch import fetch

    with tempfile.TemporaryDirectory(prefix="rondo-input-") as folder:
        ticker = Ticker()
        with errors():
            copy = fetch(file, Path(folder), lambda done, total: ticker(f"Fetching {file[:80]}", done, total))
        yield copy


def sent_name(path: str, local: Path, out: str) -> str:
    """What a result calls a file, by the address that it was sent to."""
    return out.rpartition("/")[0] + "/" + Path(path).relative_to(local.parent).as_posix() if "://" in out else path
