"""An inspection's job: likely label errors, hard records, outliers and contradictions. Knows arrays and no store."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.arrays import Bools, Floats, Ints
from core.explore.explore_jobs import InspectArrays, Inspection, InspectParams
from core.models.heads.logistic import Examples, fit_linear, sigmoid, sigmoid_loss, softmax, softmax_loss
from core.models.heads.neighbour_graph import NODES, Graph
from core.models.vectors import encoder_folder, open_vectors
from core.tasks.choice import small_margin
from gpu_jobs.work.graphs import make_graph

MOST = 200_000  # labelled records that are inspected; more are sampled
PART = 50_000  # labelled records that are cross-fitted together; more are split into parts
FOLDS = 5
STRENGTH = 2.0  # C of the logistic regression, smaller than a head's, so that it does not fit each single label
SHARPNESS = 8.0  # a neighbour's vote is exp(SHARPNESS * cosine)
DOUBT = 0.5  # prior votes, by the labels' shares, so that a few neighbours do not give probability 1
HARD = 0.8  # margin score from which a record is hard: the best two probabilities are less than 0.2 apart
HARD_SHARE = 0.03  # of the labelled records, at most
ALIKE = 0.95  # cosine from which two records are near-duplicates
NEIGHBOURS = 20
CELLS_PROBED = 8
ODD_SPREADS = 1.0  # interquartile ranges above the third quartile; with 1.7 four sets of short texts had almost none
ODD_SHARE = 0.01  # of the records looked at, at most
RULE = "low_normalized_margin"  # cleanlab's default flagged a quarter more on four sets, with lower precision
LISTED = 1_000  # of a kind, except label errors


@dataclass(frozen=True)
class Flags:
    """(k,) each: record number, score 0..1, and perhaps the other record (-1: none) or a label's column (-1: none)."""

    record_nos: Ints
    score: Floats
    other: Ints | None = None
    label: Ints | None = None


@dataclass(frozen=True)
class NearestRecords:
    """(k, neighbours): rows of the nearest others among the labelled records, -1 for none, and their cosines."""

    rows: Ints
    cosines: Floats


@dataclass(frozen=True)
class Labelled:
    """Labelled records: numbers (k,), unit vectors (k, dims) float32, targets (k, labels) bool."""

    rows: Ints
    points: Floats
    targets: Bools
    multi: bool


def inspect(bundle: Path, params: InspectParams, report: Callable[[int, int], None]) -> Inspection:
    """Writes out/flags.parquet."""
    import faiss  # noqa: F401 - the limit below holds for libraries that are loaded
    import scipy.optimize  # noqa: F401
    from threadpoolctl import threadpool_limits

    with threadpool_limits(params.threads or 1):
        return _inspect(bundle, params, report)


def _inspect(bundle: Path, params: InspectParams, report: Callable[[int, int], None]) -> Inspection:
    started = time.monotonic()
    report(0, 4)
    with np.load(bundle / "in" / "rows.npz", allow_pickle=False) as file:
        arrays = InspectArrays(**{name: file[name] for name in file.files})
    vectors = open_vectors(Path(params.vectors), params.encoder)
    rng = np.random.default_rng(params.seed)
    labelled, columns = _labelled(arrays, vectors, params.multi, rng)
    near = neighbours(labelled.points)
    report(1, 4)
    probs = out_of_sample(labelled, near, rng)
    report(2, 4)
    entries = {
        "label_error": label_errors(labelled, probs),
        "ambiguous": hard_records(labelled, probs, arrays.disputed, arrays.disputes),
        "near_duplicate": contradictions(labelled, near),
        "outlier": outliers(make_graph(encoder_folder(Path(params.vectors), params.encoder), vectors)),
    }
    report(3, 4)
    _write(bundle / "out" / "flags.parquet", entries, [params.labels[column] for column in columns])
    report(4, 4)
    counts = {kind: len(flags.record_nos) for kind, flags in entries.items()}
    seconds = round(time.monotonic() - started, 3)
    return Inspection(**counts, labelled=len(arrays.rows), inspected=len(labelled.rows), seconds=seconds)


def _labelled(arrays: InspectArrays, vectors: Floats, multi: bool, rng: np.random.Generator) -> tuple[Labelled, Ints]:
    """At most MOST of the labelled records, and which columns of the taxonomy their targets have: those in use."""
    rows, targets = arrays.rows, arrays.targets
    if len(rows) > MOST:
        retained = np.sort(rng.choice(len(rows), MOST, replace=False))
        rows, targets = rows[retained], targets[retained]
    columns = np.flatnonzero(targets.any(axis=0)) if not multi else np.arange(targets.shape[1])
    return Labelled(rows, np.asarray(vectors[rows], np.float32), targets[:, columns], multi), columns


def out_of_sample(labelled: Labelled, near: NearestRecords, rng: np.random.Generator) -> Floats:
    """(k, labels) out-of-sample probabilities: the mean of two models that err differently.

    Logistic regression without its fold, and its nearest neighbours. Not the head of a round: that one balances labels,
    uses pseudo-labels and fits single labels, which is good for suggestions and bad for finding errors. The regression
    of many records runs in random parts of up to PART, so that cost grows linearly.
    """
    k = len(labelled.rows)
    fitted = np.empty(labelled.targets.shape, np.float32)
    for part in np.array_split(rng.permutation(k), -(-k // PART)):
        fold = np.arange(len(part)) % FOLDS
        for number in range(FOLDS):
            fitted[part[fold == number]] = _fitted(labelled, part[fold != number], part[fold == number])
    return np.asarray((fitted + _voted(labelled.targets, near)) / 2)


def _fitted(labelled: Labelled, known: Ints, rows: Ints) -> Floats:
    """(queries, labels) probabilities by a regression fitted on the `known` ones."""
    loss, squash = (sigmoid_loss, sigmoid) if labelled.multi else (softmax_loss, softmax)
    weights = np.ones((len(known), 1), np.float32)
    examples = Examples(labelled.points[known], labelled.targets[known].astype(np.float32), weights)
    coefficients = fit_linear(examples, loss, STRENGTH)
    return squash(labelled.points[rows] @ coefficients[:, :-1].T + coefficients[:, -1])


def _voted(targets: Bools, near: NearestRecords) -> Floats:
    """(k, labels) shares of the labels among the neighbours, the nearer the heavier."""
    votes = np.where(near.rows >= 0, np.exp(SHARPNESS * near.cosines), 0)
    sums = np.tile(DOUBT * targets.mean(axis=0), (len(targets), 1))
    for row, weight in zip(near.rows.T, votes.T, strict=True):
        sums += weight[:, None] * targets[row]
    return np.asarray(sums / (votes.sum(axis=1, keepdims=True) + DOUBT))


def label_errors(labelled: Labelled, probs: Floats) -> Flags:
    """Confident learning: the records of lowest margin, as many as confident learning counts mislabelled.

    Northcutt et al. 2021. Score: how much likelier the best other label is than the given one, 0.5 for a tie; where
    several may hold, the largest distance of a label's probability from the given 0 or 1.
    """
    if labelled.multi:
        return _multi_label_errors(labelled, probs)
    from cleanlab.filter import find_label_issues

    supplied = labelled.targets.argmax(axis=1)
    issues = np.flatnonzero(find_label_issues(supplied, probs, filter_by=RULE, n_jobs=1))
    others = np.where(labelled.targets, -1.0, probs)[issues]
    own = probs[issues, supplied[issues]]
    return Flags(labelled.rows[issues], (others.max(axis=1) - own + 1) / 2, label=others.argmax(axis=1))


def _multi_label_errors(labelled: Labelled, probs: Floats) -> Flags:
    """One binary problem per label; a label that all or no records have is skipped."""
    from cleanlab.multilabel_classification.filter import find_multilabel_issues_per_class

    shares = labelled.targets.mean(axis=0)
    columns = np.flatnonzero((shares > 0) & (shares < 1))
    if not len(columns):
        return Flags(np.empty(0, np.int64), np.empty(0))
    targets, predicted = labelled.targets[:, columns], probs[:, columns]
    supplied = [np.flatnonzero(row).tolist() for row in targets]
    issues = find_multilabel_issues_per_class(supplied, predicted, filter_by=RULE, n_jobs=1)
    doubt = np.where(issues, np.abs(targets - predicted), 0)
    indices = np.flatnonzero(doubt.any(axis=1))
    return Flags(labelled.rows[indices], doubt[indices].max(axis=1), label=columns[doubt[indices].argmax(axis=1)])


def hard_records(labelled: Labelled, probs: Floats, disputed: Ints, disputes: Floats) -> Flags:
    """Records on which people disagree, and labelled records with a small margin. The higher score counts."""
    margin = np.asarray(small_margin(probs, several=labelled.multi), np.float64)
    most = np.argsort(-margin, kind="stable")[: int(np.ceil(HARD_SHARE * len(margin)))]
    most = most[margin[most] >= HARD]
    rows = np.union1d(disputed, labelled.rows[most])
    score = np.zeros(len(rows))
    for numbers, scores in ((disputed, disputes), (labelled.rows[most], margin[most])):
        indices = np.searchsorted(rows, numbers)
        score[indices] = np.maximum(score[indices], scores)
    return _first(Flags(rows, score))


def contradictions(labelled: Labelled, near: NearestRecords) -> Flags:
    """Near-duplicates with different labels, each record with the most similar such one; a pair stands once."""
    alike = (near.rows >= 0) & (near.cosines >= ALIKE)
    at_odds = alike & (labelled.targets[near.rows] != labelled.targets[:, None]).any(axis=2)
    left = np.flatnonzero(at_odds.any(axis=1))
    closest = np.where(at_odds, near.cosines, -1).argmax(axis=1)[left]
    right = near.rows[left, closest]
    pairs = np.unique(np.stack([np.minimum(left, right), np.maximum(left, right)], axis=1), axis=0)
    score = np.einsum("ij,ij->i", labelled.points[pairs[:, 0]], labelled.points[pairs[:, 1]])
    return _first(Flags(labelled.rows[pairs[:, 0]], np.clip(score, 0, 1), other=labelled.rows[pairs[:, 1]]))


def neighbours(points: Floats) -> NearestRecords:
    """Exact up to NODES records; above them those in the nearest cells, which miss few that are alike."""
    import faiss

    width = min(NEIGHBOURS + 1, len(points))
    if len(points) <= NODES:
        cosines, rows = faiss.knn(points, points, width, metric=faiss.METRIC_INNER_PRODUCT)
    else:
        cells = int(np.sqrt(len(points)))
        index = faiss.IndexIVFFlat(
            faiss.IndexFlatIP(points.shape[1]), points.shape[1], cells, faiss.METRIC_INNER_PRODUCT
        )
        index.nprobe = CELLS_PROBED
        index.train(points[:: max(len(points) // (64 * cells), 1)])
        index.add(points)
        cosines, rows = index.search(points, width)
    oneself = rows == np.arange(len(points))[:, None]
    return NearestRecords(np.where(oneself, -1, rows), np.where(rows < 0, 0, cosines))


def outliers(graph: Graph) -> Flags:
    """Nodes whose neighbours are far: the mean distance (1 - cosine) stands out. Kuan & Mueller 2022."""
    if not graph.cosines.size:
        return Flags(graph.rows[:0], np.empty(0))
    distance = 1 - graph.cosines.mean(axis=1, dtype=np.float64)
    low, high = np.percentile(distance, (25, 75))
    odd = np.argsort(-distance, kind="stable")[: int(ODD_SHARE * len(distance))]
    odd = odd[distance[odd] > high + ODD_SPREADS * (high - low)]
    return _first(Flags(graph.rows[odd], np.clip(distance[odd], 0, 1)))


def _first(flags: Flags) -> Flags:
    order = np.argsort(-flags.score, kind="stable")[:LISTED]
    return Flags(flags.record_nos[order], flags.score[order], None if flags.other is None else flags.other[order])


def _write(path: Path, flags_of: Mapping[str, Flags], labels: list[str]) -> None:
    import polars

    schema = {"n": polars.Int64, "kind": polars.String, "score": polars.Float64}
    schema |= {"other": polars.Int64, "label": polars.String}
    tables = [
        polars.DataFrame(
            {
                "n": flags.record_nos,
                "kind": [kind] * len(flags.record_nos),
                "score": flags.score.astype(np.float64),
                "other": flags.other if flags.other is not None else [None] * len(flags.record_nos),
                "label": [labels[c] for c in flags.label]
                if flags.label is not None
                else [None] * len(flags.record_nos),
            },
            schema=schema,
        )
        for kind, flags in flags_of.items()
    ]
    polars.concat(tables).write_parquet(path)
