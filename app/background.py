"""The one project that this server process has open, and its background tasks. Pages and routes use it."""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar, cast, overload

import duckdb

from app.auth.authenticator import TRUSTED, Authenticator, Binding
from app.team_watch import TeamWatch
from app.words import stage_of
from core import verbs
from core.auto_label.guarantees import answers_to_check
from core.config.settings import Settings
from core.errors import Cancelled, NotAProject, Refused, RondoError
from core.jobs.bundle import Report
from core.labelling.own_keys import choose_keys
from core.labelling.queue import LabelQueue
from core.models.encoders.text_limit import characters_read
from core.models.feature_plans import awaited_encoder
from core.project import Project, Stamp
from core.registry.retraining import is_due, tuning_due
from core.registry.tuning import tunable
from core.reports.quality_news import QualityNews, quality_news
from core.store.database import note
from core.store.private_files import drop_uploads, made_once, private_folder
from core.training.following import jobs_to_follow
from core.training.watching import follow
from core.upkeep import sweep

log = logging.getLogger("rondo")
WATCH_SECONDS = 2.0
UNEXPECTED = "Something went wrong that Rondo did not expect. Try again; what happened stands in the app's output."
Options = ParamSpec("Options")
Result = TypeVar("Result")


@dataclass(frozen=True)
class TaskProgress:
    """Progress of a running task. `total` 0: unknown."""

    what: str
    done: int
    total: int
    since: float

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self.since

    @property
    def share(self) -> float:
        """Done of total, 0..1."""
        return min(self.done / self.total, 1.0) if self.total else 0.0


@dataclass
class BackgroundTask:
    """One verb that is running, and the flag that stops it and nothing else."""

    verb: str
    activity: TaskProgress
    run: str = ""
    """id that the command that started it gave it"""
    stop: threading.Event = field(default_factory=threading.Event)
    result: Any = None
    """of a verb that was started in the background, once it has succeeded"""
    error: str = ""
    """the same, once it was refused"""
    erasures: int = 0
    """that the app had done when it began: what ran before another one may tell what was erased"""


@dataclass
class ProjectServer:
    """An open project with its background work; rounds run one after another, encoding in parallel."""

    project: Project
    secret: bytes
    authenticator: Authenticator
    error_message: str | None = None
    """error of the last background work, until the next one succeeds"""
    home: str = ""
    """address of the home that the project was opened from, empty where it is served alone"""
    served: bool = False
    """whether `watch` was called: pages then begin by themselves what is only a matter of time"""
    latest: dict[str, BackgroundTask] = field(default_factory=dict)
    """the last background run of each verb, whose result a page shows, also to whoever comes back"""
    erasures: int = 0
    """done since the app began"""
    _tasks: list[BackgroundTask] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)
    _changing: threading.Lock = field(default_factory=threading.Lock)
    _closing: bool = False
    _closed: threading.Event = field(default_factory=threading.Event)
    _looked_at: int = 0
    """responses there were when the guarantee in force was last looked at"""
    _quality: tuple[int, QualityNews | None] = (-1, None)

    @property
    def label_queue(self) -> LabelQueue:
        """The queue that hands out records and receives answers."""
        return self.project.label_queue

    @property
    def activities(self) -> dict[str, TaskProgress]:
        """Progress of running tasks, by verb."""
        return {background_task.verb: background_task.activity for background_task in list(self._tasks)}

    def settings(self) -> Settings:
        """From `rondo.toml` as it is now."""
        return self.project.settings()

    def characters_read(self, texts: Sequence[str]) -> list[int | None]:
        """How much of each text the encoder in use reads, as far as that is known."""
        project = self.project
        return characters_read(project.models, project.vectors / "cache", self.settings().encoder, texts)

    @overload
    def begin_task(self, verb: str, *, run: str = "") -> BackgroundTask: ...

    @overload
    def begin_task(self, verb: str, *, alone: bool) -> BackgroundTask | None: ...

    def begin_task(self, verb: str, *, alone: bool = False, run: str = "") -> BackgroundTask | None:
        """Registers a run of a verb; None when it must run alone and already does. Raises Cancelled at the end."""
        with self._changing:
            if self._closing:
                raise Cancelled("The app is being stopped.")
            if alone and any(background_task.verb == verb for background_task in self._tasks):
                return None
            background_task = BackgroundTask(verb, TaskProgress("Starting", 0, 0, time.monotonic()), run)
            background_task.erasures = self.erasures
            self._tasks.append(background_task)
            return background_task

    def run(self, background_task: BackgroundTask, report: Report, *, user: str = "local", **options: Any) -> Any:
        """Runs the verb of this task and ends the task. user: for the history."""
        try:
            report_step = _reporting(background_task, report)
            verb = background_task.verb
            background_task.result = verbs.do_verb(self.project, verb, report_step, user=user, **options)
            if verb == "erase" and options.get("sure"):
                self._forget(background_task)
            return background_task.result
        finally:
            self.end_task(background_task)

    def _forget(self, erasure: BackgroundTask) -> None:
        """What ran before it is not told any more."""
        self.erasures += 1
        erasure.erasures = self.erasures
        for one in self.latest.values():
            if one is not erasure:
                one.result = None

    def end_task(self, background_task: BackgroundTask) -> None:
        """Ends a task that `begin_task` began; `run` does so by itself."""
        with self._changing:
            self._tasks.remove(background_task)

    def do(
        self,
        user: str,
        verb: Callable[Concatenate[Project, Report, Options], Result],
        *args: Options.args,
        **options: Options.kwargs,
    ) -> Result:
        """Runs a verb while the caller waits, without showing progress. user: for the history."""
        name = verbs.name_of(verb)
        return cast(Result, self.run(self.begin_task(name), lambda *_: None, user=user, **options))

    def do_alone(
        self,
        user: str,
        verb: Callable[Concatenate[Project, Report, Options], Result],
        *args: Options.args,
        **options: Options.kwargs,
    ) -> Result | None:
        """The same; None, and nothing is done, while the verb runs already."""
        background_task = self.begin_task(verbs.name_of(verb), alone=True)
        if background_task is None:
            return None
        return cast(Result, self.run(background_task, lambda *_: None, user=user, **options))

    def quality(self, version: int) -> QualityNews | None:
        """How good the model is, read anew with every version of the queue: a key press must not wait for it."""
        if self._quality[0] != version:
            self._quality = (version, quality_news(self.project))
        return self._quality[1]

    def choose_keys(self, annotator: str, keys: dict[str, str]) -> None:
        """Keys of the card that this person has from now on, wherever they sign in."""
        choose_keys(self.project.store, annotator, keys)

    def after_events(self) -> None:
        """Starts a round when a batch is finished, and looks at a guarantee when machine labels were answered since it
        last did; returns at once."""
        if "check" not in self.activities:  # a running one may miss the newest answer
            answers, due = answers_to_check(self.project, self._looked_at)
            if due:
                self.start("check")
            self._looked_at = answers
        if self.settings().automatic and not self.project.round_lock.locked() and self.label_queue.round_due():
            self.start("round")

    def start(self, verb: str, *, user: str = "rondo", **options: Any) -> BackgroundTask | None:
        """Runs the verb in the background; an error is shown on the pages, saved results are kept. None, and nothing is
        done, while the verb runs already."""
        return self._begin(verb, lambda task: self.run(task, lambda *_: None, user=user, **options))

    def start_work(self, name: str, work: Callable[[Report], Any]) -> BackgroundTask | None:
        """The same for what is done beside the project: no verb of it, so whoever wants a line in the history writes
        it."""

        def run(task: BackgroundTask) -> None:
            try:
                task.result = work(_reporting(task, lambda *_: None))
            finally:
                self.end_task(task)

        return self._begin(name, run)

    def _begin(self, name: str, run: Callable[[BackgroundTask], object]) -> BackgroundTask | None:
        background_task = self.begin_task(name, alone=True)
        if background_task is None:
            return None
        self.latest[name] = background_task
        thread = threading.Thread(
            target=self._background, args=(background_task, run), name=f"rondo-{name}", daemon=True
        )
        self._threads = [one for one in self._threads if one.is_alive()] + [thread]
        thread.start()
        return background_task

    def watch(self) -> None:
        """Looks at training jobs, and whether it is time to train again, every WATCH_SECONDS; returns at once."""
        self.served = True
        thread = threading.Thread(target=self._watch, name="rondo-watch", daemon=True)
        self._threads.append(thread)
        thread.start()
        exchange = threading.Thread(target=TeamWatch(self).run, args=(self._closed,), name="rondo-team", daemon=True)
        self._threads.append(exchange)
        exchange.start()

    def _watch(self) -> None:
        answered = tuned = -1
        encoding = ""
        edit: Stamp | None = None
        while not self._closed.wait(WATCH_SECONDS):
            try:
                if edit is not None and edit == self.project.settings.edit:  # an editor may be in the middle of saving
                    self.project.adopt_edits()
                edit = self.project.settings.edit
                if jobs_to_follow(self.project):
                    follow(self.project, lambda *_: None)
                if is_due(self.project) and answered != (
                    now := self.project.store.one("select count(*) from responses")
                ):
                    answered = now  # a retraining that could not start is not retried before there are new answers
                    self.start("retrain")
                elif tunable(self.project) and tuned != (
                    now := self.project.store.one(
                        "select (select count(*) from responses) + (select count(*) from models)"
                    )
                ):
                    tuned = now  # looked at once for each answer or model: it counts them all
                    if tuning_due(self.project):
                        by_itself = self.project.settings().retrain_after > 0  # elsewhere it may cost
                        self.start("retrain", tune=True, on=None if by_itself else "local")
                if (encoder := awaited_encoder(self.project)) and encoder != encoding:
                    encoding = encoder  # once: what could not be encoded is not tried again every few seconds
                    self.start("encode")
            except (RondoError, OSError, duckdb.Error) as error:  # rondo.toml half written, say: the next may succeed
                self.error_message = str(error)
                log.warning("watch: %s", error)

    def cancel(self, verb: str, user: str = "local") -> None:
        """Stops this verb's runs at their next report; finished results are kept."""
        with self.project.store.transaction() as cursor:
            note(cursor, user, "stop", {"verb": verb})
        for background_task in list(self._tasks):
            if background_task.verb == verb:
                background_task.stop.set()

    def stop_run(self, run: str) -> None:
        """The same for one run, named by the command that waits for it."""
        for background_task in list(self._tasks):
            if run and background_task.run == run:
                background_task.stop.set()

    def close(self) -> None:
        """Stops all tasks, waits for them, and closes the project, so that another process can open it."""
        with self._changing:
            self._closing = True
        self._closed.set()
        deadline = time.monotonic() + 20
        while self._tasks and time.monotonic() < deadline:
            for background_task in list(self._tasks):
                background_task.stop.set()
            time.sleep(0.05)
        for thread in self._threads:
            thread.join(1)
        drop_uploads(self.project.folder)
        self.project.close()

    def _background(self, background_task: BackgroundTask, run: Callable[[BackgroundTask], object]) -> None:
        try:
            run(background_task)
            self.error_message = None
        except Cancelled:
            self.error_message = None
        except RondoError as error:
            self.error_message = background_task.error = str(error)
            log.warning("%s: %s", background_task.verb, error)
        except Exception:
            self.error_message = background_task.error = UNEXPECTED
            log.exception("%s", background_task.verb)


def _reporting(background_task: BackgroundTask, report: Report) -> Report:
    """The same report, seen by the pages too, and ended by the task's flag."""
    since: dict[str, float] = {}

    def report_step(what: str, done: int, total: int) -> None:
        if background_task.stop.is_set() and not (total and done >= total):  # a last report is passed on
            raise Cancelled(f"{what}: stopped. What was finished is kept.")
        began = since.setdefault(stage_of(what), time.monotonic())
        background_task.activity = TaskProgress(what, done, total, began)
        report(what, done, total)

    return report_step


_OPEN: list[ProjectServer] = []


def opened() -> ProjectServer:
    """The server of this process. Raises NotAProject where none was opened."""
    if not _OPEN:
        raise NotAProject("No project is open in this process. Start the app with `rondo up`.")
    return _OPEN[-1]


def open_server(open_project: Callable[[], Project], bound: Binding = TRUSTED) -> ProjectServer:
    """Opens a project for this process."""
    project = open_project()
    if project.store.why_read_only:
        project.close()
        raise Refused(f"{project.store.why_read_only} The app must be able to store answers. `rondo status` can look.")
    sweep(project)
    secret = read_secret(project.folder)
    try:
        server = ProjectServer(project, secret, Authenticator(project.store, secret, bound))
    except RondoError:
        project.close()
        raise
    _OPEN[:] = [server]
    return server


def close_server() -> None:
    """Ends what `open_server` began."""
    while _OPEN:
        _OPEN.pop().close()


def read_secret(project: Path) -> bytes:
    """Made once per project, so that a page that is open in a browser goes on after a restart."""
    return made_once(private_folder(project) / "secret", secrets.token_hex(32)).read_bytes()
