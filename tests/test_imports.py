"""What an import understands and says: labels and their order, words for nothing, splits, and which statement holds."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from app.cli.data.import_file import import_lines
from core import loop
from core.data.file_import import ImportSummary, import_file
from core.data.ingest_job import Contradiction, Contradictions
from core.errors import BadInput
from core.labelling.corrections import correct
from core.labelling.queue import QueueRequest
from core.labelling.responses import Event
from core.project import Project, open_project
from core.reports.export import write_export
from core.reports.overview import status
from core.rounds.run_round import known_now
from core.store.migrations import MIGRATIONS
from gpu_jobs.runners.local import InProcessRunner, LocalRunner
from tests.conftest import quiet, sentences
from tests.queue_world import ANN

Rows = list[tuple[Any, ...]]


def opened(folder: Path, *labels: str, multi: bool = False) -> Project:
    """A new project."""
    loop.create_project(folder, list(labels), multi=multi)
    return open_project(folder, InProcessRunner())


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Project]:
    """Without records and labels."""
    project = opened(tmp_path / "project")
    yield project
    project.close()


@pytest.fixture
def several(tmp_path: Path) -> Iterator[Project]:
    """The same, where several labels may hold."""
    project = opened(tmp_path / "several", "red", "blue", multi=True)
    yield project
    project.close()


def test_times_finer_than_pythons_are_read_whole(tmp_path: Path) -> None:
    import pyarrow  # type: ignore[import-untyped]
    from pyarrow import parquet

    loop.create_project(tmp_path / "project", [])
    project = open_project(tmp_path / "project", LocalRunner(1))  # a process of its own, as people's imports have
    moments = pyarrow.array([1767225600123456789, 1767225600123456001], pyarrow.timestamp("ns"))
    file = tmp_path / "moments.parquet"
    parquet.write_table(pyarrow.table({"text": ["rain", "sun"], "at": moments}), file)
    assert import_file(project, quiet, file=str(file), text=["text"], meta=["at"]).added == 2
    [fields] = project.store.query("select meta::varchar from records where text = 'rain'")
    assert "123456789" in fields[0]
    project.close()


def bring(project: Project, name: str, rows: Rows, *columns: str, **options: Any) -> ImportSummary:
    """Imports rows of these columns from a file of JSON lines or, by its name, a CSV file."""
    file, names = project.folder.parent / name, columns or ("id", "text", "label")
    if name.endswith(".csv"):
        table = [names, *(["" if cell is None else str(cell) for cell in row] for row in rows)]
        file.write_text("".join(",".join(row) + "\n" for row in table))
    else:
        file.write_text("".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows))
    layout: dict[str, Any] = {
        "text": ["text"],
        **{kind: kind for kind in ("id", "label", "split", "annotator") if kind in names},
    }
    return import_file(project, quiet, file=str(file), **layout | options)


def settled(project: Project) -> dict[str, tuple[str, ...]]:
    """record -> names of its labels."""
    names = project.settings().taxonomy.names
    rows = project.store.query("select id, labels from settled join records using (n)")
    return {record: tuple(names[label] for label in labels) for record, labels in rows}


def names_of(project: Project) -> list[str]:
    return [label.name for label in project.settings().taxonomy.labels]


HAM: Rows = [("1", "hello there", "ham"), ("2", "buy now", "spam")]
SPAM: Rows = [("1", "hello there", "spam"), ("2", "buy now", "spam")]


def test_the_last_file_holds_whatever_it_is_called_and_the_same_again_changes_nothing(empty: Project) -> None:
    counts = []
    for name, rows in (("a.csv", HAM), ("b.csv", SPAM), ("a.csv", HAM), ("c.csv", HAM)):
        result = bring(empty, name, rows)
        counts.append((result.new, result.changed, result.same))
        assert settled(empty) == {record: (label,) for record, _, label in rows}
    assert counts == [(2, 0, 0), (0, 1, 1), (0, 1, 1), (0, 0, 2)]
    assert empty.store.one("select count(*) from responses") == 4
    assert empty.store.query("select how from settled") == [("single",), ("single",)]


def test_people_and_corrections_outweigh_a_later_file_and_the_import_says_so(empty: Project) -> None:
    bring(empty, "a.csv", [*HAM, ("3", "a third", "ham")])
    ids = empty.settings().taxonomy.ids
    correct(empty, "1", [ids["spam"]], "ann")
    result = bring(empty, "b.csv", [("1", "hello there", "ham"), ("2", "buy now", "ham"), ("3", "a third", "ham")])
    assert settled(empty) == {"1": ("spam",), "2": ("ham",), "3": ("ham",)}
    assert (result.changed, result.same, result.contradicted) == (1, 2, 1)
    assert any("contradict what people answered" in line for line in import_lines(result))


def test_a_persons_answers_in_files_are_that_persons_and_the_last_file_holds_for_each(empty: Project) -> None:
    columns = ("id", "text", "label", "annotator")
    for name, label in (("a.jsonl", "ham"), ("b.jsonl", "spam"), ("a.jsonl", "ham")):
        bring(empty, name, [("1", "hello", label, "ann"), ("2", "buy", "spam", "bob")], *columns, add_labels=True)
        assert settled(empty)["1"] == (label,)
    spam = empty.settings().taxonomy.ids["spam"]
    empty.label_queue.exchange(ANN, QueueRequest(events=(Event("card", "1", "submit", (spam,), ts=time.time()),)))
    bring(empty, "a.jsonl", [("1", "hello", "ham", "ann")], *columns)
    assert settled(empty)["1"] == ("spam",), "the same file again is no newer word than hers on the card"


def test_a_project_whose_files_tied_gets_the_last_files_labels(tmp_path: Path) -> None:
    project = opened(tmp_path / "old")
    bring(project, "a.csv", HAM)
    with project.store.transaction() as cursor:  # as earlier versions wrote it: each file an annotator
        cursor.execute(
            """insert into responses select 'file:b.csv:1:spam', n, 'b.csv', action, ['spam'], null, null,
                   made_at + interval 1 minute, 0, received_at + interval 1 minute, 0, 1, null, null, stamp + 1, 'file',
                   true, to_json(['spam']), null
               from responses where event_id like 'file:a.csv:1:%'"""
        )
        cursor.execute("delete from settled where n = 0")
        cursor.execute(next(step for step in MIGRATIONS if "each file by itself" in step))
    project.close()
    project = open_project(tmp_path / "old", InProcessRunner())
    assert settled(project) == {"1": ("spam",), "2": ("spam",)}
    assert project.store.one("select rule from settling order by since desc limit 1") == "majority"
    project.close()


def test_words_for_nothing_are_no_label_unless_they_are_a_known_one_or_somebody_keeps_them(tmp_path: Path) -> None:
    words = ["NA", "N/A", "#N/A", "NaN", "null", "None", "", None]
    rows: Rows = [(str(n), f"text {n}", word) for n, word in enumerate(["ham", *words])]
    for name in ("a.csv", "a.jsonl"):
        project = opened(tmp_path / name)
        result = bring(project, f"x{name}", rows)
        assert names_of(project) == ["ham"]
        assert result.report.missing_words == dict.fromkeys(words[:6], 1)
        assert any("NA 1, N/A 1" in line and "--keep-missing-words" in line for line in import_lines(result))
        bring(project, f"x{name}", rows, keep_missing_words=True, add_labels=True)
        assert set(names_of(project)) == {"ham", *words[:6]}
        project.close()
    project = opened(tmp_path / "regions", "NA", "EU")
    bring(project, "regions.csv", [("1", "x", "NA"), ("2", "y", "NaN")])
    assert settled(project) == {"1": ("NA",)}
    project.close()


def test_a_number_is_one_label_however_a_format_writes_it_and_codes_keep_their_zeros(tmp_path: Path) -> None:
    project = opened(tmp_path / "stars")
    result = bring(
        project, "a.csv", [(n, f"text {n}", word) for n, word in enumerate(["10", "1", "1.0", "01", "2.50"])]
    )
    assert names_of(project) == ["1", "2.5", "10"]
    assert any("01 and 1 and 1.0 are one label, 1." in line for line in import_lines(result))
    bring(project, "b.jsonl", [(7, "text 7", 1.0), (8, "text 8", "01"), (9, "text 9", 10)])
    file = tmp_path / "c.parquet"
    duckdb.connect().execute(f"copy (select 12 as id, 'text 12' as text, 1.0::double as label) to '{file}'")
    import_file(project, quiet, file=str(file), text=["text"], id="id", label="label")
    assert [settled(project)[record] for record in ("7", "8", "9", "12")] == [("1",), ("1",), ("10",), ("1",)]
    project.close()
    project = opened(tmp_path / "codes")
    bring(project, "codes.csv", [("1", "x", "0111"), ("2", "y", "0112")])
    bring(project, "later.jsonl", [("3", "z", 111)])
    assert names_of(project) == ["0111", "0112"]
    assert settled(project)["3"] == ("0111",)
    project.close()


def test_labels_stand_by_number_then_by_name_and_as_they_were_given_before_all(tmp_path: Path) -> None:
    words = ["5", "5", "5", "10", "2", "b", "a", "B", "a"]
    project = opened(tmp_path / "by name")
    bring(project, "a.csv", [(n, f"text {n}", word) for n, word in enumerate(words)])
    assert names_of(project) == ["2", "5", "10", "a", "B", "b"]
    project.close()
    project = opened(tmp_path / "given", "z", "5")
    bring(project, "b.csv", [(n, f"text {n}", word) for n, word in enumerate(words)], add_labels=True)
    assert names_of(project) == ["z", "5", "2", "10", "a", "B", "b"]
    project.close()


def write_hugging_face(file: Path, feature: dict[str, Any], labels: list[Any]) -> None:
    """As `datasets` writes Parquet."""
    import pyarrow as arrow
    from pyarrow import parquet

    table = arrow.table({"text": [f"text {n}" for n in range(len(labels))], "label": labels})
    info = {"info": {"features": {"text": {"dtype": "string", "_type": "Value"}, "label": feature}}}
    parquet.write_table(table.replace_schema_metadata({"huggingface": json.dumps(info)}), file)


CLASSES = {"names": ["neutral", "good", "bad"], "_type": "ClassLabel"}


@pytest.mark.parametrize(
    ("feature", "labels", "names"),
    [
        (CLASSES, [2, 1, -1, None], [("bad",), ("good",), None, None]),
        ({"feature": CLASSES, "_type": "Sequence"}, [[2, 1], [], [-1]], [("bad", "good"), (), None]),
        ({"feature": CLASSES, "_type": "List"}, [[1], None], [("good",), None]),
        ([CLASSES], [[0], [2]], [("neutral",), ("bad",)]),
        ({"dtype": "int64", "_type": "Value"}, [2, -1], [("2",), ("-1",)]),
    ],
)
def test_numbers_with_names_in_hugging_face_metadata_come_in_by_name_in_their_order(
    feature: Any, labels: list[Any], names: list[Any], tmp_path: Path
) -> None:
    project = opened(tmp_path / "faces", multi=True)
    write_hugging_face(tmp_path / "a.parquet", feature, labels)
    import_file(project, quiet, file=str(tmp_path / "a.parquet"), text=["text"], label="label")
    order = [label for (label,) in project.store.query("select id from records order by n")]
    matches = [settled(project).get(record) for record in order]
    assert [one if one is None else tuple(sorted(one)) for one in matches] == names
    if "Value" not in str(feature):
        assert names_of(project) == CLASSES["names"], "the one that no record has, too"
    project.close()


def test_a_number_that_the_metadata_do_not_name_is_refused(empty: Project, tmp_path: Path) -> None:
    write_hugging_face(tmp_path / "a.parquet", CLASSES, [1, 3])
    with pytest.raises(BadInput, match="row 2, column 'label' holds 3, but its metadata name the labels 0 to 2"):
        import_file(empty, quiet, file=str(tmp_path / "a.parquet"), text=["text"], label="label")


def test_labels_that_look_alike_are_named_and_control_characters_refused_with_their_row(empty: Project) -> None:
    result = bring(
        empty, "a.jsonl", [("1", "x", "Spam"), ("2", "y", "spam"), ("3", "z", "ham"), ("4", "w", "ham\u200b")]
    )
    assert result.look_alikes == [["ham", "ham\u200b"], ["Spam", "spam"]]
    assert any("'ham', 'ham\\u200b'" in line for line in import_lines(result))
    with pytest.raises(BadInput, match=r"b.jsonl: row 1 \(line 1\), column 'label': .* control character"):
        bring(empty, "b.jsonl", [("5", "v", "ham\nspam")], add_labels=True)
    assert empty.store.one("select count(*) from records") == 4


def test_a_column_that_hardly_holds_labels_is_doubted_and_a_thousand_need_a_word(empty: Project) -> None:
    result = bring(empty, "a.jsonl", [(n, f"text {n}", f"name {n}") for n in range(9)], add_labels=True)
    assert "9 different labels in 9 labelled rows" in import_lines(result)[-2]
    result = bring(empty, "b.jsonl", [("x", "text x", '{"label": "ham"}')], add_labels=True)
    assert "1 of its 1 labels are JSON objects" in import_lines(result)[-2]
    many: Rows = [(f"m{n}", f"more {n}", f"name {n % 1001}") for n in range(3000)]
    with pytest.raises(BadInput, match=r"more than 1,000; name the column .*--many-labels"):
        bring(empty, "c.csv", many, add_labels=True)
    assert bring(empty, "c.csv", many, add_labels=True, many_labels=True).labelled == 3000


def test_one_text_with_two_labels_is_named_with_its_rows_in_one_file_and_across_files(empty: Project) -> None:
    rows: Rows = [("1", "the parcel", "ham"), ("2", "The parcel ", "spam"), ("3", "buy", "spam"), ("4", "buy", "spam")]
    result = bring(empty, "a.jsonl", rows)
    assert result.report.contradictions == Contradictions(1, 2, (Contradiction((1, 2), ("ham", "spam")),))
    assert any("contradict each other (rows 1 and 2)" in line for line in import_lines(result))
    result = bring(empty, "b.jsonl", [("5", "buy", "ham"), ("6", "buy", "ham"), ("7", "new", "ham")])
    assert (result.clashing, result.report.contradictions) == (2, Contradictions(0, 0, ()))
    result = bring(empty, "c.jsonl", [("8", "again", "ham"), ("8", "again", "spam")])
    assert any("(rows 1 and 2)" in line and "repeat an id" in line for line in import_lines(result))


def test_none_of_them_comes_back_as_itself_and_unanswered_too(several: Project, tmp_path: Path) -> None:
    bring(several, "a.jsonl", [("a", "blue sky", ["blue"]), ("b", "no colour", []), ("c", "who knows", None)])
    assert settled(several) == {"a": ("blue",), "b": ()}
    for file_format in ("csv", "jsonl", "parquet"):
        file = tmp_path / f"out.{file_format}"
        write_export(several, file, file_format, "all")
        again = opened(tmp_path / file_format, "red", "blue", multi=True)
        result = import_file(again, quiet, file=str(file), text=["text"], id="id", label="label")
        assert settled(again) == settled(several)
        assert result.report.none_of_them == 1
        again.close()


def test_a_list_of_one_label_is_that_label_and_one_of_none_is_no_label(empty: Project) -> None:
    bring(empty, "a.jsonl", [("1", "x", ["ham"]), ("2", "y", [])])
    assert settled(empty) == {"1": ("ham",)}


def test_a_split_is_known_in_any_case_and_an_unknown_word_is_named(empty: Project) -> None:
    words = ["Test", "TEST ", "train", "Validation", "val", "dev", "valid", "holdout", "NA", ""]
    rows: Rows = [(n, f"text {n}", "ham", word) for n, word in enumerate(words)]
    result = bring(empty, "a.jsonl", rows, "id", "text", "label", "split")
    assert result.report.splits == {"validation": 4, "test": 2, "train": 1, "holdout": 1}
    assert any("no split is called holdout 1" in line for line in import_lines(result))
    assert status(empty).gold == 2


def test_a_known_record_that_comes_as_test_is_gold_is_not_trained_on_and_is_not_asked(project: Project) -> None:
    train_rows = [(f"r{number}", text, topic) for number, (text, topic) in enumerate(sentences(60)) if number % 5 != 4]
    bring(project, "labels.jsonl", train_rows[:20])
    loop.next_batch(project, quiet, size=10)
    waiting = {n for (n,) in project.store.query("select n from queue")}
    before = set(known_now(project, project.settings())[0]["train_rows"].tolist())
    rows: Rows = [(*row, "test") for row in (*train_rows[:8], train_rows[25])] + [(*train_rows[30][:2], None, "test")]
    result = bring(project, "gold.jsonl", rows, "id", "text", "label", "split")
    assert (result.declared_gold, result.stopped_teaching) == (10, 8)
    assert any("10 records that were here before are gold now; 8 of them taught" in x for x in import_lines(result))
    gold = {n for (n,) in project.store.query("select n from records where split = 'test'")}
    arrays = known_now(project, project.settings())[0]
    assert set(arrays["train_rows"].tolist()) == before - gold
    assert set(arrays["gold_rows"].tolist()) >= gold & before
    request = {n for (n,) in project.store.query("select n from queue where n in (select n from settled)")}
    assert not request & gold
    assert waiting
    result = bring(project, "gold.jsonl", [(*train_rows[0], "train")], "id", "text", "label", "split")
    assert project.store.one("select split from records where id = 'r0'") == "test", "gold stays gold"


def test_test_records_without_a_label_are_asked_blind_among_the_others_and_are_gold(tmp_path: Path) -> None:
    project = opened(tmp_path / "asked", "weather", "food", "music")
    rows: Rows = [(f"r{n}", text, None, "TEST" if n % 2 else "train") for n, (text, _) in enumerate(sentences(40))]
    bring(project, "a.jsonl", rows, "id", "text", "label", "split")
    result = loop.next_batch(project, quiet, size=10)
    tests = {record for record, *_, split in rows if split == "TEST"}
    assert result.queued == 10
    assert 1 <= result.test <= 9
    cards = project.label_queue.exchange(ANN, QueueRequest(want=10)).cards
    mine = next(card for card in cards if card.id in tests)
    assert mine.suggestion is None
    project.label_queue.exchange(ANN, QueueRequest(events=(Event("e", mine.id, "submit", ("food",)),), have=(mine.id,)))
    assert status(project).gold == 1
    assert project.store.one("select count(*) from settled where stratum = 'gold'") == 1
    project.close()


def test_test_records_are_asked_also_where_nothing_else_is_left(tmp_path: Path) -> None:
    project = opened(tmp_path / "all test", "weather", "food")
    rows: Rows = [(f"r{n}", text, None, "test") for n, (text, _) in enumerate(sentences(12))]
    bring(project, "a.jsonl", rows, "id", "text", "label", "split")
    assert loop.next_batch(project, quiet, size=5).queued == 5
    assert loop.next_batch(project, quiet, size=50).queued == 7
    assert status(project).queued == 12
    project.close()
