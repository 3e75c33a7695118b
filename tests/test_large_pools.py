"""Of millions of records a part is looked at: what it holds, and that nothing else changes."""

from pathlib import Path

import numpy as np
import pytest

from core import loop
from core.arrays import as_floats
from core.explore.nearest import nearest, nearest_in_lists
from core.labelling.leases import Holder
from core.labelling.queue import QueueRequest
from core.models.heads.head import Head
from core.models.vectors import Halves
from core.project import open_project
from core.sampling.batch import compose
from core.sampling.pool import Pool
from core.sampling.strategies import STRATEGIES
from core.sampling.subpool import LARGE, Candidates, SubpoolSize, subpool, uniform_subpool
from core.sampling.uncertainty import score
from core.sampling.vector_lists import extend_lists, make_lists
from core.tasks.labels import LABELS
from gpu_jobs.runners.local import InProcessRunner
from gpu_jobs.work.choose import ScoredPool
from gpu_jobs.work.large_pools import AT_ONCE, PoolRows, narrow, predict_pool
from gpu_jobs.work.round_tables import write_suggestions

DIMS, MORE = 4, LARGE + 5_000
SPACE = LABELS.space({"labels": [{"id": name, "name": name, "description": ""} for name in "ab"], "multi": False})


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Halves:
    """More than are looked at one by one, in a memory map."""
    path = tmp_path_factory.mktemp("large") / "vectors.npy"
    points = np.random.default_rng(0).standard_normal((MORE, DIMS), dtype=np.float32)
    np.save(path, (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float16))
    return np.asarray(np.load(path, mmap_mode="r"))


@pytest.fixture(scope="module")
def head() -> Head:
    """Unsure where the first number is near 0."""
    return Head(
        np.eye(2, DIMS, dtype=np.float32) * np.array([[9], [0]], np.float32),
        np.zeros(2, np.float32),
        1.0,
        ("a", "b"),
        multi=False,
    )


def test_a_float16_becomes_the_same_float32() -> None:
    every = np.arange(2**16, dtype=np.uint16).view(np.float16).reshape(64, -1)
    assert np.array_equal(as_floats(every), every.astype(np.float32), equal_nan=True)
    finite = every[np.isfinite(every)]
    assert np.array_equal(as_floats(finite), finite.astype(np.float32))


def test_what_was_in_a_list_stays_in_it_when_records_come() -> None:
    points = np.random.default_rng(1).standard_normal((6_000, 8)).astype(np.float16)
    lists = make_lists(points[:5_000], np.random.default_rng(0))
    more = extend_lists(lists, points)
    assert np.array_equal(more.list_of[:5_000], lists.list_of)
    assert np.array_equal(np.sort(np.concatenate([more.rows(n) for n in range(len(more.centroids))])), np.arange(6_000))
    nearest = (points[5_000:] @ more.centroids.T - 0.5 * (more.centroids**2).sum(axis=1)).argmax(axis=1)
    assert (more.list_of[5_000:] == nearest).mean() > 0.5, "of two levels it is seldom another than the nearest one"


def test_the_part_has_the_lists_of_doubt_and_a_uniform_share() -> None:
    rng, doubtful = np.random.default_rng(2), 7
    centres = rng.standard_normal((20, 16))
    truth = rng.integers(20, size=40_000)
    points = (centres[truth] + 0.1 * rng.standard_normal((40_000, 16))).astype(np.float16)
    candidates = Candidates(np.arange(100, 40_000), np.arange(100), 40_000)
    lists = make_lists(points, np.random.default_rng(0))
    scores = np.where(truth == doubtful, 0.9, 0.1) + 0.05 * rng.random(40_000)
    part = subpool(candidates, lists, lambda rows: scores[rows], SubpoolSize(4_000, 3_000, 1_000), rng)
    assert np.array_equal(np.sort(np.concatenate([part.rows, part.beyond])), candidates.rows)
    assert np.isin(part.uniform, part.rows).all()
    assert len(part.rows) < 12_000
    left = truth[part.beyond] == doubtful
    assert left.sum() < 0.25 * (truth == doubtful).sum(), "a part drawn at random leaves five in six"
    assert np.bincount(truth[part.uniform], minlength=20).min() > 100
    drawn = uniform_subpool(candidates, 500, rng)
    assert np.array_equal(np.sort(np.concatenate([drawn.rows, drawn.beyond])), candidates.rows)


def test_of_millions_the_least_sure_are_chosen_and_the_audit_is_of_all(
    vectors: Halves, head: Head, tmp_path: Path
) -> None:
    predictions = predict_pool(SPACE, head, vectors)
    some = np.array([5, MORE - 1, 17])
    assert np.array_equal(predictions.take(some).outputs, head.predict(vectors, some))
    rows = PoolRows(np.arange(1_000, MORE), np.arange(100, 1_000), np.arange(100))
    part = narrow(vectors, rows, predictions, ("default", 3), tmp_path)
    again = narrow(vectors, rows, predictions, ("default", 3), tmp_path)  # lists from their file
    assert np.array_equal(part.rows, again.rows)
    assert np.array_equal(np.sort(np.concatenate([part.rows, part.audit_only])), np.arange(100, MORE))
    assert len(part.rows) < 0.2 * MORE
    pool = Pool(vectors, part.rows, rows.labelled, predictions.take(part.rows), part.audit_only)
    batch = compose(pool, 200, STRATEGIES["default"], 0.5, np.random.default_rng(4))
    every = score(predictions.take(np.arange(0, MORE, 10)))
    chosen = score(predictions.take(batch.rows[~batch.audit]))
    assert chosen.mean() > np.quantile(every, 0.995)
    assert (~np.isin(batch.rows[batch.audit], part.rows)).any(), "audit records come from everywhere"
    tested = part.tested(pool, batch)
    assert np.isin(batch.rows[~batch.audit], tested.rows).all()
    assert tested.predictions is not None
    assert score(tested.predictions).mean() == pytest.approx(every.mean(), abs=0.01)
    random = narrow(vectors, rows, predictions, ("random", 3), tmp_path)
    assert random.uniform is random.rows


def test_suggestions_for_millions_are_written_in_parts(vectors: Halves, head: Head, tmp_path: Path) -> None:
    import polars

    write_suggestions(tmp_path / "s.parquet", ScoredPool(head, predict_pool(SPACE, head, vectors)))
    table = polars.read_parquet(tmp_path / "s.parquet")
    assert table["n"].equals(polars.Series("n", range(MORE)))
    near = slice(AT_ONCE - 2, AT_ONCE + 2)  # where two parts meet
    assert table["label"][near].to_list() == [("a", "b")[best] for best in head.predict(vectors[near]).argmax(axis=1)]


def test_a_dry_queue_draws_the_same_records_without_looking_at_all(tmp_path: Path) -> None:
    loop.create_project(tmp_path / "p", ["a", "b"])
    project = open_project(tmp_path / "p", InProcessRunner())
    with project.store.transaction() as cursor:
        cursor.execute(
            """insert into records select range, 'r' || range, 'record ' || range, null, null, range::varchar, null,
               null, 'made', now()::timestamp from range(20000)"""
        )
    for person in ("Ana", "Bob", "Cem"):  # the last one finds what is left of a hundred too little
        project.label_queue.exchange(Holder(person, "tab"), QueueRequest(want=50))
    drawn = [n for (n,) in project.store.query("select n from queue order by position")]
    order = "select n from records order by hash(n, ?::bigint), n limit ?"
    expected = [n for (n,) in project.store.query(order, [project.settings().seed, len(drawn)])]
    assert len(drawn) > 100
    assert drawn == expected
    project.close()


def test_of_millions_the_nearest_are_looked_for_in_the_lists_around(vectors: Halves) -> None:
    points = vectors[:60_000]
    lists = make_lists(points[:50_000], np.random.default_rng(0))
    rows, cosines = nearest_in_lists(points, 7, 20, lists)
    exact, _ = nearest(points, 7, 20)
    assert len(np.intersect1d(rows, exact)) >= 18
    assert (np.diff(cosines) <= 0).all()
    assert (rows >= 50_000).any(), "what is in no list yet is looked at, too"
