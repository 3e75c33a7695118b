"""Exports in every format that there is: what a format cannot hold is named. Knows tables and no format's form.

CSV, JSONL and Parquet are written by the database itself; all others by a job, from a table that the database wrote.
"""

import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from core.data.formats.file_format import FileFormat, Meaning
from core.data.formats.formats import FORMATS, foreign_ending
from core.data.formats.write_job import SPLITS, TABLE, WHOLE, WRITE_FORMAT, WriteParams, WrittenParts, write_parts
from core.errors import BadInput
from core.jobs.bundle import Bundle, Report
from core.jobs.job_states import LOST, change_state
from core.project import Project
from core.reports.export import RESPONSES, captions, write_export
from core.reports.pair_export import DEDUPE
from core.store.tables import EXCEL
from core.store.tables import FORMATS as BY_DATABASE
from core.store.whole_files import disk_errors, whole_file
from core.tasks.tasks import task_of

SUGGESTIONS = "suggestions"
WITH_SPLITS = ("labels", "complete", "machine", "all", "answers")
"""what has a column of splits"""


@dataclass(frozen=True)
class ExportForm:
    """name: of a format, or EXCEL. by_split: FILE_train, FILE_test in place of FILE; card: the data card beside it."""

    name: str
    card: bool = False
    by_split: bool = False


@dataclass(frozen=True)
class WrittenExport:
    """files: path -> rows. lost: column that the format cannot hold -> rows in which it says something. changes:
    sentences on what the format changed."""

    files: Mapping[str, int]
    lost: Mapping[str, int] = field(default_factory=dict)
    changes: tuple[str, ...] = ()


def forms_of(project: Project, what: str) -> dict[str, FileFormat]:
    """The formats in which it can be exported, by name."""
    if what == DEDUPE:
        return {"json": FORMATS["json"]}
    labels = task_of(project.settings()).taxonomy and what != RESPONSES
    return {name: one for name, one in FORMATS.items() if one.write and (labels or not one.needs_labels)}


def export_as(project: Project, report: Report, target: Path, what: str, form: ExportForm) -> WrittenExport:
    """Writes it whole or not at all. Raises BadInput for a format or a form that there is not."""
    if what not in captions(project.settings()):
        raise BadInput(f"Cannot export {what!r}; there are {', '.join(captions(project.settings()))}.")
    _require_ending(target, "csv" if form.name == EXCEL else form.name)
    by_database = form.name in BY_DATABASE or form.name == EXCEL or what == DEDUPE
    if by_database and not form.by_split:
        rows = write_export(project, target, form.name, what, card=form.card)
        return WrittenExport({str(target): rows})
    _require_form(project, what, form)
    order = _Order(target, what, form, WriteParams(form.name, _meaning(project), form.by_split, what == SUGGESTIONS))
    for one in order.targets.values():
        _require_target(one, folder=FORMATS[form.name].folder)
    if project.store.why_read_only:  # where no job can be
        with tempfile.TemporaryDirectory(prefix="rondo-export-") as name:
            folder = Path(name)
            for part in ("in", "out"):
                (folder / part).mkdir()
            return _write(
                project, order, folder, lambda: write_parts(order.params, folder / "in" / TABLE, folder / "out")
            )
    bundle = project.jobs.prepare(WRITE_FORMAT, order.params)
    try:
        return _write(project, order, bundle.path, lambda: _run(project, bundle, report, f"Writing {target.name}"))
    finally:
        bundle.empty()
        with project.store.transaction() as cursor:
            change_state(cursor, bundle.id, LOST, ["draft"])


@dataclass(frozen=True)
class _Order:
    target: Path
    what: str
    form: ExportForm
    params: WriteParams

    @property
    def targets(self) -> dict[str, Path]:
        """Part -> where it goes: FILE, or FILE_train and so on before the ending."""
        if not self.form.by_split:
            return {WHOLE: self.target}
        ending = FORMATS[self.form.name].ending
        stem = self.target.name.removesuffix(ending)
        ending = self.target.name.removeprefix(stem)
        return {name: self.target.with_name(f"{stem}_{name}{ending}") for name in SPLITS}


def _write(project: Project, order: _Order, folder: Path, run: Callable[[], WrittenParts]) -> WrittenExport:
    """The table of the database in in/, what the format made of it in out/, and then all of it where it belongs."""
    write_export(project, folder / "in" / TABLE, "parquet", order.what, card=order.form.card, name=order.target.name)
    written = run()
    copies = {order.targets[name]: folder / "out" / name for name in written.parts}
    if order.form.card:
        beside = folder / "in" / TABLE
        copies |= {
            order.target.with_name(f"{order.target.name}.card{end}"): beside.with_name(f"{TABLE}.card{end}")
            for end in (".md", ".json")
        }
    with disk_errors(f"The export to {order.target}"), ExitStack() as stack:
        for path, source in copies.items():
            partial = stack.enter_context(whole_file(path.resolve()))
            if source.is_dir():
                shutil.copytree(source, partial)
            else:
                shutil.copyfile(source, partial)
    files = {str(order.targets[name]): rows for name, rows in written.parts.items()}
    return WrittenExport(files, written.lost, written.changes)


def _run(project: Project, bundle: Bundle, report: Report, what: str) -> WrittenParts:
    result = project.jobs.run(bundle, WRITE_FORMAT, report, what)
    with project.store.transaction() as cursor:
        project.jobs.claim_result(bundle, cursor)
    return result


def _require_form(project: Project, what: str, form: ExportForm) -> None:
    known = forms_of(project, what)
    if form.name not in known:
        if form.name in FORMATS and FORMATS[form.name].write:
            task = project.settings().task
            kind = what if task_of(project.settings()).taxonomy else f"answers of the task {task!r}"
            raise BadInput(f"{form.name} has no form for {kind}; there are {', '.join(known)}.")
        raise BadInput(f"Cannot write {form.name[:40]!r}; the formats are {', '.join(known)}.")
    if form.by_split and what not in WITH_SPLITS:
        raise BadInput(f"{what} has no splits to write by; what has are {', '.join(WITH_SPLITS)}.")


def _require_ending(target: Path, name: str) -> None:
    """Raises BadInput for a name that says something else than what would be in the file."""
    if name in FORMATS and (ending := foreign_ending(name, target.name)):
        own = FORMATS[name].ending
        stem = target.name[: -len(ending)]
        remedy = f"name it {stem}{own}" if own else f"it is written as a folder: name it {stem}"
        packed = " Nothing is packed here; gzip packs what was written." if ending.endswith(".gz") else ""
        raise BadInput(
            f"--format is {name}, but --out is {target.name}, which is what files of another format are called: "
            f"{remedy}, or name the format of {ending}.{packed}"
        )


def _require_target(target: Path, *, folder: bool) -> None:
    if not target.parent.is_dir():
        raise BadInput(f"There is no folder {target.parent}; make it first or choose another.")
    if folder and target.exists():
        raise BadInput(f"{target} is there already; this format is a folder, so name one that is not.")
    if not folder and target.is_dir():
        raise BadInput(f"{target} is a folder; name a file to write to.")


def _meaning(project: Project) -> Meaning:
    """What the project's labels are; of other tasks nothing, for tables need nothing."""
    settings = project.settings()
    task = task_of(settings)
    if not task.taxonomy:
        return Meaning(title=settings.name)
    instructions = task.language.instructions(task.setup(settings), settings.guidelines) if task.language else ""
    names = tuple(label.name for label in settings.taxonomy.active)
    return Meaning(names, bool(task.parameters(settings)["multi"]), instructions, settings.name)
