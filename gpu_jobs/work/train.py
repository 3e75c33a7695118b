"""A training job: reads the bundle, runs a trainer, scores, seals the artifact. Knows no store and no trainer."""

import shutil
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from core.arrays import Bools, Floats, Ints, label_matrix
from core.errors import BadInput, Refused
from core.evaluation.audit import Weights
from core.evaluation.held_out import decided, score_of
from core.evaluation.metrics import Metrics, Score
from core.jobs.code_version import library_versions
from core.models.artifacts import INSIDE, Making, seal_model
from core.models.out_of_fold import write_held_out
from core.tasks.labels import label_predictions
from core.training.train_job import TrainParams, TrainResult, Trial
from core.training.trainers import TRAINERS, in_todays_names, trainers_for
from gpu_jobs.trainers.device import say_device
from gpu_jobs.trainers.memory import peak_memory_mb
from gpu_jobs.trainers.tracking import track
from gpu_jobs.trainers.trainer_types import Progress, Train, TrainedModel, TrainingRun, TrainingSet
from gpu_jobs.work.held_out import audit_records, load_arrays

HeldOutArrays = tuple[Ints, Floats, Ints]
"""numbers of records that the model has not learnt from, (records, labels) what it says of them, and which were held
out"""


@dataclass(frozen=True)
class ScoredRecords:
    """Records to score on, never to train on. rows: (k,) record numbers. truth: (k, labels). audit: (k,) drawn."""

    rows: Ints
    texts: list[str]
    truth: Bools
    audit: Bools


def _in(module: str) -> Train:
    """The trainer of that module, imported when it is called."""

    def train(training_set: TrainingSet, run: TrainingRun) -> TrainedModel:
        made: TrainedModel = import_module(f"gpu_jobs.trainers.{module}").train(training_set, run)
        return made

    return train


TRAIN: dict[str, Train] = {name: _in(name) for name in trainers_for(two_sides=False)}
"""each in a module of its name"""


def train(bundle: Path, params: TrainParams, report: Progress) -> TrainResult:
    """Leaves `out/model`; metrics are on gold, audit and held-out records. Raises the trainer's refusal."""
    started = time.monotonic()
    say_device(params.trainer, params.threads)
    with track(bundle.name, params, bundle / "work") as tracker:

        def follow(done: int, total: int, **figures: float) -> None:
            report(done, total, **figures)
            if figures:
                tracker.log(done, figures)

        value = _train(bundle, params, follow, started)
        strata = {name: value.metrics.on(name) for name in ("gold", "audit", "held_out")}
        tracker.end({name: score.macro_f1.value for name, score in strata.items() if score and score.macro_f1})
    return value


def _train(bundle: Path, params: TrainParams, report: Progress, started: float) -> TrainResult:
    training_set, rows = _training_set(bundle, params)
    scored_records = _read_scored_records(bundle, training_set.labels)
    run = _run(bundle, params, report)
    trained, trial = _train_and_try(bundle, params, training_set, (scored_records, run))
    probs = (
        trained.predict(scored_records.texts)
        if scored_records.texts
        else np.empty((0, len(training_set.labels)), np.float32)
    )
    held_out = rows[trained.held_out]
    metrics = replace(
        _score(bundle, training_set, scored_records, probs, run.seed),
        held_out=_held_out(training_set, trained, held_out, run.seed),
    )
    seconds, memory = round(time.monotonic() - started, 3), peak_memory_mb()
    info = _training_info(training_set, params, trained) | {"seconds": seconds, "memory_mb": memory}
    held_out_predictions = (
        np.concatenate([scored_records.rows, held_out]),
        np.concatenate([probs, trained.held_out_probs]),
        held_out,
    )
    _seal(bundle, params, trained, info, held_out_predictions)
    return TrainResult(
        metrics=metrics,
        labels=0 if params.trainer == "zeroshot" else len(training_set.texts),
        seconds=seconds,
        memory_mb=memory,
        own_encoder=trained.encoder is not None,
        has_head=trained.head is not None,
        remark=str(trained.info.get("note", "")),
        trial=trial,
    )


def _train_and_try(
    bundle: Path, params: TrainParams, training_set: TrainingSet, how: tuple[ScoredRecords, TrainingRun]
) -> tuple[TrainedModel, Trial | None]:
    """The model, and where it is to be tried out against the encoder in use the outcome. A trial costs as much again
    for each twin, so the time allowed is shared."""
    scored_records, run = how
    train = TRAIN[params.trainer]
    if params.trial is None:
        return train(training_set, run), None
    from gpu_jobs.work.trial import TWINS, calibrate, read_trial_records, try_out

    values = dict(run.values)
    if "max_minutes" in values:
        values["max_minutes"] = float(values["max_minutes"]) / (TWINS + 1)

    def first(done: int, total: int, **figures: float) -> None:
        run.report(done, total * (TWINS + 1), **figures)

    trained = train(training_set, replace(run, values=values, report=first))
    planned = replace(run, values={**values, "max_minutes": 0.0, "max_steps": trained.info.get("steps", 0)})
    drawn = scored_records.audit
    audits = [text for text, audit in zip(scored_records.texts, drawn, strict=True) if audit]
    records = read_trial_records(bundle, audits, scored_records.truth[drawn])
    trial, unseen = try_out(training_set, records, params.trial, planned, train)
    note = "No text was held out: two twins, each trained on one half of the labels, calibrate it."
    model = replace(calibrate(trained, unseen, training_set.targets), info={**trained.info, "note": note})
    return model, trial


def _training_set(bundle: Path, params: TrainParams) -> tuple[TrainingSet, Ints]:
    """The training set, and the numbers of its records."""
    table = _read(bundle / "in" / "train.parquet")
    labels = params.labels
    targets = label_matrix(table["labels"], labels)
    if params.trainer != "zeroshot" and (targets.any(axis=0).sum() < 2 and not params.multi):
        raise Refused("All labelled records have the same label, so there is nothing to tell apart. Label some more.")
    declared = np.array([split == "validation" for split in table.get("split", [])], np.bool_)
    training_set = TrainingSet(
        table["text"],
        targets,
        labels,
        params.label_names,
        params.descriptions,
        params.multi,
        declared if declared.any() else None,
        pool=_read(bundle / "in" / "pool.parquet")["text"] if params.trial else (),
    )
    return training_set, np.asarray(table["n"], np.int64)


def _read_scored_records(bundle: Path, labels: tuple[str, ...]) -> ScoredRecords:
    table = _read(bundle / "in" / "judge.parquet")
    audit = np.array([stratum == "audit" for stratum in table["stratum"]], np.bool_)
    return ScoredRecords(np.asarray(table["n"], np.int64), table["text"], label_matrix(table["labels"], labels), audit)


def _read(path: Path) -> dict[str, list[Any]]:
    import polars

    if not path.exists():
        raise BadInput(f"{path.name} is missing from the bundle. Start the job again.")
    return polars.read_parquet(path).to_dict(as_series=False)


def _run(bundle: Path, params: TrainParams, report: Progress) -> TrainingRun:
    own = bundle / "in" / "encoder"
    work = bundle / "ckpt" / "work"
    work.mkdir(parents=True, exist_ok=True)
    base = str(own) if own.is_dir() else params.encoder
    defaults = {name: parameter.default for name, parameter in TRAINERS[params.trainer].parameters.items()}
    carried = {"base": base} if own.is_dir() and "base" in defaults else {}
    values = {**defaults, **in_todays_names(params.values), **carried}
    return TrainingRun(
        values=values,
        base=base,
        cache=Path(params.cache or bundle.parent / "cache"),
        work=work,
        checkpoints=bundle / "ckpt",
        seed=params.seed,
        threads=params.threads,
        report=report,
    )


def _score(bundle: Path, training_set: TrainingSet, scored_records: ScoredRecords, probs: Floats, seed: int) -> Metrics:
    """Scores on gold and on the audit; a stratum without a record has none."""
    drawn, weights = audit_records(load_arrays(bundle / "in" / "history.npz"), scored_records.rows)

    def on(part: Bools, weights: Weights | None) -> Score | None:
        predictions = decided(
            scored_records.rows[part],
            scored_records.truth[part],
            label_predictions(probs[part], several=training_set.multi),
            weights,
        )
        return score_of(predictions, training_set.labels, seed) if part.any() else None

    return Metrics(gold=on(~scored_records.audit, None), audit=on(drawn & scored_records.audit, weights))


def _held_out(training_set: TrainingSet, trained: TrainedModel, rows: Ints, seed: int) -> Score | None:
    """The score on held-out training records. They chose the checkpoint and are no random sample: it monitors training,
    and does not estimate accuracy on the pool.
    """
    if not len(trained.held_out):
        return None
    truth, probs = training_set.targets[trained.held_out], trained.held_out_probs
    return score_of(
        decided(rows, truth, label_predictions(probs, several=training_set.multi)), training_set.labels, seed
    )


def _training_info(training_set: TrainingSet, params: TrainParams, trained: TrainedModel) -> dict[str, Any]:
    """Counts and no numbers of records: it goes out with the model."""
    counts = dict(zip(training_set.labels, training_set.targets.sum(axis=0).tolist(), strict=True))
    result = {name: value for name, value in trained.info.items() if name not in ("taught", "held_out")}
    return {
        **result,
        "trainer": params.trainer,
        "values": in_todays_names(params.values),
        "seed": params.seed,
        "encoder": params.encoder,
        "label_names": dict(zip(training_set.labels, training_set.names, strict=True)),
        "counts": counts,
        "made_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "records": len(training_set.texts),
        "training_records": trained.info.get("taught", len(training_set.texts) - len(trained.held_out)),
        "validation_records": len(trained.held_out),
        "taxonomy": params.taxonomy,
        "versions": library_versions(),
    }


def _seal(
    bundle: Path, params: TrainParams, trained: TrainedModel, info: dict[str, Any], held_out: HeldOutArrays
) -> None:
    """The artifact, its manifest last."""
    folder = bundle / "out" / "model"
    folder.mkdir(parents=True, exist_ok=True)
    write_held_out(folder, *held_out)
    if trained.encoder is not None:
        shutil.copytree(trained.encoder, folder / "encoder", dirs_exist_ok=True)
    encoder = INSIDE if trained.encoder is not None else params.encoder
    making = Making(params.trainer, encoder, params.labels, params.multi, info)
    seal_model(folder, making, trained.head)
