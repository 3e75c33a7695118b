"""Makes a project in a process of its own: `python -m app.home.making FILE` with a `MakeRequest` as JSON."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from app.client import opened_project
from app.home.child import speak
from app.home.samples import SAMPLES
from core import verbs
from core.config.new_project import ProjectTemplate, steps_for, templates_in, with_labels, write_project
from core.config.settings import read_settings, write_settings
from core.errors import BadInput
from core.jobs.bundle import Report
from core.people.people import Person
from core.project import Project
from core.store.database import note, utc_now
from core.tasks.tasks import task_of
from core.typed_json import from_json


@dataclass(frozen=True)
class MakeRequest:
    """folder: where it is made. template: its name, "" for none; task, several, labels, fields: in place of what it
    says. file: to import, with the roles of its columns; leave_out: a file with the numbers of rows to pass over;
    merged: label of the file -> the label that it counts as. manager: whoever makes it, where people sign in. sample:
    name of a sample project, in place of all that."""

    folder: str
    name: str
    templates: str = ""
    template: str = ""
    task: str = "labels"
    several: bool = False
    labels: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    file: str = ""
    encoding: str = "utf-8"
    form: str = ""
    roles: Mapping[str, str] = field(default_factory=dict)
    leave_out: str = ""
    merged: Mapping[str, str] = field(default_factory=dict)
    manager: Person | None = None
    sample: str = ""


def make(request: MakeRequest, report: Report) -> dict[str, int]:
    """The project, whole, or an error. Returns how many records it has."""
    folder = Path(request.folder)
    if request.sample:
        SAMPLES[request.sample].fill(folder, report)
        write_settings(folder, replace(read_settings(folder), name=request.name))
    else:
        write_project(folder, template_for(request), request.name)
    with opened_project(folder) as project:
        if request.file:
            _import(project, request, report)
            _merge(project, request, report)
        if request.manager:
            _enter_manager(project, request.manager)
        return {"records": int(project.store.one("select count(*) from records"))}


def template_for(request: MakeRequest) -> ProjectTemplate:
    """What the project starts from. Raises BadInput."""
    known = templates_in(Path(request.templates) if request.templates else None)
    if request.template and request.template not in known:
        raise BadInput(f"There is no template {request.template!r} any more. Reload the page.")
    template = known.get(request.template, ProjectTemplate("", task=request.task))
    template = replace(template, task=request.task, several=request.several)
    if request.fields:
        template = replace(template, steps=steps_for(request.fields))
    if task_of(template.settings("new")).taxonomy:
        return with_labels(replace(template, steps=()), list(dict.fromkeys(request.labels)))
    return with_labels(template, ())


def _import(project: Project, request: MakeRequest, report: Report) -> None:
    """Raises BadInput where no column is the text."""
    columns: dict[str, list[str]] = {}
    for name, role in request.roles.items():
        columns.setdefault(role, []).append(name)
    one = {role: columns[role][0] for role in ("id", "label", "split", "annotator") if role in columns}
    sides = task_of(project.settings()).two_sides
    if sides and "left" not in columns and "right" not in columns:
        options: dict[str, Any] = {"file": request.file, "text": columns.get("text", []), "id": one.get("id")}
        verbs.do_verb(project, "import_source", report, source="records", encoding=request.encoding, **options)
        verbs.do_verb(project, "candidates", report)
        return
    left_out = json.loads(Path(request.leave_out).read_text(encoding="utf-8")) if request.leave_out else []
    if not task_of(project.settings()).taxonomy and not sides:
        one.pop("label", None)
    if not {"label", "id"} <= one.keys():
        one.pop("annotator", None)
    texts = ("left", "right") if sides else ("text",)
    options = {"file": request.file, "encoding": request.encoding, "form": request.form, "leave_out": left_out}
    options |= {name: columns.get(name) for name in texts} | {"meta": columns.get("context")} | one
    if task_of(project.settings()).taxonomy:  # labels of the file that were not typed are labels, too
        options["add_labels"] = True
    verbs.do_verb(project, "import", report, **options)


def _merge(project: Project, request: MakeRequest, report: Report) -> None:
    """A step of the labels like any other: what the file says stays stored, and it can be taken back."""
    names = {label.name for label in project.settings().taxonomy.active}
    groups: dict[str, list[str]] = {}
    for name, into in request.merged.items():
        if name != into and {name, into} <= names:
            groups.setdefault(into, []).append(name)
    for into, labels in groups.items():
        verbs.do_verb(project, "taxonomy_merge", report, labels=labels, into=into)


def _enter_manager(project: Project, manager: Person) -> None:
    """With the code that they signed in with: nobody else can open the project until they add somebody."""
    with project.store.transaction() as cursor:
        row = [manager.name, manager.email or None, "manager", manager.code, utc_now(), None]
        cursor.execute("insert into people values (?, ?, ?, ?, ?, ?)", row)
        note(cursor, manager.name, "person added", {"name": manager.name, "role": "manager", "email": manager.email})


def main() -> None:
    """The request's file is the one argument."""
    request = from_json(MakeRequest, json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), "The request")
    speak(partial(make, request), "Stopped. Nothing was saved.")


if __name__ == "__main__":
    main()
