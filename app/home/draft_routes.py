"""The routes of the page that makes a project: a file's way in, what is in it, and the start."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from annotation.dataset_copy import DatasetAddress
from app.home.drafts import Draft, Drafts
from app.home.home_guard import lacking, visitor_of
from app.home.home_routes import HomeServer, answered, body_of, for_makers
from app.home.home_sign_in import session_cookies
from app.home.making import MakeRequest
from app.home.samples import SAMPLES
from app.uploads import MOST_BYTES, plain_name, save
from core.config.colours import default_colour
from core.config.new_project import templates_in
from core.data.preview_job import ROLES
from core.errors import BadInput, Refused, RondoError
from core.home.folders import check_name
from core.tasks.tasks import TASKS
from core.typed_json import from_json

SWATCHES = 21
"""colours of labels before they begin again"""


@dataclass(frozen=True)
class Source:
    """One of: text that was pasted, a path on this machine or a data set of the Hub, a dataset of an Argilla server, or
    nothing at all."""

    text: str = ""
    path: str = ""
    argilla: DatasetAddress | None = None


@dataclass(frozen=True)
class Check:
    """roles: of columns; none to have them guessed."""

    task: str = "labels"
    roles: dict[str, str] = field(default_factory=dict)
    encoding: str = "utf-8"


@dataclass(frozen=True)
class Start:
    """What the project is to be, as `MakeRequest` has it."""

    name: str
    task: str = "labels"
    several: bool = False
    template: str = ""
    labels: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    roles: dict[str, str] = field(default_factory=dict)
    encoding: str = "utf-8"
    merged: dict[str, str] = field(default_factory=dict)
    sample: str = ""


@dataclass(frozen=True)
class DraftPage:
    """What the page asks for, each as JSON. All of it needs the right to make a project."""

    home: HomeServer
    drafts: Drafts

    async def choices(self, request: Request) -> dict[str, object]:
        """What the page offers."""
        templates = await run_in_threadpool(templates_in, self.home.folder / "templates")
        return {
            "operator": visitor_of(request).operator,
            "limit": MOST_BYTES,
            "colours": [default_colour(position) for position in range(SWATCHES)],
            "templates": [
                {
                    "name": one.name,
                    "caption": one.caption,
                    "task": one.task,
                    "several": one.several,
                    "labels": one.labels,
                    "fields": [step_field.name for step in one.steps for step_field in step.fields],
                }
                for one in templates.values()
            ],
            "samples": [
                {"name": name, "title": one.title, "caption": one.caption, "task": one.task}
                for name, one in SAMPLES.items()
            ],
        }

    async def upload(self, request: Request) -> dict[str, object]:
        """A file, as the body."""
        name = plain_name(request.query_params.get("name", ""))
        folder = self.drafts.folder()
        try:
            await save(request, folder / name)
        except BaseException:
            await run_in_threadpool(_remove, folder)
            raise
        return self.drafts.begin(folder, str(folder / name), name).state()

    async def name_source(self, request: Request) -> dict[str, object]:
        """A `Source`."""
        source = from_json(Source, await body_of(request), "The request")
        if (source.path or source.argilla) and not visitor_of(request).operator:
            raise Refused(
                "Only whoever runs this home may name files of its machine and other servers. Drop the file instead."
            )
        if source.argilla:
            return (await run_in_threadpool(self.drafts.fetch, source.argilla)).state()
        if source.path:
            return (await run_in_threadpool(self.drafts.name_file, source.path.strip())).state()
        if source.text:
            return (await run_in_threadpool(self.drafts.paste, source.text)).state()
        return self.drafts.empty("").state()

    async def state(self, request: Request) -> dict[str, object]:
        """How far a draft is."""
        return self._draft(request).state()

    async def check(self, request: Request) -> dict[str, object]:
        """A `Check`: reads all rows with these columns."""
        sent = from_json(Check, await body_of(request), "The request")
        draft, roles = self._draft(request), read_roles(sent.roles)
        self.drafts.check(draft, roles, sent.encoding, two_sides=TASKS[_task(sent.task)].two_sides)
        return draft.state()

    async def start(self, request: Request) -> dict[str, object]:
        """A `Start`: makes the project."""
        sent = from_json(Start, await body_of(request), "The request")
        draft = self._draft(request)
        self.drafts.make(draft, _request(sent, draft, visitor_of(request).manager))
        return draft.state()

    async def drop(self, request: Request) -> dict[str, object]:
        """Nothing is left of it."""
        self.drafts.drop(self._draft(request))
        return {"ok": True}

    def _draft(self, request: Request) -> Draft:
        return self.drafts.get(request.path_params["id"])


def draft_routes(home: HomeServer, drafts: Drafts) -> list[Route]:
    """The page's requests, guarded."""
    page = DraftPage(home, drafts)
    return [
        Route("/api/home/start", for_makers(page.choices)),
        Route("/api/home/drafts/file", for_makers(page.upload), methods=["POST"]),
        Route("/api/home/drafts", for_makers(page.name_source), methods=["POST"]),
        Route("/api/home/drafts/{id}", for_makers(page.state)),
        Route("/api/home/drafts/{id}", for_makers(page.drop), methods=["DELETE"]),
        Route("/api/home/drafts/{id}/check", for_makers(page.check), methods=["POST"]),
        Route("/api/home/drafts/{id}/start", for_makers(page.start), methods=["POST"]),
        Route("/api/home/drafts/{id}/enter", _enter(home, drafts), methods=["POST"]),
    ]


def _request(sent: Start, draft: Draft, manager: Any) -> MakeRequest:
    """Raises BadInput for what would not do, before anything is made."""
    name, task, roles = check_name(sent.name), TASKS[_task(sent.task)], read_roles(sent.roles)
    if sent.sample:
        if sent.sample not in SAMPLES:
            raise BadInput(f"There is no sample {sent.sample!r}.")
        return MakeRequest("", name, sample=sent.sample, manager=manager)
    held = set(roles.values())
    sides = task.two_sides and bool(held & {"left", "right"})
    if draft.source and sides and not {"left", "right"} <= held:
        raise BadInput("A pair has two sides: choose a column for the left one and one for the right one.")
    if draft.source and not sides and "text" not in held:
        raise BadInput("Which column is to be labelled? Choose one as text.")
    if task.taxonomy and not sent.labels and "label" not in held:
        raise BadInput("Name at least two labels, or take them from a column of the file.")
    if task.taxonomy and len(set(sent.labels)) == 1 and "label" not in held and not sent.several:
        raise BadInput("With a single label there is nothing to choose: name at least two.")
    if set(sent.merged) & {into for name, into in sent.merged.items() if name != into}:
        raise BadInput("A label that others are merged into cannot be merged itself.")
    return MakeRequest(
        "",
        name,
        template=sent.template,
        task=sent.task,
        several=sent.several,
        labels=sent.labels,
        fields=sent.fields,
        encoding=sent.encoding,
        form=draft.preview.form if draft.preview else "",
        roles=roles,
        merged=sent.merged,
        manager=manager,
    )


def _enter(home: HomeServer, drafts: Drafts) -> Callable[[Request], Any]:
    """The address of the card of a project that was made; whoever made it is signed in to it."""

    async def enter(request: Request) -> Response:
        if refusal := lacking(request, lambda visitor: visitor.may_create):
            return refusal
        try:
            draft = drafts.get(request.path_params["id"])
        except RondoError as error:
            return answered(error)
        if not draft.key:
            return answered(BadInput("The project is not made yet."))
        manager = visitor_of(request).manager
        answer = JSONResponse({"address": f"p/{draft.key}/label" + ("" if manager else "?annotator=me")})
        if manager:
            entry = await run_in_threadpool(home.entries.of, draft.key)
            people = [person for person in entry.people if person.name == manager.name]
            folder = home.folder / draft.key
            session_cookies(answer, (home.access.session_cookie(folder, one) for one in people), request)
        drafts.drop(draft)
        return answer

    return enter


def read_roles(roles: dict[str, str]) -> dict[str, str]:
    """Raises BadInput for a role that is none, or one that only one column can have."""
    for name, role in roles.items():
        if role not in ROLES:
            raise BadInput(f"Column {name[:80]!r} cannot be {role[:40]!r}; there are {', '.join(ROLES)}.")
    for role in ("id", "label", "split", "annotator"):
        if len(named := [name for name, one in roles.items() if one == role]) > 1:
            raise BadInput(f"Only one column can be the {role}; {' and '.join(named)} both are.")
    return roles


def _task(name: str) -> str:
    if name not in TASKS:
        raise BadInput(f"There is no task {name[:40]!r}; there are {', '.join(TASKS)}.")
    return name


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
