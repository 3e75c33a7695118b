"""Cleaning, balancing and splitting a plain file by what does it in a project, into files of any format."""

import csv
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import polars
import pytest

from core.data.prepare_file import PlainFile, balance_file, clean_file, split_file
from core.errors import BadInput, Refused
from core.jobs.bundle import Jobs
from core.store.database import Store
from gpu_jobs.runners.local import InProcessRunner
from tests.command_line import rondo
from tests.conftest import quiet

ROWS = [
    {"nr": n, "tweet": f"RT @bob: the {word} &amp; the 🎈 number {n}", "kind": kind, "by": f"a{n % 5}"}
    for n, (word, kind) in enumerate([("fog", "weather")] * 14 + [("soup", "food")] * 5 + [("horn", "music")] * 2)
]


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    (tmp_path / "own").mkdir()
    store = Store(tmp_path / "own")
    yield Jobs(store, InProcessRunner(), tmp_path / "own" / "jobs")
    store.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    nothing = {"nr": 99, "tweet": "x" * 100_000, "kind": None, "by": ""}
    again = {**ROWS[0], "nr": 100}
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in [*ROWS, nothing, again]))
    return path


def plain(file: Path, out: str = "") -> PlainFile:
    return PlainFile(str(file), ("tweet",), "kind", out=str(file.with_name(out)) if out else None)


def test_a_cleaned_file_has_all_its_columns_and_the_preview_writes_nothing(jobs: Jobs, file: Path) -> None:
    before = set(file.parent.iterdir())
    preview, written = clean_file(jobs, quiet, plain(file), rules=["tweets"], left_out=["duplicate"])
    assert (preview.applied, preview.changed, preview.left_out) == (False, 23, 1)
    assert [one.examples[0].id for one in preview.reasons if one.reason == "duplicate"] == ["row 23"]
    assert not written.files
    assert set(file.parent.iterdir()) == before
    options = {"rules": ["tweets"], "left_out": ["duplicate"]}
    clean_file(jobs, quiet, plain(file, "clean.jsonl"), **options)  # type: ignore[arg-type]
    lines = [json.loads(line) for line in file.with_name("clean.jsonl").read_text().splitlines()]
    assert len(lines) == 22
    assert lines[0] == {"nr": 0, "tweet": "the fog & the 🎈 number 0", "kind": "weather", "by": "a0"}
    assert lines[-1]["kind"] is None


def test_a_balanced_file_leaves_labels_out_caps_and_repeats(jobs: Jobs, file: Path) -> None:
    options = {"labels_to_filter": ["music"], "reduce_majority_to": 7}
    result, written = balance_file(jobs, quiet, plain(file, "even.csv"), **options)  # type: ignore[arg-type]
    assert {one.name: (one.training, one.after) for one in result.labels} == {
        "weather": (15, 7),
        "food": (5, 5),
        "music": (2, 0),
    }
    with file.with_name("even.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert Counter(row["kind"] for row in rows) == {"weather": 7, "food": 5, "": 1}
    assert sum(written.files.values()) == 13
    balance_file(jobs, quiet, plain(file, "often.parquet"), oversample=True)
    table = polars.read_parquet(file.with_name("often.parquet"))
    assert dict(table["kind"].value_counts().iter_rows()) == {"weather": 15, "food": 15, "music": 16, None: 1}
    with pytest.raises(BadInput, match="no label 'sport' in the file; there are food, music, weather"):
        balance_file(jobs, quiet, plain(file), labels_to_filter=["sport"])


def test_a_split_file_is_divided_by_labels_and_never_within_a_group(jobs: Jobs, file: Path) -> None:
    result, written = split_file(jobs, quiet, plain(file, "part.parquet"), train=0.6, val=0.2, test=0.2, by="by")
    assert sorted(Path(path).name for path in written.files) == [
        "part_test.parquet",
        "part_train.parquet",
        "part_validation.parquet",
    ]
    assert sum(written.files.values()) == result.records == 23
    parts = [set(polars.read_parquet(path).filter(polars.col("by") != "")["by"]) for path in written.files]
    assert sum(map(len, parts)) == len(set().union(*parts))
    with pytest.raises(BadInput, match="a cell of Excel holds"):
        split_file(jobs, quiet, plain(file, "part.xlsx"), test=0.3)
    assert not list(file.parent.glob("*.xlsx"))


@pytest.mark.parametrize(
    ("content", "options", "reason"),
    [
        ("", {}, "rows.csv is empty; it needs at least one record."),
        ("tweet,kind\n", {}, "rows.csv has no rows; it needs at least one record."),
        ("text,kind\na,b\n", {}, "rows.csv has no column 'tweet' but 'text', 'kind'"),
        ("tweet,kind,Tweet\na,b,c\n", {}, "the columns 'tweet' and 'Tweet', which differ only in case"),
        ("tweet,kind\na,b\n", {"out": "rows.csv"}, "--out is rows.csv, the file itself"),
        ("tweet,kind\na,b\n", {"out": "x.doc"}, "x.doc has no ending that says its format; there are"),
        ("tweet,kind\na,b\n", {}, "There are 1 groups for 2 splits"),
    ],
)
def test_what_cannot_be_split_says_why(
    jobs: Jobs, tmp_path: Path, content: str, options: dict[str, str], reason: str
) -> None:
    (tmp_path / "rows.csv").write_text(content)
    with pytest.raises((BadInput, Refused), match=reason):
        split_file(jobs, quiet, plain(tmp_path / "rows.csv", **options))


@pytest.mark.usefixtures("jobs_here")
def test_the_commands_take_a_file_without_a_project(file: Path) -> None:
    words = (file, "--text", "tweet", "--label", "kind")
    assert "Nothing was written: name a file with --out." in rondo("balance", *words)
    out = file.with_name("parts.tsv")
    assert "Wrote 4 rows" in rondo("split", *words, "--train", ".8", "--test", ".2", "--out", out)
    assert "--apply is of a project" in rondo("clean", *words, "--apply", code=2)
    assert "--text is of a file" in rondo("clean", "--text", "tweet", code=2)
