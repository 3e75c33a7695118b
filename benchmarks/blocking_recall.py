"""Blocking recall as it is estimated, beside the true one, on labelled sets, over many draws. Knows no project.

    python -m benchmarks.blocking_recall DATA_FOLDER [--sets abt_buy,dblp_acm] [--draws 500]

DATA_FOLDER holds pairs_SET.parquet with the columns text, text_b, label and split; pairs that it does not call matches
are none. Records are paired at so many neighbours each, few of them so that matches are missed. Each draw audits so
many candidates at random, so many near misses (the next rank) and 20 of all other pairs, and estimates from their true
answers; a figure is missing where there are too few matches, the share of draws that have it stands behind it. Covers:
how many of the intervals that there are hold the true value. "Against near" leaves matches further away out of the
truth. "By overlap" is held against the true recall, though it knows nothing but what the two searches share.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.arrays import Bools, Ints
from core.evaluation.audit import PoolHistory, weigh
from core.evaluation.metrics import Estimate
from core.evaluation.missed_matches import DrawnStratum
from core.models.encoders.encoder import EMBEDDED
from core.pairs.blocking.blocking_recall import BlockingRecall, DecidedCandidates, estimate_recall
from core.pairs.blocking.candidates import (
    FIRST,
    SECOND,
    Pairs,
    SearchedPairs,
    SearchedSides,
    search_spaces,
    with_near_misses,
)
from core.pairs.blocking.non_candidates import PairSpace, draw
from core.pairs.pair_jobs import PairReplayParams
from gpu_jobs.work.pairs.pair_replay import build_all_spaces, read_decided_pairs

SETS = ("abt_buy", "dblp_acm", "fodors_zagats", "korean_questions")
PER_RECORD = (1, 2, 5)
PLANS = ((100, 30), (300, 30), (300, 100))
"""audit pairs among the candidates, near misses that are decided"""
FAR = 20


@dataclass(frozen=True)
class World:
    """Pairs are numbers of sides, those of the right behind those of the left. matches: codes of the true ones."""

    name: str
    per_record: int
    searched: SearchedPairs
    space: PairSpace
    matches: Ints

    def is_match(self, pairs: Pairs) -> Bools:
        """(m,)."""
        return np.isin((pairs.left << 32) | pairs.right, self.matches)


def load_worlds(path: Path, name: str) -> list[World]:
    """The same records at each number of neighbours."""
    decided = read_decided_pairs(
        PairReplayParams(str(path), "text", "text_b", "label", "split", "", 0, 1, 1, cache="", encoder=EMBEDDED)
    )
    spaces = build_all_spaces(decided.sides, EMBEDDED, 1, "", lambda done, total, **figures: None)
    sides = SearchedSides(
        (spaces.characters.left, spaces.characters.right), (spaces.encoder.left, spaces.encoder.right)
    )
    width = len(decided.sides[0])
    space = PairSpace(np.repeat([0, 1], [width, len(decided.sides[1])]), within=False)
    true = decided.pairs.left[decided.same], decided.pairs.right[decided.same] + width
    worlds = []
    for count in PER_RECORD:
        one = with_near_misses(search_spaces(sides, range(sum(map(len, decided.sides))), count))
        placed = [Pairs(pairs.left, pairs.right + width) for pairs in (one.pairs, one.near)]
        searched = SearchedPairs(placed[0], one.similarity, one.searches, placed[1])
        worlds.append(World(name, count, searched, space, np.unique((true[0] << 32) | true[1])))
    return worlds


def estimate_once(world: World, audits: int, near: int, seed: int) -> BlockingRecall:
    """From one draw."""
    rng = np.random.default_rng(seed)
    pairs, searches = world.searched.pairs, world.searched.searches
    rows = np.sort(rng.choice(len(pairs), min(audits, len(pairs)), replace=False))
    audited = Pairs(pairs.left[rows], pairs.right[rows])
    none = np.zeros(len(rows), np.int64)
    history = PoolHistory(np.array([len(pairs)]), np.array([0]), none, none, np.ones(len(rows), bool))
    drawn = draw(world.space, pairs, world.searched.near, (near, FAR), seed)
    first, second = ((searches[rows] & bit) > 0 for bit in (FIRST, SECOND))
    close, far = (
        DrawnStratum(size, len(one), int(world.is_match(one).sum()))
        for size, one in ((drawn.near_size, drawn.near), (drawn.far_size, drawn.far))
    )
    return estimate_recall(DecidedCandidates(world.is_match(audited), first, second, weigh(history)), close, far)


def summary(estimates: list[Estimate | None], truth: float) -> str:
    """Mean of the estimates, mean lower bound, and how many intervals hold the truth."""
    there = [one for one in estimates if one is not None]
    if not there:
        return "- | - | -"
    covers = np.mean([one.low - 1e-9 <= truth <= one.high + 1e-9 for one in there])
    middle, low = (np.mean([getattr(one, name) for one in there]) for name in ("value", "low"))
    share = f" ({len(there) / len(estimates):.0%})" if len(there) < len(estimates) else ""
    return f"{middle:.3f} | {low:.3f} | {covers:.1%}{share}"


def main() -> None:
    """One line for each set, number of neighbours and plan."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--draws", type=int, default=500)
    options = parser.parse_args()
    print("| set | neighbours | audit, near | true recall | against near: true | mean | lower | covers ", end="")
    print("| by overlap: mean | lower | covers |")
    print("|" + "---|" * 11)
    for name in options.sets.split(","):
        for world in load_worlds(options.data / f"pairs_{name}.parquet", name):
            hit, close = (int(world.is_match(pairs).sum()) for pairs in (world.searched.pairs, world.searched.near))
            recall, against = hit / len(world.matches), hit / (hit + close)
            for audits, near in PLANS:
                drawn = [estimate_once(world, audits, near, seed) for seed in range(options.draws)]
                print(
                    f"| {name} | {world.per_record} | {audits}, {near} | {recall:.4f} | {against:.4f} "
                    f"| {summary([one.against_near for one in drawn], against)} "
                    f"| {summary([one.by_search for one in drawn], recall)} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
