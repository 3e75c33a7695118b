"""A real Ray cluster on this machine: a head, and a worker with a GPU that is only a number, in one process's care."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.ports import free_port

QUICK = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_health_check_initial_delay_ms": "0",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_failure_threshold": "3",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "PYTHONWARNINGS": "ignore",
}
NODE: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80 * 2**20}


@dataclass(frozen=True)
class RayCluster:
    """address: of the dashboard. folder: what all nodes see. Jobs that ask for a GPU go to the worker."""

    address: str
    folder: Path
    keeper: "subprocess.Popen[str]"

    def kill_worker(self) -> None:
        """As if its plug was pulled; what ran there is gone."""
        self._tell("kill")

    def add_worker(self) -> None:
        """A new one, with a GPU."""
        self._tell("add")

    def _tell(self, word: str) -> None:
        assert self.keeper.stdin
        assert self.keeper.stdout
        self.keeper.stdin.write(word + "\n")
        self.keeper.stdin.flush()
        assert self.keeper.stdout.readline().strip() == "done"


@pytest.fixture(scope="session", name="ray_cluster")
def serve_ray() -> Iterator[RayCluster]:
    """Started when the first test asks for it (about six seconds), gone with the session; one for all files."""
    if find_spec("ray") is None:  # asked without importing it: the tests need none of it in their own process
        pytest.skip("Ray is not installed.")
    cluster = _fresh_cluster()
    yield cluster
    _end(cluster.keeper)
    shutil.rmtree(cluster.folder.parent, ignore_errors=True)


@cache
def _fresh_cluster() -> RayCluster:
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # short: sockets lie in it
    (folder / "shared").mkdir()
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    with (folder / "log.txt").open("w") as log:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "tests.ray_cluster"],
            cwd=Path(__file__).parent.parent,
            env={**os.environ, **QUICK, "RAY_TMPDIR": str(folder), "PATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert keeper.stdout
    address = keeper.stdout.readline().strip()
    if not address:
        _end(keeper)
        raise AssertionError((folder / "log.txt").read_text())
    return RayCluster(address, folder / "shared", keeper)


def _end(keeper: "subprocess.Popen[str]") -> None:
    """It tidies up when its input ends; what has not gone by then is killed."""
    if keeper.poll() is not None:
        return
    try:
        family = psutil.Process(keeper.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    try:
        keeper.communicate(timeout=15)
    except subprocess.TimeoutExpired:
        keeper.kill()
    for process in psutil.wait_procs(family, 3)[1]:
        process.kill()


def keep(told: int) -> None:
    """The keeper's process: starts the nodes, tells the address, does as it is told until nobody is there to tell."""
    from ray.cluster_utils import Cluster

    port, agent = free_port(), free_port()  # with Ray's own, a machine could have only one cluster
    head = {**NODE, "include_dashboard": True, "dashboard_port": port, "dashboard_agent_listen_port": agent}
    head |= {"no_monitor": True, "include_log_monitor": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    worker = cluster.add_node(**NODE, num_gpus=1)
    os.write(told, f"http://127.0.0.1:{port}\n".encode())
    for line in sys.stdin:
        if line.strip() == "kill":
            pull_plug(cluster, worker)
        else:
            worker = cluster.add_node(**NODE, num_gpus=1)
        os.write(told, b"done\n")
    for node in [worker, cluster.head_node]:
        pull_plug(cluster, node)


def pull_plug(cluster: Any, node: Any) -> None:
    """Ray alone would leave a job's process a second to live, which a machine without power does not."""
    [raylet] = node.all_processes["raylet"]
    for process in psutil.Process(raylet.process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    cluster.remove_node(node, allow_graceful=False)


if __name__ == "__main__":
    answers = os.dup(1)
    os.dup2(2, 1)  # Ray's own words go to the log
    keep(answers)
