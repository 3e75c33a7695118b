"""An open project: its folder, store, desk and jobs in one hand. Knows no verb."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from core.config.settings import (
    FILE,
    LAST_GOOD_STEPS,
    Settings,
    keep_as_good,
    read_settings,
    steps_changed,
    way_back,
    write_settings,
)
from core.config.steps import FILE as STEPS_FILE
from core.errors import BadInput, RondoError
from core.exchange.link import Link, no_workspace
from core.exchange.workspace import Connect
from core.jobs.bundle import Jobs, Runner
from core.jobs.job_states import LOST, UNDER_WAY, change_state
from core.labelling.queue import LabelQueue
from core.labelling.taxonomy_versions import adopt_taxonomy, lost_answers
from core.store.database import Store, utc_now
from core.training.trainers import check_entries

if TYPE_CHECKING:
    from core.registry.text_prediction_job import LoadedModels

Stamp = tuple[tuple[int, int, int], ...]
"""when each of the settings' files was written, how long it is, and which file it is"""


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return 0, 0, 0
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


class SettingsInForce:
    """The settings that hold: called, it returns them. A person may edit the file while the app runs.

    What the database need not follow holds at once. Another taxonomy waits for `Project.adopt_edits`, and what cannot
    be read or adopted never holds: `error_message` says why, and the settings before stay.
    """

    def __init__(self, folder: Path) -> None:
        """Raises NotAProject, Damaged, BadInput."""
        self.error_message: str | None = None
        self._folder = folder
        self._stamp = self._seen = self._now()
        self._settings = check_entries(read_settings(folder))

    def __call__(self) -> Settings:
        """The settings that hold now."""
        if self._now() not in (self._stamp, self._seen):
            self._reload()
        return self._settings

    @property
    def edit(self) -> Stamp | None:
        """Which edit of the file waits to be adopted; None for none, and for one that was refused."""
        now = self._now()
        return None if now == self._stamp or (self.error_message and now == self._seen) else now

    def edited(self) -> Settings | None:
        """What stands in the file where it is not what holds; None where it is. Raises BadInput."""
        self._seen = self._now()
        if self._seen == self._stamp:
            return None
        try:
            return check_entries(read_settings(self._folder))
        except RondoError as error:
            self.error_message = str(error)
            raise

    def adopted(self, settings: Settings, *, as_seen: bool = False) -> None:
        """These hold from now on, and are what stands in the file: as `edited` saw it, or as it is now."""
        self._stamp = self._seen if as_seen else self._now()
        self._settings, self._seen, self.error_message = settings, self._stamp, None
        content = (self._folder / FILE).read_bytes()
        if self._now() == self._stamp:
            keep_as_good(self._folder, content)

    def refused(self, error: BadInput) -> BadInput:
        """The same error with the way back to the last good file."""
        self.error_message = f"{error}{way_back(self._folder)}"
        return BadInput(self.error_message)

    def _reload(self) -> None:
        self._seen = self._now()
        try:
            edited = check_entries(read_settings(self._folder))
        except RondoError as error:
            self.error_message = str(error)
            return
        held = self._settings
        same = (edited.taxonomy, edited.steps, edited.settle) == (held.taxonomy, held.steps, held.settle)
        if same and edited.multi >= held.multi:
            self.adopted(edited, as_seen=True)

    def _now(self) -> Stamp:
        return tuple(map(_stamp, (self._folder / FILE, self._folder / STEPS_FILE)))


@dataclass
class Project:
    """Made by `open_project`, ended by `close`."""

    folder: Path
    store: Store
    label_queue: LabelQueue
    jobs: Jobs
    settings: SettingsInForce
    runners: "Runners" = field(default_factory=dict)
    """what can carry a training job, by name"""
    team: Link = field(default_factory=Link)
    loaded_models: "LoadedModels | None" = None
    """what predicts texts without starting a job for each request; a server has it"""
    encoding_now: threading.Lock = field(default_factory=threading.Lock)
    _changing: threading.RLock = field(default_factory=threading.RLock)
    storing: threading.Lock = field(default_factory=threading.Lock)
    """held while a file is stored: one at a time"""
    round_lock: threading.Lock = field(default_factory=threading.Lock)
    """held while a round is played: one at a time"""

    @property
    def vectors(self) -> Path:
        """Where the encoders' shards are."""
        return self.folder / "vectors"

    @property
    def models(self) -> Path:
        """Where the artifacts are, one folder each."""
        return self.folder / "models"

    @contextmanager
    def changing_settings(self) -> Iterator[tuple[Settings, duckdb.DuckDBPyConnection]]:
        """The settings as they are, which nobody else changes meanwhile, and a transaction to change them in.

        `save_settings` is the last thing in the block: the queue, which waits for the transaction, never sees one
        without the other. Where the process dies between the file and the commit the file is ahead, and the next
        `open_project` makes the database follow it. Raises BadInput where an edit of the file cannot be adopted.
        """
        with self._changing:
            self.adopt_edits()
            before = self.settings()
            try:
                with self.store.transaction() as cursor:
                    yield before, cursor
            except BaseException:
                if self.settings() != before:
                    self.save_settings(before)
                raise

    @contextmanager
    def holding_settings(self) -> Iterator[Settings]:
        """The settings as they are, which nobody changes meanwhile. Must not be waited for in a transaction."""
        with self._changing:
            self.adopt_edits()
            yield self.settings()

    def save_settings(self, settings: Settings) -> None:
        """Writes `rondo.toml`; these settings are in force."""
        write_settings(self.folder, settings)
        self.settings.adopted(settings)

    def adopt_edits(self) -> None:
        """What a person wrote into `rondo.toml` comes into force as a whole, or raises BadInput and changes nothing."""
        with self._changing:
            edited = self.settings.edited()
            if edited is None:
                return
            adopt(self.store, self.settings, lambda _: edited)
        self.label_queue.reload()

    def close(self) -> None:
        """Leaves a file that another process can open."""
        if self.loaded_models:
            self.loaded_models.close()
        self.store.close()


Runners = Mapping[str, Callable[[Settings], Runner]]


def open_project(
    folder: Path, runner: Runner, runners: Runners | None = None, connect: Connect = no_workspace
) -> Project:
    """Raises NotAProject, BadInput (settings), Damaged, or StoreHeld when another process has it open.

    Labels that a person edited in `rondo.toml` meanwhile are a new version of the taxonomy.
    """
    folder = folder.absolute()  # jobs stand elsewhere
    settings = SettingsInForce(folder)
    store = Store(folder)
    try:
        if not store.why_read_only:
            adopt(store, settings, lambda cursor: _settle_encoder(cursor, settings()))
    except BaseException:
        store.close()
        raise
    project = Project(
        folder=folder,
        store=store,
        label_queue=LabelQueue(store, settings, utc_now),
        jobs=Jobs(store, runner, folder / "jobs"),
        settings=settings,
        runners=runners or {},
        team=Link(connect),
    )
    if not store.why_read_only and store.one("select exists(from imports)"):
        from core.data.import_parts import finish_imports

        finish_imports(store, folder, project.holding_settings)
    return project


def adopt(store: Store, settings: SettingsInForce, edited: Callable[[duckdb.DuckDBPyConnection], Settings]) -> None:
    """The database follows the file's settings, or nothing changes. Raises BadInput."""
    before = read_settings(store.path.parent)
    try:
        with store.transaction() as cursor:
            adopted = adopt_taxonomy(cursor, edited(cursor))
            if steps_changed(store.path.parent) and (reason := lost_answers(cursor, adopted)):
                raise BadInput(
                    f"{STEPS_FILE}: {reason} Nothing was changed. Write it back: cp {LAST_GOOD_STEPS} {STEPS_FILE}"
                )
            if adopted != before:
                write_settings(store.path.parent, adopted)
    except BadInput as error:
        raise settings.refused(error) from None
    settings.adopted(adopted, as_seen=adopted == before)


def _settle_encoder(cursor: duckdb.DuckDBPyConnection, settings: Settings) -> Settings:
    """The settings as they were, where a promotion was killed after `rondo.toml` and before the database.

    The old champion is whole then: its vectors, suggestions and queue were not touched. Such a job is nobody's any
    more: the database can be opened only when the process that promoted has ended.
    """
    rows = cursor.execute(
        """select id, params->>'before' from jobs where kind = 'activate' and list_contains(?, state)
             and params->>'encoder' = ? and params->>'before' <> params->>'encoder' order by made_at desc limit 1""",
        [list(UNDER_WAY), settings.encoder],
    ).fetchall()
    for job, before in rows:
        change_state(cursor, job, LOST, ended_at=utc_now())
        return replace(settings, encoder=before)
    return settings


def runner_of(project: Project, name: str) -> Runner:
    """The runner of that name. Raises BadInput for an unknown one."""
    if name not in project.runners:
        raise BadInput(f"There is no runner {name!r}; there are {', '.join(project.runners)}.")
    return project.runners[name](project.settings())
