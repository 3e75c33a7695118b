"""Choosing a past round's batch again from what was known then: the proof that it was no accident. Changes nothing."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import Damaged, Refused
from core.jobs.bundle import Bundle, Report, write_json
from core.jobs.kinds import JobKind
from core.project import Project
from core.store.whole_files import whole_file

RECHOOSE: JobKind[dict[str, Any], dict[str, Any]] = JobKind("rechoose", dict, dict)

ROWS = ("pool_rows", "machine_rows", "train_rows")
"""what a choice depends on besides its parameters and the vectors"""
PARAMETERS = ("encoder", "labels", "label_names", "names", "use_names", "multi", "choose")


def keep_choice(project: Project, bundle: Bundle, batch: int, model: str | None) -> None:
    """Beside the project's models: the rows as differences, which compress to almost nothing. The JSON is last."""
    path = _path(project, batch)
    path.parent.mkdir(exist_ok=True)
    params = json.loads((bundle.path / "job.json").read_text(encoding="utf-8"))["params"]
    with np.load(bundle.path / "in" / "rows.npz", allow_pickle=False) as file:
        steps = {name: np.diff(file[name], prepend=0) for name in ROWS}
    with whole_file(path.with_suffix(".npz"), alone=True) as partial, partial.open("wb") as rows:
        np.savez_compressed(rows, allow_pickle=False, **steps)
    write_json(path, {key: params[key] for key in PARAMETERS} | {"model": model})


def rechoose(project: Project, report: Report, *, batch: int) -> dict[str, Any]:
    """Chooses the batch of a round again by its stored seed, pool and model, and says whether it is the same."""
    stored = project.store.one("select rows from batches where batch = ?", [batch])
    path = _path(project, batch)
    if stored is None:
        raise Refused(f"There is no round {batch}; there are {project.store.one('select count(*) from batches')}.")
    if not path.exists() or not path.with_suffix(".npz").exists():
        raise Refused(f"What round {batch} chose from was not kept: it is from before Rondo kept it, or from a backup.")
    try:
        parameters, arrays = _parameters(project, path), _arrays(path)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise Damaged(
            f"{path.with_suffix('')}.* cannot be read ({error}), so round {batch} cannot be chosen again."
        ) from None
    bundle = project.jobs.prepare(RECHOOSE, parameters)
    np.savez(bundle.path / "in" / "rows.npz", allow_pickle=False, **arrays)
    project.jobs.run(bundle, RECHOOSE, report, "Choosing again")
    again = _chosen(project, bundle)
    with project.store.transaction() as cursor:
        project.jobs.taken_in(bundle, cursor)
    bundle.empty()
    differ = len(set(again) ^ set(stored)) // 2
    return {"round": batch, "records": len(stored), "same": again == list(stored), "other_records": differ}


def _path(project: Project, batch: int) -> Path:
    return project.folder / "rounds" / f"{batch:05d}.json"


def _parameters(project: Project, path: Path) -> dict[str, Any]:
    stored = json.loads(path.read_text(encoding="utf-8"))
    return {
        **stored,
        "model": str(project.models / stored["model"]) if stored["model"] else None,
        "learn": False,
        "seed": stored["choose"]["seed"],
        "threads": project.settings().threads,
        "vectors": str(project.vectors),
    }


def _arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """The rows as they were. Labels play no part in a choice, so none are given."""
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as file:
        rows = {name: np.cumsum(file[name]) for name in ROWS}
    labels = len(json.loads(path.read_text(encoding="utf-8"))["labels"])
    nobody = np.empty(0, np.int64)
    targets = np.zeros((len(rows["train_rows"]), labels), np.bool_)
    return rows | {"train_targets": targets, "audit_rows": nobody, "waiting_rows": nobody}


def _chosen(project: Project, bundle: Bundle) -> list[int]:
    file = str(bundle.path / "out" / "queue.parquet")
    return [n for (n,) in project.store.query("select n from read_parquet(?) where not spare order by place", [file])]
