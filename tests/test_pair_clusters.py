"""Clusters follow from the decisions in force alone: laws, and what a person sees of a contradiction."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from core.pairs.clusters import Clusters, Decision, cluster_changes, decisions_in_force, make_clusters

RECORDS = [f"r{number}" for number in range(9)]


@st.composite
def decision_logs(draw: st.DrawFn) -> list[Decision]:
    """Up to 25 decisions, numbered; contradictions, repeats and self pairs among them."""
    entries = draw(
        st.lists(
            st.tuples(
                st.sampled_from(RECORDS),
                st.sampled_from(RECORDS),
                st.booleans(),
                st.booleans(),
                st.sampled_from((0.6, 0.9, 0.99)),
            ),
            max_size=25,
        )
    )
    return [
        Decision(left, right, same, person, number, 1.0 if person else probability)
        for number, (left, right, same, person, probability) in enumerate(entries)
    ]


def same(left: str, right: str, number: int, *, person: bool = True, probability: float = 1.0) -> Decision:
    return Decision(left, right, True, person, number, probability)


def apart(left: str, right: str, number: int, *, person: bool = True) -> Decision:
    return Decision(left, right, False, person, number)


def groups(clusters: Clusters) -> list[str]:
    return ["".join(members) for members in clusters.members.values() if len(members) > 1]


@given(decision_logs(), st.randoms(use_true_random=False))
def test_the_order_of_arrival_changes_nothing(log: list[Decision], random: object) -> None:
    shuffled = list(log)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    turned = [replace(one, left=one.right, right=one.left) for one in log]
    first = make_clusters(RECORDS, log)
    assert make_clusters(RECORDS, shuffled) == first
    assert make_clusters(RECORDS, turned).members == first.members


@given(decision_logs(), st.sets(st.integers(0, 24)))
def test_what_is_undone_and_done_again_has_its_ids_back(log: list[Decision], undone: set[int]) -> None:
    before = make_clusters(RECORDS, log)
    without = [one for one in log if one.number not in undone]
    make_clusters(RECORDS, without)
    again = make_clusters(RECORDS, [*without, *(one for one in log if one.number in undone)])
    assert again == before
    assert cluster_changes(before, again) == []


@given(decision_logs())
def test_two_records_that_people_kept_apart_are_never_in_one_cluster(log: list[Decision]) -> None:
    clusters = make_clusters(RECORDS, log)
    for one in decisions_in_force(log):
        if one.by_person and not one.same and one.left != one.right:
            assert clusters.of[one.left] != clusters.of[one.right]


@given(decision_logs())
def test_every_record_is_in_one_cluster_named_after_its_oldest(log: list[Decision]) -> None:
    clusters = make_clusters(RECORDS, log)
    assert sorted(record for members in clusters.members.values() for record in members) == RECORDS
    for cluster, members in clusters.members.items():
        assert cluster == min(members, key=RECORDS.index)
        assert list(members) == sorted(members, key=RECORDS.index)


@given(decision_logs())
def test_each_merge_is_made_or_held_with_a_path_between_the_two_that_are_apart(log: list[Decision]) -> None:
    clusters = make_clusters(RECORDS, log)
    force = decisions_in_force(log)
    linked = {frozenset((one.left, one.right)) for one in force if one.same}
    kept_apart = {frozenset((one.left, one.right)) for one in force if not one.same}
    for held in clusters.held:
        assert (held.path[0], held.path[-1]) == held.apart
        assert frozenset(held.apart) in kept_apart
        steps = [frozenset(step) for step in pairwise(held.path)]
        assert set(steps) <= linked
        assert steps.count(frozenset((held.decision.left, held.decision.right))) == 1
    unmade = {one.decision for one in clusters.held}
    for one in force:
        if one.same:
            assert one in unmade or clusters.of[one.left] == clusters.of[one.right]


@given(decision_logs(), st.lists(st.sampled_from("xyz"), min_size=9, max_size=9))
def test_of_each_source_a_cluster_holds_one_record_where_that_is_asked(log: list[Decision], of: Sequence[str]) -> None:
    sources = dict(zip(RECORDS, of, strict=True))
    for members in make_clusters(RECORDS, log, sources).members.values():
        assert len({sources[record] for record in members}) == len(members)


@given(decision_logs(), decision_logs())
def test_the_changes_account_for_every_cluster_that_is_another_now(
    first: list[Decision], second: list[Decision]
) -> None:
    before, after = make_clusters(RECORDS, first), make_clusters(RECORDS, second)
    changed = {change.cluster for change in cluster_changes(before, after) if change.fate != "formed"}
    formed = {change.cluster for change in cluster_changes(before, after) if change.fate == "formed"}
    for cluster, members in before.members.items():
        if len(members) > 1:
            assert (cluster in changed) == (after.members.get(cluster) != members)
    old = {record for members in before.members.values() if len(members) > 1 for record in members}
    assert formed == {key for key, members in after.members.items() if len(members) > 1 and not old & set(members)}


def test_a_contradiction_is_held_and_shown_with_its_path() -> None:
    clusters = make_clusters(
        list("abcd"), [same("a", "b", 1), same("b", "c", 2), same("c", "d", 3), apart("a", "d", 4)]
    )
    assert groups(clusters) == ["abc"]
    [held] = clusters.held
    assert (held.decision.number, held.apart, held.path) == (3, ("d", "a"), ("d", "c", "b", "a"))


def test_people_come_before_models_and_sure_models_before_unsure_ones() -> None:
    models = [same("a", "b", 1, person=False, probability=0.99), same("b", "c", 2, person=False, probability=0.7)]
    assert groups(make_clusters(list("abc"), [*models, apart("a", "c", 3)])) == ["ab"]
    assert groups(make_clusters(list("abc"), [*models, same("c", "b", 3), apart("a", "c", 4)])) == ["bc"]
    assert groups(make_clusters(list("ab"), [models[0], apart("b", "a", 5)])) == []
    assert groups(make_clusters(list("ab"), [same("a", "b", 1), apart("b", "a", 5, person=False)])) == ["ab"]


def test_a_cluster_keeps_the_id_of_its_oldest_member_through_growth_merge_and_split() -> None:
    records = list("abcdef")
    log = [same("c", "d", 1), same("e", "f", 2)]
    states = [make_clusters(records, log)]
    for decision in (same("d", "b", 3), same("f", "c", 4), apart("d", "c", 5)):
        log.append(decision)
        states.append(make_clusters(records, log))
    assert [groups(state) for state in states] == [["cd", "ef"], ["bcd", "ef"], ["bcdef"], ["bd", "cef"]]
    fates = [
        [(change.cluster, change.fate, change.now) for change in cluster_changes(old, new)]
        for old, new in pairwise(states)
    ]
    assert fates == [
        [("c", "grew", ("b",))],
        [("b", "merged", ("b",)), ("e", "merged", ("b",))],
        [("b", "split", ("b", "c"))],
    ]
    assert cluster_changes(states[0], make_clusters(records, log[:1]))[0].fate == "gone"
    assert cluster_changes(make_clusters(records, []), states[0])[0].fate == "formed"


def test_a_long_chain_and_a_record_with_ten_thousand_partners_are_quick() -> None:
    records = [str(number) for number in range(10_000)]
    star = [same("0", record, number) for number, record in enumerate(records[1:])]
    chain = [same(one, other, number) for number, (one, other) in enumerate(pairwise(records))]
    for log in (star, chain):
        assert len(make_clusters(records, log).members) == 1
