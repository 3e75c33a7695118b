"""Chooses a past round's batch again from its stored inputs, to check that it is reproducible. Changes nothing."""

import json
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import BadInput, Damaged, Refused
from core.ids import ModelId, RecordNo
from core.jobs.bundle import Bundle, Report, write_json
from core.project import Project
from core.rounds.round_job import RECHOOSE, RoundParams
from core.store.whole_files import whole_file
from core.tasks.tasks import TASKS
from core.typed_json import from_json, to_json

ROWS = ("pool_rows", "machine_rows", "train_rows")
COUNTS = "label_counts"
"""what a choice depends on besides its parameters and the vectors; counts since rare labels are looked for"""


@dataclass(frozen=True)
class Rechosen:
    """same: the same records in the same order; other_records: how many of the batch would be replaced."""

    round: int
    records: int
    same: bool
    other_records: int


def store_choice(project: Project, bundle: Bundle, params: RoundParams, batch: int, model: ModelId | None) -> None:
    """Beside the project's models: the rows as differences, which compress to almost nothing. The JSON is last."""
    path = _path(project, batch)
    path.parent.mkdir(exist_ok=True)
    with np.load(bundle.path / "in" / "rows.npz", allow_pickle=False) as file:
        steps = {name: np.diff(file[name], prepend=0) for name in ROWS}
        steps |= {COUNTS: file[COUNTS]} if COUNTS in file else {}
    with whole_file(path.with_suffix(".npz"), alone=True) as partial, partial.open("wb") as rows:
        np.savez_compressed(rows, allow_pickle=False, **steps)
    stored = replace(params, learn=False, model=model, models=(), vectors="", encoder_source="", features=None)
    write_json(path, to_json(stored))


def rechoose(project: Project, report: Report, *, batch: int) -> Rechosen:
    """Chooses the batch of a round again by its stored seed, pool and model, and says whether it is the same."""
    stored = project.store.one("select rows from batches where batch = ?", [batch])
    path = _path(project, batch)
    if stored is None:
        raise Refused(f"There is no round {batch}; there are {project.store.one('select count(*) from batches')}.")
    if not path.exists() or not path.with_suffix(".npz").exists():
        raise Refused(f"What round {batch} chose from was not kept: it is from before Rondo kept it, or from a backup.")
    try:
        params, arrays = _read_choice(project, path)
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile, BadInput) as error:
        raise Damaged(
            f"{path.with_suffix('')}.* cannot be read ({error}), so round {batch} cannot be chosen again."
        ) from None
    bundle = project.jobs.prepare(RECHOOSE, params)
    np.savez(bundle.path / "in" / "rows.npz", allow_pickle=False, **arrays)
    project.jobs.run(bundle, RECHOOSE, report, "Choosing again")
    again = _chosen(project, bundle)
    with project.store.transaction() as cursor:
        project.jobs.claim_result(bundle, cursor)
    bundle.empty()
    differ = len(set(again) ^ set(stored)) // 2
    return Rechosen(batch, len(stored), again == list(stored), differ)


def _path(project: Project, batch: int) -> Path:
    return project.folder / "rounds" / f"{batch:05d}.json"


def _read_choice(project: Project, path: Path) -> tuple[RoundParams, dict[str, npt.NDArray[Any]]]:
    """The parameters and the rows as they were. Answers are not used to choose, so none are stored."""
    values = json.loads(path.read_text(encoding="utf-8"))
    if "setup" not in values:  # written when there were only labels
        labels = zip(values["labels"], values["label_names"], strict=True)
        about = [{"id": label, "name": name, "description": ""} for label, name in labels]
        values |= {"task": "labels", "setup": {"labels": about, "multi": values["multi"]}}
    defaults = {"vectors": str(project.vectors), "threads": project.settings().threads}
    params = from_json(RoundParams, values | defaults, str(path))
    model = str(project.models / params.model) if params.model else None
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as file:
        rows = {name: np.cumsum(file[name]) for name in ROWS}
        rows |= {COUNTS: file[COUNTS]} if COUNTS in file else {}
    nobody = np.empty(0, np.int64)
    width = TASKS[params.task].space(params.setup).encode(())
    answers = np.zeros((len(rows["train_rows"]), width.shape[1]), width.dtype)
    arrays = rows | {"train_targets": answers, "audit_rows": nobody, "waiting_rows": nobody}
    return replace(params, model=model), arrays


def _chosen(project: Project, bundle: Bundle) -> list[RecordNo]:
    file = str(bundle.path / "out" / "queue.parquet")
    return [n for (n,) in project.store.query("select n from read_parquet(?) where not spare order by place", [file])]
