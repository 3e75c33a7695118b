"""A project of pairs: sources come in and are paired, pairs come in ready, people decide, and a model learns it."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import loop, simulate
from core.config.settings import read_settings
from core.data.encoding import encode
from core.data.file_import import import_file
from core.data.ready_pairs import enter_ready_pairs
from core.erasure.erase import erase
from core.errors import BadInput, Refused
from core.models.vectors import open_vectors, vectors_fingerprint
from core.pairs.blocking.find_candidates import candidates
from core.pairs.sides import import_source
from core.project import Project, open_project
from gpu_jobs.runners.local import InProcessRunner
from tests.conftest import quiet
from tests.pair_world import products, write_pairs

COUNT = 40


def write_source(path: Path, texts: list[str], prefix: str) -> Path:
    """id, name, price: row n is `prefix` and n."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "name", "price"])
        for number, text in enumerate(texts):
            name, price = (line.partition(": ")[2] for line in text.split("\n"))
            writer.writerow([f"{prefix}{number}", name, price])
    return path


def new_project(folder: Path) -> Project:
    loop.create_project(folder, [], task="pairs")
    return open_project(folder, InProcessRunner())


def bring(project: Project, path: Path, **options: Any) -> Any:
    return import_source(project, quiet, file=str(path), text=["name", "price"], id="id", **options)


def bring_shops(project: Project, folder: Path, count: int = COUNT) -> None:
    """Sources A and B, from files in the folder: row n of both is the same product."""
    for source, texts in zip("AB", products(count), strict=True):
        bring(project, write_source(folder / f"{source}.csv", texts, source.lower()), source=source)


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


def truth_of(project: Project) -> dict[str, dict[str, bool]]:
    rows = project.store.query("select id from records")
    return {pair: {"same": pair.split("|")[0][3:] == pair.split("|")[1][3:]} for (pair,) in rows}


def test_two_sources_are_paired_across_and_every_partner_is_among_the_candidates(shops: Project) -> None:
    result = candidates(shops, quiet)
    assert (result.sources, result.within, result.distinct) == ({"A": COUNT, "B": COUNT}, False, 2 * COUNT)
    assert result.added == result.candidates == shops.store.one("select count(*) from pairs where beyond is null")
    assert sum(answer["same"] for answer in truth_of(shops).values()) == COUNT
    [(fields, meta)] = shops.store.query("select fields, meta from records where id = 'A:a0|B:b0'")
    assert json.loads(meta) == {"left": "A · a0", "right": "B · b0"}
    assert json.loads(fields)["left"].startswith("name: ")
    assert [(field.name, field.role) for field in read_settings(shops.folder).fields] == [
        ("name", "name"),
        ("price", "number"),
    ]


def test_a_model_learns_from_decisions_and_its_word_comes_back_as_a_suggestion(shops: Project) -> None:
    candidates(shops, quiet)
    points = simulate.simulate_rounds(shops, truth_of(shops), simulate.Budget(3, 40, "default"), quiet)
    assert points[-1].labels == 120
    rows = shops.store.query("select r.id, s.answer from suggestions s join records r using (n)")
    right = [json.loads(answer)["same"] == (pair.split("|")[0][3:] == pair.split("|")[1][3:]) for pair, answer in rows]
    assert np.mean(right) > 0.95
    [(manifest,)] = shops.store.query("select id from models order by made_at desc limit 1")
    assert json.loads((shops.models / manifest / "manifest.json").read_text())["fields"] == ["name", "price"]


def test_the_first_batch_asks_about_partners_and_others(shops: Project) -> None:
    candidates(shops, quiet)
    encode(shops, quiet)
    loop.next_batch(shops, quiet, size=20, spare=0, audit_share=0.0)
    asked = [pair for (pair,) in shops.store.query("select r.id from queue q join records r using (n)")]
    partners = sum(truth_of(shops)[pair]["same"] for pair in asked)
    assert 1 <= partners <= 17
    assert shops.store.query("select distinct model from queue") == [(None,)]


def test_new_records_are_matched_against_what_is_there_and_answers_stay(shops: Project, tmp_path: Path) -> None:
    candidates(shops, quiet)
    before = shops.store.query("select n, id from records order by n")
    simulate.simulate_rounds(shops, truth_of(shops), simulate.Budget(1, 20, "default"), quiet)
    vectors = np.asarray(open_vectors(shops.vectors, shops.settings().encoder))
    settled = shops.store.query("select n, answer from settled order by n")
    left, _ = products(COUNT + 5, seed=0)
    bring(shops, write_source(tmp_path / "more.csv", left, "a"), source="A")
    assert candidates(shops, quiet).added >= 5
    assert shops.store.query("select n, id from records order by n")[: len(before)] == before
    assert shops.store.query("select n, answer from settled order by n") == settled
    encode(shops, quiet)
    after = open_vectors(shops.vectors, shops.settings().encoder)
    assert len(after) == shops.store.one("select count(*) from records") > len(vectors)
    assert candidates(shops, quiet).added == 0


def test_one_source_is_paired_within_and_equal_texts_with_their_first(project: Project, tmp_path: Path) -> None:
    texts = ["name: a red lamp\nprice: 5", "name: a blue chair\nprice: 9", "name: a red lamps\nprice: 5"]
    bring(project, write_source(tmp_path / "one.csv", [*texts, texts[1], texts[1]], "r"))
    result = candidates(project, quiet)
    assert result.within
    pairs = {pair for (pair,) in project.store.query("select id from records")}
    assert {"r1|r3", "r1|r4", "r0|r2"} <= pairs
    assert not {"r3|r4", "r4|r3"} & pairs
    sides = project.store.query("select left_side, right_side, similarity from pairs")
    assert all(left < right and 0 <= alike <= 1 for left, right, alike in sides)


def test_every_source_is_paired_with_every_other(project: Project, tmp_path: Path) -> None:
    left, right = products(COUNT)
    for source, texts in zip("ABC", (left, right, [text.lower() for text in right]), strict=True):
        bring(project, write_source(tmp_path / f"{source}.csv", texts, source.lower()), source=source)
    result = candidates(project, quiet, within=False)
    assert (result.sources, result.within) == (dict.fromkeys("ABC", COUNT), False)
    pairs = [tuple(side.split(":") for side in pair.split("|")) for pair in truth_of(project)]
    between = {(one[0], other[0]) for one, other in pairs}
    assert between == {("A", "B"), ("A", "C"), ("B", "C")}
    matches = [(one[0], other[0]) for one, other in pairs if one[1][1:] == other[1][1:]]
    assert len(matches) == 3 * COUNT
    far = project.store.query("select far + near from candidate_searches")
    assert far == [(3 * COUNT * COUNT - result.candidates,)]


def test_as_many_neighbours_as_are_requested_are_candidates(shops: Project) -> None:
    few = candidates(shops, quiet, per_record=3).candidates
    many = candidates(shops, quiet, per_record=15)
    assert many.candidates > 15 * COUNT > few
    assert len(shops.store.query("select right_side from pairs where left_side = 0 and beyond is null")) >= 15


def test_only_the_most_alike_are_kept_and_the_rest_is_reported(shops: Project) -> None:
    result = candidates(shops, quiet, most=30)
    assert (result.candidates, result.left_out > 0) == (30, True)


def test_ready_pairs_come_with_decisions_gold_and_fields(project: Project, tmp_path: Path) -> None:
    path = write_pairs(tmp_path / "pairs.csv", 30)
    result = import_file(project, quiet, file=str(path), left=["text"], right=["text_b"], label="label", split="split")
    assert (result.labelled, result.made_gold) == (120, 0)
    gold = project.store.query("select answer, count(*) from settled where stratum = 'gold' group by 1 order by 1")
    assert gold == [('{"same":false}', 18), ('{"same":true}', 6)]
    encode(project, quiet)
    metrics = loop.fit(project, quiet).metrics
    assert metrics is not None
    assert metrics.gold is not None
    f1 = metrics.gold.per_label["same"].f1
    assert f1 is not None
    assert f1.value > 0.9
    with project.store.transaction() as cursor:
        assert enter_ready_pairs(cursor) == 0  # the import has done it
    assert project.store.one("select count(*) from sides") == 60


def test_ready_pairs_of_several_fields_are_named_by_what_their_columns_share(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("name_a,zip_a,name_b,zip_b\nAnn,123,Anne,123\nBob,,Rob,7\n")
    import_file(project, quiet, file=str(path), left=["name_a", "zip_a"], right=["name_b", "zip_b"])
    fields = [json.loads(fields) for (fields,) in project.store.query("select fields from records order by n")]
    assert fields[0] == {"left": "name: Ann\nzip: 123", "right": "name: Anne\nzip: 123"}
    assert fields[1]["left"] == "name: Bob\nzip: "
    assert [field.name for field in project.settings().fields] == ["name", "zip"]


def test_another_role_is_kept_and_another_field_makes_vectors_anew(shops: Project, tmp_path: Path) -> None:
    candidates(shops, quiet)
    encode(shops, quiet)
    before = vectors_fingerprint(shops.vectors, shops.settings().encoder)
    text = (shops.folder / "rondo.toml").read_text()
    (shops.folder / "rondo.toml").write_text(text.replace('price = "number"', 'price = "text"'))
    shops.adopt_edits()
    (tmp_path / "third.csv").write_text("id,colour\nc1,red\n")
    import_source(shops, quiet, file=str(tmp_path / "third.csv"), text=["colour"], id="id", source="C")
    assert [field.role for field in shops.settings().fields] == ["name", "text"]  # a single field is a plain text
    (tmp_path / "fourth.csv").write_text("id,name,colour\nd1,a red lamp,red\n")
    import_source(shops, quiet, file=str(tmp_path / "fourth.csv"), text=["name", "colour"], id="id", source="D")
    assert encode(shops, quiet).encoded == shops.store.one("select count(*) from records")
    assert vectors_fingerprint(shops.vectors, shops.settings().encoder) != before


def test_an_erased_pair_leaves_a_vector_without_information_and_no_text(shops: Project) -> None:
    candidates(shops, quiet)
    encode(shops, quiet)
    assert list(shops.vectors.glob("texts-*"))
    text = shops.store.one("select text from sides where source = 'A' and id = 'a0'")
    erase(shops, quiet, record=["A:a0|B:b0"], sure=True)
    assert shops.store.one("select count(*) from sides where text = ?", [text]) == 1  # in other pairs still
    others = [pair for (pair,) in shops.store.query("select id from records where starts_with(id, 'A:a0|')")]
    erase(shops, quiet, record=others, sure=True)
    assert shops.store.one("select count(*) from sides where text = ?", [text]) == 0
    assert not list(shops.vectors.glob("texts-*"))
    vectors = open_vectors(shops.vectors, shops.settings().encoder)
    assert np.isclose(np.abs(np.asarray(vectors, np.float32)).max(axis=1), 1).sum() == 1 + len(others)


def test_a_record_of_a_source_is_erased_by_id_or_words_with_every_pair_that_it_is_in(
    shops: Project, tmp_path: Path
) -> None:
    lonely = "name: Zebulon Pike\nprice: 1"
    bring(shops, write_source(tmp_path / "lonely.csv", [lonely], "z"), source="C")
    preview = erase(shops, quiet, query="zebulon")
    assert (preview.records, preview.sides, preview.sources) == (0, 1, ["C"])  # it is in no pair yet
    erase(shops, quiet, query="zebulon", sure=True)
    assert shops.store.one("select count(*) from sides where source = 'C'") == 0
    candidates(shops, quiet)
    pairs = shops.store.one("select count(*) from records where starts_with(id, 'A:a0|')")
    result = erase(shops, quiet, record=["a0"], sure=True)
    assert (result.records, result.sides) == (pairs, 1)
    assert shops.store.one("select count(*) from sides where id = 'a0'") == 0
    assert shops.store.one("select count(*) from records where starts_with(id, 'A:a0|')") == 0
    assert shops.store.one("select count(*) from sides where source = 'B'") == COUNT
    bring(shops, write_source(tmp_path / "again.csv", ["name: one more\nprice: 2"], "a1"), source="D")
    with pytest.raises(BadInput, match="2 sources have a record 'a10'"):
        erase(shops, quiet, record=["a10"])
    assert erase(shops, quiet, record=["D:a10"]).sides == 1
    with pytest.raises(BadInput, match="no record 'a0'"):
        erase(shops, quiet, record=["a0"])


def test_pairs_are_of_the_right_records_after_an_erasure(shops: Project) -> None:
    candidates(shops, quiet)
    erase(shops, quiet, record=[pair for pair in truth_of(shops) if pair.startswith("A:a0|")], sure=True)
    assert candidates(shops, quiet, per_record=8).added
    sides = """select r.id, l.source || ':' || l.id || '|' || o.source || ':' || o.id
               from pairs p join records r using (n)
               join sides l on l.side = p.left_side join sides o on o.side = p.right_side"""
    assert all(pair == both for pair, both in shops.store.query(sides))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"text": ["nome"]}, "did you mean 'name'"),
        ({"text": ["name", "price=name"]}, "Two columns are the field 'name'"),
        ({"text": []}, "No text column"),
        ({"text": ["name"], "source": "a:b"}, "no colon"),
        ({"text": ["name"], "id": "price"}, "repeats the id"),
    ],
)
def test_a_source_that_cannot_be_read_leaves_nothing_behind(
    project: Project, tmp_path: Path, options: dict[str, Any], says: str
) -> None:
    (tmp_path / "x.csv").write_text("id,name,price\n1,lamp,5\n2,chair,5\n")
    with pytest.raises(BadInput, match=says):
        import_source(project, quiet, file=str(tmp_path / "x.csv"), **options)
    assert project.store.one("select count(*) from sides") == 0
    assert project.settings().fields == ()


def test_a_known_id_with_another_text_is_refused_with_its_row(shops: Project, tmp_path: Path) -> None:
    (tmp_path / "again.csv").write_text("id,name,price\na0,something else,5\n")
    with pytest.raises(BadInput, match=r"row 1: the id 'a0' of A is known with another text"):
        bring(shops, tmp_path / "again.csv", source="A")


def test_what_does_not_belong_together_is_refused(project: Project, tmp_path: Path) -> None:
    path = write_pairs(tmp_path / "pairs.csv", 5)
    with pytest.raises(Refused, match="two sides"):
        import_file(project, quiet, file=str(path), text=["text"])
    with pytest.raises(BadInput, match="beside --text"):
        import_file(project, quiet, file=str(path), text=["text"], left=["text"], right=["text_b"])
    with pytest.raises(BadInput, match="as many for either"):
        import_file(project, quiet, file=str(path), left=["text", "label"], right=["text_b"])
    with pytest.raises(Refused, match="no records to pair"):
        candidates(project, quiet)
    (tmp_path / "bad.csv").write_text("a,b,label\nx,y,perhaps\n")
    with pytest.raises(BadInput, match=r"row 1.*neither 'same'"):
        import_file(project, quiet, file=str(tmp_path / "bad.csv"), left=["a"], right=["b"], label="label")
    (tmp_path / "empty.csv").write_text("a,b\nx,\n")
    with pytest.raises(BadInput, match=r"row 1.*column 'b'.*no text"):
        import_file(project, quiet, file=str(tmp_path / "empty.csv"), left=["a"], right=["b"])


def test_labels_know_no_sides(tmp_path: Path) -> None:
    loop.create_project(tmp_path / "labels", ["a", "b"])
    labels = open_project(tmp_path / "labels", InProcessRunner())
    (tmp_path / "x.csv").write_text("a,b\nx,y\n")
    with pytest.raises(BadInput, match="whose records have one"):
        import_file(labels, quiet, file=str(tmp_path / "x.csv"), left=["a"], right=["b"])
    with pytest.raises(Refused, match="not paired"):
        candidates(labels, quiet)
    labels.close()
