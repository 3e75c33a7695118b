"""Logs a training run to Weights & Biases or MLflow, where the environment asks for it. Knows no trainer.

When a tracker fails, training goes on: the log has one line about it, and the tracker is not called again.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from core.errors import BadInput
from core.training.train_job import TrainParams
from core.training.trainers import Value

Figures = Mapping[str, float]
FLUSH_SECONDS = 5.0
_FOR_MLFLOW = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # as many as it makes by itself hold the training for minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_FILE_STORE": "true",  # else a folder, which needs no server, is refused
}


class Diary(Protocol):
    """An open run at a tracker."""

    def log(self, step: int, figures: Figures) -> None:
        """Figures after so many steps."""

    def end(self, metrics: Figures, state: str) -> None:
        """Final metrics. state: 'succeeded' or 'failed'."""


@dataclass
class Tracker:
    """The job's interface to its trackers; every call returns, even when a tracker fails."""

    diaries: dict[str, Diary] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)

    def log(self, step: int, figures: Figures) -> None:
        """figures: loss, eval_loss, eval_macro_f1, epoch, learning_rate."""
        self._each(lambda diary: diary.log(step, figures))

    def end(self, metrics: Figures) -> None:
        """Sets the final metrics; sent when the block ends."""
        self.metrics |= metrics

    def close(self, state: str) -> None:
        """Sends what is left."""
        self._each(lambda diary: diary.end(self.metrics, state))

    def _each(self, tell: Callable[[Diary], None]) -> None:
        for name, diary in list(self.diaries.items()):
            try:
                tell(diary)
            except Exception as error:  # noqa: BLE001 - a tracker may fail in any way, and the training must not
                del self.diaries[name]
                _say(f"{name} failed and gets no more figures ({_in_a_line(error)}). Training goes on.")


@contextmanager
def track(job_id: str, params: TrainParams, folder: Path) -> Iterator[Tracker]:
    """On with WANDB_PROJECT or MLFLOW_TRACKING_URI in the environment, both with both; without, it does nothing.

    folder: where W&B keeps a run that is not online (WANDB_MODE=offline, then `wandb sync`), unless WANDB_DIR is set.
    An error that leaves the block marks the run as failed.
    """
    result, tracker = _parameters(job_id, params), Tracker()
    for name, variable, begin in (
        ("Weights & Biases", "WANDB_PROJECT", _begin_wandb),
        ("MLflow", "MLFLOW_TRACKING_URI", _begin_mlflow),
    ):
        if os.environ.get(variable):
            try:
                tracker.diaries[name] = begin(job_id, result, folder)
            except Exception as error:  # noqa: BLE001 - as above
                _say(f"{name} gets no figures of this run ({_in_a_line(error)}). Training goes on.")
    try:
        yield tracker
    except BaseException:
        tracker.close("failed")
        raise
    tracker.close("succeeded")


def _parameters(job_id: str, params: TrainParams) -> dict[str, Value]:
    """Parameters for reproducing the run, and the model's id; no path, and no text of the project."""
    result: dict[str, Value] = {
        name: getattr(params, name) for name in ("trainer", "seed", "encoder", "multi", "taxonomy")
    }
    result |= {"labels": len(params.labels), "model": f"models/{job_id}", **params.values}
    absolute = {
        key: Path(value).name for key, value in result.items() if isinstance(value, str) and value[:1] == os.sep
    }
    return result | absolute


def _prefer(variables: Mapping[str, str]) -> None:
    """Sets defaults, which are read at import; a value that a person has set wins."""
    for name, value in variables.items():
        os.environ.setdefault(name, value)


def _begin_wandb(job_id: str, params: Mapping[str, Value], folder: Path) -> Diary:
    _prefer({"WANDB_ERROR_REPORTING": "false"})
    try:
        import wandb
    except ImportError:
        raise BadInput("WANDB_PROJECT is set, but wandb is not installed: pip install wandb") from None
    parent = None if os.environ.get("WANDB_DIR") else str(folder)
    folder.mkdir(parents=True, exist_ok=True)
    quiet = wandb.Settings(console="off", silent=True, disable_git=True, save_code=False, init_timeout=30)
    run = wandb.init(name=job_id, job_type=str(params.get("trainer")), config=dict(params), dir=parent, settings=quiet)
    return _Wandb(run)


@dataclass
class _Wandb:
    run: Any

    def log(self, step: int, figures: Figures) -> None:
        self.run.log(dict(figures), step=step)

    def end(self, metrics: Figures, state: str) -> None:
        self.run.summary.update(dict(metrics))
        self.run.finish(exit_code=0 if state == "succeeded" else 1)


def _begin_mlflow(job_id: str, params: Mapping[str, Value], folder: Path) -> Diary:
    _prefer(_FOR_MLFLOW)
    try:
        from mlflow.entities import Param
        from mlflow.tracking import MlflowClient
    except ImportError:
        raise BadInput("MLFLOW_TRACKING_URI is set, but mlflow is not installed: pip install mlflow-skinny") from None
    client, name = MlflowClient(), os.environ.get("MLFLOW_EXPERIMENT_NAME", "rondo")
    known = client.get_experiment_by_name(name)
    run = client.create_run(known.experiment_id if known else client.create_experiment(name), run_name=job_id)
    client.log_batch(run.info.run_id, params=[Param(key, str(value)) for key, value in params.items()])
    return _Mlflow(client, run.info.run_id)


@dataclass
class _Mlflow:
    client: Any
    run_id: str
    waiting: list[Any] = field(default_factory=list)
    sent: float = field(default_factory=time.monotonic)

    def log(self, step: int, figures: Figures) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self.waiting += [Metric(name, float(value), now, step) for name, value in figures.items()]
        if time.monotonic() - self.sent > FLUSH_SECONDS:  # a request for each step would slow the training
            self._send()

    def end(self, metrics: Figures, state: str) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self.waiting += [Metric(name, float(value), now, 0) for name, value in metrics.items()]
        self._send()
        self.client.set_terminated(self.run_id, "FINISHED" if state == "succeeded" else "FAILED")

    def _send(self) -> None:
        for start in range(0, len(self.waiting), 1_000):  # as many as it takes at once
            self.client.log_batch(self.run_id, metrics=self.waiting[start : start + 1_000])
        self.waiting, self.sent = [], time.monotonic()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _in_a_line(error: Exception) -> str:
    first = str(error).strip().splitlines()[:1]
    return f"{type(error).__name__}: {first[0][:300]}" if first else type(error).__name__
