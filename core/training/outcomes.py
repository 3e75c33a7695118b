"""What becomes of a training job's result: checked, kept under models/, entered once. Promotes nothing."""

import json
from typing import Any

from core.errors import Damaged, RondoError
from core.jobs import Bundle, manifest
from core.models.artifacts import install_model
from core.models.encoders import OWN
from core.project import Project
from core.rounds.plans import active_model
from core.store import count, utc_now


def take_in(project: Project, bundle: Bundle) -> None:
    """Once per job; a second call changes nothing. What cannot be used makes the job `failed`, and nothing is kept."""
    try:
        result = _checked(bundle)
        install_model(bundle.path / "out" / "model", project.models, bundle.path.name)
    except RondoError as error:
        project.jobs.refuse(bundle, error)
        return
    with project.store.transaction() as cursor:
        if project.jobs.taken_in(bundle, cursor):
            _enter(project, bundle, result, cursor)
    bundle.empty()


def _checked(bundle: Bundle) -> dict[str, Any]:
    """The result's value. Raises Damaged where what came back is not what was made."""
    result = bundle.result or {}
    if manifest(bundle.path / "out") != result.get("manifest"):
        raise Damaged("What came back is not what the job made: some files were lost or changed on the way. Retry it.")
    return dict(result["value"])


def _enter(project: Project, bundle: Bundle, result: dict[str, Any], cursor: Any) -> None:
    job = bundle.path.name
    params = json.loads((bundle.path / "job.json").read_text(encoding="utf-8"))["params"]
    encoder = f"{OWN}{job}" if result["own_encoder"] else params["encoder"] if result["has_head"] else ""
    cursor.execute(
        """insert into models (id, made_at, round, encoder, taxonomy, labels, seed, metrics, seconds,
                               trainer, parent, responses, notes)
           values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        [
            job,
            utc_now(),
            count(cursor, "select coalesce(max(batch), 0) from batches"),
            encoder,
            params["taxonomy"],
            result["labels"],
            params["seed"],
            json.dumps(result["metrics"]),
            result["seconds"],
            params["trainer"],
            active_model(project),
            count(cursor, "select count(*) from responses"),
            params["note"] or None,
        ],
    )
    cursor.execute("update jobs set result = ? where id = ?", [json.dumps(result), job])
