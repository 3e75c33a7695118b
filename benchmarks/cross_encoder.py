"""What a cross-encoder's score adds to the features of pairs, on labelled sets with a test split.

    python -m benchmarks.cross_encoder DATA_FOLDER [--sets dblp_acm,abt_buy] [--decisions 300] [--set epochs=5 ...]

DATA_FOLDER is that of `benchmarks.pairs`. The decisions are chosen as a replay chooses them; the model trains on them
with the trainer's defaults, decided pairs are scored by twins that did not learn from them, and the trees are fitted
without the score and with it. F1 is of the matches of the test split; seconds are of processor time. One seed chooses
and trains; the trees are fitted with three.
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import mean

import numpy as np

from core.arrays import Floats, Ints
from core.models.heads.pair_head import fit_pair_head
from core.pairs.blocking.candidates import similarity
from core.pairs.features import pair_features
from core.pairs.learning_curve import KnownPairs, decide, score
from core.pairs.pair_jobs import PairReplayParams
from core.pairs.scorer import with_score
from core.training.trainers import CROSS_ENCODER, read_values
from gpu_jobs.trainers.cross_encoder import Pair, find_cross_base, fine_tune
from gpu_jobs.trainers.trainer_types import TrainingRun
from gpu_jobs.work.pairs.pair_replay import build_all_spaces, read_decided_pairs
from gpu_jobs.work.pairs.train_pairs import stratified_folds

SEEDS = 3


def quiet(done: int, total: int, **figures: float) -> None:
    """Progress that nobody follows."""


def cross_scores(texts: list[Pair], known: KnownPairs, decided: Ints, run: TrainingRun) -> Floats:
    """(pairs,) of decided pairs by twins, of the test pairs by the model of all; the rest is 0."""
    same, scores = known.same[decided], np.zeros(len(texts), np.float32)
    folds = stratified_folds(same, int(run.values["folds"]), run.seed)
    base = find_cross_base(str(run.values["base"]), run.cache)

    def take(rows: Ints) -> list[Pair]:
        return [texts[row] for row in rows.tolist()]

    for number in range(int(run.values["folds"])):
        held = folds == number
        twin = fine_tune(base, take(decided[~held]), same[~held], run, number)
        scores[decided[held]] = twin.score(take(decided[held]))
    test = np.flatnonzero(known.test)
    scores[test] = fine_tune(base, take(decided), same, run, run.seed + 100).score(take(test))
    return scores


def measure(path: Path, decisions: int, values: list[str], work: Path) -> str:
    """One line of the table."""
    replayed = PairReplayParams(str(path), "text", "text_b", "label", "split", "", decisions, 1, 2, str(work / "cache"))
    pairs = read_decided_pairs(replayed)
    spaces = build_all_spaces(pairs.sides, replayed.encoder, replayed.threads, replayed.cache, quiet)
    features = pair_features(spaces, (pairs.sides[0], pairs.sides[1]), pairs.pairs, quiet)
    known = KnownPairs(features.vectors.astype(np.float32), similarity(spaces, pairs.pairs), pairs.same, pairs.test)
    *_, decided = decide(known, "ours", decisions, seed=0)
    started = time.process_time()
    run = TrainingRun(read_values(CROSS_ENCODER, values), "", work / "cache", work, work, 0, 2, quiet)
    both = zip(pairs.pairs.left.tolist(), pairs.pairs.right.tolist(), strict=True)
    texts = [(pairs.sides[0][left], pairs.sides[1][right]) for left, right in both]
    scores = cross_scores(texts, known, decided, run)
    seconds = time.process_time() - started
    scored = with_score(features, scores).vectors.astype(np.float32)

    def f1(vectors: Floats) -> float:
        heads = [fit_pair_head(vectors[decided], known.same[decided], seed) for seed in range(SEEDS)]
        return mean(score(known, head.raw(vectors[known.test]) > 0.5) for head in heads)

    alone = score(known, scores[known.test] > 0.5)
    cells = (f1(known.values), f1(scored), alone)
    name = path.stem.removeprefix("pairs_")
    return f"| {name} | {len(decided)} | {' | '.join(f'{cell:.3f}' for cell in cells)} | {seconds:.0f} |"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", default="dblp_acm,abt_buy")
    parser.add_argument("--decisions", type=int, default=300)
    parser.add_argument("--set", action="append", default=[])
    options = parser.parse_args()
    print(
        "| set | decisions | trees | trees with the score | the score alone | processor s |\n|---|---|---|---|---|---|"
    )
    for name in options.sets.split(","):
        with tempfile.TemporaryDirectory() as work:
            print(
                measure(options.data / f"pairs_{name}.parquet", options.decisions, options.set, Path(work)), flush=True
            )


if __name__ == "__main__":
    main()
