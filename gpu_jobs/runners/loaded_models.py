"""Processes that each keep a model loaded, for requests that cannot wait for a job to begin. Knows no model."""

import json
import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from core import errors
from core.errors import RondoError
from core.registry.text_prediction_job import PREDICT_TEXTS, PredictTextsParams, TextPredictions
from core.typed_json import from_json, to_json
from gpu_jobs.runners.local import job_environment

IDLE_SECONDS = 300.0
MOST = 2
"""processes, of some hundred megabytes each: the model in use, and one that it is compared with"""
POLL_SECONDS = 0.1
END_SECONDS = 5.0
TRIES = 2
"""processes that a request is sent to before it becomes a job of its own, whose log says what is wrong"""


@dataclass(frozen=True)
class _Keeper:
    """One process. lock: held by whoever waits for its answer. lost: it was killed, or a request found nobody; this is
    known before its end is."""

    process: subprocess.Popen[bytes]
    requests: IO[bytes]
    answers: IO[bytes]
    lock: threading.Lock = field(default_factory=threading.Lock)
    lost: threading.Event = field(default_factory=threading.Event)

    @property
    def alive(self) -> bool:
        return not self.lost.is_set() and self.process.poll() is None

    def ask(self, line: bytes, waiting: Callable[[], None]) -> bytes | None:
        """Its answer; None where it ended before it had answered, or was idle for so long that it just ended."""
        while not self.lock.acquire(timeout=POLL_SECONDS):
            waiting()
        try:
            self.requests.write(line)
            self.requests.flush()
            events = select.poll()
            events.register(self.answers, select.POLLIN)
            while not events.poll(POLL_SECONDS * 1000):
                waiting()
            answer = self.answers.readline()
        except (OSError, ValueError):  # a pipe that nobody reads, or one that `end` has closed
            answer = b""
        except BaseException:  # stopped: whoever comes next would get this answer
            self.lost.set()
            self.process.kill()
            raise
        finally:
            self.lock.release()
        if answer.endswith(b"\n"):
            return answer
        self.lost.set()
        return None

    def end(self) -> None:
        """It ends once its input does."""
        with suppress(OSError):
            self.requests.close()
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
        with self.lock:
            self.answers.close()


class KeptModels:
    """A process for each model that is requested, up to MOST; each ends by itself when it is idle or its owner ends.

    folder: for logs and what models need to work in. threads: 0: half of the cores.
    """

    def __init__(self, folder: Path, threads: int, idle: float = IDLE_SECONDS) -> None:
        self._folder, self._threads, self._idle = folder, threads, idle
        self._keepers: dict[str, _Keeper] = {}
        """by what the answers depend on; the one that was used last comes last"""
        self._keys: dict[str, str] = {}
        """by the word for the model"""
        self._changing = threading.Lock()
        self._closed = False

    def predict(
        self, word: str, params: PredictTextsParams, texts: Sequence[str], waiting: Callable[[], None]
    ) -> TextPredictions | None:
        """As `LoadedModels` says. A process that was killed is started anew, and the request sent again."""
        line = json.dumps({"params": to_json(params), "texts": list(texts)}).encode() + b"\n"
        for _ in range(TRIES):
            keeper = self._keeper(word, params)
            answer = keeper.ask(line, waiting) if keeper else None
            if answer is not None:
                return _read(json.loads(answer))
        return None

    def close(self) -> None:
        """Ends all processes; none is started any more."""
        with self._changing:
            self._closed = True
            keepers = list(self._keepers.values())
            self._keepers.clear()
        for keeper in keepers:
            keeper.end()

    def _keeper(self, word: str, params: PredictTextsParams) -> _Keeper | None:
        key = _key(params)
        with self._changing:
            if self._closed:
                return None
            before, self._keys[word] = self._keys.get(word), key
            keeper = self._keepers.pop(key, None)
            if keeper and not keeper.alive:
                keeper.end()
                keeper = None
            keeper = keeper or self._start()
            if before != key and before not in self._keys.values():
                self._retire(before)
            for oldest in list(self._keepers)[: len(self._keepers) + 1 - MOST]:
                self._retire(oldest)
            self._keepers[key] = keeper
        return keeper

    def _retire(self, key: str | None) -> None:
        """Not while it answers somebody; it is idle later."""
        keeper = self._keepers.get(key) if key else None
        if key is None or keeper is None or not keeper.lock.acquire(blocking=False):
            return
        del self._keepers[key]
        self._keys = {word: other for word, other in self._keys.items() if other != key}
        keeper.lock.release()
        threading.Thread(target=keeper.end, daemon=True).start()

    def _start(self) -> _Keeper:
        with (self._folder / "log.txt").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "gpu_jobs.keep_model", str(self._folder), str(self._idle)],
                cwd=self._folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the server, which ends it
                env=job_environment(PREDICT_TEXTS.name, self._threads),
            )
        threading.Thread(target=process.wait, name=f"reap-{process.pid}", daemon=True).start()
        if process.stdin is None or process.stdout is None:
            raise AssertionError
        return _Keeper(process, process.stdin, process.stdout)


def _key(params: PredictTextsParams) -> str:
    """What answers depend on: the model's files, and what they are called here."""
    files: list[tuple[str, int, int]] = []
    if params.model.folder:
        with suppress(OSError), os.scandir(params.model.folder) as entries:
            stats = ((entry.name, entry.stat()) for entry in entries)
            files = sorted((name, stat.st_mtime_ns, stat.st_size) for name, stat in stats)
    return json.dumps([to_json(params.setting), to_json(params.model), files])


def _read(answer: dict[str, object]) -> TextPredictions:
    """Raises what the model's process raised."""
    if "value" in answer:
        return from_json(TextPredictions, answer["value"], "The answer of a loaded model")
    kind = getattr(errors, str(answer["error"]), RondoError)
    raise kind(answer["message"])
