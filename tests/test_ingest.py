"""From a file to records.parquet: what is read, what is counted, what is refused and how that is said."""

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.formats.reading import BATCH_ROWS
from core.data.ingest_job import ExactDuplicates, FileReport, IngestParams, Layout, RepeatedIds
from core.data.ledger import normalise, normalised_hashes
from core.data.near_duplicates import connected
from core.errors import BadInput
from gpu_jobs.work.data.ingest import ingest


def silent(done: int, total: int) -> None:
    """Nobody looks at the progress."""


def report_of(folder: Path, file: Path, *, near_duplicates: bool = False, **columns: Any) -> FileReport:
    """Reads the file into the bundle at `folder`."""
    layout = Layout(**{"text": ("text",), **columns})
    return ingest(folder, IngestParams(str(file), layout, near_duplicates), silent)


def read(folder: Path, file: Path, **columns: Any) -> list[dict[str, Any]]:
    """The records of an import, as rows."""
    report_of(folder, file, **columns)
    table = duckdb.connect().execute("select * from read_parquet(?)", [str(folder / "out" / "records.parquet")])
    names = [column[0] for column in table.description or []]
    return [dict(zip(names, row, strict=True)) for row in table.fetchall()]


def write(path: Path, content: str | bytes) -> Path:
    """A file with exactly this in it."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def write_parquet(path: Path, query: str) -> Path:
    """What DuckDB makes of the query."""
    duckdb.connect().execute(f"copy ({query}) to '{path}' (format parquet)")
    return path


CSV = 'id,text,label,split\n7,"one, two",ham,train\n8,"three\nfour",,test\n'
JSONL = """{"id": 7, "text": "one, two", "label": "ham", "split": "train"}
{"id": 8, "text": "three\\nfour", "split": "test"}
"""
TABLE = """select * from (values
    (7, 'one, two', 'ham', 'train'),
    (8, E'three\\nfour', null, 'test')) rows(id, text, label, split)"""

SAME_TWO_RECORDS: dict[str, Callable[[Path], Path]] = {
    "comma": lambda folder: write(folder / "a.csv", CSV),
    "windows line ends": lambda folder: write(
        folder / "a.csv", CSV.replace("\n", "\r\n").replace("three\r\n", "three\n")
    ),
    "byte-order mark": lambda folder: write(folder / "a.csv", b"\xef\xbb\xbf" + CSV.encode()),
    "utf-16 from a spreadsheet": lambda folder: write(folder / "a.csv", CSV.encode("utf-16")),
    "blank lines": lambda folder: write(folder / "a.csv", "\n" + CSV.replace("8,", "\n8,") + "\n\n"),
    "no last line end": lambda folder: write(folder / "a.csv", CSV.rstrip("\n")),
    "gzip": lambda folder: write(folder / "a.csv.gz", gzip.compress(CSV.encode())),
    "capital suffix": lambda folder: write(folder / "A.CSV", CSV),
    "semicolon although commas yield as many": lambda folder: write(
        folder / "a.csv", 'id;a, b, c, d;text;label;split\n7;;one, two;ham;train\n8;;"three\nfour";;test\n'
    ),
    "semicolon": lambda folder: write(
        folder / "a.csv", 'id;text;label;split\n7;one, two;ham;train\n8;"three\nfour";;test\n'
    ),
    "tab": lambda folder: write(
        folder / "a.tsv", 'id\ttext\tlabel\tsplit\n7\tone, two\tham\ttrain\n8\t"three\nfour"\t\ttest\n'
    ),
    "json lines": lambda folder: write(folder / "a.jsonl", JSONL),
    "json lines, gzip": lambda folder: write(folder / "a.jsonl.gz", gzip.compress(JSONL.encode())),
    "json lines, crlf and blank": lambda folder: write(folder / "a.jsonl", JSONL.replace("\n", "\r\n\r\n")),
    "parquet": lambda folder: write_parquet(folder / "a.parquet", TABLE),
    "a line that says sep": lambda folder: write(
        folder / "a.csv", 'sep=;\r\nid;text;label;split\n7;"one, two";ham;train\n8;"three\nfour";;Test\n'
    ),
    "empty rows of a sheet": lambda folder: write(folder / "a.csv", CSV.replace("8,", ",,,\n8,") + ",,,\n, ,,\n"),
    "lines in .json": lambda folder: write(folder / "a.json", JSONL),
    "an array": lambda folder: write(folder / "a.json", "\n [" + ",".join(JSONL.splitlines()) + "]\n"),
    "an array on many lines": lambda folder: write(
        folder / "a.json", json.dumps([json.loads(line) for line in JSONL.splitlines()], indent=2)
    ),
    "a packed array": lambda folder: write(
        folder / "a.json.gz", gzip.compress(("[" + ",".join(JSONL.splitlines()) + "]").encode("utf-16"))
    ),
}


@pytest.mark.parametrize("make", SAME_TWO_RECORDS.values(), ids=SAME_TWO_RECORDS)
def test_every_format_gives_the_same_records(make: Callable[[Path], Path], tmp_path: Path) -> None:
    rows = read(tmp_path / "bundle", make(tmp_path), id="id", label="label", split="split")
    assert [(row["position"], row["id"], row["text"], row["label"], row["split"]) for row in rows] == [
        (0, "7", "one, two", "ham", "train"),
        (1, "8", "three\nfour", None, "test"),
    ]
    assert {row["fields"] for row in rows} == {row["meta"] for row in rows} == {None}


def test_a_folder_of_texts_is_read_by_path_and_hidden_files_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "texts" / "pos").mkdir(parents=True)
    write(tmp_path / "texts" / "pos" / "b.txt", "good\r\n")
    write(tmp_path / "texts" / "a.TXT", "bad")
    write(tmp_path / "texts" / "._a.txt", b"\xff")
    rows = read(tmp_path, tmp_path / "texts", id="id", label="folder")
    matches = [(row["id"], row["text"], row["label"]) for row in rows]
    assert matches == [("a.TXT", "bad", "."), ("pos/b.txt", "good\r\n", "pos")]


def test_several_fields_become_one_text_and_stay_apart_by_name(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", "title,body\nHello,World\n,Alone\n")
    rows = read(tmp_path, file, text=["title", "body"])
    assert [row["text"] for row in rows] == ["Hello\n\nWorld", "Alone"]
    assert [json.loads(row["fields"]) for row in rows] == [
        {"title": "Hello", "body": "World"},
        {"title": "", "body": "Alone"},
    ]


def test_metadata_keeps_its_types_and_what_json_cannot_say_becomes_null_or_text(tmp_path: Path) -> None:
    query = "select 'x' as text, 1.5 as a, 'nan'::double as b, [1, 2] as c, date '2024-02-29' as d, {'k': null} as e"
    row = read(tmp_path, write_parquet(tmp_path / "a.parquet", query), meta=["a", "b", "c", "d", "e"])[0]
    assert json.loads(row["meta"]) == {"a": "1.5", "b": None, "c": [1, 2], "d": "2024-02-29", "e": {"k": None}}


def test_numbers_are_written_out_where_text_is_needed(tmp_path: Path) -> None:
    file = write(
        tmp_path / "a.jsonl", '{"text": 12, "label": 1.0}\n{"text": true, "label": 2.5}\n{"text": "x", "label": NaN}\n'
    )
    rows = read(tmp_path, file, label="label")
    assert [(row["text"], row["label"]) for row in rows] == [("12", "1"), ("true", "2.5"), ("x", None)]


def test_several_labels_come_joined_or_as_a_list_and_are_counted_one_by_one(tmp_path: Path) -> None:
    file = write(
        tmp_path / "a.jsonl", '{"text": "x", "label": "a|b"}\n{"text": "y", "label": ["b", "c"]}\n{"text": "z"}\n'
    )
    rows = read(tmp_path, file, label="label", about={"multi": True})
    assert [row["label"] for row in rows] == ["a|b", "b|c", None]
    assert report_of(tmp_path, file, label="label", about={"multi": True}).labels == {"b": 2, "a": 1, "c": 1}


def test_a_label_is_written_in_one_way_however_the_file_writes_it(tmp_path: Path) -> None:
    names = ["spam\t", " cafe\u0301 ", "café", "caf\u00e9|spam\u00a0|café||", "\u3000", " | "]
    lines = "".join(json.dumps({"text": f"text {n}", "label": name}) + "\n" for n, name in enumerate(names))
    file = write(tmp_path / "a.jsonl", lines)
    rows = read(tmp_path, file, label="label", about={"multi": True})
    assert [row["label"] for row in rows] == ["spam", "café", "café", "café|spam", None, None]
    assert report_of(tmp_path, file, label="label", about={"multi": True}).labels == {"café": 3, "spam": 2}


def test_importing_the_same_file_again_gives_the_same_ids_and_repeats_are_distinguished(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", "text,n\nsame,1\nother,2\nsame,3\nsame,4\n")
    first, again = read(tmp_path / "1", file), read(tmp_path / "2", file)
    assert first == again
    ids = [row["id"] for row in first]
    assert ids[2:] == [f"{ids[0]}-2", f"{ids[0]}-3"]
    assert len(set(ids)) == 4


def test_exact_duplicates_are_found_by_what_a_reader_sees(tmp_path: Path) -> None:
    file = write(
        tmp_path / "a.csv", 'text,n\nStraße  ﬁn,1\n STRASSE FIN,2\nelse,3\nELSE\u00a0,4\n"else\n",5\nalone,6\n'
    )
    rows = read(tmp_path, file)
    assert rows[0]["hash"] == rows[1]["hash"] != rows[2]["hash"] == rows[3]["hash"] == rows[4]["hash"]
    report = report_of(tmp_path, file)
    assert report.exact_duplicates == ExactDuplicates(groups=2, extra=3)
    assert (report.rows, report.records) == (6, 6)


def test_a_given_id_with_the_same_text_is_one_record_and_another_label_is_reported(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", "id,text,label\n1,x,a\n1,x,a\n2,y,b\n1,x,b\n")
    rows = read(tmp_path, file, id="id", label="label")
    report = report_of(tmp_path, file, id="id", label="label")
    assert [(row["position"], row["id"], row["label"]) for row in rows] == [(0, "1", "a"), (2, "2", "b")]
    assert (report.rows, report.records, report.repeated_ids) == (4, 2, RepeatedIds(rows=2, other_label=1))
    assert report.labels == {"a": 1, "b": 1}


def test_rows_of_empty_fields_are_counted_and_an_array_longer_than_a_piece_is_read_whole(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", "text,l\nx,\n,\n, \n\ny,\n" + ",\n" * BATCH_ROWS)
    assert report_of(tmp_path / "1", file).blank_rows == BATCH_ROWS + 2
    rows = [{"text": f"text {n} " + "x" * (n % 97) * 40, "id": n} for n in range(3 * BATCH_ROWS)]
    file = write(tmp_path / "a.json", json.dumps(rows, indent=1))
    assert [row["text"] for row in read(tmp_path / "2", file, id="id")] == [row["text"] for row in rows]


def test_near_duplicates_are_grouped_on_request_in_any_script(tmp_path: Path) -> None:
    english = "the quick brown fox jumps over the lazy dog and runs away from here"
    japanese = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。"
    texts = [english, "nothing like it", japanese, english + " now", english.upper(), japanese + "何", "いろはにほへと"]
    file = write(tmp_path / "a.csv", "id,text\n" + "".join(f"{n},{text}\n" for n, text in enumerate(texts)))
    groups = report_of(tmp_path, file, id="id", near_duplicates=True).near_duplicates
    assert groups
    assert (groups.groups, groups.records, groups.pairs) == (2, 4, 2)
    assert groups.examples == (("0", "3"), ("2", "5"))


@given(st.permutations([(20, 21), *((n, n + 1) for n in range(12))]))
def test_near_duplicates_of_near_duplicates_are_one_group_in_whatever_order_they_come(
    pairs: list[tuple[int, int]],
) -> None:
    left, right = np.array(pairs).T
    assert [list(group) for group in connected(left, right)] == [[*range(13)], [20, 21]]


def test_progress_ends_at_the_total_and_never_goes_back(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", "text\n" + "some words\n" * (3 * BATCH_ROWS))
    seen: list[tuple[int, int]] = []
    params = IngestParams(str(file), Layout(("text",)))
    ingest(tmp_path, params, lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert len(seen) == 4
    assert seen[-1] == (file.stat().st_size, file.stat().st_size)


def test_long_texts_emoji_and_right_to_left_come_through(tmp_path: Path) -> None:
    texts = ["שלום 👩‍👩‍👧 مرحبا\u200f", "x" * 300_000, "\"quoted\", 'and'\ttabbed", "\u2028line\u2029"]
    lines = "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts)
    assert [row["text"] for row in read(tmp_path, write(tmp_path / "a.jsonl", lines))] == texts


ID, LABEL, LABELS = {"id": "id"}, {"label": "l"}, {"label": "l", "about": {"multi": True}}
NUMBERED = "text\n" + "".join(f"text {n}\n" for n in range(10_001))
DEEP = '{"text": ' + "[" * 100_000

# What is wrong, the file, its content, parameters, and what the one sentence must say.
REFUSED: dict[str, tuple[str, str | bytes, dict[str, Any], str]] = {
    "missing column": (
        "a.csv",
        "id,Text\n1,x\n",
        {},
        "a.csv has no column 'text' but 'id', 'Text'; did you mean 'Text'",
    ),
    "missing key": ("a.jsonl", '{"body": "x"}\n', {}, "a.jsonl has no column 'text' but 'body'; name one of these."),
    "column twice": ("a.csv", "text,text\nx,y\n", {}, "a.csv has 2 columns 'text'"),
    "empty file": ("a.csv", "", {}, "a.csv is empty"),
    "empty jsonl": ("a.jsonl", "\n\n", {}, "a.jsonl is empty"),
    "only line ends": ("a.csv", "\n\n", {}, "a.csv is empty"),
    "header only": ("a.csv", "text,label\n", {}, "a.csv has no rows"),
    "no text": ("a.csv", "id,text\n1,x\n\n2, \n", {}, "a.csv: row 2 (line 4), column 'text' holds no text"),
    "no text in jsonl": ("a.jsonl", '{"text": "x"}\n{"id": 1}\n', {}, "row 2 (line 2), column 'text' holds no text"),
    "too few fields": ("a.csv", 'text,label\n"x\ny",a\nz\n', {}, "row 2 (line 4) ends before column 'label' (1 field"),
    "too many fields": ("a.csv", "text,l\nx,a\ny,b,c\n", {}, "row 2 (line 3) goes on after column 'l' (3 fields"),
    "open quote": ("a.csv", 'id,text\n1,x\n2,"y\n3,z\n', {}, "row 2 (line 3), column 'text' opens a quote"),
    "quote in quotes": ("a.csv", 'id,text\n1,x\n2,"y "z" w"\n', {}, "row 2 (line 3), column 'text' goes on after"),
    "bad json": ("a.jsonl", '{"text": "x"}\n{"text": }\n', {}, "row 2 (line 2) is not valid JSON at character 10"),
    "not an object": ("a.jsonl", '{"text": "x"}\n["y"]\n', {}, "row 2 (line 2) is not an object but a list"),
    "deep json": ("a.jsonl", DEEP, {}, "row 1 (line 1) holds a number too long or lists too deep"),
    "latin-1": ("a.csv", b"id,text\n1,x\n2,\xe9\n", {}, "row 2 (line 3), column 'text' holds the byte 0xE9"),
    "latin-1 header": ("a.csv", b"text,caf\xe9\n1,x\n", {}, "a.csv: the header, column 2 holds the byte 0xE9"),
    "latin-1 jsonl": ("a.jsonl", b'{"id": 1, "text": "\xe9"}\n', {}, "row 1 (line 1), column 'text' holds the byte"),
    "no such encoding": ("a.csv", "text\nx\n", {"encoding": "utf-9"}, "There is no encoding 'utf-9'"),
    "array of lists": ("a.json", '[{"text": "x"},\n ["y"]]', {}, "row 2 (line 2) is not an object; write an array of"),
    "array without end": ("a.json", '[{"text": "x"},\n{"text": ', {}, "row 2 (line 2) is not valid JSON"),
    "array without comma": ("a.json", '[{"text": "x"} {"text": "y"}]', {}, "row 1 (line 1) is not followed by a comma"),
    "after the array": ("a.json", '[{"text": "x"}] []', {}, "a.json goes on after its array"),
    "empty array": ("a.json", "[]", {}, "a.json is empty"),
    "NUL": ("a.csv", b"id,text\n1,a\x00b\n", {}, "row 1 (line 2), column 'text' holds a NUL character"),
    "half a pair": ("a.jsonl", '{"text": "\\ud800"}\n', {}, "column 'text' holds a NUL character or half a surrogate"),
    "nested text": ("a.jsonl", '{"text": {"a": 1}}\n', {}, "column 'text' holds a dict where text is needed"),
    "list of labels": ("a.jsonl", '{"text": "x", "l": ["a", "b"]}\n', LABEL, "column 'l' holds a list of labels"),
    "bar in a label": ("a.jsonl", '{"text": "x", "l": ["a|b"]}\n', LABELS, "column 'l' holds a label with a '|'"),
    "empty id": ("a.csv", "id,text\n1,x\n,y\n", ID, "row 2 (line 3), column 'id' is empty"),
    "no text, semicolon": ("a.csv", "text;a,b,c\nx;1\n;2\n", {}, "row 2 (line 3), column 'text' holds no text"),
    "id twice": (
        "a.csv",
        "id,text\n1,x\n1,y\n",
        ID,
        "row 2 (line 3), column 'id' repeats the id '1' of row 1 (line 2)",
    ),
    "no parquet": ("a.parquet", "text\nx\n", {}, "a.parquet cannot be read as Parquet"),
    "no gzip": ("a.csv.gz", "text\nx\n", {}, "a.csv.gz is not a whole gzip file"),
    "half a gzip": ("a.jsonl.gz", gzip.compress(JSONL.encode())[:-12], {}, "a.jsonl.gz is not a whole gzip file"),
    "other suffix": ("a.pdf", "x", {}, "a.pdf ends in '.pdf', which cannot be imported; use .csv"),
    "no label column": ("a.csv", NUMBERED, {"label": "text"}, "column 'text' brings the different labels to more than"),
}


@pytest.mark.parametrize(("name", "content", "params", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_read_is_refused_in_one_sentence_and_nothing_is_left(
    name: str, content: str | bytes, params: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    file = write(tmp_path / name, content)
    with pytest.raises(BadInput, match=re.escape(sentence)) as caught:
        read(tmp_path / "bundle", file, **params)
    assert "\n" not in str(caught.value)
    assert str(caught.value)[-1] in ".?"
    assert list((tmp_path / "bundle").rglob("*.parquet*")) == []


def test_a_row_broken_late_in_the_file_leaves_nothing_half_imported(tmp_path: Path) -> None:
    rows = 3 * BATCH_ROWS
    file = write(tmp_path / "a.csv", "id,text\n" + "".join(f"{n},some words\n" for n in range(rows)) + "broken\n")
    with pytest.raises(BadInput, match=re.escape(f"row {rows + 1} (line {rows + 2}) ends before column 'text'")):
        read(tmp_path / "bundle", file)
    assert list((tmp_path / "bundle" / "out").iterdir()) == []


def test_a_missing_file_and_a_folder_without_texts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="There is no file"):
        read(tmp_path, tmp_path / "nowhere.csv")
    with pytest.raises(BadInput, match=r"holds no \.txt file"):
        read(tmp_path, tmp_path)


def test_a_named_encoding_is_used(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", "text\ncafé – “quoted”\n".encode("cp1252"))
    assert read(tmp_path, file, encoding="cp1252")[0]["text"] == "café – “quoted”"


@given(st.text())
def test_normalising_twice_changes_nothing_and_case_and_white_space_do_not_matter(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    plain, spaced, shouted = normalised_hashes([text, f" \t{text}\n ", text.upper().replace(" ", " \n ")])
    assert plain == spaced
    assert plain == shouted or not text.isascii()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_csv_is_read_or_refused_but_never_a_bug(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = data.draw(
        st.lists(st.sampled_from([b"a", b'"', b",", b"\n", b"\r", b"\xe9", b"\x00", b" ", "ü".encode()]))
    )
    folder = tmp_path_factory.mktemp("damaged")
    file = write(folder / "a.csv", b"id,text\n1,x\n" + b"".join(content))
    try:
        rows = read(folder, file)
    except BadInput as error:
        rows, sentence = [], str(error)
    assert rows[:1] == [] or rows[0]["text"] == "x"
    assert rows or sentence.startswith("a.csv")
