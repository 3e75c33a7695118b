"""What is told of Modal's exceptions, prices and versions, and how long an answer is waited for."""

import inspect
import re
import threading
from pathlib import Path
from typing import Any

import pytest

from app.runner_readiness import GPUS
from core.errors import BadInput, Refused, RondoError
from core.jobs.bundle import Resources
from gpu_jobs.runners.modal.modal_app import LOCK
from gpu_jobs.runners.modal.modal_errors import NoAnswer, end_of, in_words, reason
from gpu_jobs.runners.modal.modal_prices import PRICES
from gpu_jobs.runners.modal.modal_runner import ModalRunner
from gpu_jobs.runners.timeouts import Broke, TimedCalls, TooSlow
from tests.waiting import LATEST_SECONDS

modal = pytest.importorskip("modal")
ROOT = Path(__file__).parent.parent

ERRORS = [
    (modal.exception.AuthError("Token missing"), BadInput, "modal setup"),
    (modal.exception.ConnectionError("Deadline exceeded"), NoAnswer, "online"),
    (modal.exception.ServiceError("502"), NoAnswer, "trouble of its own"),
    (modal.exception.InternalError("oops"), NoAnswer, "trouble of its own"),
    (modal.exception.NotFoundError("Secret 'x' not found"), Refused, "MODAL_ENVIRONMENT"),
    (modal.exception.ImageBuildError("uv failed", "im-1"), Refused, "image"),
    (modal.exception.ResourceExhaustedError("budget"), Refused, "limit of your Modal workspace"),
    (modal.exception.PermissionDeniedError("no"), BadInput, "owner of the workspace"),
    (modal.exception.VersionError("old"), BadInput, "Upgrade Rondo"),
    (modal.exception.InvalidError("gpu"), BadInput, "GPU"),
    (OSError("Network is unreachable"), NoAnswer, "online"),
]
ENDS = [
    (modal.exception.FunctionTimeoutError("hit its timeout"), "timed_out", "job_seconds"),
    (modal.exception.RemoteError("Runner failed with exit code: 137"), "failed", "larger GPU"),
    (modal.exception.RemoteError("Runner failed with exit code: 1"), "failed", "retry"),
    (modal.exception.RemoteError(""), "cancelled", "stopped"),
    (modal.exception.RemoteError("Function call was cancelled"), "cancelled", "stopped"),
    (modal.exception.OutputExpiredError(), "lost", "seven days"),
    (modal.exception.NotFoundError("No Function call"), "lost", "same workspace"),
    (modal.exception.ExecutionError("Could not deserialize"), "failed", "begin"),
    (ModuleNotFoundError("No module named 'core'"), "failed", "'core'"),
]


@pytest.mark.parametrize(("error", "kind", "words"), ERRORS, ids=lambda case: type(case).__name__)
def test_each_error_becomes_a_sentence_that_says_what_to_do(
    error: Exception, kind: type[RondoError], words: str
) -> None:
    with pytest.raises(kind, match=re.escape(words)), in_words():
        raise error


@pytest.mark.parametrize(("error", "state", "words"), ENDS, ids=lambda case: type(case).__name__)
def test_each_end_of_a_call_becomes_a_state_with_a_reason(error: Exception, state: str, words: str) -> None:
    status = end_of(error)
    assert status.state == state
    assert words in status.message


def _raisable() -> list[Exception]:
    """One of each of the client's exceptions."""
    kinds: list[Any] = [kind for _, kind in inspect.getmembers(modal.exception, inspect.isclass)]
    ours = [kind for kind in kinds if issubclass(kind, modal.exception.Error)]
    return [kind("why", "im-1") if kind.__name__ == "ImageBuildError" else kind("why") for kind in ours]


@pytest.mark.parametrize("error", _raisable(), ids=lambda error: type(error).__name__)
def test_no_exception_of_the_client_is_without_a_sentence(error: Exception) -> None:
    result = str(reason(error))
    assert result[0].isupper()
    assert "why" in result
    assert "{" not in result


def test_a_bug_of_ours_is_no_error_of_modals() -> None:
    with pytest.raises(KeyError), in_words():
        raise KeyError("x")
    with pytest.raises(FileNotFoundError), in_words():
        Path("/no/such/file").read_bytes()


def test_a_price_grows_with_time_and_gpus_and_an_unknown_gpu_is_named() -> None:
    runner = ModalRunner()
    hour = runner.price(Resources(gpu="L4"), 3600)
    assert hour == pytest.approx(3600 * (PRICES["L4"] + 2 * 0.0000131 + 16 * 0.00000222), abs=1e-4)
    assert runner.price(Resources(gpu="L4:2"), 7200) > 2 * hour > runner.price(Resources(), 7200) > 0
    assert ModalRunner({"L4": 1.0}).price(Resources(gpu="L4"), 10) > 10
    for wrong in ("L5", "L4:0", "L4:many"):
        with pytest.raises(BadInput, match="L4"):
            runner.price(Resources(gpu=wrong), 1)
    assert tuple(PRICES) == GPUS


def test_the_lock_names_the_versions_that_were_tested() -> None:
    def pins(file: Path) -> dict[str, str]:
        lines = [line.split("==") for line in file.read_text().splitlines() if "==" in line and line[0] != "#"]
        return {name.lower().replace("_", "-"): version for name, version in lines}

    locked, tested = pins(LOCK), pins(ROOT / "constraints.txt")
    entries = {line.strip() for line in LOCK.with_suffix(".in").read_text().splitlines() if line[:1] != "#"}
    assert entries <= set(locked)
    assert {name: locked[name] for name in locked if name in tested} == {
        name: tested[name] for name in locked if name in tested
    }


def test_a_timed_call_that_hangs_is_not_run_twice_and_is_answered_in_the_end() -> None:
    errands, open_now, runs = TimedCalls(), threading.Event(), []

    def work() -> str:
        runs.append(1)
        assert open_now.wait(LATEST_SECONDS)
        return "done"

    for _ in range(2):
        with pytest.raises(TooSlow):
            errands.ask("a", work, 0.01)
    open_now.set()
    assert errands.ask("a", work, LATEST_SECONDS) == "done"
    assert runs == [1]
    errands.forget("a")
    assert errands.ask("a", work, LATEST_SECONDS) == "done"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_timed_call_that_a_bug_ends_says_so() -> None:
    with pytest.raises(Broke):
        TimedCalls().ask("bug", lambda: [][1], LATEST_SECONDS)
    for thread in [thread for thread in threading.enumerate() if thread.name == "call-bug"]:
        thread.join(LATEST_SECONDS)
