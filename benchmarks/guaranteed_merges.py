"""Merges by a model under a guarantee, and the clusters they make, on labelled sets. Knows candidates, no project.

    python -m benchmarks.guaranteed_merges DATA_FOLDER [--sets abt_buy,dblp_acm] [--seeds 6] [--precision .9]
        [--confidence .9] [--audits 500]

DATA_FOLDER holds pairs_SET.parquet with the columns text, text_b, label and split. The pool is the candidates (each
record's five nearest by characters and by encoder, both ways); pairs that the file does not call matches are none. Each
seed decides 300 pairs by the usual choice and audits so many at random; the head is cross-fitted and calibrated as in a
round, `core.evaluation.guarantee.certify` finds from which probability merges are right often enough (of merges by
themselves), and all unasked pairs from there on are merged. Compared are the plain components of
all merges with those that `core.pairs.clusters.Guard` allows. Right: both records of a pair in a cluster are one thing,
by the components of the true matches. Clusters right: those with a part of the model's of which all pairs are.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from core.arrays import Bools, Floats, Ints
from core.evaluation.guarantee import Certificate, GuaranteeTerms, certify
from core.evaluation.regions import CheckedRecords, Evidence
from core.models.encoders.encoder import EMBEDDED
from core.models.heads.kind import TrainingRecords
from core.models.heads.pair_head import cross_fit, fit_chooser
from core.pairs.blocking.candidates import find_candidates, similarity
from core.pairs.choosing import batch_size, choose_first, choose_next
from core.pairs.clusters import Clusters, Decision, Guard, make_clusters
from core.pairs.features import pair_features
from core.pairs.pair_jobs import PairReplayParams
from gpu_jobs.work.pairs.pair_replay import build_all_spaces, read_decided_pairs

SETS = ("abt_buy", "dblp_acm")
CHOSEN = 300
EVEN = 0.5


@dataclass(frozen=True)
class World:
    """Candidates. values: (m, features); names: (m, 2) of the two records; thing: record -> the true component."""

    values: Floats
    alike: Floats
    same: Bools
    names: list[tuple[str, str]]
    thing: dict[str, str]


@dataclass(frozen=True)
class Outcome:
    """merges: by the model, of which `right` are. pairs: within clusters, of which pairs_right are. found: of the true
    matches those within clusters. clusters: with a part of the model's, of which clusters_right have no wrong pair."""

    merges: int
    right: int
    pairs: int
    pairs_right: int
    found: float
    clusters: int
    clusters_right: int
    largest: int


def load_world(path: Path) -> World:
    """All candidates with their features."""
    decided = read_decided_pairs(
        PairReplayParams(str(path), "text", "text_b", "label", "split", "", 0, 1, 1, cache="", encoder=EMBEDDED)
    )
    spaces = build_all_spaces(decided.sides, EMBEDDED, 1, "", lambda done, total, **figures: None)
    pairs, width = find_candidates(spaces), len(decided.sides[1])
    values = pair_features(spaces, (decided.sides[0], decided.sides[1]), pairs, lambda done, total: None).vectors
    true = decided.pairs.left[decided.same] * width + decided.pairs.right[decided.same]
    matches = [(f"a{code // width:05}", f"b{code % width:05}") for code in true.tolist()]
    names = [(f"a{one:05}", f"b{other:05}") for one, other in zip(pairs.left, pairs.right, strict=True)]
    same = np.isin(pairs.left * width + pairs.right, true)
    records = sorted({name for pair in [*names, *matches] for name in pair})
    thing = make_clusters(records, _merges(matches, [1.0] * len(matches))).of
    return World(np.asarray(values, np.float32), similarity(spaces, pairs), same, names, thing)


def _merges(pairs: Iterable[tuple[str, str]], probabilities: Iterable[float], start: int = 0) -> list[Decision]:
    return [
        Decision(one, other, True, False, start + number, probability)
        for number, ((one, other), probability) in enumerate(zip(pairs, probabilities, strict=True))
    ]


def choose(world: World, seed: int) -> Ints:
    """CHOSEN pairs, batch by batch."""
    rows, decided = np.arange(len(world.same)), np.empty(0, np.int64)
    while len(decided) < CHOSEN:
        left = np.setdiff1d(rows, decided)
        n = min(batch_size(len(decided)), CHOSEN - len(decided))
        same, rng = world.same[decided], np.random.default_rng([seed, len(decided)])
        if same.all() or not same.any():
            places = choose_first(world.alike[left], n, rng)
        else:
            chances = fit_chooser(world.values[decided], same, seed).raw(world.values[left])
            places = choose_next(chances, n, rng)
        decided = np.concatenate([decided, left[places]])
    return decided


def play(world: World, terms: GuaranteeTerms, audits: int, seed: int) -> tuple[Outcome, Outcome] | None:
    """Without and with the guard; None where nothing can be guaranteed."""
    rng = np.random.default_rng(seed)
    chosen = choose(world, seed)
    audit = rng.choice(np.setdiff1d(np.arange(len(world.same)), chosen), audits, replace=False)
    asked = np.concatenate([chosen, audit])
    answers = np.column_stack([~world.same[asked], world.same[asked]]).astype(np.float32)
    evaluated = np.arange(len(asked)) >= len(chosen)
    fitted = cross_fit((), TrainingRecords(world.values[asked], answers), None, evaluated, rng)
    pool = np.setdiff1d(np.arange(len(world.same)), asked)
    outputs = fitted.head.predict(world.values)
    if fitted.outputs is None:
        return None
    held, truth = fitted.outputs.argmax(axis=1), world.same[audit].astype(np.int64)
    nothing = CheckedRecords(np.empty(0, np.int64), np.empty(0), np.empty(0, bool))
    evidence = Evidence(
        ("different", "same"),
        CheckedRecords(held, fitted.outputs.max(axis=1).astype(np.float64), held == truth),
        nothing,
        outputs[pool].argmax(axis=1),
        outputs[pool].max(axis=1).astype(np.float64),
    )
    verdict = certify(evidence, terms)
    if not isinstance(verdict, Certificate) or "same" not in verdict.thresholds:
        return None
    threshold = max(verdict.thresholds["same"], EVEN)
    merged = pool[outputs[pool, 1] >= threshold]
    plain, guarded = (_outcome(world, outputs[:, 1], asked, merged, threshold, guarded=one) for one in (False, True))
    return plain, guarded


def _outcome(world: World, same: Floats, asked: Ints, merged: Ints, threshold: float, *, guarded: bool) -> Outcome:
    people = [
        Decision(world.names[row][0], world.names[row][1], bool(world.same[row]), True, number)
        for number, row in enumerate(asked.tolist())
    ]
    scores = {world.names[row]: float(same[row]) for row in range(len(same))}
    scores |= {(one.left, one.right): float(one.same) for one in people}
    model = _merges([world.names[row] for row in merged], same[merged].tolist(), len(people))
    records = sorted(world.thing)
    clusters = make_clusters(records, [*people, *model], guard=Guard(scores, threshold) if guarded else None)
    left_out = {one.number for one in (*clusters.unsupported, *(held.decision for held in clusters.held))}
    made = [one for one in model if one.number not in left_out]
    return _count(world, clusters, made, make_clusters(records, people))


def _count(world: World, clusters: Clusters, made: list[Decision], by_people: Clusters) -> Outcome:
    of, thing, alone = clusters.of, world.thing, by_people.of
    joined: dict[str, list[bool]] = defaultdict(list)
    touched = set()
    for cluster, members in clusters.members.items():
        joined[cluster] += [thing[one] == thing[other] for one, other in combinations(members, 2)]
        touched |= {cluster} if len({alone[one] for one in members}) > 1 else set()
    matches = [pair for pair, same in zip(world.names, world.same, strict=True) if same]
    return Outcome(
        merges=len(made),
        right=sum(thing[one.left] == thing[one.right] for one in made),
        pairs=sum(map(len, joined.values())),
        pairs_right=sum(map(sum, joined.values())),
        found=float(np.mean([of[one] == of[other] for one, other in matches])),
        clusters=len(touched),
        clusters_right=sum(all(joined[cluster]) for cluster in touched),
        largest=max(map(len, clusters.members.values())),
    )


def main() -> None:
    """Two lines for each set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--precision", type=float, default=0.9)
    parser.add_argument("--confidence", type=float, default=0.9)
    parser.add_argument("--audits", type=int, default=500)
    options = parser.parse_args()
    terms = GuaranteeTerms(options.precision, options.precision, options.confidence)
    print("| set | rule | guaranteed | merges | of them right | kept | pairs right | matches joined ", end="")
    print("| clusters right | largest |")
    print("|" + "---|" * 10)
    for name in options.sets.split(","):
        world = load_world(options.data / f"pairs_{name}.parquet")
        played = [one for seed in range(options.seeds) if (one := play(world, terms, options.audits, seed))]
        for place, rule in enumerate(("components", "guarded")):
            outcomes = [one[place] for one in played]
            if not outcomes:
                print(f"| {name} | {rule} | 0 of {options.seeds} | | | | | | | |")
                continue
            total = {key: sum(vars(one)[key] for one in outcomes) for key in vars(outcomes[0])}
            kept = sum(one.right >= options.precision * one.merges for one in outcomes)
            print(
                f"| {name} | {rule} | {len(outcomes)} of {options.seeds} | {total['merges'] / len(outcomes):.0f} "
                f"| {total['right'] / max(total['merges'], 1):.2%} | {kept} "
                f"| {total['pairs_right'] / total['pairs']:.2%} "
                f"| {total['found'] / len(outcomes):.1%} "
                f"| {total['clusters_right'] / max(total['clusters'], 1):.2%} of {total['clusters']} "
                f"| {max(one.largest for one in outcomes)} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
