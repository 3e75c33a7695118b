"""What is on its way to be a project: a file, what is in it, its making. Knows no page."""

import json
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from annotation.dataset_copy import DatasetAddress, check_address, copy_dataset
from annotation.server import KEY_VARIABLE
from app.auth.secret_file import read_secret_table
from app.home.child import follow
from app.home.making import MakeRequest
from core.data.preview import LEFT_OUT
from core.data.preview_job import PREVIEW, Preview, PreviewParams
from core.data.remote_files import full_path, is_remote, name_of, secrets_for
from core.errors import BadInput, Cancelled, Refused, RondoError
from core.home import folders
from core.jobs.bundle import POLL_SECONDS, Bundle, Resources, Runner, write_json
from core.jobs.job_states import UNDER_WAY
from core.typed_json import from_json, to_json
from gpu_jobs.runners.local import LocalRunner

MOST_DRAFTS = 50
KEPT_SECONDS = 24 * 3600.0
FEW_LINES = 2
REQUEST, LOG = ".request.json", ".making.log"
"""no file that is uploaded has a name that begins with a dot"""
UNEXPECTED = "Something went wrong that Rondo did not expect. Try again; what happened stands in the home's output."


@dataclass
class Draft:
    """phase: reading, ready (its beginning is known), checking, checked, making, made, failed. key: of the project.
    encoding: of the file's characters. sql: a query on the source, whose rows they are."""

    id: str
    folder: Path
    source: str
    title: str
    phase: str = "reading"
    progress: tuple[str, int, int] = ("", 0, 0)
    error: str = ""
    preview: Preview | None = None
    left_out: Path | None = None
    key: str = ""
    encoding: str = "utf-8"
    sql: str = ""
    since: float = field(default_factory=time.monotonic)
    stop: threading.Event = field(default_factory=threading.Event)
    held: bool = False
    """whether its files stay where it is dropped: a verb reads them"""

    def state(self) -> dict[str, object]:
        """As the page gets it."""
        return {
            "id": self.id,
            "title": self.title,
            "phase": self.phase,
            "progress": self.progress,
            "error": self.error,
            "preview": to_json(self.preview) if self.preview else None,
            "key": self.key,
        }


@dataclass
class Drafts:
    """All that is under way in a home. Each draft's files lie in a folder of its own, which goes with it. two_sides:
    are columns of two sides looked for, before anybody has said what a record is?"""

    home: Path
    two_sides: bool = False
    runner: Runner = field(default_factory=LocalRunner)
    _drafts: dict[str, Draft] = field(default_factory=dict)
    _changing: threading.Lock = field(default_factory=threading.Lock)

    def folder(self) -> Path:
        """A new one for a draft's file."""
        self._drop_old()
        with self._changing:
            if len(self._drafts) >= MOST_DRAFTS:
                raise Refused("Too many files are waiting here. Close other tabs with new projects, and try again.")
        path = folders.private(self.home, "drafts") / secrets.token_hex(8)
        path.mkdir(mode=0o700)
        return path

    def begin(self, folder: Path, source: str, title: str, sql: str = "") -> Draft:
        """Of a file that lies in its folder, on this machine, or on a network. Looks into it at once."""
        draft = Draft(folder.name, folder, source, title, sql=sql)
        with self._changing:
            self._drafts[draft.id] = draft
        self._start(draft, lambda stop: self._look(draft, stop, None, two_sides=self.two_sides))
        return draft

    def empty(self, title: str) -> Draft:
        """One without a file."""
        folder = self.folder()
        draft = Draft(folder.name, folder, "", title, phase="checked")
        with self._changing:
            self._drafts[draft.id] = draft
        return draft

    def paste(self, text: str) -> Draft:
        """Lines of text, or cells from a spreadsheet. Raises BadInput."""
        folder = self.folder()
        try:
            return self.begin(folder, str(_write_pasted(text, folder)), "what was pasted")
        except RondoError:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def name_file(self, source: str) -> Draft:
        """A file or folder of this machine, an address, a data set of the Hub. Raises BadInput."""
        source = full_path(str(Path(source).expanduser()) if not is_remote(source) else source)
        if not is_remote(source) and not Path(source).exists():
            raise BadInput(f"There is no file or folder {source} on this machine.")
        return self.begin(self.folder(), source, name_of(source))

    def query(self, source: str, sql: str) -> Draft:
        """Rows of a query of DuckDB, in a folder or on a database of this machine. Raises BadInput."""
        path = Path(source).expanduser()
        if is_remote(source) or not path.exists():
            raise BadInput(f"There is no folder or database {source} on this machine.")
        return self.begin(self.folder(), full_path(str(path)), "the query", sql)

    def fetch(self, address: DatasetAddress) -> Draft:
        """A dataset of an Argilla server, with the key that came with it or the one of the environment. Raises BadInput
        for an address that is none; what the server says is the draft's error."""
        key = address.api_key.strip() or _environment(self.home).get(KEY_VARIABLE, "")
        address = check_address(replace(address, api_key=key))
        folder = self.folder()
        draft = Draft(folder.name, folder, "", address.dataset)
        with self._changing:
            self._drafts[draft.id] = draft
        self._start(draft, lambda stop: self._fetch(draft, stop, address))
        return draft

    def get(self, identifier: str) -> Draft:
        """Raises BadInput where it is gone."""
        draft = self._drafts.get(identifier)
        if draft is None:
            raise BadInput("This page is too old: what it showed is gone. Begin again.")
        return draft

    def check(self, draft: Draft, roles: Mapping[str, str], encoding: str, *, two_sides: bool) -> None:
        """Reads all of the file; without roles they are guessed anew. Returns at once."""
        with self._changing:
            self._settle(draft)
            draft.phase, draft.error, draft.left_out = "checking", "", None  # rows are left out for these columns only
            draft.encoding = encoding
            self._start(draft, lambda stop: self._look(draft, stop, roles or None, two_sides=two_sides))

    def make(self, draft: Draft, request: MakeRequest) -> None:
        """Makes the project of it. Returns at once."""
        with self._changing:
            self._settle(draft)
            draft.phase, draft.error, draft.progress = "making", "", ("Starting", 0, 0)
            left_out = str(draft.left_out) if draft.left_out and draft.left_out.exists() else ""
            request = replace(request, file=draft.source, leave_out=left_out, templates=str(self.home / "templates"))
            self._start(draft, lambda _: self._make(draft, request))

    def drop(self, draft: Draft) -> None:
        """Stops what goes on, and deletes its files, unless a verb reads them: then they go with the process."""
        draft.stop.set()
        with self._changing:
            self._drafts.pop(draft.id, None)
        if draft.phase not in ("reading", "checking", "making") and not draft.held:
            shutil.rmtree(draft.folder, ignore_errors=True)

    def close(self) -> None:
        """Drops all."""
        for draft in list(self._drafts.values()):
            self.drop(draft)

    def _drop_old(self) -> None:
        for draft in list(self._drafts.values()):
            if time.monotonic() - draft.since > KEPT_SECONDS:
                self.drop(draft)

    def _settle(self, draft: Draft) -> None:
        """Ends a check that is not wanted any more."""
        if draft.phase == "making":
            raise Refused("The project is being made already.")
        if not draft.source and draft.phase == "reading":
            raise Refused("The dataset is still being fetched.")
        before = draft.stop
        before.set()
        draft.stop = threading.Event()

    def _start(self, draft: Draft, work: Callable[[threading.Event], None]) -> None:
        stop = draft.stop

        def run() -> None:
            try:
                work(stop)
            except Cancelled:
                pass
            except Exception as error:
                if draft.stop is stop:
                    draft.error = str(error) if isinstance(error, RondoError) else UNEXPECTED
                    draft.phase = "failed"
                if not isinstance(error, RondoError):
                    raise
            finally:
                if draft.id not in self._drafts:
                    shutil.rmtree(draft.folder, ignore_errors=True)

        threading.Thread(target=run, name=f"draft-{draft.id}", daemon=True).start()

    def _fetch(self, draft: Draft, stop: threading.Event, address: DatasetAddress) -> None:
        def report(done: int, total: int) -> None:
            if stop.is_set():
                raise Cancelled("stopped")
            draft.progress = ("Fetching", done, total)

        draft.source = str(copy_dataset(address, draft.folder, report))
        self._look(draft, stop, None, two_sides=self.two_sides)

    def _look(
        self,
        draft: Draft,
        stop: threading.Event,
        roles: Mapping[str, str] | None,
        *,
        two_sides: bool,
    ) -> None:
        params = PreviewParams(draft.source, draft.encoding, roles=roles, two_sides=two_sides, sql=draft.sql)
        bundle = Bundle(draft.folder / f"job-{secrets.token_hex(4)}")
        result = self._run(draft, stop, bundle, params)
        with self._changing:
            if draft.stop is not stop:
                return
            if is_remote(draft.source):  # it lies here now
                fetched = sorted((bundle.path / "in").iterdir())
                draft.source = str(fetched[0]) if len(fetched) == 1 else str(bundle.path / "in")
            draft.preview = result
            draft.left_out = bundle.path / "out" / LEFT_OUT
            draft.phase = "checked" if result.whole else "ready"

    def _run(self, draft: Draft, stop: threading.Event, bundle: Bundle, params: PreviewParams) -> Preview:
        """The job, as `core.jobs` runs one for a project; there is none yet whose table it could stand in."""
        for name in ("in", "out"):
            (bundle.path / name).mkdir(parents=True)
        job = {"schema": 1, "id": bundle.path.name, "kind": PREVIEW.name, "params": to_json(params)}
        write_json(bundle.path / "job.json", job)
        bundle.seal()
        environment = secrets_for(params.file, _environment(self.home))
        handle = self.runner.start(bundle.path, Resources(environment=environment))
        while self.runner.poll(bundle.path, handle).state in UNDER_WAY:
            if draft.stop is stop:
                draft.progress = ("Reading", *bundle.progress)
            if stop.wait(POLL_SECONDS):
                self.runner.cancel(bundle.path, handle)
                raise Cancelled("stopped")
        result = bundle.result
        if result is None:
            raise Refused(f"{draft.title} could not be read: the process ended. Try again.")
        if result["state"] != "succeeded":
            raise BadInput(str(result.get("message", "")) or f"{draft.title} could not be read.")
        return from_json(PREVIEW.result, result["value"], "The preview")

    def _make(self, draft: Draft, request: MakeRequest) -> None:
        key = folders.new_key(self.home, request.name)
        made = folders.make_aside(self.home, key, lambda aside: self._fill(draft, replace(request, folder=str(aside))))
        draft.key, draft.phase = made.name, "made"

    def _fill(self, draft: Draft, request: MakeRequest) -> None:
        """Raises what the process complains of, or Cancelled."""
        file = draft.folder / REQUEST
        write_json(file, to_json(request))

        def progress(what: str, done: int, total: int) -> None:
            draft.progress = (what, done, total)

        follow("app.home.making", [file], draft.folder / LOG, draft.stop, progress)
        if draft.stop.is_set():
            raise Cancelled("stopped")


def _environment(home: Path) -> dict[str, str]:
    """With a token for the Hub, where the home's secrets have one."""
    table = read_secret_table(home)
    return {**{name: value for name, value in table.items() if isinstance(value, str)}, **os.environ}


def _write_pasted(text: str, folder: Path) -> Path:
    """A table where every line has as many tabs as the first, which then names the columns; else a text a line."""
    lines = [line.rstrip("\r") for line in text.split("\n") if line.strip()]
    if not lines:
        raise BadInput("Nothing was pasted: paste texts, one a line, or cells from a spreadsheet.")
    tabs = lines[0].count("\t")
    if tabs and len(lines) >= FEW_LINES and all(line.count("\t") == tabs for line in lines):
        file = folder / "pasted.tsv"
        file.write_text("\n".join(lines) + "\n", encoding="utf-8", errors="replace")
        return file
    file = folder / "pasted.jsonl"
    rows = (json.dumps({"text": line.strip()}, ensure_ascii=False) for line in lines)
    file.write_text("\n".join(rows) + "\n", encoding="utf-8", errors="replace")
    return file
