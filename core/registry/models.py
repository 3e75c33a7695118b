"""The models of a project as people see them: a list, and one with all that it came from. Changes only its notes."""

import json
from collections.abc import Mapping
from typing import Any

from core.errors import Damaged, Refused
from core.jobs.bundle import Report
from core.models.artifacts import INFO, read_manifest
from core.models.in_use import active_model
from core.models.vectors import MANIFEST as VECTORS
from core.models.vectors import encoder_folder
from core.project import Project
from core.registry.champions import find_model, has_files, history, require_files, rollback_offer
from core.registry.evaluate import saved_evaluations
from core.store.database import note

Row = dict[str, Any]
ROUND_HEAD = "round head"

_FIELDS = ("id", "made_at", "removed_at", "trainer", "encoder", "labels", "taxonomy", "seed", "parent", "responses",
           "round", "notes", "seconds", "metrics", "same_labels")  # fmt: skip
# The labels of today are those of the model's taxonomy where no active one came or went since.
_MODELS = """
    with active as (
        select version, list_sort(list_transform(list_filter(labels::json[], lambda x: not (x->>3)::boolean),
                                                 lambda x: x->>0)) as ids
        from taxonomies
    )
    select id, strftime(made_at, '%Y-%m-%dT%H:%M:%SZ'), strftime(removed_at, '%Y-%m-%dT%H:%M:%SZ'),
           trainer, encoder, models.labels, taxonomy, seed, parent,
           responses, round, notes, seconds, metrics::varchar,
           coalesce((select ids from active where version = taxonomy) = list_sort($labels::varchar[]), false)
    from models {where} order by made_at desc, id desc
"""


def models(project: Project, report: Report) -> Row:
    """Every model, newest first, the champion's id, and what a rollback would do.

    state: champion; former (was champion); challenger; outdated (other labels); evaluate-only (no head); removed (by
    `model_remove`); missing (its files are gone without that). gate: what it last saw of the model, or None. files:
    whether the artifact is there.
    """
    champion, seen = active_model(project), _gates(project)
    former = {row["model"] for row in history(project)}
    matches = [_entry(project, row, champion, former, seen) for row in _rows(project)]
    return {"champion": champion, "rollback": rollback_offer(project), "models": matches}


def model(project: Project, report: Report, *, model: str) -> Row:
    """One model with its lineage: what taught it, on what it stands, who made it, its files, and when it was in use."""
    matches = find_model(project, model)
    changes = history(project)
    former = {row["model"] for row in changes}
    [row] = [row for row in _rows(project) if row["id"] == matches]
    entry = _entry(project, row, active_model(project), former, _gates(project))
    manifest = _manifest(project, matches)
    return {
        **entry,
        "lineage": _lineage(project, entry),
        "history": [row for row in changes if row["model"] == matches],
        "training_info": _training_info(project, matches),
        "artifact": manifest.get("files", {}),
        "damaged": manifest.get("damaged"),
        "evaluations": saved_evaluations(project, matches),
    }


def model_note(project: Project, report: Report, *, model: str, text: str, who: str = "local") -> Row:
    """What a person wants to remember of a model, in place of the note before; an empty text removes it."""
    matches, retained = find_model(project, model), text.strip()[:2_000] or None
    with project.store.transaction() as cursor:
        cursor.execute("update models set notes = ? where id = ?", [retained, matches])
        note(cursor, who, "model note", {"model": matches, "text": retained})
    return {"model": matches, "notes": retained}


def _rows(project: Project) -> list[Row]:
    labels = [label.id for label in project.settings().taxonomy.active]
    with project.store.reading() as cursor:
        rows = cursor.execute(_MODELS.format(where=""), {"labels": labels}).fetchall()
    return [dict(zip(_FIELDS, row, strict=True)) for row in rows]


def _entry(
    project: Project, row: Row, champion: str | None, former: set[str], seen: Mapping[str, Mapping[str, Any]]
) -> Row:
    """metrics: without the curve, the forecast and the rest that only rounds have: gold and audit and held out."""
    trained = row["trainer"] is not None
    metrics = json.loads(row.pop("metrics"))
    files = has_files(project, row["id"])
    state = _state(row, champion, former, files=files)
    row.pop("same_labels")
    return {
        **row,
        "trainer": row["trainer"] or ROUND_HEAD,
        "job": row["id"] if trained else None,
        "metrics": {name: metrics[name] for name in ("audit", "gold", "held_out") if metrics.get(name)},
        "state": state,
        "gate": seen.get(row["id"]),
        "files": files,
    }


def _state(row: Row, champion: str | None, former: set[str], *, files: bool) -> str:
    if row["id"] == champion:
        return "champion"
    if not files:
        return "removed" if row["removed_at"] else "missing"
    if row["id"] in former or row["trainer"] is None:
        return "former"
    if not row["encoder"]:
        return "evaluate-only"
    return "challenger" if row["same_labels"] else "outdated"


def _gates(project: Project) -> dict[str, Mapping[str, Any]]:
    """Of each model that was ever asked for: what the gate saw the last time, whether it let it in or not."""
    rows = project.store.query(
        """select model, evidence from (
               select model, evidence::varchar as evidence, since as moment from champions where evidence is not null
               union all
               select detail->>'model', (detail->'evidence')::varchar, logged_at from audit_log where what = 'gate'
           ) order by moment"""
    )
    return {name: json.loads(evidence) for name, evidence in rows}


def _lineage(project: Project, entry: Row) -> Row:
    """What a model follows from, in words; None is left out."""
    job = _job(project, entry["id"])
    result = {
        "made": entry["made_at"],
        "removed": entry["removed_at"],
        "trainer": entry["trainer"],
        "labels learnt from": entry["labels"],
        "responses there were": entry["responses"],
        "taxonomy version": entry["taxonomy"],
        "encoder": entry["encoder"] or "none",
        "encoder fingerprint": _fingerprint(project, entry["encoder"]),
        "seed": entry["seed"],
        "round": entry["round"],
        "champion when it was made": entry["parent"],
        "job": job.get("id"),
        "ran on": job.get("runner"),
        "input hash": _input_hash(project, entry["id"]),
        "seconds": entry["seconds"],
        "notes": entry["notes"],
    }
    return {name: value for name, value in result.items() if value is not None}


def _job(project: Project, model: str) -> Row:
    rows = project.store.query("select id, coalesce(runner, 'local') from jobs where id = ?", [model])
    return dict(zip(("id", "runner"), rows[0], strict=True)) if rows else {}


def _input_hash(project: Project, model: str) -> str | None:
    """Of what the job was given; it stays in its folder."""
    job = _read_json(project.folder / "jobs" / model / "job.json")
    return job.get("input_sha256")


def _fingerprint(project: Project, encoder: str) -> str | None:
    if not encoder:
        return None
    return _read_json(encoder_folder(project.vectors, encoder) / VECTORS).get("fingerprint")


def _training_info(project: Project, model: str) -> Row:
    return _read_json(project.models / model / INFO)


def _manifest(project: Project, model: str) -> Row:
    """Its files with their hashes, or what is wrong with it: a list of models must not fail for one of them."""
    try:
        require_files(project, model)
        return read_manifest(project.models / model)
    except (Damaged, Refused) as error:
        return {"damaged": str(error)}


def _read_json(path: Any) -> Row:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}
