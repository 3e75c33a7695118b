"""Of millions of records a part is looked at: what it holds, and that nothing else changes."""

from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from core import loop
from core.arrays import as_floats
from core.explore.browse import AMONG, find
from core.explore.filters import RecordSearch
from core.explore.nearest import BLOCK, nearest, nearest_in_lists, nearest_in_part
from core.ids import ModelId
from core.labelling.leases import Holder
from core.labelling.queue import QueueRequest
from core.labelling.responses import Event
from core.models.heads.head import Head
from core.models.vectors import (
    LISTS,
    EncodedFacts,
    Halves,
    append_shards,
    encoder_folder,
    lists_name,
    shard_path,
    write_facts,
)
from core.project import Project, open_project
from core.rounds.champion_log import load_suggestions
from core.sampling.batch import compose
from core.sampling.pool import Pool
from core.sampling.strategies import STRATEGIES
from core.sampling.subpool import LARGE, Candidates, SubpoolSize, subpool, uniform_subpool
from core.sampling.uncertainty import score
from core.sampling.vector_lists import extend_lists, make_lists, write_lists
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


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Project]:
    """20,000 records that nobody was asked for."""
    loop.create_project(tmp_path / "p", ["a", "b"])
    project = open_project(tmp_path / "p", InProcessRunner())
    with project.store.transaction() as cursor:
        cursor.execute(
            """insert into records select range, 'r' || range, 'record ' || range, null, null, range::varchar, null,
               null, 'made', now()::timestamp from range(20000)"""
        )
    yield project
    project.close()


def drawn(project: Project) -> list[int]:
    return [n for (n,) in project.store.query("select n from queue order by position")]


def order_of_drawing(project: Project) -> list[int]:
    order = "select n from records order by hash(n, ?::bigint), n"
    return [n for (n,) in project.store.query(order, [project.settings().seed])]


def test_a_dry_queue_draws_the_same_records_without_looking_at_all(plain: Project) -> None:
    for person in ("Ana", "Bob", "Cem"):  # the last one finds what is left of a hundred too little
        plain.label_queue.exchange(Holder(person, "tab"), QueueRequest(want=50))
    rows = drawn(plain)
    assert len(rows) > 100
    assert rows == order_of_drawing(plain)[: len(rows)]


def test_what_was_answered_or_left_the_pool_since_it_was_looked_through_is_not_drawn(plain: Project) -> None:
    order, labels = order_of_drawing(plain), [label.id for label in plain.settings().taxonomy.active]
    plain.label_queue.exchange(Holder("Ana", "tab"), QueueRequest(want=50))
    assert drawn(plain) == order[:100]
    unasked = Event("e", f"r{order[120]}", "submit", (labels[0],))
    plain.label_queue.exchange(Holder("Ana", "other"), QueueRequest((unasked,), want=0))
    for person in ("Bob", "Cem"):
        plain.label_queue.exchange(Holder(person, "tab"), QueueRequest(want=50))
    assert drawn(plain) == [n for n in order[: len(drawn(plain)) + 1] if n != order[120]]
    left = order[len(drawn(plain)) + 30]
    with plain.label_queue.changing() as cursor:
        cursor.execute("update records set split = 'test' where n = ?", [left])
    for person in ("Dot", "Eve", "Fay"):
        plain.label_queue.exchange(Holder(person, "tab"), QueueRequest(want=50))
    rows = drawn(plain)
    assert len(rows) > order.index(left)
    assert set(rows) == set(order[: len(rows) + 2]) - {order[120], left}


def test_suggestions_are_loaded_while_answers_are_stored(plain: Project, tmp_path: Path) -> None:
    file = tmp_path / "suggestions.parquet"
    columns = "n, 'a' as label, 0.5 as probability, 0.5 as score, ['a'] as labels, '[]'::json as answer"
    plain.store.query(f"copy (select {columns} from records) to '{file}' (format parquet)")
    loading = Thread(target=load_suggestions, args=(plain, file, ModelId("m")))
    with plain.store.transaction():  # as that of an answer
        loading.start()
        loading.join(60)
        assert not loading.is_alive()
    assert plain.store.one("select count(*) from incoming") == 20_000


def test_without_lists_the_nearest_of_a_part_are_looked_for(vectors: Halves) -> None:
    rows, cosines, among = nearest_in_part(vectors, 7, 20, 200_000)
    assert 150_000 < among < 200_000 + BLOCK
    every, _ = nearest(vectors, 7, 5_000)
    step = BLOCK * -(-MORE // 200_000)
    expected = every[every % step < BLOCK]
    assert rows.tolist() == expected[:20].tolist(), "every block but one of so many"
    assert (np.diff(cosines) <= 0).all()


def test_of_millions_the_nearest_are_looked_for_in_the_lists_around(vectors: Halves) -> None:
    points = vectors[:60_000]
    lists = make_lists(points[:50_000], np.random.default_rng(0))
    rows, cosines = nearest_in_lists(points, 7, 20, lists)
    exact, _ = nearest(points, 7, 20)
    assert len(np.intersect1d(rows, exact)) >= 18
    assert (np.diff(cosines) <= 0).all()
    assert (rows >= 50_000).any(), "what is in no list yet is looked at, too"


def test_more_like_this_says_that_it_looked_among_a_part_until_there_are_lists(
    vectors: Halves, plain: Project, tmp_path: Path
) -> None:
    encoder = plain.settings().encoder
    np.save(shard_path(tmp_path, 0), vectors)
    write_facts(tmp_path, EncodedFacts(MORE, DIMS, MORE, "made"))
    append_shards(plain.vectors, encoder, tmp_path, 0)
    page = find(plain, RecordSearch(like="r7"))
    assert page.among is not None
    assert AMONG * 0.5 < page.among < AMONG + BLOCK
    folder = encoder_folder(plain.vectors, encoder)
    write_lists(folder / LISTS, lists_name(folder), make_lists(vectors[:60_000], np.random.default_rng(0)))
    assert find(plain, RecordSearch(like="r7")).among is None
