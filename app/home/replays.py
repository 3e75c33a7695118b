"""Replays of a home: what choosing would have saved on a file whose answers are known. One at once; results are kept.

`.home/replays/ID/` holds what one came to; a name that ends in `.partial` is one that is played, or was cut off.
"""

import json
import logging
import secrets
import shutil
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from app.home.access import MANAGE, Visitor
from app.home.child import follow
from app.home.drafts import UNEXPECTED, Draft, Drafts
from app.home.replay_requests import KINDS
from app.home.replay_results import ReplaySummary
from app.home.replaying import FILES, ReplayRequest
from app.words import duration, progress_line
from core.errors import BadInput, Cancelled, Refused, RondoError
from core.home import folders
from core.jobs.bundle import write_json
from core.store.database import utc_now
from core.typed_json import from_json, to_json

log = logging.getLogger("rondo")
ABOUT, REQUEST, LOG = "about.json", "request.json", "log.txt"
RUNNING = "running"
START_SECONDS = 10.0
"""until the first round of a small file: a process starts, models are loaded, texts encoded"""


@dataclass(frozen=True)
class Owner:
    """Who began it: the operator where no project is named, else whoever has this name in one of them."""

    name: str = ""
    projects: tuple[str, ...] = ()

    def is_seen_by(self, visitor: Visitor) -> bool:
        """May the visitor look at it?"""
        people = visitor.people
        return visitor.operator or any(key in people and people[key].name == self.name for key in self.projects)


def owner_of(visitor: Visitor) -> Owner:
    """Who begins one: names are unique in a project only."""
    manager = visitor.manager
    if manager is None:
        return Owner()
    keys = (key for key, person in visitor.people.items() if person.name == manager.name and MANAGE in person.rights)
    return Owner(manager.name, tuple(keys))


@dataclass(frozen=True)
class StoredReplay:
    """One that was played. at: UTC; seconds: it took; strategies, rounds, work: as the request has them."""

    id: str
    title: str
    at: str
    owner: Owner
    task: str
    strategies: tuple[str, ...]
    rounds: int
    work: int
    seconds: float
    summary: ReplaySummary


@dataclass
class CurrentReplay:
    """The one that is played, or was played last. phase: running, done, stopped, failed."""

    id: str
    title: str
    owner: Owner
    phase: str = RUNNING
    progress: tuple[str, int, int] = ("Starting", 0, 0)
    began: float = field(default_factory=time.monotonic)
    stage_began: float = field(default_factory=time.monotonic)
    error: str = ""
    stop: threading.Event = field(default_factory=threading.Event)

    def report(self, what: str, done: int, total: int) -> None:
        """How far it is."""
        if what != self.progress[0]:
            self.stage_began = time.monotonic()
        self.progress = (what, done, total)

    def state(self) -> dict[str, object]:
        """As the page gets it."""
        what, done, total = self.progress
        line = progress_line(what, done, total, time.monotonic() - self.stage_began)
        share = min(1.0, done / total) if total else None
        fields = {name: getattr(self, name) for name in ("id", "title", "phase", "error")}
        return {**fields, "line": line, "share": share}


@dataclass
class Replays:
    """drafts: whose files are played."""

    home: Path
    drafts: Drafts
    current: CurrentReplay | None = None
    _changing: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, drafts: Sequence[Draft], request: ReplayRequest, owner: Owner) -> CurrentReplay:
        """Returns at once. The drafts' files are the replay's from then on; the first one's is played. Raises Refused
        while another is played."""
        with self._changing:
            if self.current and self.current.phase == RUNNING:
                raise Refused("A replay is being played here already. Wait for its end, or have it stopped.")
            self.current = current = CurrentReplay(_new_id(), drafts[0].title, owner)
        for draft in drafts:
            draft.held = True
        threading.Thread(target=self._run, args=(current, drafts, request), name="replay", daemon=True).start()
        return current

    def stop(self) -> None:
        """The one that is played, if there is one."""
        if self.current:
            self.current.stop.set()

    def stored(self, visitor: Visitor) -> list[StoredReplay]:
        """What the visitor may see, the newest first."""
        replays = []
        for file in self._folder().glob(f"*/{ABOUT}"):
            with suppress(OSError, ValueError, BadInput):  # just being deleted, or of another version
                replays.append(from_json(StoredReplay, json.loads(file.read_text(encoding="utf-8")), ABOUT))
        whole = (one for one in replays if (self._folder() / one.id).is_dir() and one.owner.is_seen_by(visitor))
        return sorted(whole, key=lambda one: one.at, reverse=True)

    def file(self, visitor: Visitor, identifier: str, name: str) -> Path:
        """One of its files. Raises BadInput."""
        if name not in FILES or not any(one.id == identifier for one in self.stored(visitor)):
            raise BadInput("There is no such replay any more.")
        return self._folder() / identifier / name

    def forget(self, visitor: Visitor, identifier: str) -> None:
        """Deletes it for good. Raises BadInput."""
        shutil.rmtree(self.file(visitor, identifier, next(iter(FILES))).parent, ignore_errors=True)

    def _run(self, current: CurrentReplay, drafts: Sequence[Draft], request: ReplayRequest) -> None:
        target = self._folder() / current.id
        partial = target.with_name(f"{current.id}.partial")
        phase = "done"
        try:
            partial.mkdir(mode=0o700)
            request = replace(request, folder=str(partial))
            write_json(partial / REQUEST, to_json(request))
            log_file = partial / LOG
            result = follow("app.home.replaying", [partial / REQUEST], log_file, current.stop, current.report)
            for name in (REQUEST, LOG):  # paths of this machine; of no use any more
                (partial / name).unlink(missing_ok=True)
            summary = from_json(ReplaySummary, result, "The result")
            write_json(partial / ABOUT, to_json(_about(current, request, summary)))
            partial.rename(target)
        except Cancelled as error:
            phase, current.error = "stopped", str(error)
        except RondoError as error:
            phase, current.error = "failed", str(error)
        except Exception:
            phase, current.error = "failed", UNEXPECTED
            log.exception("replay of %s", current.title)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
            for draft in drafts:
                draft.held = False
                self.drafts.drop(draft)
            current.phase = phase  # last: who sees it finds nothing left behind

    def _folder(self) -> Path:
        return folders.private(self.home, "replays")


def estimate(request: ReplayRequest, replays: Sequence[StoredReplay]) -> str:
    """How long it will take, in a sentence: as long as the newest of the same task did for each unit of work."""
    kind = KINDS[request.task]
    last = next((one for one in replays if one.task == request.task and one.work), None)
    rate = max(last.seconds - START_SECONDS, last.seconds / 2) / last.work if last else kind.seconds
    seconds = START_SECONDS + request.work * rate
    basis = "as fast as the last one here" if last else "roughly: none was played here yet"
    tuned = request.labels is not None and request.labels.tuning
    tuning = " Tuning, where it comes to it, takes minutes each time." if tuned else ""
    about = f"{request.rounds:,} {kind.unit}, about {duration(seconds)} ({basis})."
    return f"{about}{tuning} It runs behind whatever else goes on here."


def _about(current: CurrentReplay, request: ReplayRequest, summary: ReplaySummary) -> StoredReplay:
    return StoredReplay(
        id=current.id,
        title=current.title,
        at=f"{utc_now():%Y-%m-%d %H:%M}",
        owner=current.owner,
        task=request.task,
        strategies=request.strategies,
        rounds=request.rounds,
        work=request.work,
        seconds=round(time.monotonic() - current.began, 1),
        summary=summary,
    )


def _new_id() -> str:
    return f"{utc_now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
