"""Clusters of a project: laws over its decisions, undo and redo, held merges, the log, one partner, golden records."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config.record_fields import FieldRule
from core.config.settings import read_settings, with_changes, write_settings
from core.errors import BadInput, Refused
from core.labelling.corrections import correct, withdraw
from core.merges.golden import RULES, Version, golden_record
from core.merges.merge_edits import merges_decide, merges_pick, merges_redo, merges_survivor, merges_undo
from core.merges.merges import merge, merges
from core.merges.project_clusters import current_clusters
from core.project import Project
from tests.conftest import quiet
from tests.pair_world import label_by_machine, pair_project

NAMES = ("a", "b", "c", "d", "e")
ONE = {"shop": {name: f"text of {name}" for name in NAMES}}
ALL = [(left, right) for left in range(5) for right in range(left + 1, 5)]
SAME, APART = {"same": True}, {"same": False}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Project]:
    """Five records of one source, and a pair of any two but a and e, c and d."""
    project = pair_project(tmp_path / "shop", ONE, [pair for pair in ALL if pair not in ((0, 4), (2, 3))])
    yield project
    project.close()


def decide(project: Project, words: str) -> None:
    """`ab bc a/c`: the same, the same, apart."""
    for word in words.split():
        left, right = sorted(NAMES.index(letter) for letter in word if letter != "/")
        correct(project, f"{left}-{right}", APART if "/" in word else SAME, "ann")


def groups(project: Project) -> dict[str, str]:
    return {cluster: "".join(members) for cluster, members in current_clusters(project).joined.items()}


def fates(project: Project, cluster: str) -> list[str]:
    return [one.fate for one in merge(project, quiet, cluster=cluster).history]


VERDICTS = st.dictionaries(st.sampled_from(ALL), st.booleans(), max_size=8)


@given(VERDICTS, st.randoms(use_true_random=False), st.integers(0, 7))
@settings(max_examples=10)
def test_any_order_of_answers_and_an_answer_given_again_make_the_same_clusters(
    verdicts: dict[tuple[int, int], bool], random: object, again: int
) -> None:
    shuffled = list(verdicts.items())
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    seen = []
    for order in (list(verdicts.items()), shuffled):
        with tempfile.TemporaryDirectory() as folder:
            project = pair_project(Path(folder) / "p", ONE, ALL)
            events = {pair: answer(project, pair, same) for pair, same in order}
            clusters = current_clusters(project)
            seen.append((clusters.clusters.members, clusters.clusters.held))
            if events:
                pair = list(verdicts)[again % len(verdicts)]
                withdraw(project, "{}-{}".format(*pair), events[pair], "ann")
                current_clusters(project)
                answer(project, pair, verdicts[pair])
                clusters = current_clusters(project)
                seen.append((clusters.clusters.members, clusters.clusters.held))
            project.close()
    assert all(one == seen[0] for one in seen)


def answer(project: Project, pair: tuple[int, int], same: bool) -> str:
    return correct(project, "{}-{}".format(*pair), {"same": same}, "ann")


@given(VERDICTS, st.sampled_from(NAMES))
@settings(max_examples=8)
def test_an_undo_that_is_taken_back_leaves_everything_as_it_was(
    verdicts: dict[tuple[int, int], bool], name: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        project = pair_project(Path(folder) / "p", ONE, ALL)
        for pair, same in verdicts.items():
            answer(project, pair, same)
        before = current_clusters(project)
        former = set(before.clusters.members[before.find(name)]) - {name}
        if former:
            merges_undo(project, quiet, cluster=name)
            now = current_clusters(project)  # a merge that was held until now may have been made
            assert not former & set(now.clusters.members[now.find(name)])
            merges_redo(project, quiet, cluster=name)
        after = current_clusters(project)
        assert after.clusters == before.clusters
        assert after.decisions == before.decisions
        project.close()


def test_a_cluster_keeps_the_id_of_its_oldest_record_and_the_log_says_what_became_of_it(shop: Project) -> None:
    decide(shop, "bc")
    assert groups(shop) == {"b": "bc"}
    decide(shop, "be")
    assert groups(shop) == {"b": "bce"}
    decide(shop, "ab")
    assert groups(shop) == {"a": "abce"}
    decide(shop, "a/b")
    assert groups(shop) == {"b": "bce"}
    history = merge(shop, quiet, cluster="b").history
    assert [(one.cluster, one.fate) for one in history[::-1]] == [
        ("b", "formed"),
        ("b", "grew"),
        ("b", "grew"),
        ("a", "split"),
    ]
    assert history[0].now == ("b",)
    assert history[0].lost == ("a",)
    assert shop.store.one("select count(*) from cluster_log") == 4
    groups(shop)
    assert shop.store.one("select count(*) from cluster_log") == 4, "nothing changed"


def test_a_contradiction_is_held_with_its_path_and_never_joined(shop: Project) -> None:
    decide(shop, "ab a/c bc")
    [held] = merges(shop, quiet, held=True).held
    assert (held.left, held.right, held.path, held.one_source) == ("b", "c", ("c", "b", "a"), False)
    assert set(held.apart) == {"a", "c"}
    listed = merges(shop, quiet, held=True)
    assert [one.cluster for one in listed.lines] == ["a", "c"]
    assert groups(shop) == {"a": "ab"}
    merges_decide(shop, quiet, left="a", right="c", same=True)
    assert groups(shop) == {"a": "abc"}
    assert not merges(shop, quiet).held


def test_a_persons_word_undoes_what_a_machine_joined(shop: Project) -> None:
    label_by_machine(shop, {"0-1": (True, 0.97), "1-2": (True, 0.93), "3-4": (False, 0.99)})
    [line] = merges(shop, quiet).lines
    assert (line.cluster, line.size, line.least, line.by_machine, line.by_people) == ("a", 3, 0.93, 2, 0)
    edit = merges_undo(shop, quiet, left="b", right="c", user="ann")
    assert (edit.decided, edit.same) == (1, 0)
    assert groups(shop) == {"a": "ab"}
    merges_redo(shop, quiet, left="c", right="b", user="ann")
    assert groups(shop) == {"a": "abc"}
    with shop.store.transaction() as cursor:
        cursor.execute("update guarantees set state = 'withdrawn'")
    assert groups(shop) == {}


def test_a_machine_label_that_waits_for_a_blind_answer_joins_nothing(shop: Project) -> None:
    label_by_machine(shop, {"0-1": (True, 0.97), "1-2": (True, 0.93)})
    with shop.label_queue.changing() as cursor:
        cursor.execute(
            "insert into queue select n, 1, 0, false, false, null, null, null, 'check', null from records "
            "where id = '1-2'"
        )
    assert groups(shop) == {"a": "ab"}
    assert merges(shop, quiet).awaiting == 1
    with pytest.raises(Refused, match="waits for a blind answer"):
        merges_decide(shop, quiet, left="b", right="c", same=True)
    decide(shop, "bc")
    assert groups(shop) == {"a": "abc"}


def test_some_of_a_cluster_stay_together_and_the_others_are_set_apart_from_them(shop: Project) -> None:
    label_by_machine(shop, {"0-1": (True, 0.97), "1-2": (True, 0.93), "2-4": (True, 0.92)})
    assert groups(shop) == {"a": "abce"}
    edit = merges_pick(shop, quiet, cluster="c", together=["a", "b"], user="ann")
    assert (edit.decided, edit.same, edit.missing) == (4, 1, 1), "ab; ac bc be, and there is no pair ae"
    assert groups(shop) == {"a": "ab", "c": "ce"}
    assert [(one.cluster, one.size) for one in edit.clusters] == [("a", 2), ("c", 2)]
    again = merges_pick(shop, quiet, cluster="a", user="ann")
    assert (again.edit, again.decided, again.unchanged) == (None, 0, 1)
    merges_redo(shop, quiet, edit=edit.edit, user="ann")
    assert groups(shop) == {"a": "abce"}


def test_one_record_leaves_its_cluster(shop: Project) -> None:
    decide(shop, "ab bc bd")
    edit = merges_undo(shop, quiet, cluster="a", member="b")
    assert (edit.decided, edit.missing) == (3, 0)
    assert groups(shop) == {}
    with pytest.raises(Refused, match="is in no cluster"):
        merges_undo(shop, quiet, cluster="a")


def test_what_cannot_be_undone_is_refused_with_the_reason(shop: Project) -> None:
    decide(shop, "ab be")
    before = shop.store.one("select count(*) from responses")
    with pytest.raises(Refused, match=r"no pair of a and e.*together through others: `rondo merges show a`"):
        merges_undo(shop, quiet, left="a", right="e")
    with pytest.raises(BadInput, match="no record 'z'"):
        merges_undo(shop, quiet, left="a", right="z")
    with pytest.raises(BadInput, match="is one record"):
        merges_undo(shop, quiet, left="a", right="a")
    with pytest.raises(BadInput, match="not in the cluster"):
        merges_pick(shop, quiet, cluster="a", together=["a", "c"])
    with pytest.raises(BadInput, match="two records or more"):
        merges_pick(shop, quiet, cluster="a", together=["a"])
    with pytest.raises(BadInput, match="no edit of clusters"):
        merges_redo(shop, quiet)
    with pytest.raises(BadInput, match="0 to 1,000 clusters"):
        merges(shop, quiet, most=5_000)
    assert shop.store.one("select count(*) from responses") == before
    merges_undo(shop, quiet, cluster="a", user="bob")
    with pytest.raises(Refused, match="Only bob can take"):
        merges_redo(shop, quiet, user="ann")


def test_equal_texts_of_a_source_follow_the_first_of_them(tmp_path: Path) -> None:
    sources = {"one": {"x": "sony", "y": "Sony", "z": "bosch"}, "two": {"x": "SONY", "w": "braun"}}
    project = pair_project(tmp_path / "p", sources, [(1, 3), (0, 4)])
    assert groups(project) == {"one:x": "one:xone:y"}
    correct(project, "1-3", SAME, "ann")
    assert groups(project) == {"one:x": "one:xone:ytwo:x"}
    detail = merge(project, quiet, cluster="two:x")
    assert [(one.name, one.duplicate_of) for one in detail.members] == [
        ("one:x", None),
        ("one:y", "one:x"),
        ("two:x", None),
    ]
    with pytest.raises(Refused, match="the same text, and are of one source"):
        merges_undo(project, quiet, left="one:x", right="one:y")
    merges_undo(project, quiet, left="one:x", right="two:x")
    assert groups(project) == {"one:x": "one:xone:y"}, "what is decided of one of them holds of both"
    project.close()


def test_a_cluster_holds_one_record_of_each_source_where_the_settings_say_so(tmp_path: Path) -> None:
    sources = {"one": {"x": "sony", "y": "sony camera"}, "two": {"x": "SONY cam"}}
    project = pair_project(tmp_path / "p", sources, [(0, 2), (1, 2)])
    for pair in ((0, 2), (1, 2)):
        answer(project, pair, True)
    assert groups(project) == {"one:x": "one:xone:ytwo:x"}
    project.save_settings(with_changes(project.settings(), one_partner=True))
    assert groups(project) == {"one:x": "one:xtwo:x"}
    [held] = merges(project, quiet).held
    assert held.one_source
    assert fates(project, "one:x")[0] == "split"
    project.close()


def test_a_second_source_changes_names_and_no_cluster(shop: Project) -> None:
    decide(shop, "ab")
    groups(shop)
    with shop.store.transaction() as cursor:
        cursor.execute("insert into sides values (5, 'other', 'a', 'new', null, 'new', now())")
    assert groups(shop) == {"shop:a": "shop:ashop:b"}
    assert fates(shop, "shop:a") == ["formed"]


def test_the_project_of_another_task_has_no_clusters(project: Project) -> None:
    with pytest.raises(Refused, match="not paired"):
        merges(project, quiet)


FIELDS: dict[str, dict[str, str]] = {
    "x": {"name": "Sony", "price": "10"},
    "y": {"name": "sony  ", "price": ""},
    "z": {"name": "Sony camera", "price": "12"},
}


def test_a_golden_record_follows_the_rules_or_a_persons_choice(tmp_path: Path) -> None:
    project = pair_project(tmp_path / "p", {"one": FIELDS}, [(0, 1), (1, 2)])
    text = (tmp_path / "p" / "rondo.toml").read_text()
    (tmp_path / "p" / "rondo.toml").write_text(
        text + '\n[fields]\nname = "name"\nprice = "number"\n\n[golden]\nprice = "newest"\n'
    )
    for pair in ((0, 1), (1, 2)):
        answer(project, pair, True)
    detail = merge(project, quiet, cluster="x")
    assert [(one.field, one.value, one.member, one.rule) for one in detail.golden] == [
        ("name", "Sony", "x", "most_frequent"),
        ("price", "12", "z", "newest"),
    ]
    assert (detail.survivor, detail.chosen_by) == ("x", None)
    assert merges_survivor(project, quiet, cluster="x", record="y", user="ann").survivor == "y"
    detail = merge(project, quiet, cluster="x")
    assert (detail.survivor, detail.chosen_by) == ("y", "ann")
    assert [(one.value, one.rule) for one in detail.golden] == [("sony", "by_hand"), ("12", "newest")]
    merges_survivor(project, quiet, cluster="x", user="ann")
    assert merge(project, quiet, cluster="x").survivor == "x"
    with pytest.raises(BadInput, match="not in the cluster"):
        merges_survivor(project, quiet, cluster="x", record="nobody")
    project.close()


@given(st.lists(st.sampled_from(("", "a", "b b", "B  b", "ccc")), min_size=1, max_size=6), st.sampled_from([*RULES]))
def test_a_rule_takes_the_value_of_a_record_that_has_one(values: Sequence[str], rule: str) -> None:
    versions = [Version(side, side % 2, {"f": value}) for side, value in enumerate(values)]
    golden = golden_record(versions, {"f": rule})["f"]
    if golden.side is None:
        assert not any(values)
    else:
        assert values[golden.side] == golden.value != ""


def test_rules_stand_in_the_settings_file_and_a_wrong_one_is_named(tmp_path: Path) -> None:
    project = pair_project(tmp_path / "p", ONE, [])
    changed = with_changes(project.settings(), golden=(FieldRule("price", "newest"),), one_partner=True)
    write_settings(project.folder, changed)
    assert read_settings(project.folder) == changed
    file = project.folder / "rondo.toml"
    file.write_text(file.read_text().replace('price = "newest"', 'price = "best"'))
    with pytest.raises(BadInput, match=r"\[golden\]: the rule of 'price' is 'best', but it must be one of longest"):
        read_settings(project.folder)
    project.close()
