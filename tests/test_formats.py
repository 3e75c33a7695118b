"""Every file format: what is written is read again, what cannot be held is named, and other programs' files come in."""

import json
from pathlib import Path
from typing import Any

import pytest

from core.data.formats.documentation import formats_table
from core.data.formats.file_format import Meaning
from core.data.formats.formats import ENDINGS, FORMATS, foreign_ending
from core.data.formats.sources import open_source, recognised
from core.errors import BadInput
from tests.format_tables import (
    COLUMNS,
    LABELS,
    LINES,
    SEVERAL,
    SINGLE,
    TEXTS,
    label_rows,
    made,
    person_rows,
    read_form,
    suggested_rows,
    write_form,
)

HERE = Path(__file__).parent / "foreign_files"
WAYS = [name for name, one in FORMATS.items() if one.read and one.write]
OWN = [name for name in WAYS if FORMATS[name].names_itself and name != "huggingface"]
PEOPLE = [name for name in WAYS if FORMATS[name].holds is None or "annotator" in (FORMATS[name].holds or ())]
SUGGESTED = [name for name in OWN if "suggestion" in (FORMATS[name].holds or ())]


def names(meaning: Meaning, cell: object) -> list[str] | None:
    """The labels in a cell, whichever way a format writes them."""
    return cell if isinstance(cell, list) else meaning.names(cell)


def comparable(rows: list[dict[str, Any]], form: str, meaning: Meaning) -> list[dict[str, Any]]:
    """Rows as they compare: labels as lists, metadata of formats that name their columns as columns."""
    result = []
    for row in rows:
        cells = dict(row)
        for name in ("label", "gold", "suggestion"):
            if name in cells:
                cells[name] = names(meaning, cells[name])
        if "meta" in cells and form in OWN:
            meta = json.loads(cells.pop("meta") or "{}")
            cells |= {"sender": meta.get("sender"), "meta.label": meta.get("label")}
        result.append(cells)
    return result


def survives(form: str, rows: list[dict[str, Any]], kind: str, meaning: Meaning, folder: Path) -> None:
    """What a format says that it holds comes back, in the same order."""
    holds = FORMATS[form].holds
    written = write_form(folder, form, rows, kind, meaning)
    columns = [name for name in COLUMNS[kind] if holds is None or name in holds]
    lost = {name for name in COLUMNS[kind] if name not in columns and any(row.get(name) for row in rows)}
    assert set(written.lost) == lost - {"action"}
    expected = comparable([{name: row.get(name) for name in columns} for row in rows], form, meaning)
    wanted = list(expected[0])
    read = read_form(made(folder, form), form, wanted)
    if form in ("csv", "tsv"):  # an empty field is a missing value
        read = [{name: value or None for name, value in row.items()} for row in read]
    back = comparable(read, form, meaning)
    if form in OWN:
        expected = [{name: value for name, value in row.items() if name != "action"} for row in expected]
        back = [{name: value for name, value in row.items() if name != "action"} for row in back]
    assert back == expected


@pytest.mark.parametrize("meaning", [SINGLE, SEVERAL], ids=["single", "several"])
@pytest.mark.parametrize("form", WAYS)
def test_labels_come_back_as_they_were_written(form: str, meaning: Meaning, tmp_path: Path) -> None:
    texts = TEXTS if form == "fasttext" else TEXTS + LINES
    rows = label_rows(texts, several=meaning.several)
    if form == "fasttext":
        rows = [row for row in rows if not row["text"].startswith("__label__") and row["label"] != "[]"]
    if form == "huggingface":  # a part for each split
        rows.sort(key=lambda row: row["split"] == "test")
    survives(form, rows, "label", meaning, tmp_path)


@pytest.mark.parametrize("form", [name for name in PEOPLE if name != "huggingface"])
def test_the_answers_of_each_person_come_back_with_notes_and_known_answers(form: str, tmp_path: Path) -> None:
    survives(form, person_rows(TEXTS + LINES, several=True), "person", SEVERAL, tmp_path)


@pytest.mark.parametrize("form", SUGGESTED)
def test_suggestions_come_back_with_their_probability_and_are_no_labels(form: str, tmp_path: Path) -> None:
    survives(form, suggested_rows(TEXTS, several=True), "all", SEVERAL, tmp_path)


def test_what_has_no_room_for_who_answered_refuses_answers_of_people(tmp_path: Path) -> None:
    for form in ("doccano", "spacy", "fasttext", "openai-chat"):
        with pytest.raises(BadInput, match="no room for who gave it"):
            write_form(tmp_path, form, person_rows(TEXTS, several=False), "person", SINGLE)


def test_fasttext_says_what_it_changed(tmp_path: Path) -> None:
    rows = label_rows(TEXTS + LINES, several=True)
    written = write_form(tmp_path, "fasttext", rows, "label", SEVERAL)
    assert [change.split(" ", 1)[0] for change in written.changes] == ["line", "4", "1"]
    assert written.lost["id"] == len(rows)
    lines = made(tmp_path, "fasttext").read_text(encoding="utf-8").split("\n")
    assert lines[0] == f"__label__new\u00a0york __label__rouge {TEXTS[0]}"


def test_a_chat_has_instructions_text_and_the_answer_as_json(tmp_path: Path) -> None:
    meaning = Meaning(LABELS, several=False, instructions="Say which.")
    write_form(tmp_path, "openai-chat", label_rows(TEXTS, several=False), "label", meaning)
    lines = [json.loads(line) for line in made(tmp_path, "openai-chat").read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 8
    assert [turn["role"] for turn in lines[0]["messages"]] == ["system", "user", "assistant"]
    assert json.loads(lines[2]["messages"][2]["content"]) == {"label": "日本"}


def test_what_is_too_long_for_a_cell_of_excel_is_refused_with_its_row(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="Row 2, column 'text' has 40,000 characters"):
        write_form(tmp_path, "xlsx", label_rows(["x" * 40_000], several=False), "label", SINGLE)


def test_every_ending_belongs_to_one_format_and_every_format_is_described() -> None:
    endings = [ending for one in FORMATS.values() if one.read for ending in one.endings]
    assert len(endings) == len(set(endings)) == len(ENDINGS)
    assert all(one.caption and (one.read or one.write) for one in FORMATS.values())


def test_a_name_that_says_another_format_is_noticed() -> None:
    fitting = {"csv": "a.csv", "jsonl": "a.ndjson", "prodigy": "a.jsonl", "label-studio": "a.json", "argilla": "a"}
    assert not any(foreign_ending(form, name) for form, name in fitting.items())
    assert not foreign_ending("csv", "a.txt")
    wrong = {"xlsx": "a.CSV", "csv": "a.csv.gz", "prodigy": "a.json", "argilla": "a.csv", "tsv": "a.csv"}
    assert all(foreign_ending(form, name) for form, name in wrong.items())


@pytest.mark.parametrize("form", OWN)
def test_a_format_that_names_its_columns_is_recognised(form: str, tmp_path: Path) -> None:
    write_form(tmp_path, form, label_rows(TEXTS, several=True), "label", SEVERAL)
    assert recognised(made(tmp_path, form), "utf-8", by_content=True) == form


def test_ordinary_json_is_not_taken_for_something_else(tmp_path: Path) -> None:
    for line in ({"text": "a", "label": "x"}, {"text": "a", "topic": ["x"]}, {"text": "a"}, {"data": "x"}):
        (tmp_path / "a.jsonl").write_text(json.dumps(line))
        assert recognised(tmp_path / "a.jsonl", "utf-8", by_content=True) == ""


# Files of the real libraries


def test_a_bin_of_spacys_is_read_without_spacy() -> None:
    rows = read_form(HERE / "spacy.spacy", "spacy", ["text", "label"])
    assert rows == [
        {"text": "The parcel never came, and nobody answers.", "label": ["complaint"]},
        {"text": "Ünïcode „quotes“ and 😀 emoji", "label": ["praise"]},
        {"text": "two  blanks\nand a line", "label": ["complaint", "praise"]},
        {"text": " begins with a blank", "label": []},
        {"text": "nobody looked at this one", "label": None},
    ]


def test_our_bin_says_what_spacys_own_says_of_the_same_words(tmp_path: Path) -> None:
    import zlib

    import msgpack

    meaning = Meaning(("a", "b"), several=True)
    rows: list[dict[str, Any]] = [{"text": "The parcel never came, \n\nsorry", "label": "a"}, {"text": "one"}]
    write_form(tmp_path, "spacy", rows, "label", meaning)
    ours, theirs = (
        msgpack.unpackb(zlib.decompress(path.read_bytes()))
        for path in (made(tmp_path, "spacy"), HERE / "spacy_words.spacy")
    )
    for name in ("version", "attrs", "tokens", "spaces", "lengths", "cats", "flags"):
        assert ours[name] == theirs[name], name
    assert set(ours["strings"]) <= set(theirs["strings"])


def test_tasks_that_label_studio_checked_are_read() -> None:
    columns = ["id", "text", "annotator", "label", "gold", "action", "suggestion", "probability", "channel"]
    rows = read_form(HERE / "label_studio.json", "label-studio", columns)
    ann, bob = "ann@example.org", "bob@example.org"
    assert [tuple(row.values()) for row in rows] == [
        (7, "Rain, then sun 🌦", ann, ["weather"], None, None, None, None, None),
        (8, "Soup with a song", ann, ["food", "music"], None, None, ["music"], 0.75, "mail"),
        (8, "Soup with a song", bob, ["food"], None, None, ["music"], 0.75, "mail"),
        (9, "Nothing of it", bob, [], None, None, None, None, None),
        (10, "Skipped", bob, None, None, "skip", None, None, None),
        (11, "A gold drum", ann, ["music"], ["music"], None, None, None, None),
        (12, "Not begun", None, None, None, None, ["music"], 0.75, None),
    ]


def test_label_studios_choices_of_two_controls_need_a_name(tmp_path: Path) -> None:
    regions = [
        {"type": "choices", "from_name": name, "to_name": "text", "value": {"choices": [name.upper()]}}
        for name in ("topic", "mood")
    ]
    (tmp_path / "a.json").write_text(json.dumps([{"data": {"text": "x"}, "annotations": [{"result": regions}]}]))
    with pytest.raises(BadInput, match=r"a\.json: row 1 \(line 1\) has choices of several controls: 'topic', 'mood'"):
        open_source(tmp_path / "a.json", form="label-studio").columns([])
    source = open_source(tmp_path / "a.json", form="label-studio")
    assert [batch.columns for batch in source.batches(["mood"])] == [{"mood": [["MOOD"]]}]


def test_prodigys_documented_tasks_are_read(tmp_path: Path) -> None:
    options = [{"id": "A", "text": "A"}, {"id": "B", "text": "B"}]
    common = {"_input_hash": 7, "_task_hash": 8, "_annotator_id": "ann", "_session_id": "db-ann", "_timestamp": 1}
    tasks = [
        {"text": "one", "options": options, "accept": ["A"], "answer": "accept", "meta": {"page": 3}, **common},
        {"text": "two", "options": options, "accept": [], "answer": "ignore", **common},
        {"text": "three", "options": options, "accept": ["A"], "answer": "reject", **common},
        {"text": "four", "label": "B", "answer": "accept"},
        {"text": "five", "label": "B", "answer": "reject"},
        {"text": "six", "options": options, "accept": [], "answer": "accept", "config": {"choice_style": "multiple"}},
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, tasks)))
    rows = read_form(tmp_path / "a.jsonl", "prodigy", ["id", "text", "label", "annotator", "page"])
    assert [tuple(row.values()) for row in rows] == [
        (7, "one", ["A"], "ann", 3),
        (7, "two", None, "ann", None),
        (7, "three", None, "ann", None),
        (None, "four", ["B"], None, None),
        (None, "five", None, None, None),
        (None, "six", [], None, None),
    ]


def test_doccanos_lines_are_read_and_its_spans_refused(tmp_path: Path) -> None:
    lines: list[dict[str, object]] = [
        {"id": 1, "text": "one", "label": ["A", "B"], "source": "mail", "Comments": ["look again"]},
        {"id": 2, "data": "two", "label": []},
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))
    rows = read_form(tmp_path / "a.jsonl", "doccano", ["id", "text", "label", "meta.source", "note"])
    assert [tuple(row.values()) for row in rows] == [
        (1, "one", ["A", "B"], "mail", "look again"),
        (2, "two", None, None, None),
    ]
    (tmp_path / "b.jsonl").write_text('{"id": 1, "text": "one", "label": [[0, 2, "X"]]}')
    with pytest.raises(BadInput, match="spans with offsets"):
        open_source(tmp_path / "b.jsonl", form="doccano").columns([])


def test_argillas_own_client_reads_what_is_written_and_its_files_are_read(tmp_path: Path) -> None:
    from argilla._models import DatasetModel
    from argilla.records._io._json import JsonIO

    write_form(tmp_path, "argilla", person_rows(TEXTS, several=True), "person", SEVERAL)
    folder = made(tmp_path, "argilla")
    records = JsonIO._records_from_json(folder / "records.json")
    assert [record.id for record in records] == [f"r{number}" for number in range(len(TEXTS))]
    assert [record.fields["text"] for record in records] == list(TEXTS)
    assert [answer.value for answer in records[0].responses] == [["new york", "rouge"], ["new york", "rouge"]]
    assert DatasetModel(**json.loads((folder / ".argilla" / "dataset.json").read_text())).name == "cities"

    JsonIO.to_json(records, tmp_path / "theirs.json")
    columns = ["id", "text", "label", "annotator"]
    assert recognised(tmp_path / "theirs.json", "utf-8", by_content=True) == "argilla"
    assert read_form(tmp_path / "theirs.json", "argilla", columns) == read_form(folder, "argilla", columns)


def test_hugging_faces_own_library_reads_what_is_written_and_its_folders_are_read(tmp_path: Path) -> None:
    import datasets

    rows = sorted(label_rows(TEXTS, several=False), key=lambda row: row["split"] == "test")
    write_form(tmp_path, "huggingface", rows, "label", SINGLE)
    loaded = datasets.load_from_disk(str(made(tmp_path, "huggingface")))
    assert [row["text"] for split in loaded.values() for row in split] == [row["text"] for row in rows]
    assert list(loaded) == ["train", "test"]

    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])})
    train = datasets.Dataset.from_dict({"text": ["a", "b"], "label": [1, 0]}, features=features)
    test = datasets.Dataset.from_dict({"text": ["c"], "label": [1]}, features=features)
    datasets.DatasetDict({"train": train, "test": test}).save_to_disk(str(tmp_path / "saved"))
    train.save_to_disk(str(tmp_path / "alone"))
    train.to_parquet(str(tmp_path / "hub" / "data" / "train-00000-of-00001.parquet"))
    test.to_parquet(str(tmp_path / "hub" / "data" / "test-00000-of-00001.parquet"))
    every = [("a", "yes", "train"), ("b", "no", "train"), ("c", "yes", "test")]
    for folder in ("saved", "hub"):
        matches = read_form(tmp_path / folder, "huggingface", ["text", "label", "split"])
        assert sorted(tuple(row.values()) for row in matches) == every
    assert len(read_form(tmp_path / "alone", "huggingface", ["text", "label"])) == 2
    assert recognised(tmp_path / "saved", "utf-8", by_content=True) == "huggingface"


def test_a_workbook_as_people_make_them_is_read(tmp_path: Path) -> None:
    from datetime import date

    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in ([], ["id", "text", "when"], [1, "one", date(2026, 1, 2)], [], [2.0, "two", None]):
        sheet.append(row)
    book.create_sheet("notes").append(["nothing"])
    book.save(tmp_path / "a.xlsx")
    source = open_source(tmp_path / "a.xlsx")
    [batch] = source.batches(["id", "text"])
    assert source.columns([]) == ["id", "text", "when"]
    assert batch.columns == {"id": [1, 2], "text": ["one", "two"]}
    assert (batch.location(2), batch.blank) == ("row 5", 1)


def test_the_documentation_lists_every_format_with_what_it_holds() -> None:
    page = (Path(__file__).parent.parent / "docs" / "formats.md").read_text(encoding="utf-8")
    assert formats_table() in page


def test_a_folder_of_json_files_is_read_by_paths_through_its_objects(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "a.json").write_text('{"body": {"text": "one", "lang": "en"}, "kind": "x"}')
    (tmp_path / "b" / "c.json").write_text('[{"body": {"text": "two"}}, {"body": {"text": "three"}, "kind": ["y"]}]')
    assert recognised(tmp_path, "utf-8", by_content=True) == "json-folder"
    rows = read_form(tmp_path, "json-folder", ["file", "body.text", "kind"])
    assert [tuple(row.values()) for row in rows] == [
        ("a.json", "one", "x"),
        ("b/c.json", "two", None),
        ("b/c.json", "three", ["y"]),
    ]
    (tmp_path / "b" / "c.json").write_text('{"turns": [{"who": "A", "tags": ["x"]}, {"who": "B", "tags": ["y", "z"]}]}')
    paths = ["turns.1.who", "turns.*.tags", "turns.+.who", "turns.7.who"]
    source = open_source(tmp_path, form="json-folder")
    assert source.columns(paths)[-3:] == paths[:3]
    [batch] = source.batches(paths)
    assert [cells[1] for cells in batch.columns.values()] == ["B", ["x", "y", "z"], "A\n\nB", None]
    (tmp_path / "b" / "c.json").write_text('[{"body": 1}, 7]')
    with pytest.raises(BadInput, match=r"the file b/c\.json, entry 2 is no object"):
        open_source(tmp_path, form="json-folder").columns([])
