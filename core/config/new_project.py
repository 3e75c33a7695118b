"""What a project is made from: its task, labels, guidelines; and templates of that, as files. Knows no record."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from core.config.settings import Settings, check, label_fields, read_taxonomy, write_settings
from core.config.steps import FILE as STEPS_FILE
from core.config.steps import Step, steps_document, steps_in
from core.config.taxonomy import Taxonomy, add_label
from core.errors import BadInput, Refused
from core.store.whole_files import disk_errors, write_whole

OURS = Path(__file__).parent / "project_templates"
MOST_FIELDS = 20
_KEYS = {"caption", "task", "several", "guidelines", "taxonomy", "steps"}


@dataclass(frozen=True)
class ProjectTemplate:
    """name: that of its file. caption: one line for people. several: more than one label may hold. ours: it comes with
    Rondo."""

    name: str
    caption: str = ""
    task: str = "labels"
    several: bool = False
    guidelines: str = ""
    taxonomy: Taxonomy = field(default_factory=Taxonomy)
    steps: tuple[Step, ...] = ()
    ours: bool = True

    @property
    def labels(self) -> list[str]:
        """Names of the labels that can be given."""
        return [label.name for label in self.taxonomy.active]

    def settings(self, name: str) -> Settings:
        """Of a project of this name."""
        return check(
            Settings(
                name=name,
                task=self.task,
                multi=self.several,
                guidelines=self.guidelines,
                taxonomy=self.taxonomy,
                steps=self.steps,
            )
        )


def with_labels(template: ProjectTemplate, labels: Sequence[str]) -> ProjectTemplate:
    """With exactly these labels: descriptions of those that it has stay. Raises BadInput for a name that is none."""
    if list(labels) == template.labels:
        return template
    named = {label.name: label for label in template.taxonomy.active}
    taxonomy = Taxonomy((), in_use=template.taxonomy.in_use)
    for name in labels:
        if name in named:
            taxonomy = replace(taxonomy, labels=(*taxonomy.labels, named[name]))
        else:
            taxonomy = add_label(taxonomy, name)
    return replace(template, taxonomy=replace(taxonomy, version=1))


def steps_for(fields: Sequence[str]) -> tuple[Step, ...]:
    """One step that takes a short text for each field. Raises BadInput."""
    names = [_field_name(one) for one in fields]
    if not names or len(names) > MOST_FIELDS:
        raise BadInput(f"Name 1 to {MOST_FIELDS} fields whose values are to be found in a text.")
    kinds = {name: {"type": ["string", "null"], "maxLength": 300} for name in names}
    output = {"type": "object", "properties": kinds, "required": []}
    instruction = "Read the text and fill in what it says. Leave out what it does not say.\n\n{text}"
    step = {"name": "values", "instruction": instruction, "output": output, "grounded": names}
    return steps_in({"steps": [step]})


def _field_name(text: str) -> str:
    name = "_".join(text.lower().split())
    return "".join(letter for letter in name if letter.isalnum() or letter == "_") or "field"


def read_template(path: Path, *, ours: bool) -> ProjectTemplate:
    """Raises BadInput, which names the file."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        if unknown := sorted(document.keys() - _KEYS):
            raise BadInput(f"unknown entry {unknown[0]}; there are {', '.join(sorted(_KEYS))}.")
        steps = steps_in({"steps": document["steps"]}) if "steps" in document else ()
        taxonomy = read_taxonomy(document.get("taxonomy", {}), path)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, BadInput) as error:
        raise BadInput(f"The template {path} cannot be read: {str(error).rstrip('.')}.") from None
    texts = {key: str(document.get(key, "")).strip() for key in ("caption", "guidelines")}
    task, several = str(document.get("task", "labels")), document.get("several") is True
    return ProjectTemplate(path.stem, task=task, several=several, taxonomy=taxonomy, steps=steps, ours=ours, **texts)


def templates_in(folder: Path | None) -> dict[str, ProjectTemplate]:
    """Name -> template: ours, and those of a folder, which hold where they are called the same. Raises BadInput."""
    folders = [(OURS, True), *([(folder, False)] if folder and folder.is_dir() else [])]
    read = [read_template(path, ours=ours) for where, ours in folders for path in sorted(where.glob("*.toml"))]
    return {one.name: one for one in read}


def template_files(folder: Path) -> dict[str, Path]:
    """Name -> file: ours, and those of a folder, which hold where they are called the same."""
    return {path.stem: path for where in (OURS, folder) for path in where.glob("*.toml")}


def template_of(settings: Settings, name: str, caption: str) -> ProjectTemplate:
    """What another project can be made from as this one was: no record, no answer and no person is in it."""
    live = replace(settings.taxonomy, labels=tuple(one for one in settings.taxonomy.labels if not one.retired))
    return ProjectTemplate(
        name,
        caption or f"As the project {settings.name}",
        settings.task,
        settings.multi,
        settings.guidelines,
        replace(live, version=1),
        settings.steps,
        ours=False,
    )


def write_template(template: ProjectTemplate, folder: Path, *, overwrite: bool = False) -> Path:
    """A file of its own. Raises BadInput for a name that is none, Refused where it is there already, or is one of ours,
    and `overwrite` is not."""
    import tomlkit

    name = check_template_name(template.name)
    path = folder / f"{name}.toml"
    if not overwrite and (there := template_files(folder).get(name)):
        raise Refused(
            f"There is a template {name} already: {there}. Choose another name, or put this in its place: --overwrite."
        )
    document: dict[str, object] = {"caption": template.caption, "task": template.task}
    if template.several:
        document["several"] = True
    if template.guidelines:
        document["guidelines"] = template.guidelines
    if template.taxonomy.labels:
        labels = [label_fields(label) for label in template.taxonomy.labels]
        document["taxonomy"] = {"use": template.taxonomy.in_use, "labels": labels}
    text = tomlkit.dumps(document)
    if template.steps:
        text += "\n" + steps_document(template.steps)
    with disk_errors(f"The template {path}"):
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(path, text.encode())
    return path


def check_template_name(name: str) -> str:
    """As its file is called. Raises BadInput."""
    if not (0 < len(name) <= 40 and name.isascii() and name.replace("-", "").replace("_", "").isalnum()):
        raise BadInput(f"{name[:60]!r} is no name of a template: up to 40 letters, digits, hyphens.")
    return name


def write_project(folder: Path, template: ProjectTemplate, name: str) -> Settings:
    """The files of a new project's settings, in a folder that has none."""
    settings = template.settings(name)
    folder.mkdir(parents=True, exist_ok=True)
    if settings.steps:
        write_whole(folder / STEPS_FILE, steps_document(settings.steps).encode())
    write_settings(folder, settings)
    return settings
