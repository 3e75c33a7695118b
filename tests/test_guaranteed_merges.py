"""Merges by the model are made where the audit proves them, and where no pair of the cluster is less sure than that."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadInput, Refused
from core.labelling.settling import settle
from core.merges.guaranteed_merges import GuaranteedMerges, dedup_project
from core.pairs.clusters import Decision, Guard, make_clusters
from core.project import Project
from tests.command_line import rondo
from tests.conftest import quiet
from tests.pair_world import pair_project

AUDITS, SIDES = 60, 328


def says(same: bool) -> str:
    return json.dumps({"same": same}, separators=(",", ":"))


@pytest.fixture
def shops(tmp_path: Path) -> Iterator[Project]:
    """60 audited pairs, half of them the same, of sides 0 to 119; then a triangle 120-121-122 of which one pair is
    different, a chain 123-124-125 whose ends nobody compared, a pair 126-127, and a hundred more, half the same."""
    sides = {"A": {f"r{side}": f"record {side}" for side in range(SIDES)}}
    ends = [(2 * number, 2 * number + 1) for number in range(AUDITS)]
    ends += [(120, 121), (121, 122), (120, 122), (123, 124), (124, 125), (126, 127)]
    ends += [(side, side + 1) for side in range(128, SIDES, 2)]
    project = pair_project(tmp_path / "shops", sides, ends)
    probabilities = [0.97] * AUDITS + [0.99, 0.98, 0.6, 0.97, 0.97, 0.96] + [0.97] * 100
    others = [number % 2 == 0 for number in range(100)]
    suggest(project, [*others[:AUDITS], True, True, False, True, True, True, *others], probabilities)
    yield project
    project.close()


def suggest(project: Project, same: Sequence[bool], probabilities: Sequence[float]) -> None:
    """A model's suggestions; the first AUDITS pairs were drawn for the audit and are as it says."""
    settings = project.settings()
    (project.models / "m1").mkdir(parents=True)
    manifest = {"files": {}, "task": "pairs", "fields": []}
    (project.models / "m1" / "manifest.json").write_text(json.dumps(manifest))
    with project.label_queue.changing() as cursor:
        cursor.execute(
            """insert into batches values
               (1, '2026-01-02', 1, 'random', $a, $a, $n, 0, null, '{"warnings": []}', [], $n)""",
            {"a": AUDITS, "n": len(same)},
        )
        cursor.execute(
            "insert into models values ('m1', '2026-01-03', 1, ?, ?, 60, 1, '{}', 1.0, null, null, null, null, null)",
            [settings.encoder, settings.taxonomy.version],
        )
        for n, (answer, probability) in enumerate(zip(same, probabilities, strict=True)):
            label = "same" if answer else "different"
            cursor.execute(
                "insert into suggestions values (?, ?, ?, 0.1, [], 'm1', ?)", [n, label, probability, says(answer)]
            )
            if n < AUDITS:
                cursor.execute("insert into queue values (?, 1, ?, true, false, null, null, 'm1', null, null)", [n, n])
                cursor.execute(
                    """insert into responses values ('a' || ?, ?, 'ann', 'submit', [], null, null, '2026-01-02', 0,
                       '2026-01-02', 1, 1, null, null, 0, 'app', true, ?, null)""",
                    [n, n, says(answer)],
                )
        settle(cursor, "select n from queue", settings)
        cursor.execute(
            """insert into held_out_predictions
               select n, z.stratum, 0.1, z.labels, s.labels, s.label, s.probability, 'm1', z.answer, s.answer
               from settled z join suggestions s using (n)"""
        )


def dedup(project: Project, out: Path, precision: float = 0.9) -> GuaranteedMerges:
    return dedup_project(project, quiet, precision=precision, out=str(out), confidence=0.9)


def clusters_in(path: Path) -> dict[str, set[str]]:
    clusters: dict[str, set[str]] = {}
    for row in map(json.loads, path.read_text().splitlines()):
        if row["records"] > 1:
            clusters.setdefault(row["cluster"], set()).add(row["id"])
    return clusters


def test_a_chain_of_good_pairs_is_not_joined_where_a_pair_of_it_is_not_good(shops: Project, tmp_path: Path) -> None:
    result = dedup(shops, tmp_path / "out.jsonl")
    assert (result.by_people, result.audits, result.wrong) == (30, 30, 0)
    assert 0.5 <= result.threshold <= 0.96
    clusters = clusters_in(tmp_path / "out.jsonl")
    assert clusters["r120"] == {"r120", "r121"}
    assert clusters["r126"] == {"r126", "r127"}
    assert clusters["r123"] == {"r123", "r124", "r125"}
    assert result.unsupported == 1
    assert len(clusters) == result.clusters
    assert sum(map(len, clusters.values())) == result.clustered
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert len(rows) == result.rows == SIDES
    assert {row["joined_by"] for row in rows if row["cluster"] == "r0"} == {"people"}
    assert {row["joined_by"] for row in rows if row["cluster"] == "r126"} == {"model"}


def test_the_project_stays_as_it_is(shops: Project, tmp_path: Path) -> None:
    before = shops.store.query("select count(*) from settled union all select count(*) from machine_labels")
    dedup(shops, tmp_path / "out.csv")
    assert shops.store.query("select count(*) from settled union all select count(*) from machine_labels") == before
    assert not shops.store.query("select * from guarantees")


def test_without_proof_nothing_is_written_and_what_is_missing_is_reported(shops: Project, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="audit labels"):
        dedup(shops, tmp_path / "out.csv", precision=0.99)
    assert not (tmp_path / "out.csv").exists()


def test_what_people_keep_apart_is_never_joined(shops: Project, tmp_path: Path) -> None:
    with shops.label_queue.changing() as cursor:
        n = AUDITS + 5
        cursor.execute(
            """insert into responses values ('no', ?, 'ann', 'submit', [], null, null, '2026-01-04', 0, '2026-01-04', 1,
               1, null, null, 99, 'app', false, ?, null)""",
            [n, says(False)],
        )
        settle(cursor, f"select {n} as n", shops.settings())
    dedup(shops, tmp_path / "out.jsonl")
    assert "r126" not in clusters_in(tmp_path / "out.jsonl")


def test_a_target_must_be_of_a_kind(shops: Project, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="must end in"):
        dedup(shops, tmp_path / "out.txt")


def test_a_file_alone_has_no_decisions_to_rest_on(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("name\nann\nbob\n")
    words = ["dedup", tmp_path / "people.csv", "--text", "name", "--out", tmp_path / "out.csv", "--precision", ".95"]
    ended = rondo(*words, code=2)
    assert "rests on people's decisions, and people.csv alone has none" in ended
    assert "rondo dedup FOLDER --precision .95" in ended


@pytest.mark.usefixtures("jobs_here")
def test_a_project_is_deduplicated_by_its_folder_and_without_options_of_files(shops: Project, tmp_path: Path) -> None:
    folder, out = shops.folder, tmp_path / "out.csv"
    shops.close()
    words = ["dedup", folder, "--out", out]
    message = rondo(*words, "--precision", 0.9, "--confidence", 0.9)
    assert "Nothing was changed in the project" in message
    assert f"Wrote {SIDES} rows to {out}" in message
    result = json.loads(rondo(*words, "--precision", 0.9, "--confidence", 0.9, "--json"))
    assert (result["rows"], result["unsupported"]) == (SIDES, 1)
    assert "is a project" in rondo(*words, code=2)
    assert "without other options" in rondo(*words, "--precision", 0.9, "--one-partner", code=2)
    assert "between 0.5 and 0.999" in rondo(*words, "--precision", 0.2, code=2)


# ---- the rule, on decisions alone

PAIRS = st.tuples(st.sampled_from("abcdef"), st.sampled_from("abcdef"), st.floats(0.5, 1.0))


@given(st.lists(PAIRS, max_size=14), st.floats(0.5, 0.99))
def test_no_two_records_of_a_cluster_are_less_probable_than_what_a_merge_takes(
    pairs: list[tuple[str, str, float]], least: float
) -> None:
    scores = {(min(one, other), max(one, other)): probability for one, other, probability in pairs if one != other}
    decisions = [
        Decision(one, other, True, False, number, probability)
        for number, ((one, other), probability) in enumerate(scores.items())
        if probability >= least
    ]
    clusters = make_clusters("abcdef", decisions, guard=Guard(scores, least))
    for members in clusters.members.values():
        for one in members:
            for other in members:
                assert one >= other or scores.get((one, other), 1.0) >= least
    made = sum(len(members) - 1 for members in clusters.members.values())
    assert made + len(clusters.unsupported) <= len(decisions)


def test_doubts_on_the_way_add_up_and_people_have_none() -> None:
    chain = [Decision("a", "b", True, False, 1, 0.97), Decision("b", "c", True, False, 2, 0.96)]
    assert not make_clusters("abc", chain, guard=Guard({}, 0.93)).unsupported
    assert len(make_clusters("abc", chain, guard=Guard({}, 0.94)).unsupported) == 1
    by_hand = [Decision("a", "b", True, True, 1), chain[1]]
    assert not make_clusters("abc", by_hand, guard=Guard({}, 0.955)).unsupported
    against = Guard({("a", "c"): 0.2}, 0.9)
    assert make_clusters("abc", by_hand, guard=against).unsupported == (chain[1],)
