"""A model that a provider tuned, as a model of the registry: an artifact of facts, without weights, and its rows."""

import json
import shutil
from pathlib import Path

import duckdb

from core.errors import Damaged
from core.evaluation.metrics import Metrics
from core.hosted.fine_tuning import HostedTuningParams, HostedTuningResult
from core.hosted.training_data import TrainingData
from core.ids import JobId
from core.jobs.bundle import Bundle, write_json
from core.jobs.job_states import OPEN, change_state
from core.models.artifacts import Making, seal_model
from core.models.hosted_models import hosted_in_use
from core.models.in_use import active_model
from core.pairs.pair_keys import pair_key
from core.project import Project
from core.store.database import utc_now
from core.tasks.tasks import space_of
from core.training.entries import NewModel, enter_model, read_row
from core.typed_json import from_json, to_json

TRAINER = "hosted"
TRAINING_KEYS = "training_pairs.json"
"""hashes of the pairs that the model trained on: it is never measured on them"""


def write_training_keys(bundle: Bundle, data: TrainingData) -> None:
    """Into the job's input, from where they go into the artifact; of examples that are no pairs none."""
    pairs = [example.fields for example in data.examples if "left" in example.fields]
    keys = {pair_key(str(fields["left"]), str(fields["right"])) for fields in pairs}
    write_json(bundle.path / "in" / TRAINING_KEYS, sorted(keys))


def read_training_keys(folder: Path) -> frozenset[str]:
    """Of a checked artifact. Raises Damaged where it has none."""
    try:
        return frozenset(map(str, json.loads((folder / TRAINING_KEYS).read_text(encoding="utf-8"))))
    except (OSError, ValueError, TypeError) as error:
        raise Damaged(f"{folder} does not say what it trained on ({error}). Tune the model again.") from None


def enter_hosted(project: Project, bundle: Bundle) -> None:
    """Once per job, as for any training: a job that was cancelled meanwhile leaves no model."""
    job, row = bundle.id, read_row(project, bundle.id)
    params = from_json(HostedTuningParams, row.params, f"The parameters of {job}")
    result = from_json(HostedTuningResult, (bundle.result or {}).get("value"), f"The result of {job}")
    if not (project.models / job).exists():
        _write_artifact(project, bundle, result, params.borrowed)
    with project.store.transaction() as cursor:
        awaited = [state for state in OPEN if state != "cancelling"]
        written = json.dumps(to_json(result))
        if change_state(cursor, job, "succeeded", awaited, ended_at=utc_now(), error=None, result=written):
            _insert(project, cursor, job, params, result)
    if not project.store.one("select count(*) from models where id = ?", [job]):
        shutil.rmtree(project.models / job, ignore_errors=True)
    bundle.empty()


def _write_artifact(project: Project, bundle: Bundle, result: HostedTuningResult, borrowed: int) -> None:
    """Renamed into place, so that a folder under models/ is whole."""
    target, partial = project.models / bundle.path.name, project.models / f"{bundle.path.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    keys = bundle.path / "in" / TRAINING_KEYS
    written = json.loads(keys.read_text(encoding="utf-8")) if keys.exists() else []
    write_json(partial / TRAINING_KEYS, written)
    info = {name: value for name, value in vars(result).items() if name != "file"}
    info |= {"training_pairs": len(written), "borrowed": borrowed}
    labels = space_of(project.settings()).categories
    seal_model(
        partial,
        Making(TRAINER, "", labels, False, info),
        None,
    )
    partial.rename(target)


def _insert(
    project: Project,
    cursor: duckdb.DuckDBPyConnection,
    job: JobId,
    params: HostedTuningParams,
    result: HostedTuningResult,
) -> None:
    made = NewModel(
        trainer=TRAINER,
        encoder="",
        taxonomy=project.settings().taxonomy.version,
        labels=result.approved + result.rejected + result.partial,
        seed=0,
        metrics=Metrics(),
        seconds=result.seconds,
        parent=hosted_in_use(project) or active_model(project),
        note=params.note,
    )
    enter_model(cursor, job, made)
    cursor.execute(
        "insert into hosted_models values (?, ?, ?, ?, ?, ?::date, null)",
        [job, result.model, result.provider, result.base_url, result.base, result.shutdown],
    )
