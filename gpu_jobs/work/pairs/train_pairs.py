"""Training a model that reads both texts of a pair, and a head of pairs to which its score is one more feature.

Audit and gold pairs train neither. A decided pair is scored by a twin that did not learn from it, so that the head sees
of it what it will see of a new pair.
"""

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from core.arrays import Bools, Floats, Ints
from core.errors import Refused
from core.evaluation.held_out import decided, score_of
from core.evaluation.metrics import Metrics, Score
from core.jobs.code_version import library_versions
from core.models.artifacts import INSIDE, Making, seal_model
from core.models.encoders.loading import load_encoder
from core.models.heads.kind import FittedHead, TrainingRecords
from core.models.out_of_fold import write_held_out
from core.pairs.scorer import ScorerFacts, pair_keys, with_score, write_scorer
from core.store.whole_files import whole_file
from core.tasks.pairs import CATEGORIES, SAME, field_names, pairs_space
from core.tasks.task import AnswerSpace, Predictions
from core.training.pair_training_files import POOL, ROWS
from core.training.train_job import TrainPairsParams, TrainResult
from core.training.trainers import TRAINERS
from gpu_jobs.trainers.cross_encoder import (
    CrossEncoderModel,
    Pair,
    find_cross_base,
    fine_tune,
    load_cross_encoder,
    save_cross_encoder,
)
from gpu_jobs.trainers.device import say_device
from gpu_jobs.trainers.memory import memory_limit, peak_memory_mb
from gpu_jobs.trainers.trainer_types import Progress, TrainingRun
from gpu_jobs.work.held_out import Arrays, audit_records, load_arrays
from gpu_jobs.work.pairs.pair_encoder import PairEncoder
from gpu_jobs.work.pairs.pair_pool import PairedTexts, compare_texts, phase

TRAINING, SCORING = 700, 900
"""thousandths of the work after which training, and scoring, are done"""
PIECE = 256
"""pairs that are scored before what was scored is stored"""


@dataclass(frozen=True)
class Pool:
    """Every pair with two texts. rows: (pairs,) record numbers, ascending. within: of one source."""

    rows: Ints
    pairs: list[Pair]
    within: bool

    def positions_of(self, rows: Ints) -> Ints:
        """Positions of these records. All must be there."""
        return np.searchsorted(self.rows, rows)

    def take(self, positions: Ints) -> list[Pair]:
        """Those at these positions."""
        return [self.pairs[position] for position in positions.tolist()]


@dataclass(frozen=True)
class Decisions:
    """What trains. positions: (n,) in the pool. same: (n,)."""

    positions: Ints
    same: Bools

    def take(self, part: Bools) -> "Decisions":
        """Those of a mask."""
        return Decisions(self.positions[part], self.same[part])


def train_pairs(bundle: Path, params: TrainPairsParams, report: Progress) -> TrainResult:
    """Leaves `out/model`; metrics are on gold and audit pairs. An attempt that was killed goes on after the last twin
    that was finished. Raises Refused for too few decisions or too little memory, BadInput for a base that cannot read
    pairs."""
    started = time.monotonic()
    say_device(params.trainer, params.threads)
    run = _run(bundle, params, report)
    with memory_limit(run.values["max_memory_mb"]):
        pool, arrays = _read(bundle)
        decisions = _decisions(pool, arrays)
        base = find_cross_base(str(run.values["base"]), run.cache)
        model, scores = _fit_and_score(pool, decisions, base, run, bundle / "ckpt")
        space, head, outputs = _fit_head(pool, decisions, scores, params, run)
    metrics = _metrics(space, pool, arrays, outputs, params.seed)
    folder = bundle / "out" / "model"
    facts = ScorerFacts(params.encoder, base.name, model.longest)
    save_cross_encoder(model, folder / INSIDE)
    write_scorer(folder / INSIDE, facts, pair_keys(pool.pairs), scores)
    scored = np.union1d(arrays["gold_rows"], arrays["audit_rows"])
    scored = scored[np.isin(scored, pool.rows)]
    write_held_out(folder, scored, outputs[pool.positions_of(scored)])
    seconds, memory = round(time.monotonic() - started, 3), peak_memory_mb()
    info = _info(params, decisions, facts) | {"seconds": seconds, "memory_mb": memory}
    seal_model(folder, Making(params.trainer, INSIDE, CATEGORIES, False, info), head)
    report(1000, 1000)
    return TrainResult(
        metrics, len(decisions.positions), seconds, memory, own_encoder=True, has_head=True, remark=_remark(decisions)
    )


def _run(bundle: Path, params: TrainPairsParams, report: Progress) -> TrainingRun:
    work = bundle / "ckpt" / "work"
    work.mkdir(parents=True, exist_ok=True)
    defaults = {name: parameter.default for name, parameter in TRAINERS[params.trainer].parameters.items()}
    return TrainingRun(
        values={**defaults, **params.values},
        base=params.encoder,
        cache=Path(params.cache or bundle.parent / "cache"),
        work=work,
        checkpoints=bundle / "ckpt",
        seed=params.seed,
        threads=params.threads,
        report=report,
    )


def _read(bundle: Path) -> tuple[Pool, Arrays]:
    import polars

    table = polars.read_parquet(bundle / "in" / POOL).filter(
        (polars.col("left_text").str.strip_chars() != "") & (polars.col("right_text").str.strip_chars() != "")
    )
    pairs = list(zip(table["left_text"].to_list(), table["right_text"].to_list(), strict=True))
    rows = np.asarray(table["n"].to_numpy(), np.int64)
    return Pool(rows, pairs, bool(table["within"].any())), load_arrays(bundle / "in" / ROWS)


def _decisions(pool: Pool, arrays: Arrays) -> Decisions:
    """Without the pairs that score, and others of the same two texts."""
    scored_rows = np.union1d(arrays["gold_rows"], arrays["audit_rows"])
    keys = pair_keys(pool.take(pool.positions_of(scored_rows[np.isin(scored_rows, pool.rows)])))
    rows, same = arrays["train_rows"], np.asarray(arrays["train_targets"], np.bool_)[:, CATEGORIES.index(SAME)]
    there = np.isin(rows, pool.rows) & ~np.isin(rows, scored_rows)
    positions, same = pool.positions_of(rows[there]), same[there]
    free = ~np.isin(pair_keys(pool.take(positions)), keys)
    decisions = Decisions(positions[free], same[free])
    if not 0 < decisions.same.sum() < len(decisions.same):
        raise Refused("All decisions that may train are alike, so there is nothing to tell apart. Decide on some more.")
    return decisions


def _fit_and_score(
    pool: Pool, decisions: Decisions, base: Path, run: TrainingRun, checkpoints: Path
) -> tuple[CrossEncoderModel, Floats]:
    """The model of all decisions, and (pairs,) scores: of the decided ones by twins that did not learn from them."""
    folds = min(int(run.values["folds"]), int(min(decisions.same.sum(), (~decisions.same).sum())))
    fold = stratified_folds(decisions.same, folds, run.seed)
    scores = np.zeros(len(pool.pairs), np.float32)
    for number in range(folds):
        path = checkpoints / f"fold-{number}.npy"
        held = decisions.positions[fold == number]
        if not path.exists():
            part = _part(run, number, folds + 1)
            learnt = decisions.take(fold != number)
            twin = fine_tune(base, pool.take(learnt.positions), learnt.same, part, run.seed + number)
            _write(path, twin.score(pool.take(held)))
        scores[held] = np.load(path, allow_pickle=False)
    folder = checkpoints / "model"
    if not (folder / "done").exists():
        part = _part(run, folds, folds + 1)
        full = fine_tune(base, pool.take(decisions.positions), decisions.same, part, run.seed + folds)
        save_cross_encoder(full, folder)
        (folder / "done").touch()
    model = load_cross_encoder(folder, run.threads, int(run.values["max_length"]))
    others = np.setdiff1d(np.arange(len(pool.pairs)), decisions.positions)
    scores[others] = _score_in_pieces(pool, others, model, run, checkpoints)
    return model, scores


def stratified_folds(same: Bools, folds: int, seed: int) -> Ints:
    """(n,) fold of each decision, as many of either kind in each."""
    rng, fold = np.random.default_rng(seed), np.empty(len(same), np.int64)
    for kind in (same, ~same):
        fold[kind] = rng.permutation(np.arange(int(kind.sum())) % folds)
    return fold


def _part(run: TrainingRun, number: int, parts: int) -> TrainingRun:
    """The run whose progress is that of one of several trainings."""

    def report(done: int, total: int, **figures: float) -> None:
        run.report(TRAINING * (number * total + done) // (parts * max(total, 1)), 1000, **figures)

    return replace(run, report=report)


def _score_in_pieces(
    pool: Pool, positions: Ints, model: CrossEncoderModel, run: TrainingRun, checkpoints: Path
) -> Floats:
    """(positions,) what was scored before a kill is not scored again."""
    parts = [np.empty(0, np.float32)]
    for number, start in enumerate(range(0, len(positions), PIECE)):
        path, piece = checkpoints / f"scores-{number}.npy", positions[start : start + PIECE]
        if not path.exists():
            _write(path, model.score(pool.take(piece)))
        parts.append(np.load(path, allow_pickle=False))
        run.report(TRAINING + (SCORING - TRAINING) * (start + len(piece)) // len(positions), 1000)
    return np.concatenate(parts)


def _write(path: Path, scores: Floats) -> None:
    with whole_file(path, alone=True) as partial, partial.open("wb") as file:
        np.save(file, scores, allow_pickle=False)


def _fit_head(
    pool: Pool, decisions: Decisions, scores: Floats, params: TrainPairsParams, run: TrainingRun
) -> tuple[AnswerSpace, FittedHead, Floats]:
    """The space, the calibrated head, and (pairs, 2) what it says of every pair."""
    fields = field_names(params.setup)
    encoder = load_encoder(params.encoder, run.cache, params.threads)
    texts = PairedTexts([left for left, _ in pool.pairs], [right for _, right in pool.pairs], pool.within)
    opened = PairEncoder(encoder, None)
    features = with_score(compare_texts(texts, opened, fields, None, phase(run.report, SCORING, 990)), scores)
    space, vectors = pairs_space(fields), features.vectors.astype(np.float32)
    answers = np.column_stack([~decisions.same, decisions.same])
    records = TrainingRecords(vectors[decisions.positions], answers)
    nobody = np.zeros(len(answers), np.bool_)
    head = space.heads.cross_fit(records, None, nobody, np.random.default_rng(params.seed)).head
    return space, head, head.predict(vectors)


def _metrics(space: AnswerSpace, pool: Pool, arrays: Arrays, outputs: Floats, seed: int) -> Metrics:
    """On gold and on the audit; a stratum without a pair has none."""

    def on(rows: Ints, truth: Bools, *, audit: bool) -> Score | None:
        there = np.isin(rows, pool.rows)
        rows, truth, weights = rows[there], truth[there], None
        if audit:
            drawn, weights = audit_records(arrays, rows)
            rows, truth = rows[drawn], truth[drawn]
        if not len(rows):
            return None
        predictions = Predictions(space, outputs[pool.positions_of(rows)])
        return score_of(decided(rows, truth, predictions, weights), CATEGORIES, seed)

    audits = arrays["audit_rows"]
    known = np.isin(audits, arrays["train_rows"])
    targets = arrays["train_targets"][np.searchsorted(arrays["train_rows"], audits[known])]
    return Metrics(
        gold=on(arrays["gold_rows"], np.asarray(arrays["gold_targets"], np.bool_), audit=False),
        audit=on(audits[known], np.asarray(targets, np.bool_), audit=True),
    )


def _info(params: TrainPairsParams, decisions: Decisions, facts: ScorerFacts) -> dict[str, Any]:
    """Counts and no numbers of records: it goes out with the model."""
    same = int(decisions.same.sum())
    return {
        "trainer": params.trainer,
        "base": facts.model,
        "encoder": params.encoder,
        "values": params.values,
        "seed": params.seed,
        "counts": dict(zip(CATEGORIES, (len(decisions.same) - same, same), strict=True)),
        "records": len(decisions.same),
        "training_records": len(decisions.same),
        "made_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "versions": library_versions(),
    }


def _remark(decisions: Decisions) -> str:
    same = int(decisions.same.sum())
    return f"It learnt from {same:,} pairs that are the same and {len(decisions.same) - same:,} that are different."
