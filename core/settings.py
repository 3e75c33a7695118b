"""What a person decides about a project, as it stands in `rondo.toml`. Knows nothing of the database."""

import os
import tomllib
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from core.errors import BadInput, NotAProject
from core.taxonomy import Label, Taxonomy

FILE = "rondo.toml"


@dataclass(frozen=True)
class Settings:
    """`threads` 0 means as many as there are cores. Shares are 0..1, durations seconds."""

    name: str
    multi: bool = False
    guidelines: str = ""
    taxonomy: Taxonomy = field(default_factory=Taxonomy)
    encoder: str = "all-MiniLM-L6-v2"
    threads: int = 0
    batch_size: int = 20
    strategy: str = "default"
    audit_share: float = 0.1
    seed: int = 0
    label_names: bool = True
    automatic: bool = True
    overlap: int = 1
    show_suggestions: bool = True
    lease_seconds: int = 600


_SECTIONS = {
    "project": ("name", "multi", "guidelines"),
    "encoder": ("encoder", "threads"),
    "sampling": ("batch_size", "strategy", "audit_share", "seed"),
    "training": ("label_names", "automatic"),
    "labelling": ("overlap", "show_suggestions", "lease_seconds"),
}
_RANGES = {
    "threads": (0, 256),
    "batch_size": (1, 10_000),
    "audit_share": (0.0, 1.0),
    "seed": (0, 2**63 - 1),
    "overlap": (1, 100),
    "lease_seconds": (5, 86_400),
}


def check(settings: Settings) -> Settings:
    """The same settings, or one sentence on the value that is out of range."""
    for name, (low, high) in _RANGES.items():
        value = getattr(settings, name)
        if not low <= value <= high:
            raise BadInput(f"{FILE}: {name} is {value}, but it must lie between {low} and {high}.")
    return settings


def read_settings(project: Path) -> Settings:
    """Unknown keys are refused by name: a misspelt setting that does nothing is worse than an error."""
    path = project / FILE
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotAProject(
            f"There is no project in {project} (no {FILE}). "
            f"Make one with `rondo init {project}`, or name one with --project."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read: {error}. Mend it by hand; nothing was changed.") from None
    return check(_from_document(document, path))


def _from_document(document: dict[str, Any], path: Path) -> Settings:
    known: dict[str, Any] = {}
    taxonomy = document.pop("taxonomy", {})
    defaults = asdict(Settings(name=""))
    for section, values in document.items():
        if section not in _SECTIONS or not isinstance(values, dict):
            raise BadInput(f"{path}: unknown section [{section}]; there are {', '.join([*_SECTIONS, 'taxonomy'])}.")
        for key, value in values.items():
            if key not in _SECTIONS[section]:
                raise BadInput(f"{path}: unknown setting {section}.{key}; there are {', '.join(_SECTIONS[section])}.")
            wanted = type(defaults[key])
            if not isinstance(value, wanted) and not (wanted is float and isinstance(value, int)):
                raise BadInput(f"{path}: {section}.{key} is {value!r}, but a {wanted.__name__} is needed.")
            known[key] = value
    known.setdefault("name", path.parent.name)
    return Settings(**known, taxonomy=_taxonomy(taxonomy, path))


def _taxonomy(table: dict[str, Any], path: Path) -> Taxonomy:
    try:
        labels = tuple(Label(**entry) for entry in table.get("labels", []))
    except TypeError as error:
        raise BadInput(f"{path}: a label under [[taxonomy.labels]] is wrong: {error}.") from None
    for kind in ("id", "name"):
        values = [getattr(label, kind) for label in labels]
        if twice := {value for value in values if values.count(value) > 1}:
            raise BadInput(f"{path}: the label {kind} {sorted(twice)[0]!r} stands twice under [[taxonomy.labels]].")
    return Taxonomy(labels, int(table.get("version", 1)))


def write_settings(project: Path, settings: Settings) -> None:
    """Keeps a person's comments and order; renamed into place, so that a full disk leaves the old file whole."""
    import tomlkit
    from tomlkit.items import AoT, Table

    check(settings)
    path = project / FILE
    document = tomlkit.parse(path.read_text(encoding="utf-8")) if path.exists() else tomlkit.document()
    for section, keys in _SECTIONS.items():
        table = document.get(section)
        if not isinstance(table, Table):
            table = tomlkit.table()
            document[section] = table
        for key in keys:
            value = getattr(settings, key)
            if key not in table or table[key] != value:
                multiline = isinstance(value, str) and "\n" in value
                table[key] = tomlkit.string(value, multiline=True) if multiline else value
    taxonomy = tomlkit.table()
    taxonomy["version"] = settings.taxonomy.version
    labels = AoT([])
    for label in settings.taxonomy.labels:
        entry = tomlkit.table()
        entry.update({key: value for key, value in asdict(label).items() if value not in ("", False)})
        labels.append(entry)
    if len(labels):
        taxonomy["labels"] = labels
    document["taxonomy"] = taxonomy
    partial = path.with_suffix(".partial")
    partial.write_text(tomlkit.dumps(document), encoding="utf-8")
    os.replace(partial, path)


def with_changes(settings: Settings, **changes: Any) -> Settings:
    """A checked copy."""
    return check(replace(settings, **changes))
