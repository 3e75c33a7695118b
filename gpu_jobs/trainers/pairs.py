"""Pairs and triplets of labelled texts for contrastive learning, hard negatives among them. Knows rows, no text.

Two records are alike as far as their labels are (Jaccard), so 1 or 0 where each has one label. Of two records without a
label nothing is said. Tunstall et al. 2022 (SetFit).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.arrays import Bools, Floats, Ints
from core.errors import Refused

BLOCK = 1024
TRIES = 20  # draws for a partner; what is rarer than that is looked for among all


@dataclass(frozen=True)
class Plan:
    """iterations: pairs of each kind per record, 0: every pair. most: pairs beyond which to refuse. together: texts of
    a label that a draw for triplets takes, the anchor among them.
    """

    iterations: int
    most: int
    oversampling: int = 1
    together: int = 2


@dataclass(frozen=True)
class Hard:
    """Rows that lie close together though they have no label in common; both (k,)."""

    anchors: Ints
    negatives: Ints


@dataclass(frozen=True)
class Pairs:
    """left, right: rows, (k,). alike: (k,) float32, 0..1."""

    left: Ints
    right: Ints
    alike: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Triplets:
    """Rows, each (k,): the positive has a label in common with the anchor, the negative none."""

    anchors: Ints
    positives: Ints
    negatives: Ints


def mine(vectors: Floats, targets: Bools, anchors: Ints, k: int, least: float) -> Hard:
    """For each anchor the k nearest rows with no label in common, of a cosine of `least` or more, nearest first.

    vectors: (n, dims) unit rows. targets: (n, labels). Ties go to the lower row.
    """
    matches: list[tuple[Ints, Ints]] = []
    for start in range(0, len(anchors) if k else 0, BLOCK):
        rows = anchors[start : start + BLOCK]
        near = np.asarray(vectors[rows] @ vectors.T, np.float32)
        near[~_unlike(targets, rows)] = -np.inf
        best = np.argsort(-near, axis=1, kind="stable")[:, :k]
        close = np.take_along_axis(near, best, axis=1) >= least
        matches.append((np.repeat(rows, close.sum(axis=1)), best[close]))
    if not matches:
        return Hard(np.zeros(0, np.int64), np.zeros(0, np.int64))
    return Hard(*(np.concatenate(column) for column in zip(*matches, strict=True)))


def make_pairs(targets: Bools, plan: Plan, hard: Hard, rng: np.random.Generator) -> Pairs:
    """As many alike as unlike: the kind that has fewer is repeated. The hard ones come on top.

    Raises Refused, with the figures, for more than `plan.most`, or where no two records share a label or none differ.
    """
    check_plan(targets, plan, len(hard.anchors), triplets=False)
    if plan.iterations:
        rows = np.repeat(np.arange(len(targets)), plan.iterations)
        same, other = _pair(rows, draw_like(targets, rows, rng)), _pair(rows, draw_unlike(targets, rows, rng))
    else:
        same, other = _every(targets)
    count = max(len(same), len(other))
    extra = np.tile(np.stack([hard.anchors, hard.negatives], axis=1), (plan.oversampling, 1))
    left, right = np.concatenate([_repeat(same, count), _repeat(other, count), extra]).T
    return Pairs(left, right, _likeness(targets[left], targets[right]))


def make_triplets(targets: Bools, plan: Plan, hard: Hard, rng: np.random.Generator) -> Triplets:
    """Every record with every like one, or `plan.iterations` times with `plan.together - 1` different ones, each
    against one unlike record by lot.

    The hard negatives come on top, each against a positive by lot. Raises Refused like `make_pairs`.
    """
    check_plan(targets, plan, len(hard.anchors), triplets=True)
    if plan.iterations:
        each = plan.together - 1
        rows = np.repeat(np.arange(len(targets)), plan.iterations * each)
        partners = draw_like(targets, rows, rng)
        draws = np.stack([np.arange(len(rows)) // each, partners], axis=1)
        first = np.sort(np.unique(draws, axis=0, return_index=True)[1])
        same = _pair(rows[first], partners[first])
    else:
        same = np.concatenate([_every(targets)[0], _every(targets)[0][:, ::-1]])
    anchors = np.tile(hard.anchors, plan.oversampling)
    triplets = np.concatenate(
        [
            np.column_stack([same, draw_unlike(targets, same[:, 0], rng)]),
            np.column_stack([anchors, draw_like(targets, anchors, rng), np.tile(hard.negatives, plan.oversampling)]),
        ]
    )
    return Triplets(*triplets[(triplets >= 0).all(axis=1)].T)


def check_plan(targets: Bools, plan: Plan, hard: int, *, triplets: bool) -> None:
    """Raises Refused where there would be nothing to learn from, or more than `plan.most`. hard: how many there are."""
    like, unlike = count_pairs(targets)
    if not like or not unlike:
        lacking = "have a label in common" if not like else "differ in their labels"
        raise Refused(
            f"No two of the {len(targets):,} records that teach {lacking}, so there is nothing to tell apart. "
            "Label two records each of at least two labels."
        )
    every = 2 * like if triplets else 2 * max(like, unlike)
    once = len(targets) * (plan.together - 1 if triplets else 2)
    count = (plan.iterations * once or every) + plan.oversampling * hard
    if count > plan.most:
        rounds = max(plan.most - plan.oversampling * hard, 0) // once
        remedy = f"Set iterations={min(rounds, 10)}" if rounds else "Set max_per_label lower"
        raise Refused(
            f"{len(targets):,} records make {count:,} {'triplets' if triplets else 'pairs'}, and max_pairs is "
            f"{plan.most:,}. {remedy}, or max_pairs={count} if the time does not matter."
        )


def interleave(targets: Bools, rng: np.random.Generator, together: int = 2) -> Ints:
    """(n,) an order by lot in which each record is followed by `together - 1`, as far as they are left, that have a
    label in common with it.

    For losses that look for their pairs within a batch.
    """
    left = np.ones(len(targets), np.bool_)
    buckets = [rng.permutation(np.flatnonzero(column)).tolist() for column in targets.T]
    order: list[int] = []
    for row in rng.permutation(len(targets)):
        if not left[row]:
            continue
        left[row] = False
        order.append(int(row))
        for _ in range(together - 1):
            partner = _next_left([buckets[label] for label in rng.permutation(np.flatnonzero(targets[row]))], left)
            if partner is None:
                break
            left[partner] = False
            order.append(partner)
    return np.array(order, np.int64)


def _next_left(buckets: list[list[int]], left: Bools) -> int | None:
    """Takes rows off the buckets until one is left; what is not goes for good, so that all takes O(n)."""
    for bucket in buckets:
        while bucket:
            row = bucket.pop()
            if left[row]:
                return row
    return None


def count_pairs(targets: Bools) -> tuple[int, int]:
    """(alike, unlike): how many unordered pairs there are of each kind."""
    n = len(targets)
    if (targets.sum(axis=1) <= 1).all():
        sizes = np.append(targets.sum(axis=0), (~targets.any(axis=1)).sum()).astype(np.int64)
        within = sizes * (sizes - 1) // 2
        return int(within[:-1].sum()), n * (n - 1) // 2 - int(within.sum())
    like = unlike = 0
    for start in range(0, n, BLOCK):
        rows = np.arange(start, min(start + BLOCK, n))
        later = np.arange(n) > rows[:, None]
        like += int((_shared(targets, rows) & later).sum())
        unlike += int((_unlike(targets, rows) & later).sum())
    return like, unlike


def draw_like(targets: Bools, rows: Ints, rng: np.random.Generator) -> Ints:
    """(len(rows),) for each row another one with a label in common: a label by lot, then a record of it; -1: none."""
    partners = _draw(targets, targets[rows], rng)
    for _ in range(TRIES):
        again = np.flatnonzero(partners == rows)
        if not len(again):
            break
        partners[again] = _draw(targets, targets[rows[again]], rng)
    partners[partners == rows] = -1
    return _search(targets, rows, partners, rng, alike=True)


def draw_unlike(targets: Bools, rows: Ints, rng: np.random.Generator) -> Ints:
    """(len(rows),) for each row one with no label in common, rare labels met as often as others; -1: none."""
    padded = np.concatenate([targets, ~targets.any(axis=1, keepdims=True)], axis=1)  # no label is a label here
    partners = np.full(len(rows), -1)
    for _ in range(TRIES):
        again = np.flatnonzero(partners < 0)
        if not len(again):
            break
        matches = _draw(padded, ~padded[rows[again]], rng)
        clash = (padded[matches] & padded[rows[again]]).any(axis=1)
        partners[again] = np.where(clash, -1, matches)
    return _search(targets, rows, partners, rng, alike=False)


def _search(targets: Bools, rows: Ints, partners: Ints, rng: np.random.Generator, *, alike: bool) -> Ints:
    """`partners` without -1 where there is a partner: what a draw missed because it is rare is looked for among all."""
    missing = np.flatnonzero(partners < 0)
    for start in range(0, len(missing), BLOCK):
        places = missing[start : start + BLOCK]
        fits = (_shared if alike else _unlike)(targets, rows[places])
        if alike:
            fits[np.arange(len(places)), rows[places]] = False
        chances = np.where(fits, rng.random(fits.shape), -1.0)
        partners[places] = np.where(fits.any(axis=1), chances.argmax(axis=1), -1)
    return partners


def _draw(targets: Bools, allowed: Bools, rng: np.random.Generator) -> Ints:
    """(k,) rows: for each row of `allowed`, (k, labels), one of its labels, then a record of it; or -1."""
    sizes = targets.sum(axis=0)
    order = np.argsort(~targets.T, axis=1, kind="stable")  # (labels, n): the rows of each label first
    chances = np.where(allowed & (sizes > 0), rng.random(allowed.shape), -1.0)
    label = chances.argmax(axis=1)
    place = (rng.random(len(allowed)) * sizes[label]).astype(np.int64)
    return np.where(chances.max(axis=1, initial=-1.0) >= 0, order[label, place], -1)


def _every(targets: Bools) -> tuple[Ints, Ints]:
    """((alike, 2), (unlike, 2)) all unordered pairs."""
    rows = np.arange(len(targets))
    later = rows > rows[:, None]
    return np.argwhere(_shared(targets, rows) & later), np.argwhere(_unlike(targets, rows) & later)


def _repeat(pairs: Ints, count: int) -> Ints:
    return np.resize(pairs, (count if len(pairs) else 0, 2))


def _pair(rows: Ints, partners: Ints) -> Ints:
    return np.stack([rows, partners], axis=1)[partners >= 0]


def _shared(targets: Bools, rows: Ints) -> Bools:
    """(rows, n): is there a label in common?"""
    return np.asarray(targets[rows].astype(np.float32) @ targets.T.astype(np.float32) > 0)


def _unlike(targets: Bools, rows: Ints) -> Bools:
    """(rows, n): one of the two has a label, and none is in common."""
    some = np.asarray(targets.any(axis=1))
    return ~_shared(targets, rows) & (some[rows][:, None] | some)


def _likeness(left: Bools, right: Bools) -> npt.NDArray[np.float32]:
    either = (left | right).sum(axis=1)
    return np.asarray((left & right).sum(axis=1) / np.maximum(either, 1), np.float32)
