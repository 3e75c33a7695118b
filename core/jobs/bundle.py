"""Jobs in processes of their own: their row, bundle folder and end. Knows no kind of work and no runner."""

import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from core import errors
from core.errors import BadInput, Cancelled, Damaged, Refused, RondoError
from core.ids import JobId
from core.jobs.code_version import code_version
from core.jobs.job_states import ENDED, OPEN, UNDER_WAY, change_state
from core.jobs.kinds import JobKind, Params, Result
from core.store.whole_files import sha256_of, write_whole
from core.typed_json import from_json, to_json

if TYPE_CHECKING:  # a job's process has bundles and no store
    from core.store.database import Store

POLL_SECONDS = 0.05

Report = Callable[[str, int, int], None]
"""(what, done, total): called now and then while something long goes on; raises Cancelled to stop it."""


LOG = "log.txt"


@dataclass(frozen=True)
class RunStatus:
    """A job's status by its runner. state: queued, running, one of ENDED, or lost; message: the reason, or ''."""

    state: str
    message: str = ""


@dataclass(frozen=True)
class Resources:
    """Resources of a job. seconds: limit, 0 for none. gpu: "L4", or "L4:2" for two; None for the machine's.

    environment: variables of the job's process. They are never stored: a token may be among them.
    """

    seconds: int = 0
    gpu: str | None = None
    cpu: float | None = None
    memory_mb: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Handle:
    """Where a job runs. Each runner fills in its own fields; they are stored, so that a restarted server can ask again.

    pid, seconds (its limit): on this machine. call: at Modal. address, submission, work (folder): on Ray.
    """

    pid: int = 0
    seconds: int = 0
    call: str = ""
    address: str = ""
    submission: str = ""
    work: str = ""


class Runner(Protocol):
    """Runs bundles somewhere: on this machine, at Modal or on Ray."""

    def start(self, bundle: Path, resources: Resources) -> Handle:
        """Starts it; a second call for a bundle of the same name starts nothing.

        Raises BadInput or Refused, in a sentence that says what to do, where it cannot.
        """

    def poll(self, bundle: Path, handle: Handle) -> RunStatus:
        """Its status. Updates `events.jsonl` and the log, and copies the output once it has ended, `result.json` last.
        Never raises for what may pass (no network, an outage): that is `lost`.
        """

    def cancel(self, bundle: Path, handle: Handle) -> None:
        """Stops it; returns when it has stopped or will."""

    def forget(self, bundle: Path, handle: Handle) -> None:
        """Deletes an ended job's files where it ran: texts, labels, checkpoints. Nothing there is no error.

        Raises Refused where that runner cannot be reached.
        """

    def price(self, resources: Resources, seconds: float) -> float | None:
        """US dollars for so long, None where it is free. Raises BadInput for a GPU that is not on offer."""


def read_handle(written: str) -> Handle:
    """From the JSON in a job's row."""
    return from_json(Handle, json.loads(written), "The handle of a job")


class JobBroke(RondoError):
    """The job ended without a result that can be used; the log in its folder has the details."""


@dataclass(frozen=True)
class Bundle:
    """A job's folder: `job.json`, `in/`, `out/`, `events.jsonl`, and `result.json` written last."""

    path: Path

    @property
    def id(self) -> JobId:
        """The job's, which names the folder."""
        return JobId(self.path.name)

    @property
    def result(self) -> dict[str, Any] | None:
        """How it ended, or None while it has not. Raises Damaged for a malformed file."""
        try:
            result = json.loads((self.path / "result.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError:
            result = None
        if not isinstance(result, dict) or result.get("state") not in ENDED:
            raise Damaged(f"{self.path / 'result.json'} cannot be read. Run the job again.")
        return result

    @property
    def progress(self) -> tuple[int, int]:
        """(done, total) of the newest line that is complete."""
        newest = self._newest
        return (newest[-1]["done"], newest[-1]["total"]) if newest else (0, 0)

    @property
    def accuracy(self) -> float | None:
        """Of what a job has scored so far, by the newest lines; None where it scores nothing."""
        known = [event["accuracy"] for event in self._newest if "accuracy" in event]
        return known[-1] if known else None

    @property
    def events(self) -> list[dict[str, Any]]:
        """Every complete line of progress: done, total, at (seconds since 1970), and figures such as loss, by name."""
        try:
            lines = (self.path / "events.jsonl").read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            return []
        return [event for line in lines if (event := _event(line))]

    @property
    def kind(self) -> str:
        """Name of the kind of job; empty where `job.json` has none."""
        try:
            return str(json.loads((self.path / "job.json").read_text(encoding="utf-8"))["kind"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def params(self, kind: JobKind[Params, Result]) -> Params:
        """The job's parameters. Raises Damaged where `job.json` has none."""
        try:
            values = json.loads((self.path / "job.json").read_text(encoding="utf-8"))["params"]
            return from_json(kind.params, values, f"The parameters of {self.path.name}")
        except (OSError, ValueError, KeyError, TypeError, BadInput) as error:
            raise Damaged(f"{self.path / 'job.json'} cannot be read ({error}). Start the job again.") from None

    @property
    def _newest(self) -> list[dict[str, Any]]:
        """The last complete lines of progress; only the end of the file is read."""
        try:
            with (self.path / "events.jsonl").open("rb") as file:
                file.seek(-min(file.seek(0, os.SEEK_END), 4096), os.SEEK_END)
                lines = file.read().split(b"\n")[:-1]
        except FileNotFoundError:
            return []
        return [event for line in lines[-3:] if (event := _event(line))]

    @property
    def sealed(self) -> bool:
        """Is the input complete, and still there?"""
        try:
            job = json.loads((self.path / "job.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return False
        return "input_sha256" in job and (self.path / "in").is_dir()

    def log(self, lines: int = 200) -> list[str]:
        """The last lines of what the job printed; of a long log only the end is read."""
        try:
            with (self.path / LOG).open("rb") as file:
                file.seek(-min(file.seek(0, os.SEEK_END), lines * 500), os.SEEK_END)
                return file.read().decode("utf-8", "replace").splitlines()[-lines:]
        except FileNotFoundError:
            return []

    def seal(self) -> None:
        """Writes the hash of the input into `job.json`: a result is for this input only."""
        digest = hashlib.sha256()
        for file in sorted(path for path in (self.path / "in").rglob("*") if path.is_file()):
            with file.open("rb") as content:
                name = file.relative_to(self.path / "in").as_posix()
                digest.update(name.encode() + hashlib.file_digest(content, "sha256").digest())
        job = json.loads((self.path / "job.json").read_text(encoding="utf-8"))
        write_json(self.path / "job.json", {**job, "input_sha256": digest.hexdigest(), "code": code_version()})

    def empty(self) -> None:
        """Removes input and output; `job.json` and the result stay."""
        for name in ("in", "out", "ckpt"):
            shutil.rmtree(self.path / name, ignore_errors=True)


def _event(line: bytes) -> dict[str, Any] | None:
    """None for a line that a full disk or a kill cut short; without figures that are no numbers."""
    try:
        event = json.loads(line)
        entries = {name: value for name, value in event.items() if isinstance(value, int | float) and isfinite(value)}
    except (ValueError, AttributeError):
        return None
    return entries if {"done", "total"} <= entries.keys() else None


def _with_accuracy(what: str, bundle: Bundle) -> str:
    accuracy = bundle.accuracy
    return what if accuracy is None else f"{what} ({accuracy:.1%} right so far)"


def manifest(out: Path) -> dict[str, str]:
    """Path below `out` to SHA-256, of every file, to verify what came back."""
    return {file.relative_to(out).as_posix(): sha256_of(file) for file in sorted(out.rglob("*")) if file.is_file()}


def write_json(path: Path, value: object) -> None:
    """Whole or not at all."""
    write_whole(path, json.dumps(value, ensure_ascii=False, indent=1).encode(), alone=True)


def _now() -> datetime:
    from core.store.database import utc_now

    return utc_now()


@dataclass(frozen=True)
class Jobs:
    """Starts jobs, waits for them, and stores how each ended."""

    store: "Store"
    runner: Runner
    folder: Path

    def prepare(self, kind: JobKind[Params, Result], params: Params) -> Bundle:
        """A new bundle with an empty `in/`, not yet started."""
        job_id, values = JobId(f"{_now():%Y%m%d-%H%M%S}-{kind.name}-{secrets.token_hex(3)}"), to_json(params)
        bundle = Bundle(self.folder / job_id)
        try:
            self.folder.mkdir(exist_ok=True)  # not its parents: a renamed project must not come back
            for name in ("in", "out"):
                (bundle.path / name).mkdir(parents=True)
            write_json(bundle.path / "job.json", {"schema": 1, "id": job_id, "kind": kind.name, "params": values})
        except OSError as error:
            shutil.rmtree(bundle.path, ignore_errors=True)
            raise Refused(f"The job cannot be written: {error}. Free the disk, and start it again.") from None
        with self.store.transaction() as cursor:
            cursor.execute(
                "insert into jobs (id, kind, state, made_at, params) values (?, ?, 'draft', ?, ?)",
                [job_id, kind.name, _now(), json.dumps(values)],
            )
        return bundle

    def run(
        self,
        bundle: Bundle,
        kind: JobKind[Params, Result],
        report: Report,
        what: str,
        resources: Resources = Resources(),
    ) -> Result:
        """The result, once it is there. Raises what the job raised, Cancelled, or JobBroke; `lost` is not `failed`."""
        handle = self.attach(bundle) or self.start(bundle, resources)
        try:
            while self.runner.poll(bundle.path, handle).state in UNDER_WAY:
                report(_with_accuracy(what, bundle), *bundle.progress)
                time.sleep(POLL_SECONDS)
            report(_with_accuracy(what, bundle), *bundle.progress)
        except (Cancelled, KeyboardInterrupt):
            self.runner.cancel(bundle.path, handle)
            self.end(bundle, "cancelled", None)
            raise Cancelled(f"{what}: stopped. Run it again to go on.") from None
        result = bundle.result
        if result is None:
            self.end(bundle, "lost", None)
            raise JobBroke(f"{what}: the process ended without a result. See {bundle.path / 'log.txt'}; try again.")
        return from_json(kind.result, self.checked(bundle, result, what), f"The result of {bundle.path.name}")

    def finish(self, bundle: Bundle, kind: JobKind[Params, Result], report: Report, what: str) -> Result:
        """As `run`, for a result of which the caller stores nothing: the job has succeeded."""
        result = self.run(bundle, kind, report, what)
        with self.store.transaction() as cursor:
            self.claim_result(bundle, cursor)
        return result

    def claim_result(self, bundle: Bundle, cursor: Any) -> bool:
        """True for the one transaction that may store the result; False for every later one."""
        return change_state(cursor, bundle.id, "succeeded", OPEN, ended_at=_now())

    def refuse(self, bundle: Bundle, error: RondoError) -> None:
        """For a finished job whose result cannot be used: marks it failed and deletes its files."""
        self.end(bundle, "failed", str(error))
        bundle.empty()

    def survived(self, bundle: Bundle) -> bool:
        """Is an attempt of a former server still running, or has it left a result?"""
        return self.attach(bundle) is not None

    def lose(self, bundle: Bundle) -> None:
        """For a job whose server and process are gone: marks it lost. Usable partial output stays."""
        self.end(bundle, "lost", None)

    def give_up(self, bundle: Bundle) -> None:
        """For a job whose result nobody will use: marks it lost, which is not failed."""
        handle = self._handle(bundle)
        if handle is not None:
            self.runner.cancel(bundle.path, handle)
        self.end(bundle, "lost", None)
        bundle.empty()

    def _handle(self, bundle: Bundle) -> Handle | None:
        written = self.store.one("select handle from jobs where id = ? and state = 'running'", [bundle.path.name])
        return read_handle(written) if written else None

    def attach(self, bundle: Bundle) -> Handle | None:
        """The handle of an attempt that outlived its server, or that has a result already."""
        handle = self._handle(bundle)
        return handle if handle and self.runner.poll(bundle.path, handle).state != "lost" else None

    def start(self, bundle: Bundle, resources: Resources) -> Handle:
        """Hands it to the runner; one that has ended goes on from its checkpoints. Raises what the runner does."""
        (bundle.path / "result.json").unlink(missing_ok=True)
        bundle.seal()
        with self.store.transaction() as cursor:
            change_state(cursor, bundle.id, "submitting")
        handle = self.runner.start(bundle.path, resources)
        with self.store.transaction() as cursor:
            change_state(cursor, bundle.id, "running", handle=json.dumps(to_json(handle)))
        return handle

    def checked(self, bundle: Bundle, result: dict[str, Any], what: str) -> dict[str, Any]:
        """What a job that has ended well says. Stores any other end, and raises it."""
        if result["state"] == "succeeded":
            return dict(result["value"])
        if result["state"] == "cancelled":  # by a server that died before it stored that
            self.end(bundle, "cancelled", None)
            raise Cancelled(f"{what}: stopped. Run it again to go on.")
        self.end(bundle, str(result["state"]), str(result["message"]))
        name = str(result.get("kind", result["state"]))  # none where it took too long
        kind = getattr(errors, name, None)
        if isinstance(kind, type) and issubclass(kind, RondoError):
            raise kind(result["message"])
        raise JobBroke(f"{what} broke: {name}: {result['message']} See {bundle.path / 'log.txt'}.")

    def end(self, bundle: Bundle, state: str, error: str | None) -> None:
        """Stores how it ended, unless it has ended already."""
        with self.store.transaction() as cursor:
            change_state(cursor, bundle.id, state, OPEN, ended_at=_now(), error=error)
