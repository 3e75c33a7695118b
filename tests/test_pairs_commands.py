"""`rondo dedup` and `rondo replay --task pairs` as a person runs them, on good files and on odd ones."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.command_line import rondo
from tests.pair_world import products, write_pairs

pytestmark = pytest.mark.usefixtures("jobs_here")


def write_records(path: Path, texts: list[str], ids: list[str] | None = None) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["key", "text"])
        writer.writerows(zip(ids or [f"k{number}" for number in range(len(texts))], texts, strict=True))
    return path


def clusters_of(path: Path) -> dict[str, str]:
    table = pl.read_parquet(path)
    return dict(zip(table["id"], table["cluster"], strict=True))


def test_a_replay_compares_chosen_with_random_decisions(tmp_path: Path) -> None:
    file = write_pairs(tmp_path / "pairs.csv", 60)
    words = ("replay", file, "--task", "pairs", "--left", "text", "--right", "text_b", "--label", "label")
    result: dict[str, Any] = json.loads(rondo(*words, "--split", "split", "--budget", 75, "--seeds", 2, "--json"))
    assert set(result["strategies"]) == {"ours", "random"}
    for one in result["strategies"].values():
        assert one["labels"] == [10, 20, 30, 40, 50, 75]
        assert [len(curve) for curve in one["f1"]] == [6, 6]
        assert all(0 <= value <= 1 for curve in one["f1"] for value in curve)
        assert {"aulc", "aulc_sd", "to90", "to95", "against_random"} <= one.keys()
    assert (result["records"], result["test"], result["matches"], result["positive"]) == (192, 48, 60, "match")
    assert result["full"]["f1"] > 0.9 < result["strategies"]["ours"]["f1"][0][-1]
    assert result["blocking_recall"] == 1
    assert 0 < result["mutual_best"]["f1"] <= 1
    again: dict[str, Any] = json.loads(rondo(*words, "--split", "split", "--budget", 75, "--seeds", 2, "--json"))
    assert again == result
    picture = tmp_path / "curve.svg"
    lines = rondo(*words, "--budget", 20, "--seeds", 1, "--positive", "match", "--out", picture)
    assert {"decisions", "no decision", "ours", "random"} <= set(re.findall(r">([\w ]+)</text>", picture.read_text()))
    assert "All decisions: F1" in lines
    assert "at 20 decisions" in lines


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--left", "text"), "--left COLUMN --right COLUMN"),
        (("--left", "text", "--right", "other"), "has no columns 'other'"),
        (("--left", "text", "--right", "text_b", "--budget", 0), "--budget is 0"),
        (("--left", "text", "--right", "text_b", "--out", "curve.pdf"), "ending in .html, .svg, .png"),
        (("--left", "text", "--right", "text_b", "--positive", "yes"), "both kinds are needed"),
        (("--left", "text", "--right", "text_b", "--split", "label"), "both kinds are needed"),
    ],
)
def test_a_replay_of_pairs_says_what_is_missing(tmp_path: Path, words: tuple[object, ...], message: str) -> None:
    file = write_pairs(tmp_path / "pairs.csv", 10)
    assert message in rondo("replay", file, "--task", "pairs", "--label", "label", *words, code=2)


def test_which_label_is_the_same_must_be_clear(tmp_path: Path) -> None:
    file = write_pairs(tmp_path / "pairs.csv", 10, positive="equal")
    words = ("replay", file, "--task", "pairs", "--left", "text", "--right", "text_b", "--label", "label")
    assert "--positive, of 'equal', 'no-match'" in rondo(*words, code=2)


def test_replay_asks_for_a_task_that_there_is_and_for_a_text(tmp_path: Path) -> None:
    file = write_pairs(tmp_path / "pairs.csv", 10)
    assert "must be one of extract, labels, pairs" in rondo(
        "replay", file, "--task", "songs", "--label", "label", code=2
    )
    assert "Which column holds the text?" in rondo("replay", file, "--label", "label", code=2)
    assert "are for pairs" in rondo("replay", file, "--label", "label", "--left", "text", code=2)
    assert "are for labels" in rondo("replay", file, "--task", "pairs", "--label", "label", "--multi", code=2)


def test_the_sample_project_of_pairs_is_made_played_and_continued(tmp_path: Path) -> None:
    words = ("demo", "--task", "pairs", "--oracle", "--rounds", "1", "--project", tmp_path / "sample")
    assert [point["labels"] for point in json.loads(rondo(*words, "--json"))["curve"]] == [20]
    assert "audit accuracy" in rondo(*words)
    assert "there are labels, pairs, extract" in rondo("demo", "--task", "films", code=2)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_duplicates_within_a_file_are_joined_under_the_id_of_the_first(tmp_path: Path, suffix: str) -> None:
    texts = [*products(12)[0], "", "  ", "a lamp that nobody else has"]
    twins = [texts[3].upper(), texts[5].replace("price", "prices")]
    file, out = write_records(tmp_path / "records.csv", [*texts, *twins]), tmp_path / f"out.{suffix}"
    printed = rondo("dedup", file, "--text", "text", "--id", "key", "--out", out)
    assert "17 records, 14 different texts, 2 without text" in printed
    assert "No model decided" in printed
    assert "found by characters and the encoder among all texts" in printed
    looser = json.loads(rondo("dedup", file, "--text", "text", "--out", out, "--at-least", 0, "--json"))
    assert looser["below"] == 0 < looser["joined"] - 2
    rondo("dedup", file, "--text", "text", "--id", "key", "--out", out)
    table = pl.scan_csv(out) if suffix == "csv" else pl.scan_ndjson(out) if suffix == "jsonl" else pl.scan_parquet(out)
    rows = {row["id"]: row for row in table.collect().iter_rows(named=True)}
    assert list(rows) == [f"k{number}" for number in range(17)]
    assert (rows["k15"]["cluster"], rows["k15"]["joined_by"], rows["k15"]["similarity"]) == ("k3", "identical text", 1)
    assert (rows["k16"]["cluster"], rows["k16"]["joined_by"]) == ("k5", "mutual best, no model")
    assert 0.9 <= rows["k16"]["similarity"] < 1
    for alone in ("k12", "k13", "k14"):
        assert (rows[alone]["cluster"], rows[alone]["similarity"], rows[alone]["joined_by"]) == (alone, None, None)


def test_two_files_are_linked_and_one_partner_holds_the_second(tmp_path: Path) -> None:
    left, right = products(20)
    first, second = write_records(tmp_path / "a.csv", [*left, left[0]]), write_records(tmp_path / "b.csv", right)
    words = ("dedup", first, "--with", second, "--text", "text", "--id", "key", "--out", tmp_path / "out.parquet")
    result = json.loads(rondo(*words, "--json"))
    assert (result["records"], result["held"]) == ([21, 20], 0)
    table = pl.read_parquet(tmp_path / "out.parquet")
    assert table["file"].to_list() == ["first"] * 21 + ["second"] * 20
    linked = table.filter((pl.col("file") == "second") & (pl.col("cluster") != "second:" + pl.col("id")))
    assert len(linked) > 7
    assert len(linked.filter(pl.col("cluster") == "first:" + pl.col("id"))) > 0.8 * len(linked)
    twins = table.filter(pl.col("id").is_in(["k0", "k20"]) & (pl.col("file") == "first"))["cluster"].to_list()
    held = json.loads(rondo(*words, "--one-partner", "--json"))["held"]
    assert held == (1 if len(set(twins)) == 1 else 0)
    per_file = pl.read_parquet(tmp_path / "out.parquet").group_by("cluster", "file").len()
    assert set(per_file["len"].to_list()) == {1}


def test_several_columns_are_compared_together(tmp_path: Path) -> None:
    file = tmp_path / "people.jsonl"
    people = [("Ann Lee", "3 High St"), ("Bob Ray", "9 Low Rd"), ("Ann Lee", "77 Mill Way"), ("ann  lee", "3 high st")]
    file.write_text("\n".join(json.dumps({"name": name, "street": street}) for name, street in people))
    rondo("dedup", file, "--text", "name", "--text", "street", "--out", tmp_path / "out.parquet")
    assert clusters_of(tmp_path / "out.parquet") == {"1": "1", "2": "2", "3": "3", "4": "1"}


def test_ten_thousand_equal_records_are_one_cluster(tmp_path: Path) -> None:
    file = write_records(tmp_path / "records.csv", ["the same thing"] * 10_000)
    result = json.loads(rondo("dedup", file, "--text", "text", "--out", tmp_path / "out.parquet", "--json"))
    assert (result["clusters"], result["largest"], result["distinct"]) == (1, 10_000, 1)
    assert result["candidates"] == 0
    assert set(clusters_of(tmp_path / "out.parquet").values()) == {"1"}


def test_texts_of_a_hundred_kilobytes_are_compared_by_their_beginning(tmp_path: Path) -> None:
    long = [f"chapter {number} of the {word} " * 5_000 for number, word in enumerate(("sea", "hill", "town"))]
    file = write_records(tmp_path / "records.csv", [*long, long[1] + "end"])
    rondo("dedup", file, "--text", "text", "--out", tmp_path / "out.parquet")
    clusters = clusters_of(tmp_path / "out.parquet")
    assert clusters["4"] == "2"
    assert clusters["1"] == "1"
    assert pl.read_parquet(tmp_path / "out.parquet")["joined_by"].to_list()[3] == "mutual best, no model"


def test_pairs_between_the_limits_are_written_for_a_person_and_all_are_counted(tmp_path: Path) -> None:
    texts = products(30)[0]
    twins = [text.replace("price", "prices").replace(".00", ".99") for text in texts[:10]]
    file, out, unsure = write_records(tmp_path / "r.csv", [*texts, *twins]), tmp_path / "o.parquet", tmp_path / "u.csv"
    words = ("dedup", file, "--text", "text", "--id", "key", "--out", out, "--unsure", unsure)
    result = json.loads(rondo(*words, "--auto-above", 0.93, "--drop-below", 0.6, "--json"))
    rows = pl.read_csv(unsure)
    assert rows.columns == ["left_id", "right_id", "similarity", "left", "right"]
    assert len(rows) == result["unsure"] > 0
    assert rows["similarity"].is_sorted(descending=True)
    assert rows["similarity"].is_between(0.6, 0.93).all()
    assert result["joined"] + result["unsure"] + result["dropped"] <= result["candidates"]
    assert rows["left"][0] == dict(zip((f"k{n}" for n in range(40)), [*texts, *twins], strict=True))[rows["left_id"][0]]
    again = json.loads(rondo(*words, "--auto-above", 0.6, "--drop-below", 0.6, "--json"))
    assert (again["unsure"], again["below"]) == (0, 0)
    assert again["joined"] > result["joined"]
    assert set(pl.read_parquet(out)["joined_by"].drop_nulls().unique()) == {
        "mutual best, no model",
        "similarity, no model",
    }
    assert "dropped" in rondo(*words, "--auto-above", 0.93).lower()
    assert "would be written over" in rondo(*words[:-1], out, code=2)


def test_a_column_that_the_second_file_lacks_is_named(tmp_path: Path) -> None:
    first = write_records(tmp_path / "first.csv", ["a lamp", "a chair"])
    second = tmp_path / "second.csv"
    second.write_text("key,txt\n1,a lamp\n", encoding="utf-8")
    message = rondo("dedup", first, "--with", second, "--text", "text", "--out", tmp_path / "out.csv", code=2)
    assert "second.csv has no columns 'text', but 'key', 'txt'. Did you mean 'txt'?" in message


@pytest.mark.parametrize("how", ["--encoder", "--no-encoder"])
def test_texts_of_every_script_with_empty_fields_come_out_as_they_went_in(tmp_path: Path, how: str) -> None:
    names = [
        "👩‍👩‍👧 family shop",
        "متجر الكتب القديمة",
        "חנות הספרים",
        "日本語の本屋さん",
        "Füßli & Söhne",
        "",
        "plain shop",
    ]
    file = tmp_path / "shops.jsonl"
    rows = [{"key": f"{number}🙂", "name": name, "town": ""} for number, name in enumerate([*names, *names[:5]])]
    file.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    out = tmp_path / "out.jsonl"
    words = ("dedup", file, "--text", "name", "--text", "town", "--id", "key", "--out", out, how)
    result = json.loads(rondo(*words, "--json"))
    assert (result["records"], result["blank"], result["identical"]) == ([12], 1, 5)
    table = pl.read_ndjson(out)
    assert table["id"].to_list() == [row["key"] for row in rows]
    assert table["cluster"].to_list() == [f"{number}🙂" for number in [*range(7), *range(5)]]


def test_ten_thousand_records_that_differ_by_a_number_make_few_pairs(tmp_path: Path) -> None:
    file = write_records(tmp_path / "records.csv", [f"the same thing {number}" for number in range(10_000)])
    words = ("dedup", file, "--text", "text", "--out", tmp_path / "out.parquet", "--no-encoder", "--json")
    result = json.loads(rondo(*words))
    assert (result["distinct"], len(clusters_of(tmp_path / "out.parquet"))) == (10_000, 10_000)
    assert result["candidates"] <= 2 * 10_000


def test_a_replay_counts_pairs_decided_both_ways_and_pairs_of_equal_texts(tmp_path: Path) -> None:
    file = write_pairs(tmp_path / "pairs.csv", 30)
    words = ("replay", file, "--task", "pairs", "--left", "text", "--right", "text_b", "--label", "label")
    budget = ("--budget", 10, "--seeds", 1)
    clean = json.loads(rondo(*words, *budget, "--json"))
    assert (clean["contradictions"], clean["self_pairs"]) == (0, 0)
    with file.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    one, other, label, split = rows[1]
    odd = [
        [other, one, "no-match" if label == "match" else "match", split],
        [one, other, label, split],
        [one, one.upper(), "match", split],
        ["", other, "match", split],
        ["long " * 20_000, other, "no-match", split],
    ]
    with file.open("a", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(odd)
    result = json.loads(rondo(*words, *budget, "--json"))
    assert (result["contradictions"], result["self_pairs"], result["left_out"]) == (1, 1, 1)
    assert result["records"] + result["test"] == clean["records"] + clean["test"] + 4
    printed = rondo(*words, *budget)
    assert "1 pairs are decided both ways" in printed
    assert "1 pairs are of two equal texts" in printed
    same = ("--left", "text", "--right", "text", "--label", "label")
    assert "both name the column 'text'" in rondo("replay", file, "--task", "pairs", *same, code=2)


def test_blank_records_alone_are_no_duplicates(tmp_path: Path) -> None:
    file = write_records(tmp_path / "records.csv", ["", "   ", ""])
    rondo("dedup", file, "--text", "text", "--out", tmp_path / "out.parquet")
    assert clusters_of(tmp_path / "out.parquet") == {"1": "1", "2": "2", "3": "3"}


@pytest.mark.parametrize(
    ("texts", "words", "message"),
    [
        (["a", "b"], ("--text", "texts"), "has no columns 'texts', but 'key', 'text'. Did you mean 'text'?"),
        ([], ("--text", "text"), "has no rows"),
        (["a"], ("--text", "text"), "has one record; finding duplicates takes two"),
        (["a", "b"], ("--text", "text", "--at-least", 2), "--at-least is 2"),
        (["a", "b"], ("--text", "text", "--auto-above", 2), "--auto-above is 2"),
        (["a", "b"], ("--text", "text", "--drop-below", -0.1), "--drop-below is -0.1"),
        (["a", "b"], ("--text", "text", "--auto-above", 0.7, "--drop-below", 0.9), "joined and dropped at once"),
        (["a", "b"], ("--text", "text", "--unsure", "unsure.docx"), "--unsure is unsure.docx; it must end in .csv"),
        (["a", "b"], ("--text", "text", "--one-partner"), "--one-partner is for two files"),
        (["a", "a"], ("--text", "text", "--id", "text"), "column 'text' holds 'a' again"),
        (["a", ""], ("--text", "key", "--id", "text"), "column 'text' is empty"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_sentence(
    tmp_path: Path, texts: list[str], words: tuple[object, ...], message: str
) -> None:
    file = write_records(tmp_path / "records.csv", texts)
    assert message in rondo("dedup", file, *words, "--out", tmp_path / "out.csv", code=2)
    assert not (tmp_path / "out.csv").exists()


def test_a_file_to_write_must_be_of_a_kind_and_in_a_folder_that_there_is(tmp_path: Path) -> None:
    file = write_records(tmp_path / "records.csv", ["a", "b"])
    (tmp_path / "empty.csv").touch()
    for out, source, message in (
        ("out.xlsx", file, "must end in .csv, .jsonl, .parquet"),
        ("nowhere/out.csv", file, "There is no folder"),
        ("out.csv", tmp_path / "empty.csv", "is empty"),
        ("out.csv", tmp_path / "none.csv", "There is no file"),
        ("records.csv", file, "would be written over"),
    ):
        assert message in rondo("dedup", source, "--text", "text", "--out", tmp_path / out, code=2)
