"""A training job: reads the bundle, lets a trainer learn, judges, seals the artifact. Knows no store and no trainer."""

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.arrays import Bools, Floats, Ints, label_matrix
from core.errors import BadInput, Refused
from core.evaluation.audit import Weights, drawn_only, weigh
from core.evaluation.scores import score
from core.jobs.code_version import library_versions
from core.models.artifacts import INSIDE, Making, seal_model
from core.models.heads.head import decide
from core.models.out_of_fold import write_held_out
from core.training.trainers import TRAINERS, in_todays_names
from gpu_jobs.trainers.memory import peak_memory_mb
from gpu_jobs.trainers.tracking import track
from gpu_jobs.trainers.training import Progress, Train, TrainedModel, TrainingRun, TrainingSet
from gpu_jobs.work.measure import read_history, score_dict

HeldOutArrays = tuple[Ints, Floats, Ints]
"""numbers of records that the model has not learnt from, (records, labels) what it says of them, and which were held
out"""


@dataclass(frozen=True)
class Judging:
    """Records that judge and never teach. rows: (k,) record numbers. truth: (k, labels). audit: (k,) drawn."""

    rows: Ints
    texts: list[str]
    truth: Bools
    audit: Bools


def _in(module: str) -> Train:
    """The trainer of that module, imported when it is called."""

    def train(material: TrainingSet, run: TrainingRun) -> TrainedModel:
        made: TrainedModel = import_module(f"gpu_jobs.trainers.{module}").train(material, run)
        return made

    return train


TRAIN: dict[str, Train] = {name: _in(name) for name in TRAINERS}
"""each in a module of its name"""


def train(bundle: Path, params: Mapping[str, Any], report: Progress) -> dict[str, Any]:
    """Leaves `out/model`; returns metrics on gold, audit and held-out records, counts, seconds and memory.

    params: as `core.training.material.training_params` makes them. Raises what the trainer refuses.
    """
    started = time.monotonic()
    with track(bundle.name, params, bundle / "work") as tracker:

        def follow(done: int, total: int, **figures: float) -> None:
            report(done, total, **figures)
            if figures:
                tracker.log(done, figures)

        value = _train(bundle, params, follow, started)
        tracker.end({name: matches["macro_f1"]["value"] for name, matches in value["metrics"].items()})
    return value


def _train(bundle: Path, params: Mapping[str, Any], report: Progress, started: float) -> dict[str, Any]:
    material, rows = _material(bundle, params)
    judging = _judging(bundle, material.labels)
    run = _run(bundle, params, report)
    trained = TRAIN[params["trainer"]](material, run)
    probs = trained.predict(judging.texts) if judging.texts else np.empty((0, len(material.labels)), np.float32)
    metrics = {**_judge(bundle, material, judging, probs, run.seed), **_held_out(material, trained, run.seed)}
    seconds, memory = round(time.monotonic() - started, 3), peak_memory_mb()
    info = _training_info(material, params, trained) | {"seconds": seconds, "memory_mb": memory}
    held_out = rows[trained.held_out]
    judged = (np.concatenate([judging.rows, held_out]), np.concatenate([probs, trained.held_out_probs]), held_out)
    _seal(bundle, params, trained, info, judged)
    return {
        "metrics": metrics,
        "labels": 0 if params["trainer"] == "zeroshot" else len(material.texts),
        "seconds": seconds,
        "memory_mb": memory,
        "own_encoder": trained.encoder is not None,
        "has_head": trained.head is not None,
        "remark": str(trained.info.get("note", "")),
    }


def _material(bundle: Path, params: Mapping[str, Any]) -> tuple[TrainingSet, Ints]:
    """What teaches, and the numbers of its records."""
    table = _read(bundle / "in" / "train.parquet")
    labels = tuple(params["labels"])
    targets = label_matrix(table["labels"], labels)
    if params["trainer"] != "zeroshot" and (targets.any(axis=0).sum() < 2 and not params["multi"]):
        raise Refused("All labelled records have the same label, so there is nothing to tell apart. Label some more.")
    names, descriptions = tuple(params["label_names"]), tuple(params["descriptions"])
    material = TrainingSet(table["text"], targets, labels, names, descriptions, params["multi"])
    return material, np.asarray(table["n"], np.int64)


def _judging(bundle: Path, labels: tuple[str, ...]) -> Judging:
    table = _read(bundle / "in" / "judge.parquet")
    audit = np.array([stratum == "audit" for stratum in table["stratum"]], np.bool_)
    return Judging(np.asarray(table["n"], np.int64), table["text"], label_matrix(table["labels"], labels), audit)


def _read(path: Path) -> dict[str, list[Any]]:
    import polars

    if not path.exists():
        raise BadInput(f"{path.name} is missing from the bundle. Start the job again.")
    return polars.read_parquet(path).to_dict(as_series=False)


def _run(bundle: Path, params: Mapping[str, Any], report: Progress) -> TrainingRun:
    own = bundle / "in" / "encoder"
    work = bundle / "ckpt" / "work"
    work.mkdir(parents=True, exist_ok=True)
    base = str(own) if own.is_dir() else str(params["encoder"])
    defaults = {name: parameter.default for name, parameter in TRAINERS[params["trainer"]].parameters.items()}
    carried = {"base": base} if own.is_dir() and "base" in defaults else {}
    values = {**defaults, **in_todays_names(params["values"]), **carried}
    return TrainingRun(
        values=values,
        base=base,
        cache=Path(params.get("cache") or bundle.parent / "cache"),
        work=work,
        checkpoints=bundle / "ckpt",
        seed=int(params["seed"]),
        threads=int(params["threads"]),
        report=report,
    )


def _judge(bundle: Path, material: TrainingSet, judging: Judging, probs: Floats, seed: int) -> dict[str, Any]:
    """Scores on gold and on the audit; a stratum without a record has none."""
    predicted, result = decide(probs, material.multi) if len(probs) else np.empty(judging.truth.shape, np.bool_), {}
    gold = ~judging.audit
    if gold.any():
        result["gold"] = score_dict(score(judging.truth[gold], predicted[gold], seed=seed), material.labels)
    weights, retained = audit_weights(bundle / "in" / "history.npz", judging.rows)
    retained &= judging.audit
    if retained.any():
        result["audit"] = score_dict(
            score(judging.truth[retained], predicted[retained], weights, seed), material.labels
        )
    return result


def audit_weights(path: Path, rows: Ints) -> tuple[Weights, Bools]:
    """What the drawn records among `rows` (ascending) count, and which those are: (k,) mask."""
    with np.load(path, allow_pickle=False) as file:
        arrays: dict[str, npt.NDArray[Any]] = {name: file[name] for name in file.files}
    weights = weigh(read_history(arrays))
    return drawn_only(weights), np.isin(rows, arrays["asked_rows"][weights.drawn])


def _held_out(material: TrainingSet, trained: TrainedModel, seed: int) -> dict[str, Any]:
    """On what the weights did not learn from. It chose the checkpoint, and labels were chosen to be learnt from: it
    says how training went, nothing about the pool."""
    if not len(trained.held_out):
        return {}
    predicted = decide(trained.held_out_probs, material.multi)
    return {"held_out": score_dict(score(material.targets[trained.held_out], predicted, seed=seed), material.labels)}


def _training_info(material: TrainingSet, params: Mapping[str, Any], trained: TrainedModel) -> dict[str, Any]:
    """Counts and no numbers of records: it goes out with the model."""
    counts = dict(zip(material.labels, material.targets.sum(axis=0).tolist(), strict=True))
    result = {name: value for name, value in trained.info.items() if name not in ("taught", "held_out")}
    return {
        **result,
        "trainer": params["trainer"],
        "values": in_todays_names(params["values"]),
        "seed": params["seed"],
        "encoder": params["encoder"],
        "label_names": dict(zip(material.labels, material.names, strict=True)),
        "counts": counts,
        "made_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "records": len(material.texts),
        "training_records": trained.info.get("taught", len(material.texts) - len(trained.held_out)),
        "validation_records": len(trained.held_out),
        "taxonomy": params["taxonomy"],
        "versions": library_versions(),
    }


def _seal(
    bundle: Path, params: Mapping[str, Any], trained: TrainedModel, info: dict[str, Any], held_out: HeldOutArrays
) -> None:
    """The artifact, its manifest last."""
    folder = bundle / "out" / "model"
    folder.mkdir(parents=True, exist_ok=True)
    write_held_out(folder, *held_out)
    if trained.encoder is not None:
        shutil.copytree(trained.encoder, folder / "encoder", dirs_exist_ok=True)
    encoder = INSIDE if trained.encoder is not None else str(params["encoder"])
    making = Making(params["trainer"], encoder, tuple(params["labels"]), params["multi"], info)
    seal_model(folder, making, trained.head)
