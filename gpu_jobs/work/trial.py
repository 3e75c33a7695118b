"""A trial of a tuned encoder: is a head on its vectors better than one on those in use? Knows a bundle, no trainer.

Records that an encoder was trained on say nothing of it, so two twins are trained on one half of the labels each, and
judged on the other half and on the audit, which none of them has seen. Cross-fitting, Stone 1974.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.arrays import Bools, Floats, Ints
from core.errors import Refused
from core.evaluation.paired import paired
from core.models.encoders.loading import load_encoder
from core.models.heads.calibration import expected_error, fit_temperature
from core.models.heads.head import LabelledVectors, fit_uncalibrated
from core.models.heads.kind import NeighbourGraph
from core.models.heads.logistic import sigmoid, softmax
from core.models.heads.neighbour_graph import neighbour_graph
from core.store.whole_files import whole_file
from core.tasks.choice import decide
from core.training.train_job import Trial, TrialParams
from gpu_jobs.trainers.splitting import split
from gpu_jobs.trainers.trainer_types import Train, TrainedModel, TrainingRun, TrainingSet

TWINS = 2
LEAST = 1e-6
"""probability, of which a logarithm can be taken"""


@dataclass(frozen=True)
class TrialRecords:
    """What the trial has beside the training set. audits: texts of audit records, truth: (audits, labels).

    train, audit, pool: vectors by the encoder in use of the training set, the audit and the pool's sample; names: of
    the labels' names, (0, dims) for none. fresh: (texts,) training records that the encoder in use has not learnt from.
    unchosen: (texts,) those that no model's doubt has chosen.
    """

    audits: list[str]
    truth: Bools
    train: Floats
    audit: Floats
    pool: Floats
    names: Floats
    fresh: Bools
    unchosen: Bools


@dataclass(frozen=True)
class _Vectors:
    """By one encoder."""

    train: Floats
    audit: Floats
    pool: Floats
    names: Floats | None


def read_trial_records(bundle: Path, audits: list[str], truth: Bools) -> TrialRecords:
    """From `in/trial.npz`."""
    with np.load(bundle / "in" / "trial.npz", allow_pickle=False) as file:
        vectors = {name: np.asarray(file[name], np.float32) for name in ("train", "audit", "pool", "names")}
        fresh, unchosen = (np.asarray(file[name], np.bool_) for name in ("fresh", "unchosen"))
        return TrialRecords(audits, truth, **vectors, fresh=fresh, unchosen=unchosen)


def try_out(
    training_set: TrainingSet, records: TrialRecords, params: TrialParams, run: TrainingRun, train: Train
) -> tuple[Trial, Floats]:
    """The outcome, and (texts, labels) probabilities of each training record by the twin that has not seen it.

    run: of the training that is tried, with its steps planned; the twins take as many. What a twin said is kept, so
    that a killed job goes on after it.
    """
    targets = training_set.targets
    _, second_half = split(training_set.texts, targets, 0.5, np.random.default_rng(run.seed))
    fold = np.isin(np.arange(len(targets)), second_half).astype(np.int64)
    in_use = _Vectors(records.train, records.audit, records.pool, records.names if len(records.names) else None)
    firsts, seconds = [], []
    for number in range(TWINS):
        out = fold == number
        firsts.append(_predict(training_set, in_use, ~out))
        seconds.append(_twin(training_set, records, params, (_part(run, number), train), ~out))
    first, second = (_joined(one, fold) for one in (firsts, seconds))
    fresh = np.concatenate([records.fresh, np.ones(len(records.audits), np.bool_)])
    truth = np.concatenate([targets, records.truth])[fresh]
    before, after = (decide(one[fresh], training_set.multi) for one in (first, second))
    compared = paired(truth, before, after, seed=run.seed)
    facts = {name: value for name, value in vars(compared).items() if name != "effective"}
    unchosen = np.concatenate([records.unchosen, np.ones(len(records.audits), np.bool_)])[fresh]
    right = [(one == truth.astype(one.dtype)).all(axis=1)[unchosen] for one in (before, after)]
    trial = Trial(
        params.against,
        audits=len(records.audits),
        labels=len(targets),
        steps=int(run.values["max_steps"]),
        unchosen=int(unchosen.sum()),
        unchosen_gain=int(right[1].sum()) - int(right[0].sum()),
        **facts,
    )
    return trial, second[: len(targets)]


def calibrate(trained: TrainedModel, unseen: Floats, targets: Bools) -> TrainedModel:
    """The model with the temperature that the twins' probabilities of unseen records ask for. Guo et al. 2017."""
    head = trained.head
    if head is None:
        return trained
    truth, even = targets.astype(np.float32), np.ones(len(targets), np.float32)
    clipped = np.clip(unseen, LEAST, 1 - LEAST)
    logits = np.log(clipped / (1 - clipped)) if head.multi else np.log(clipped)
    temperature = fit_temperature(logits, truth, even, head.multi)
    warm = replace(head, temperature=temperature)
    probs = (sigmoid if head.multi else softmax)(logits / temperature)
    return replace(trained, head=replace(warm, calibration_error=expected_error(probs, truth, even, head.multi)))


def _part(run: TrainingRun, number: int) -> TrainingRun:
    """A run of its own for each twin: other checkpoints, and progress behind that of what went before."""
    report = run.report

    def later(done: int, total: int, **figures: float) -> None:
        report(done + (number + 1) * total, (TWINS + 1) * total, **figures)

    folder = run.checkpoints / f"twin-{number}"
    work = run.work.with_name(f"{run.work.name}-twin-{number}")
    for path in (folder, work):
        path.mkdir(parents=True, exist_ok=True)
    return replace(run, work=work, checkpoints=folder, report=later)


def _twin(
    training_set: TrainingSet,
    records: TrialRecords,
    params: TrialParams,
    how: tuple[TrainingRun, Train],
    learns: Bools,
) -> Floats:
    run, train = how
    file = run.checkpoints / "said.npy"
    if file.exists():
        return np.asarray(np.load(file, allow_pickle=False))
    trained = train(_of_rows(training_set, np.flatnonzero(learns)), run)
    if trained.encoder is None:
        raise Refused("Only a trainer that changes the encoder can be tried out against the one in use.")
    encoder = load_encoder(str(trained.encoder), run.cache, run.threads)
    texts = (training_set.texts, records.audits, training_set.pool)
    train_rows, audit, pool = (encoder.encode(list(one)) for one in texts)
    # names count for both encoders or for none
    names = encoder.encode(params.names) if params.names and len(records.names) else None
    probs = _predict(training_set, _Vectors(train_rows, audit, pool, names), learns)
    with whole_file(file, alone=True) as partial, partial.open("wb") as opened:
        np.save(opened, probs, allow_pickle=False)
    return probs


def _of_rows(training_set: TrainingSet, rows: Ints) -> TrainingSet:
    texts = [training_set.texts[row] for row in rows]
    return replace(training_set, texts=texts, targets=training_set.targets[rows], validation=None)


def _predict(training_set: TrainingSet, vectors: _Vectors, learns: Bools) -> Floats:
    """(texts + audits, labels) by the round's head of the records that learn, on these vectors."""
    targets = training_set.targets[learns].astype(np.float32)
    labelled = LabelledVectors(vectors.train[learns], targets, training_set.labels, training_set.multi, vectors.names)
    points = np.asarray(np.concatenate([vectors.pool, vectors.train]), np.float32)
    graph = neighbour_graph(points, np.arange(len(points)), np.random.default_rng(0))
    head = fit_uncalibrated(labelled, NeighbourGraph(graph, points[graph.rows]))
    return head.predict(np.concatenate([vectors.train, vectors.audit]))


def _joined(of_twins: list[Floats], fold: npt.NDArray[Any]) -> Floats:
    """Of each training record what the head without it says; of audit records the mean of all."""
    texts = len(fold)
    own = np.stack(of_twins)[fold, np.arange(texts)]
    return np.concatenate([own, np.mean([one[texts:] for one in of_twins], axis=0)])
