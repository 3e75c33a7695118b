"""The verbs `evaluate` and `compare`: which models on which records, and storing the result. Computes nothing."""

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from core.arrays import Ints
from core.data.clean import rules_in_force
from core.errors import BadInput, Refused
from core.evaluation.encoder_quality import MOST
from core.jobs.bundle import Bundle, Report, write_json
from core.project import Project
from core.registry.champions import CHAMPION
from core.registry.evaluation_jobs import (
    COMPARE,
    COMPARE_ENCODERS,
    EVALUATE,
    CompareEncodersParams,
    CompareEncodersResult,
    CompareParams,
    CompareResult,
    EvaluateParams,
    EvaluateResult,
    LabelledFile,
    Setting,
)
from core.registry.lookup import (
    Model,
    find_encoder,
    find_model_to_score,
    held_out_rows,
    labelled_rows,
    stratum_rows,
    write_audit,
    write_records,
    write_training_texts,
)
from core.store.database import utc_now
from core.store.targets import refuse_target
from core.store.whole_files import whole_file
from core.tasks.tasks import require_labels
from core.typed_json import from_json, to_json

SAVED = "evaluations"
OURS = ("gold", "audit", "split")
ENDINGS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", "": "jsonl"}
"""of a file with one line per record, and what is written"""
MOST_K = 100
MOST_CLUSTERS = 10_000
MOST_SAMPLE = 20_000


def evaluate(  # noqa: PLR0913 - an option is an argument
    project: Project,
    report: Report,
    *,
    model: str = CHAMPION,
    on: str = "",
    text: Sequence[str] | None = None,
    label: str | None = None,
    id: str | None = None,
    encoding: str | None = None,
    labeled_only: bool = False,
    top_k: int = 3,
    save: bool = False,
    out: str | None = None,
) -> EvaluateResult:
    """Figures of a model on records whose truth is known.

    model: as `find_model` takes it, `baseline` (no training at all), or the folder of an artifact. on: `gold`, `audit`,
    `split` (what training held out) or a file; "" is the first of these that there is. text, label, id, encoding: of
    the file. labeled_only: skip records without a label. save: store the figures with the model. out: a file for one
    line per record, CSV or JSON by its ending.
    """
    require_labels(project.settings(), "Evaluating a model")
    evaluated = find_model_to_score(project, model)
    on = on or _first_there(project, evaluated)
    file = _file(on, text, label, id, encoding)
    _check(project, evaluated, top_k=top_k, save=save, out=out)
    lines = f"records.{_ending(out)}" if out is not None else None
    setting = setting_of(project, _name_of(on, file), file)
    params = EvaluateParams(setting, (evaluated.as_input,), top_k, labeled_only, lines)
    bundle = project.jobs.prepare(EVALUATE, params)
    try:
        _write_input(project, bundle, [evaluated], on)
        result = project.jobs.run(bundle, EVALUATE, report, f"Evaluating {evaluated.name}")
        result = replace(result, made_at=f"{utc_now():%Y-%m-%dT%H:%M:%SZ}", out=out, saved=save)
        if lines is not None and out is not None:
            _hand_over(bundle.path / "out" / lines, Path(out))
        if save:
            _save(project, bundle, result, file)
        _claim_result(project, bundle)
    finally:
        bundle.empty()
    return result


def compare(  # noqa: PLR0913 - an option is an argument
    project: Project,
    report: Report,
    *,
    first: str,
    second: str,
    on: str = "",
    text: Sequence[str] | None = None,
    label: str | None = None,
    id: str | None = None,
    encoding: str | None = None,
) -> CompareResult:
    """Two models on the same records, with intervals of the differences.

    first, second: as `model` of `evaluate`. on, text, label, id, encoding: as there; without `on` gold if there is any,
    else the audit.
    """
    require_labels(project.settings(), "Comparing models")
    _refuse_split(on)
    file = _file(on, text, label, id, encoding)
    one, other = find_model_to_score(project, first), find_model_to_score(project, second)
    if one == other:
        raise BadInput(f"{first} and {second} are the same model, {one.name}. Name two.")
    on = on or _first_there(project, None)
    params = CompareParams(setting_of(project, _name_of(on, file), file), (one.as_input, other.as_input))
    bundle = project.jobs.prepare(COMPARE, params)
    try:
        _write_input(project, bundle, [one, other], on)
        result = project.jobs.run(bundle, COMPARE, report, f"Comparing {one.name} with {other.name}")
        _claim_result(project, bundle)
    finally:
        bundle.empty()
    return result


def _refuse_split(on: str) -> None:
    if on == "split":
        raise Refused("One model may have been trained on what the other held out. Compare on gold, audit or a file.")


def compare_encoders(  # noqa: PLR0913 - an option is an argument
    project: Project,
    report: Report,
    *,
    names: Sequence[str],
    on: str = "",
    text: Sequence[str] | None = None,
    label: str | None = None,
    id: str | None = None,
    encoding: str | None = None,
    clusters: int = 0,
    sample: int = MOST,
) -> CompareEncodersResult:
    """Any number of encoders on the same labelled records, each against the first.

    names: of encoders, their folders, or models. on, text, label, id, encoding: as of `evaluate`; without `on` all
    labelled records, or gold and audit where a model brought its encoder. clusters: 0 for twice the labels, at least
    12. sample: records at most.
    """
    require_labels(project.settings(), "Comparing encoders")
    _refuse_split(on)
    file = _file(on, text, label, id, encoding)
    if clusters and not 2 <= clusters <= MOST_CLUSTERS:
        raise BadInput(f"--clusters is {clusters}; it must lie between 2 and {MOST_CLUSTERS:,}.")
    if not 4 <= sample <= MOST_SAMPLE:
        raise BadInput(f"--sample is {sample}; it must lie between 4 and {MOST_SAMPLE:,}.")
    encoders = [find_encoder(project, name) for name in names]
    for index, encoder in enumerate(encoders):
        if encoder in encoders[:index]:
            same = names[encoders.index(encoder)]
            raise BadInput(f"{same} and {names[index]} use the same encoder, {encoder.name}. Name others.")
    tuned = any(Path(encoder.source).is_dir() for encoder in encoders)
    records = _name_of(on, file) if on else "gold and audit" if tuned else "all labels"
    params = CompareEncodersParams(setting_of(project, records, file), tuple(encoders), clusters, sample)
    bundle = project.jobs.prepare(COMPARE_ENCODERS, params)
    try:
        if not file:
            write_records(project, bundle, _informative_rows(project, on, tuned=tuned), "")
        result = project.jobs.run(bundle, COMPARE_ENCODERS, report, "Comparing encoders")
        _claim_result(project, bundle)
    finally:
        bundle.empty()
    return result


def _informative_rows(project: Project, stratum: str, *, tuned: bool) -> Ints:
    """Records to compare encoders on. One that was fine-tuned may have trained on all but gold and audit."""
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


def saved_evaluations(project: Project, model: str = "") -> list[EvaluateResult]:
    """Stored evaluations of a model, or of all of them, the newest first; unreadable ones are left out."""
    results = []
    for path in project.models.glob(f"{model or '*'}/{SAVED}/*.json"):
        try:
            stored = json.loads(path.read_text(encoding="utf-8"), object_hook=_in_todays_words)
            results.append(from_json(EvaluateResult, stored, path.name))
        except (OSError, ValueError, BadInput):
            continue
    return sorted(results, key=lambda result: result.made_at, reverse=True)


def _in_todays_words(stored: dict[str, object]) -> dict[str, object]:
    """Earlier versions called what is predicted `said`."""
    names = {"said": "predicted", "said_id": "predicted_id"}
    return {names.get(name, name): value for name, value in stored.items()}


def _file(
    on: str, text: Sequence[str] | None, label: str | None, id: str | None, encoding: str | None
) -> LabelledFile | None:
    """The file and its columns, None for records of the project. Raises BadInput where it does not exist."""
    if on in ("", *OURS):
        return None
    if not Path(on).exists():
        raise BadInput(f"There is no file {on}. Name one, or {', '.join(OURS)}.")
    return LabelledFile(str(Path(on).resolve()), tuple(text or ("text",)), label, id, encoding)


def _name_of(on: str, file: LabelledFile | None) -> str:
    """A name for the records; a file that is called `gold` or the like gets a name of its own."""
    name = Path(on).name
    return on if file is None else f"file {name}" if name in OURS else name


def _check(project: Project, model: Model, *, top_k: int, save: bool, out: str | None) -> None:
    """Before anything is read: a job takes seconds, or hours."""
    if not 1 <= top_k <= MOST_K:
        raise BadInput(f"--top-k is {top_k}; it must lie between 1 and {MOST_K}.")
    if save and model.folder is not None and model.folder.parent != project.models.resolve():
        raise Refused(f"{model.folder} is no model of this project, so nothing can be kept with it. Leave out --save.")
    if out is not None:
        refuse_target(project, out)
        _ending(out)
        if Path(out).is_dir() or not Path(out).resolve().parent.is_dir():
            raise BadInput(f"{out} cannot be written: name a file in a folder that is there.")


def _ending(out: str) -> str:
    """csv or jsonl. Raises BadInput for a name with another ending."""
    result = ENDINGS.get(Path(out).suffix.lower())
    if result is None:
        raise BadInput(f"{out} cannot be written: its name shall end in .jsonl (JSON, one line per record) or .csv.")
    return result


def setting_of(project: Project, on: str, file: LabelledFile | None) -> Setting:
    settings = project.settings()
    active = settings.taxonomy.active
    return Setting(
        on=on,
        file=file,
        names={label.id: label.name for label in active},
        descriptions={label.id: label.description for label in active},
        multi=settings.multi,
        encoder=find_encoder(project, settings.encoder).source,
        vectors=str(project.vectors),
        threads=settings.threads,
        seed=settings.seed,
        rules=rules_in_force(project.store),
        lines={label.id: settings.taxonomy.line(label.id) for label in settings.taxonomy.current},
    )


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
        write_audit(project, bundle, name, every=len(models) == 1 and models[0].has_out_of_fold)
    elif on == "split":
        write_records(project, bundle, held_out_rows(models[0]), name)
    elif on == "gold":
        rows = stratum_rows(project, "gold")
        if not len(rows):
            raise Refused("The project has no gold label. Import some (`--split`), or evaluate on audit or a file.")
        write_records(project, bundle, rows, name)
    else:
        write_training_texts(project, bundle)


def _claim_result(project: Project, bundle: Bundle) -> None:
    with project.store.transaction() as cursor:
        project.jobs.claim_result(bundle, cursor)


def _hand_over(source: Path, target: Path) -> None:
    """Copies a file atomically; the target may be on another disk. Raises Refused where it cannot be written."""
    try:
        with whole_file(target) as partial:
            shutil.copyfile(source, partial)
    except OSError as error:
        raise Refused(f"{target} could not be written ({error}). Name another file with --out.") from error


def _save(project: Project, bundle: Bundle, result: EvaluateResult, file: LabelledFile | None) -> None:
    """The newest evaluation on the same records replaces the one before. Made elsewhere: half a file beside a sealed
    model would damage it.

    A file is identified by its path, so that two of one name, or one called gold, do not replace each other.
    """
    name = f"file-{hashlib.sha256(file.file.encode()).hexdigest()[:16]}" if file else result.on
    folder = project.models / result.model / SAVED
    folder.mkdir(parents=True, exist_ok=True)
    write_json(bundle.path / "out" / "evaluation.json", to_json(result))
    os.replace(bundle.path / "out" / "evaluation.json", folder / f"{name}.json")
