"""What the search for candidates misses: pairs that it did not find are drawn, asked blind, and say how many."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import loop, simulate
from core.data.encoding import encode
from core.data.file_import import import_file
from core.data.ready_pairs import enter_ready_pairs
from core.errors import BadInput, Refused
from core.evaluation.audit import PoolHistory, weigh
from core.evaluation.metrics import Estimate
from core.evaluation.missed_matches import (
    Bounds,
    DrawnStratum,
    SearchOverlap,
    capture_recapture,
    count_matches,
    overlap_of,
    recall_of,
)
from core.labelling.leases import Holder
from core.labelling.queue import QueueRequest
from core.labelling.responses import Event
from core.pairs.blocking.blocking_recall import DecidedCandidates, blocking_recall, estimate_recall, recall_if_sought
from core.pairs.blocking.candidates import Pairs
from core.pairs.blocking.find_candidates import candidates
from core.pairs.blocking.non_candidates import PairSpace, draw
from core.project import Project
from core.rounds.draws import read_history
from tests.command_line import rondo, rondo_json
from tests.conftest import quiet
from tests.pair_world import products, write_pairs
from tests.test_pair_project import bring, bring_shops, new_project, truth_of, write_source

COUNT = 40


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    opened = new_project(tmp_path / "pairs")
    yield opened
    opened.close()


@pytest.fixture
def shops(project: Project, tmp_path: Path) -> Project:
    """Two sources, not paired yet."""
    bring_shops(project, tmp_path)
    return project


def beyond(project: Project) -> dict[str, str]:
    rows = project.store.query("select r.id, p.beyond from pairs p join records r using (n) where p.beyond is not null")
    return dict(rows)


def answer_all(project: Project) -> None:
    """All that waits in the queue, as it is."""
    while cards := project.label_queue.exchange(Holder("ann", "tab"), QueueRequest(want=50)).cards:
        events = tuple(Event(f"e-{card.id}", card.id, "submit", {"same": is_match(card.id)}) for card in cards)
        assert project.label_queue.exchange(Holder("ann", "tab"), QueueRequest(events=events)).statuses


def is_match(pair: str) -> bool:
    return len({side.partition(":")[2][1:] for side in pair.split("|")}) == 1


def audit(size: int, drawn: int) -> PoolHistory:
    """So many of `size` candidates, drawn at once and all decided."""
    none = np.zeros(drawn, np.int64)
    return PoolHistory(np.array([size]), np.array([0]), none, none, np.ones(drawn, bool))


# ---- drawing


@given(st.integers(2, 30), st.integers(0, 30), st.booleans(), st.integers(0, 5))
def test_drawn_pairs_are_distinct_and_no_candidates_and_strata_make_up_all_pairs(
    left: int, right: int, within: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    space = PairSpace(np.repeat([0, 1], [left, right]) - (rng.random(left + right) < 0.1), within)
    some = [Pairs(rng.integers(0, left + right, 20), rng.integers(0, left + right, 20)) for _ in range(2)]
    drawn = draw(space, some[0], some[1], (5, 7), seed)
    known = set(space.codes(some[0]).tolist())
    parts = [space.codes(pairs).tolist() for pairs in (drawn.near, drawn.far)]
    assert [len(set(part)) for part in parts] == [min(5, drawn.near_size), min(7, drawn.far_size)]
    assert not (set(parts[0]) & set(parts[1])) | (known & set(parts[0] + parts[1]))
    assert drawn.near_size + drawn.far_size + len(known) == space.size
    rows = np.arange(left + right)
    everything = space.codes(Pairs(np.repeat(rows, len(rows)), np.tile(rows, len(rows))))
    assert len(everything) == space.size


def test_every_far_pair_is_drawn_as_often() -> None:
    space = PairSpace(np.repeat([0, 1], [3, 5]), within=False)
    none = Pairs(np.empty(0, np.int64), np.empty(0, np.int64))
    counts: Counter[tuple[int, int]] = Counter()
    for seed in range(900):
        far = draw(space, none, none, (0, 5), seed).far
        counts.update(zip(far.left.tolist(), far.right.tolist(), strict=True))
    assert len(counts) == 15
    assert all(240 < times < 360 for times in counts.values())  # 300 on average, sd 14


def test_more_records_leave_most_of_the_draw_as_it_was() -> None:
    none = Pairs(np.empty(0, np.int64), np.empty(0, np.int64))
    near = Pairs(np.arange(400), np.arange(400) + 500)
    before = draw(PairSpace(np.repeat([0, 1], [500, 500]), within=False), none, near, (30, 30), 1)
    sources = np.concatenate([np.repeat([0, 1], [500, 500]), [0] * 20])
    more = Pairs(np.concatenate([near.left, 1000 + np.arange(20)]), np.concatenate([near.right, 520 + np.arange(20)]))
    after = draw(PairSpace(sources, within=False), none, more, (30, 30), 1)
    for old, new in ((before.near, after.near), (before.far, after.far)):
        both = set(zip(old.left, old.right, strict=True)) & set(zip(new.left, new.right, strict=True))
        assert len(both) >= 24


# ---- in a project


def test_pairs_that_are_no_candidates_are_never_chosen_nor_audited(shops: Project) -> None:
    result = candidates(shops, quiet)
    strata = Counter(beyond(shops).values())
    assert strata == {"near": 30, "far": 20}
    assert (result.drawn, result.added) == (50, result.candidates)
    pool = shops.store.one("select count(*) from pool")
    assert pool == result.candidates == shops.store.one("select count(*) from pairs where searches is not null")
    simulate.simulate_rounds(shops, truth_of(shops), simulate.Budget(3, 30, "default"), quiet)
    asked = shops.store.query(
        "select q.purpose, q.audit, p.beyond from queue q join pairs p using (n) where not q.spare"
    )
    assert {purpose for purpose, _, stratum in asked if stratum} == {"recall"}
    assert not any(drawn for _, drawn, stratum in asked if stratum)
    assert not any(purpose for purpose, _, stratum in asked if not stratum)
    settled = shops.store.query("select distinct s.stratum, p.beyond is null from settled s join pairs p using (n)")
    assert dict(settled) == {"recall": False, "audit": True, "chosen": True}


def test_the_audit_is_the_same_with_and_without_them(tmp_path: Path) -> None:
    histories = []
    for name, drawn in (("with", 30), ("without", 0)):
        project = new_project(tmp_path / name)
        for side, texts in enumerate(products(COUNT)):
            bring(project, write_source(tmp_path / f"{name}{side}.csv", texts, "ab"[side]), source="AB"[side])
        candidates(project, quiet, near=drawn, far=drawn)
        simulate.simulate_rounds(project, truth_of(project), simulate.Budget(2, 30, "random"), quiet)
        with project.store.reading() as cursor:
            settled = [n for (n,) in cursor.execute("select n from settled").fetchall()]
            histories.append(weigh(read_history(cursor, settled)[1]))
        project.close()
    one, other = histories
    assert one.population == other.population
    assert one.weight.sum() == pytest.approx(1) == pytest.approx(other.weight.sum())
    assert 0 < len(one.weight) < len(other.weight) == 60  # part of so many answers went to pairs beside the batches


def test_they_are_asked_blind_beside_the_batch_and_are_no_part_of_it(shops: Project) -> None:
    candidates(shops, quiet)
    simulate.simulate_rounds(shops, truth_of(shops), simulate.Budget(1, 40, "default"), quiet)
    summary = loop.next_batch(shops, quiet, size=20, spare=0)
    assert (summary.queued, summary.recall) == (20, 3)
    cards = shops.label_queue.exchange(Holder("ann", "tab"), QueueRequest(want=50)).cards
    there = beyond(shops)
    blind = [card for card in cards if card.id in there]
    assert blind
    assert all(card.suggestion is None for card in blind)
    assert any(card.suggestion is not None for card in cards if card.id not in there)
    assert shops.label_queue.exchange(Holder("ann", "tab"), QueueRequest()).progress["size"] == 20


def test_where_the_candidates_are_through_the_rest_of_them_is_asked(shops: Project) -> None:
    candidates(shops, quiet, per_record=1)
    encode(shops, quiet)
    left = shops.store.one("select count(*) from pool")
    assert loop.next_batch(shops, quiet, size=left, spare=0).recall == 50


def test_a_missed_match_that_is_a_candidate_later_counts_as_any_other(shops: Project) -> None:
    candidates(shops, quiet, per_record=1, near=200, far=0)
    missed = [pair for pair, stratum in beyond(shops).items() if stratum == "near"]
    assert missed
    encode(shops, quiet)
    loop.next_batch(shops, quiet, size=400, spare=0)
    answer_all(shops)
    before = dict(shops.store.query("select r.id, s.stratum from settled s join records r using (n)"))
    assert all(before[pair] == "recall" for pair in missed)
    candidates(shops, quiet, per_record=5, near=0, far=0)
    after = dict(shops.store.query("select r.id, s.stratum from settled s join records r using (n)"))
    promoted = set(missed) - set(beyond(shops))
    assert promoted
    assert {after[pair] for pair in promoted} == {"chosen"}
    assert set(beyond(shops).values()) <= {"former"}
    recall = blocking_recall(shops, quiet)
    assert recall.near.decided == recall.far.decided == 0


def test_new_records_draw_anew_and_take_back_what_was_not_asked(shops: Project, tmp_path: Path) -> None:
    candidates(shops, quiet)
    encode(shops, quiet)
    loop.next_batch(shops, quiet, size=20, spare=0)
    queued = {n for (n,) in shops.store.query("select n from queue where purpose = 'recall'")}
    assert queued
    left, _ = products(COUNT + 200)
    bring(shops, write_source(tmp_path / "more.csv", left, "a"), source="A")
    result = candidates(shops, quiet)
    assert result.recall.far.population > 7_000
    drawn = shops.store.query("select beyond, count(*) from pairs where beyond in ('near', 'far') group by 1")
    assert dict(drawn) == {"near": 30, "far": 20}
    former = {n for (n,) in shops.store.query("select n from pairs where beyond = 'former'")}
    still = {n for (n,) in shops.store.query("select n from queue where purpose = 'recall'")}
    assert still == queued - former


def test_what_was_sought_is_measured_by_matches_that_came_with_a_file(project: Project, tmp_path: Path) -> None:
    path = write_pairs(tmp_path / "pairs.csv", 30)
    import_file(project, quiet, file=str(path), left=["text"], right=["text_b"], label="label")
    with project.store.transaction() as cursor:
        enter_ready_pairs(cursor)
    assert recall_if_sought(project) is None
    with pytest.raises(Refused, match="were not sought"):
        blocking_recall(project, quiet)
    recall = candidates(project, quiet, per_record=2).recall
    matches = 30
    assert recall.known_matches == matches
    assert recall.measured is not None
    assert recall.measured.value > 0.8
    assert f"of {matches} matches that came with a file" in recall.sentence
    texts = project.store.query("select text, count(*) from records where duplicate_of is null group by 1")
    assert {times for _, times in texts} == {1}


def test_decisions_say_what_share_is_found(shops: Project) -> None:
    candidates(shops, quiet, near=80, far=80)
    encode(shops, quiet)
    loop.next_batch(shops, quiet, size=400, spare=0, audit_share=0.5)
    answer_all(shops)
    recall = blocking_recall(shops, quiet)
    truth = [is_match(pair) for pair, stratum in beyond(shops).items() if stratum == "near"]
    assert (recall.near.population, recall.near.decided) == (len(truth), len(truth))
    assert recall.near.matches == sum(truth)
    assert recall.against_near is not None
    assert recall.against_near.value == pytest.approx((COUNT - sum(truth)) / COUNT, abs=1e-9)
    assert recall.by_search is not None
    assert recall.sentence.startswith("Blocking recall")


def test_fewer_than_no_pairs_are_not_drawn(shops: Project) -> None:
    with pytest.raises(BadInput, match="-1 pairs cannot be drawn"):
        candidates(shops, quiet, near=-1)
    assert candidates(shops, quiet, near=0, far=0).drawn == 0


@pytest.mark.usefixtures("jobs_here")
def test_the_command_searches_nothing_and_says_the_recall(shops: Project) -> None:
    candidates(shops, quiet)
    folder, pairs = shops.folder, shops.store.one("select count(*) from pairs")
    shops.close()
    assert "too few decisions to say" in rondo("--project", folder, "candidates", "--recall")
    result = rondo_json(folder, "candidates", "--recall")
    assert (result["overall"], result["near"]["decided"]) == (None, 0)
    assert result["candidates"] + result["near"]["population"] + result["far"]["population"] == COUNT * COUNT
    assert result["candidates"] == pairs - 50
    message = rondo("--project", folder, "candidates", "--near", 10, "--far", 5)
    assert "Drew 15 pairs that are no candidates" in message


# ---- figures


def test_zero_of_thirty_bounds_what_is_missed_and_never_says_none() -> None:
    near = DrawnStratum(300, 30, 0)
    assert near.missed().high == pytest.approx(300 * (1 - 0.025 ** (1 / 30)))
    assert DrawnStratum(300, 0, 0).missed() == Bounds(0, 0, 300)
    assert DrawnStratum(30, 30, 2).missed() == Bounds(2, 2, 2)


def test_far_pairs_that_bound_nothing_are_put_in_words() -> None:
    history = weigh(audit(1_000, 200))
    sample = DecidedCandidates(np.arange(200) < 40, np.ones(200, bool), np.arange(200) % 10 > 0, history)
    recall = estimate_recall(sample, DrawnStratum(300, 30, 0), DrawnStratum(1_000_000, 20, 0))
    assert recall.overall is None
    assert recall.against_near is not None
    assert recall.sentence.startswith("Blocking recall against near misses")
    assert "bounds no recall" in recall.notes[-1]
    assert not any("0.0 to 100.0" in note for note in (recall.sentence, *recall.notes))
    small = estimate_recall(sample, DrawnStratum(300, 30, 0), DrawnStratum(400, 200, 0))
    assert small.overall is not None
    assert small.overall.low > 0.5


def test_a_match_among_far_pairs_is_not_passed_over() -> None:
    sample = DecidedCandidates(np.arange(200) < 40, np.ones(200, bool), np.ones(200, bool), weigh(audit(1_000, 200)))
    recall = estimate_recall(sample, DrawnStratum(300, 30, 0), DrawnStratum(1_000_000, 20, 1))
    assert recall.overall is not None
    assert recall.overall.value < 0.01


def test_intervals_cover_the_true_recall() -> None:
    """1,000 candidates with 200 matches; 20 matches among 200 near and 10 among 400 far pairs."""
    rng, holds = np.random.default_rng(0), 0
    for _ in range(300):
        found = rng.hypergeometric(200, 800, 150)
        near, far = (
            DrawnStratum(size, 60, int(rng.hypergeometric(matches, size - matches, 60)))
            for size, matches in ((200, 20), (400, 10))
        )
        flags = np.arange(150) < found
        recall = estimate_recall(DecidedCandidates(flags, flags, flags, weigh(audit(1_000, 150))), near, far).overall
        assert recall is not None
        holds += recall.low <= 200 / 230 <= recall.high
    assert holds >= 285


def test_searches_that_overlap_at_random_say_what_both_miss() -> None:
    rng, holds = np.random.default_rng(0), 0
    for _ in range(300):
        first, second = rng.random(300) < 0.8, rng.random(300) < 0.7
        counts = SearchOverlap(*(float(part.sum()) for part in (first & second, first & ~second, second & ~first)))
        recall = capture_recapture(counts)
        assert recall is not None
        holds += recall.low <= (first | second).mean() <= recall.high
    assert holds >= 275  # 285 on average, sd 4
    assert capture_recapture(SearchOverlap(0, 5, 5)) is None
    alike = capture_recapture(SearchOverlap(20, 0, 0))
    assert alike is not None
    assert (alike.value, alike.high) == (1, 1)
    assert 0.96 < alike.low < 0.98


def test_chosen_matches_count_for_themselves_alone() -> None:
    history = PoolHistory(
        wave_sizes=np.array([1_000]),
        wave_opens=np.array([0]),
        wave=np.zeros(120, np.int64),
        left=np.zeros(120, np.int64),
        audited=np.arange(120) < 20,
    )
    weights, every = weigh(history), np.ones(120, bool)
    assert count_matches(np.arange(120) < 10, weights).value == pytest.approx(500, rel=0.02)
    overlap = overlap_of(every, every, np.arange(120) < 20, weights)
    assert overlap.total < 40
    assert recall_of(Bounds(90, 80, 99), (Bounds(10, 5, 20),)) == Estimate(0.9, 0.8, 99 / 104)
