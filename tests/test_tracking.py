"""Training told to the real W&B client (offline) and the real MLflow client (on a folder), and to ones that fail."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PARAMS = 'TrainParams("setfit", {"epochs": 2}, "/home/me/mini", ("a", "b"), ("a", "b"), ("", ""), False, 7, 1, 1)'
RUN = f"""
import sys
from pathlib import Path
from core.training.train_job import TrainParams
from gpu_jobs.trainers.tracking import track
with track("20261121-run", {PARAMS}, Path(sys.argv[1])) as tracker:
    for step in range(1, 4):
        tracker.log(step, {{"loss": 1 / step}})
    if "break" in sys.argv:
        raise SystemExit("it broke")
    tracker.end({{"macro_f1": 0.75}})
print("trained")
"""


def train(folder: Path, *arguments: str, **variables: str) -> str:
    """What a job that is tracked as these variables say prints, in a process of its own as every job."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB", "MLFLOW"))}
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(folder / "work"), *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**clean, "PYTHONPATH": str(ROOT), **variables},
    )
    assert done.returncode == ("break" in arguments), done.stderr
    return done.stdout


def test_without_a_tracker_nothing_is_written_or_printed(tmp_path: Path) -> None:
    assert train(tmp_path) == "trained\n"
    assert list(tmp_path.iterdir()) == []


def test_mlflow_has_the_parameters_the_curve_and_the_metrics(tmp_path: Path) -> None:
    assert train(tmp_path, MLFLOW_TRACKING_URI=(tmp_path / "runs").as_uri()) == "trained\n"
    [run] = [path.parent for path in (tmp_path / "runs").glob("*/*/metrics")]
    parameters = {path.name: path.read_text() for path in (run / "params").iterdir()}
    assert parameters == {
        "trainer": "setfit",
        "seed": "7",
        "encoder": "mini",
        "labels": "2",
        "multi": "False",
        "taxonomy": "1",
        "epochs": "2",
        "model": "models/20261121-run",
    }
    assert [float(line.split()[1]) for line in (run / "metrics" / "loss").read_text().splitlines()] == [1, 1 / 2, 1 / 3]
    assert float((run / "metrics" / "macro_f1").read_text().split()[1]) == 0.75
    assert "status: 3" in (run / "meta.yaml").read_text()  # finished


def test_mlflow_gets_the_state_of_a_run_that_broke(tmp_path: Path) -> None:
    train(tmp_path, "break", MLFLOW_TRACKING_URI=(tmp_path / "runs").as_uri())
    [run] = (tmp_path / "runs").glob("*/*/meta.yaml")
    assert "status: 4" in run.read_text()  # failed
    assert (run.parent / "metrics" / "loss").exists()


def test_weights_and_biases_keeps_an_offline_run_in_the_jobs_folder(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    assert train(tmp_path, WANDB_PROJECT="rondo", WANDB_MODE="offline") == "trained\n"
    [retained] = (tmp_path / "work" / "wandb").glob("offline-run-*/run-*.wandb")
    written = retained.read_bytes()
    for word in (b"20261121-run", b"epochs", b"loss", b"macro_f1", b"models/20261121-run"):
        assert word in written
    assert b"/home/me" not in written


@pytest.mark.parametrize(
    "variables",
    [
        {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"},
        {"MLFLOW_TRACKING_URI": "nothing://x"},
        {"WANDB_PROJECT": "a/b:c", "WANDB_MODE": "offline"},
    ],
)
def test_a_tracker_that_fails_says_so_once_and_the_training_goes_on(tmp_path: Path, variables: dict[str, str]) -> None:
    message = train(tmp_path, **variables).splitlines()
    assert message[-1] == "trained"
    assert len(message) == 2
    assert message[0].endswith("Training goes on.")


def test_a_missing_package_is_one_sentence_on_how_to_get_it(tmp_path: Path) -> None:
    for package in ("wandb", "mlflow"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise ImportError\n")
    path = f"{tmp_path}{os.pathsep}{ROOT}"
    message = train(tmp_path, PYTHONPATH=path, WANDB_PROJECT="p", MLFLOW_TRACKING_URI="file:x")
    assert "pip install wandb)" in message
    assert "pip install mlflow-skinny)" in message
