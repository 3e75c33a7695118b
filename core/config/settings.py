"""The settings of a project, read from and written to `rondo.toml`. Knows nothing of the database."""

import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from core.config.record_fields import FieldRule, RecordField, read_fields, read_rules
from core.config.steps import FILE as STEPS_FILE
from core.config.steps import Step, read_steps
from core.config.taxonomy import MAIN, Label, Taxonomy, check_name, check_taxonomy
from core.errors import BadInput, Damaged, NotAProject
from core.store.whole_files import write_whole

if TYPE_CHECKING:
    from tomlkit.items import Table

FILE = "rondo.toml"
SETTINGS_FILES = (FILE, STEPS_FILE)
LAST_GOOD = "rondo.last-good.toml"
"""the file as it was when it was last in force, kept beside it"""
LAST_GOOD_STEPS = "steps.last-good.toml"
DATABASE = "rondo.duckdb"
MOST_VERSIONS = 1_000_000_000


@dataclass(frozen=True)
class TrainerValues:
    """Parameters of a trainer that hold where none is named with a training: [train.NAME]. values: (key, value) as
    texts."""

    trainer: str
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Settings:
    """choose_encoder: the first file's languages may choose another encoder than the default one.

    `threads` 0 means as many as there are cores. Shares are 0..1, durations seconds.

    steps: of structured answers, from a file of their own beside the settings. fields: of a record where the task asks
    for them, in the order in which people see them. golden: of which record of
    a cluster its golden record has a field, where it is not by the field's role. one_partner: a cluster has at most one
    record of each source, where there are several.
    gpu and job_seconds are what a remote job asks for and may take; ray_folder is seen by this machine and the cluster.
    likeliest_keys: with more than nine labels the keys 1 to 9 go to the likeliest ones where a suggestion is shown.
    oversample: trainers that can repeat or weigh rare labels, unless a job says otherwise.
    show_cleaned: people see the cleaned text, as models do, in place of the one that came.
    train: parameters of trainers; core.training.trainers knows which there are.
    retrain_after counts new labels, retrain_hours hours since the last training; 0: never for that reason. tune: the
    encoder is tuned by itself when there are enough labels; tune_minutes: processor minutes that it may take each time.
    settle: which label follows from several people's answers. calibration_share: gold records slipped in with a batch,
    per record of it. team_url: an Argilla server of yours, empty for the embedded one; team_automatic: every batch goes
    there by itself.
    llm_model: a language model's name at its server, or a folder; llm_url: the server's address or a provider's name,
    empty for a folder. allow_remote: texts may be sent to a server that is not this machine. llm_calls, llm_dollars:
    that the project may spend on it in all, dollars 0: calls alone are limited. price_in, price_out: US dollars per
    million tokens, -1: unknown. unassisted_share: of the records that it answered, shown without any suggestion to
    measure how suggestions sway people.
    Costs are in `cost_unit` (minutes or money), per label given and per label that is wrong in the end; 0: nobody said.
    """

    name: str
    task: str = "labels"
    multi: bool = False
    guidelines: str = ""
    taxonomy: Taxonomy = field(default_factory=Taxonomy)
    steps: tuple[Step, ...] = ()
    fields: tuple[RecordField, ...] = ()
    golden: tuple[FieldRule, ...] = ()
    one_partner: bool = False
    encoder: str = "all-MiniLM-L6-v2"
    choose_encoder: bool = True
    threads: int = 0
    batch_size: int = 20
    strategy: str = "default"
    audit_share: float = 0.1
    seed: int = 0
    label_names: bool = True
    automatic: bool = True
    oversample: bool = False
    overlap: int = 1
    show_suggestions: bool = True
    likeliest_keys: bool = True
    show_cleaned: bool = False
    lease_seconds: int = 600
    settle: str = "majority"
    calibration_share: float = 0.0
    label_cost: float = 0.0
    error_cost: float = 0.0
    cost_unit: str = "minutes"
    gpu: str = "L4"
    job_seconds: int = 14_400
    ray_address: str = ""
    ray_folder: str = ""
    retrain_after: int = 0
    retrain_hours: float = 0.0
    retrain_trainer: str = "head"
    retrain_on: str = "local"
    tune: bool = True
    tune_minutes: float = 3.0
    train: tuple[TrainerValues, ...] = ()
    team_url: str = ""
    team_workspace: str = "rondo"
    team_automatic: bool = True
    llm_model: str = ""
    llm_url: str = ""
    allow_remote: bool = False
    llm_calls: int = 10_000
    llm_dollars: float = 0.0
    price_in: float = -1.0
    price_out: float = -1.0
    unassisted_share: float = 0.1


_SECTIONS = {
    "project": ("name", "task", "multi", "guidelines"),
    "pairs": ("one_partner",),
    "encoder": ("encoder", "choose_encoder", "threads"),
    "sampling": ("batch_size", "strategy", "audit_share", "seed"),
    "training": ("label_names", "automatic", "oversample"),
    "labelling": (
        *("overlap", "show_suggestions", "likeliest_keys", "show_cleaned", "lease_seconds", "settle"),
        "calibration_share",
    ),
    "stopping": ("label_cost", "error_cost", "cost_unit"),
    "jobs": ("gpu", "job_seconds", "ray_address", "ray_folder"),
    "team": ("team_url", "team_workspace", "team_automatic"),
    "language_model": (
        *("llm_model", "llm_url", "allow_remote", "llm_calls", "llm_dollars", "price_in", "price_out"),
        "unassisted_share",
    ),
    "retraining": ("retrain_after", "retrain_hours", "retrain_trainer", "retrain_on", "tune", "tune_minutes"),
}
_RANGES = {
    "threads": (0, 256),
    "batch_size": (1, 10_000),
    "audit_share": (0.0, 1.0),
    "seed": (0, 2**63 - 1),
    "overlap": (1, 100),
    "lease_seconds": (5, 86_400),
    "calibration_share": (0.0, 0.5),
    "label_cost": (0.0, 1e9),
    "error_cost": (0.0, 1e9),
    "job_seconds": (60, 86_400),
    "llm_calls": (0, 10**9),
    "llm_dollars": (0.0, 1e6),
    "price_in": (-1.0, 1e6),
    "price_out": (-1.0, 1e6),
    "unassisted_share": (0.0, 0.9),
    "retrain_after": (0, 10**9),
    "retrain_hours": (0.0, 87_600.0),
    "tune_minutes": (0.1, 10_000.0),
}


_CHOICES = {
    "retrain_trainer": ("head", "setfit", "encoder", "transformer", "cross-encoder", "zeroshot"),
    "retrain_on": ("local", "modal", "ray"),
    "settle": ("majority", "single", "weighted", "adjudicated"),
}


def check(settings: Settings) -> Settings:
    """The same settings, or one sentence on the value that is out of range."""
    for name, (low, high) in _RANGES.items():
        value = getattr(settings, name)
        if not low <= value <= high:
            raise BadInput(f"{FILE}: {name} is {value}, but it must lie between {low} and {high}.")
    for name, choices in _CHOICES.items():
        if getattr(settings, name) not in choices:
            raise BadInput(
                f"{FILE}: {name} is {getattr(settings, name)!r}, but it must be one of {', '.join(choices)}."
            )
    read_fields({field.name: field.role for field in settings.fields})
    read_rules({one.field: one.rule for one in settings.golden})
    return settings


def require_project(folder: Path) -> None:
    """Raises NotAProject where the folder is no project."""
    if not (folder / FILE).exists():
        if (folder / DATABASE).exists():
            raise Damaged(f"{folder / FILE} is gone, but the project's database is there.{way_back(folder)}")
        raise NotAProject(
            f"There is no project in {folder} (no {FILE}). "
            f"Make one with `rondo init {folder}`, or name one with --project."
        )


def way_back(project: Path) -> str:
    """How to restore the last good settings, in a sentence with a space before it; empty where there are none."""
    if not (project / LAST_GOOD).exists():
        return ""
    return f" To go back to the settings that were last in force: cp {project / LAST_GOOD} {project / FILE}"


def keep_as_good(project: Path, content: bytes) -> None:
    """Keeps a copy of the settings file that is in force beside it, and of the steps."""
    good = project / LAST_GOOD
    if not good.exists() or good.read_bytes() != content:
        write_whole(good, content)
    if steps_changed(project):
        write_whole(project / LAST_GOOD_STEPS, (project / STEPS_FILE).read_bytes())


def copy_settings(project: Path, folder: Path) -> None:
    """The files of the settings, as they are, into another folder."""
    for name in SETTINGS_FILES:
        if (project / name).exists():
            write_whole(folder / name, (project / name).read_bytes())


def steps_changed(project: Path) -> bool:
    """Is the file of steps another than the one that was last in force?"""
    file, good = project / STEPS_FILE, project / LAST_GOOD_STEPS
    return file.exists() and (not good.exists() or good.read_bytes() != file.read_bytes())


def read_settings(project: Path) -> Settings:
    """Unknown keys are refused by name: a misspelt setting that does nothing is worse than an error."""
    require_project(project)
    path = project / FILE
    try:
        document = tomllib.loads(_text(path))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        reason = str(error).rstrip(".")
        raise BadInput(
            f"{path} cannot be read: {reason}. Mend it by hand; nothing was changed.{way_back(project)}"
        ) from None
    steps = read_steps(project / STEPS_FILE) if (project / STEPS_FILE).exists() else ()
    try:
        return check(replace(_from_document(document, path), steps=steps))
    except BadInput as error:
        raise BadInput(f"{error}{way_back(project)}") from None


def _text(path: Path) -> str:
    """Editors on Windows put a byte-order mark before UTF-8."""
    return path.read_text(encoding="utf-8-sig")


def _from_document(document: dict[str, object], path: Path) -> Settings:
    known: dict[str, Any] = {}
    taxonomy = document.pop("taxonomy", {})
    rows = {section: _pop_table(document, section, path) for section in ("fields", "golden", "train")}
    if not isinstance(taxonomy, dict):
        raise BadInput(f"{path}: taxonomy is {taxonomy!r}, but it is a section: [taxonomy].")
    defaults = asdict(Settings(name=""))
    for section, values in document.items():
        if section not in _SECTIONS or not isinstance(values, dict):
            raise BadInput(
                f"{path}: unknown section [{section}]; there are {', '.join([*_SECTIONS, *rows, 'taxonomy'])}."
            )
        for key, value in values.items():
            if key not in _SECTIONS[section]:
                raise BadInput(f"{path}: unknown setting {section}.{key}; there are {', '.join(_SECTIONS[section])}.")
            requested = type(defaults[key])
            if type(value) is not requested and not (requested is float and type(value) is int):
                raise BadInput(f"{path}: {section}.{key} is {value!r}, but a {requested.__name__} is needed.")
            known[key] = value
    known.setdefault("name", path.parent.name)
    try:
        fields, golden = read_fields(rows["fields"]), read_rules(rows["golden"])
        train = _trainer_values(rows["train"], path)
        return Settings(**known, taxonomy=read_taxonomy(taxonomy, path), fields=fields, golden=golden, train=train)
    except BadInput as error:
        raise BadInput(str(error) if str(error).startswith(str(path)) else f"{path}: {error}") from None


def _pop_table(document: dict[str, object], section: str, path: Path) -> dict[str, object]:
    """A section whose keys are names of the project's own."""
    table = document.pop(section, {})
    if not isinstance(table, dict):
        raise BadInput(f"{path}: {section} is {table!r}, but it is a section: [{section}].")
    return table


def _trainer_values(table: dict[str, object], path: Path) -> tuple[TrainerValues, ...]:
    """Of the sections [train.NAME]."""
    sections = []
    for trainer, values in table.items():
        if not isinstance(values, dict):
            raise BadInput(f"{path}: train.{trainer} is {values!r}, but it is a section: [train.{trainer}].")
        for key, value in values.items():
            if not isinstance(value, bool | int | float | str):
                raise BadInput(f"{path}: train.{trainer}.{key} is {value!r}, but a text or a number is needed.")
        texts = ((key, str(value).lower() if isinstance(value, bool) else str(value)) for key, value in values.items())
        sections.append(TrainerValues(trainer, tuple(texts)))
    return tuple(sections)


def read_taxonomy(table: Mapping[str, object], path: Path = Path(FILE), *, whole: bool = True) -> Taxonomy:
    """The section [taxonomy]. path: of its file. whole: its labels name no others. Raises BadInput."""
    version, entries, in_use = table.get("version", 1), table.get("labels", []), table.get("use", MAIN)
    if unknown := sorted(table.keys() - {"version", "use", "labels"}):
        raise BadInput(f"{path}: unknown setting taxonomy.{unknown[0]}; there are version, use, labels.")
    if type(version) is not int or not 1 <= version <= MOST_VERSIONS:
        raise BadInput(
            f"{path}: taxonomy.version is {version!r}, but a whole number from 1 to {MOST_VERSIONS:,} is needed."
        )
    if type(in_use) is not str or not in_use:
        raise BadInput(f"{path}: taxonomy.use is {in_use!r}, but the name of a taxonomy is needed.")
    if not isinstance(entries, list):
        raise BadInput(f"{path}: taxonomy.labels is {entries!r}; write each label under [[taxonomy.labels]].")
    labels = tuple(_label(entry, path) for entry in entries)
    ids, names = [label.id for label in labels], [(label.taxonomy, label.name) for label in labels]
    twice = [("id", one) for one, times in Counter(ids).items() if times > 1]
    twice += [("name", name) for (_, name), times in Counter(names).items() if times > 1]
    if twice:
        kind, value = twice[0]
        raise BadInput(f"{path}: the label {kind} {value!r} stands twice under [[taxonomy.labels]].")
    read = Taxonomy(labels, version, in_use)
    return check_taxonomy(read) if whole else read


_LABEL_FIELDS = get_type_hints(Label)


def _label(entry: object, path: Path) -> Label:
    supplied = entry if isinstance(entry, dict) else {}
    for key, value in supplied.items():
        if key not in _LABEL_FIELDS:
            raise BadInput(
                f"{path}: a label under [[taxonomy.labels]] has {key!r}; there are {', '.join(_LABEL_FIELDS)}."
            )
        if _LABEL_FIELDS[key] not in (str, bool):
            if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
                raise BadInput(f"{path}: the {key} of a label are {value!r}, but a list of texts is needed.")
        elif type(value) is not _LABEL_FIELDS[key]:
            kind = _LABEL_FIELDS[key].__name__
            raise BadInput(f"{path}: the {key} of a label is {value!r}, but a {kind} is needed.")
    if not supplied.get("id") or not supplied.get("name"):
        raise BadInput(f"{path}: every label under [[taxonomy.labels]] needs an id and a name; one is {entry!r}.")
    try:
        fields: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in supplied.items()
        }
        return Label(**{**fields, "name": check_name(supplied["name"])})
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from None


def label_fields(label: Label) -> dict[str, Any]:
    """Its fields as `rondo.toml` has them: without those that say nothing."""
    values = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(label).items()}
    return {key: value for key, value in values.items() if value not in ("", False, []) and (key, value) != _DEFAULT}


_DEFAULT = ("taxonomy", MAIN)


def write_settings(project: Path, settings: Settings) -> None:
    """Keeps a person's comments and order; a full disk or a power cut leaves the old file whole."""
    import tomlkit
    from tomlkit.items import Table

    check(settings)
    path = project / FILE
    document = tomlkit.parse(_text(path)) if path.exists() else tomlkit.document()
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
    named = {
        "fields": {field.name: field.role for field in settings.fields},
        "golden": {one.field: one.rule for one in settings.golden},
    }
    for section, rows in named.items():
        document.pop(section, None)
        if rows:
            document[section] = rows
    before = document.get("train")
    if settings.train != _trainer_values(before.unwrap() if before else {}, path):
        document.pop("train", None)
        if settings.train:
            document["train"] = {one.trainer: dict(one.values) for one in settings.train}
    document["taxonomy"] = _taxonomy_table(settings.taxonomy)
    write_whole(path, tomlkit.dumps(document).encode())


def _taxonomy_table(taxonomy: Taxonomy) -> "Table":
    import tomlkit
    from tomlkit.items import AoT

    result = tomlkit.table()
    result["version"] = taxonomy.version
    if taxonomy.in_use != MAIN:
        result["use"] = taxonomy.in_use
    labels = AoT([])
    for label in taxonomy.labels:
        entry = tomlkit.table()
        entry.update(label_fields(label))
        labels.append(entry)
    if len(labels):
        result["labels"] = labels
    return result


def with_changes(settings: Settings, **changes: Any) -> Settings:
    """A checked copy."""
    return check(replace(settings, **changes))
