"""A model that stays loaded for a server's requests: the same numbers as a job, nothing lost, and no process left."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from core.errors import Cancelled, RondoError
from core.models.artifacts import save_head
from core.models.encoders.encoder import EMBEDDED
from core.project import Project
from core.registry.evaluation_jobs import EvaluatedFolder
from core.registry.predict import predict_texts, setting_outside
from core.registry.text_prediction_job import PredictTextsParams
from gpu_jobs.runners.loaded_models import KeptModels
from tests.conftest import quiet, sentences
from tests.model_world import head, put_to_use
from tests.waiting import wait_for

TEXTS = [text for text, _ in sentences(30)] + ["", "🙂 שלום"]


def processes() -> list[psutil.Process]:
    """That hold a model, of this process."""
    matches = []
    for one in psutil.Process().children():
        with suppress(psutil.Error):  # it may end while it is looked at
            if one.status() != psutil.STATUS_ZOMBIE and "gpu_jobs.keep_model" in one.cmdline():
                matches.append(one)
    return matches


def has_ended(process: psutil.Process) -> bool:
    """Gone, or waits for whoever began it to look."""
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def loaded(tmp_path: Path) -> Iterator[KeptModels]:
    models = KeptModels(tmp_path, 1)
    yield models
    models.close()
    wait_for(lambda: not left_of(tmp_path))


def left_of(folder: Path) -> list[int]:
    """Processes of its models, and what they started and left behind."""
    commands = {one.pid: one.info["cmdline"] or [] for one in psutil.process_iter(["cmdline"])}
    return [pid for pid, command in commands.items() if "gpu_jobs.keep_model" in command and str(folder) in command]


def test_a_loaded_model_says_what_a_job_says_to_two_at_once_and_after_a_kill(
    project: Project, loaded: KeptModels
) -> None:
    put_to_use(project, EMBEDDED, head(384))
    parts = [TEXTS, TEXTS[:7]]
    by_job = [predict_texts(project, quiet, texts=part) for part in parts]
    project.loaded_models = loaded
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda part: predict_texts(project, quiet, texts=part), parts)) == by_job
        [process] = processes()
        process.send_signal(signal.SIGSTOP)
        waiting = pool.submit(predict_texts, project, quiet, texts=parts[0])
        process.kill()
        assert waiting.result() == by_job[0]
    assert process.pid != processes()[0].pid
    assert project.store.one("select count(*) from jobs where kind = 'predict_texts'") == len(parts)


def params(folder: Path) -> PredictTextsParams:
    return PredictTextsParams(setting_outside(folder.parent, 1, (), EMBEDDED), EvaluatedFolder("m", str(folder)), 2)


def test_another_model_by_the_same_word_takes_the_place_of_the_first(loaded: KeptModels, tmp_path: Path) -> None:
    for name, temperature in (("one", 1.0), ("two", 4.0)):
        made = head(384)
        save_head(
            tmp_path / name, type(made)(made.weights, made.bias, temperature, made.labels, False), {"encoder": EMBEDDED}
        )
    said = [loaded.predict("champion", params(tmp_path / name), TEXTS[:2], lambda: None) for name in ("one", "two")]
    assert said[0] != said[1]
    wait_for(lambda: len(processes()) == 1)
    with pytest.raises(RondoError, match="broken"):
        loaded.predict("broken", params(tmp_path / "broken"), TEXTS[:1], lambda: None)


def test_who_is_stopped_ends_the_process_and_an_idle_one_ends_by_itself(tmp_path: Path) -> None:
    models = KeptModels(tmp_path, 1, idle=0.3)

    def stop() -> None:
        raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        models.predict("m", params(tmp_path / "none"), TEXTS[:1], stop)
    with pytest.raises(RondoError):
        models.predict("m", params(tmp_path / "none"), TEXTS[:1], lambda: None)
    wait_for(lambda: not processes())
    models.close()


SERVER = """
import sys, time
from pathlib import Path
from core.errors import RondoError
from gpu_jobs.runners.loaded_models import KeptModels
from tests.test_loaded_models import params
folder = Path(sys.argv[1])
try:
    KeptModels(folder, 1).predict("m", params(folder / "none"), ["a"], lambda: None)
except RondoError:
    print("ready", flush=True)
time.sleep(600)
"""


def test_no_process_is_left_of_a_server_that_was_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SERVER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        [process] = psutil.Process(server.pid).children()
        os.kill(server.pid, signal.SIGKILL)
    wait_for(lambda: has_ended(process))
