"""The model card: what a model is, how it was made and how good it is. Has no record's text."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.config.settings import Settings
from core.data.clean import rules_in_force
from core.evaluation.metrics import Metrics, read_metrics
from core.evaluation.reporting import FEW_AUDITS, STRATA, audit_notes, in_words, score_cells, shown_score
from core.ids import ModelId
from core.jobs.code_version import library_versions
from core.models.artifacts import INFO, INSIDE
from core.models.encoders.encoder import EMBEDDED, OWN
from core.project import Project
from core.registry.usage import BUNDLED_FORM, LIBRARIES, usage
from core.reports.card_text import ACCURACY, ACCURACY_ALONE, MEANING, as_list, as_table, escaped
from core.reports.error_analysis import label_scores, label_table, level_table
from core.reports.model_quality import pool_exhausted
from core.tasks.tasks import space_of, task_of

if TYPE_CHECKING:
    from huggingface_hub import ModelCardData

Facts = Mapping[str, Any]
NO_LICENCE = (
    "No licence was chosen yet. Until its owner writes one here, nobody else has the right to use the model, and what "
    "its base model and the texts it learnt from allow holds in any case."
)

NEVER_TAUGHT = "It was never trained on the records that it is scored on (audit, gold)."


@dataclass(frozen=True)
class StoredModel:
    """A row of the table of models. labels: that it trained on. responses: how many there were when it was made.
    parent: the model in use then."""

    id: ModelId
    made_at: str
    trainer: str
    encoder: str
    taxonomy: int
    labels: int
    seed: int
    seconds: float
    parent: ModelId | None
    responses: int | None
    metrics: Metrics


def stored_model(project: Project, model: ModelId) -> StoredModel:
    """Raises IndexError for an id that is none."""
    [(*facts, metrics)] = project.store.query(
        """select id, strftime(made_at, '%Y-%m-%dT%H:%M:%SZ'), coalesce(trainer, 'round'), encoder, taxonomy, labels,
                  seed, seconds, parent, responses, metrics
           from models where id = ?""",
        [model],
    )
    return StoredModel(*[*facts, read_metrics(metrics, model)])


@dataclass(frozen=True)
class PackagedModel:
    """The model a card is about. manifest: of its folder. form: as `usage` knows them. folder_code: Python that makes
    `folder`, where the files are."""

    row: StoredModel
    manifest: Facts
    folder: Path
    form: str
    folder_code: str = 'folder = "."  # where this file lies'


def training_info(folder: Path) -> dict[str, Any]:
    """The trainer's info without entries that mean nothing outside the project; {} for a round's head."""
    try:
        result = dict(json.loads((folder / INFO).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    if isinstance(held_out := result.pop("held_out", None), list):  # of an earlier version: numbers of records
        result |= {"validation_records": len(held_out)}
    return {key: public_name(value) if isinstance(value, str) else value for key, value in result.items()}


def public_name(encoder: str) -> str:
    """The name to publish: a hub name in full, of a folder of this machine its last part only."""
    if encoder == EMBEDDED:
        return f"sentence-transformers/{EMBEDDED}"
    return Path(encoder).name if encoder.startswith(("/", "\\", ".", "~")) or Path(encoder).is_dir() else encoder


def _base(info: Facts, row: StoredModel) -> str:
    """What it was made from. An encoder trained here has no name in the job: its model is named."""
    base, encoder = str(info.get("base") or ""), str(info.get("encoder") or row.encoder)
    carried = base == INSIDE.rstrip("/") and encoder.startswith(OWN)
    return public_name(encoder if carried or not base else base)


def model_card(project: Project, packaged: PackagedModel) -> str:
    """Markdown with the Hub's front matter. Names from the project are escaped, so that they are never markup."""
    from huggingface_hub import ModelCard

    row, settings = packaged.row, project.settings()
    info = training_info(packaged.folder)
    versions = library_versions() | info.get("versions", {})
    parts = [
        ["---", str(_card_data(packaged, info, row)), "---"],
        [f"# {escaped(settings.name)}: model {escaped(row.id)}", "", _what(packaged, settings)],
        [
            "## How to use it",
            "",
            *usage(packaged.form, packaged.folder_code, versions),
            *_cleaning(project, packaged.form),
        ],
        _labels(project, packaged, info),
        _making(row, info),
        *_quality(project, row.metrics),
        [
            "## Known limits",
            *as_list(escaped(limit) for limit in _limits(row, packaged.manifest, exhausted=pool_exhausted(project))),
        ],
        ["## Licence", "", NO_LICENCE],
    ]
    return str(ModelCard("\n".join(line for part in parts if part for line in [*part, ""]).rstrip() + "\n"))


def _cleaning(project: Project, form: str) -> list[str]:
    """That texts were cleaned before the model read them, which the code above does not do without Rondo."""
    rules = rules_in_force(project.store)
    if not rules:
        return []
    by = escaped(", ".join(rules))
    lacking = "" if form == BUNDLED_FORM else ", the code above does not"
    return ["", f"Texts are cleaned before ({by}); `rondo predict` and `rondo.load` do so{lacking}."]


def _card_data(packaged: PackagedModel, info: Facts, row: StoredModel) -> "ModelCardData":
    """The Hub's metadata: the library, the base model, and the scores with enough records."""
    from huggingface_hub import EvalResult, ModelCardData

    base = _base(info, row)
    known = re.fullmatch(r"[\w.-]+/[\w.-]+", base) and not base.startswith("model:")
    scores = {stratum: shown_score(score) for stratum in STRATA if (score := row.metrics.on(stratum))}
    return ModelCardData(
        library_name=LIBRARIES[packaged.form],
        pipeline_tag="text-classification",
        tags=["rondo", "active-learning", "text-classification"],
        base_model=base if known else None,
        model_name=row.id,
        eval_results=[
            EvalResult(
                task_type="text-classification",
                dataset_type=f"rondo-{stratum}",
                dataset_name=f"{stratum} records",
                metric_type="accuracy" if name == "accuracy" else "f1",
                metric_name=name.replace("_", " "),
                metric_value=round(estimate.value, 4),
            )
            for stratum, shown in scores.items()
            for name, estimate in (
                ("accuracy", shown.accuracy),
                ("macro_f1", shown.macro_f1),
                ("micro_f1", shown.micro_f1),
            )
            if estimate
        ]
        or None,
    )


def _what(packaged: PackagedModel, settings: Settings) -> str:
    if not task_of(settings).taxonomy:
        return f"Answers the task '{escaped(settings.task)}': an encoder that makes vectors, and a head on them."
    labels = len(packaged.manifest["labels"])
    several = "several may hold for one text" if packaged.manifest["multi"] else "one per text"
    return f"Sorts texts into {labels:,} labels, {several}: an encoder that makes vectors, and a linear head on them."


def _labels(project: Project, packaged: PackagedModel, info: Facts) -> list[str]:
    settings = project.settings()
    if not task_of(settings).taxonomy:
        return []
    names = settings.taxonomy.names | info.get("label_names", {})
    described = {label.id: label.description for label in settings.taxonomy.labels}
    counts = info.get("counts", {})
    rows = [
        {
            "label": names.get(label, label),
            "id": label,
            "description": described.get(label, ""),
            **({"records_learnt_from": counts[label]} if label in counts else {}),
        }
        for label in packaged.manifest["labels"]
    ]
    return ["## Labels", "", f"Version {packaged.row.taxonomy} of the taxonomy.", *as_table(rows)]


def _making(row: StoredModel, info: Facts) -> list[str]:
    base = _base(info, row)
    trainer = "logistic head, refitted in a round" if row.trainer == "round" else row.trainer
    result = {
        "trainer": trainer,
        "encoder or base model": base,
        "records learnt from": row.labels,
        "responses there were": row.responses,
        "seed": str(row.seed),
        "made": row.made_at,
        "seconds": round(float(row.seconds), 1),
        "model in use before": row.parent,
    }
    lines = [{"what": name, "is": value} for name, value in result.items() if value is not None]
    values = [{"parameter": name, "value": str(value)} for name, value in info.get("values", {}).items() if value != ""]
    versions = ", ".join(f"{escaped(name)} {escaped(version)}" for name, version in info.get("versions", {}).items())
    return [
        "## How it was made",
        "",
        "Labels came from people or with a file; which texts people were asked about was chosen by active learning. "
        + ("Audit records were predicted by heads fitted without them." if row.trainer == "round" else NEVER_TAUGHT),
        *as_table(lines),
        *as_table(values),
        *(["", f"Versions: {versions}."] if versions else []),
    ]


def _quality(project: Project, metrics: Metrics) -> Iterable[list[str]]:
    scores = {stratum: shown_score(measured) for stratum in STRATA if (measured := metrics.on(stratum))}
    f1 = bool(space_of(project.settings()).categories)
    yield [
        "## How good it is",
        "",
        (ACCURACY if f1 else ACCURACY_ALONE)
        if scores
        else "It was scored on no audit and no gold record: nothing is claimed.",
    ]
    for stratum, score in scores.items():
        per_label = label_table(label_scores(metrics, stratum, project.settings().taxonomy))
        lines = [f"### On {score.n:,} {stratum} records", "", f"These are {MEANING[stratum]}."]
        lines += [*as_table([score_cells(score, f1=f1)]), *as_table(level_table(metrics, stratum))]
        yield [*lines, *as_table(per_label)]
    if held_out := metrics.on("held_out"):
        yield [
            f"While it was trained, {held_out.n:,} records were held out to choose the best state; there its macro "
            f"F1 was {in_words(shown_score(held_out).macro_f1)}. They chose the checkpoint and are no "
            "random sample, so this monitors training and does not estimate accuracy."
        ]


def _limits(row: StoredModel, manifest: Facts, *, exhausted: bool) -> Sequence[str]:
    audit, result = row.metrics.on("audit"), []
    if audit and audit.n < FEW_AUDITS:
        rare = ", and rare labels are hardly measured" if audit.macro_f1 else ""
        result.append(f"Only {audit.n:,} audit records: intervals are wide{rare}.")
    if not audit:
        result.append(
            "No audit speaks for texts like those it will meet; gold speaks for texts like those of its file."
        )
    result += audit_notes(audit, exhausted=exhausted)
    error = manifest.get("calibration_error")
    result.append(
        "Whether its probabilities can be believed was not measured."
        if error is None
        else f"Its probabilities were off by {error:.1%} on average on records that it was not trained on."
    )
    if row.encoder == EMBEDDED:
        result.append(
            "Rondo runs this encoder in 8 bits where it can, the code above in full: figures differ a little."
        )
    if manifest["labels"] and not manifest["multi"]:
        result.append("It gives every text one of its labels, also texts unlike all that it learnt from.")
    return result
