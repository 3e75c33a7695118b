"""The job that replays a file's decisions on pairs, and how files of texts become spaces. Knows files, no store."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from core.arrays import Bools
from core.config.record_fields import join_fields
from core.data.cells import Column
from core.data.formats.sources import open_source
from core.data.ledger import normalise
from core.errors import BadInput
from core.models.encoders.loading import load_encoder
from core.pairs.blocking.candidates import (
    Pairs,
    find_candidates,
    is_mutual_best,
    similarity,
)
from core.pairs.features import pair_features
from core.pairs.learning_curve import STRATEGIES, KnownPairs, play, score, score_all, steps
from core.pairs.pair_jobs import (
    POSITIVES,
    DecisionCurve,
    PairReplayParams,
    PairReplayResult,
)
from core.pairs.predict_file import ReadPairs, ReadPairsParams
from core.pairs.predict_job import PAIRS_OUT
from core.pairs.spaces import Spaces
from gpu_jobs.trainers.trainer_types import Progress
from gpu_jobs.work.pairs.pair_pool import MOST_TEXTS, encode_and_build, phase

HELD_OUT = 0.2
"""share of the pairs that judge where the file has no split"""


def pair_replay(bundle: Path, params: PairReplayParams, report: Progress) -> PairReplayResult:
    """Learns from so many decisions, chosen and random, and scores the pairs of the test split; writes no file."""
    started = time.monotonic()
    decided = read_decided_pairs(params)
    sides, pairs, same, test = decided.sides, decided.pairs, decided.same, decided.test
    spaces = build_all_spaces(sides, params.encoder, params.threads, params.cache, report)
    features = pair_features(spaces, (sides[0], sides[1]), pairs, phase(report, 600, 700))
    known = KnownPairs(features.vectors.astype(np.float32), similarity(spaces, pairs), same, test)
    candidates = find_candidates(spaces)
    full = score_all(known, seed=0)
    decisions = steps(int((~test).sum()), params.budget)
    total, done = len(decisions) * len(STRATEGIES) * params.seeds, 0
    play_phase = phase(report, 700, 1000)

    def played() -> None:
        nonlocal done
        done += 1
        play_phase(done, total)

    curves = tuple(
        DecisionCurve(
            name, tuple(tuple(play(known, name, params.budget, seed, played)) for seed in range(params.seeds))
        )
        for name in STRATEGIES
    )
    return PairReplayResult(
        pairs=len(pairs),
        test=int(test.sum()),
        left_out=decided.left_out,
        contradictions=decided.contradictions,
        self_pairs=decided.self_pairs,
        matches=int(same.sum()),
        records=(len(sides[0]), len(sides[1])),
        positive=decided.positive,
        blocking_recall=_recall(candidates, pairs, same, len(sides[1])),
        candidates_per_record=len(candidates) / len(sides[0]),
        full=full,
        mutual_best=score(known, is_mutual_best(spaces, pairs)[test]),
        decisions=tuple(decisions),
        curves=curves,
        seconds=round(time.monotonic() - started, 3),
    )


def _recall(candidates: Pairs, pairs: Pairs, same: Bools, width: int) -> float:
    """Share of the matches that are candidates."""
    matches = pairs.left[same] * width + pairs.right[same]
    return float(np.isin(matches, candidates.left * width + candidates.right).mean())


@dataclass(frozen=True)
class DecidedPairs:
    """sides: the distinct texts on either side, whose rows the pairs are. same, test: (pairs,). left_out: rows of the
    file. positive: the label of `same`. contradictions: pairs decided both ways; self_pairs: of equal texts."""

    sides: list[list[str]]
    pairs: Pairs
    same: Bools
    test: Bools
    left_out: int
    positive: str
    contradictions: int
    self_pairs: int


def read_decided_pairs(params: PairReplayParams) -> DecidedPairs:
    """Of the file that the parameters name. Raises BadInput for one that has no texts on both sides or one answer."""
    path = Path(params.file)
    if params.left == params.right:
        raise BadInput(f"--left and --right both name the column {params.left!r}; name the columns of the two texts.")
    names = [params.left, params.right, params.label, *([params.split] if params.split else [])]
    columns = read_columns(path, names)
    cells = list(zip(*(columns[name] for name in names), strict=True))
    rows = [row for row in cells if row[0].strip() and row[1].strip() and row[2].strip()]
    if not rows:
        raise BadInput(f"{path.name} has no row with two texts and a label; check --left, --right and --label.")
    positive = params.positive or _positive(path, params.label, {row[2].strip() for row in rows})
    same = np.array([row[2].strip() == positive for row in rows])
    numbers_by_text: list[dict[str, int]] = [{}, {}]
    numbers = [[known.setdefault(row[side], len(known)) for row in rows] for side, known in enumerate(numbers_by_text)]
    if params.split:
        test = np.array([row[3].strip() == "test" for row in rows])
    else:
        test = np.zeros(len(rows), np.bool_)
        test[np.random.default_rng(0).permutation(len(rows))[: round(HELD_OUT * len(rows))]] = True
    for part, what in ((test, "that judge"), (~test, "to learn from")):
        if not same[part].any() or same[part].all():
            raise BadInput(
                f"{path.name}: the {int(part.sum())} pairs {what} have {int(same[part].sum())} with the label "
                f"{positive!r}; both kinds are needed. Check --label, --positive and --split (its 'test' rows judge)."
            )
    pairs = Pairs(*(np.array(side, np.int64) for side in numbers))
    keys = [tuple(sorted(map(normalise, row[:2]))) for row in rows]
    labels: dict[tuple[str, ...], set[bool]] = {}
    for key, one in zip(keys, same.tolist(), strict=True):
        labels.setdefault(key, set()).add(one)
    return DecidedPairs(
        sides=[list(known) for known in numbers_by_text],
        pairs=pairs,
        same=same,
        test=test,
        left_out=len(cells) - len(rows),
        positive=positive,
        contradictions=sum(len(both) > 1 for both in labels.values()),
        self_pairs=sum(left == right for left, right in keys),
    )


def _positive(path: Path, column: str, labels: set[str]) -> str:
    matches = [label for label in POSITIVES if label in labels]
    if len(matches) != 1:
        there = ", ".join(repr(label[:40]) for label in sorted(labels)[:10])
        raise BadInput(
            f"{path.name}, column {column!r}: which label says that two are the same? --positive, of {there}."
        )
    return matches[0]


def read_columns(path: Path, names: Sequence[str], encoding: str = "utf-8") -> dict[str, list[str]]:
    """name -> cells as text, "" where there is nothing. Raises BadInput for a column or rows that are not there."""
    source = open_source(path, encoding)
    columns = source.columns(names)
    for name in names:
        if columns.count(name) != 1:
            near = get_close_matches(name, columns, n=1)
            there = ", ".join(repr(column[:80]) for column in columns[:20]) + (", …" if len(columns) > 20 else "")
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise BadInput(f"{path.name} has {columns.count(name) or 'no'} columns {name!r}, but {there}.{hint}")
    cells: dict[str, list[str]] = {name: [] for name in names}
    for batch in source.batches(names):
        for name in cells:
            cells[name] += [cell or "" for cell in Column(source, batch, name).strings()]
    if not cells[names[0]]:
        raise BadInput(f"{path.name} has no rows; it needs at least one record.")
    return cells


def read_pairs(bundle: Path, params: ReadPairsParams, report: Progress) -> ReadPairs:
    """Writes PAIRS_OUT: both texts of each row, a side's columns one below the other as records have them."""
    import polars

    names = list(dict.fromkeys([*params.left, *params.right]))
    cells = read_columns(Path(params.file), names, params.encoding)
    left, right = (
        [join_fields(dict(zip(side, row, strict=True))) for row in zip(*(cells[name] for name in side), strict=True)]
        for side in (params.left, params.right)
    )
    polars.DataFrame({"left_text": left, "right_text": right}).write_parquet(bundle / PAIRS_OUT)
    return ReadPairs(len(left))


def build_all_spaces(sides: list[list[str]], encoder: str, threads: int, cache: str, report: Progress) -> Spaces:
    """Of one source or two, texts distinct and none blank; the first 600 thousandths of the work."""
    if (most := max(map(len, sides))) > MOST_TEXTS:
        raise BadInput(
            f"There are {most:,} different texts on one side; decisions are replayed on up to {MOST_TEXTS:,}, because "
            "each text is held against all others. Take a part of the file."
        )
    loaded = load_encoder(encoder, Path(cache), threads)
    return encode_and_build(sides, loaded, None, phase(report, 0, 600))
