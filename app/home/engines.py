"""The servers of a home's projects: one process each, started when a project is opened. Knows no request."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from app.client import answers
from core.errors import Refused
from core.home.folders import private, project_path

START_SECONDS = 90.0
STOP_SECONDS = 30.0
TRIES = 3
IDLE_SECONDS = 600.0
"""after its last page was closed a project sleeps"""


@dataclass(frozen=True)
class Engine:
    """A running server of a project."""

    process: "subprocess.Popen[bytes]"
    port: int
    log: Path

    @property
    def alive(self) -> bool:
        """Has it not ended?"""
        return self.process.poll() is None

    @property
    def url(self) -> str:
        """Where this machine reaches it."""
        return f"http://127.0.0.1:{self.port}"


@dataclass
class Engines:
    """public: of a project's key the address that people open. free_port: one that nothing listens on."""

    home: Path
    public: Callable[[str], str]
    address: str
    free_port: Callable[[], int]
    idle: float = IDLE_SECONDS
    _engines: dict[str, Engine] = field(default_factory=dict)
    _locks: dict[str, threading.RLock] = field(default_factory=dict)
    _changing: threading.Lock = field(default_factory=threading.Lock)
    _closed: bool = False

    def lock(self, key: str) -> threading.RLock:
        """Held by whoever starts, stops, moves or reads the project of this key."""
        with self._changing:
            return self._locks.setdefault(key, threading.RLock())

    def awake(self, key: str) -> Engine | None:
        """The project's server, None while it sleeps or is still being started."""
        engine = self._engines.get(key)
        return engine if engine and engine.alive else None

    def running(self) -> list[str]:
        """Keys of the projects that are awake."""
        return [key for key in list(self._engines) if self.awake(key)]

    def wake(self, key: str) -> Engine:
        """The project's server, started if it sleeps; returns when it answers. Raises Refused with the reason that it
        gave, NotAProject."""
        if engine := self.awake(key):
            return engine
        with self.lock(key):
            if engine := self.awake(key):
                return engine
            started, reason = self._start(key), ""
            for _ in range(TRIES):
                if self._answers(started):
                    self._engines[key] = started
                    return started
                reason = _last_line(started.log)
                if "Cannot listen on" not in reason:
                    break
                started = self._start(key)  # somebody took the port in between
        raise Refused(reason or f"{key} could not be opened. See {started.log}.")

    def sleep(self, key: str) -> None:
        """Ends the project's server, if there is one; returns when it has ended. Hold the lock, so that none begins."""
        engine = self._engines.pop(key, None)
        if engine:
            _end(engine)

    def let_end(self, engine: Engine) -> None:
        """Waits for a server that is ending by itself."""
        with suppress(subprocess.TimeoutExpired):
            engine.process.wait(STOP_SECONDS)

    def close(self) -> None:
        """Ends all of them."""
        self._closed = True
        engines = [self._engines.pop(key) for key in list(self._engines)]
        for engine in engines:
            _let_go(engine)
        for engine in engines:
            _end(engine)

    def _start(self, key: str) -> Engine:
        if self._closed:
            raise Refused("This home is being stopped.")
        folder, port = project_path(self.home, key), self.free_port()
        log = private(self.home, f"{key}.log")
        options = {
            "folder": str(folder),
            "port": port,
            "public": self.public(key),
            "home": self.address,
            "idle": self.idle,
        }
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "app.home.engine", json.dumps(options)],  # -P: nothing from this folder
                cwd=folder,
                stdin=subprocess.PIPE,  # closes with this process, however that ends
                stdout=file,
                stderr=file,
                start_new_session=True,  # Ctrl-C is for the home, which ends it in order
            )
        return Engine(process, port, log)

    def _answers(self, engine: Engine) -> bool:
        until = time.monotonic() + START_SECONDS
        while engine.alive and time.monotonic() < until:
            if answers(engine.url):
                return True
            time.sleep(0.05)
        _end(engine)
        return False


def _last_line(log: Path) -> str:
    """The error that ended a server; "" where it has only a traceback to show."""
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return "" if not lines or any(line.startswith("Traceback") for line in lines) else lines[-1]


def _let_go(engine: Engine) -> None:
    """The pipe's end is its signal to stop."""
    if engine.process.stdin:
        with suppress(OSError):
            engine.process.stdin.close()


def _end(engine: Engine) -> None:
    _let_go(engine)
    try:
        engine.process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        engine.process.kill()
        engine.process.wait()
