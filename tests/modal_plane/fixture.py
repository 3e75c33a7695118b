"""The fixture `modal_plane`: one plane for the session, and a word of complaint about every call it does not know."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session", name="modal_plane")
def serve_modal() -> Iterator[Any]:
    """A `server.Plane` that serves; skips where mounts of one's own are missing."""
    from tests.modal_plane.containers import own_mounts

    if own_mounts() is None:
        pytest.skip("this machine lets no process have mounts of its own (Linux has `unshare`)")
    from tests.modal_plane.server import Plane

    with (
        tempfile.TemporaryDirectory(prefix="plane-", ignore_cleanup_errors=True) as folder,
        Plane(Path(folder)) as plane,
    ):
        yield plane
        assert plane.state.unknown == [], "calls of the client that the plane does not implement"
