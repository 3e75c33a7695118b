"""Decisions on pairs, chosen and at random, on labelled sets: blocking, F1 against decisions, mutual best without any.

    python -m benchmarks.pairs DATA_FOLDER [--sets abt_buy,dblp_acm,fodors_zagats,korean_questions] [--seeds 1]

DATA_FOLDER holds pairs_SET.parquet with the columns text, text_b, label and split. Each set is a `rondo replay --task
pairs` with 1,000 decisions; F1 is of the matches among the pairs of the test split, and counts no miss of blocking. The
last column says whether the floors after 200 and 1,000 chosen decisions hold (mean over the seeds).
"""

import argparse
import time
from pathlib import Path
from statistics import mean

from app.cli.pair_replay import PairCurves, PairReplay, PairReplayOptions, run_pair_replay
from app.cli.terminal import Ticker

FLOORS = {
    "abt_buy": (0.88, 0.90),
    "dblp_acm": (0.98, 0.985),
    "fodors_zagats": (0.95, None),
    "korean_questions": (0.71, 0.74),
}
"""set -> F1 after 200 and 1,000 chosen decisions"""
BUDGET = 1_000
SHOWN = (50, 100, 200, 500, 1_000)


def f1_at(curves: PairCurves, decisions: int) -> float | None:
    """Mean over the seeds; None where the file has fewer pairs to decide."""
    if decisions not in curves.labels:
        return None
    return mean(curve[curves.labels.index(decisions)] for curve in curves.f1)


def row(name: str, strategy: str, result: PairReplay, seconds: float) -> str:
    """One line of the table."""
    curves = result.strategies[strategy]
    scores = [f1_at(curves, decisions) for decisions in SHOWN]
    spread = max(curve[-1] for curve in curves.f1) - min(curve[-1] for curve in curves.f1)
    cells = ["-" if score is None else f"{score:.3f}" for score in scores]
    held = floors(name, strategy, result)
    return f"| {name} | {strategy} | {' | '.join(cells)} | {spread:.3f} | {seconds:.0f} | {held} |"


def floors(name: str, strategy: str, result: PairReplay) -> str:
    """Whether they hold, of the chosen decisions."""
    if strategy != "ours" or name not in FLOORS:
        return ""
    scores = [f1_at(result.strategies[strategy], decisions) for decisions in (200, 1_000)]
    held = [floor is None or (score or 0) >= floor for floor, score in zip(FLOORS[name], scores, strict=True)]
    return "hold" if all(held) else f"MISSED: {FLOORS[name]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", default=",".join(FLOORS))
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    facts = []
    print(f"{options.seeds} seeds\n")
    print(f"| set | decisions | {' | '.join(f'{count:,}' for count in SHOWN)} | range of the last | s | floors |")
    print(f"|{'---|' * (len(SHOWN) + 5)}")
    for name in options.sets.split(","):
        started = time.monotonic()
        requested = PairReplayOptions(
            options.data / f"pairs_{name}.parquet", "text", "text_b", "label", "split", "", BUDGET, options.seeds
        )
        result = run_pair_replay(requested, Ticker())
        for strategy in result.strategies:
            print(row(name, strategy, result, time.monotonic() - started), flush=True)
        facts.append(
            f"| {name} | {result.blocking_recall:.4f} | {result.candidates_per_record:.1f} "
            f"| {result.mutual_best.f1:.3f} | {result.full.f1:.3f} ({result.records:,}) |"
        )
    print("\n| set | blocking recall | candidates per left record | mutual best, no decision | all decisions |")
    print("|---|---|---|---|---|")
    print("\n".join(facts))


if __name__ == "__main__":
    main()
