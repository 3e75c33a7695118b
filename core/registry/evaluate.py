"""The verbs `evaluate` and `compare`: which models on which records, and what is kept of it. Judges nothing itself."""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.arrays import Ints
from core.errors import BadInput, Refused
from core.evaluation.encoder_quality import MOST
from core.jobs.bundle import Bundle, Report, write_json
from core.jobs.kinds import JobKind
from core.project import Project
from core.registry.champions import CHAMPION
from core.registry.lookup import (
    Model,
    find_encoder,
    find_judged,
    held_out_rows,
    labelled_rows,
    loadable,
    stratum_rows,
    write_audit,
    write_records,
    write_taught,
)
from core.store.database import utc_now
from core.store.targets import refuse_target
from core.store.whole_files import whole_file

EVALUATE: JobKind[dict[str, Any], dict[str, Any]] = JobKind("evaluate", dict, dict)
COMPARE: JobKind[dict[str, Any], dict[str, Any]] = JobKind("compare", dict, dict)
COMPARE_ENCODERS: JobKind[dict[str, Any], dict[str, Any]] = JobKind("compare_encoders", dict, dict)

SAVED = "evaluations"
OURS = ("gold", "audit", "split")
ENDINGS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", "": "jsonl"}
"""of a file with one line per record, and what is written"""
MOST_K = 100
MOST_CLUSTERS = 10_000
MOST_SAMPLE = 20_000


@dataclass(frozen=True)
class Wanted:
    """What judges, and what becomes of it.

    on: `gold`, `audit`, `split` (what training held out) or a file; "" is the first of these that there is. text,
    label, id, encoding: of the file. labeled_only: guess no record without a label. save: keep the figures with the
    model. out: a file for one line per record, CSV or JSON by its ending. encoders: compare encoders, not models, by
    `clusters` (0: twice the labels, at least 12) on `sample` records at most.
    """

    on: str = ""
    text: Sequence[str] | None = None
    label: str | None = None
    id: str | None = None
    encoding: str | None = None
    labeled_only: bool = False
    top_k: int = 3
    save: bool = False
    out: str | None = None
    encoders: bool = False
    clusters: int = 0
    sample: int = MOST

    @property
    def file(self) -> dict[str, Any] | None:
        """The file and its columns, None where the project's records judge. Raises BadInput where it is not there."""
        if self.on in ("", *OURS):
            return None
        if not Path(self.on).exists():
            raise BadInput(f"There is no file {self.on}. Name one, or {', '.join(OURS)}.")
        columns = {"label": self.label, "id": self.id, "encoding": self.encoding, "text": list(self.text or ["text"])}
        return {"file": str(Path(self.on).resolve()), **columns}

    @property
    def shown(self) -> str:
        """What a person calls it; a file that is called like records of ours is told from them."""
        if not self.file:
            return self.on
        name = Path(self.on).name
        return f"file {name}" if name in OURS else name


def evaluate(
    project: Project, report: Report, *, model: str = CHAMPION, on: str = "", **options: Any
) -> dict[str, Any]:
    """Figures of a model on records whose truth is known. options: of Wanted.

    model: as `find_model` takes it, `baseline` (no training at all), or the folder of an artifact.
    """
    judged = find_judged(project, model)
    requested = Wanted(on=on or _first_there(project, judged), **options)
    _check(project, judged, requested)
    lines = f"records.{_ending(requested.out)}" if requested.out is not None else None
    params = {"top_k": requested.top_k, "labeled_only": requested.labeled_only, "write": lines}
    bundle = _bundle(project, EVALUATE, [judged], requested, params)
    try:
        _write_input(project, bundle, [judged], requested.on)
        result = project.jobs.run(bundle, EVALUATE, report, f"Evaluating {judged.name}")
        result = {"model": judged.name, "on": requested.shown, "made_at": f"{utc_now():%Y-%m-%dT%H:%M:%SZ}"} | result
        if lines is not None and requested.out is not None:
            _hand_over(bundle.path / "out" / lines, Path(requested.out))
        result |= {"out": requested.out, "saved": requested.save}
        if requested.save:
            _save(project, bundle, result, _file_of(requested))
        _taken_in(project, bundle)
    finally:
        bundle.empty()
    return result


def compare(
    project: Project, report: Report, *, first: str, second: str, others: Sequence[str] = (), **options: Any
) -> dict[str, Any]:
    """Two models on the same records, with intervals of the differences; or any number of encoders, each against the
    first.

    first, second: as `model` of `evaluate`; encoders by name, folder or model. options: of Wanted; without `on` gold
    judges if there is any, else the audit; encoders all labelled records, or gold and audit where a model brought one.
    """
    requested = Wanted(**options)
    if requested.on == "split":
        raise Refused("What one model held out the other may have learnt from. Compare on gold, audit or a file.")
    if requested.encoders:
        return _compare_encoders(project, report, (first, second, *others), requested)
    if others or requested.clusters or requested.sample != MOST:
        raise BadInput("Two models are compared. With --encoders it can be more, by --clusters and on a --sample.")
    matches = [find_judged(project, word) for word in (first, second)]
    if matches[0] == matches[1]:
        raise BadInput(f"{first} and {second} are the same model, {matches[0].name}. Name two.")
    requested = Wanted(**options | {"on": requested.on or _first_there(project, None)})
    bundle = _bundle(project, COMPARE, matches, requested, {})
    try:
        _write_input(project, bundle, matches, requested.on)
        result = project.jobs.run(bundle, COMPARE, report, f"Comparing {matches[0].name} with {matches[1].name}")
        _taken_in(project, bundle)
    finally:
        bundle.empty()
    return {"first": matches[0].name, "second": matches[1].name, "on": requested.shown} | result


def _compare_encoders(project: Project, report: Report, words: Sequence[str], requested: Wanted) -> dict[str, Any]:
    if requested.clusters and not 2 <= requested.clusters <= MOST_CLUSTERS:
        raise BadInput(f"--clusters is {requested.clusters}; it must lie between 2 and {MOST_CLUSTERS:,}.")
    if not 4 <= requested.sample <= MOST_SAMPLE:
        raise BadInput(f"--sample is {requested.sample}; it must lie between 4 and {MOST_SAMPLE:,}.")
    matches = [find_encoder(project, word) for word in words]
    for place, encoder in enumerate(matches):
        if encoder in matches[:place]:
            same = words[matches.index(encoder)]
            raise BadInput(f"{same} and {words[place]} use the same encoder, {encoder['name']}. Name others.")
    tuned = any(Path(encoder["place"]).is_dir() for encoder in matches)
    judging = requested.shown or ("gold and audit" if tuned else "all labels")
    entries = {"encoders": matches, "clusters": requested.clusters, "sample": requested.sample}
    bundle = _bundle(project, COMPARE_ENCODERS, [], requested, entries)
    try:
        if not requested.file:
            write_records(project, bundle, _telling(project, requested.on, tuned=tuned), "")
        result = project.jobs.run(bundle, COMPARE_ENCODERS, report, "Comparing encoders")
        _taken_in(project, bundle)
    finally:
        bundle.empty()
    names = {"first": matches[0]["name"], "second": matches[1]["name"]}
    return {"encoders": True, **names, "on": judging} | result


def _telling(project: Project, stratum: str, *, tuned: bool) -> Ints:
    """Records that tell encoders apart. One that was fine-tuned may have learnt from all but gold and audit."""
    if stratum:
        rows = stratum_rows(project, stratum)
    elif tuned:
        rows = np.union1d(stratum_rows(project, "gold"), stratum_rows(project, "audit"))
    else:
        rows = labelled_rows(project)
    if not len(rows):
        what = "gold or audit record" if tuned else "record"
        raise Refused(f"No {what} has a label yet, so nothing tells encoders apart. Label some, or name a file.")
    return rows


def saved_evaluations(project: Project, model: str = "") -> list[dict[str, Any]]:
    """What `evaluate` kept of a model, or of all of them, the newest first; what cannot be read is left out."""
    matches = []
    for path in project.models.glob(f"{model or '*'}/{SAVED}/*.json"):
        try:
            matches.append(dict(json.loads(path.read_text(encoding="utf-8"))))
        except (OSError, ValueError):
            continue
    return sorted(matches, key=lambda result: str(result.get("made_at", "")), reverse=True)


def _check(project: Project, model: Model, requested: Wanted) -> None:
    """Before anything is read: a job takes seconds, or hours."""
    if not 1 <= requested.top_k <= MOST_K:
        raise BadInput(f"--top-k is {requested.top_k}; it must lie between 1 and {MOST_K}.")
    if requested.save and model.folder is not None and model.folder.parent != project.models.resolve():
        raise Refused(f"{model.folder} is no model of this project, so nothing can be kept with it. Leave out --save.")
    if requested.out is not None:
        refuse_target(project, requested.out)
        _ending(requested.out)
        if Path(requested.out).is_dir() or not Path(requested.out).resolve().parent.is_dir():
            raise BadInput(f"{requested.out} cannot be written: name a file in a folder that is there.")


def _ending(out: str) -> str:
    """csv or jsonl. Raises BadInput for a name that promises another format."""
    result = ENDINGS.get(Path(out).suffix.lower())
    if result is None:
        raise BadInput(f"{out} cannot be written: its name shall end in .jsonl (JSON, one line per record) or .csv.")
    return result


def _bundle(
    project: Project,
    kind: JobKind[dict[str, Any], dict[str, Any]],
    models: Sequence[Model],
    requested: Wanted,
    params: Mapping[str, Any],
) -> Bundle:
    settings = project.settings()
    active = settings.taxonomy.active
    common = {
        "subjects": [
            {"name": one.name, "folder": str(one.folder) if one.folder else None, "base": one.base} for one in models
        ],
        "on": requested.shown,
        "file": requested.file,
        "names": {label.id: label.name for label in active},
        "descriptions": {label.id: label.description for label in active},
        "multi": settings.multi,
        "encoder": loadable(project),
        "vectors": str(project.vectors),
        "threads": settings.threads,
        "seed": settings.seed,
    }
    return project.jobs.prepare(kind, {**common, **params})


def _first_there(project: Project, model: Model | None) -> str:
    for stratum in ("gold", "audit"):
        if len(stratum_rows(project, stratum)):
            return stratum
    if model is None or model.folder is None:
        raise Refused("There is no gold and no audit label to judge by. Label some records, or name a file with --on.")
    held_out_rows(model)
    return "split"


def _write_input(project: Project, bundle: Bundle, models: Sequence[Model], on: str) -> None:
    name = models[0].name
    if on == "audit":
        write_audit(project, bundle, name, every=len(models) == 1 and models[0].crossed)
    elif on == "split":
        write_records(project, bundle, held_out_rows(models[0]), name)
    elif on == "gold":
        rows = stratum_rows(project, "gold")
        if not len(rows):
            raise Refused("The project has no gold label. Import some (`--split`), or evaluate on audit or a file.")
        write_records(project, bundle, rows, name)
    else:
        write_taught(project, bundle)


def _taken_in(project: Project, bundle: Bundle) -> None:
    with project.store.transaction() as cursor:
        project.jobs.taken_in(bundle, cursor)


def _hand_over(source: Path, target: Path) -> None:
    """Whole or not at all; the target may be on another disk. Raises Refused where it cannot be written."""
    try:
        with whole_file(target) as partial:
            shutil.copyfile(source, partial)
    except OSError as error:
        raise Refused(f"{target} could not be written ({error}). Name another file with --out.") from error


def _file_of(requested: Wanted) -> str:
    """A file's records are known by where the file lies: two of one name, or one called gold, are not one another."""
    if requested.file is None:
        return f"{requested.on}.json"
    return f"file-{hashlib.sha256(requested.file['file'].encode()).hexdigest()[:16]}.json"


def _save(project: Project, bundle: Bundle, result: Mapping[str, Any], kept_as: str) -> None:
    """The newest evaluation on the same records replaces the one before. Made elsewhere: half a file beside a sealed
    model would damage it."""
    folder = project.models / result["model"] / SAVED
    folder.mkdir(parents=True, exist_ok=True)
    write_json(bundle.path / "out" / "evaluation.json", dict(result))
    os.replace(bundle.path / "out" / "evaluation.json", folder / kept_as)
