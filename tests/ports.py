"""Ports for servers that tests start.

Outside of the range from which the system takes ports of its own: a port of that range that was free a moment ago may
be somebody's connection when the server at last listens. Each process of pytest has a range of its own.
"""

import os
import socket
from itertools import count

_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_next = count(20_000 + 1_000 * (_worker % 10) + os.getpid() % 500)


def free_port() -> int:
    """One that nothing listens on, and that no other test was given."""
    for port in _next:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if probe.connect_ex(("127.0.0.1", port)):
                return port
    raise AssertionError("unreachable")
