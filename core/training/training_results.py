"""Stores a training job's result: checked, moved to models/, entered once. Promotes nothing."""

import json
import shutil

import duckdb

from core.errors import BadInput, Damaged, RondoError
from core.hosted.fine_tuning import HOSTED_TUNING
from core.jobs.bundle import Bundle, manifest
from core.jobs.job_states import OPEN, change_state
from core.models.artifacts import install_model
from core.models.encoders.encoder import OWN
from core.models.in_use import active_model
from core.project import Project
from core.store.database import utc_now
from core.training.entries import NewModel, enter_model, set_state
from core.training.hosted_model import enter_hosted
from core.training.model_kinds import MODEL_KINDS
from core.training.train_job import TrainResult
from core.typed_json import from_json, to_json


def apply_result(project: Project, bundle: Bundle) -> None:
    """Once per job; a second call changes nothing, nor does one for a job that was cancelled. An unusable result makes
    the job `failed`; its input stays, so that it can be retried.
    """
    if bundle.kind == HOSTED_TUNING.name:
        return enter_hosted(project, bundle)
    job = bundle.id
    try:
        result = _checked(bundle)
        install_model(bundle.path / "out" / "model", project.models, job)
    except RondoError as error:
        (bundle.path / "result.json").unlink(missing_ok=True)
        set_state(project, job, "failed", str(error))
        return
    with project.store.transaction() as cursor:
        awaited = [state for state in OPEN if state != "cancelling"]
        written = json.dumps(to_json(result))
        if change_state(cursor, job, "succeeded", awaited, ended_at=utc_now(), error=None, result=written):
            _enter(project, bundle, result, cursor)
    if not project.store.one("select count(*) from models where id = ?", [job]):
        shutil.rmtree(project.models / job, ignore_errors=True)
    bundle.empty()


def _checked(bundle: Bundle) -> TrainResult:
    """The job's result. Raises Damaged where the files that came back are not those that were made."""
    result = bundle.result or {}
    if manifest(bundle.path / "out") != result.get("manifest"):
        raise Damaged("What came back is not what the job made: some files were lost or changed on the way. Retry it.")
    try:
        return from_json(MODEL_KINDS[bundle.kind].result, result.get("value"), "What the job says of its model")
    except BadInput as error:
        raise Damaged(f"{error} Retry it.") from None


def _enter(project: Project, bundle: Bundle, result: TrainResult, cursor: duckdb.DuckDBPyConnection) -> None:
    job = bundle.id
    row = cursor.execute("select params from jobs where id = ?", [job]).fetchall()
    params = from_json(MODEL_KINDS[bundle.kind].params, json.loads(row[0][0]), f"The parameters of {job}")
    encoder = f"{OWN}{job}" if result.own_encoder else params.encoder if result.has_head else ""
    made = NewModel(
        trainer=params.trainer,
        encoder=encoder,
        taxonomy=params.taxonomy,
        labels=result.labels,
        seed=params.seed,
        metrics=result.metrics,
        seconds=result.seconds,
        parent=active_model(project),
        note=params.note,
    )
    enter_model(cursor, job, made)
