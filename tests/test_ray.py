"""Jobs on a real Ray cluster of two nodes: what is the cluster's trouble is never the job's failure."""

import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadInput, Refused
from core.jobs.bundle import Handle, Resources, RunStatus, write_json
from core.jobs.code_version import code_version
from gpu_jobs.runners.ray.ray_api import ask
from gpu_jobs.runners.ray.ray_runner import RayRunner
from gpu_jobs.runners.ray.shared_folder import bring_progress, carry_bundle, carry_code, new_attempt, stop_attempts
from gpu_jobs.runners.supervised_run import attempt
from tests.ray_cluster import RayCluster
from tests.test_runners import encoding, ended, reading, until

NOWHERE = "http://127.0.0.1:9"


def on(cluster: RayCluster) -> RayRunner:
    return RayRunner(cluster.address, str(cluster.folder))


def test_a_job_runs_on_the_cluster_once_and_comes_back_whole(ray_cluster: RayCluster, tmp_path: Path) -> None:
    runner, bundle = on(ray_cluster), reading(tmp_path)
    handle = runner.start(bundle.path, Resources(seconds=60))
    assert runner.start(bundle.path, Resources(seconds=60)) == handle
    assert until(runner, bundle, handle, ended) == RunStatus("succeeded")
    assert (bundle.path / "out" / "records.parquet").exists()
    assert bundle.events[-1]["done"] == bundle.events[-1]["total"] > 0
    assert not list(ray_cluster.folder.rglob("records.parquet"))
    job = f"/api/jobs/{handle.submission}"
    result = ask(ray_cluster.address, "GET", job)
    assert result is not None
    assert runner.start(bundle.path, Resources()) == handle
    assert (ask(ray_cluster.address, "GET", job) or {})["start_time"] == result["start_time"]


def test_a_killed_node_loses_a_job_that_then_goes_on_where_it_stood(
    ray_cluster: RayCluster, tmp_path: Path, encoded: Path
) -> None:
    runner, bundle = on(ray_cluster), encoding(tmp_path, encoded, 800)
    handle = runner.start(bundle.path, Resources(gpu="L4"))  # the worker alone has one
    until(runner, bundle, handle, lambda _: bundle.progress[0] >= 100)
    ray_cluster.kill_worker()
    assert until(runner, bundle, handle, ended).state == "lost"
    ray_cluster.add_worker()
    again = runner.start(bundle.path, Resources(gpu="L4"))
    assert until(RayRunner("", ""), bundle, again, ended).state == "succeeded"
    assert bundle.result is not None
    assert bundle.result["value"]["retained"] >= 100


def test_a_job_that_waits_for_a_machine_is_stopped_before_it_begins(ray_cluster: RayCluster, tmp_path: Path) -> None:
    runner, bundle = on(ray_cluster), reading(tmp_path)
    handle = runner.start(bundle.path, Resources(gpu="L4:9"))
    assert runner.poll(bundle.path, handle).state == "queued"
    runner.cancel(bundle.path, handle)
    assert runner.poll(bundle.path, handle).state == "cancelled"
    with pytest.raises(Refused, match="still stopping"):
        runner.start(bundle.path, Resources())


def test_nodes_that_do_not_see_the_code_are_distinguished_from_a_job_that_fails(
    ray_cluster: RayCluster, tmp_path: Path
) -> None:
    runner, bundle = RayRunner(ray_cluster.address, str(tmp_path)), reading(tmp_path)
    (empty := tmp_path / "code" / code_version() / "gpu_jobs").mkdir(parents=True)
    (empty / "__init__.py").touch()
    handle = runner.start(bundle.path, Resources())
    while not ended(status := runner.poll(bundle.path, handle)):
        time.sleep(0.2)
    assert status.state == "failed"
    assert "No module named" in status.message
    assert "every node see ray_folder" in status.message


def test_a_cluster_that_is_gone_loses_jobs_but_no_result(tmp_path: Path) -> None:
    bundle = reading(tmp_path)
    work = carry_bundle(bundle.path, tmp_path)
    new_attempt(work)
    handle = Handle(address=NOWHERE, submission=bundle.path.name, work=str(work))
    runner = RayRunner(NOWHERE, str(tmp_path))
    assert runner.poll(bundle.path, handle).state == "lost"
    (work / "out").mkdir()
    (work / "out" / "model.bin").write_bytes(b"m")
    write_json(work / "result.json", {"state": "succeeded", "value": {}})
    assert runner.poll(bundle.path, handle) == RunStatus("succeeded")
    assert (bundle.path / "out" / "model.bin").read_bytes() == b"m"


def test_a_folder_that_is_not_mounted_loses_jobs_and_says_so_when_one_shall_stop(tmp_path: Path) -> None:
    bundle, runner = reading(tmp_path), RayRunner(NOWHERE, str(tmp_path))
    handle = Handle(address=NOWHERE, submission=bundle.path.name, work=str(tmp_path / "gone"))
    assert runner.poll(bundle.path, handle).state == "lost"
    with pytest.raises(Refused, match="may still run"):
        runner.cancel(bundle.path, handle)


@pytest.mark.parametrize(
    ("address", "folder", "requested"),
    [
        ("", "/", "ray_address is not set"),
        ("ray://head:10001", "/", "must be the address of the cluster's dashboard"),
        (NOWHERE, "", "ray_folder is not set"),
        (NOWHERE, "relative", "no such folder"),
        (NOWHERE, "/no/such/folder", "no such folder"),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(
    tmp_path: Path, address: str, folder: str, requested: str
) -> None:
    with pytest.raises(BadInput, match=requested):
        RayRunner(address, folder).start(reading(tmp_path).path, Resources())


def test_an_address_where_no_cluster_is_is_refused_and_nothing_is_carried(tmp_path: Path) -> None:
    (shared := tmp_path / "shared").mkdir()
    with pytest.raises(Refused, match="No Ray cluster answers"):
        RayRunner(NOWHERE, str(shared)).start(reading(tmp_path).path, Resources())
    assert not list(shared.iterdir())


@pytest.mark.parametrize(
    ("status", "requested"), [(401, "RAY_AUTH_TOKEN"), (404, "not as Ray's"), (200, "not as Ray's")]
)
def test_a_server_that_is_no_cluster_is_refused(tmp_path: Path, status: int, requested: str) -> None:
    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"<html>Welcome</html>")

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with HTTPServer(("127.0.0.1", 0), Other) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(Refused, match=requested):
            RayRunner(f"http://127.0.0.1:{server.server_port}", str(tmp_path)).start(
                reading(tmp_path).path, Resources()
            )
        server.shutdown()


def test_an_attempt_that_takes_too_long_is_stopped(tmp_path: Path, encoded: Path) -> None:
    bundle = encoding(tmp_path, encoded, 20_000)
    assert attempt(bundle.path, new_attempt(bundle.path), 1) == 0
    assert bundle.result is not None
    assert bundle.result["state"] == "timed_out"


def test_an_attempt_that_another_one_replaced_leaves_no_result(tmp_path: Path) -> None:
    bundle = reading(tmp_path)
    first, second = new_attempt(bundle.path), new_attempt(bundle.path)
    assert attempt(bundle.path, first, 0) == 0
    assert bundle.result is None
    assert attempt(bundle.path, second, 0) == 0
    assert bundle.result is not None


def test_an_attempt_at_what_was_stopped_does_not_begin(tmp_path: Path) -> None:
    bundle = reading(tmp_path)
    name = new_attempt(bundle.path)
    stop_attempts(bundle.path)
    assert attempt(bundle.path, name, 0) == 0
    assert bundle.result is None
    assert not (bundle.path / "log.txt").exists()


@given(pieces=st.lists(st.binary(max_size=20), max_size=5))
def test_a_log_that_grows_is_brought_whole(tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]) -> None:
    work, bundle = tmp_path_factory.mktemp("work"), tmp_path_factory.mktemp("bundle")
    for piece in pieces:
        with (work / "log.txt").open("ab") as file:
            file.write(piece)
        bring_progress(work, bundle)
        assert (bundle / "log.txt").read_bytes() == (work / "log.txt").read_bytes()
    (work / "log.txt").write_bytes(b"")
    bring_progress(work, bundle)
    assert (bundle / "log.txt").read_bytes() == b""


def test_the_code_is_carried_once_and_whole(tmp_path: Path) -> None:
    code = carry_code(tmp_path)
    retained = sorted(path.relative_to(code) for path in code.rglob("*"))
    assert Path("gpu_jobs/run.py") in retained
    assert Path("core/models/encoders/encoder_peaks.npz") in retained
    assert carry_code(tmp_path) == code
    assert [path.name for path in (tmp_path / "code").iterdir()] == [code_version()]
